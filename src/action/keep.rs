//! Volumes that outlive their claim: how one is kept before its claim is deleted, how it is put
//! back under the claim's name, and how it is given up in the end.
//!
//! Every step that takes something back is right whether or not what it takes back happened.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::call::{Call, PatchType, Probe, Propagation, Target};
use super::condition::Condition;
use super::guard::Guard;
use super::plan::{Capture, Do, Plan, RunId, Step};
use super::refusal::{Refusal, RefusalKind};
use super::seen::Seen;
use super::snapshot;
use super::{BY_ANNOTATION, KEPT_ANNOTATION, PURGE_ANNOTATION, RECLAIM_ANNOTATION};
use crate::domain::claim::Claim;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;
use crate::domain::volume::Volume;

/// Seconds that a controller may take for a small thing: a phase, a finalizer, a deletion.
pub(super) const SOON: u32 = 180;

/// JSON pointer of the annotation that names the run which keeps a volume.
pub(super) const KEPT_POINTER: &str = "/metadata/annotations/wsdash.dev~1kept-by";
/// What is written on a kept volume: the run, the policy before, until when, and who.
const MARKS: [&str; 4] = [
    KEPT_ANNOTATION,
    RECLAIM_ANNOTATION,
    PURGE_ANNOTATION,
    BY_ANNOTATION,
];
/// Finalizer of a claim that a snapshot is being cut from.
pub(super) const SOURCE_FINALIZER: &str = "snapshot.storage.kubernetes.io/pvc-as-source-protection";
/// What binding leaves behind on a claim, and what must not be on one that is bound anew.
const OF_BINDING: [&str; 2] = [
    "pv.kubernetes.io/bind-completed",
    "pv.kubernetes.io/bound-by-controller",
];

/// A claim that has to do with a plan, with everything that the plan needs to know of it.
pub(super) struct Held<'a> {
    pub(super) claim: &'a Claim,
    pub(super) volume: &'a Volume,
    pub(super) handle: String,
    /// The claim as the server sent it.
    pub(super) object: Value,
    /// The volume as the server sent it.
    pub(super) disk: Value,
}

