//! Disks that are full, run out of inodes, or will be full soon. Only a fresh reading is a
//! finding; one that went stale makes none, but does not take back what it made: the evidence
//! says as of when.

use jiff::{SignedDuration, Timestamp};

use super::words::{ago, human_duration, resize_step, says};
use super::{Case, finding};
use crate::domain::claim::Claim;
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::inventory::beside;
use crate::domain::key::Kind;
use crate::domain::metric::Forecast;
use crate::domain::policy::Policy;
use crate::domain::quantity::human_bytes;

/// What the metrics say of one claim's file system.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Disk {
    /// Bytes that anybody, and that an unprivileged user could still write.
    pub(super) capacity: f64,
    pub(super) available: f64,
    /// Used share of the inodes; none where the file system has no fixed number.
    pub(super) inodes: Option<f64>,
    pub(super) full_in: Option<SignedDuration>,
    pub(super) at: Timestamp,
    /// Whether it is of now; else it is the last that is known.
    pub(super) fresh: bool,
    /// `prometheus`, `df` …
    pub(super) source: &'static str,
}

impl Disk {
    /// Used share as an unprivileged user meets it: the file system's reserve is no space.
    fn used(&self) -> f64 {
        1.0 - self.available / self.capacity
    }
}

fn disk_of(case: &Case<'_>, claim: &Claim) -> Option<Disk> {
    let disk = case.metrics.disk(&claim.meta.key)?;
    Some(Disk {
        capacity: disk.capacity,
        available: disk.available,
        inodes: disk.inodes,
        full_in: match disk.full_in {
            Forecast::In(left) => Some(left),
            Forecast::Unknown | Forecast::Never => None,
        },
        at: disk.at,
        fresh: disk.fresh && case.metrics.is_live(),
        source: disk.source.into(),
    })
    // A file system without size has no share in use.
    .filter(|disk| disk.capacity > 0.0)
}

pub(super) fn judge(case: &Case<'_>, claim: &Claim, found: &mut Vec<Finding>) {
    if let Some(disk) = disk_of(case, claim) {
        judge_reading(case, claim, &disk, found);
    }
}

fn judge_reading(case: &Case<'_>, claim: &Claim, disk: &Disk, found: &mut Vec<Finding>) {
    let meta = &claim.meta;
    // Of a claim that nobody mounts there are no readings, and nobody fills it.
    let mounted = || case.inventory.pods_of_claim(&meta.key).next().is_some();
    for (code, severity) in levels(disk, case.policy) {
        if disk.fresh || (case.found_before(code, meta) && mounted()) {
            found.push(finding(code, severity, Kind::Claim, meta, None));
        }
    }
}

/// Which limits a reading is beyond. A disk that is full need not be told to fill.
fn levels(disk: &Disk, policy: &Policy) -> impl Iterator<Item = (Code, Severity)> {
    let full = severity(disk.used(), policy.disk_warn, policy.disk_critical);
    let inodes = disk
        .inodes
        .and_then(|used| severity(used, policy.inodes_warn, policy.inodes_critical));
    let filling = disk.full_in.is_some_and(|left| left < policy.full_in)
        && full != Some(Severity::DataAtRisk);
    [
        full.map(|s| (Code::DiskFull, s)),
        inodes.map(|s| (Code::InodesExhausted, s)),
        filling.then_some((Code::DiskFilling, Severity::Soon)),
    ]
    .into_iter()
    .flatten()
}

