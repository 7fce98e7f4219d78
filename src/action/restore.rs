//! Bringing a point in time back: beside the workspace, into claims of other names that a check
//! pod has read (the default), or in place of it, as a swap in which every step is journaled, the
//! old volumes are kept until a purge, and nothing is deleted before its successor was read.

mod check;
mod point;
mod swap;

use serde_json::{Value, json};

pub(super) use check::refuse_empty;
pub use point::{Point, points};

use super::autoscaler;
use super::call::{Call, Probe, Propagation, Target};
use super::condition::Condition;
use super::keep::{self, SOON};
use super::plan::{Capture, Plan, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::{ACTION_ANNOTATION, BY_ANNOTATION, RUN_LABEL, WORKSPACE_LABEL, snapshot};
use crate::domain::claim::Claim;
use crate::domain::inventory::{Inventory, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;
use crate::domain::workspace::{Origin, Workspace};

/// What is looked at for it.
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::Set,
        Kind::Pod,
        Kind::Claim,
        Kind::Volume,
        Kind::Snapshot,
        Kind::Content,
        Kind::SnapshotClass,
        Kind::StorageClass,
    ]
}

/// What must be read whole: the set, the pod, the claims and their volumes.
pub fn objects(inventory: &Inventory, key: &ObjectKey) -> Vec<(Kind, ObjectKey)> {
    let mut objects = vec![(Kind::Pod, key.clone())];
    let Some(workspace) = inventory.workspace(key) else {
        return objects;
    };
    let set = workspace.set.as_ref().map(|set| beside(key, set));
    objects.extend(set.map(|set| (Kind::Set, set)));
    for (_, claim) in inventory.claims_of(workspace) {
        objects.push((Kind::Claim, claim.meta.key.clone()));
        let volume = claim.volume.as_ref().map(ObjectKey::unscoped);
        objects.extend(volume.map(|key| (Kind::Volume, key)));
    }
    objects
}

/// One claim that is brought back.
struct Piece<'a> {
    template: &'a Text,
    claim: &'a Claim,
    snapshot: &'a Snapshot,
    /// The claim that it is brought back into first.
    side: ObjectKey,
    /// As large as the claim, and as large as the snapshot asks for.
    request: Quantity,
}

impl Piece<'_> {
    fn name(&self) -> &str {
        &self.claim.meta.key.name
    }

    /// `${name-claim}`, of what is captured for this claim.
    fn captured(&self, name: &str) -> String {
        format!("${{{name}-{}}}", self.name())
    }
}

/// Where to, and how carefully.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub in_place: bool,
    /// In place also where it cannot be told whether somebody works there, or whether what comes
    /// back is more than nothing.
    pub force: bool,
}

/// Restores a workspace from a snapshot, a set of snapshots, or the newest complete set.
pub fn plan(
    seen: &Seen<'_>,
    key: &ObjectKey,
    from: Option<&str>,
    how: How,
    only: &[ObjectKey],
) -> Result<Plan, Refusal> {
    let How { in_place, force } = how;
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim, Kind::Snapshot])?;
    let request = Request::Restore {
        workspace: key.clone(),
        from: from.map(str::to_owned),
        in_place,
        claims: only.to_vec(),
        force,
    };
    let mut plan = Plan::new(seen, ActionName::Restore, request);
    let workspace = seen.workspace(key)?;
    if workspace.origin == Origin::Unpersisted {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("workspace {key} has no claim"),
            "there is nothing to restore",
        ));
    }
    let pieces = pieces(seen, &mut plan, workspace, from, only)?;
    for piece in &pieces {
        plan.subjects
            .push(Subject::new(Kind::Claim, &piece.claim.meta));
        plan.subjects
            .push(Subject::new(Kind::Snapshot, &piece.snapshot.meta));
    }
    plan.locks.push(key.clone());
    let names: Vec<&str> = pieces.iter().map(|p| &*p.snapshot.meta.key.name).collect();
    let how = if in_place { " in place" } else { "" };
    plan.title = format!("restore {}{how} from {}", key.name, names.join(", "));
    if in_place {
        let swap = swap::Swap::of(seen, workspace, &pieces, force)?;
        swap.before(seen, &mut plan)?;
        beside_it(seen, &mut plan, workspace, &pieces)?;
        swap.exchange(seen, &mut plan);
        plan.rights = rights(&plan.place.namespace);
        return Ok(plan);
    }
    beside_it(seen, &mut plan, workspace, &pieces)?;
    let sides: Vec<&str> = pieces.iter().map(|p| &*p.side.name).collect();
    plan.notes.push(format!(
        "the data is in {} afterwards; workspace {} is not touched",
        sides.join(", "),
        key.name
    ));
    plan.way_back.push(format!(
        "`wsdash undo {}` deletes the claims that it made",
        seen.run
    ));
    plan.rights = rights_beside(&plan.place.namespace);
    Ok(plan)
}

