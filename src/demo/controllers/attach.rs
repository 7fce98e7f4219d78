//! Attaching volumes to nodes and taking them off again, with the six-minute rule for nodes that are gone.

use serde_json::json;

use super::super::clock::seconds;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::uses_claim;

const FROM: &str = "attachdetach-controller";
/// `maxWaitForUnmountDuration` of the attach/detach controller.
const FORCE_SECONDS: f64 = 360.0;

/// Asks for the volume on the node; `true` when it is there.
pub(crate) fn ensure(world: &mut World, pod: &Object, volume: &Object, node: &str) -> bool {
    let mut elsewhere = None;
    for attachment in world.list(Kind::Attachment, "") {
        if attachment.text("spec/source/persistentVolumeName") != volume.name() {
            continue;
        }
        if attachment.text("spec/nodeName") == node {
            return attachment.flag("status/attached") && !attachment.terminating();
        }
        elsewhere = Some(attachment.text("spec/nodeName").to_owned());
    }
    let shared = volume
        .items("spec/accessModes")
        .iter()
        .any(|m| matches!(m.as_str(), Some("ReadWriteMany" | "ReadOnlyMany")));
    if let Some(other) = elsewhere.filter(|_| !shared) {
        multi_attach(world, pod, volume, &other);
        return false;
    }
    let bits = world
        .seed
        .bits(&format!("{}{node}", volume.text("spec/csi/volumeHandle")));
    let driver = volume.text("spec/csi/driver");
    let attachment = json!({
        "metadata": {
            "name": format!("csi-{bits:016x}{:016x}{bits:016x}{:016x}", bits.rotate_left(17), bits.rotate_left(43)),
            "finalizers": [format!("external-attacher/{}", driver.replace('.', "-"))],
        },
        "spec": {"attacher": driver, "nodeName": node,
            "source": {"persistentVolumeName": volume.name()}},
        "status": {"attached": false},
    });
    if let Err(failure) = world.create(Kind::Attachment, attachment, false) {
        tracing::debug!(message = failure.message, "attachment not made");
    }
    false
}

fn multi_attach(world: &mut World, pod: &Object, volume: &Object, other: &str) {
    let claim = volume.at("spec/claimRef");
    let users: Vec<String> = world
        .store
        .list(Kind::Pod, claim.text("namespace"))
        .filter(|p| p.text("spec/nodeName") == other && uses_claim(p, claim.text("name")))
        .map(|p| p.name().to_owned())
        .collect();
    let detail = if users.is_empty() {
        "Volume is already exclusively attached to one node and can't be attached to another"
            .to_owned()
    } else {
        format!("Volume is already used by pod(s) {}", users.join(", "))
    };
    let text = format!("Multi-Attach error for volume {:?} {detail}", volume.name());
    let key = Key::new(Kind::Pod, pod.namespace(), pod.name());
    let work = format!("multi-attach/{}/{}", pod.uid(), volume.name());
    if world.ripe(&work, &key, 60.0) || world.ripe(&format!("{work}/first"), &key, 0.0) {
        world.warning(pod, "FailedAttachVolume", &text, FROM);
    }
}

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(attachment) = world.read(key) else {
        return;
    };
    let node = attachment.text("spec/nodeName").to_owned();
    let name = attachment
        .text("spec/source/persistentVolumeName")
        .to_owned();
    if attachment.terminating() {
        if world.ripe(&format!("detaching/{}", attachment.uid()), key, 1.0) {
            world.update(key, |a| a.unset("metadata/finalizers").map_or((), drop));
        }
        return;
    }
    let users = users(world, &name, &node);
    if !attachment.flag("status/attached") {
        let wait = world.seed.between(&key.name, 1.0, 4.0);
        if world.ripe(&format!("attach/{}", attachment.uid()), key, wait) {
            world.update(key, |a| a.put("status/attached", true));
            for pod in users {
                let text = format!("AttachVolume.Attach succeeded for volume {name:?} ");
                world.normal(&pod, "SuccessfulAttachVolume", &text, FROM);
            }
        }
        return;
    }
    let mounted = world
        .sandboxes
        .values()
        .any(|s| s.node == node && s.mounts.iter().any(|m| m.volume == name));
    let lost = world.faults.nodes_down.contains_key(&node);
    let leave = format!("unused/{}", attachment.uid());
    if !users.is_empty() || mounted && !lost {
        world.abandon(&leave);
        return;
    }
    let out_of_service = world.get(Kind::Node, "", &node).is_none_or(|n| {
        n.items("spec/taints")
            .iter()
            .any(|t| t.text("key") == "node.kubernetes.io/out-of-service")
    });
    let wait = if out_of_service || !lost {
        0.0
    } else {
        FORCE_SECONDS
    };
    if wait == 0.0 || world.ripe(&leave, key, wait) {
        world.abandon(&leave);
        world.drop_object(key);
    } else {
        let again = world.now + seconds(5.0);
        world.look_again(key, again);
    }
}

/// Pods on the node that refer to the volume's claim.
fn users(world: &World, volume: &str, node: &str) -> Vec<std::sync::Arc<Object>> {
    let Some(volume) = world.get(Kind::Volume, "", volume) else {
        return Vec::new();
    };
    let claim = volume.at("spec/claimRef");
    // Another claim of that name, on another volume, may have taken its place.
    let bound = world.get(Kind::Claim, claim.text("namespace"), claim.text("name"));
    if bound.is_some_and(|c| c.text("spec/volumeName") != volume.name()) {
        return Vec::new();
    }
    world
        .store
        .list(Kind::Pod, claim.text("namespace"))
        .filter(|p| {
            p.text("spec/nodeName") == node
                && !super::is_finished(p)
                && uses_claim(p, claim.text("name"))
        })
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::timeline::{Action, act};
    use crate::demo::scenario::{build, load};
    use crate::demo::world::DeleteOptions;

    #[test]
    fn a_volume_of_a_dead_node_moves_six_minutes_after_its_pod_was_forced_away() {
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        let mut world = build::world(&load("morning").unwrap(), start, 1).unwrap();
        let key = Key::new(Kind::Pod, "coditect-app", "coditect-pro-6");
        let claim = world
            .get(Kind::Claim, "coditect-app", "workspace-coditect-pro-6")
            .unwrap();
        let volume = claim.text("spec/volumeName").to_owned();
        let nodes = |world: &World| -> Vec<String> {
            let all = world.store.list(Kind::Attachment, "");
            all.filter(|a| a.text("spec/source/persistentVolumeName") == volume)
                .map(|a| a.text("spec/nodeName").to_owned())
                .collect()
        };
        let node = nodes(&world).pop().unwrap();
        act(
            &mut world,
            Action::NodeDown {
                node: node.clone().into(),
            },
        );
        world.advance(start + seconds(120.0));
        let force = DeleteOptions {
            grace: Some(0),
            ..DeleteOptions::default()
        };
        assert!(world.delete(&key, &force).unwrap(), "gone at once");
        let forced = world.now;
        for (passed, moved) in [(60.0, false), (350.0, false), (365.0, true)] {
            world.advance(forced + seconds(passed));
            let [now] = nodes(&world).try_into().unwrap();
            assert_eq!(now != node, moved, "after {passed} seconds");
            let pod = world.read(&key).unwrap();
            assert_ne!(pod.text("spec/nodeName"), node, "made anew elsewhere");
        }
        world.advance(forced + seconds(400.0));
        let pod = world.read(&key).unwrap();
        assert_eq!(pod.text("status/phase"), "Running");
    }
}
