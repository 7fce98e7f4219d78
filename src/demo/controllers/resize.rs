//! The stages of growing a volume: resizer, driver, node. Rules: external-resizer `resize_status.go` and
//! `expand_and_recover.go`, with `RecoverVolumeExpansionFailure` on (its state since 1.34).

use serde_json::json;

use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::{bytes, quantity};

const STATUS: &str = "status/allocatedResourceStatuses/storage";
const GIB: u64 = 1 << 30;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(claim) = world.read(key) else {
        return;
    };
    let asked = bytes(claim.text("spec/resources/requests/storage"));
    let have = bytes(claim.text("status/capacity/storage"));
    let stage = claim.text(STATUS).to_owned();
    if asked <= have && stage.is_empty() {
        return;
    }
    let allocated = bytes(claim.text("status/allocatedResources/storage"));
    match stage.as_str() {
        "NodeResizePending" | "NodeResizeInProgress" => on_node(world, key, &claim),
        "ControllerResizeInProgress" if allocated == asked => on_controller(world, key, &claim),
        "ControllerResizeInfeasible" if allocated == asked => {
            if world.ripe(&format!("infeasible/{}", claim.uid()), key, 300.0) {
                on_controller(world, key, &claim);
            }
        }
        _ => begin(world, key, &claim),
    }
}

fn resizer(world: &World, claim: &Object) -> (String, String) {
    let driver = world
        .get(Kind::Volume, "", claim.text("spec/volumeName"))
        .map(|v| v.text("spec/csi/driver").to_owned())
        .unwrap_or_default();
    (format!("external-resizer {driver}"), driver)
}

fn begin(world: &mut World, key: &Key, claim: &Object) {
    let now = world.now;
    let (from, _) = resizer(world, claim);
    let target = claim.at("spec/resources/requests/storage").clone();
    world.normal(
        claim,
        "ExternalExpanding",
        "waiting for an external controller to expand this PVC",
        "volume_expand",
    );
    world.update(key, |c| {
        c.put("status/allocatedResources/storage", target);
        c.put(STATUS, "ControllerResizeInProgress");
        c.drop_conditions(&["ControllerResizeError", "NodeResizeError"]);
        c.set_condition("Resizing", "True", ("", ""), now);
    });
    let text = format!(
        "External resizer is resizing volume {}",
        claim.text("spec/volumeName")
    );
    world.normal(claim, "Resizing", &text, &from);
    world.abandon(&format!("expand/{}", claim.uid()));
    world.look_at(key.kind, &key.namespace, &key.name);
}

fn on_controller(world: &mut World, key: &Key, claim: &Object) {
    let (from, driver) = resizer(world, claim);
    let wait = world.seed.between(claim.uid(), 2.0, 6.0);
    if !world.ripe(&format!("expand/{}", claim.uid()), key, wait) {
        return;
    }
    let now = world.now;
    let name = claim.text("spec/volumeName").to_owned();
    let asked = bytes(claim.text("status/allocatedResources/storage"));
    let refusal = world.faults.expand_error.clone();
    if let Some(refusal) = refusal.filter(|refusal| asked > refusal.above) {
        let last = refusal.is_final;
        let error = refusal.message;
        let code = if last { "InvalidArgument" } else { "Internal" };
        let text = format!(
            "resize volume {name:?} by resizer {driver:?} failed: rpc error: code = {code} desc = {error}"
        );
        world.update(key, |c| {
            c.set_condition("ControllerResizeError", "True", ("", &text), now);
            if last {
                c.put(STATUS, "ControllerResizeInfeasible");
            }
        });
        world.warning(claim, "VolumeResizeFailed", &text, &from);
        if !last {
            world.look_after(key, 30.0);
        }
        return;
    }
    let size = asked.div_ceil(GIB) * GIB;
    let volume_key = Key::new(Kind::Volume, "", &name);
    let handle = world
        .read(&volume_key)
        .map(|v| v.text("spec/csi/volumeHandle").to_owned())
        .unwrap_or_default();
    if let Some(disk) = world.disks.get_mut(&handle) {
        disk.size = disk.size.max(size);
    }
    world.update(&volume_key, |v| {
        v.put("spec/capacity/storage", quantity(size));
    });
    world.update(key, |c| {
        c.put(STATUS, "NodeResizePending");
        c.drop_conditions(&["ControllerResizeError"]);
        c.set_condition(
            "FileSystemResizePending",
            "True",
            (
                "",
                "Waiting for user to (re-)start a pod to finish file system resize of volume on node.",
            ),
            now,
        );
    });
    world.normal(
        claim,
        "FileSystemResizeRequired",
        "Require file system resize of volume on node",
        &from,
    );
}

fn on_node(world: &mut World, key: &Key, claim: &Object) {
    let name = claim.text("spec/volumeName").to_owned();
    let place = world
        .sandboxes
        .iter()
        .find(|(_, s)| {
            s.mounts.iter().any(|m| m.volume == name)
                && !world.faults.nodes_down.contains_key(&s.node)
        })
        .map(|(uid, s)| (uid.clone(), s.node.clone()));
    let Some((uid, node)) = place else {
        return;
    };
    let wait = world
        .seed
        .between(&format!("node{}", claim.uid()), 1.0, 4.0);
    if claim.text(STATUS) == "NodeResizePending" {
        // the kubelet sees it when it looks at the pod's volumes again
        if world.ripe(&format!("node-sees/{}", claim.uid()), key, wait) {
            world.update(key, |c| c.put(STATUS, "NodeResizeInProgress"));
        }
        return;
    }
    if !world.ripe(&format!("node-expand/{}", claim.uid()), key, wait) {
        return;
    }
    let now = world.now;
    let pod = world
        .store
        .by_uid(&uid)
        .cloned()
        .and_then(|k| world.read(&k));
    if let Some(error) = world.faults.node_expand_error.clone() {
        let text = format!(
            "NodeExpandVolume failed for volume {name:?}: rpc error: code = Internal desc = {error}"
        );
        world.update(key, |c| {
            c.set_condition("NodeResizeError", "True", ("", &text), now);
        });
        if let Some(pod) = pod {
            world.event(
                &pod,
                "Warning",
                "VolumeResizeFailed",
                &text,
                ("kubelet", &node),
            );
        }
        world.look_after(key, 30.0);
        return;
    }
    finish(world, key, claim);
    let text = format!("MountVolume.NodeExpandVolume succeeded for volume {name:?} {node}");
    if let Some(pod) = pod {
        world.event(
            &pod,
            "Normal",
            "FileSystemResizeSuccessful",
            &text,
            ("kubelet", &node),
        );
    }
    world.event(
        claim,
        "Normal",
        "FileSystemResizeSuccessful",
        &text,
        ("kubelet", &node),
    );
}

/// The file system has the size of the device now.
pub(crate) fn finish(world: &mut World, key: &Key, claim: &Object) {
    let now = world.now;
    let Some(volume) = world.get(Kind::Volume, "", claim.text("spec/volumeName")) else {
        return;
    };
    if let Some(disk) = world.disks.get_mut(volume.text("spec/csi/volumeHandle")) {
        disk.settle(now);
        disk.mark(now);
        disk.mount(now);
    }
    let size = volume.at("spec/capacity/storage").clone();
    world.update(key, |c| {
        c.put("status/capacity", json!({"storage": size}));
        c.put("status/allocatedResources", json!({"storage": size}));
        c.unset("status/allocatedResourceStatuses");
        c.drop_conditions(&["Resizing", "FileSystemResizePending", "NodeResizeError"]);
    });
}
