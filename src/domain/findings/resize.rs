//! Resizes: under way, stuck, failed. Done is when nothing more is asked than there is; what
//! lingers in the status after that is cosmetic.

use jiff::Timestamp;

use super::words::{ago, human_duration, one_line, says};
use super::{Case, finding};
use crate::domain::claim::{Claim, Condition};
use crate::domain::event::Event;
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::Kind;

pub(super) fn judge<'a>(case: &mut Case<'a>, claim: &'a Claim, found: &mut Vec<Finding>) {
    if !claim.is_resizing() || claim.meta.deleted.is_some() {
        return;
    }
    let meta = &claim.meta;
    if let Some(since) = failed(case, claim) {
        let code = Code::ResizeFailed;
        found.push(finding(code, Severity::Soon, Kind::Claim, meta, since));
        return;
    }
    let since = stage_since(case, claim);
    let stuck = since.is_some_and(|at| case.has_lasted(at, case.policy.resize_stage));
    // The file system grows when a pod mounts it: without one, waiting is how it should be.
    let waits_for_pod = claim.condition("FileSystemResizePending").is_some()
        && case.is_live(Kind::Pod)
        && case.inventory.pods_of_claim(&meta.key).next().is_none();
    let severity = if stuck && !waits_for_pod {
        Severity::Soon
    } else {
        Severity::Note
    };
    found.push(finding(
        Code::ResizePending,
        severity,
        Kind::Claim,
        meta,
        since,
    ));
}

/// Since when it is known to have failed; the outer `None` means that it has not.
#[expect(
    clippy::option_option,
    reason = "failed or not, and since when or not known"
)]
fn failed<'a>(case: &mut Case<'a>, claim: &'a Claim) -> Option<Option<Timestamp>> {
    if let Some(condition) = error(claim) {
        return Some(condition.since);
    }
    if is_infeasible(claim) {
        return Some(None);
    }
    // Resizers before k8s 1.31 write no condition, only an event; a later success clears it.
    let event = case.newest_event(Kind::Claim, &claim.meta, is_failure)?;
    let retried = stage_since(case, claim).is_some_and(|at| at > event.last);
    (!retried).then_some(Some(event.first))
}

fn error(claim: &Claim) -> Option<&Condition> {
    claim
        .condition("ControllerResizeError")
        .or_else(|| claim.condition("NodeResizeError"))
}

/// The provider or the node said that it will never work.
fn is_infeasible(claim: &Claim) -> bool {
    claim
        .resize_status
        .as_ref()
        .is_some_and(|s| s.contains("Infeasible"))
}

fn is_failure(event: &Event) -> bool {
    matches!(
        &*event.reason,
        "VolumeResizeFailed" | "FileSystemResizeFailed"
    )
}

/// When the present stage began, as far as a condition tells. Before the resizer takes it up
/// only its event does.
fn stage_since(case: &Case<'_>, claim: &Claim) -> Option<Timestamp> {
    let condition = claim
        .condition("FileSystemResizePending")
        .or_else(|| claim.condition("Resizing"));
    if let Some(condition) = condition {
        return condition.since;
    }
    case.inventory
        .events_of(Kind::Claim, &claim.meta.key)
        .filter(|e| matches!(&*e.reason, "ExternalExpanding" | "Resizing"))
        .map(|e| e.first)
        .max()
}

/// What happens now, in words. Stages: external-resizer `pkg/controller/resize_status.go`.
fn stage(claim: &Claim) -> &'static str {
    match claim.resize_status.as_deref() {
        Some("ControllerResizeInProgress") => "the provider is growing the disk",
        Some("NodeResizePending") => "the disk has grown, the file system is next",
        Some("NodeResizeInProgress") => "the node is growing the file system",
        Some("ControllerResizeInfeasible") => "the provider cannot grow the disk",
        Some("NodeResizeInfeasible") => "the node cannot grow the file system",
        _ if claim.condition("FileSystemResizePending").is_some() => {
            "the disk has grown, the file system is next"
        }
        _ if claim.condition("Resizing").is_some() => "the provider is growing the disk",
        _ => "no resizer has taken it up",
    }
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(claim) = case.inventory.claims.get(key) else {
        return says(format!("claim {key} is gone"), "it is judged again");
    };
    let human = |q: Option<crate::domain::quantity::Quantity>| {
        q.map_or_else(|| "?".to_owned(), crate::domain::quantity::Quantity::human)
    };
    let sizes = format!("{} to {}", human(claim.capacity), human(claim.request));
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let clears = "the claim's capacity is what it asks for";
    let failed = finding.code == Code::ResizeFailed;
    let mut explanation = if failed {
        says(format!("growing {key} from {sizes} failed{since}"), clears)
    } else {
        let stage = stage(claim);
        says(format!("{key} grows from {sizes}{since}: {stage}"), clears)
    };
    if let Some(status) = &claim.resize_status {
        let text = format!("allocatedResourceStatuses: {status}");
        explanation = explanation.fact(case, Kind::Claim, text, None);
    }
    // Every condition as it is: types that are not known yet matter, too.
    for condition in &claim.conditions {
        let message = condition.message.as_deref().map(one_line);
        let message = message.map_or_else(String::new, |m| format!(": {m}"));
        let text = format!("{}={}{message}", condition.kind, condition.status);
        explanation = explanation.fact(case, Kind::Claim, text, condition.since);
    }
    let events = case.inventory.events_of(Kind::Claim, key);
    if let Some(event) = events.max_by_key(|e| e.last) {
        explanation = explanation.event(case, event);
    }
    if failed {
        explanation = explanation
            .step(
                "events",
                "read the provider's answer: quota, rate, size, driver",
            )
            .step(
                "resize",
                "if it can never work, ask for less, but more than the capacity",
            );
    } else if claim.condition("FileSystemResizePending").is_some() {
        explanation = match case.inventory.pods_of_claim(key).next() {
            Some(_) => explanation.advice("wait: the file system grows while the pod runs"),
            None => explanation.advice("nothing to do: it completes at the next start of its pod"),
        };
    } else {
        let limit = human_duration(case.policy.resize_stage);
        explanation = explanation.advice(format!(
            "a stage longer than {limit} is stuck: see whether the driver's resizer runs"
        ));
    }
    explanation
        .advice("never delete the claim or restart the session for it")
        .runbook(finding)
}
