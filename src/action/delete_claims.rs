//! Deleting claims that nothing needs, one after another, each with a way back: a snapshot that is
//! proven to be of its disk, the volume kept, a last look at everything, and only then the
//! deletion, of exactly this object in exactly this state. The first surprise ends the run.

use super::RUN_LABEL;
use super::condition::Condition;
use super::guard::Guard;
use super::keep::{self, Held, SOON};
use super::plan::{Capture, Do, Plan, Step, Subject};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::snapshot;
use crate::domain::findings::human_duration;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::ownership::{self, Class, Hints, Verdict};
use crate::domain::quantity::Quantity;

/// What is looked at for it: everything that may need a claim.
pub fn kinds() -> Vec<Kind> {
    let mut kinds = ownership::NEEDED.to_vec();
    kinds.extend([Kind::SnapshotClass, Kind::StorageClass, Kind::Event]);
    kinds
}

/// Deletes claims, at most as many as the policy allows in one run.
pub fn plan(seen: &Seen<'_>, claims: &[ObjectKey]) -> Result<Plan, Refusal> {
    let request = Request::Orphans {
        claims: claims.to_vec(),
    };
    let mut plan = Plan::new(seen, ActionName::Orphans, request);
    let cap = seen.settings.orphans.cap as usize;
    if claims.is_empty() {
        return Err(Refusal::new(
            RefusalKind::Request,
            "no claim is named",
            "`wsdash orphans` lists those that can be deleted",
        ));
    }
    if claims.len() > cap {
        return Err(Refusal::new(
            RefusalKind::Policy,
            format!(
                "{} claims are named, and one run deletes {cap} at most",
                claims.len()
            ),
            "delete some, look, then delete others",
        ));
    }
    for key in claims {
        one(seen, &mut plan, key)?;
    }
    let names: Vec<&str> = claims.iter().map(|c| &*c.name).collect();
    plan.title = format!("delete {}", names.join(", "));
    let keep = human_duration(seen.settings.orphans.keep);
    plan.losses.push(format!(
        "the claims go; their volumes and a snapshot of each are kept for {keep}, then a purge may \
         take them"
    ));
    plan.way_back.push(format!(
        "`wsdash undo {}` binds each volume under the same name again, until it is purged",
        seen.run
    ));
    plan.typed_name = match claims {
        [one] => Some(one.name.to_string()),
        _ => Some(plan.namespace().to_owned()),
    };
    plan.rights = rights(&plan.place.namespace);
    Ok(plan)
}

fn one(seen: &Seen<'_>, plan: &mut Plan, key: &ObjectKey) -> Result<(), Refusal> {
    seen.needs(&[Kind::Claim])?;
    let claim = seen.inventory.claims.get(key).ok_or_else(|| {
        Refusal::new(
            RefusalKind::NotFound,
            format!("there is no claim {key}"),
            "`wsdash orphans --all` lists them",
        )
    })?;
    let sighting = seen.sightings.get(&claim.meta.uid);
    let settings = &seen.settings.orphans;
    let hints = Hints::of(seen.metrics, seen.inventory, claim);
    let verdict = ownership::judge(seen.inventory, key, settings, &hints, sighting, seen.now);
    let verdict = verdict.ok_or_else(|| changed(key, "it is gone"))?;
    if !verdict.is_deletable() {
        return Err(refusal(key, &verdict));
    }
    let held = Held::of(seen, claim)?;
    for line in &verdict.evidence {
        plan.notes.push(format!("{}: {}", key.name, line.says));
    }
    let inactive = &verdict.inactive;
    if let (Some(since), Some(sign)) = (inactive.since, inactive.signs.first()) {
        plan.notes.push(format!(
            "{}: not used since {since} (newest sign: {}); {}",
            key.name, sign.of, inactive.history
        ));
    }
    let home = seen.inventory.workspaces_of_claim(key);
    let workspace = home.first().map_or(&*key.name, |home| &*home.name);
    let (snapshot, steps) = keep::safety_snapshot(seen, &held, workspace, "clean")?;
    if let Some(class) = snapshot::class(seen, claim)?
        && let Some(class) = seen
            .inventory
            .snapshot_classes
            .get(&ObjectKey::new("", class))
        && class.delete
    {
        plan.notes.push(format!(
            "{}: whoever deletes snapshot {} or its namespace deletes its data (deletionPolicy \
             Delete of class {}); the volume is kept all the same",
            key.name, snapshot.name, class.meta.key.name
        ));
    }
    plan.steps.extend(steps);
    keep::keep(seen, plan, &held);
    plan.steps.push(look(seen, &held, &snapshot, verdict.class));
    let version = format!("${{rv-{}}}", held.name());
    plan.steps.push(keep::delete(&held, Some(version)));
    plan.steps.push(Step::wait(
        format!("gone-{}", held.name()),
        format!("watch claim {} until it is gone", held.name()),
        Condition::Deleted {
            claim: held.target(),
        },
        SOON,
    ));
    plan.steps.push(Step::wait(
        format!("released-{}", held.name()),
        format!(
            "wait until volume {} is released and kept",
            held.volume.meta.key
        ),
        Condition::VolumePhase {
            volume: held.disk_target(),
            phase: "Released".to_owned(),
        },
        SOON,
    ));
    plan.subjects.push(Subject::new(Kind::Claim, &claim.meta));
    plan.locks.push(key.clone());
    plan.locks.extend(home);
    let size = claim.capacity.map_or_else(String::new, Quantity::human);
    plan.notes.push(format!(
        "{}: {size} on disk {} of volume {}",
        key.name, held.handle, held.volume.meta.key
    ));
    Ok(())
}

