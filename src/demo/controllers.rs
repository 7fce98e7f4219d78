//! The controllers of the simulated cluster: each brings one kind nearer to what is asked of it, by the rules
//! of the real one. They read and write through [`World`] alone and know no HTTP.

use super::object::{Fields, Object};
use super::resource::{Key, Kind};
use super::store::Change;
use super::world::{Task, World};

pub(crate) mod attach;
pub(crate) mod claim;
pub(crate) mod disruption;
pub(crate) mod event;
pub(crate) mod garbage;
pub(crate) mod kubelet;
pub(crate) mod namespace;
pub(crate) mod node;
pub(crate) mod probe;
pub(crate) mod provision;
pub(crate) mod quota;
pub(crate) mod resize;
pub(crate) mod scheduler;
pub(crate) mod snapshot;
pub(crate) mod stateful;
pub(crate) mod volume;
pub(crate) mod workload;

/// Does one piece of work.
pub(crate) fn run(world: &mut World, task: &Task) {
    match task {
        Task::Incident(number) => super::scenario::timeline::play(world, *number),
        Task::Backup(number) => super::scenario::backup::run(world, *number),
        Task::Judge => super::drill::look(world),
        Task::Pulse => {
            let now = world.now;
            world.history.forget(now);
            world.events.forget(now);
            world.forget_abandoned();
            world.schedule(now + super::clock::seconds(600.0), Task::Pulse);
        }
        Task::Rules => super::prom::alert::evaluate(world),
        Task::Reconcile(key) => {
            if garbage::collect(world, key) {
                return;
            }
            reconcile(world, key);
        }
    }
}

fn reconcile(world: &mut World, key: &Key) {
    match key.kind {
        Kind::Pod => {
            scheduler::reconcile(world, key);
            kubelet::reconcile(world, key);
        }
        Kind::Claim => claim::reconcile(world, key),
        Kind::Volume => volume::reconcile(world, key),
        Kind::Attachment => attach::reconcile(world, key),
        Kind::StatefulSet => stateful::reconcile(world, key),
        Kind::Deployment => workload::deployment(world, key),
        Kind::ReplicaSet => workload::replica_set(world, key),
        Kind::DaemonSet => workload::daemon_set(world, key),
        Kind::Job => workload::job(world, key),
        Kind::Snapshot => snapshot::reconcile(world, key),
        Kind::SnapshotContent => snapshot::content(world, key),
        Kind::Node => node::reconcile(world, key),
        Kind::Namespace => namespace::reconcile(world, key),
        Kind::DisruptionBudget => disruption::reconcile(world, key),
        Kind::Quota => quota::reconcile(world, key),
        Kind::Event => event::expire(world, key),
        _ => {}
    }
}

/// After a change: who has to look.
pub(crate) fn route(world: &mut World, key: &Key, change: &Change) {
    world.enqueue(Task::Reconcile(key.clone()));
    let object = &change.now;
    if change.removed {
        for dependent in world.store.dependents(object.uid()) {
            world.enqueue(Task::Reconcile(dependent));
        }
        if !key.namespace.is_empty() {
            world.look_at(Kind::Namespace, "", &key.namespace);
        }
    }
    for owner in object.items("metadata/ownerReferences") {
        if let Some(kind) = Kind::of_kind(owner.text("apiVersion"), owner.text("kind")) {
            world.look_at(kind, &key.namespace, owner.text("name"));
        }
    }
    match key.kind {
        Kind::Pod => pod_changed(world, key, change),
        Kind::Claim => claim_changed(world, key, change),
        Kind::Volume => {
            let claim = object.at("spec/claimRef");
            world.look_at(Kind::Claim, claim.text("namespace"), claim.text("name"));
            // Whoever waits for a disk may take one that is nobody's.
            let is_free = claim.is_null();
            look_at_all(world, Kind::Claim, "", |c| {
                c.text("spec/volumeName") == key.name
                    || is_free && c.text("status/phase") == "Pending"
            });
        }
        Kind::Attachment => {
            let volume = object.text("spec/source/persistentVolumeName");
            if let Some(volume) = world.get(Kind::Volume, "", volume) {
                let claim = volume.at("spec/claimRef");
                let (namespace, name) = (claim.text("namespace"), claim.text("name"));
                look_at_all(world, Kind::Pod, namespace, |p| uses_claim(p, name));
                world.look_at(Kind::Volume, "", volume.name());
            }
        }
        Kind::Snapshot => {
            let content = object.text("status/boundVolumeSnapshotContentName");
            world.look_at(Kind::SnapshotContent, "", content);
            world.look_at(
                Kind::SnapshotContent,
                "",
                &format!("snapcontent-{}", object.uid()),
            );
            let source = object.text("spec/source/persistentVolumeClaimName");
            world.look_at(Kind::Claim, &key.namespace, source);
            let ready = |snapshot: &Object| snapshot.flag("status/readyToUse");
            // Whoever is to be filled from it waits for that.
            if change.before.as_deref().map(ready) != Some(ready(object)) {
                look_at_all(world, Kind::Claim, &key.namespace, |c| {
                    c.text("status/phase") == "Pending"
                });
            }
        }
        Kind::SnapshotContent => {
            let of = object.at("spec/volumeSnapshotRef");
            world.look_at(Kind::Snapshot, of.text("namespace"), of.text("name"));
        }
        Kind::Node => {
            look_at_all(world, Kind::Pod, "", |p| {
                p.text("spec/nodeName").is_empty() || p.text("spec/nodeName") == key.name
            });
            look_at_all(world, Kind::DaemonSet, "", |_| true);
            look_at_all(world, Kind::Attachment, "", |a| {
                a.text("spec/nodeName") == key.name
            });
        }
        Kind::StorageClass => look_at_all(world, Kind::Claim, "", |c| {
            c.text("status/phase") == "Pending"
        }),
        Kind::SnapshotClass => look_at_all(world, Kind::Snapshot, "", |_| true),
        Kind::Quota => look_at_all(world, Kind::StatefulSet, &key.namespace, |_| true),
        _ => {}
    }
}

