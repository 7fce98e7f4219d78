//! Claims: protection while in use, binding, loss. Provisioning and resizing have their own files.

use std::sync::Arc;

use serde_json::json;

use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::{bytes, provision, resize, scheduler, uses_claim};

pub(crate) const PROTECTION: &str = "kubernetes.io/pvc-protection";
const FROM: &str = "persistentvolume-controller";

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    protect(world, key);
    let Some(claim) = world.read(key) else {
        return;
    };
    match claim.text("status/phase") {
        "Bound" => {
            let volume = world.get(Kind::Volume, "", claim.text("spec/volumeName"));
            if volume.is_none() {
                world.update(key, |c| c.put("status/phase", "Lost"));
                world.warning(
                    &claim,
                    "ClaimLost",
                    "Bound claim has lost its PersistentVolume. Any data on the volume is lost!",
                    FROM,
                );
            } else if !claim.terminating() {
                resize::reconcile(world, key);
            }
        }
        "Lost" => {}
        _ if claim.terminating() => {}
        _ => pending(world, key, &claim),
    }
}

/// A claim that is being deleted goes only when no pod that was given a node refers to it.
fn protect(world: &mut World, key: &Key) {
    let Some(claim) = world.read(key) else {
        return;
    };
    if !claim.terminating() || !claim.has_finalizer(PROTECTION) {
        return;
    }
    let used = world
        .store
        .list(Kind::Pod, &key.namespace)
        .any(|p| !p.text("spec/nodeName").is_empty() && uses_claim(p, &key.name));
    if !used {
        world.update(key, |c| c.remove_finalizer(PROTECTION));
    }
}

fn pending(world: &mut World, key: &Key, claim: &Object) {
    if claim.text("status/phase").is_empty() {
        world.update(key, |c| c.put("status/phase", "Pending"));
    }
    let wanted = claim.text("spec/volumeName");
    if !wanted.is_empty() {
        let Some(volume) = world.get(Kind::Volume, "", wanted) else {
            return;
        };
        let owner = volume.at("spec/claimRef");
        let free = owner.is_null() || refers_to(owner, claim);
        if !free {
            let text = format!("volume {wanted:?} already bound to a different claim.");
            world.warning(claim, "FailedBinding", &text, FROM);
        } else if let Err(why) = satisfies(&volume, claim) {
            let text = format!("Cannot bind to requested volume {wanted:?}: {why}");
            world.warning(claim, "VolumeMismatch", &text, FROM);
        } else {
            bind(world, key, claim, &volume, false);
        }
        return;
    }
    if let Some(volume) = find_volume(world, claim) {
        bind(world, key, claim, &volume, true);
        return;
    }
    let class = claim.text("spec/storageClassName");
    if class.is_empty() {
        let text = "no persistent volumes available for this claim and no storage class is set";
        world.normal(claim, "FailedBinding", text, FROM);
    } else if world.get(Kind::StorageClass, "", class).is_none() {
        let text = format!("storageclass.storage.k8s.io {class:?} not found");
        world.warning(claim, "ProvisioningFailed", &text, FROM);
    } else if scheduler::waits_for_consumer(world, claim)
        && claim.annotation(scheduler::SELECTED_NODE).is_none()
    {
        let pod = world
            .store
            .list(Kind::Pod, &key.namespace)
            .find(|p| uses_claim(p, &key.name))
            .map(|p| p.name().to_owned());
        match pod {
            None => world.normal(
                claim,
                "WaitForFirstConsumer",
                "waiting for first consumer to be created before binding",
                FROM,
            ),
            Some(pod) => {
                let text = format!("waiting for pod {pod} to be scheduled");
                world.normal(claim, "WaitForPodScheduled", &text, FROM);
            }
        }
    } else {
        provision::provision(world, key, claim);
    }
}

/// A `claimRef` names this claim; one without uid is a reservation for the name.
pub(crate) fn refers_to(reference: &Object, claim: &Object) -> bool {
    reference.text("namespace") == claim.namespace()
        && reference.text("name") == claim.name()
        && (reference.text("uid").is_empty() || reference.text("uid") == claim.uid())
}

fn satisfies(volume: &Object, claim: &Object) -> Result<(), String> {
    if bytes(volume.text("spec/capacity/storage"))
        < bytes(claim.text("spec/resources/requests/storage"))
    {
        return Err("requested PV is too small".to_owned());
    }
    if volume.text("spec/storageClassName") != claim.text("spec/storageClassName") {
        return Err("storageClassName does not match".to_owned());
    }
    let modes = volume.items("spec/accessModes");
    if !claim
        .items("spec/accessModes")
        .iter()
        .all(|m| modes.contains(m))
    {
        return Err("incompatible accessMode".to_owned());
    }
    Ok(())
}

/// A volume reserved for the claim, else the smallest free one that satisfies it.
fn find_volume(world: &World, claim: &Object) -> Option<Arc<Object>> {
    let delayed = scheduler::waits_for_consumer(world, claim);
    let mut best: Option<&Arc<Object>> = None;
    for volume in world.store.list(Kind::Volume, "") {
        let owner = volume.at("spec/claimRef");
        let is_reserved = !owner.is_null();
        // Most volumes are somebody else's: that is seen soonest.
        if is_reserved && !refers_to(owner, claim) {
            continue;
        }
        if volume.terminating() || satisfies(volume, claim).is_err() {
            continue;
        }
        if is_reserved {
            return Some(Arc::clone(volume));
        }
        let from_source = !claim.at("spec/dataSourceRef").is_null();
        if delayed || from_source || volume.text("status/phase") != "Available" {
            continue;
        }
        let size = |v: &Object| bytes(v.text("spec/capacity/storage"));
        if best.is_none_or(|b| size(volume) < size(b)) {
            best = Some(volume);
        }
    }
    best.cloned()
}

fn bind(world: &mut World, key: &Key, claim: &Object, volume: &Object, chosen: bool) {
    let volume_key = Key::new(Kind::Volume, "", volume.name());
    let now = world.now;
    world.update(&volume_key, |v| {
        if v.at("spec/claimRef").is_null() && chosen {
            v.set_annotation("pv.kubernetes.io/bound-by-controller", "yes");
        }
        v.put(
            "spec/claimRef",
            json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
                "name": claim.name(), "uid": claim.uid(), "resourceVersion": claim.version()}),
        );
        super::volume::set_phase(v, "Bound", now);
    });
    world.update(key, |c| {
        c.set_annotation("pv.kubernetes.io/bind-completed", "yes");
        if chosen {
            c.set_annotation("pv.kubernetes.io/bound-by-controller", "yes");
        }
        c.put("spec/volumeName", volume.name());
        c.put("status/phase", "Bound");
        c.put("status/accessModes", volume.at("spec/accessModes").clone());
        c.put("status/capacity", volume.at("spec/capacity").clone());
    });
}
