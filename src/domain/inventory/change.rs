//! What a watch tells the inventory. Plain data, so that any order, loss or repetition can be
//! written down in a test.

use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::freshness::Freshness;
use crate::domain::key::{Kind, Meta, ObjectKey};
use crate::domain::node::Node;
use crate::domain::pod::Pod;
use crate::domain::snapshot::{Content, Snapshot, SnapshotClass};
use crate::domain::volume::{Attachment, StorageClass, Volume};
use crate::domain::workload::{Budget, Quota, Set, Workload};

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A list starts. Rows that are there stay until [`Change::Done`].
    Begin { kind: Kind },
    /// Some of the list; `remaining` as the API server estimates it.
    Page {
        kind: Kind,
        rows: Vec<Row>,
        remaining: Option<u64>,
    },
    /// The list is complete: what it did not name is gone.
    Done { kind: Kind },
    /// Objects that changed and objects that went.
    Update {
        kind: Kind,
        puts: Vec<Row>,
        gone: Vec<ObjectKey>,
    },
    /// What is known of the kind changed.
    Freshness { kind: Kind, freshness: Freshness },
}

impl Change {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Begin { kind }
            | Self::Page { kind, .. }
            | Self::Done { kind }
            | Self::Update { kind, .. }
            | Self::Freshness { kind, .. } => *kind,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    Set(Set),
    Pod(Pod),
    Claim(Claim),
    Volume(Volume),
    Snapshot(Snapshot),
    Content(Content),
    SnapshotClass(SnapshotClass),
    StorageClass(StorageClass),
    Attachment(Attachment),
    Node(Node),
    Event(Event),
    Workload(Workload),
    Budget(Budget),
    Quota(Quota),
}

impl Row {
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Set(_) => Kind::Set,
            Self::Pod(_) => Kind::Pod,
            Self::Claim(_) => Kind::Claim,
            Self::Volume(_) => Kind::Volume,
            Self::Snapshot(_) => Kind::Snapshot,
            Self::Content(_) => Kind::Content,
            Self::SnapshotClass(_) => Kind::SnapshotClass,
            Self::StorageClass(_) => Kind::StorageClass,
            Self::Attachment(_) => Kind::Attachment,
            Self::Node(_) => Kind::Node,
            Self::Event(_) => Kind::Event,
            Self::Workload(w) => w.kind,
            Self::Budget(_) => Kind::Budget,
            Self::Quota(_) => Kind::Quota,
        }
    }

    pub const fn meta(&self) -> &Meta {
        match self {
            Self::Set(r) => &r.meta,
            Self::Pod(r) => &r.meta,
            Self::Claim(r) => &r.meta,
            Self::Volume(r) => &r.meta,
            Self::Snapshot(r) => &r.meta,
            Self::Content(r) => &r.meta,
            Self::SnapshotClass(r) => &r.meta,
            Self::StorageClass(r) => &r.meta,
            Self::Attachment(r) => &r.meta,
            Self::Node(r) => &r.meta,
            Self::Event(r) => &r.meta,
            Self::Workload(r) => &r.meta,
            Self::Budget(r) => &r.meta,
            Self::Quota(r) => &r.meta,
        }
    }
}
