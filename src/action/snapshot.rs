//! Snapshots of whole workspaces: every claim, one set id, the consistency level recorded,
//! followed until each is ready and proven to be of its disk.

use jiff::SignedDuration;
use serde_json::json;

use super::call::{Call, Expect, Probe, Propagation, Stdin, Target};
use super::condition::Condition;
use super::plan::{Capture, Plan, Source, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::{
    ACTION_ANNOTATION, BY_ANNOTATION, CONSISTENCY_LABEL, RUN_LABEL, SET_LABEL, WORKSPACE_LABEL,
};
use crate::domain::claim::{Claim, ClaimPhase};
use crate::domain::findings::human_duration;
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::{Phase, Pod};
use crate::domain::workspace::Workspace;

/// Seconds that a `sync` may take; a disk that is slower is snapshotted without.
const SYNC_LIMIT: u32 = 30;

/// Snapshots all claims of each workspace.
pub fn plan(seen: &Seen<'_>, workspaces: &[ObjectKey], wait: bool) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim, Kind::Snapshot])?;
    let mut plan = Plan::new(
        seen,
        ActionName::Snapshot,
        Request::Snapshot {
            workspaces: workspaces.to_vec(),
            wait,
        },
    );
    let mut waits = Vec::new();
    for key in workspaces {
        let workspace = seen.workspace(key)?;
        let waiting = one(seen, &mut plan, workspace)?;
        if wait {
            waits.extend(waiting);
        }
        plan.locks.push(key.clone());
    }
    // the driver works on all of them meanwhile
    plan.steps.extend(waits);
    if plan.subjects.is_empty() {
        return Err(Refusal::new(
            RefusalKind::Request,
            "no workspace is named",
            "name at least one",
        ));
    }
    let claims = plan.subjects.len();
    let names: Vec<&str> = workspaces.iter().map(|w| &*w.name).collect();
    plan.title = format!(
        "snapshot {} ({claims} {})",
        names.join(", "),
        if claims == 1 { "claim" } else { "claims" }
    );
    plan.way_back
        .push("undo deletes the snapshots that it made".to_owned());
    if !wait {
        plan.notes
            .push("it is not waited for: whether they become ready is seen later".to_owned());
    }
    plan.rights = rights(&plan.place.namespace);
    Ok(plan)
}

/// Adds the steps for one workspace; answers those that wait.
fn one(seen: &Seen<'_>, plan: &mut Plan, workspace: &Workspace) -> Result<Vec<Step>, Refusal> {
    let claims: Vec<&Claim> = seen
        .inventory
        .claims_of(workspace)
        .map(|(_, c)| c)
        .collect();
    let missing = workspace.claims.iter().find(|slot| !slot.exists);
    if let Some(slot) = missing {
        plan.notes.push(format!(
            "claim {} does not exist and is not part of the set",
            slot.claim
        ));
    }
    if claims.is_empty() {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("workspace {} has no claim", workspace.key),
            "there is nothing to snapshot",
        ));
    }
    let pod = seen.inventory.pods.get(&workspace.key);
    // all syncs first, so that the cuts lie close together
    let mut levels = Vec::new();
    for claim in &claims {
        refuse_unfit(seen, claim)?;
        levels.push(quiesce(seen, plan, pod, claim));
    }
    let mut waits = Vec::new();
    for (claim, level) in claims.iter().zip(levels) {
        let (key, create) = cut(seen, claim, &workspace.key.name, &level, "snapshot")?;
        let made = create.id.clone();
        plan.steps.push(create);
        waits.push(ready(seen, claim, &key, &made));
        plan.subjects.push(Subject::new(Kind::Claim, &claim.meta));
    }
    Ok(waits)
}

