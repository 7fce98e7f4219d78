//! How each condition is judged. An object that is another than the one that was meant, or that
//! cannot be read, never fulfils anything.

mod claims;
mod pods;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{Condition, Observed, Read, Standing, capacity, file_system_bytes, object, quantity};
use crate::action::RUN_LABEL;
use crate::action::call::{Identity, Target};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;

/// Nobody reacted to a new snapshot for this long: there is no controller.
const NO_CONTROLLER: SignedDuration = SignedDuration::from_secs(60);
/// A snapshot that has been failing for this long is not waited for.
const SNAPSHOT_PATIENCE: SignedDuration = SignedDuration::from_mins(5);
/// A kubelet looks at its volumes once a minute, and its figures are read as seldom, in seconds.
const SAMPLE_PATIENCE: u32 = 180;
/// Hundredths of what was asked for that a file system must have gained; the rest is its own overhead.
const GROWN: u128 = 93;

fn pending(stage: impl Into<String>) -> Standing {
    Standing::Pending {
        stage: stage.into(),
    }
}

fn met(note: impl Into<String>) -> Standing {
    Standing::Met { note: note.into() }
}

fn failed(why: impl Into<String>, next: impl Into<String>) -> Standing {
    Standing::Failed {
        why: why.into(),
        next: next.into(),
    }
}

fn unproven(why: impl Into<String>, next: impl Into<String>) -> Standing {
    Standing::Unproven {
        why: why.into(),
        next: next.into(),
        patience: 0,
    }
}

/// What stands under the target's name.
enum Look<'a> {
    It(&'a Value),
    Gone,
    Another,
    Unknown(&'a str),
}

fn look<'a>(seen: &'a Observed, target: &Target) -> Look<'a> {
    let read = object(target);
    match seen.values.get(&read) {
        None => Look::Unknown(
            seen.denied
                .get(&read)
                .map_or("it was not read", String::as_str),
        ),
        Some(Value::Null) => Look::Gone,
        Some(value) => {
            let meta = &value["metadata"];
            let is_it = match &target.identity {
                Identity::Uid(uid) => meta["uid"] == json!(uid),
                Identity::Ours(run) => meta["labels"][RUN_LABEL] == json!(run),
                Identity::Named => true,
            };
            if is_it {
                Look::It(value)
            } else {
                Look::Another
            }
        }
    }
}

/// The object, or why there is nothing to wait for.
fn need<'a>(seen: &'a Observed, target: &Target) -> Result<&'a Value, Standing> {
    let name = format!("{} {}", target.kind.object(), target.key);
    let next = "look at it again and decide anew";
    match look(seen, target) {
        Look::It(value) => Ok(value),
        Look::Gone => Err(failed(format!("{name} is gone"), next)),
        Look::Another => Err(failed(
            format!("another object has the name of {name}"),
            next,
        )),
        Look::Unknown(why) => Err(failed(
            format!("{name} cannot be read: {why}"),
            "ask for the right to read it, then resume",
        )),
    }
}

pub(super) fn judge(condition: &Condition, seen: &Observed) -> Standing {
    let judged = match condition {
        Condition::Gone { target } => Ok(gone(seen, target)),
        Condition::Absent { kind, key } => Ok(claims::absent(seen, *kind, key)),
        Condition::Deleted { claim } => Ok(claims::deleted(seen, claim)),
        Condition::Without { target, finalizer } => {
            need(seen, target).map(|object| claims::without(object, finalizer))
        }
        Condition::Rebindable { claim, volume } => Ok(claims::rebindable(seen, claim, volume)),
        Condition::Detached { volume } => Ok(detached(seen, volume)),
        Condition::PodReady { pod, not } => Ok(pod_ready(seen, pod, not)),
        Condition::PodStage { pod, not, stage } => Ok(pods::stage(seen, pod, not, *stage)),
        Condition::PodSucceeded { pod } => need(seen, pod).map(pod_succeeded),
        Condition::SnapshotReady { snapshot, handle } => {
            need(seen, snapshot).map(|s| snapshot_ready(seen, snapshot, s, handle.as_deref()))
        }
        Condition::ClaimBound { claim, volume } => {
            need(seen, claim).map(|c| claim_bound(seen, claim, c, volume.as_deref()))
        }
        Condition::VolumePhase { volume, phase } => need(seen, volume).map(|v| {
            let now = v["status"]["phase"].as_str().unwrap_or("unknown");
            if now == phase {
                met(format!("volume {} is {phase}", volume.key))
            } else {
                pending(format!("volume {} is {now}", volume.key))
            }
        }),
        Condition::FileSystemGrown { claim, .. } => {
            need(seen, claim).map(|c| grown(condition, seen, c))
        }
        Condition::SetSettled { set } => need(seen, set).map(set_settled),
        Condition::Has {
            target,
            pointer,
            value,
        } => need(seen, target).map(|o| {
            let now = o.pointer(pointer).unwrap_or(&Value::Null);
            if now == value {
                met(format!("{pointer} is {value}"))
            } else {
                pending(format!("{pointer} is {now}, not {value} yet"))
            }
        }),
    };
    judged.unwrap_or_else(|standing| standing)
}

