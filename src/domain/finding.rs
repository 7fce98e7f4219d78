//! What is wrong or will be: a stable code, a subject, a severity. The words and the evidence
//! are made when somebody looks, from the rows of that moment, so that ten thousand findings
//! cost little and no text is ever older than its facts. The rules are in `findings`.

use jiff::Timestamp;
use serde::Serialize;

use super::key::{Kind, ObjectKey, Uid};

/// How to order: data at risk before a blocked user, before what comes soon, before cost.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    strum::Display,
    strum::EnumIter,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Severity {
    DataAtRisk,
    Blocked,
    Soon,
    Cost,
    Note,
}

impl Severity {
    /// The exit code of `wsdash check`, after the convention of monitoring plugins.
    pub const fn check_code(self) -> u8 {
        match self {
            Self::DataAtRisk | Self::Blocked => 2,
            Self::Soon => 1,
            Self::Cost | Self::Note => 0,
        }
    }
}

/// Every finding that wsdash knows. The kebab-case name is its stable code, and the name of
/// its runbook.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
    strum::IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Code {
    ClaimTerminatingInUse,
    ClaimLost,
    DiskFull,
    InodesExhausted,
    Unpersisted,
    MultiAttach,
    VolumeAttachFailed,
    MountFailed,
    CrashLoop,
    ImagePull,
    Unschedulable,
    NodeNotReady,
    PodTerminating,
    PodMissing,
    PodFailed,
    PodNotReady,
    ClaimPending,
    ClaimTerminating,
    ClaimMissing,
    ResizeFailed,
    ResizePending,
    DiskFilling,
    SnapshotFailed,
    SnapshotNotReady,
    SnapshotStale,
    SnapshotNone,
    OutOfMemory,
    Restarting,
    MemoryHigh,
    CpuThrottled,
    SetNotConverged,
    QuotaExceeded,
    BudgetBlocks,
    VolumeFailed,
    VolumeReleased,
    ClaimsWithoutSet,
}

impl Code {
    /// The two or three words of a row's STATE column.
    pub const fn word(self) -> &'static str {
        match self {
            Self::ClaimTerminatingInUse => "claim deleted",
            Self::ClaimLost => "claim lost",
            Self::DiskFull => "disk full",
            Self::InodesExhausted => "inodes out",
            Self::Unpersisted => "no claim",
            Self::MultiAttach => "multi-attach",
            Self::VolumeAttachFailed => "will not attach",
            Self::MountFailed => "will not mount",
            Self::CrashLoop => "crash loop",
            Self::ImagePull => "image pull",
            Self::Unschedulable => "unschedulable",
            Self::NodeNotReady => "node down",
            Self::PodTerminating => "stuck ending",
            Self::PodMissing => "pod missing",
            Self::PodFailed => "pod failed",
            Self::PodNotReady => "not ready",
            Self::ClaimPending => "claim pending",
            Self::ClaimTerminating => "claim ending",
            Self::ClaimMissing => "claim missing",
            Self::ResizeFailed => "resize failed",
            Self::ResizePending => "resizing",
            Self::DiskFilling => "disk filling",
            Self::SnapshotFailed => "snapshot failed",
            Self::SnapshotNotReady => "snapshot stuck",
            Self::SnapshotStale => "backup stale",
            Self::SnapshotNone => "no backup",
            Self::OutOfMemory => "out of memory",
            Self::Restarting => "restarting",
            Self::MemoryHigh => "memory high",
            Self::CpuThrottled => "throttled",
            Self::SetNotConverged => "not converged",
            Self::QuotaExceeded => "quota full",
            Self::BudgetBlocks => "budget blocks",
            Self::VolumeFailed => "volume failed",
            Self::VolumeReleased => "disk left over",
            Self::ClaimsWithoutSet => "set is gone",
        }
    }
}

/// Which object a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subject {
    pub kind: Kind,
    pub key: ObjectKey,
    pub uid: Option<Uid>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    pub subject: Subject,
    /// Since when, as far as an object tells (a condition's transition, an event).
    pub since: Option<Timestamp>,
}

impl Finding {
    /// Worst first; among equals the catalogue's order decides.
    pub const fn rank(&self) -> (Severity, Code) {
        (self.severity, self.code)
    }
}

/// A finding in words, made from the rows of this moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// One sentence with the number that matters.
    pub sentence: String,
    pub evidence: Vec<Evidence>,
    /// What would make the finding go away.
    pub clears: String,
    /// Next safe steps, best first.
    pub steps: Vec<Step>,
}

/// One fact, its age and where it comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evidence {
    pub text: String,
    pub at: Option<Timestamp>,
    /// `pods`, `event`, `prometheus` …
    pub source: &'static str,
}

/// A step: the command's name in the command table, if it is one of ours, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    pub command: Option<&'static str>,
    pub text: String,
}
