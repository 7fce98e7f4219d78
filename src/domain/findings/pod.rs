//! Pods that do not serve: missing, ending for too long, crashing, not pulled, not placed, not
//! ready. One finding says why a pod does not run; the general `not ready` only when nothing
//! better explains it.

use jiff::{SignedDuration, Timestamp};

use super::words::{ago, human_duration, one_line, says, why_not};
use super::{Case, claims_of, finding, mount, node, pod_of};
use crate::domain::finding::{Code, Explanation, Finding, Severity, Subject};
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::{Container, Phase, Pod};
use crate::domain::workload::Set;
use crate::domain::workspace::Workspace;

/// Waiting reasons that say that an image cannot be had (kubelet `pkg/kubelet/images/types.go`).
const PULL: [&str; 6] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

/// A container that ran this long is no longer in a crash loop: the kubelet forgets its
/// back-off then.
const SETTLED: SignedDuration = SignedDuration::from_mins(10);

/// The window of [`restarts`](crate::domain::policy::Policy::restarts).
const RESTART_WINDOW: SignedDuration = SignedDuration::from_hours(1);

pub(super) fn judge<'a>(case: &mut Case<'a>, pod: &'a Pod, found: &mut Vec<Finding>) {
    let meta = &pod.meta;
    if let Some(end) = meta.deleted {
        // `deletionTimestamp` is the end of the grace period, not its start.
        if case.has_lasted(end, case.policy.pod_terminating) {
            let stuck = finding(
                Code::PodTerminating,
                Severity::Blocked,
                Kind::Pod,
                meta,
                Some(end),
            );
            found.push(stuck);
        }
        node::judge_pod(case, pod, found);
        return;
    }
    if pod.phase == Phase::Succeeded {
        return;
    }
    let before = found.len();
    if pod.phase == Phase::Failed {
        // The controller replaces a failed pod; only one that stays is a finding.
        if case.has_lasted(unready_since(pod), case.policy.pod_not_ready) {
            let since = Some(unready_since(pod));
            found.push(finding(
                Code::PodFailed,
                Severity::Blocked,
                Kind::Pod,
                meta,
                since,
            ));
        }
        return;
    }
    node::judge_pod(case, pod, found);
    if pod.ready {
        judge_ready(case, pod, found);
        return;
    }
    let since = Some(unready_since(pod));
    let mut blocked = |code| found.push(finding(code, Severity::Blocked, Kind::Pod, meta, since));
    if pod.waiting(&PULL).is_some() {
        blocked(Code::ImagePull);
    } else if crashing(case, pod).is_some() {
        blocked(Code::CrashLoop);
    } else if let Some((_, at)) = &pod.unscheduled {
        if case.has_lasted(*at, case.policy.pod_pending) {
            let since = Some(*at);
            let code = Code::Unschedulable;
            found.push(finding(code, Severity::Blocked, Kind::Pod, meta, since));
        }
        return;
    }
    let explained = found.len() > before;
    judge_memory(case, pod, found);
    if explained {
        return;
    }
    let before = found.len();
    let limit = if pod.phase == Phase::Pending {
        case.policy.pod_pending
    } else {
        case.policy.pod_not_ready
    };
    if !case.has_lasted(unready_since(pod), limit) {
        return;
    }
    mount::judge(case, pod, found);
    if found.len() == before {
        found.push(finding(
            Code::PodNotReady,
            Severity::Blocked,
            Kind::Pod,
            meta,
            since,
        ));
    }
}

/// What a pod that is ready again still tells of its past.
fn judge_ready(case: &mut Case<'_>, pod: &Pod, found: &mut Vec<Finding>) {
    if pod.restarts == 0 {
        return;
    }
    let before = found.len();
    judge_memory(case, pod, found);
    // Rows count restarts over the pod's whole life; that many in a young pod are recent.
    if found.len() == before
        && pod.restarts >= case.policy.restarts
        && case.is_recent(pod.meta.created, RESTART_WINDOW)
    {
        let since = Some(pod.meta.created);
        let code = Code::Restarting;
        found.push(finding(code, Severity::Soon, Kind::Pod, &pod.meta, since));
    }
}

