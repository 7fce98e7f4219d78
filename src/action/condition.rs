//! What a job waits for, judged from objects that are read for it.
//!
//! [`Condition::reads`] says what to read, [`Condition::judge`] says how it stands.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::Target;
use crate::domain::key::{Kind, ObjectKey};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "condition")]
pub enum Condition {
    /// The object is gone, or another has its name.
    Gone { target: Target },
    /// No VolumeAttachment of this volume is left.
    Detached { volume: String },
    /// A pod of this name is ready and is not that one.
    PodReady {
        pod: ObjectKey,
        /// Uid of the pod that went; empty = any pod will do.
        not: String,
    },
    /// The pod ended with success.
    PodSucceeded { pod: Target },
    /// Ready, and proven: bound both ways to its content, cut from this disk, not before `since`.
    SnapshotReady {
        snapshot: Target,
        /// The volume handle of the claim that was meant; `None` = not known, not proven.
        handle: Option<String>,
        since: Timestamp,
    },
    /// Bound, to this volume if one is named.
    ClaimBound {
        claim: Target,
        volume: Option<String>,
    },
    /// The volume is in this phase.
    VolumePhase { volume: Target, phase: String },
    /// The file system of the claim has grown (resize stages 0 to 5).
    FileSystemGrown {
        claim: Target,
        volume: String,
        /// What was asked for, in bytes.
        bytes: u64,
        /// Where the file system can be measured; `None` = no pod mounts it.
        measure: Option<Measure>,
        /// Bytes of the file system before, where known.
        before: Option<u64>,
        since: Timestamp,
    },
    /// All replicas are ready and of the newest revision.
    SetSettled { set: Target },
    /// The field has this value. An absent field is `null`.
    Has {
        target: Target,
        pointer: String,
        value: Value,
    },
}

/// A container that mounts a claim.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Measure {
    pub pod: ObjectKey,
    pub container: String,
    pub mount: String,
}

/// Something to read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Read {
    Object(Kind, ObjectKey),
    /// Events of an object, by its uid.
    Events {
        namespace: String,
        uid: String,
    },
    /// All attachments (cluster-wide).
    Attachments,
    /// `{"blocks": …, "size": …}` of `stat -f` in the container.
    FileSystem(Measure),
}

/// What was read: `Null` is "there is none". A read that failed is not in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub now: Timestamp,
    pub values: BTreeMap<Read, Value>,
}

/// How a condition stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    Met {
        note: String,
    },
    /// A word on where it is: a stage.
    Pending {
        stage: String,
    },
    /// It will not come true without somebody doing something.
    Failed {
        why: String,
        next: String,
    },
}
