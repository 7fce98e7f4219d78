//! The catalogue of findings as a document.

use std::fmt::Write as _;

use strum::IntoEnumIterator as _;

use super::words::human_duration;
use crate::domain::finding::{Code, Severity};
use crate::domain::policy::Policy;

/// `docs/findings.md`: every code with its meaning, its severity and its limits by default.
pub fn reference() -> String {
    let mut page = String::from(
        "# Findings\n\n\
         Every finding has a stable code, which is also the name of its runbook. A finding is \
         made from what is there at this moment; one that needs a kind which is not live is not \
         made at all; without sets, pods and claims a workspace is `unknown`. Ages are of the cluster's own \
         timestamps. Limits are those of the default configuration.\n\n\
         Order of severity: `data-at-risk` (the user's data may be lost), `blocked` (the user \
         cannot work), `soon` (one of these follows), `cost`, `note`. Among equals the order of \
         this table decides.\n\n\
         | code | state | severity | found when |\n|---|---|---|---|\n",
    );
    let policy = Policy::default();
    for code in Code::iter() {
        let severity = severities(code)
            .iter()
            .map(|s| format!("`{s}`"))
            .collect::<Vec<_>>()
            .join(", ");
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| [`{code}`](runbooks/{code}.md) | {} | {severity} | {} |",
            code.word(),
            meaning(code, &policy)
        );
    }
    page
}