/// The last look before the deletion: every list anew, the claim judged anew, the snapshot and
/// the volume's policy read anew.
fn look(seen: &Seen<'_>, held: &Held<'_>, snapshot: &ObjectKey, class: Class) -> Step {
    let key = &held.claim.meta.key;
    let volume = &held.volume.meta.key;
    Step::new(
        format!("look-{}", held.name()),
        format!("look again whether anything needs claim {}", held.name()),
        Do::Reread {
            kinds: ownership::NEEDED.to_vec(),
            objects: vec![
                (Kind::Claim, key.clone()),
                (Kind::Volume, volume.clone()),
                (Kind::Snapshot, snapshot.clone()),
            ],
            guard: Guard::Orphan {
                claim: key.clone(),
                uid: held.claim.meta.uid.to_string(),
                volume: volume.name.to_string(),
                class,
                snapshot: snapshot.clone(),
                run: seen.run.to_string(),
            },
        },
    )
    .capture(Capture::object(
        &format!("rv-{}", held.name()),
        Kind::Claim,
        key.clone(),
        "/metadata/resourceVersion",
    ))
}

/// Why a claim is not deleted.
fn refusal(key: &ObjectKey, verdict: &Verdict) -> Refusal {
    let why = verdict.blockers.join("; ");
    let (kind, next) = match verdict.class {
        Class::Unknown => (
            RefusalKind::NotKnown,
            "wait until everything is read, or ask for the right to read it",
        ),
        Class::Orphan | Class::Parked | Class::Held => (
            RefusalKind::Policy,
            "see [orphans] in the configuration; `wsdash orphans` shows the proof",
        ),
        Class::Terminating => (RefusalKind::Terminating, "see what holds it"),
        _ => (RefusalKind::State, "it is left alone"),
    };
    Refusal::new(kind, format!("claim {key} is not deleted: {why}"), next)
}

fn changed(key: &ObjectKey, why: &str) -> Refusal {
    Refusal::new(
        RefusalKind::Changed,
        format!("claim {key} is not deleted: {why}"),
        "its volume and its snapshot are kept; undo takes both back",
    )
}

/// What [`Guard::Orphan`] names.
pub(super) struct Last<'a> {
    pub(super) claim: &'a ObjectKey,
    pub(super) uid: &'a str,
    pub(super) volume: &'a str,
    pub(super) class: Class,
    pub(super) snapshot: &'a ObjectKey,
    pub(super) run: &'a str,
}

/// Whether a claim, seen just now, is still one that nothing needs, with its way back in place.
pub(super) fn still_an_orphan(seen: &Seen<'_>, last: &Last<'_>) -> Result<(), Refusal> {
    let key = last.claim;
    let no = |why: &str| Err(changed(key, why));
    let text = |pointer: &str| seen.objects.text(Kind::Claim, key, pointer);
    match text("/metadata/uid") {
        None => return no("it is gone"),
        Some(uid) if uid != last.uid => return no("another has its name"),
        Some(_) => {}
    }
    if text("/spec/volumeName") != Some(last.volume) {
        return no("it is on another volume");
    }
    let Some((class, evidence)) = ownership::classify(seen.inventory, key) else {
        return no("it is gone");
    };
    if class != last.class {
        let says = evidence.first().map_or("", |line| &line.says);
        let refusal = changed(key, &format!("it is {class} now: {says}"));
        return Err(match class {
            Class::Unknown => Refusal {
                kind: RefusalKind::NotKnown,
                ..refusal
            },
            _ => refusal,
        });
    }
    let volume = ObjectKey::new("", last.volume);
    let disk = |pointer: &str| seen.objects.text(Kind::Volume, &volume, pointer);
    if disk("/spec/persistentVolumeReclaimPolicy") != Some("Retain")
        || disk(keep::KEPT_POINTER) != Some(last.run)
    {
        return no("its volume is not kept by this run");
    }
    if disk("/spec/claimRef/uid") != Some(last.uid) {
        return no("its volume names another claim");
    }
    let Some(snapshot) = seen.objects.get(Kind::Snapshot, last.snapshot) else {
        return no("its snapshot is gone");
    };
    let is_ready = snapshot["status"]["readyToUse"] == serde_json::json!(true)
        && snapshot["status"]["error"].is_null()
        && snapshot["metadata"]["deletionTimestamp"].is_null()
        && snapshot["metadata"]["labels"][RUN_LABEL].as_str() == Some(last.run);
    if !is_ready {
        return no("its snapshot is not ready any more");
    }
    Ok(())
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in kinds() {
        rights.push(Right::on("list", kind, namespace));
    }
    for kind in [Kind::Claim, Kind::Volume, Kind::Snapshot, Kind::Content] {
        rights.push(Right::on("get", kind, namespace));
    }
    rights.push(Right::on("create", Kind::Snapshot, namespace));
    rights.push(Right::on("patch", Kind::Volume, namespace));
    rights.push(Right::on("delete", Kind::Claim, namespace));
    rights
}