fn pieces<'a>(
    seen: &Seen<'a>,
    plan: &mut Plan,
    workspace: &'a Workspace,
    from: Option<&str>,
    only: &[ObjectKey],
) -> Result<Vec<Piece<'a>>, Refusal> {
    let chosen = point::choose(seen, workspace, from, only)?;
    plan.notes.push(chosen.note);
    let mut pieces = Vec::new();
    for (template, claim, snapshot) in chosen.members {
        let request = fitting(seen, claim, snapshot)?;
        let name = format!(
            "{}-{}-restored",
            snapshot::tail(&claim.meta.key.name, 200),
            seen.run.short()
        );
        pieces.push(Piece {
            template,
            claim,
            snapshot,
            side: beside(&claim.meta.key, &name.as_str().into()),
            request,
        });
    }
    Ok(pieces)
}

/// Refuses what the provisioner would refuse (external-provisioner, `getSnapshotSource`), and
/// answers how large the new claim must be.
fn fitting(seen: &Seen<'_>, claim: &Claim, snapshot: &Snapshot) -> Result<Quantity, Refusal> {
    let key = &snapshot.meta.key;
    let no = |why: &str, next: &str| {
        Err(Refusal::new(
            RefusalKind::State,
            format!("snapshot {key} cannot be restored: {why}"),
            next,
        ))
    };
    let other = "choose another point in time: `wsdash get snapshots` lists them";
    if snapshot.meta.deleted.is_some() {
        return no("it is being deleted", other);
    }
    if snapshot.ready != Some(true) {
        return no("it is not ready", other);
    }
    if claim.block {
        return no(
            "its claim is a block device",
            "restore it by hand: it cannot be read by a check",
        );
    }
    let content = snapshot.content.as_ref().map(ObjectKey::unscoped);
    let content = content.and_then(|key| seen.inventory.contents.get(&key));
    match content {
        None if seen.inventory.freshness().is_live(Kind::Content) => {
            return no("its content is gone", other);
        }
        None => {}
        Some(content) => {
            let bound = content.snapshot.as_ref();
            if !bound.is_some_and(|(k, uid)| k == key && uid.as_ref() == Some(&snapshot.meta.uid)) {
                return no("its content belongs to another snapshot", other);
            }
            let class = seen.inventory.storage_class_of(claim);
            if class.is_some_and(|class| class.provisioner != content.driver) {
                return no("it is of another driver than the claim", other);
            }
        }
    }
    let size = [claim.request, snapshot.size].into_iter().flatten().max();
    size.map_or_else(|| no("its size is not known", other), Ok)
}

