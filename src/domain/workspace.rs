//! The join: one workspace is one ordinal of one StatefulSet with its pod, claims, volumes,
//! snapshots, metrics, events and findings. Also the parked ordinal, the claims of a deleted
//! set, and the pod whose work is on no claim.

use super::key::{ObjectKey, Text};

/// Membership only: the objects themselves are rows of the inventory.
#[derive(Clone, Debug, PartialEq)]
pub struct Workspace {
    /// Namespace and `<set>-<ordinal>`, which is also the pod's name.
    pub key: ObjectKey,
    pub origin: Origin,
    /// The set's name, also when the set itself is gone.
    pub set: Option<Text>,
    pub ordinal: Option<u32>,
    /// In the order of the set's templates.
    pub claims: Vec<Slot>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slot {
    pub template: Text,
    pub claim: Text,
    /// Whether the claim exists; an expected one that does not is evidence, too.
    pub exists: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display)]
#[strum(serialize_all = "lowercase")]
pub enum Origin {
    /// In the range of a live set.
    Live,
    /// Claims of a live set, without a replica.
    Parked,
    /// Claims whose set is gone.
    Leftover,
    /// A pod whose work is on no claim.
    Unpersisted,
}