fn gone(seen: &Observed, target: &Target) -> Standing {
    let name = format!("{} {}", target.kind.object(), target.key);
    match look(seen, target) {
        Look::Gone => met(format!("{name} is gone")),
        Look::Another => met(format!("{name} is gone, another stands in its place")),
        Look::Unknown(why) => failed(
            format!("{name} cannot be read: {why}"),
            "ask for the right to read it, then resume",
        ),
        Look::It(value) => {
            let finalizers: Vec<&str> = value["metadata"]["finalizers"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            if value["metadata"]["deletionTimestamp"].is_null() {
                pending(format!("{name} is still there"))
            } else if finalizers.is_empty() {
                pending(format!("{name} is terminating"))
            } else {
                pending(format!(
                    "{name} is terminating, held by {}",
                    finalizers.join(", ")
                ))
            }
        }
    }
}

fn detached(seen: &Observed, volume: &str) -> Standing {
    let Some(value) = seen.values.get(&Read::Attachments) else {
        return failed(
            "volume attachments cannot be read",
            "ask for the right to list volumeattachments, then resume",
        );
    };
    let node = value
        .as_array()
        .into_iter()
        .flatten()
        .find(|a| a["spec"]["source"]["persistentVolumeName"] == json!(volume))
        .map(|a| a["spec"]["nodeName"].as_str().unwrap_or("?"));
    match node {
        None => met(format!("volume {volume} is attached nowhere")),
        Some(node) => pending(format!("volume {volume} is attached to {node}")),
    }
}

fn is_ready(pod: &Value) -> bool {
    pod["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|c| c["type"] == json!("Ready") && c["status"] == json!("True"))
}

/// Why a pod is not running, as its status says it.
fn pod_word(pod: &Value) -> String {
    let waiting = pod["status"]["containerStatuses"]
        .as_array()
        .into_iter()
        .flatten()
        .find_map(|c| c["state"]["waiting"]["reason"].as_str());
    let unscheduled = pod["status"]["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|c| c["type"] == json!("PodScheduled") && c["status"] == json!("False"))
        .and_then(|c| c["message"].as_str());
    match (waiting, unscheduled) {
        (_, Some(why)) => format!("not scheduled: {why}"),
        (Some(why), _) => why.to_owned(),
        _ => pod["status"]["phase"]
            .as_str()
            .unwrap_or("unknown")
            .to_owned(),
    }
}

fn pod_ready(seen: &Observed, key: &ObjectKey, not: &str) -> Standing {
    let read = Read::Object(Kind::Pod, key.clone());
    match seen.values.get(&read) {
        None => failed(
            format!("pod {key} cannot be read"),
            "ask for the right to get pods, then resume",
        ),
        Some(Value::Null) => pending(format!("pod {key} is gone, its successor is not there yet")),
        Some(pod) if pod["metadata"]["uid"] == json!(not) => {
            pending(format!("pod {key} is ending"))
        }
        Some(pod) if !pod["metadata"]["deletionTimestamp"].is_null() => {
            pending(format!("pod {key} is ending"))
        }
        Some(pod) if is_ready(pod) => met(format!("pod {key} is ready")),
        Some(pod) => pending(format!("pod {key}: {}", pod_word(pod))),
    }
}

fn pod_succeeded(pod: &Value) -> Standing {
    match pod["status"]["phase"].as_str() {
        Some("Succeeded") => met("the pod ended well"),
        Some("Failed") => failed("the pod failed", "read its logs, then undo"),
        _ => pending(pod_word(pod)),
    }
}

/// The newest warning among the events of an object: reason and message.
fn warning(seen: &Observed, target: &Target) -> Option<String> {
    let events = seen.values.get(&seen.events_of(target)?)?.as_array()?;
    let newest = events
        .iter()
        .filter(|e| e["type"] == json!("Warning"))
        .max_by_key(|e| {
            let last = e["lastTimestamp"].as_str().or(e["eventTime"].as_str());
            last.unwrap_or_default().to_owned()
        })?;
    let text = |field: &str| newest[field].as_str().unwrap_or_default().to_owned();
    Some(format!("{}: {}", text("reason"), text("message")))
}

fn events_are_none(seen: &Observed, target: &Target) -> bool {
    seen.events_of(target)
        .and_then(|read| seen.values.get(&read))
        .is_some_and(|events| events.as_array().is_none_or(Vec::is_empty))
}

fn age(seen: &Observed, object: &Value) -> SignedDuration {
    object["metadata"]["creationTimestamp"]
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok())
        .map_or(SignedDuration::ZERO, |at| seen.now.duration_since(at))
}

fn snapshot_ready(
    seen: &Observed,
    target: &Target,
    snapshot: &Value,
    handle: Option<&str>,
) -> Standing {
    let name = &target.key;
    if !snapshot["metadata"]["deletionTimestamp"].is_null() {
        return failed(
            format!("snapshot {name} is being deleted"),
            "take a new snapshot",
        );
    }
    let status = &snapshot["status"];
    if status["readyToUse"] == json!(true) && status["error"].is_null() {
        return proven(seen, target, snapshot, handle);
    }
    let age = age(seen, snapshot);
    if let Some(message) = status["error"]["message"].as_str() {
        if age > SNAPSHOT_PATIENCE {
            return failed(
                format!("snapshot {name} failed: {message}"),
                "mend what the message names, then take a new snapshot; older ones are untouched",
            );
        }
        return pending(format!("failing, the controller tries again: {message}"));
    }
    let content = status["boundVolumeSnapshotContentName"].as_str();
    let Some(content) = content else {
        if let Some(why) = warning(seen, target) {
            return pending(format!("not begun, the controller says {why}"));
        }
        if age > NO_CONTROLLER && events_are_none(seen, target) {
            return failed(
                format!("no controller answers: nobody touched snapshot {name} for a minute"),
                "look whether the snapshot-controller runs",
            );
        }
        return pending("waiting for the snapshot controller");
    };
    let content = seen
        .values
        .get(&Read::Object(Kind::Content, ObjectKey::new("", content)));
    if let Some(message) = content.and_then(|c| c["status"]["error"]["message"].as_str()) {
        return pending(format!("failing, the driver tries again: {message}"));
    }
    if status["creationTime"].is_string() {
        pending("cut, still copying")
    } else {
        pending("the driver is taking it")
    }
}

/// A snapshot that is ready: is it of the disk that was meant?
fn proven(seen: &Observed, target: &Target, snapshot: &Value, handle: Option<&str>) -> Standing {
    let name = &target.key;
    let status = &snapshot["status"];
    let size = quantity(&status["restoreSize"])
        .map(|bytes| format!(", {}", Quantity::bytes(bytes).human()))
        .unwrap_or_default();
    let Some(handle) = handle else {
        return met(format!(
            "ready{size}; not proven against the disk (it cannot be read)"
        ));
    };
    let bound = status["boundVolumeSnapshotContentName"]
        .as_str()
        .unwrap_or_default();
    let read = Read::Object(Kind::Content, ObjectKey::new("", bound));
    let Some(content) = seen.values.get(&read).filter(|c| !c.is_null()) else {
        let why = seen.denied.get(&read).map_or("it is gone", String::as_str);
        return failed(
            format!("snapshot {name} is ready, but its content cannot be read: {why}"),
            "ask for the right to get volumesnapshotcontents",
        );
    };
    let reference = &content["spec"]["volumeSnapshotRef"];
    if reference["uid"] != snapshot["metadata"]["uid"] {
        return failed(
            format!("content {bound} belongs to another snapshot than {name}"),
            "take a new snapshot and look at the controller",
        );
    }
    let cut_from = content["spec"]["source"]["volumeHandle"].as_str();
    if cut_from != Some(handle) {
        return failed(
            format!(
                "snapshot {name} was cut from the disk {}, not from {handle}",
                cut_from.unwrap_or("unknown")
            ),
            "the claim changed its disk in between: look at it, then take a new snapshot",
        );
    }
    if content["status"]["readyToUse"] != json!(true) {
        return pending("ready, its content is not yet");
    }
    met(format!("ready{size}, proven to be of the disk {handle}"))
}

fn claim_bound(seen: &Observed, target: &Target, claim: &Value, volume: Option<&str>) -> Standing {
    let name = &target.key;
    let bound_to = claim["spec"]["volumeName"].as_str().unwrap_or_default();
    match claim["status"]["phase"].as_str() {
        Some("Bound") => match volume {
            Some(volume) if volume != bound_to => failed(
                format!("claim {name} is bound to {bound_to}, not to {volume}"),
                "nothing was deleted; look at both volumes",
            ),
            _ => met(format!("claim {name} is bound to {bound_to}")),
        },
        Some("Lost") => failed(
            format!("claim {name} has lost its volume"),
            "look at the volume before anything else",
        ),
        _ => match warning(seen, target) {
            Some(why) => pending(format!("claim {name} is not bound: {why}")),
            None => pending(format!("claim {name} is not bound yet")),
        },
    }
}

fn set_settled(set: &Value) -> Standing {
    let number = |value: &Value| value.as_i64().unwrap_or(0);
    let wanted = set["spec"]["replicas"].as_i64().unwrap_or(1);
    let ready = number(&set["status"]["readyReplicas"]);
    let observed = number(&set["status"]["observedGeneration"]);
    if observed < number(&set["metadata"]["generation"]) {
        return pending("the controller has not seen the change yet");
    }
    if ready < wanted {
        return pending(format!("{ready} of {wanted} replicas are ready"));
    }
    if set["status"]["currentRevision"] != set["status"]["updateRevision"] {
        return pending("a rollout is under way");
    }
    met(format!("all {wanted} replicas are ready"))
}

/// Whether a condition of the claim is true, with its message.
fn condition<'a>(claim: &'a Value, kind: &str) -> Option<&'a str> {
    claim["status"]["conditions"]
        .as_array()?
        .iter()
        .find(|c| c["type"] == json!(kind) && c["status"] == json!("True"))
        .map(|c| c["message"].as_str().unwrap_or_default())
}