/// The claims beside the workspace, read by a check pod, which goes again.
fn beside_it(
    seen: &Seen<'_>,
    plan: &mut Plan,
    workspace: &Workspace,
    pieces: &[Piece<'_>],
) -> Result<(), Refusal> {
    for piece in pieces {
        plan.steps.push(side(seen, workspace, piece));
    }
    let pod = check::Check::of(seen, workspace, pieces)?;
    plan.steps.extend(pod.start());
    for piece in pieces {
        plan.steps.push(
            Step::wait(
                format!("bound-{}", piece.name()),
                format!("wait until claim {} is filled", piece.side.name),
                Condition::ClaimBound {
                    claim: side_target(piece),
                    volume: None,
                },
                keep::seconds(seen.settings.restart_wait),
            )
            .capture(Capture::object(
                &format!("pv-{}", piece.name()),
                Kind::Claim,
                piece.side.clone(),
                "/spec/volumeName",
            )),
        );
    }
    plan.steps.extend(pod.read(pieces));
    plan.steps.extend(pod.end());
    Ok(())
}

fn side_target(piece: &Piece<'_>) -> Target {
    Target::new(Kind::Claim, piece.side.clone(), piece.captured("uid-side"))
}

fn side(seen: &Seen<'_>, workspace: &Workspace, piece: &Piece<'_>) -> Step {
    let object = seen.objects.get(Kind::Claim, &piece.claim.meta.key);
    let modes = object.map(|claim| claim["spec"]["accessModes"].clone());
    let mut manifest = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": &*piece.side.name, "namespace": &*piece.side.namespace,
            "labels": {RUN_LABEL: seen.run.as_str(),
                WORKSPACE_LABEL: snapshot::tail(&workspace.key.name, 63)},
            "annotations": {ACTION_ANNOTATION: seen.run.as_str(), BY_ANNOTATION: seen.by},
        },
        "spec": {
            "accessModes": modes.filter(Value::is_array).unwrap_or_else(|| json!(["ReadWriteOnce"])),
            "resources": {"requests": {"storage": piece.request.canonical()}},
            "dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot",
                "name": &*piece.snapshot.meta.key.name},
        },
    });
    if let Some(class) = &piece.claim.storage_class {
        manifest["spec"]["storageClassName"] = json!(&**class);
    }
    let ours = Target::ours(Kind::Claim, piece.side.clone(), seen.run);
    Step::call(
        format!("side-{}", piece.name()),
        format!(
            "create claim {} from snapshot {}",
            piece.side.name, piece.snapshot.meta.key.name
        ),
        Call::Create {
            kind: Kind::Claim,
            namespace: piece.side.namespace.to_string(),
            manifest,
        },
        Probe::Made {
            kind: Kind::Claim,
            key: piece.side.clone(),
            run: seen.run.to_string(),
        },
    )
    .capture(Capture::answer(
        &format!("uid-side-{}", piece.name()),
        "/metadata/uid",
    ))
    .undone_by(remove(&format!("delete-{}", piece.side.name), &ours))
    .undone_by(gone(&format!("gone-{}", piece.side.name), ours))
}

/// Deletes what the run made, if it did.
fn remove(id: &str, target: &Target) -> Step {
    Step::call(
        id,
        format!("delete {} {}", target.kind.object(), target.key.name),
        Call::Delete {
            target: target.clone(),
            propagation: Propagation::Background,
        },
        Probe::Removed {
            target: target.clone(),
        },
    )
}

fn gone(id: &str, target: Target) -> Step {
    let title = format!(
        "wait until {} {} is gone",
        target.kind.object(),
        target.key.name
    );
    Step::wait(id, title, Condition::Gone { target }, SOON)
}

/// See [`swap::around`].
pub(super) fn around<'a>(
    seen: &Seen<'a>,
    workspace: &'a Workspace,
) -> Result<[Vec<Step>; 2], Refusal> {
    swap::around(seen, workspace)
}

/// The rights of a restore beside the workspace.
pub fn rights_beside(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in kinds() {
        rights.push(Right::on("list", kind, namespace));
    }
    for kind in [Kind::Set, Kind::Pod, Kind::Claim, Kind::Volume] {
        rights.push(Right::on("get", kind, namespace));
    }
    rights.push(Right::on("list", Kind::Event, namespace));
    rights.push(Right::on("create", Kind::Claim, namespace));
    for verb in ["create", "delete"] {
        rights.push(Right::on(verb, Kind::Pod, namespace));
    }
    rights.extend(right::exec(namespace));
    rights
}

/// The rights of a restore in place: those of one beside it, and those of the swap.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = rights_beside(namespace);
    rights.push(autoscaler::right(namespace));
    rights.push(Right::on("list", Kind::Attachment, namespace));
    for kind in [Kind::Snapshot, Kind::Content] {
        rights.push(Right::on("get", kind, namespace));
    }
    rights.push(Right::on("create", Kind::Snapshot, namespace));
    rights.push(Right::on("delete", Kind::Claim, namespace));
    rights.push(Right::on("patch", Kind::Volume, namespace));
    for verb in ["patch", "create", "delete"] {
        rights.push(Right::on(verb, Kind::Set, namespace));
    }
    rights.push(right::scale(namespace));
    rights
}