/// The severities that a code may have, worst first.
pub fn severities(code: Code) -> &'static [Severity] {
    use Severity::{Blocked, Cost, DataAtRisk, Note, Soon};
    match code {
        Code::ClaimTerminatingInUse | Code::ClaimLost => &[DataAtRisk],
        Code::DiskFull | Code::InodesExhausted => &[DataAtRisk, Soon],
        Code::Unpersisted => &[DataAtRisk, Note],
        Code::MultiAttach
        | Code::VolumeAttachFailed
        | Code::MountFailed
        | Code::CrashLoop
        | Code::ImagePull
        | Code::Unschedulable
        | Code::PodTerminating
        | Code::PodMissing
        | Code::PodFailed
        | Code::PodNotReady
        | Code::ClaimMissing => &[Blocked],
        Code::NodeNotReady | Code::ClaimPending | Code::ClaimTerminating | Code::VolumeFailed => {
            &[Blocked, Soon]
        }
        Code::ResizeFailed
        | Code::DiskFilling
        | Code::SnapshotFailed
        | Code::SnapshotNotReady
        | Code::SnapshotStale
        | Code::SnapshotNone
        | Code::OutOfMemory
        | Code::Restarting
        | Code::MemoryHigh
        | Code::SetNotConverged
        | Code::QuotaExceeded => &[Soon],
        Code::ResizePending | Code::CpuThrottled | Code::BudgetBlocks => &[Soon, Note],
        Code::VolumeReleased => &[Cost, Note],
        Code::ClaimsWithoutSet => &[Cost],
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn meaning(code: Code, policy: &Policy) -> String {
    let d = human_duration;
    match code {
        Code::ClaimTerminatingInUse => "a claim was deleted while a pod uses it: the data goes when the pod ends".into(),
        Code::ClaimLost => "the claim's phase is Lost: its volume is gone".into(),
        Code::DiskFull => format!(
            "a claim's bytes are used to {} or {} (`soon`), {} (`data-at-risk`: writes fail)",
            percent(policy.disk_warn), percent(policy.disk_high), percent(policy.disk_critical)
        ),
        Code::InodesExhausted => format!(
            "a claim's inodes are used to {} (`soon`), {} (`data-at-risk`)",
            percent(policy.inodes_warn), percent(policy.inodes_critical)
        ),
        Code::Unpersisted => "a pod's work is on no claim; `data-at-risk` when its labels, image, user or mounts tell of a workspace, else `note`".into(),
        Code::MultiAttach => "the pod waits for a volume that is attached to another node".into(),
        Code::VolumeAttachFailed => "a volume of the pod will not attach".into(),
        Code::MountFailed => "a volume of the pod will not mount".into(),
        Code::CrashLoop => format!("a container waits in CrashLoopBackOff, or ended with an error for the {}rd time or more and is not ready", policy.restarts),
        Code::ImagePull => "an image cannot be pulled".into(),
        Code::Unschedulable => format!("no node takes the pod for {}", d(policy.pod_pending)),
        Code::NodeNotReady => "the node's Ready condition is false or unknown; `soon` when no pod is on it".into(),
        Code::PodTerminating => format!("the pod is still there {} after its grace period", d(policy.pod_terminating)),
        Code::PodMissing => format!("the set should have the pod and has not for {}", d(policy.pod_pending)),
        Code::PodFailed => format!("the pod failed (evicted, lost) and is not replaced for {}", d(policy.pod_not_ready)),
        Code::PodNotReady => format!(
            "the pod is pending for {} or not ready for {}, and nothing else explains it",
            d(policy.pod_pending), d(policy.pod_not_ready)
        ),
        Code::ClaimPending => format!("the claim has no volume for {}; not while it waits for its first pod", d(policy.claim_pending)),
        Code::ClaimTerminating => format!("the claim's deletion hangs for {}, no pod uses it", d(policy.claim_terminating)),
        Code::ClaimMissing => format!("a pod of the set waits {} for a claim that does not exist", d(policy.claim_pending)),
        Code::ResizeFailed => "the provider or the node refused to grow the volume".into(),
        Code::ResizePending => format!("a claim asks for more than it has; `soon` when one stage takes {}", d(policy.resize_stage)),
        Code::DiskFilling => format!("at the pace of the last hours the claim is full within {}", d(policy.full_in)),
        Code::SnapshotFailed => "the newest snapshot of a claim has an error".into(),
        Code::SnapshotNotReady => format!("the newest snapshot of a claim is not ready after {}", d(policy.snapshot_ready_within)),
        Code::SnapshotStale => format!("the newest ready snapshot is older than {}; of an unused claim: older than its last use", d(policy.snapshot_max_age)),
        Code::SnapshotNone => format!("a claim older than {} has no ready snapshot", d(policy.snapshot_max_age)),
        Code::OutOfMemory => format!("a container was killed for its memory within {}", d(policy.event_window)),
        Code::Restarting => format!("{} restarts or more within an hour", policy.restarts),
        Code::MemoryHigh => format!("memory is used to {} of its limit", percent(policy.memory_critical)),
        Code::CpuThrottled => format!("{} of the CPU periods were throttled; `soon` when the CPU is used to {} of its limit, too", percent(policy.throttling), percent(policy.cpu_critical)),
        Code::SetNotConverged => "a pod of the set is not ready for 15m".into(),
        Code::QuotaExceeded => "a resource of a quota is used up".into(),
        Code::BudgetBlocks => "a disruption budget allows no eviction; `note` while all of its pods are healthy".into(),
        Code::VolumeFailed => "the volume's phase is Failed; `soon` when no claim is at it".into(),
        Code::VolumeReleased => "a disk stays behind without a claim; `note` when it is kept for an undo".into(),
        Code::ClaimsWithoutSet => "claims whose set is gone".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;

    fn docs(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("docs")
            .join(name)
    }

    /// `WSDASH_WRITE_DOCS=1 cargo test reference` writes it anew.
    #[test]
    fn the_published_reference_is_current() {
        let path = docs("findings.md");
        if std::env::var_os("WSDASH_WRITE_DOCS").is_some() {
            std::fs::write(&path, reference()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&path).unwrap(), reference());
    }

    #[test]
    fn every_finding_has_its_runbook_and_every_runbook_its_finding() {
        let mut there: Vec<String> = std::fs::read_dir(docs("runbooks"))
            .unwrap()
            .map(|f| f.unwrap().file_name().into_string().unwrap())
            .collect();
        let mut needed: Vec<String> = Code::iter().map(|c| format!("{c}.md")).collect();
        there.sort();
        needed.sort();
        assert_eq!(there, needed);
    }

    #[test]
    fn a_runbook_has_its_parts_in_order() {
        for code in Code::iter() {
            let page = std::fs::read_to_string(docs(&format!("runbooks/{code}.md"))).unwrap();
            assert!(page.starts_with(&format!("# {code}: ")), "{code}");
            let parts = ["## What it means", "## Confirm", "## Steps", "## Never"];
            let places: Vec<usize> = parts.iter().filter_map(|p| page.find(p)).collect();
            assert_eq!(places.len(), parts.len(), "{code}");
            assert!(places.is_sorted(), "{code}");
        }
    }

    #[test]
    fn what_is_found_has_a_severity_that_the_reference_names() {
        let mut inventory = world(healthy_but(rows![
            claim("workspace-ide-0").deleted(minutes_ago(9)),
            pod("web-1").of_deployment("web").running(),
            quota("q", "pods", "1", "1"),
            budget("b", 0, 1, 2),
        ]));
        let found = found_with(&mut inventory, &no_metrics());
        assert_eq!(found.len(), 4, "{found:?}");
        for (_, finding) in found {
            assert!(
                severities(finding.code).contains(&finding.severity),
                "{finding:?}"
            );
        }
    }
}
