//! Volumes that do not come to their pod: held by another node, refused by the provider, not
//! mountable. Asked only of a pod that is not ready for longer than the policy allows: a volume
//! that moves between nodes fails for a moment by nature.

use super::words::{ago, one_line, says};
use super::{Case, claims_of, finding, pod_of};
use crate::domain::event::Event;
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::{Kind, Text};
use crate::domain::pod::Pod;
use crate::domain::volume::Attachment;

// Reasons first, texts second: texts change with the version (kubelet
// `pkg/kubelet/events/event.go`, attach-detach controller `reconciler.go`).
fn is_multi_attach(event: &Event) -> bool {
    &*event.reason == "FailedAttachVolume" && event.message.contains("Multi-Attach error")
}

fn is_attach_failure(event: &Event) -> bool {
    &*event.reason == "FailedAttachVolume" && !event.message.contains("Multi-Attach error")
}

fn is_mount_failure(event: &Event) -> bool {
    matches!(
        &*event.reason,
        "FailedMount" | "FailedMapVolume" | "VolumeFsckFailed"
    )
}

/// The first that holds, for a pod that is known not to be ready for too long.
pub(super) fn judge<'a>(case: &mut Case<'a>, pod: &'a Pod, found: &mut Vec<Finding>) {
    let meta = &pod.meta;
    let held = held_elsewhere(case, pod).map(|a| a.meta.created);
    let multi = case.newest_event(Kind::Pod, meta, is_multi_attach);
    let (code, since) = if held.is_some() || multi.is_some() {
        (Code::MultiAttach, multi.map(|e| e.first).or(held))
    } else if let Some(event) = case.newest_event(Kind::Pod, meta, is_attach_failure) {
        (Code::VolumeAttachFailed, Some(event.first))
    } else if let Some((_, at)) = attach_error(case, pod) {
        (Code::VolumeAttachFailed, at)
    } else if let Some(event) = case.newest_event(Kind::Pod, meta, is_mount_failure) {
        (Code::MountFailed, Some(event.first))
    } else {
        return;
    };
    found.push(finding(code, Severity::Blocked, Kind::Pod, meta, since));
}

fn attachments<'a>(case: &Case<'a>, pod: &'a Pod) -> impl Iterator<Item = &'a Attachment> {
    let inventory = case.inventory;
    claims_of(case, pod)
        .filter_map(|claim| claim.volume.as_ref())
        .flat_map(|volume| inventory.attachments_of(volume))
}

/// An attachment of one of the pod's volumes to a node that the pod is not on.
fn held_elsewhere<'a>(case: &Case<'a>, pod: &'a Pod) -> Option<&'a Attachment> {
    let node = pod.node.as_ref()?;
    if !case.is_live(Kind::Attachment) {
        return None;
    }
    attachments(case, pod).find(|a| a.attached && a.node != *node)
}

fn attach_error<'a>(case: &Case<'a>, pod: &'a Pod) -> Option<(&'a Text, Option<jiff::Timestamp>)> {
    if !case.is_live(Kind::Attachment) {
        return None;
    }
    attachments(case, pod)
        .filter(|a| !a.attached)
        .find_map(|a| a.attach_error.as_ref().map(|(text, at)| (text, *at)))
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(pod) = pod_of(case, key) else {
        return says(
            format!("{key} is gone since this was found"),
            "it is judged again",
        );
    };
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let clears = "the volume is mounted and the pod is ready";
    let mut explanation = match finding.code {
        Code::MultiAttach => {
            let holder = held_elsewhere(case, pod)
                .map_or_else(|| "another node".to_owned(), |a| format!("node {}", a.node));
            says(
                format!("{key} waits{since} for a volume that {holder} still holds"),
                clears,
            )
        }
        Code::VolumeAttachFailed => {
            says(format!("a volume of {key} will not attach{since}"), clears)
        }
        _ => says(format!("a volume of {key} will not mount{since}"), clears),
    };
    explanation = evidence(explanation, case, finding.code, pod);
    for claim in claims_of(case, pod) {
        explanation = explanation.backup(case, claim);
    }
    match finding.code {
        Code::MultiAttach => explanation
            .advice("see which pod or node holds it; one that ends normally lets go by itself")
            .advice("a node that is gone: the volume is detached after six minutes")
            .advice("never delete the VolumeAttachment while its node may run"),
        Code::VolumeAttachFailed => explanation
            .step(
                "events",
                "read what the provider answers: limit, quota, zone, permission",
            )
            .advice("never delete the VolumeAttachment while its node may run"),
        _ => explanation
            .step(
                "snapshot",
                "keep the bytes as they are before anybody repairs them",
            )
            .step(
                "events",
                "read the error: file system check, wrong type, time-out, missing secret",
            )
            .advice("check and repair on a restored copy; never mkfs or fsck the only one"),
    }
    .runbook(finding)
}

