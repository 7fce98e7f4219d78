//! The external provisioner and the CSI driver behind it: new disks, empty or out of a snapshot.

use serde_json::{Value, json};

use super::super::disk::Disk;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::World;
use super::{bytes, quantity, scheduler};

const GIB: u64 = 1 << 30;

/// Who speaks in the events of the sidecars.
pub(crate) fn component(driver: &str, what: &str) -> String {
    format!("{driver}_{what}-0_5c1c9d4e-7d2f-4a47-9c55-1b1c4f9d1a10")
}

pub(crate) fn provision(world: &mut World, key: &Key, claim: &Object) {
    let Some(class) = world.get(Kind::StorageClass, "", claim.text("spec/storageClassName")) else {
        return;
    };
    let driver = class.text("provisioner").to_owned();
    let from = component(&driver, "controller");
    if claim
        .annotation("volume.kubernetes.io/storage-provisioner")
        .is_none()
    {
        world.update(key, |c| {
            c.set_annotation("volume.beta.kubernetes.io/storage-provisioner", &driver);
            c.set_annotation("volume.kubernetes.io/storage-provisioner", &driver);
        });
        let text = format!(
            "Waiting for a volume to be created either by the external provisioner '{driver}' or manually by the system administrator. If volume creation is delayed, please verify that the provisioner is running and correctly registered."
        );
        world.normal(
            claim,
            "ExternalProvisioning",
            &text,
            "persistentvolume-controller",
        );
    }
    if world.get(Kind::Driver, "", &driver).is_none() {
        return;
    }
    let work = format!("provision/{}", claim.uid());
    let wait = world
        .seed
        .between(&format!("provision{}", claim.name()), 1.0, 3.0);
    if !world.ripe(&work, key, wait) {
        let text = format!(
            "External provisioner is provisioning volume for claim \"{}/{}\"",
            key.namespace, key.name
        );
        if world.now
            == claim
                .time("metadata/creationTimestamp")
                .unwrap_or(world.now)
            || claim.annotation(scheduler::SELECTED_NODE).is_some()
        {
            world.normal(claim, "Provisioning", &text, &from);
        }
        return;
    }
    match make_disk(world, claim, &class) {
        Ok((handle, size, zone)) => {
            let volume = volume(claim, &class, &handle, size, zone.as_deref());
            let name = volume.name().to_owned();
            match world.create(Kind::Volume, volume, false) {
                Ok(_) => {
                    let text = format!("Successfully provisioned volume {name}");
                    world.normal(claim, "ProvisioningSucceeded", &text, &from);
                    world.look_at(Kind::Claim, &key.namespace, &key.name);
                }
                Err(failure) => {
                    world.warning(claim, "ProvisioningFailed", &failure.message, &from);
                }
            }
        }
        Err(why) => {
            let text = format!(
                "failed to provision volume with StorageClass {:?}: {why}",
                class.name()
            );
            world.warning(claim, "ProvisioningFailed", &text, &from);
            world.look_after(key, 15.0);
        }
    }
}

type Made = (String, u64, Option<String>);

fn make_disk(world: &mut World, claim: &Object, class: &Object) -> Result<Made, String> {
    let now = world.now;
    let asked = bytes(claim.text("spec/resources/requests/storage"));
    let size = asked.div_ceil(GIB).max(1) * GIB;
    let source = snapshot_source(world, claim, class, asked)?;
    if let Some(error) = &world.faults.provision_error {
        return Err(format!(
            "rpc error: code = ResourceExhausted desc = {error}"
        ));
    }
    let zone = zone_for(world, claim);
    let place = zone.clone().unwrap_or_else(|| "us-central1-a".to_owned());
    let handle = format!(
        "projects/demo-project/zones/{place}/disks/pvc-{}",
        claim.uid()
    );
    let disk = match source {
        Some(snapshot) => {
            let image = world.images.get(&snapshot).ok_or_else(|| {
                format!("rpc error: code = NotFound desc = snapshot {snapshot} not found")
            })?;
            Disk::from_image(image, size.max(image.size), now)
        }
        None => Disk::new(size, world.seed.bits(&handle), now),
    };
    world.disks.insert(handle.clone(), disk);
    Ok((handle, size, zone))
}

