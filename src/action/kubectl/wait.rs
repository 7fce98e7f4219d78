//! What a plan waits for, as commands: asked of the server where it can be told, of a person where
//! only a look at several things tells.

use super::word::{path, quoted, quoted_whole};
use super::{Command, get, named, resource, scope};
use crate::action::call::{Identity, Target};
use crate::action::condition::Condition;
use crate::domain::key::{Kind, ObjectKey};

/// Waits until it is so.
pub(super) fn waited(until: &Condition, ceiling: u32, title: &str) -> Vec<Command> {
    let lines = gone(until, ceiling).or_else(|| became(until, ceiling));
    let lines = lines.unwrap_or_else(|| vec![format!("ask {}", quoted(title))]);
    lines.into_iter().map(Command::new).collect()
}

/// Its uid, or nothing when there is none.
fn uid_of(kind: Kind, key: &ObjectKey) -> String {
    let name = named(kind, key);
    let scope = scope(kind, &key.namespace);
    format!("$(k {scope}get {name} --ignore-not-found -o 'jsonpath={{.metadata.uid}}')")
}

fn polled(test: &str, ceiling: u32) -> String {
    format!("await {ceiling} {}", quoted_whole(test))
}

/// What kubectl can wait for only as long as nothing of the same name comes.
fn gone(until: &Condition, ceiling: u32) -> Option<Vec<String>> {
    let none = |kind, key: &ObjectKey| format!("now={} && [ -z \"$now\" ]", uid_of(kind, key));
    let test = match until {
        Condition::Gone { target } | Condition::Deleted { claim: target } => {
            match &target.identity {
                Identity::Uid(uid) => {
                    let now = uid_of(target.kind, &target.key);
                    format!("now={now} && [ \"$now\" != {} ]", quoted(uid))
                }
                _ => none(target.kind, &target.key),
            }
        }
        Condition::Absent { kind, key } => none(*kind, key),
        Condition::Without { target, finalizer } => {
            let found = get(target.kind, &target.key, "/metadata/finalizers");
            format!(
                "now=$({found}) && case \"$now\" in *{}*) false;; esac",
                quoted(finalizer)
            )
        }
        Condition::Detached { volume } => format!(
            "now=$(k get volumeattachments.storage.k8s.io \
             -o 'jsonpath={{.items[*].spec.source.persistentVolumeName}}') && \
             case \" $now \" in *' '{}' '*) false;; esac",
            quoted(volume)
        ),
        _ => return None,
    };
    Some(vec![polled(&test, ceiling)])
}

/// What kubectl waits for by itself, and what must be so then.
fn became(until: &Condition, ceiling: u32) -> Option<Vec<String>> {
    let becomes = |target: &Target, pointer: &str, value: &str| {
        let wanted = format!("jsonpath={{{}}}={value}", path(pointer));
        waiting(target.kind, &target.key, &wanted, ceiling)
    };
    Some(match until {
        Condition::PodReady { pod, not } => {
            let test = format!(
                "now={} && [ -n \"$now\" ] && [ \"$now\" != {} ]",
                uid_of(Kind::Pod, pod),
                quoted(not)
            );
            let ready = waiting(Kind::Pod, pod, "condition=Ready", ceiling);
            vec![polled(&test, ceiling), ready]
        }
        Condition::PodSucceeded { pod } => vec![becomes(pod, "/status/phase", "Succeeded")],
        Condition::SnapshotReady { snapshot, handle } => {
            let mut lines = vec![becomes(snapshot, "/status/readyToUse", "true")];
            if let Some(handle) = handle {
                let pointer = "/status/boundVolumeSnapshotContentName";
                let content = get(Kind::Snapshot, &snapshot.key, pointer);
                lines.push(format!(
                    "same \"$(k get {} \"$({content})\" \
                     -o 'jsonpath={{.spec.source.volumeHandle}}')\" {} {}",
                    resource(Kind::Content),
                    quoted(handle),
                    quoted("the disk of the snapshot")
                ));
            }
            lines
        }
        Condition::ClaimBound { claim, volume } => {
            let mut lines = vec![becomes(claim, "/status/phase", "Bound")];
            if let Some(volume) = volume {
                let found = get(Kind::Claim, &claim.key, "/spec/volumeName");
                let name = quoted("the volume of the claim");
                lines.push(format!("same \"$({found})\" {} {name}", quoted(volume)));
            }
            lines
        }
        Condition::VolumePhase { volume, phase } => vec![becomes(volume, "/status/phase", phase)],
        Condition::SetSettled { set } => vec![format!(
            "k {}rollout status {} --timeout={ceiling}s >/dev/null",
            scope(set.kind, &set.key.namespace),
            named(set.kind, &set.key)
        )],
        Condition::Has {
            target,
            pointer,
            value,
        } if value.is_string() || value.is_boolean() || value.is_number() => {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            vec![becomes(target, pointer, &text)]
        }
        _ => return None,
    })
}

fn waiting(kind: Kind, key: &ObjectKey, wanted: &str, ceiling: u32) -> String {
    format!(
        "k {}wait {} --for={} --timeout={ceiling}s >/dev/null",
        scope(kind, &key.namespace),
        named(kind, key),
        quoted(wanted)
    )
}