/// The step that snapshots a claim as a part of the run's set of that workspace, and the key of
/// what it makes. `level` is the consistency that is written down, `action` what it is done for.
pub(super) fn cut(
    seen: &Seen<'_>,
    claim: &Claim,
    workspace: &str,
    level: &str,
    action: &str,
) -> Result<(ObjectKey, Step), Refusal> {
    let source = &claim.meta.key;
    let name = format!("{}-{}", tail(&source.name, 200), seen.run.short());
    let key = beside(source, &name.as_str().into());
    let mut spec = json!({"source": {"persistentVolumeClaimName": &*source.name}});
    if let Some(class) = class(seen, claim)? {
        spec["volumeSnapshotClassName"] = json!(class);
    }
    let set = format!("{workspace}-{}", seen.run.short());
    let manifest = json!({
        "apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot",
        "metadata": {
            "name": name, "namespace": &*key.namespace,
            "labels": {
                RUN_LABEL: seen.run.as_str(), SET_LABEL: tail(&set, 63),
                CONSISTENCY_LABEL: level, WORKSPACE_LABEL: tail(workspace, 63),
            },
            "annotations": {ACTION_ANNOTATION: action, BY_ANNOTATION: seen.by},
        },
        "spec": spec,
    });
    let made = format!("snapshot-{}", source.name);
    let step = Step::call(
        made.clone(),
        format!("snapshot claim {} as {name}", source.name),
        Call::Create {
            kind: Kind::Snapshot,
            namespace: key.namespace.to_string(),
            manifest,
        },
        Probe::Made {
            kind: Kind::Snapshot,
            key: key.clone(),
            run: seen.run.to_string(),
        },
    )
    .capture(Capture::answer(&format!("uid-{made}"), "/metadata/uid"))
    .undone_by(remove(seen, &key))
    .undone_by(removed(seen, &key));
    Ok((key, step))
}

/// The step that waits until a snapshot which the step `made` made is ready and proven.
pub fn ready(seen: &Seen<'_>, claim: &Claim, key: &ObjectKey, made: &str) -> Step {
    let handle = handle(seen, claim);
    let ceiling = u32::try_from(seen.settings.snapshot_wait.as_secs()).unwrap_or(u32::MAX);
    Step::wait(
        format!("ready-{}", claim.meta.key.name),
        format!("wait until snapshot {} is ready", key.name),
        Condition::SnapshotReady {
            snapshot: Target::new(Kind::Snapshot, key.clone(), format!("${{uid-{made}}}")),
            handle,
        },
        ceiling,
    )
}

/// The disk of a claim as its provider names it; `None` = the volume cannot be read.
pub fn handle(seen: &Seen<'_>, claim: &Claim) -> Option<String> {
    let volume = claim.volume.as_ref()?;
    let key = ObjectKey::unscoped(volume);
    seen.objects
        .text(Kind::Volume, &key, "/spec/csi/volumeHandle")
        .map(str::to_owned)
        .or_else(|| {
            Some(
                seen.inventory
                    .volume_of(claim)?
                    .handle
                    .as_ref()?
                    .to_string(),
            )
        })
}

/// The CSI driver of a claim: of its volume, else of the annotation that its provisioner left.
pub fn driver(seen: &Seen<'_>, claim: &Claim) -> Option<String> {
    let volume = claim.volume.as_ref().map(ObjectKey::unscoped);
    let of_volume = volume.as_ref().and_then(|key| {
        let row = seen.inventory.volumes.get(key);
        seen.objects
            .text(Kind::Volume, key, "/spec/csi/driver")
            .or_else(|| row.and_then(|v| v.driver.as_deref()))
    });
    let of_claim = seen
        .objects
        .get(Kind::Claim, &claim.meta.key)
        .and_then(|claim| {
            claim["metadata"]["annotations"]["volume.kubernetes.io/storage-provisioner"].as_str()
        });
    of_volume.or(of_claim).map(str::to_owned)
}

/// Refuses what cannot be snapshotted now.
pub fn refuse_unfit(seen: &Seen<'_>, claim: &Claim) -> Result<(), Refusal> {
    let key = &claim.meta.key;
    if claim.meta.deleted.is_some() {
        return Err(Refusal::new(
            RefusalKind::Terminating,
            format!("claim {key} is being deleted"),
            "set its volume to Retain first: see the runbook of claim-terminating-in-use",
        ));
    }
    if claim.phase != ClaimPhase::Bound {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("claim {key} is {}, not Bound", claim.status()),
            "only what is bound to a disk can be snapshotted",
        ));
    }
    let driver = driver(seen, claim);
    let volume_is_known = claim.volume.as_ref().is_some_and(|volume| {
        let key = ObjectKey::unscoped(volume);
        seen.objects.get(Kind::Volume, &key).is_some() || seen.inventory.volumes.get(&key).is_some()
    });
    if driver.is_none() && volume_is_known {
        return Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("claim {key} is on a volume without a CSI driver"),
            "copy its files instead: such volumes have no snapshots",
        ));
    }
    rate_limit(seen, claim, driver.as_deref())
}

