//! Volumes that failed, and disks that stay behind and cost.

use super::words::{ago, one_line, says};
use super::{Case, finding};
use crate::domain::claim::Claim;
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::Kind;
use crate::domain::volume::{Reclaim, Volume, VolumePhase};

/// The volume under a claim.
pub(super) fn judge_bound(case: &Case<'_>, claim: &Claim, found: &mut Vec<Finding>) {
    if let Some(volume) = case.inventory.volume_of(claim)
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
