//! VolumeSnapshots, their contents and classes, as rows (snapshot.storage.k8s.io/v1).

use jiff::Timestamp;

use super::key::{Meta, ObjectKey, Text, Uid};
use super::quantity::Quantity;

#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    pub meta: Meta,
    /// The claim is named, not identified: only the content's handle proves the disk.
    pub claim: Option<Text>,
    pub class: Option<Text>,
    pub content: Option<Text>,
    /// `None` = nobody said anything yet.
    pub ready: Option<bool>,
    /// When the data was cut, not when it was uploaded.
    pub taken: Option<Timestamp>,
    pub size: Option<Quantity>,
    pub error: Option<(Text, Option<Timestamp>)>,
    /// Label of a set of snapshots that were taken together.
    pub set_id: Option<Text>,
    /// Consistency level that was recorded when it was taken.
    pub consistency: Option<Text>,
}

impl Snapshot {
    pub fn is_ready(&self) -> bool {
        self.ready == Some(true) && self.meta.deleted.is_none()
    }

    /// The time that its data is of; a ready snapshot without one counts from its creation.
    pub fn point_in_time(&self) -> Timestamp {
        self.taken.unwrap_or(self.meta.created)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Content {
    pub meta: Meta,
    pub snapshot: Option<(ObjectKey, Option<Uid>)>,
    /// `true`: deleting the snapshot deletes the backup at the provider.
    pub delete: bool,
    pub driver: Text,
    /// Handle of the volume that it was cut from.
    pub source_handle: Option<Text>,
    pub handle: Option<Text>,
    pub ready: Option<bool>,
    pub size: Option<u64>,
    pub error: Option<(Text, Option<Timestamp>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotClass {
    pub meta: Meta,
    pub driver: Text,
    pub delete: bool,
    pub default: bool,
}
