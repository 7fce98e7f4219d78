//! Events, as rows, and the newest of each object.

use jiff::Timestamp;

use super::key::{Meta, ObjectKey, Text, Uid};

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub meta: Meta,
    /// `involvedObject`: its `kind` as the API writes it, and its key.
    pub object_kind: Text,
    pub object: ObjectKey,
    pub object_uid: Option<Uid>,
    pub warning: bool,
    pub reason: Text,
    /// Cut to 512 characters when it is read.
    pub message: Text,
    pub count: u32,
    pub first: Timestamp,
    pub last: Timestamp,
    pub source: Text,
}
