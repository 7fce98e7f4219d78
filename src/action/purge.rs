//! Giving up the way back of past jobs: the volumes that were kept for an undo go with their
//! disks, and so do the snapshots that the jobs took for safety. The only plan that destroys data
//! on purpose: each object must carry the mark of its job, and no claim may have it.

use serde_json::{Value, json};

use super::call::{Call, PatchType, Probe, Propagation, Target};
use super::condition::Condition;
use super::guard::Guard;
use super::journal::Job;
use super::keep::SOON;
use super::plan::{Do, Plan, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::{PURGE_ANNOTATION, RECLAIM_ANNOTATION, RUN_LABEL};
use crate::domain::inventory::Inventory;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::volume::{Volume, VolumePhase};

/// What is looked at for it.
pub fn kinds() -> Vec<Kind> {
    vec![Kind::Claim, Kind::Volume, Kind::Snapshot, Kind::Content]
}

/// Volumes that jobs keep, and snapshots with their contents, to be read whole.
pub fn objects(inventory: &Inventory, jobs: &[Job]) -> Vec<(Kind, ObjectKey)> {
    let is_kept = |volume: &&Volume| jobs.iter().any(|job| keeps(job, volume));
    let volumes = inventory.volumes.values().filter(is_kept);
    let mut objects: Vec<(Kind, ObjectKey)> = volumes
        .map(|volume| (Kind::Volume, volume.meta.key.clone()))
        .collect();
    for (kind, key) in jobs.iter().flat_map(made) {
        objects.push((kind, key.clone()));
        let content = inventory
            .snapshots
            .get(&key)
            .and_then(|s| s.content.as_ref());
        objects.extend(content.map(|name| (Kind::Content, ObjectKey::unscoped(name))));
    }
    objects
}

fn keeps(job: &Job, volume: &Volume) -> bool {
    volume.kept_by.as_deref() == Some(job.plan.id.as_str())
}

/// The snapshots that the plan of a job makes.
fn made(job: &Job) -> impl Iterator<Item = (Kind, ObjectKey)> + '_ {
    job.plan.steps.iter().filter_map(|step| match &step.what {
        Do::Call {
            call:
                call @ Call::Create {
                    kind: Kind::Snapshot,
                    ..
                },
            ..
        } => Some(call.object()),
        _ => None,
    })
}

/// Gives up what the jobs keep.
pub fn plan(seen: &Seen<'_>, jobs: &[Job]) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Claim, Kind::Volume])?;
    let ids: Vec<String> = jobs.iter().map(|job| job.plan.id.to_string()).collect();
    let request = Request::Purge { jobs: ids.clone() };
    let mut plan = Plan::new(seen, ActionName::Purge, request);
    if let Some(first) = jobs.first() {
        first.plan.namespace().clone_into(&mut plan.place.namespace);
    }
    for job in jobs {
        refuse_unfit(job)?;
        let kept = seen.inventory.volumes.values().filter(|v| keeps(job, v));
        let mut kept: Vec<&Volume> = kept.collect();
        kept.sort_by_key(|volume| &volume.meta.key);
        for volume in kept {
            disk(seen, &mut plan, job, volume)?;
        }
        if job.undone_by.is_none() {
            snapshots(seen, &mut plan, job);
        }
        plan.locks.extend(job.plan.locks.iter().cloned());
    }
    if plan.steps.is_empty() {
        return Err(Refusal::new(
            RefusalKind::NotFound,
            format!("nothing is kept for {}", ids.join(", ")),
            "`wsdash orphans` lists the volumes that are kept",
        ));
    }
    plan.title = format!("purge what {} keeps", ids.join(", "));
    plan.way_back
        .push("none: the disks and the snapshots are deleted at the provider".to_owned());
    plan.typed_name = Some(match ids.as_slice() {
        [one] => one.clone(),
        _ => plan.place.namespace.clone(),
    });
    plan.rights = rights(&plan.place.namespace);
    Ok(plan)
}

