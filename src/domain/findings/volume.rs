//! Volumes that failed, and disks that stay behind and cost.

use super::words::{ago, one_line, says};
use super::{Case, finding};
use crate::domain::claim::Claim;
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::Kind;
use crate::domain::volume::{Reclaim, Volume, VolumePhase};

/// The volume under a claim.
pub(super) fn judge_bound(case: &Case<'_>, claim: &Claim, found: &mut Vec<Finding>) {
    if case.inventory.has_failed_volumes()
        && let Some(volume) = case.inventory.volume_of(claim)
        && volume.phase == VolumePhase::Failed
    {
        let code = Code::VolumeFailed;
        let since = volume.phase_since;
        found.push(finding(
            code,
            Severity::Blocked,
            Kind::Volume,
            &volume.meta,
            since,
        ));
    }
}

/// A volume that no claim is at.
pub(super) fn judge_loose(case: &mut Case<'_>, volume: &Volume, found: &mut Vec<Finding>) {
    if volume.meta.deleted.is_some() || !case.inventory.is_loose(volume) {
        return;
    }
    let since = volume.phase_since;
    let mut add = |code, severity| {
        found.push(finding(code, severity, Kind::Volume, &volume.meta, since));
    };
    match (volume.phase, volume.reclaim) {
        (VolumePhase::Failed, _) => add(Code::VolumeFailed, Severity::Soon),
        // Kept behind for an undo: to be purged, not to be wondered about.
        (VolumePhase::Released, Reclaim::Retain) if volume.kept_by.is_some() => {
            add(Code::VolumeReleased, Severity::Note);
        }
        (VolumePhase::Released, Reclaim::Retain) => add(Code::VolumeReleased, Severity::Cost),
        (VolumePhase::Released, Reclaim::Delete | Reclaim::Recycle) => {
            let limit = case.policy.claim_terminating;
            if since.is_some_and(|at| case.has_lasted(at, limit)) {
                add(Code::VolumeReleased, Severity::Cost);
            }
        }
        _ => {}
    }
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(volume) = case.inventory.volumes.get(key) else {
        return says(format!("volume {key} is gone"), "it is judged again");
    };
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let size = volume.capacity.map_or_else(
        || "of unknown size".to_owned(),
        |c| format!("of {}", c.human()),
    );
    let mut explanation = match (finding.code, volume.reclaim) {
        (Code::VolumeFailed, _) => says(
            format!("volume {key} {size} has failed{since}"),
            "its phase is Bound, or it is gone",
        ),
        (_, Reclaim::Retain) => says(
            format!("the disk of volume {key} {size} is kept{since} and no claim uses it"),
            "a claim is bound to it, or it is purged",
        ),
        _ => says(
            format!(
                "volume {key} {size} should have gone with its claim and is still there{since}"
            ),
            "the volume is gone",
        ),
    };
    let claim = volume
        .claim
        .as_ref()
        .map_or_else(|| "no claim".to_owned(), |c| format!("claim {}", c.key));
    let text = format!("{}, {}, last of {claim}", volume.phase, volume.reclaim);
    explanation = explanation.fact(case, Kind::Volume, text, volume.phase_since);
    if let Some(message) = &volume.message {
        explanation = explanation.fact(case, Kind::Volume, one_line(message), volume.phase_since);
    }
    if let Some(handle) = &volume.handle {
        let text = format!("disk at the provider: {handle}");
        explanation = explanation.fact(case, Kind::Volume, text, None);
    }
    if let Some(action) = &volume.kept_by {
        let text = format!("kept by wsdash for an undo ({action})");
        explanation = explanation.fact(case, Kind::Volume, text, None);
    }
    let events = case.inventory.events_of(Kind::Volume, key);
    if let Some(event) = events.max_by_key(|e| e.last) {
        explanation = explanation.event(case, event);
    }
    match finding.code {
        Code::VolumeFailed => explanation
            .step(
                "events",
                "read why: the disk is in use, a permission is missing",
            )
            .advice("mend the cause; the controller tries again by itself"),
        _ => explanation
            .step("describe", "see whose it was")
            .advice("give it back by binding a claim to it, or snapshot it and then purge it")
            .advice("never delete it before somebody said that the data is not needed"),
    }
    .runbook(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    fn left(reclaim_retain: bool, phase: VolumePhase, minutes: i64) -> Volume {
        let volume = volume_of("workspace-old-0").phase(phase, minutes_ago(minutes));
        if reclaim_retain {
            volume.retained()
        } else {
            volume
        }
    }

    #[rstest]
    #[case::kept(left(true, VolumePhase::Released, 1), Some((Code::VolumeReleased, Severity::Cost)))]
    #[case::on_its_way(left(false, VolumePhase::Released, 4), None)]
    #[case::should_be_gone(left(false, VolumePhase::Released, 6), Some((Code::VolumeReleased, Severity::Cost)))]
    #[case::failed(left(false, VolumePhase::Failed, 1), Some((Code::VolumeFailed, Severity::Soon)))]
    #[case::bound_to_a_claim_that_is_not_watched(left(false, VolumePhase::Bound, 9), None)]
    #[case::free(left(true, VolumePhase::Available, 9), None)]
    fn a_disk_that_stays_behind_is_found(
        #[case] volume: Volume,
        #[case] expected: Option<(Code, Severity)>,
    ) {
        let found = found_with(&mut world(healthy_but(rows![volume])), &no_metrics());
        let found: Vec<_> = found.iter().map(|(_, f)| (f.code, f.severity)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_disk_kept_for_an_undo_is_only_noted() {
        let mut volume = left(true, VolumePhase::Released, 9);
        volume.kept_by = Some("run-1".into());
        let found = found_with(&mut world(rows![volume]), &no_metrics());
        assert_eq!(found[0].1.severity, Severity::Note);
    }

    #[test]
    fn a_failed_volume_under_a_claim_blocks_its_workspace() {
        let failed = volume_of("workspace-ide-0").phase(VolumePhase::Failed, minutes_ago(1));
        let found = found_with(&mut world(healthy_but(rows![failed])), &no_metrics());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.rank(), (Severity::Blocked, Code::VolumeFailed));
    }

    #[test]
    fn a_claim_made_anew_does_not_hide_the_disk_of_its_predecessor() {
        let mut old = volume_of("workspace-ide-0")
            .phase(VolumePhase::Released, minutes_ago(1))
            .retained();
        old.meta.key.name = "pv-old".into();
        let rows = healthy_but(rows![old]);
        assert_eq!(codes(rows), [Code::VolumeReleased]);
    }
}