/// The zone of the node that the scheduler chose, else of the first node.
fn zone_for(world: &World, claim: &Object) -> Option<String> {
    let chosen = claim
        .annotation(scheduler::SELECTED_NODE)
        .and_then(|name| world.get(Kind::Node, "", name))
        .or_else(|| world.list(Kind::Node, "").first().cloned())?;
    chosen.label("topology.gke.io/zone").map(str::to_owned)
}

/// The handle of the snapshot to restore, after the checks of the external provisioner.
fn snapshot_source(
    world: &World,
    claim: &Object,
    class: &Object,
    asked: u64,
) -> Result<Option<String>, String> {
    let source = if claim.at("spec/dataSourceRef").is_null() {
        claim.at("spec/dataSource")
    } else {
        claim.at("spec/dataSourceRef")
    };
    if source.is_null() {
        return Ok(None);
    }
    if source.text("kind") != "VolumeSnapshot" {
        return Err(format!(
            "error getting handle for DataSource Type {}: only VolumeSnapshot is supported here",
            source.text("kind")
        ));
    }
    let name = source.text("name");
    let lead = format!("error getting handle for DataSource Type VolumeSnapshot by Name {name}: ");
    let Some(snapshot) = world.get(Kind::Snapshot, claim.namespace(), name) else {
        return Err(format!(
            "{lead}error getting snapshot {name} from api server: volumesnapshots.snapshot.storage.k8s.io {name:?} not found"
        ));
    };
    let bound = snapshot.text("status/boundVolumeSnapshotContentName");
    if bound.is_empty() {
        return Err(format!(
            "{lead}{name} is not bound to a VolumeSnapshotContent"
        ));
    }
    let Some(content) = world.get(Kind::SnapshotContent, "", bound) else {
        return Err(format!("{lead}error getting snapshotcontent {bound}"));
    };
    if content.text("spec/volumeSnapshotRef/uid") != snapshot.uid() {
        return Err(format!(
            "{lead}snapshotcontent {bound} for snapshot {}/{name} is bound to a different snapshot",
            claim.namespace()
        ));
    }
    if content.text("spec/driver") != class.text("provisioner") {
        return Err(format!(
            "{lead}requested volume size source snapshot driver {:?} does not match the provisioner",
            content.text("spec/driver")
        ));
    }
    if !snapshot.flag("status/readyToUse") {
        return Err(format!("{lead}snapshot {name} is not Ready"));
    }
    let least = bytes(snapshot.text("status/restoreSize"));
    if asked < least {
        return Err(format!(
            "{lead}requested volume size {asked} is less than the size {least} for the source snapshot {name}"
        ));
    }
    Ok(Some(content.text("status/snapshotHandle").to_owned()))
}

fn volume(claim: &Object, class: &Object, handle: &str, size: u64, zone: Option<&str>) -> Value {
    let policy = match class.text("reclaimPolicy") {
        "" => "Delete",
        policy => policy,
    };
    let mut volume = json!({
        "metadata": {
            "name": format!("pvc-{}", claim.uid()),
            "annotations": {"pv.kubernetes.io/provisioned-by": class.text("provisioner"),
                "volume.kubernetes.io/provisioner-deletion-secret-name": "",
                "volume.kubernetes.io/provisioner-deletion-secret-namespace": ""},
            "finalizers": ["external-provisioner.volume.kubernetes.io/finalizer", "kubernetes.io/pv-protection",
                format!("external-attacher/{}", class.text("provisioner").replace('.', "-"))],
        },
        "spec": {
            "accessModes": claim.at("spec/accessModes"),
            "capacity": {"storage": quantity(size)},
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": claim.namespace(),
                "name": claim.name(), "uid": claim.uid(), "resourceVersion": claim.version()},
            "csi": {"driver": class.text("provisioner"), "fsType": "ext4", "volumeHandle": handle,
                "volumeAttributes": {"storage.kubernetes.io/csiProvisionerIdentity": "1763600000000-demo"}},
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": class.name(),
            "volumeMode": "Filesystem",
        },
    });
    if let Some(zone) = zone {
        volume.put(
            "spec/nodeAffinity",
            json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [
            {"key": "topology.gke.io/zone", "operator": "In", "values": [zone]}]}]}}),
        );
    }
    volume
}