/// At the last limit writes fail, and what is being written is lost; before it there is time.
fn severity(used: f64, warn: f64, critical: f64) -> Option<Severity> {
    if used >= critical {
        Some(Severity::DataAtRisk)
    } else if used >= warn {
        Some(Severity::Soon)
    } else {
        None
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", (share * 100.0).floor())
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(claim) = case.inventory.claims.get(key) else {
        return says(format!("claim {key} is gone"), "it is judged again");
    };
    let Some(disk) = disk_of(case, claim) else {
        return says(
            format!("how full claim {key} is, is not known any more"),
            "it is read again",
        )
        .runbook(finding);
    };
    let place = mount_path(case, claim).unwrap_or_else(|| format!("claim {}", key.name));
    let left = disk.full_in.map(human_duration);
    let policy = case.policy;
    let (sentence, clears) = match finding.code {
        Code::InodesExhausted => (
            format!(
                "{place} has used {} of its inodes: no new file soon, whatever space is left",
                percent(disk.inodes.unwrap_or_default())
            ),
            format!(
                "less than {} of the inodes are used",
                percent(policy.inodes_warn)
            ),
        ),
        Code::DiskFilling => (
            format!(
                "{place} is {} full and will be full in about {}",
                percent(disk.used()),
                left.as_deref().unwrap_or("?")
            ),
            format!("more than {} to go", human_duration(policy.full_in)),
        ),
        _ => {
            let then = match &left {
                Some(left) => format!(", writes will fail in about {left}"),
                None if finding.severity == Severity::DataAtRisk => ", writes fail".to_owned(),
                None => String::new(),
            };
            (
                format!("{place} is {} full{then}", percent(disk.used())),
                format!("less than {} is used", percent(policy.disk_warn)),
            )
        }
    };
    let used = human_bytes(disk.capacity - disk.available);
    let of = human_bytes(disk.capacity);
    let inodes = disk.inodes.map_or_else(
        || "inodes not known".to_owned(),
        |share| format!("inodes {}", percent(share)),
    );
    let as_of = if disk.fresh {
        String::new()
    } else {
        format!(" (as of {} ago)", ago(case.now, disk.at))
    };
    let mut explanation = says(sentence, clears).reading(
        format!("{}: {used} of {of}, {inodes}{as_of}", key.name),
        disk.at,
        disk.source,
    );
    if claim.is_resizing() {
        explanation = explanation.fact(case, Kind::Claim, "a resize is under way", None);
    }
    explanation = explanation.backup(case, claim);
    explanation = resize_step(explanation, case, claim);
    explanation
        .step("snapshot", "snapshot first")
        .step(
            "shell",
            "see with its user what is large: du -x -d2, or du --inodes",
        )
        .advice("never delete a user's files without the user")
        .runbook(finding)
}

/// Where a pod mounts a claim, for words that its user understands.
fn mount_path(case: &Case<'_>, claim: &Claim) -> Option<String> {
    let key = &claim.meta.key;
    let pod = case.inventory.pods_of_claim(key).next()?;
    let (volume, _) = pod.claims.iter().find(|(_, name)| *name == key.name)?;
    let mut mounts = pod.containers.iter().flat_map(|c| c.mounts.iter());
    let mount = mounts.find(|m| m.volume == *volume)?;
    Some(format!(
        "{} of {}",
        mount.path,
        beside(key, &pod.meta.key.name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    fn disk(used: f64) -> Disk {
        Disk {
            capacity: 1000.0,
            available: 1000.0 - 1000.0 * used,
            inodes: None,
            full_in: None,
            at: now(),
            fresh: true,
            source: "test",
        }
    }

    #[rstest]
    #[case(0.79, None)]
    #[case(0.80, Some(Severity::Soon))]
    #[case(0.90, Some(Severity::Soon))]
    #[case(0.969, Some(Severity::Soon))]
    #[case(0.97, Some(Severity::DataAtRisk))]
    #[case(1.0, Some(Severity::DataAtRisk))]
    fn a_disk_is_at_risk_from_the_critical_limit_on(
        #[case] used: f64,
        #[case] expected: Option<Severity>,
    ) {
        let found: Vec<_> = levels(&disk(used), &Policy::default()).collect();
        let expected: Vec<_> = expected.map(|s| (Code::DiskFull, s)).into_iter().collect();
        assert_eq!(found, expected);
    }

    #[rstest]
    #[case(0.5, 95, &[Code::DiskFilling])]
    #[case(0.5, 97, &[])]
    #[case(0.85, 1, &[Code::DiskFull, Code::DiskFilling])]
    #[case(0.98, 1, &[Code::DiskFull])]
    fn a_disk_that_fills_within_the_limit_is_found(
        #[case] used: f64,
        #[case] hours: i64,
        #[case] expected: &[Code],
    ) {
        let disk = Disk {
            full_in: Some(SignedDuration::from_hours(hours)),
            ..disk(used)
        };
        let found: Vec<_> = levels(&disk, &Policy::default()).map(|(c, _)| c).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn unknown_inodes_are_no_finding_and_full_ones_are() {
        let policy = Policy::default();
        assert_eq!(levels(&disk(0.1), &policy).count(), 0);
        let full = Disk {
            inodes: Some(0.98),
            ..disk(0.1)
        };
        let found: Vec<_> = levels(&full, &policy).collect();
        assert_eq!(found, [(Code::InodesExhausted, Severity::DataAtRisk)]);
    }

    #[rstest]
    #[case::fresh(true, false, true, true)]
    #[case::stale_makes_none(false, false, true, false)]
    #[case::stale_takes_none_back(false, true, true, true)]
    #[case::stale_and_parked(false, true, false, false)]
    fn a_stale_reading_neither_makes_nor_takes_back_a_finding(
        #[case] fresh: bool,
        #[case] found_before: bool,
        #[case] mounted: bool,
        #[case] expected: bool,
    ) {
        let mut rows = healthy();
        rows.retain(|r| mounted || r.kind() != Kind::Pod);
        let inventory = world(rows);
        let (metrics, policy) = (no_metrics(), Policy::default());
        let claim = claim("workspace-ide-0");
        let earlier = finding(
            Code::DiskFull,
            Severity::Soon,
            Kind::Claim,
            &claim.meta,
            None,
        );
        let before = if found_before {
            vec![earlier]
        } else {
            Vec::new()
        };
        let case = Case::new(&inventory, &metrics, &policy, now()).after(&before);
        let reading = Disk { fresh, ..disk(0.9) };
        let mut found = Vec::new();
        judge_reading(&case, &claim, &reading, &mut found);
        assert_eq!(found.len(), usize::from(expected));
    }

    #[test]
    fn a_reading_that_is_no_number_finds_nothing() {
        for (capacity, available) in [(0.0, 0.0), (f64::NAN, 1.0), (1.0, f64::NAN)] {
            let disk = Disk {
                capacity,
                available,
                ..disk(0.5)
            };
            assert_eq!(levels(&disk, &Policy::default()).count(), 0);
        }
    }
}