/// The newest event, and every attachment of the pod's volumes with its node.
fn evidence(mut explanation: Explanation, case: &Case<'_>, code: Code, pod: &Pod) -> Explanation {
    let is_evidence: fn(&Event) -> bool = match code {
        Code::MultiAttach => is_multi_attach,
        Code::VolumeAttachFailed => is_attach_failure,
        _ => is_mount_failure,
    };
    let events = case.inventory.events_of(Kind::Pod, &pod.meta.key);
    let newest = events.filter(|e| is_evidence(e)).max_by_key(|e| e.last);
    if let Some(event) = newest {
        explanation = explanation.event(case, event);
    }
    for attachment in attachments(case, pod) {
        let volume = attachment.volume.as_deref().unwrap_or("?");
        let state = if attachment.attached {
            "attached"
        } else {
            "attaching"
        };
        let text = format!("volume {volume}: {state} to node {}", attachment.node);
        let made = Some(attachment.meta.created);
        explanation = explanation.fact(case, Kind::Attachment, text, made);
        let errors = [&attachment.attach_error, &attachment.detach_error];
        for (text, at) in errors.into_iter().flatten() {
            explanation = explanation.fact(case, Kind::Attachment, one_line(text), *at);
        }
        if let Some(node) = case.inventory.node(&attachment.node) {
            explanation = super::node::fact(explanation, case, node);
        } else if case.is_live(Kind::Node) {
            let text = format!("node {} does not exist any more", attachment.node);
            explanation = explanation.fact(case, Kind::Node, text, None);
        }
    }
    explanation
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use crate::domain::inventory::Row;
    use rstest::rstest;

    fn waiting() -> Pod {
        pod("ide-0")
            .claim("workspace-ide-0")
            .pending(minutes_ago(10))
    }

    fn told(reason: &str, message: &str, minutes: i64) -> Event {
        event(Kind::Pod, "ide-0", reason, message, minutes_ago(minutes))
    }

    const MULTI: &str = "Multi-Attach error for volume \"pv-1\" Volume is already used by pod(s)";

    #[rstest]
    #[case::multi(told("FailedAttachVolume", MULTI, 5), Code::MultiAttach)]
    #[case::attach(
        told("FailedAttachVolume", "quota exceeded", 5),
        Code::VolumeAttachFailed
    )]
    #[case::mount(told("FailedMount", "wrong fs type", 5), Code::MountFailed)]
    #[case::text_without_the_reason(told("Unhealthy", MULTI, 5), Code::PodNotReady)]
    #[case::before_this_pod(told("FailedMount", "wrong fs type", 11), Code::PodNotReady)]
    fn an_event_explains_a_pod_that_is_not_ready(#[case] event: Event, #[case] code: Code) {
        assert_eq!(codes(healthy_but(rows![waiting(), event])), [code]);
    }

    #[rstest]
    #[case::ready(pod("ide-0").claim("workspace-ide-0").running())]
    #[case::not_long_enough(waiting().pending(seconds_ago(100)))]
    #[case::ending(waiting().deleted(seconds_ago(5)))]
    fn an_event_alone_is_no_finding(#[case] pod: Pod) {
        let event = event(
            Kind::Pod,
            "ide-0",
            "FailedAttachVolume",
            MULTI,
            seconds_ago(50),
        );
        assert_eq!(codes(healthy_but(rows![pod, event])), []);
    }

    #[test]
    fn an_event_of_another_pod_of_that_name_is_no_evidence() {
        let mut old = told("FailedMount", "wrong fs type", 5);
        old.object_uid = Some(uid("its predecessor"));
        assert_eq!(
            codes(healthy_but(rows![waiting(), old])),
            [Code::PodNotReady]
        );
    }

    #[test]
    fn an_event_outside_the_window_is_no_evidence() {
        let pod = waiting().pending(minutes_ago(90));
        let rows = healthy_but(rows![pod.clone(), told("FailedMount", "x", 61)]);
        assert_eq!(codes(rows), [Code::PodNotReady]);
        let rows = healthy_but(rows![pod, told("FailedMount", "x", 59)]);
        assert_eq!(codes(rows), [Code::MountFailed]);
    }

    fn held() -> Vec<Row> {
        rows![
            waiting(),
            attachment("workspace-ide-0", "n2"),
            node("n2").readiness(ReadyState::Unknown, minutes_ago(12)),
        ]
    }

    #[test]
    fn an_attachment_to_another_node_is_evidence_without_any_event() {
        let found = codes(healthy_but(held()));
        assert_eq!(found, [Code::MultiAttach, Code::NodeNotReady]);
        let words = explained(&mut world(healthy_but(held())), Code::MultiAttach);
        assert!(
            words.sentence.contains("that node n2 still holds"),
            "{}",
            words.sentence
        );
        let down = "node n2: not heard from";
        assert!(words.evidence.iter().any(|e| e.text == down), "{words:?}");
    }

    #[test]
    fn attachments_that_are_not_live_prove_nothing() {
        let mut inventory = world(healthy_but(held()));
        set_freshness(&mut inventory, Kind::Attachment, denied());
        assert!(!codes_of(&mut inventory).contains(&Code::MultiAttach));
    }

    #[test]
    fn an_attach_error_is_evidence_without_any_event() {
        let error = attachment("workspace-ide-0", "n1").fails("no such disk", minutes_ago(3));
        let rows = healthy_but(rows![waiting(), error]);
        assert_eq!(codes(rows), [Code::VolumeAttachFailed]);
    }

    use crate::domain::node::ReadyState;
}
