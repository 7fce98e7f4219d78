//! The snapshot controller and its sidecar: contents, readiness, errors, deletion policy.
//! Rules: external-snapshotter `snapshot_controller.go`.

use serde_json::json;

use super::super::object::{Fields, Object, stamp};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::quantity;

const FROM: &str = "snapshot-controller";
const AS_SOURCE: &str = "snapshot.storage.kubernetes.io/volumesnapshot-as-source-protection";
const BOUND: &str = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection";
const CONTENT: &str = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection";
const CLAIM: &str = "snapshot.storage.kubernetes.io/pvc-as-source-protection";

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(snapshot) = world.read(key) else {
        return;
    };
    if world.faults.snapshot_controller_down {
        return;
    }
    if snapshot.terminating() {
        return delete(world, key, &snapshot);
    }
    let bound = snapshot
        .text("status/boundVolumeSnapshotContentName")
        .to_owned();
    if bound.is_empty() {
        if let Err((reason, why)) = bind(world, key, &snapshot) {
            fail(world, key, &snapshot, reason, &why);
            world.look_after(key, 30.0);
        }
        return;
    }
    follow(world, key, &snapshot, &bound);
}

fn fail(world: &mut World, key: &Key, snapshot: &Object, reason: &str, why: &str) {
    let at = stamp(world.now);
    if snapshot.text("status/error/message") != why {
        world.update(key, |s| {
            s.put("status/error", json!({"message": why, "time": at}));
            // Whoever finds no class does not get as far as that.
            if !reason.contains("SnapshotClass") {
                s.put("status/readyToUse", false);
            }
        });
    }
    world.warning(snapshot, reason, why, FROM);
}

