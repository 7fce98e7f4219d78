//! Whether what a job left is still there to be taken back. Jobs on one claim are undone the last
//! first: what a later one stands on is never pulled away. Judged when the undo is planned, and
//! again just before its first call; the guards of its steps judge once more on the way.

use crate::action::call::{Call, Identity};
use crate::action::guard::Guard;
use crate::action::journal::Job;
use crate::action::plan::{Do, Plan, Step};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::seen::Seen;
use crate::action::{BY_ANNOTATION, KEPT_ANNOTATION, RUN_LABEL, keep};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;

/// Refuses an undo that would end in the middle, or take what another job keeps.
pub(super) fn check(seen: &Seen<'_>, plan: &Plan, job: &Job) -> Result<(), Refusal> {
    for (at, step) in plan.steps.iter().enumerate() {
        let before = plan.steps.get(..at).unwrap_or_default();
        match &step.what {
            Do::Reread {
                guard: Guard::Rebind { claim, volume },
                ..
            } => {
                let goes = |step| deletes(step, claim).is_some_and(|own| own == &job.plan.id.0);
                let is_own = before.iter().any(|step| goes(&step.what))
                    && label(seen, claim) == Some(job.plan.id.as_str());
                rebind(seen, claim, volume, is_own)?;
            }
            Do::Call {
                call: Call::Patch { target, patch, .. },
                ..
            } if target.kind == Kind::Volume => {
                let is_bound_before = before
                    .iter()
                    .any(|step| binds(&step.what, &target.key.name));
                volume(
                    seen,
                    job,
                    &target.key,
                    keep::lets_go(patch) && !is_bound_before,
                )?;
            }
            what => {
                if let Do::Call { call, .. } = what
                    && let (Kind::Claim, key) = call.object()
                    && deletes(what, &key).is_some()
                {
                    unused(seen, job, &key, before)?;
                }
            }
        }
    }
    Ok(())
}

/// Of a deletion of that claim: the run that must have made it.
fn deletes<'a>(what: &'a Do, claim: &ObjectKey) -> Option<&'a String> {
    match what {
        Do::Call {
            call: Call::Delete { target, .. },
            ..
        } if target.kind == Kind::Claim && target.key == *claim => match &target.identity {
            Identity::Ours(run) => Some(run),
            _ => None,
        },
        _ => None,
    }
}

/// Whether it makes a claim on that volume.
fn binds(what: &Do, volume: &str) -> bool {
    matches!(what, Do::Call { call: Call::Create { kind: Kind::Claim, manifest, .. }, .. }
        if manifest["spec"]["volumeName"].as_str() == Some(volume))
}

/// The run that made a claim.
fn label<'a>(seen: &Seen<'a>, claim: &ObjectKey) -> Option<&'a str> {
    let object = seen.objects.get(Kind::Claim, claim)?;
    object["metadata"]["labels"][RUN_LABEL].as_str()
}

/// Whether a volume can have its claim's name again. `is_own` = whoever has it now goes before.
fn rebind(seen: &Seen<'_>, claim: &ObjectKey, volume: &str, is_own: bool) -> Result<(), Refusal> {
    let disk = ObjectKey::new("", volume);
    let is_readable = seen.inventory.freshness().is_live(Kind::Volume);
    if !is_readable && seen.objects.get(Kind::Volume, &disk).is_none() {
        // its own look tells when it comes to it
        return Ok(());
    }
    let judged = Guard::Rebind {
        claim: claim.clone(),
        volume: volume.to_owned(),
    }
    .check(seen);
    let there = seen.objects.get(Kind::Volume, &disk).is_some();
    match judged {
        Err(_) if there && is_own => Ok(()),
        Err(refusal) => Err(match label(seen, claim) {
            Some(other) if there => Refusal::new(
                RefusalKind::Changed,
                format!("claim {claim} is by now what job {other} made of it"),
                format!("`wsdash undo {other}` first: jobs are undone the last first"),
            ),
            _ => refusal,
        }),
        Ok(()) => Ok(()),
    }
}

/// Whether a volume is this job's to let go. `must_be_bound` = no claim will have it before.
fn volume(seen: &Seen<'_>, job: &Job, key: &ObjectKey, must_be_bound: bool) -> Result<(), Refusal> {
    let Some(object) = seen.objects.get(Kind::Volume, key) else {
        return Ok(());
    };
    let marks = &object["metadata"]["annotations"];
    let (id, phase) = (job.plan.id.as_str(), &object["status"]["phase"]);
    match marks[KEPT_ANNOTATION].as_str() {
        Some(other) if other != id => Err(Refusal::new(
            RefusalKind::Changed,
            format!(
                "volume {} is kept by job {other} (by {}) by now",
                key.name,
                marks[BY_ANNOTATION].as_str().unwrap_or("somebody")
            ),
            format!("`wsdash undo {other}` first: jobs are undone the last first"),
        )),
        Some(_) if must_be_bound && phase.as_str() != Some("Bound") => Err(Refusal::new(
            RefusalKind::NoWayBack,
            format!(
                "volume {} is {}: its claim went, not by job {id}, and the volume is all that is \
                 left of it",
                key.name,
                phase.as_str().unwrap_or("in no phase")
            ),
            "it stays kept; bind it to a claim first",
        )),
        _ => Ok(()),
    }
}

/// Whether nobody else uses a claim that goes: its deletion would hang, and could not be taken back.
/// Pods that go before do not count.
fn unused(seen: &Seen<'_>, job: &Job, claim: &ObjectKey, before: &[Step]) -> Result<(), Refusal> {
    if label(seen, claim) != Some(job.plan.id.as_str()) {
        return Ok(());
    }
    let own = super::restored_in_place(job);
    let goes = |pod: &ObjectKey| {
        before.iter().any(|step| {
            matches!(&step.what, Do::Call { call: call @ Call::Delete { .. }, .. }
                if call.object() == (Kind::Pod, pod.clone()))
        })
    };
    let is_other = |pod: &&Pod| {
        let key = &pod.meta.key;
        Some(key) != own && !pod.is_terminal() && !goes(key)
    };
    match seen.inventory.pods_of_claim(claim).find(is_other) {
        Some(pod) => Err(Refusal::new(
            RefusalKind::State,
            format!("pod {} uses claim {claim}, which would go", pod.meta.key),
            "end it first",
        )),
        None => Ok(()),
    }
}

/// Leaves out what is about volumes that are gone: nothing of them can be kept or let go.
pub(super) fn without_what_is_gone(seen: &Seen<'_>, plan: &mut Plan) {
    if !seen.inventory.freshness().is_live(Kind::Volume) {
        return;
    }
    let is_gone = |volume: &ObjectKey| seen.objects.get(Kind::Volume, volume).is_none();
    plan.steps
        .retain(|step| !changed_volume(step).is_some_and(is_gone));
}

/// The volume that a step changes.
pub(super) fn changed_volume(step: &Step) -> Option<&ObjectKey> {
    match &step.what {
        Do::Call {
            call: Call::Patch { target, .. },
            ..
        } if target.kind == Kind::Volume => Some(&target.key),
        _ => None,
    }
}