fn judge_memory(case: &mut Case<'_>, pod: &Pod, found: &mut Vec<Finding>) {
    let Some((_, at)) = killed_for_memory(pod) else {
        return;
    };
    let window = case.policy.event_window;
    // An end without a time is the last one that there was.
    if at.is_none_or(|at| case.is_recent(at, window)) {
        let code = Code::OutOfMemory;
        found.push(finding(code, Severity::Soon, Kind::Pod, &pod.meta, at));
    }
}

fn killed_for_memory(pod: &Pod) -> Option<(&Container, Option<Timestamp>)> {
    pod.containers
        .iter()
        .filter_map(|c| {
            let exit = c.last_exit.as_ref()?;
            (&*exit.reason == "OOMKilled").then_some((c, exit.at))
        })
        .max_by_key(|(_, at)| *at)
}

/// The container that crashes again and again: it waits for its next try, or it runs for a
/// moment between two crashes.
fn crashing<'p>(case: &mut Case<'_>, pod: &'p Pod) -> Option<&'p Container> {
    let waiting = pod.waiting(&["CrashLoopBackOff"]);
    if waiting.is_some() || pod.restarts == 0 {
        return waiting;
    }
    let limit = case.policy.restarts;
    pod.containers.iter().find(|c| {
        c.restarts >= limit
            && !c.ready
            && c.last_exit
                .as_ref()
                .filter(|exit| exit.code != 0)
                .and_then(|exit| exit.at)
                .is_some_and(|at| case.is_recent(at, SETTLED))
    })
}

/// When the pod stopped being ready, or came to be.
pub(super) fn unready_since(pod: &Pod) -> Timestamp {
    match pod.ready_since {
        Some(since) if !pod.ready => since.max(pod.meta.created),
        _ => pod.meta.created,
    }
}

// ---- missing

pub(super) fn judge_missing(case: &mut Case<'_>, workspace: &Workspace, found: &mut Vec<Finding>) {
    let inventory = case.inventory;
    if !case.is_live(Kind::Pod) || !case.is_live(Kind::Set) {
        return;
    }
    let (Some(set), Some(ordinal)) = (inventory.set_of(workspace), workspace.ordinal) else {
        return;
    };
    if !set.ordinals().contains(&ordinal) || set.meta.deleted.is_some() {
        return;
    }
    // The controller has not seen the set as it is now; it will change status when it has.
    if set.observed_generation < set.generation {
        return;
    }
    let since = missing_since(case, workspace, set);
    if !case.has_lasted(since, case.policy.pod_pending) {
        return;
    }
    if !set.parallel && waits_for_earlier(case, set, ordinal) {
        // Its turn has not come. Nothing tells when it has, so look again.
        case.look_again_in(case.policy.pod_pending);
        return;
    }
    found.push(Finding {
        code: Code::PodMissing,
        severity: Severity::Blocked,
        subject: Subject {
            kind: Kind::Pod,
            key: workspace.key.clone(),
            uid: None,
        },
        since: Some(since),
    });
}

/// The latest time at which the pod may still have been there, as far as rows tell: the end of
/// its predecessor, its claims (made just before it), the newest event about it, its set.
pub(super) fn missing_since(case: &Case<'_>, workspace: &Workspace, set: &Set) -> Timestamp {
    let inventory = case.inventory;
    let key = &workspace.key;
    let claims = inventory.claims_of(workspace).map(|(_, c)| c.meta.created);
    let events = inventory.events_of(Kind::Pod, key).map(|e| e.last);
    claims
        .chain(events)
        .chain(inventory.departed(key))
        .fold(set.meta.created, Timestamp::max)
}

/// With `OrderedReady` no pod is made before every earlier one is ready.
fn waits_for_earlier(case: &Case<'_>, set: &Set, ordinal: u32) -> bool {
    (set.start..ordinal).any(|earlier| {
        let key = beside(&set.meta.key, &set.pod_name(earlier).into());
        case.inventory.pods.get(&key).is_none_or(|p| !p.ready)
    })
}

// ---- words

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
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
        explanation = super::set::why_not_created(explanation, case, set);
    }
    explanation
        .step(
            "events",
            "read why the set cannot make it: quota, admission, a missing account",
        )
        .advice("its claims wait for it unharmed; leave them alone")
        .runbook(finding)
}

#[cfg(test)]
mod tests;