/// The provider's limit for one disk. Snapshots by others count, too.
pub(super) fn rate_limit(
    seen: &Seen<'_>,
    claim: &Claim,
    driver: Option<&str>,
) -> Result<(), Refusal> {
    let Some(interval) = driver.and_then(|d| seen.settings.snapshot_interval.get(d)) else {
        return Ok(());
    };
    let newest = seen
        .inventory
        .snapshots_of(&claim.meta.key)
        .map(|s| s.point_in_time().max(s.meta.created))
        .max();
    let Some(newest) = newest else { return Ok(()) };
    let age = seen.now.duration_since(newest);
    if age >= *interval || age < SignedDuration::ZERO {
        return Ok(());
    }
    Err(Refusal::new(
        RefusalKind::RateLimit,
        format!(
            "the last snapshot of claim {} is {} old, and its provider takes one in {}",
            claim.meta.key,
            human_duration(age),
            human_duration(*interval)
        ),
        format!("try again in {}", human_duration(*interval - age)),
    ))
}

/// The snapshot class for the claim's driver: the default one, else the only one. `None` = the
/// classes cannot be read, and the cluster's own default is used.
pub fn class(seen: &Seen<'_>, claim: &Claim) -> Result<Option<String>, Refusal> {
    let Some(driver) = driver(seen, claim) else {
        return Ok(None);
    };
    let freshness = seen.inventory.freshness().get(Kind::SnapshotClass);
    if !freshness.is_live() {
        return match freshness {
            crate::domain::freshness::Freshness::Absent { .. } => Err(Refusal::new(
                RefusalKind::Unsupported,
                "this cluster has no volume snapshots",
                "install the snapshot CRDs and the snapshot-controller",
            )),
            _ => Ok(None),
        };
    }
    let mut classes: Vec<(String, bool)> = seen
        .objects
        .of(Kind::SnapshotClass)
        .filter(|(_, class)| class["driver"] == json!(driver))
        .map(|(key, class)| {
            let default = &class["metadata"]["annotations"]
                ["snapshot.storage.kubernetes.io/is-default-class"];
            (key.name.to_string(), default == &json!("true"))
        })
        .collect();
    if classes.is_empty() {
        classes = seen
            .inventory
            .snapshot_classes
            .values()
            .filter(|class| *class.driver == *driver)
            .map(|class| (class.meta.key.name.to_string(), class.default))
            .collect();
    }
    let defaults: Vec<&String> = classes.iter().filter(|c| c.1).map(|c| &c.0).collect();
    match (defaults.as_slice(), classes.as_slice()) {
        ([one], _) => Ok(Some((*one).clone())),
        ([], [(one, _)]) => Ok(Some(one.clone())),
        ([], []) => Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("no VolumeSnapshotClass is for the driver {driver}"),
            "have one made; it is not made silently",
        )),
        ([], _) => Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("several VolumeSnapshotClasses are for {driver}, and none is the default"),
            "have one marked as the default",
        )),
        _ => Err(Refusal::new(
            RefusalKind::Unsupported,
            format!("several VolumeSnapshotClasses are the default for {driver}"),
            "have all but one unmarked: the snapshot-controller refuses to choose, too",
        )),
    }
}

/// Where a running pod mounts a claim.
pub fn mount_of<'a>(pod: &'a Pod, claim: &Claim) -> Option<(&'a str, &'a str)> {
    if pod.phase != Phase::Running || pod.meta.deleted.is_some() {
        return None;
    }
    let (volume, _) = pod
        .claims
        .iter()
        .find(|(_, name)| **name == *claim.meta.key.name)?;
    pod.containers
        .iter()
        .filter(|c| !c.init && c.running_since.is_some())
        .find_map(|c| {
            let mount = c.mounts.iter().find(|m| m.volume == *volume)?;
            Some((&*c.name, &*mount.path))
        })
}