impl<'a> Held<'a> {
    /// Refuses what cannot be read, is on no CSI disk, or is on a disk that is not surely its own.
    pub(super) fn of(seen: &Seen<'a>, claim: &'a Claim) -> Result<Self, Refusal> {
        let key = &claim.meta.key;
        match snapshot::refuse_unfit(seen, claim) {
            // whether that matters is up to whoever wants a snapshot
            Err(refusal) if refusal.kind == RefusalKind::RateLimit => {}
            other => other?,
        }
        let unknown = |what: &str| {
            Refusal::new(
                RefusalKind::NotKnown,
                format!("{what} of claim {key} cannot be read"),
                "ask for the right to get and list persistentvolumeclaims and persistentvolumes",
            )
        };
        let volume = seen
            .inventory
            .volume_of(claim)
            .ok_or_else(|| unknown("the volume"))?;
        let serves = volume.claim.as_ref();
        if !serves.is_some_and(|c| c.key == *key && c.uid.as_ref() == Some(&claim.meta.uid)) {
            return Err(Refusal::new(
                RefusalKind::State,
                format!(
                    "volume {} does not name claim {key} as its own",
                    volume.meta.key
                ),
                "look at both before anything else",
            ));
        }
        let handle = snapshot::handle(seen, claim).ok_or_else(|| unknown("the disk"))?;
        let object = seen.objects.get(Kind::Claim, key).cloned();
        let disk = seen.objects.get(Kind::Volume, &volume.meta.key).cloned();
        Ok(Self {
            claim,
            volume,
            handle,
            object: object.ok_or_else(|| unknown("the whole object"))?,
            disk: disk.ok_or_else(|| unknown("the whole volume"))?,
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.claim.meta.key.name
    }

    pub(super) fn target(&self) -> Target {
        Target::new(
            Kind::Claim,
            self.claim.meta.key.clone(),
            &self.claim.meta.uid,
        )
    }

    pub(super) fn disk_target(&self) -> Target {
        Target::new(
            Kind::Volume,
            self.volume.meta.key.clone(),
            &self.volume.meta.uid,
        )
    }
}

/// The snapshot of a claim that a destructive step is preceded by: made, ready and proven.
/// Answers its key and the steps.
pub(super) fn safety_snapshot(
    seen: &Seen<'_>,
    held: &Held<'_>,
    workspace: &str,
    level: &str,
) -> Result<(ObjectKey, Vec<Step>), Refusal> {
    let driver = snapshot::driver(seen, held.claim);
    snapshot::rate_limit(seen, held.claim, driver.as_deref())?;
    let run = seen.run.as_str();
    let (key, create) = snapshot::cut(seen, held.claim, workspace, level, run)?;
    let (name, made) = (&key.name, create.id.clone());
    let wait = seconds(seen.settings.snapshot_wait);
    let ready = Step::wait(
        format!("ready-{}", held.name()),
        format!("wait until snapshot {name} is ready and proven"),
        Condition::SnapshotReady {
            snapshot: Target::new(Kind::Snapshot, key.clone(), format!("${{uid-{made}}}")),
            handle: Some(held.handle.clone()),
        },
        wait,
    );
    let free = Step::wait(
        format!("uncut-{}", held.name()),
        format!(
            "wait until nothing is copied from claim {} any more",
            held.name()
        ),
        Condition::Without {
            target: held.target(),
            finalizer: SOURCE_FINALIZER.to_owned(),
        },
        SOON,
    );
    Ok((key, vec![create, ready, free]))
}

/// Whole seconds, for ceilings.
pub(super) fn seconds(duration: SignedDuration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

/// Keeps a volume whatever becomes of its claim, and writes down who keeps it until when. Only the
/// bound volume of this very claim. A mark that another run left is taken over, with the policy
/// from before that run, and taken back once a claim has the volume again.
pub(super) fn keep(seen: &Seen<'_>, plan: &mut Plan, held: &Held<'_>) {
    let name = &held.volume.meta.key.name;
    let policy = held.volume.reclaim.to_string();
    let marks = &held.disk["metadata"]["annotations"];
    let other = marks[KEPT_ANNOTATION].as_str();
    let before = marks[RECLAIM_ANNOTATION].as_str();
    let before = other.and(before).unwrap_or(&policy);
    // counted from the run, not from now: a plan that is made anew must come out the same
    let until = seen
        .run
        .made()
        .unwrap_or(seen.now)
        .checked_add(seen.settings.orphans.keep);
    let until = until.map_or_else(|_| String::new(), |until| until.to_string());
    let run = seen.run.to_string();
    let mut patch = vec![
        json!({"op": "test", "path": "/spec/claimRef/uid", "value": held.claim.meta.uid.to_string()}),
        is_bound(),
    ];
    if !marks.is_object() {
        patch.push(json!({"op": "test", "path": "/metadata/annotations", "value": null}));
        patch.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
    }
    patch.push(json!({"op": "test", "path": KEPT_POINTER, "value": other}));
    if let Some(other) = other {
        plan.notes.push(format!(
            "volume {name} is kept by job {other} already: this job takes it over, and must be \
             undone before that one can be"
        ));
    }
    for (mark, value) in MARKS.into_iter().zip([&run, before, &until, seen.by]) {
        patch.push(json!({"op": "add", "path": pointer(mark), "value": value}));
    }
    patch.push(policy_of("Retain"));
    let step = Step::call(
        format!("keep-{}", held.name()),
        format!("keep volume {name} (reclaim policy Retain, before {before})"),
        Call::Patch {
            target: held.disk_target(),
            patch_type: PatchType::Json,
            patch: Value::Array(patch),
            subresource: None,
        },
        Probe::Has {
            target: held.disk_target(),
            pointer: KEPT_POINTER.to_owned(),
            value: json!(run),
        },
    );
    let id = format!("release-{}", held.name());
    let back = release(&id, held.disk_target(), seen.run, &policy, marks);
    plan.steps.push(step.undone_by(back));
}

/// Puts the reclaim policy of a volume that `run` keeps back, and the marks as they were in
/// `before`. One that another run keeps by now is that run's; one that no claim has is never let
/// go: the policy would take its disk.
pub(super) fn release(id: &str, volume: Target, run: &RunId, policy: &str, before: &Value) -> Step {
    let mut patch = vec![json!({"op": "test", "path": KEPT_POINTER, "value": run.as_str()})];
    if policy != "Retain" {
        patch.push(is_bound());
    }
    for mark in MARKS {
        let (path, value) = (pointer(mark), before[mark].as_str());
        patch.push(json!({"op": "add", "path": path, "value": value.unwrap_or_default()}));
        // what is not there cannot be removed: it was put there just now
        if value.is_none() {
            patch.push(json!({"op": "remove", "path": path}));
        }
    }
    patch.push(policy_of(policy));
    Step::call(
        id,
        format!(
            "put the reclaim policy of volume {} back to {policy}",
            volume.key.name
        ),
        Call::Patch {
            target: volume.clone(),
            patch_type: PatchType::Json,
            patch: Value::Array(patch),
            subresource: None,
        },
        Probe::Lacks {
            target: volume,
            pointer: KEPT_POINTER.to_owned(),
            value: json!(run.as_str()),
        },
    )
}

/// Whether a patch lets a volume go with its claim: it asks that a claim has it.
pub(super) fn lets_go(patch: &Value) -> bool {
    let operations = patch.as_array();
    operations.is_some_and(|all| all.contains(&is_bound()))
        && !operations.is_some_and(|all| all.contains(&policy_of("Retain")))
}

fn pointer(annotation: &str) -> String {
    format!("/metadata/annotations/{}", annotation.replace('/', "~1"))
}

fn is_bound() -> Value {
    json!({"op": "test", "path": "/status/phase", "value": "Bound"})
}

fn policy_of(policy: &str) -> Value {
    json!({"op": "replace", "path": "/spec/persistentVolumeReclaimPolicy", "value": policy})
}

/// Deletes a claim whose volume is kept; taken back by binding the volume under the same name.
/// `version` = nobody may have touched it since.
pub(super) fn delete(held: &Held<'_>, version: Option<String>) -> Step {
    let target = held.target();
    let call = Call::Delete {
        target: target.clone().at(version),
        propagation: Propagation::Background,
    };
    let mut step = Step::call(
        format!("delete-{}", held.name()),
        format!("delete claim {} (its volume stays)", held.name()),
        call,
        Probe::Removed { target },
    );
    step.undo = put_back(held);
    step
}

/// The steps that bind the kept volume under the claim's name again. A claim that was never
/// deleted is left alone; one of the same name that somebody else made is never touched.
fn put_back(held: &Held<'_>) -> Vec<Step> {
    let (claim, volume) = (held.target(), held.disk_target());
    let name = held.name();
    vec![
        Step::wait(
            format!("settled-{name}"),
            format!("wait until claim {name} is gone and its volume released, or surely there"),
            Condition::Rebindable {
                claim: claim.clone(),
                volume: volume.clone(),
            },
            SOON,
        ),
        Step::new(
            format!("look-back-{name}"),
            format!("look whether the name {name} is free"),
            Do::Reread {
                kinds: Vec::new(),
                objects: vec![
                    (Kind::Claim, claim.key.clone()),
                    (Kind::Volume, volume.key.clone()),
                ],
                guard: Guard::Rebind {
                    claim: claim.key.clone(),
                    volume: volume.key.name.to_string(),
                },
            },
        ),
        reserve(&format!("reserve-{name}"), &volume, &claim.key),
        create(
            &format!("create-back-{name}"),
            &manifest(&held.object, &held.disk),
        )
        .capture(Capture::answer(
            &format!("uid-back-{name}"),
            "/metadata/uid",
        )),
        Step::wait(
            format!("bound-back-{name}"),
            format!("wait until claim {name} has its volume again"),
            Condition::ClaimBound {
                claim: Target::new(
                    Kind::Claim,
                    claim.key.clone(),
                    format!("${{uid-back-{name}}}"),
                ),
                volume: Some(volume.key.name.to_string()),
            },
            SOON,
        ),
    ]
}

/// Reserves a released volume for a claim of this name. One that is bound is left alone.
pub(super) fn reserve(id: &str, volume: &Target, claim: &ObjectKey) -> Step {
    Step::call(
        id,
        format!(
            "reserve volume {} for claim {}",
            volume.key.name, claim.name
        ),
        Call::Patch {
            target: volume.clone(),
            patch_type: PatchType::Merge,
            patch: json!({"spec": {"claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": &*claim.namespace, "name": &*claim.name,
                "uid": null, "resourceVersion": null}}}),
            subresource: None,
        },
        Probe::Has {
            target: volume.clone(),
            pointer: "/status/phase".to_owned(),
            value: json!("Bound"),
        },
    )
}

/// Makes a claim that names its volume; one that stands there with this volume is the one.
pub(super) fn create(id: &str, manifest: &Value) -> Step {
    let text = |pointer: &str| {
        let text = manifest.pointer(pointer).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let key = ObjectKey::new(text("/metadata/namespace"), text("/metadata/name"));
    let volume = text("/spec/volumeName");
    Step::call(
        id,
        format!("create claim {} on volume {volume}", key.name),
        Call::Create {
            kind: Kind::Claim,
            namespace: key.namespace.to_string(),
            manifest: manifest.clone(),
        },
        Probe::Stands {
            kind: Kind::Claim,
            key,
            pointer: "/spec/volumeName".to_owned(),
            value: json!(volume),
        },
    )
    .verbatim(&["/metadata/annotations"])
}

/// A claim as it was, to be bound to the same volume: without what binding and the server add,
/// and asking for no more than the volume has.
pub(super) fn manifest(claim: &Value, volume: &Value) -> Value {
    let meta = &claim["metadata"];
    let mut annotations = meta["annotations"].clone();
    if let Some(fields) = annotations.as_object_mut() {
        for field in OF_BINDING {
            fields.remove(field);
        }
    }
    let spec = &claim["spec"];
    let request = &spec["resources"]["requests"]["storage"];
    let capacity = &volume["spec"]["capacity"]["storage"];
    let size = |value: &Value| Quantity::parse(value.as_str()?).ok();
    let fitting = match (size(request), size(capacity)) {
        (Some(wanted), Some(there)) if wanted > there => capacity,
        _ => request,
    };
    let mut made = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": {
            "accessModes": spec["accessModes"],
            "resources": {"requests": {"storage": fitting}},
            "volumeName": spec["volumeName"],
        },
    });
    for (field, value) in [("labels", &meta["labels"]), ("annotations", &annotations)] {
        if value.as_object().is_some_and(|fields| !fields.is_empty()) {
            made["metadata"][field] = value.clone();
        }
    }
    for field in [
        "storageClassName",
        "volumeMode",
        "volumeAttributesClassName",
    ] {
        if !spec[field].is_null() {
            made["spec"][field] = spec[field].clone();
        }
    }
    made
}
