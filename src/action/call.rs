//! The calls that change something, as data that can be printed, journaled and repeated.
//!
//! Any text in a call may hold `${name}`: the value that an earlier step captured.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::plan::RunId;
use crate::domain::key::{Kind, ObjectKey};

/// How the sentence of a call begins that was tried again and again: the server, not what was
/// asked of it, stood in the way.
pub const NOT_TAKEN: &str = "the server did not take it within";

/// One object, and how it is known to be the one that was meant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Target {
    pub kind: Kind,
    pub key: ObjectKey,
    pub identity: Identity,
    /// The call fails (409) when the object has another: nobody touched it in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What makes an object the one that was meant; a name never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    Uid(String),
    /// It carries the label [`super::RUN_LABEL`] with this run: its uid is looked up just before.
    /// For what a crash may or may not have let come to be.
    Ours(String),
    /// Whatever has the name when it comes to it. Only for what is right whoever made it, such as
    /// removing the folder of a run from a pod that may be another by then.
    Named,
}

impl Target {
    pub fn new(kind: Kind, key: ObjectKey, uid: impl Into<String>) -> Self {
        Self {
            kind,
            key,
            identity: Identity::Uid(uid.into()),
            version: None,
        }
    }

    /// Whatever of this name the run itself made.
    pub fn ours(kind: Kind, key: ObjectKey, run: &RunId) -> Self {
        Self {
            kind,
            key,
            identity: Identity::Ours(run.to_string()),
            version: None,
        }
    }

    /// Whichever object has this name.
    pub const fn named(kind: Kind, key: ObjectKey) -> Self {
        Self {
            kind,
            key,
            identity: Identity::Named,
            version: None,
        }
    }

    #[must_use]
    pub fn at(mut self, version: Option<String>) -> Self {
        self.version = version;
        self
    }
}

/// An exact call. `cluster::perform` adds dry run, field manager and time-out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum Call {
    /// Must carry [`super::RUN_LABEL`], unless it re-creates an object exactly as it was.
    Create {
        kind: Kind,
        /// Empty for kinds without namespaces.
        namespace: String,
        manifest: Value,
    },
    /// uid and version of the target are made part of the patch, as preconditions.
    Patch {
        target: Target,
        patch_type: PatchType,
        patch: Value,
        /// `status` or `scale`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subresource: Option<String>,
    },
    /// uid and version of the target are preconditions.
    Delete {
        target: Target,
        propagation: Propagation,
    },
    /// Eviction (policy/v1) with the uid as precondition and the pod's own grace period.
    Evict { pod: Target },
    /// Replicas by the subresource `scale`.
    Scale { set: Target, replicas: u32 },
    /// A command in a container. The pod's uid is compared just before.
    Exec {
        pod: Target,
        container: String,
        command: Vec<String>,
        #[serde(default)]
        stdin: Stdin,
        /// Seconds.
        limit: u32,
        #[serde(default)]
        expect: Expect,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PatchType {
    Merge,
    /// A list of operations; `test` operations for uid and version are put before them.
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// What a command reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stdin {
    #[default]
    None,
    Text(String),
    /// So many bytes that are computed from the seed ([`payload`]), for content that must be
    /// known again after a crash without lying in the journal.
    Payload {
        head: String,
        seed: String,
        length: u32,
    },
}

impl Stdin {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Text(text) => text.clone().into_bytes(),
            Self::Payload { head, seed, length } => {
                let mut bytes = head.clone().into_bytes();
                bytes.extend(payload(seed, *length));
                bytes
            }
        }
    }
}

/// Bytes without pattern, the same for the same seed (FNV-1a of the seed, then `SplitMix64`). Not
/// secret: only unlike anything that was on the disk before.
pub fn payload(seed: &str, length: u32) -> Vec<u8> {
    let mut state = seed.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut bytes = Vec::new();
    while bytes.len() < length as usize {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bytes.extend((word ^ (word >> 31)).to_le_bytes());
    }
    bytes.truncate(length as usize);
    bytes
}

/// When a command counts as done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Exit code 0.
    #[default]
    Success,
    /// Any exit code: what it printed is captured and judged later.
    Any,
    /// Exit code 0, and standard output, trimmed, is this.
    Prints(String),
}

/// How to tell after a crash, or after an answer that was lost, whether a call happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Probe {
    /// An object of this name carries the label of the run (or, for one that was re-created
    /// without it, has any uid but `not`).
    Made {
        kind: Kind,
        key: ObjectKey,
        run: String,
    },
    Remade {
        kind: Kind,
        key: ObjectKey,
        not: String,
    },
    /// It is gone, another stands in its place, or it carries a deletionTimestamp.
    Removed { target: Target },
    /// The field has this value. An absent field is `null`.
    Has {
        target: Target,
        pointer: String,
        value: Value,
    },
    /// The field has any other value by now, or the object is gone. For what takes back only what
    /// is still its own.
    Lacks {
        target: Target,
        pointer: String,
        value: Value,
    },
    /// An object of this name, whoever made it, has this value; one with another is foreign.
    Stands {
        kind: Kind,
        key: ObjectKey,
        pointer: String,
        value: Value,
    },
    /// Doing it again does no harm: it is repeated without looking.
    Harmless,
}

impl Call {
    /// Whether the server's dry run can judge it.
    pub const fn can_be_tried(&self) -> bool {
        !matches!(self, Self::Exec { .. })
    }

    /// Whether it asks for the state that it changes: the server calls it invalid (422) when the
    /// object is in another.
    pub const fn has_tests(&self) -> bool {
        matches!(
            self,
            Self::Patch {
                patch_type: PatchType::Json,
                ..
            }
        )
    }

    /// What it is done to; a `Create` has nothing yet.
    pub const fn target(&self) -> Option<&Target> {
        match self {
            Self::Create { .. } => None,
            Self::Patch { target, .. }
            | Self::Delete { target, .. }
            | Self::Evict { pod: target }
            | Self::Scale { set: target, .. }
            | Self::Exec { pod: target, .. } => Some(target),
        }
    }

    pub const fn target_mut(&mut self) -> Option<&mut Target> {
        match self {
            Self::Create { .. } => None,
            Self::Patch { target, .. }
            | Self::Delete { target, .. }
            | Self::Evict { pod: target }
            | Self::Scale { set: target, .. }
            | Self::Exec { pod: target, .. } => Some(target),
        }
    }

    /// The object that it is about; of a `Create` the one that will be.
    pub fn object(&self) -> (Kind, ObjectKey) {
        match self {
            Self::Create {
                kind,
                namespace,
                manifest,
            } => {
                let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
                (*kind, ObjectKey::new(namespace.as_str(), name))
            }
            Self::Patch { target, .. }
            | Self::Delete { target, .. }
            | Self::Evict { pod: target }
            | Self::Scale { set: target, .. }
            | Self::Exec { pod: target, .. } => (target.kind, target.key.clone()),
        }
    }
}
