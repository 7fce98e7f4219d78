//! What a job waits for, judged from objects that are read for it.
//!
//! [`Condition::reads`] says what to read, [`Condition::judge`] says how it stands.

mod judge;

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
    /// No object of this name is there, whoever made it.
    Absent { kind: Kind, key: ObjectKey },
    /// The claim is gone. A pod that names it meanwhile is an alarm, not a reason to wait.
    Deleted { claim: Target },
    /// The finalizer is gone from the object.
    Without { target: Target, finalizer: String },
    /// The claim was never deleted, or it is gone and its volume is not bound any more.
    Rebindable { claim: Target, volume: Target },
    /// No VolumeAttachment of this volume is left.
    Detached { volume: String },
    /// A pod of this name is ready and is not that one.
    PodReady {
        pod: ObjectKey,
        /// Uid of the pod that went; empty = any pod will do.
        not: String,
    },
    /// A pod of this name that is not that one has come this far.
    PodStage {
        pod: ObjectKey,
        /// Uid of the pod that went; empty = any pod will do.
        not: String,
        stage: PodStage,
    },
    /// The pod ended with success.
    PodSucceeded { pod: Target },
    /// Ready, and proven: bound both ways to its content, cut from this disk.
    SnapshotReady {
        snapshot: Target,
        /// The volume handle of the claim that was meant; `None` = not known, not proven.
        handle: Option<String>,
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
        /// `status.capacity` before, in bytes.
        capacity_before: u64,
        /// What [`file_system_bytes`] reads, of before; empty = not known. May be `${name}`.
        before: String,
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

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PodStage {
    /// It is there.
    Made,
    /// It has a node.
    Scheduled,
    /// Its volumes are mounted.
    Mounted,
    /// All of its containers run.
    Running,
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
    Pods {
        namespace: String,
    },
    /// Bytes of the file system, by `stat -f` in the container.
    FileSystem(Measure),
    /// Bytes of a claim's file system as its kubelet last reported them, and when that was:
    /// `{"bytes": …, "at": …}`, or why there is none yet: `{"why": …}`.
    Sample(ObjectKey),
}

/// What was read: `Null` is "there is none". A read that failed is in `denied`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    pub now: Timestamp,
    pub values: BTreeMap<Read, Value>,
    /// What cannot be read, with the reason: unknown, never "none".
    pub denied: BTreeMap<Read, String>,
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
    /// All that can be told says so, but not what would prove it. The proof may still come for
    /// `patience` seconds.
    Unproven {
        why: String,
        next: String,
        patience: u32,
    },
    /// It will not come true without somebody doing something.
    Failed {
        why: String,
        next: String,
    },
}

/// Bytes of a file system from `stat -f -c '%b %S'`: blocks and their size.
pub fn file_system_bytes(text: &str) -> Option<u64> {
    let (blocks, size) = text.trim().split_once(' ')?;
    let blocks: u64 = blocks.parse().ok()?;
    blocks.checked_mul(size.trim().parse().ok()?)
}

impl Condition {
    /// What to read next, given what was read.
    pub fn reads(&self, seen: &Observed) -> Vec<Read> {
        match self {
            Self::Gone { target }
            | Self::Without { target, .. }
            | Self::PodSucceeded { pod: target }
            | Self::VolumePhase { volume: target, .. }
            | Self::SetSettled { set: target }
            | Self::Has { target, .. } => vec![object(target)],
            Self::ClaimBound { claim: target, .. } => {
                let mut reads = vec![object(target)];
                reads.extend(seen.events_of(target));
                reads
            }
            Self::Absent { kind, key } => vec![Read::Object(*kind, key.clone())],
            Self::Deleted { claim } => {
                let namespace = claim.key.namespace.to_string();
                vec![object(claim), Read::Pods { namespace }]
            }
            Self::Rebindable { claim, volume } => vec![object(claim), object(volume)],
            Self::PodStage { pod, .. } => {
                let read = Read::Object(Kind::Pod, pod.clone());
                let uid = seen
                    .values
                    .get(&read)
                    .and_then(|pod| pod["metadata"]["uid"].as_str());
                let events = uid.map(|uid| Read::Events {
                    namespace: pod.namespace.to_string(),
                    uid: uid.to_owned(),
                });
                std::iter::once(read).chain(events).collect()
            }
            Self::Detached { .. } => vec![Read::Attachments],
            Self::PodReady { pod, .. } => vec![Read::Object(Kind::Pod, pod.clone())],
            Self::SnapshotReady { snapshot, .. } => {
                let mut reads = vec![object(snapshot)];
                if let Some(value) = seen.values.get(&object(snapshot)) {
                    let content = &value["status"]["boundVolumeSnapshotContentName"];
                    if let Some(name) = content.as_str() {
                        let key = ObjectKey::new("", name);
                        reads.push(Read::Object(Kind::Content, key));
                    }
                }
                reads.extend(seen.events_of(snapshot));
                reads
            }
            Self::FileSystemGrown {
                claim,
                bytes,
                measure,
                ..
            } => {
                let mut reads = vec![object(claim)];
                let capacity = seen.values.get(&object(claim)).and_then(capacity);
                match (capacity, measure) {
                    // only then is it worth asking the container
                    (Some(capacity), Some(measure)) if capacity >= *bytes => {
                        let asked = Read::FileSystem(measure.clone());
                        if seen.denied.contains_key(&asked) {
                            reads.push(Read::Sample(claim.key.clone()));
                        }
                        reads.push(asked);
                    }
                    _ => reads.extend(seen.events_of(claim)),
                }
                reads
            }
        }
    }

    /// How it stands.
    pub fn judge(&self, seen: &Observed) -> Standing {
        judge::judge(self, seen)
    }
}

impl Observed {
    /// The events of an object that was read, once its uid is known.
    fn events_of(&self, target: &Target) -> Option<Read> {
        let uid = self.values.get(&object(target))?["metadata"]["uid"].as_str()?;
        Some(Read::Events {
            namespace: target.key.namespace.to_string(),
            uid: uid.to_owned(),
        })
    }
}

fn object(target: &Target) -> Read {
    Read::Object(target.kind, target.key.clone())
}

/// `status.capacity.storage` of a claim, in bytes.
fn capacity(claim: &Value) -> Option<u64> {
    quantity(&claim["status"]["capacity"]["storage"])
}

fn quantity(value: &Value) -> Option<u64> {
    let quantity = crate::domain::quantity::Quantity::parse(value.as_str()?).ok()?;
    u64::try_from(quantity.value()).ok()
}