fn refuse_unfit(job: &Job) -> Result<(), Refusal> {
    let id = &job.plan.id;
    let is_over = job.is_done() || job.undone_by.is_some();
    if !matches!(job.plan.action, ActionName::Orphans | ActionName::Restore) {
        return Err(Refusal::new(
            RefusalKind::Request,
            format!("job {id} ({}) keeps nothing", job.plan.action),
            "only deletions of claims and restores in place keep volumes",
        ));
    }
    if !is_over {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("job {id} has not ended well, and what it keeps may be needed"),
            format!("`wsdash resume {id}` or `wsdash undo {id}` first"),
        ));
    }
    Ok(())
}

/// One kept volume: its disk goes by its own reclaim policy, then the object.
fn disk(seen: &Seen<'_>, plan: &mut Plan, job: &Job, volume: &Volume) -> Result<(), Refusal> {
    let key = &volume.meta.key;
    let served = volume.claim.as_ref();
    let in_use = served
        .and_then(|claim| seen.inventory.claims.get(&claim.key))
        .is_some_and(|claim| claim.volume.as_ref() == Some(&key.name));
    if in_use || !matches!(volume.phase, VolumePhase::Released | VolumePhase::Available) {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("volume {key} is {}, and a claim may need it", volume.phase),
            "look at it before anything else",
        ));
    }
    let object = seen.objects.get(Kind::Volume, key);
    let annotations = object.map(|object| &object["metadata"]["annotations"]);
    let text = |name: &str| annotations.and_then(|all| all[name].as_str());
    let target = Target::new(Kind::Volume, key.clone(), &volume.meta.uid);
    let whose = served.map_or_else(String::new, |claim| format!(" of claim {}", claim.key));
    plan.subjects.push(Subject::new(Kind::Volume, &volume.meta));
    if text(RECLAIM_ANNOTATION) == Some("Retain") {
        // the owner had it kept before, and has it kept still
        plan.notes.push(format!(
            "volume {} was retained before: only the marks of wsdash are taken off",
            key.name
        ));
        plan.steps.push(super::keep::release(
            &format!("unmark-{}", key.name),
            target,
            &job.plan.id,
            "Retain",
            &Value::Null,
        ));
        return Ok(());
    }
    plan.losses
        .push(format!("everything on volume {}{whose}", key.name));
    if let Some(until) = text(PURGE_ANNOTATION).and_then(|t| t.parse().ok())
        && seen.now < until
    {
        plan.notes
            .push(format!("volume {} was to be kept until {until}", key.name));
    }
    plan.steps.extend(destroy(job, volume, &target));
    Ok(())
}

/// The last look, the policy, the deletion.
fn destroy(job: &Job, volume: &Volume, target: &Target) -> [Step; 4] {
    let key = &volume.meta.key;
    let policy = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    [
        Step::new(
            format!("look-{}", key.name),
            format!(
                "look whether volume {} is still free and kept by that job",
                key.name
            ),
            Do::Reread {
                kinds: vec![Kind::Claim],
                objects: vec![(Kind::Volume, key.clone())],
                guard: Guard::Kept {
                    volume: key.name.to_string(),
                    uid: volume.meta.uid.to_string(),
                    run: job.plan.id.to_string(),
                },
            },
        ),
        Step::call(
            format!("give-up-{}", key.name),
            format!(
                "let volume {} go with its disk (reclaim policy Delete)",
                key.name
            ),
            Call::Patch {
                target: target.clone(),
                patch_type: PatchType::Merge,
                patch: policy,
                subresource: None,
            },
            // it may be gone with its disk before anybody looks
            Probe::Lacks {
                target: target.clone(),
                pointer: "/spec/persistentVolumeReclaimPolicy".to_owned(),
                value: json!("Retain"),
            },
        ),
        Step::call(
            format!("delete-{}", key.name),
            format!("delete volume {}", key.name),
            Call::Delete {
                target: target.clone(),
                propagation: Propagation::Background,
            },
            Probe::Removed {
                target: target.clone(),
            },
        ),
        Step::wait(
            format!("gone-{}", key.name),
            format!("wait until volume {} is gone", key.name),
            Condition::Gone {
                target: target.clone(),
            },
            SOON,
        ),
    ]
}

