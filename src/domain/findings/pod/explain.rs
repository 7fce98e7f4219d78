//! Pods that do not serve, in words.

use jiff::SignedDuration;

use super::super::words::{ago, human_duration, one_line, says, why_not};
use super::super::{Case, claims_of, node, pod_of, set};
use super::{PULL, killed_for_memory, unready_since};
use crate::domain::finding::{Code, Explanation, Finding};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;

pub(in crate::domain::findings) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(pod) = pod_of(case, key) else {
        return explain_missing(case, finding);
    };
    let for_how_long = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let explanation = match finding.code {
        Code::PodTerminating => explain_terminating(case, pod),
        Code::CrashLoop => explain_crash(case, pod),
        Code::ImagePull => explain_pull(case, pod),
        Code::Unschedulable => explain_unschedulable(case, pod),
        Code::OutOfMemory => explain_memory(case, pod),
        Code::Restarting => {
            let age = ago(case.now, pod.meta.created);
            let restarts = pod.restarts;
            says(
                format!("{key} restarted {restarts} times in its {age} of life"),
                format!(
                    "fewer than {} restarts within an hour",
                    case.policy.restarts
                ),
            )
            .step("previous-logs", "read how it ended last time")
            .step("events", "read its events")
        }
        Code::PodFailed => {
            let reason = pod.reason.as_deref().unwrap_or("no reason given");
            says(
                format!("{key} has failed{for_how_long} ({reason}) and nothing replaced it"),
                "a new pod is ready",
            )
            .step("events", "read why")
            .advice("what was written outside its claims went with it")
        }
        _ => {
            let (ready, of) = pod.ready_containers();
            says(
                format!("{key} is not ready{for_how_long}: {ready} of {of} containers are"),
                "its Ready condition is true",
            )
            .step("events", "read what the kubelet says, probes included")
            .step("logs", "read what it says itself")
        }
    };
    facts(explanation, case, pod).runbook(finding)
}

/// What is known of every pod, whatever is wrong with it.
fn facts(mut explanation: Explanation, case: &Case<'_>, pod: &Pod) -> Explanation {
    let (ready, of) = pod.ready_containers();
    let restarts = pod.restarts;
    let place = pod
        .node
        .as_ref()
        .map_or_else(|| "on no node".to_owned(), |n| format!("on node {n}"));
    explanation = explanation.fact(
        case,
        Kind::Pod,
        format!(
            "{}, {ready}/{of} ready, {restarts} restarts, {place}",
            pod.status()
        ),
        Some(unready_since(pod)),
    );
    for container in &pod.containers {
        if let Some(reason) = &container.waiting {
            let message = container.message.as_deref().map(one_line);
            let message = message.map_or_else(String::new, |m| format!(": {m}"));
            let text = format!("container {} waits: {reason}{message}", container.name);
            explanation = explanation.fact(case, Kind::Pod, text, None);
        }
        if let Some(exit) = &container.last_exit {
            let text = format!(
                "container {} last ended with {} (exit code {})",
                container.name, exit.reason, exit.code
            );
            explanation = explanation.fact(case, Kind::Pod, text, exit.at);
        }
    }
    let window = case.policy.event_window;
    let newest = case
        .inventory
        .events_of(Kind::Pod, &pod.meta.key)
        .filter(|e| e.warning && case.now.duration_since(e.last) <= window)
        .max_by_key(|e| e.last);
    if let Some(event) = newest {
        explanation = explanation.event(case, event);
    }
    if let Some(node) = pod.node.as_ref().and_then(|n| case.inventory.node(n)) {
        explanation = node::fact(explanation, case, node);
    }
    explanation
}

fn explain_terminating(case: &Case<'_>, pod: &Pod) -> Explanation {
    let key = &pod.meta.key;
    let over = pod
        .meta
        .deleted
        .map_or_else(|| "a while".to_owned(), |end| ago(case.now, end));
    let grace = human_duration(SignedDuration::from_secs(i64::from(pod.grace_seconds)));
    let explanation = says(
        format!("{key} should have ended {over} ago, after its grace of {grace}"),
        "the pod is gone and its successor is ready",
    );
    let down = pod
        .node
        .as_ref()
        .and_then(|n| case.inventory.node(n))
        .is_some_and(node::is_down);
    if down {
        explanation
            .advice("prove that the node's machine is off: only then can nothing write any more")
            .advice("then taint the node node.kubernetes.io/out-of-service=nodeshutdown:NoExecute")
            .advice("never force the deletion while the node may live: two writers, one disk")
    } else {
        explanation
            .step(
                "events",
                "read what holds it: finalizers, unmounting, the runtime",
            )
            .advice("never force the deletion before the node says that the containers are gone")
    }
}