fn pod_changed(world: &mut World, key: &Key, change: &Change) {
    let pod = &change.now;
    for volume in pod.items("spec/volumes") {
        let claim = volume.text("persistentVolumeClaim/claimName");
        if !claim.is_empty() {
            world.look_at(Kind::Claim, &key.namespace, claim);
        }
    }
    if pod.controller().is_none() {
        look_at_all(world, Kind::StatefulSet, &key.namespace, |_| true);
        look_at_all(world, Kind::ReplicaSet, &key.namespace, |_| true);
    }
    look_at_all(world, Kind::DisruptionBudget, &key.namespace, |_| true);
    look_at_all(world, Kind::Quota, &key.namespace, |_| true);
    if change.removed {
        kubelet::cleanup(world, pod);
        look_at_all(world, Kind::Pod, "", |p| p.text("spec/nodeName").is_empty());
    }
}

fn claim_changed(world: &mut World, key: &Key, change: &Change) {
    let claim = &change.now;
    world.look_at(Kind::Volume, "", claim.text("spec/volumeName"));
    look_at_all(world, Kind::Quota, &key.namespace, |_| true);
    look_at_all(world, Kind::Pod, &key.namespace, |p| {
        uses_claim(p, &key.name)
    });
    look_at_all(world, Kind::Snapshot, &key.namespace, |s| {
        !s.flag("status/readyToUse") && s.text("spec/source/persistentVolumeClaimName") == key.name
    });
    if change.removed || change.before.is_none() {
        look_at_all(world, Kind::StatefulSet, &key.namespace, |_| true);
    }
}

/// Looks at every object of a kind that `which` picks.
pub(crate) fn look_at_all(
    world: &mut World,
    kind: Kind,
    namespace: &str,
    which: impl Fn(&Object) -> bool,
) {
    let keys: Vec<Key> = world
        .store
        .list(kind, namespace)
        .filter(|o| which(o))
        .map(|o| Key::new(kind, o.namespace(), o.name()))
        .collect();
    for key in keys {
        world.enqueue(Task::Reconcile(key));
    }
}

/// The pod has a volume on this claim.
pub(crate) fn uses_claim(pod: &Object, claim: &str) -> bool {
    pod.items("spec/volumes")
        .iter()
        .any(|v| v.text("persistentVolumeClaim/claimName") == claim)
}

/// The process table of the pod is over: it will never run again.
pub(crate) fn is_finished(pod: &Object) -> bool {
    matches!(pod.text("status/phase"), "Succeeded" | "Failed")
}

pub(crate) fn is_ready(pod: &Object) -> bool {
    pod.condition_is("Ready", "True")
}

/// Bytes of a quantity, 0 when it is none.
pub(crate) fn bytes(text: &str) -> u64 {
    crate::domain::quantity::Quantity::parse(text)
        .ok()
        .and_then(|q| u64::try_from(q.value()).ok())
        .unwrap_or(0)
}

/// Thousandths of a quantity, 0 when it is none.
pub(crate) fn millis(text: &str) -> i64 {
    crate::domain::quantity::Quantity::parse(text)
        .map_or(0, super::super::domain::quantity::Quantity::millis)
}

/// Bytes as manifests write them.
pub(crate) fn quantity(bytes: u64) -> String {
    crate::domain::quantity::Quantity::bytes(bytes).canonical()
}
