//! What can be lost or suffered in a drill.

use jiff::Timestamp;

/// Something that a user lost or suffered, or might have.
#[derive(Clone, Debug, PartialEq)]
pub enum Harm {
    /// A disk was deleted with its data; `snapshot_kept` when a snapshot of it is left.
    DiskDeleted {
        at: Timestamp,
        namespace: String,
        claim: String,
        snapshot_kept: bool,
    },
    /// The newest ready snapshot of a claim was deleted.
    WayBackDeleted {
        at: Timestamp,
        namespace: String,
        claim: String,
        snapshot: String,
    },
    /// A pod was deleted without grace while its process ran, and its successor mounts the same disk.
    TwoWriters {
        at: Timestamp,
        namespace: String,
        pod: String,
    },
    /// A pod that was ready was ended by what somebody did.
    SessionCut {
        at: Timestamp,
        namespace: String,
        pod: String,
    },
    /// An object was changed or deleted that the incident has nothing to do with.
    WrongObject {
        at: Timestamp,
        kind: &'static str,
        namespace: String,
        name: String,
    },
}

impl Harm {
    /// A drill can be passed with it: the data is somewhere, and the session was the one in trouble.
    pub(crate) fn is_excused(&self, subject: &str) -> bool {
        match self {
            Self::DiskDeleted { snapshot_kept, .. } => *snapshot_kept,
            Self::SessionCut { namespace, pod, .. } => format!("{namespace}/{pod}") == subject,
            _ => false,
        }
    }

    /// It can happen to the same object again.
    pub(crate) fn is_of_an_instant(&self) -> bool {
        matches!(self, Self::SessionCut { .. } | Self::TwoWriters { .. })
    }
}

impl std::fmt::Display for Harm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DiskDeleted {
                namespace,
                claim,
                snapshot_kept,
                ..
            } => {
                let kept = if *snapshot_kept {
                    "a snapshot of it is left"
                } else {
                    "nothing of it is left"
                };
                write!(f, "the disk of {namespace}/{claim} was deleted; {kept}")
            }
            Self::WayBackDeleted {
                namespace,
                claim,
                snapshot,
                ..
            } => write!(
                f,
                "{snapshot}, the newest way back of {namespace}/{claim}, was deleted"
            ),
            Self::TwoWriters { namespace, pod, .. } => write!(
                f,
                "{namespace}/{pod} was deleted without grace while it ran: two may write to its disk"
            ),
            Self::SessionCut { namespace, pod, .. } => {
                write!(f, "the session in {namespace}/{pod} was cut")
            }
            Self::WrongObject {
                kind,
                namespace,
                name,
                ..
            } => {
                let place = if namespace.is_empty() { "" } else { "/" };
                write!(
                    f,
                    "{kind} {namespace}{place}{name} was touched and has no part in this"
                )
            }
        }
    }
}
