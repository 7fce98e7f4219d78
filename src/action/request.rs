//! What a person asks for: small enough to type, kept in the journal, planned anew at will.

use serde::{Deserialize, Serialize};

use crate::domain::key::ObjectKey;
use crate::domain::quantity::Quantity;

/// The actions by name.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ActionName {
    Snapshot,
    Restore,
    Resize,
    Orphans,
    Verify,
    Evict,
    Purge,
    Undo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "request")]
pub enum Request {
    /// All claims of each workspace, as one set of snapshots a workspace.
    Snapshot {
        workspaces: Vec<ObjectKey>,
        wait: bool,
    },
    Resize {
        claim: ObjectKey,
        to: Growth,
    },
    /// Ends the sessions: the pods are evicted, with their own grace.
    Evict {
        workspaces: Vec<ObjectKey>,
    },
    /// One claim after another.
    Orphans {
        claims: Vec<ObjectKey>,
    },
    /// Beside the workspace, into claims of other names.
    Restore {
        workspace: ObjectKey,
        /// A snapshot or the id of a set of snapshots; `None` = the newest complete set.
        from: Option<String>,
        in_place: bool,
        /// Only these claims of the workspace; empty = all.
        #[serde(default)]
        claims: Vec<ObjectKey>,
    },
    Verify {
        workspace: ObjectKey,
        force: bool,
        other_node: bool,
    },
    /// Give up the way back of past jobs: delete the volumes that were kept for them.
    Purge {
        jobs: Vec<String>,
    },
    Undo {
        job: String,
    },
}

/// How large a claim shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    To(#[serde(with = "quantity")] Quantity),
    By(#[serde(with = "quantity")] Quantity),
    /// Hundredths of the present request.
    ByPercent(u32),
}

impl Request {
    pub const fn action(&self) -> ActionName {
        match self {
            Self::Snapshot { .. } => ActionName::Snapshot,
            Self::Resize { .. } => ActionName::Resize,
            Self::Evict { .. } => ActionName::Evict,
            Self::Orphans { .. } => ActionName::Orphans,
            Self::Restore { .. } => ActionName::Restore,
            Self::Verify { .. } => ActionName::Verify,
            Self::Purge { .. } => ActionName::Purge,
            Self::Undo { .. } => ActionName::Undo,
        }
    }
}

mod quantity {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::quantity::Quantity;

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
    pub(super) fn serialize<S: Serializer>(quantity: &Quantity, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&quantity.canonical())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Quantity, D::Error> {
        Quantity::parse(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}