/// The stages of a resize: external-resizer `pkg/controller/resize_status.go`, core/v1 types.go.
fn grown(goal: &Condition, seen: &Observed, claim: &Value) -> Standing {
    let Condition::FileSystemGrown {
        claim: target,
        bytes,
        measure,
        capacity_before,
        before,
        ..
    } = goal
    else {
        return pending("");
    };
    let requested = quantity(&claim["spec"]["resources"]["requests"]["storage"]);
    if requested != Some(*bytes) {
        return failed(
            "somebody changed the request of the claim in the meantime",
            "look at the claim and decide anew",
        );
    }
    if capacity(claim).unwrap_or(0) < *bytes {
        return growing(seen, target, claim, measure.is_some());
    }
    let Some(measure) = measure else {
        return unproven(
            "4/5 the API says that it has grown; no pod mounted it, so the file system was not measured",
            "look with df in the next pod that mounts it",
        );
    };
    let read = Read::FileSystem(measure.clone());
    match seen.values.get(&read).and_then(Value::as_u64) {
        Some(now) => measured(now, *bytes, *capacity_before, before),
        None => sampled(seen, &read, target, claim, *bytes, *capacity_before),
    }
}

/// Stages 0 to 3: before the capacity is recorded.
fn growing(seen: &Observed, target: &Target, claim: &Value, is_mounted: bool) -> Standing {
    let state = claim["status"]["allocatedResourceStatuses"]["storage"]
        .as_str()
        .unwrap_or_default();
    let of_controller = condition(claim, "ControllerResizeError");
    let of_node = condition(claim, "NodeResizeError");
    let or_event = |message: Option<&str>| {
        message
            .filter(|m| !m.is_empty())
            .map_or_else(|| warning(seen, target).unwrap_or_default(), str::to_owned)
    };
    let disk_has_grown = state == "NodeResizePending"
        || state.is_empty() && condition(claim, "FileSystemResizePending").is_some();
    match state {
        "ControllerResizeInfeasible" => failed(
            format!(
                "the driver says that it cannot grow the disk: {}",
                or_event(of_controller)
            ),
            "ask for less: any size above the present capacity, with `wsdash resize`",
        ),
        "NodeResizeInfeasible" => failed(
            format!(
                "the node cannot grow the file system: {}",
                or_event(of_node)
            ),
            "the disk has grown, nothing is lost: end the session once so that it is mounted anew",
        ),
        "NodeResizeInProgress" if of_node.is_none() => pending("3/5 growing the file system"),
        _ if of_node.is_some() => pending(format!(
            "3/5 failing on the node, it tries again: {}",
            or_event(of_node)
        )),
        _ if of_controller.is_some() => pending(format!(
            "1/5 failing, the driver tries again: {}",
            or_event(of_controller)
        )),
        _ if disk_has_grown && is_mounted => {
            pending("2/5 disk grown, the file system is next; do not restart the pod")
        }
        _ if disk_has_grown => unproven(
            "2/5 the disk has grown; the file system grows when a pod mounts it",
            "start a pod that mounts it: nothing else is to be done",
        ),
        "ControllerResizeInProgress" => match warning(seen, target) {
            Some(why) if why.starts_with("VolumeResizeFailed") => {
                pending(format!("1/5 failing, the driver tries again: {why}"))
            }
            _ => pending("1/5 growing the disk"),
        },
        "" if condition(claim, "Resizing").is_some() => pending("1/5 growing the disk"),
        "" => pending("0/5 accepted, waiting for the resizer"),
        // unknown words are shown as they are
        other => pending(other),
    }
}