type Refusal = (&'static str, String);

fn bind(world: &mut World, key: &Key, snapshot: &Object) -> Result<(), Refusal> {
    let given = snapshot.text("spec/source/volumeSnapshotContentName");
    if !given.is_empty() {
        let Some(content) = world.get(Kind::SnapshotContent, "", given) else {
            return Err((
                "SnapshotContentMissing",
                "VolumeSnapshotContent is missing".to_owned(),
            ));
        };
        let of = content.at("spec/volumeSnapshotRef");
        if of.text("name") != key.name || of.text("namespace") != key.namespace {
            let why = format!("VolumeSnapshotContent [{given}] is bound to a different snapshot");
            return Err(("SnapshotMisbound", why));
        }
        let content_key = Key::new(Kind::SnapshotContent, "", given);
        let uid = snapshot.uid().to_owned();
        world.update(&content_key, |c| c.put("spec/volumeSnapshotRef/uid", uid));
        world.update(key, |s| {
            s.add_finalizer(AS_SOURCE);
            s.add_finalizer(BOUND);
            s.put("status/boundVolumeSnapshotContentName", given);
        });
        return Ok(());
    }
    let source = snapshot.text("spec/source/persistentVolumeClaimName");
    // Without a class the controller looks at the claim once more and before, to find the driver's default.
    let classless = snapshot.text("spec/volumeSnapshotClassName").is_empty();
    if !classless {
        class_of(world, snapshot, "")?;
    }
    let failed = |why: String| {
        let text = format!("Failed to create snapshot content with error {why}");
        ("SnapshotContentCreationFailed", text)
    };
    let Some(claim) = world.get(Kind::Claim, &key.namespace, source) else {
        return Err(if classless {
            no_default(&format!(
                "failed to retrieve PVC {source} from the lister: \"persistentvolumeclaim \\\"{source}\\\" not found\""
            ))
        } else {
            failed(format!(
                "snapshot controller failed to update {} on API server: cannot get claim from snapshot",
                key.name
            ))
        });
    };
    let Some(volume) = world
        .get(Kind::Volume, "", claim.text("spec/volumeName"))
        .filter(|_| claim.text("status/phase") == "Bound")
    else {
        let why = format!(
            "the PVC {source} is not yet bound to a PV, will not attempt to take a snapshot"
        );
        return Err(if classless {
            no_default(&why)
        } else {
            failed(format!(
                "failed to get input parameters to create snapshot {}: {why:?}",
                key.name
            ))
        });
    };
    let driver = volume.text("spec/csi/driver").to_owned();
    if driver.is_empty() {
        return Err(failed(
            "snapshotting non-CSI volumes is not supported".to_owned(),
        ));
    }
    let class = class_of(world, snapshot, &driver)?;
    world.update(key, |s| {
        s.add_finalizer(AS_SOURCE);
        s.add_finalizer(BOUND);
        s.put("spec/volumeSnapshotClassName", class.name());
    });
    let claim_key = Key::new(Kind::Claim, &key.namespace, source);
    world.update(&claim_key, |c| c.add_finalizer(CLAIM));
    let name = format!("snapcontent-{}", snapshot.uid());
    let content = json!({
        "metadata": {"name": name, "finalizers": [CONTENT]},
        "spec": {
            "deletionPolicy": class.text("deletionPolicy"), "driver": driver,
            "source": {"volumeHandle": volume.text("spec/csi/volumeHandle")},
            "sourceVolumeMode": "Filesystem", "volumeSnapshotClassName": class.name(),
            "volumeSnapshotRef": {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
                "name": key.name, "namespace": key.namespace, "uid": snapshot.uid(),
                "resourceVersion": snapshot.version()},
        },
    });
    if let Err(failure) = world.create(Kind::SnapshotContent, content, false) {
        tracing::debug!(message = failure.message, "content not made");
    }
    let text = format!(
        "Waiting for a snapshot {}/{} to be created by the CSI driver.",
        key.namespace, key.name
    );
    world.normal(snapshot, "CreatingSnapshot", &text, FROM);
    world.update(key, |s| {
        s.put("status/boundVolumeSnapshotContentName", name);
        s.put("status/readyToUse", false);
    });
    Ok(())
}

fn no_default(why: &str) -> Refusal {
    let text = format!("Failed to set default snapshot class with error {why}");
    ("SetDefaultSnapshotClassFailed", text)
}

fn class_of(
    world: &World,
    snapshot: &Object,
    driver: &str,
) -> Result<std::sync::Arc<Object>, Refusal> {
    let name = snapshot.text("spec/volumeSnapshotClassName");
    if !name.is_empty() {
        return world.get(Kind::SnapshotClass, "", name).ok_or_else(|| {
            (
                "GetSnapshotClassFailed",
                format!("Failed to get snapshot class with error volumesnapshotclass.snapshot.storage.k8s.io {name:?} not found"),
            )
        });
    }
    let defaults: Vec<_> = world
        .list(Kind::SnapshotClass, "")
        .into_iter()
        .filter(|c| {
            c.text("driver") == driver
                && c.annotation("snapshot.storage.kubernetes.io/is-default-class") == Some("true")
        })
        .collect();
    match defaults.as_slice() {
        [one] => Ok(std::sync::Arc::clone(one)),
        [] => Err(no_default("cannot find default snapshot class")),
        many => Err(no_default(&format!(
            "{} default snapshot classes were found",
            many.len()
        ))),
    }
}

/// Mirrors what the content says.
fn follow(world: &mut World, key: &Key, snapshot: &Object, bound: &str) {
    let Some(content) = world.get(Kind::SnapshotContent, "", bound) else {
        fail(
            world,
            key,
            snapshot,
            "SnapshotContentMissing",
            "VolumeSnapshotContent is missing",
        );
        return;
    };
    let was_cut = !snapshot.text("status/creationTime").is_empty();
    let was_ready = snapshot.flag("status/readyToUse");
    let error = content.at("status/error").clone();
    let created = content.int("status/creationTime");
    let ready = content.flag("status/readyToUse");
    world.update(key, |s| {
        if let Some(at) = created.and_then(|ns| jiff::Timestamp::from_nanosecond(ns.into()).ok()) {
            s.put("status/creationTime", stamp(at));
        }
        if let Some(size) = content.int("status/restoreSize") {
            s.put(
                "status/restoreSize",
                quantity(u64::try_from(size).unwrap_or(0)),
            );
        }
        s.put("status/readyToUse", ready);
        if error.is_null() {
            s.unset("status/error");
        } else {
            s.put("status/error", error);
        }
    });
    let name = format!("{}/{}", key.namespace, key.name);
    if created.is_some() && !was_cut {
        let text = format!("Snapshot {name} was successfully created by the CSI driver.");
        world.normal(snapshot, "SnapshotCreated", &text, FROM);
    }
    if ready && !was_ready {
        let text = format!("Snapshot {name} is ready to use.");
        world.normal(snapshot, "SnapshotReady", &text, FROM);
    }
    if ready {
        release_claim(world, key, snapshot);
    }
}

/// Takes the finalizer off the source claim when no snapshot of it is under way.
fn release_claim(world: &mut World, key: &Key, snapshot: &Object) {
    let source = snapshot.text("spec/source/persistentVolumeClaimName");
    let claim = Key::new(Kind::Claim, &key.namespace, source);
    if !(world.read(&claim)).is_some_and(|claim| claim.has_finalizer(CLAIM)) {
        return;
    }
    let busy = world.store.list(Kind::Snapshot, &key.namespace).any(|s| {
        s.text("spec/source/persistentVolumeClaimName") == source
            && !s.flag("status/readyToUse")
            && !s.terminating()
            && !s.text("status/boundVolumeSnapshotContentName").is_empty()
    });
    if !busy {
        world.update(&claim, |c| c.remove_finalizer(CLAIM));
    }
}

fn delete(world: &mut World, key: &Key, snapshot: &Object) {
    let restoring = world.store.list(Kind::Claim, &key.namespace).any(|c| {
        c.text("status/phase") == "Pending"
            && c.text("spec/dataSourceRef/kind") == "VolumeSnapshot"
            && c.text("spec/dataSourceRef/name") == key.name
    });
    if restoring {
        world.warning(
            snapshot,
            "SnapshotDeletePending",
            "Snapshot is being used to restore a PVC",
            FROM,
        );
        return;
    }
    let bound = snapshot
        .text("status/boundVolumeSnapshotContentName")
        .to_owned();
    if let Some(content) = world.get(Kind::SnapshotContent, "", &bound)
        && content.text("spec/deletionPolicy") == "Delete"
    {
        let content_key = Key::new(Kind::SnapshotContent, "", &bound);
        if !content.terminating() {
            world.update(&content_key, |c| {
                c.set_annotation(
                    "snapshot.storage.kubernetes.io/volumesnapshot-being-deleted",
                    "yes",
                );
            });
            world.drop_object(&content_key);
        }
        if world.read(&content_key).is_some() {
            return;
        }
    }
    release_claim(world, key, snapshot);
    world.update(key, |s| {
        s.remove_finalizer(AS_SOURCE);
        s.remove_finalizer(BOUND);
    });
}

/// The sidecar: cuts, uploads, deletes.
pub(crate) fn content(world: &mut World, key: &Key) {
    let Some(content) = world.read(key) else {
        return;
    };
    let handle = content.text("status/snapshotHandle").to_owned();
    if content.terminating() {
        if content.text("spec/deletionPolicy") == "Delete" {
            if !world.ripe(&format!("unsnap/{}", content.uid()), key, 1.0) {
                return;
            }
            world.images.remove(&handle);
        }
        world.update(key, |c| c.remove_finalizer(CONTENT));
        let of = content.at("spec/volumeSnapshotRef");
        world.look_at(Kind::Snapshot, of.text("namespace"), of.text("name"));
        return;
    }
    if content.flag("status/readyToUse") {
        return;
    }
    let now = world.now;
    let given = content.text("spec/source/snapshotHandle").to_owned();
    if !given.is_empty() {
        let size = world.images.get(&given).map_or(0, |i| i.size);
        world.update(key, |c| {
            c.put(
                "status",
                json!({"snapshotHandle": given, "restoreSize": size, "readyToUse": true,
                "creationTime": i64::try_from(now.as_nanosecond()).unwrap_or(0)}),
            );
        });
        return;
    }
    if handle.is_empty() {
        cut(world, key, &content);
        return;
    }
    let size = world
        .images
        .get(&handle)
        .map_or(0, |i| i.tree.usage(super::super::tree::Tree::root()).0);
    // The first upload of a disk runs at about 200 MiB a second.
    let wait = 2.0 + f64::from(u32::try_from(size >> 20).unwrap_or(u32::MAX)) / 200.0;
    if world.ripe(&format!("upload/{}", content.uid()), key, wait) {
        world.update(key, |c| c.put("status/readyToUse", true));
    }
}

fn cut(world: &mut World, key: &Key, content: &Object) {
    // What failed is tried again later.
    let wait = if content.at("status/error").is_null() {
        1.0 + world.faults.snapshot_delay
    } else {
        30.0
    };
    if !world.ripe(&format!("cut/{}", content.uid()), key, wait) {
        return;
    }
    let now = world.now;
    let source = content.text("spec/source/volumeHandle").to_owned();
    let driver = content.text("spec/driver");
    let being_cut = (world.store.list(Kind::SnapshotContent, ""))
        .filter(|c| c.text("status/snapshotHandle").is_empty() && !c.terminating())
        .count();
    let refusal = (world.faults.snapshot_error.as_ref()).filter(|e| being_cut > e.above);
    let failure = match (refusal, world.disks.get(&source)) {
        (Some(error), _) => Some(format!(
            "rpc error: code = Internal desc = {}",
            error.message
        )),
        (None, None) => Some(format!(
            "rpc error: code = NotFound desc = CreateSnapshot could not find disk {source}"
        )),
        _ => None,
    };
    if let Some(why) = failure {
        let text = format!(
            "Failed to check and update snapshot content: failed to take snapshot of the volume {source}: {why:?}"
        );
        world.update(key, |c| {
            c.put("status/error", json!({"message": text, "time": stamp(now)}));
            c.put("status/readyToUse", false);
        });
        world.warning(
            content,
            "SnapshotContentCheckandUpdateFailed",
            &text,
            &format!("csi-snapshotter {driver}"),
        );
        return;
    }
    let handle = format!(
        "projects/demo-project/global/snapshots/snapshot-{}",
        content.text("spec/volumeSnapshotRef/uid")
    );
    if let Some(disk) = world.disks.get_mut(&source) {
        let image = disk.image(&source, now);
        let size = image.size;
        world.images.insert(handle.clone(), image);
        world.update(key, |c| {
            c.put(
                "status",
                json!({"snapshotHandle": handle, "restoreSize": size, "readyToUse": false,
                "creationTime": i64::try_from(now.as_nanosecond()).unwrap_or(0)}),
            );
        });
    }
}
