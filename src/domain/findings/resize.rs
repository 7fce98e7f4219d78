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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    const CLAIM: &str = "workspace-ide-0";

    fn growing() -> Claim {
        claim(CLAIM).asks(gib(150))
    }

    const NOTE: Option<(Code, Severity)> = Some((Code::ResizePending, Severity::Note));
    const STUCK: Option<(Code, Severity)> = Some((Code::ResizePending, Severity::Soon));
    const FAILED: Option<(Code, Severity)> = Some((Code::ResizeFailed, Severity::Soon));

    #[rstest]
    #[case::nothing_asked(claim(CLAIM), None)]
    #[case::a_status_that_lingers(claim(CLAIM).resize("NodeResizePending"), None)]
    #[case::just_asked(growing(), NOTE)]
    #[case::at_the_provider(
        growing().with_condition("Resizing", "", minutes_ago(9)), NOTE)]
    #[case::stuck_at_the_provider(
        growing().with_condition("Resizing", "", minutes_ago(11)), STUCK)]
    #[case::stuck_at_the_node(
        growing().with_condition("FileSystemResizePending", "", minutes_ago(11)), STUCK)]
    #[case::refused(
        growing().with_condition("ControllerResizeError", "quota", minutes_ago(1)), FAILED)]
    #[case::refused_by_the_node(
        growing().with_condition("NodeResizeError", "resize2fs", minutes_ago(1)), FAILED)]
    #[case::infeasible(growing().resize("ControllerResizeInfeasible"), FAILED)]
    #[case::ending(growing().deleted(now()).owned_by("StatefulSet", "ide"), None)]
    fn a_resize_is_noted_then_stuck_or_failed(
        #[case] claim: Claim,
        #[case] expected: Option<(Code, Severity)>,
    ) {
        let found = found_with(&mut world(healthy_but(rows![claim])), &no_metrics());
        let resizes = found
            .iter()
            .map(|(_, f)| (f.code, f.severity))
            .filter(|(c, _)| matches!(c, Code::ResizeFailed | Code::ResizePending));
        assert_eq!(
            resizes.collect::<Vec<_>>(),
            expected.into_iter().collect::<Vec<_>>()
        );
    }

    #[test]
    fn without_a_pod_a_file_system_waits_as_long_as_it_likes() {
        let claim = growing().with_condition("FileSystemResizePending", "", hours_ago(9));
        let mut rows = healthy_but(rows![set("ide", 0), claim]);
        rows.retain(|r| r.kind() != Kind::Pod);
        let found = found_with(&mut world(rows), &no_metrics());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].1.severity, Severity::Note);
    }

    #[test]
    fn a_failure_that_only_an_event_tells_is_found_until_it_is_tried_again() {
        let failed = event(
            Kind::Claim,
            CLAIM,
            "VolumeResizeFailed",
            "quota",
            minutes_ago(20),
        );
        let rows = healthy_but(rows![growing(), failed.clone()]);
        assert_eq!(codes(rows), [Code::ResizeFailed]);
        let retried = growing().with_condition("Resizing", "", minutes_ago(5));
        let rows = healthy_but(rows![retried, failed]);
        assert_eq!(codes(rows), [Code::ResizePending]);
    }

    #[test]
    fn conditions_are_told_as_they_are() {
        let claim = growing()
            .with_condition("Resizing", "", minutes_ago(11))
            .with_condition("SomethingNew", "of a later version", minutes_ago(1));
        let mut inventory = world(healthy_but(rows![claim]));
        let words = explained(&mut inventory, Code::ResizePending);
        assert_eq!(
            words.sentence,
            "team/workspace-ide-0 grows from 100.0 GiB to 150.0 GiB for 11m: \
             the provider is growing the disk"
        );
        let text = "SomethingNew=true: of a later version";
        assert!(words.evidence.iter().any(|e| e.text == text), "{words:?}");
    }
}