/// Stages 4 and 5: the capacity is recorded; does the container see it?
fn measured(now: u64, bytes: u64, capacity_before: u64, before: &str) -> Standing {
    let before = file_system_bytes(before);
    // per cent in whole numbers; what a file system keeps for itself does not grow with it
    let is_most_of = |part: u64, whole: u64| u128::from(part) * 100 >= u128::from(whole) * GROWN;
    // a provider that rounds up gave more than was asked for: then there is nothing left to grow
    let has_grown = capacity_before >= bytes || before.is_none_or(|before| now > before);
    let has_gained = before.is_some_and(|before| {
        let gain = now.saturating_sub(before);
        gain > 0 && is_most_of(gain, bytes.saturating_sub(capacity_before))
    });
    let size = Quantity::bytes(now).human();
    if has_grown && is_most_of(now, bytes) || has_gained {
        met(format!("5/5 the file system has {size}"))
    } else {
        pending(format!(
            "4/5 capacity recorded, the file system still has {size}"
        ))
    }
}

/// Stages 4 and 5, where the container cannot be asked: what does the kubelet report? A sample may
/// be of before the growth. It proves the growth only when the disk of before could not hold so
/// large a file system.
fn sampled(
    seen: &Observed,
    asked: &Read,
    target: &Target,
    claim: &Value,
    bytes: u64,
    capacity_before: u64,
) -> Standing {
    let unproven = |why: &str, patience| Standing::Unproven {
        why: format!("4/5 the API says that it has grown; {why}"),
        next: "look with df in the pod".to_owned(),
        patience,
    };
    let read = Read::Sample(target.key.clone());
    let Some(sample) = seen.values.get(&read) else {
        let why = |read| seen.denied.get(read).map_or("not asked", String::as_str);
        let (pod, samples) = (why(asked), why(&read));
        return unproven(&format!("not measured: {pod}, and {samples}"), 0);
    };
    if let Some(why) = sample["why"].as_str() {
        return unproven(&format!("no sample: {why}"), SAMPLE_PATIENCE);
    }
    let time = |value: &Value| value.as_str()?.parse::<Timestamp>().ok();
    if time(&sample["at"]) <= time(&claim["metadata"]["creationTimestamp"]) {
        let why = "its newest sample is of an earlier claim of this name";
        return unproven(why, SAMPLE_PATIENCE);
    }
    let now = sample["bytes"].as_u64().unwrap_or(0);
    let size = Quantity::bytes(now).human();
    if now > capacity_before || capacity_before >= bytes {
        met(format!(
            "5/5 the file system has {size}, by its newest sample"
        ))
    } else {
        let why = format!("its newest sample, {size}, may be of before");
        unproven(&why, SAMPLE_PATIENCE)
    }
}