/// Has the container write out what it has in memory, if one mounts the claim; answers the
/// consistency level, which is known only when the snapshot is made.
pub(super) fn quiesce(
    seen: &Seen<'_>,
    plan: &mut Plan,
    pod: Option<&Pod>,
    claim: &Claim,
) -> String {
    let name = &claim.meta.key.name;
    let users: Vec<&Pod> = seen.inventory.pods_of_claim(&claim.meta.key).collect();
    if users.is_empty() && is_unmounted(seen, claim) {
        return "clean".to_owned();
    }
    // what one node writes out is not what another has in memory
    let is_on_one_node = users.windows(2).all(|pair| pair[0].node == pair[1].node);
    let own = pod.filter(|pod| pod.uses_claim(name));
    let mut mounts = own.into_iter().chain(users).filter_map(|pod| {
        let (container, mount) = mount_of(pod, claim)?;
        Some((pod, container, mount))
    });
    let Some((pod, container, mount)) = mounts.next().filter(|_| is_on_one_node) else {
        return "crash".to_owned();
    };
    let level = format!("level-{name}");
    let step = Step::call(
        format!("sync-{name}"),
        format!("sync {mount} in pod {}", pod.meta.key.name),
        Call::Exec {
            pod: Target::new(Kind::Pod, pod.meta.key.clone(), &pod.meta.uid),
            container: container.to_owned(),
            command: ["sync", "-f", mount].map(str::to_owned).to_vec(),
            stdin: Stdin::None,
            limit: SYNC_LIMIT,
            expect: Expect::Success,
        },
        Probe::Harmless,
    )
    .capture(Capture {
        name: level.clone(),
        from: Source::Outcome {
            done: "synced".to_owned(),
            failed: "crash".to_owned(),
        },
    })
    .tolerated();
    plan.steps.push(step);
    format!("${{{level}}}")
}

/// Whether its volume is surely on no node: a pod that is gone may have left it mounted on a node
/// that is gone as well. Who may not see attachments cannot tell.
fn is_unmounted(seen: &Seen<'_>, claim: &Claim) -> bool {
    let Some(volume) = claim.volume.as_deref() else {
        return false;
    };
    let is_known = seen.inventory.freshness().is_live(Kind::Attachment);
    is_known && seen.inventory.attachments_of(volume).next().is_none()
}

/// Deletes a snapshot that the run made, if it did.
pub(super) fn remove(seen: &Seen<'_>, key: &ObjectKey) -> Step {
    let target = Target::ours(Kind::Snapshot, key.clone(), seen.run);
    Step::call(
        format!("delete-{}", key.name),
        format!("delete snapshot {}", key.name),
        Call::Delete {
            target: target.clone(),
            propagation: Propagation::Background,
        },
        Probe::Removed { target },
    )
}

/// Waits until that snapshot is gone.
pub(super) fn removed(seen: &Seen<'_>, key: &ObjectKey) -> Step {
    Step::wait(
        format!("gone-{}", key.name),
        format!("wait until snapshot {} is gone", key.name),
        Condition::Gone {
            target: Target::ours(Kind::Snapshot, key.clone(), seen.run),
        },
        300,
    )
}

/// The last `most` characters, beginning with a letter or digit as labels and names must.
pub(super) fn tail(text: &str, most: usize) -> String {
    let skip = text.chars().count().saturating_sub(most);
    let rest: String = text.chars().skip(skip).collect();
    rest.trim_start_matches(|c: char| !c.is_ascii_alphanumeric())
        .to_owned()
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in [Kind::Set, Kind::Pod, Kind::Claim, Kind::Snapshot] {
        rights.push(Right::on("list", kind, namespace));
    }
    for kind in [
        Kind::Pod,
        Kind::Claim,
        Kind::Snapshot,
        Kind::Volume,
        Kind::Content,
    ] {
        rights.push(Right::on("get", kind, namespace));
    }
    rights.push(Right::on("list", Kind::SnapshotClass, namespace));
    rights.push(Right::on("list", Kind::Event, namespace));
    rights.push(Right::on("create", Kind::Snapshot, namespace));
    rights.extend(right::exec(namespace));
    rights
}
