//! The steps of the test, in their order.

use serde_json::json;

use super::{EVICT, Tested, script};
use crate::action::call::{Call, Expect, PatchType, Probe, Stdin, Target};
use crate::action::condition::{Condition, PodStage};
use crate::action::guard::Guard;
use crate::action::keep;
use crate::action::plan::{Capture, Do, Source, Step};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::seen::Seen;
use crate::domain::digest;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;
use crate::domain::workload::Set;

/// Seconds that one command may take.
const LIMIT: u32 = 120;
/// Seconds that the controller may take to make a pod anew.
const PROMPT: u32 = 90;
/// Free bytes (in MiB) and inodes that a claim must have.
const ROOM: (&str, &str) = ("8", "100");

fn exec(pod: Target, one: &Tested<'_>, script: &str, args: &[&str]) -> Call {
    let words = ["sh", "-c", script, "sh", one.mount];
    Call::Exec {
        pod,
        container: one.container.to_owned(),
        command: words
            .iter()
            .chain(args)
            .map(|word| (*word).to_owned())
            .collect(),
        stdin: Stdin::None,
        limit: LIMIT,
        expect: Expect::Success,
    }
}

fn target(pod: &Pod) -> Target {
    Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid)
}

/// The successor, as soon as it was seen.
fn successor(pod: &ObjectKey) -> Target {
    Target::new(Kind::Pod, pod.clone(), "${uid-after}")
}

/// What is written to a claim as generation 2: like nothing that was there before. The plan carries
/// it, so that it is known again after a crash.
fn payload(seen: &Seen<'_>, one: &Tested<'_>, pod: &Pod) -> Stdin {
    let (run, claim) = (&seen.run, &one.claim.meta.uid);
    let nonce = digest::sha256(format!("{}/{claim}", seen.nonce).as_bytes());
    Stdin::Payload {
        head: format!(
            "wsdash persistence test {run}, claim {claim}, pod {}, generation 2, {nonce}\n",
            pod.meta.uid
        ),
        seed: nonce,
        length: seen.settings.verify.payload_bytes,
    }
}

/// Looks whether a claim can be written; from here on taking the test back removes its folder.
pub(super) fn room(seen: &Seen<'_>, one: &Tested<'_>, pod: &Pod) -> Step {
    let name = one.name();
    let key = &pod.meta.key;
    let run = seen.run.as_str();
    let runs = Step::wait(
        format!("runs-{name}"),
        format!("wait until pod {} runs", key.name),
        Condition::PodStage {
            pod: key.clone(),
            not: String::new(),
            stage: PodStage::Running,
        },
        keep::seconds(seen.settings.restart_wait),
    );
    // by name: a crash does not tell whether the pod was evicted already
    let remove = Step::call(
        format!("remove-{name}"),
        format!("remove the test's folder from {}", one.mount),
        exec(
            Target::named(Kind::Pod, key.clone()),
            one,
            script::CLEAN,
            &[run],
        ),
        Probe::Harmless,
    );
    Step::call(
        format!("room-{name}"),
        format!("look whether {} can be written and has room", one.mount),
        exec(target(pod), one, script::ROOM, &[ROOM.0, ROOM.1]),
        Probe::Harmless,
    )
    .undone_by(runs)
    .undone_by(remove)
}

/// Writes, reads back, and notes what is there before the restart.
pub(super) fn write(seen: &Seen<'_>, one: &Tested<'_>, pod: &Pod) -> Vec<Step> {
    let name = one.name();
    let run = seen.run.as_str();
    let first = script::first_generation(run, &one.claim.meta.uid);
    let content = payload(seen, one, pod);
    let sum = digest::sha256(&content.bytes());
    let mut writing = exec(target(pod), one, script::WRITE, &[run, &first]);
    if let Call::Exec { stdin, .. } = &mut writing {
        *stdin = content;
    }
    let mut checking = exec(target(pod), one, script::SUM, &[run]);
    if let Call::Exec { expect, .. } = &mut checking {
        *expect = Expect::Prints(sum);
    }
    vec![
        Step::call(
            format!("write-{name}"),
            format!("write marked files to {}, flushed to the disk", one.mount),
            writing,
            Probe::Harmless,
        ),
        Step::call(
            format!("sum-{name}"),
            format!("read {} back and compare the checksum", one.mount),
            checking,
            Probe::Harmless,
        ),
        Step::call(
            format!("before-{name}"),
            format!("note modes, times and the file system of {}", one.mount),
            exec(target(pod), one, script::READ, &[run]),
            Probe::Harmless,
        )
        .capture(Capture {
            name: format!("before-{name}"),
            from: Source::Stdout,
        }),
    ]
}