/// The snapshots of the job. Where the content is retained, its policy is changed first: else the
/// backup at the provider would stay, unseen and paid for.
fn snapshots(seen: &Seen<'_>, plan: &mut Plan, job: &Job) {
    for (_, key) in made(job) {
        let Some(object) = seen.objects.get(Kind::Snapshot, &key) else {
            continue;
        };
        if object["metadata"]["labels"][RUN_LABEL].as_str() != Some(job.plan.id.as_str()) {
            continue;
        }
        let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
        let target = Target::new(Kind::Snapshot, key.clone(), uid);
        plan.losses.push(format!("snapshot {}", key.name));
        plan.subjects.push(Subject {
            kind: Kind::Snapshot,
            key: key.clone(),
            uid: uid.to_owned(),
            version: None,
        });
        let content = object["status"]["boundVolumeSnapshotContentName"].as_str();
        let content = content.map(|name| ObjectKey::new("", name));
        if let Some(content) = content
            && let Some(object) = seen.objects.get(Kind::Content, &content)
            && object["spec"]["deletionPolicy"] == json!("Retain")
            && object["spec"]["volumeSnapshotRef"]["uid"] == json!(uid)
        {
            plan.steps.push(let_go(&content, object));
        }
        plan.steps.push(Step::call(
            format!("delete-{}", key.name),
            format!("delete snapshot {}", key.name),
            Call::Delete {
                target: target.clone(),
                propagation: Propagation::Background,
            },
            Probe::Removed {
                target: target.clone(),
            },
        ));
        plan.steps.push(Step::wait(
            format!("gone-{}", key.name),
            format!("wait until snapshot {} is gone", key.name),
            Condition::Gone { target },
            SOON,
        ));
    }
}

fn let_go(content: &ObjectKey, object: &Value) -> Step {
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let target = Target::new(Kind::Content, content.clone(), uid);
    Step::call(
        format!("let-go-{}", content.name),
        format!("let the backup of {} go with it", content.name),
        Call::Patch {
            target: target.clone(),
            patch_type: PatchType::Merge,
            patch: json!({"spec": {"deletionPolicy": "Delete"}}),
            subresource: None,
        },
        Probe::Has {
            target,
            pointer: "/spec/deletionPolicy".to_owned(),
            value: json!("Delete"),
        },
    )
}

/// Whether a volume, seen just now, is still kept by that run and free.
pub(super) fn still_kept(
    seen: &Seen<'_>,
    volume: &str,
    uid: &str,
    run: &str,
) -> Result<(), Refusal> {
    let no = |why: &str| {
        Err(Refusal::new(
            RefusalKind::Changed,
            format!("volume {volume} is not purged: {why}"),
            "look at it again and decide anew",
        ))
    };
    seen.needs(&[Kind::Claim])?;
    let key = ObjectKey::new("", volume);
    let text = |pointer: &str| seen.objects.text(Kind::Volume, &key, pointer);
    if text("/metadata/uid") != Some(uid) {
        return no("it is gone, or another has its name");
    }
    if text(super::keep::KEPT_POINTER) != Some(run) {
        return no("it is not kept by that job any more");
    }
    if !matches!(text("/status/phase"), Some("Released" | "Available")) {
        return no("it is bound");
    }
    let claims = seen.inventory.claims.values();
    if claims
        .filter_map(|claim| claim.volume.as_deref())
        .any(|name| name == volume)
    {
        return no("a claim names it");
    }
    Ok(())
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in kinds() {
        rights.push(Right::on("list", kind, namespace));
    }
    for kind in [Kind::Volume, Kind::Snapshot, Kind::Content] {
        rights.push(Right::on("get", kind, namespace));
    }
    for verb in ["patch", "delete"] {
        rights.push(Right::on(verb, Kind::Volume, namespace));
    }
    rights.push(Right::on("patch", Kind::Content, namespace));
    rights.push(Right::on("delete", Kind::Snapshot, namespace));
    rights
}
