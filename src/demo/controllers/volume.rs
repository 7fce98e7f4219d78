//! Volumes: their phase, and what becomes of them when the claim is gone.

use super::super::object::{Fields, Object, stamp};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::claim::refers_to;
use crate::demo::drill::{self, Harm};
use jiff::Timestamp;

const PROTECTION: &str = "kubernetes.io/pv-protection";
const PROVISIONER: &str = "external-provisioner.volume.kubernetes.io/finalizer";

pub(crate) fn set_phase(volume: &mut Object, phase: &str, now: Timestamp) {
    if volume.text("status/phase") != phase {
        volume.put("status/phase", phase);
        volume.put("status/lastPhaseTransitionTime", stamp(now));
    }
}

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(volume) = world.read(key) else {
        return;
    };
    let now = world.now;
    let owner = volume.at("spec/claimRef").clone();
    let claim = world.get(Kind::Claim, owner.text("namespace"), owner.text("name"));
    let phase = if owner.is_null() || owner.text("uid").is_empty() {
        "Available"
    } else {
        match claim.filter(|c| refers_to(&owner, c)) {
            Some(c) if c.text("spec/volumeName") == key.name => "Bound",
            Some(_) if volume.text("status/phase").is_empty() => "Available",
            Some(_) => return,
            None => "Released",
        }
    };
    if volume.text("status/phase") != phase && volume.text("status/phase") != "Failed" {
        world.update(key, |v| set_phase(v, phase, now));
    }
    if phase == "Bound" {
        return;
    }
    let delete = volume.text("spec/persistentVolumeReclaimPolicy") == "Delete";
    if phase == "Released" && delete && volume.has_finalizer(PROVISIONER) {
        reclaim(world, key, &volume);
        return;
    }
    if volume.terminating() {
        world.update(key, |v| {
            v.remove_finalizer(PROTECTION);
            if !delete || phase == "Available" {
                v.remove_finalizer(PROVISIONER);
            }
            let others: Vec<_> = v
                .items("metadata/finalizers")
                .iter()
                .filter(|f| {
                    !f.as_str()
                        .is_some_and(|f| f.starts_with("external-attacher/"))
                })
                .cloned()
                .collect();
            v.put("metadata/finalizers", others);
        });
    }
}

/// `Delete`: the driver removes the disk, then the object goes.
fn reclaim(world: &mut World, key: &Key, volume: &Object) {
    let attached = world
        .store
        .list(Kind::Attachment, "")
        .find(|a| a.text("spec/source/persistentVolumeName") == key.name)
        .map(|a| a.text("spec/nodeName").to_owned());
    let driver = volume.text("spec/csi/driver").to_owned();
    let from = super::provision::component(&driver, "controller");
    if let Some(node) = attached {
        let text = format!(
            "persistentvolume {} is still attached to node {node}",
            key.name
        );
        if world.ripe(&format!("reclaim-wait/{}", key.name), key, 15.0) {
            world.warning(volume, "VolumeFailedDelete", &text, &from);
        }
        // Detached or not: the provisioner comes back to it.
        world.look_after(key, 15.0);
        return;
    }
    if !world.ripe(&format!("reclaim/{}", volume.uid()), key, 1.0) {
        return;
    }
    let handle = volume.text("spec/csi/volumeHandle");
    if world.disks.remove(handle).is_some() {
        let owner = volume.at("spec/claimRef");
        let kept = world.images.iter().any(|(_, i)| i.origin == handle);
        drill::harm(world, |at| Harm::DiskDeleted {
            at,
            namespace: owner.text("namespace").to_owned(),
            claim: owner.text("name").to_owned(),
            snapshot_kept: kept,
        });
    }
    world.update(key, |v| v.unset("metadata/finalizers").map_or((), drop));
    world.drop_object(key);
}