/// Evicts, and follows the successor stage by stage until it is ready.
pub(super) fn restart(seen: &Seen<'_>, pod: &Pod, other_node: bool) -> Result<Vec<Step>, Refusal> {
    let key = &pod.meta.key;
    let mut steps = Vec::new();
    let marks = if other_node {
        let (off, on) = cordon(seen, pod)?;
        steps.push(off);
        Some(on)
    } else {
        None
    };
    let node = pod.node.as_deref().unwrap_or("?");
    steps.push(Step::call(
        EVICT,
        format!(
            "evict pod {} from node {node} (grace {} s)",
            key.name, pod.grace_seconds
        ),
        Call::Evict { pod: target(pod) },
        Probe::Removed {
            target: target(pod),
        },
    ));
    let slack = keep::seconds(seen.settings.verify.termination_slack);
    steps.push(Step::wait(
        "ended",
        format!("wait until pod {} has ended", key.name),
        Condition::Gone {
            target: target(pod),
        },
        pod.grace_seconds.saturating_add(slack),
    ));
    let restart = keep::seconds(seen.settings.restart_wait);
    let stage = |id: &str, words: &str, stage: PodStage, ceiling: u32| {
        Step::wait(
            id,
            format!("wait until pod {} {words}", key.name),
            Condition::PodStage {
                pod: key.clone(),
                not: pod.meta.uid.to_string(),
                stage,
            },
            ceiling,
        )
    };
    let object = |name: &str, pointer: &str| Capture::object(name, Kind::Pod, key.clone(), pointer);
    let made = stage("made", "is made anew", PodStage::Made, PROMPT.min(restart));
    steps.push(made);
    let scheduled = stage("scheduled", "has a node", PodStage::Scheduled, restart);
    match marks {
        // whatever comes of it the node is given back, and the pod may return to it
        Some(on) => steps.extend([scheduled.tolerated(), on]),
        None => steps.push(scheduled),
    }
    steps.push(
        stage(
            "mounted",
            "has mounted its volumes",
            PodStage::Mounted,
            restart,
        )
        .capture(object("uid-after", "/metadata/uid"))
        .capture(object("node-after", "/spec/nodeName")),
    );
    steps.push(
        Step::wait(
            "ready",
            format!("wait until pod {} is ready", key.name),
            Condition::PodReady {
                pod: key.clone(),
                not: pod.meta.uid.to_string(),
            },
            restart,
        )
        .capture(object("conditions-after", "/status/conditions"))
        .tolerated(),
    );
    Ok(steps)
}

/// Takes the pod's node out of scheduling, and the way back.
fn cordon(seen: &Seen<'_>, pod: &Pod) -> Result<(Step, Step), Refusal> {
    seen.needs(&[Kind::Node])?;
    let refuse = |why: String| {
        let next = "leave out --other-node";
        Err(Refusal::new(RefusalKind::State, why, next))
    };
    let Some(node) = pod.node.as_ref().and_then(|name| seen.inventory.node(name)) else {
        return refuse(format!("the node of pod {} is gone", pod.meta.key));
    };
    if node.unschedulable {
        return refuse(format!(
            "node {} of pod {} is cordoned already",
            node.meta.key.name, pod.meta.key
        ));
    }
    let node = Target::new(Kind::Node, node.meta.key.clone(), &node.meta.uid);
    let off = mark_node("cordon", &node, true).undone_by(mark_node("undo-cordon", &node, false));
    Ok((off, mark_node("uncordon", &node, false).tolerated()))
}

fn mark_node(id: &str, node: &Target, off: bool) -> Step {
    let value = if off { json!(true) } else { json!(null) };
    let word = if off { "off" } else { "on" };
    Step::call(
        id,
        format!("switch scheduling on node {} {word}", node.key.name),
        Call::Patch {
            target: node.clone(),
            patch_type: PatchType::Merge,
            patch: json!({"spec": {"unschedulable": value}}),
            subresource: None,
        },
        Probe::Has {
            target: node.clone(),
            pointer: "/spec/unschedulable".to_owned(),
            value,
        },
    )
}

/// Reads what the successor has. A failure is part of the result, not the end of the test.
pub(super) fn read(seen: &Seen<'_>, one: &Tested<'_>, pod: &ObjectKey) -> Vec<Step> {
    let name = one.name();
    let objects = vec![
        (
            Kind::Claim,
            one.claim.meta.key.clone(),
            one.claim.meta.uid.to_string(),
        ),
        (
            Kind::Volume,
            one.volume.meta.key.clone(),
            one.volume.meta.uid.to_string(),
        ),
    ];
    vec![
        Step::new(
            format!("same-{name}"),
            format!("look whether claim {name} and its volume are the same objects"),
            Do::Reread {
                kinds: Vec::new(),
                objects: objects
                    .iter()
                    .map(|(kind, key, _)| (*kind, key.clone()))
                    .collect(),
                guard: Guard::Same { objects },
            },
        )
        .tolerated(),
        Step::call(
            format!("after-{name}"),
            format!("read {} in the new pod", one.mount),
            exec(successor(pod), one, script::READ, &[seen.run.as_str()]),
            Probe::Harmless,
        )
        .capture(Capture {
            name: format!("after-{name}"),
            from: Source::Stdout,
        })
        .tolerated(),
    ]
}

/// Whether the other pods of the set went on undisturbed.
pub(super) fn others(seen: &Seen<'_>, pod: &Pod, set: &Set) -> Step {
    let key = &pod.meta.key;
    let all = seen.inventory.pods.values();
    let mut pods: Vec<(ObjectKey, String, u32)> = all
        .filter(|other| other.meta.key != *key && other.meta.key.namespace == key.namespace)
        .filter(|other| other.owner.as_ref().is_some_and(|o| o.uid == set.meta.uid))
        .map(|other| {
            (
                other.meta.key.clone(),
                other.meta.uid.to_string(),
                other.restarts,
            )
        })
        .collect();
    pods.sort();
    Step::new(
        "others",
        format!(
            "look whether the other pods of set {} were left alone",
            set.meta.key.name
        ),
        Do::Reread {
            kinds: vec![Kind::Pod],
            objects: Vec::new(),
            guard: Guard::Undisturbed { pods },
        },
    )
    .tolerated()
}

/// Removes what the test wrote, from the successor.
pub(super) fn clean(seen: &Seen<'_>, one: &Tested<'_>, pod: &ObjectKey) -> Step {
    Step::call(
        format!("clean-{}", one.name()),
        format!("remove the test's folder from {}", one.mount),
        exec(successor(pod), one, script::CLEAN, &[seen.run.as_str()]),
        Probe::Harmless,
    )
    .tolerated()
}
