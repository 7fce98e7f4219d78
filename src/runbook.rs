//! The runbooks of `docs/runbooks`, embedded so that they are at hand when nothing else is.

use crate::domain::finding::Code;

/// The runbook of a finding, as Markdown.
pub const fn text(code: Code) -> &'static str {
    match code {
        Code::BudgetBlocks => include_str!("../docs/runbooks/budget-blocks.md"),
        Code::ClaimLost => include_str!("../docs/runbooks/claim-lost.md"),
        Code::ClaimMissing => include_str!("../docs/runbooks/claim-missing.md"),
        Code::ClaimPending => include_str!("../docs/runbooks/claim-pending.md"),
        Code::ClaimTerminating => include_str!("../docs/runbooks/claim-terminating.md"),
        Code::ClaimTerminatingInUse => include_str!("../docs/runbooks/claim-terminating-in-use.md"),
        Code::ClaimsWithoutSet => include_str!("../docs/runbooks/claims-without-set.md"),
        Code::CpuThrottled => include_str!("../docs/runbooks/cpu-throttled.md"),
        Code::CrashLoop => include_str!("../docs/runbooks/crash-loop.md"),
        Code::DiskFilling => include_str!("../docs/runbooks/disk-filling.md"),
        Code::DiskFull => include_str!("../docs/runbooks/disk-full.md"),
        Code::ImagePull => include_str!("../docs/runbooks/image-pull.md"),
        Code::InodesExhausted => include_str!("../docs/runbooks/inodes-exhausted.md"),
        Code::MemoryHigh => include_str!("../docs/runbooks/memory-high.md"),
        Code::MountFailed => include_str!("../docs/runbooks/mount-failed.md"),
        Code::MultiAttach => include_str!("../docs/runbooks/multi-attach.md"),
        Code::NodeNotReady => include_str!("../docs/runbooks/node-not-ready.md"),
        Code::OutOfMemory => include_str!("../docs/runbooks/out-of-memory.md"),
        Code::PodFailed => include_str!("../docs/runbooks/pod-failed.md"),
        Code::PodMissing => include_str!("../docs/runbooks/pod-missing.md"),
        Code::PodNotReady => include_str!("../docs/runbooks/pod-not-ready.md"),
        Code::PodTerminating => include_str!("../docs/runbooks/pod-terminating.md"),
        Code::QuotaExceeded => include_str!("../docs/runbooks/quota-exceeded.md"),
        Code::ResizeFailed => include_str!("../docs/runbooks/resize-failed.md"),
        Code::ResizePending => include_str!("../docs/runbooks/resize-pending.md"),
        Code::Restarting => include_str!("../docs/runbooks/restarting.md"),
        Code::SetNotConverged => include_str!("../docs/runbooks/set-not-converged.md"),
        Code::SnapshotFailed => include_str!("../docs/runbooks/snapshot-failed.md"),
        Code::SnapshotNone => include_str!("../docs/runbooks/snapshot-none.md"),
        Code::SnapshotNotReady => include_str!("../docs/runbooks/snapshot-not-ready.md"),
        Code::SnapshotStale => include_str!("../docs/runbooks/snapshot-stale.md"),
        Code::Unpersisted => include_str!("../docs/runbooks/unpersisted.md"),
        Code::Unschedulable => include_str!("../docs/runbooks/unschedulable.md"),
        Code::VolumeAttachFailed => include_str!("../docs/runbooks/volume-attach-failed.md"),
        Code::VolumeFailed => include_str!("../docs/runbooks/volume-failed.md"),
        Code::VolumeReleased => include_str!("../docs/runbooks/volume-released.md"),
    }
}