fn explain_crash(case: &Case<'_>, pod: &Pod) -> Explanation {
    let key = &pod.meta.key;
    let loops = pod
        .waiting(&["CrashLoopBackOff"])
        .or_else(|| pod.containers.iter().max_by_key(|c| c.restarts));
    let name = loops.map_or("?", |c| &c.name);
    let restarts = loops.map_or(0, |c| c.restarts);
    let how = loops
        .and_then(|c| c.last_exit.as_ref())
        .map_or_else(String::new, |e| {
            format!(", last with {} (exit code {})", e.reason, e.code)
        });
    let mut explanation = says(
        format!("container {name} of {key} crashed {restarts} times{how}"),
        "the container runs and the pod is ready",
    )
    .step("previous-logs", "read how it ended last time");
    if loops.is_some_and(|c| c.last_exit.as_ref().is_some_and(|e| e.code == 137)) {
        explanation =
            explanation.advice("137 is a kill: out of memory, or a failed liveness probe");
    }
    if claims_of(case, pod).next().is_some() {
        explanation = explanation.advice("a full disk looks like this: see the claims' use");
    }
    explanation.advice("leave the claims alone: the data is not the cause")
}

fn explain_pull(_case: &Case<'_>, pod: &Pod) -> Explanation {
    let key = &pod.meta.key;
    let waits = pod.waiting(&PULL);
    let image = waits.map_or("?", |c| &c.image);
    let reason = waits.and_then(|c| c.waiting.as_deref()).unwrap_or("waits");
    says(
        format!("{key} cannot have its image {image}: {reason}"),
        "the image is pulled and the pod is ready",
    )
    .step(
        "events",
        "read what the registry answers: no such tag, no access, no answer",
    )
    .advice("correct the image or its pull secret where the set is defined")
    .advice("the data is untouched; leave the claims alone")
}

fn explain_unschedulable(case: &Case<'_>, pod: &Pod) -> Explanation {
    let key = &pod.meta.key;
    let (message, since) = match &pod.unscheduled {
        Some((message, since)) => (one_line(message), ago(case.now, *since)),
        None => ("no reason given".to_owned(), "a while".to_owned()),
    };
    let mut explanation = says(
        format!("no node takes {key} since {since}: {message}"),
        "the pod is placed on a node",
    );
    // Both wordings are in use: the scheduler's text changed with its version.
    let by_volume = message.contains("volume node affinity conflict")
        || message.contains("didn't match PersistentVolume's node affinity");
    for claim in claims_of(case, pod) {
        if let Some(zone) = case
            .inventory
            .volume_of(claim)
            .and_then(|v| v.zone.as_ref())
        {
            let nodes = case.inventory.nodes.values();
            let there = nodes.filter(|n| n.zone.as_ref() == Some(zone)).count();
            let nodes = if case.is_live(Kind::Node) {
                format!("{there} nodes are there")
            } else {
                format!("its nodes are not known: {}", why_not(case, Kind::Node))
            };
            let text = format!("claim {} lies in zone {zone}: {nodes}", claim.meta.key.name);
            explanation = explanation.fact(case, Kind::Volume, text, None);
        }
    }
    if by_volume {
        explanation = explanation
            .advice("have a node in the zone of its volume: scale the pool or uncordon one")
            .advice("last resort: restore a snapshot into another zone; never edit the volume");
    } else {
        explanation = explanation.advice("free or add what the message names: CPU, memory, taints");
    }
    explanation.step("events", "read what the scheduler and the autoscaler say")
}

fn explain_memory(case: &Case<'_>, pod: &Pod) -> Explanation {
    let key = &pod.meta.key;
    let (name, when) = killed_for_memory(pod).map_or(("?", None), |(c, at)| (&*c.name, at));
    let when = when.map_or_else(String::new, |at| format!(" {} ago", ago(case.now, at)));
    let limit = pod
        .memory_limit
        .map_or_else(String::new, |l| format!(" (limit {})", l.human()));
    says(
        format!("container {name} of {key} was killed for its memory{when}{limit}"),
        format!(
            "no such kill for {}",
            human_duration(case.policy.event_window)
        ),
    )
    .advice("raise the memory limit, or find with the user what grew; never lower it now")
    .step("previous-logs", "read what it did before")
}

fn explain_missing(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key: &ObjectKey = &finding.subject.key;
    if finding.code != Code::PodMissing {
        return says(
            format!("{key} is gone since this was found"),
            "it is judged again",
        );
    }
    let since = finding.since.map_or_else(String::new, |at| {
        format!(" for at least {}", ago(case.now, at))
    });
    let mut explanation = says(
        format!("{key} should exist and has not{since}"),
        "its set makes the pod",
    );
    let set = case
        .inventory
        .workspace(key)
        .and_then(|w| case.inventory.set_of(w));
    if let Some(set) = set {
        let (ready, replicas) = (set.ready, set.replicas);
        let text = format!("set {}: {ready} of {replicas} ready", set.meta.key.name);
        explanation = explanation.fact(case, Kind::Set, text, None);
        explanation = set::why_not_created(explanation, case, set);
    }
    explanation
        .step(
            "events",
            "read why the set cannot make it: quota, admission, a missing account",
        )
        .advice("its claims wait for it unharmed; leave them alone")
        .runbook(finding)
}
