//! PersistentVolumes, their classes and their attachments, as rows.

use jiff::Timestamp;

use super::key::{Meta, ObjectKey, Text, Uid};
use super::quantity::Quantity;

#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    pub meta: Meta,
    pub phase: VolumePhase,
    pub capacity: Option<Quantity>,
    pub storage_class: Option<Text>,
    /// What happens to the disk when the claim goes.
    pub reclaim: Reclaim,
    pub claim: Option<ClaimRef>,
    pub driver: Option<Text>,
    /// The disk's own name at the provider: what a snapshot must be proven against.
    pub handle: Option<Text>,
    /// Zone of the required node affinity.
    pub zone: Option<Text>,
    /// `status.lastPhaseTransitionTime`.
    pub phase_since: Option<Timestamp>,
    pub message: Option<Text>,
    /// Annotated by wsdash when it was kept behind for an undo.
    pub kept_by: Option<Text>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum VolumePhase {
    Pending,
    Available,
    Bound,
    Released,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum Reclaim {
    Retain,
    Delete,
    Recycle,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ClaimRef {
    pub key: ObjectKey,
    pub uid: Option<Uid>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct StorageClass {
    pub meta: Meta,
    pub provisioner: Text,
    pub expandable: bool,
    pub reclaim: Reclaim,
    pub wait_for_consumer: bool,
    pub default: bool,
    /// `parameters.type`, which prices depend on.
    pub disk_type: Option<Text>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    pub meta: Meta,
    pub volume: Option<Text>,
    pub node: Text,
    pub attached: bool,
    pub attach_error: Option<(Text, Option<Timestamp>)>,
    pub detach_error: Option<(Text, Option<Timestamp>)>,
}
