//! Pods that do not serve: missing, ending for too long, crashing, not pulled, not placed, not
//! ready. One finding says why a pod does not run; the general `not ready` only when nothing
//! better explains it.

mod explain;

use jiff::{SignedDuration, Timestamp};

pub(super) use explain::explain;

use super::{Case, finding, mount, node};
use crate::domain::finding::{Code, Finding, Severity, Subject};
use crate::domain::inventory::beside;
use crate::domain::key::Kind;
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

#[cfg(test)]
mod tests;
