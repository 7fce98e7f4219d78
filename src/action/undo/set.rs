//! What an undo does about a set, as the set is now: it may have grown, been rolled out or been made
//! anew since the job, and none of that is taken back.

use serde_json::{Value, json};

use crate::action::call::{Call, Target};
use crate::action::guard::Guard;
use crate::action::journal::{Job, Progress};
use crate::action::plan::{Do, Plan, Step};
use crate::action::recreate::{SEEN, as_it_was, orphan, put, same_whole};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::request::Request;
use crate::action::seen::Seen;
use crate::action::{restore, session, template};
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;

/// Makes the steps about the set fit the set as it is.
pub(super) fn fit(seen: &Seen<'_>, plan: &mut Plan, job: &Job) -> Result<(), Refusal> {
    match &job.plan.request {
        Request::Restore {
            workspace,
            in_place: true,
            ..
        } => swap(seen, plan, job, workspace),
        Request::Template { set, .. } => templates(seen, plan, job, set),
        _ => Ok(()),
    }
}

/// A step of the job that may have happened.
fn begun<'a>(job: &'a Job, id: &str) -> Option<(&'a Step, &'a Progress)> {
    let mut steps = job.plan.steps.iter().zip(&job.steps);
    steps.find(|(step, progress)| step.id == id && progress.may_have_happened())
}

/// Whether a set is as this call makes it.
fn is_so(seen: &Seen<'_>, what: &Do) -> bool {
    let Do::Call { call, .. } = what else {
        return false;
    };
    let (kind, key) = call.object();
    let set = seen.objects.get(kind, &key);
    let is = |target: &Target| {
        let uid = seen.objects.text(kind, &key, "/metadata/uid");
        // of which version it was is no question any more
        let target = Target {
            version: None,
            ..target.clone()
        };
        uid.is_some_and(|uid| target == Target::new(kind, key.clone(), uid))
    };
    set.map_or(matches!(call, Call::Delete { .. }), |now| match call {
        Call::Scale { set, replicas } => is(set) && now["spec"]["replicas"] == json!(replicas),
        Call::Patch { target, patch, .. } => {
            let same = |field: &str| now["spec"][field] == patch["spec"][field];
            is(target) && same("replicas") && same("ordinals")
        }
        Call::Create { manifest, .. } => as_it_was(now) == *manifest,
        _ => false,
    })
}

/// A swap is taken back with the workspace stopped. The recorded steps do that as long as the set
/// is as the job left it; else it is stopped, and let go on, as the set is now.
fn swap(seen: &Seen<'_>, plan: &mut Plan, job: &Job, workspace: &ObjectKey) -> Result<(), Refusal> {
    let (block, unblock) = (begun(job, "block"), begun(job, "unblock"));
    let rebinds = |step: &Step| {
        matches!(
            step.what,
            Do::Reread {
                guard: Guard::Rebind { .. },
                ..
            }
        )
    };
    let is_swapped = plan.steps.iter().any(rebinds);
    let is_blocked = block.is_some_and(|(step, _)| is_so(seen, &step.what));
    let fits = match (block, unblock) {
        (None, _) => !is_swapped,
        (_, Some((step, progress))) => {
            is_so(seen, &step.what) || is_blocked && !progress.is_passed()
        }
        (_, None) => is_blocked,
    };
    let mut stops = unblock.is_some();
    if !fits {
        let recorded = |step: Option<(&Step, _)>| -> Vec<String> {
            let undo = step.into_iter().flat_map(|(step, _)| &step.undo);
            undo.map(|step| step.id.clone()).collect()
        };
        let [stop, go_on] = if is_swapped {
            around(seen, plan, workspace)?
        } else {
            [Vec::new(), Vec::new()]
        };
        stops = !stop.is_empty();
        if block.is_some() {
            plan.notes.push(format!(
                "the set of {} is another than it was: it is left as it is now",
                workspace.name
            ));
        }
        exchange(plan, (&recorded(unblock), stop), (&recorded(block), go_on));
    }
    if let Some(pod) = seen.inventory.pods.get(workspace).filter(|_| stops) {
        session::refuse_open(seen, pod)?;
        if let Some(look) = session::check(seen, pod, "is-idle") {
            plan.steps.insert(0, look);
        }
    }
    Ok(())
}

fn around(
    seen: &Seen<'_>,
    plan: &mut Plan,
    workspace: &ObjectKey,
) -> Result<[Vec<Step>; 2], Refusal> {
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim])?;
    // nothing of it is there: nobody is in the way
    let Some(workspace) = seen.inventory.workspace(workspace) else {
        return Ok([Vec::new(), Vec::new()]);
    };
    let set = workspace.set.as_ref();
    let lock = set.map(|set| beside(&workspace.key, set));
    plan.locks
        .extend(lock.filter(|key| !plan.locks.contains(key)));
    let [stop, go_on] = restore::around(seen, workspace)?;
    // that it comes back is no part of what is taken back
    let may_fail = |step: Step| match step.what {
        Do::Call { .. } => step,
        _ => step.tolerated(),
    };
    Ok([stop, go_on.into_iter().map(may_fail).collect()])
}

/// Puts other steps in the place of recorded ones. What was not recorded is stopped first of all,
/// and goes on last of all.
fn exchange(
    plan: &mut Plan,
    (stopping, stop): (&[String], Vec<Step>),
    (going_on, go_on): (&[String], Vec<Step>),
) {
    let place = |ids: &[String]| plan.steps.iter().position(|step| ids.contains(&step.id));
    let (start, end) = (place(stopping), place(going_on));
    let after = plan.steps.split_off(end.unwrap_or(plan.steps.len()));
    let between = plan.steps.split_off(start.unwrap_or(0));
    let before = std::mem::take(&mut plan.steps);
    let recorded = |step: &Step| stopping.contains(&step.id) || going_on.contains(&step.id);
    for (rest, new) in [(before, stop), (between, go_on), (after, Vec::new())] {
        plan.steps
            .extend(rest.into_iter().filter(|step| !recorded(step)));
        plan.steps.extend(new);
    }
}

/// The set of today with the claim templates of before.
fn templates(seen: &Seen<'_>, plan: &mut Plan, job: &Job, key: &ObjectKey) -> Result<(), Refusal> {
    let made = begun(job, "back").and_then(|(step, _)| step.manifest());
    let old = begun(job, "away").and_then(|(step, _)| step.undo.first()?.manifest());
    let (Some(made), Some(old), Some(now)) = (made, old, seen.objects.get(Kind::Set, key)) else {
        return Ok(());
    };
    let subject = job.plan.subjects.iter().find(|s| s.kind == Kind::Set);
    let uid = now["metadata"]["uid"].as_str().unwrap_or_default();
    if subject.is_some_and(|subject| subject.uid == uid) || sizes(now) == sizes(old) {
        // it was never away, or somebody put it back: there is nothing to make room for
        plan.steps.retain(|step| !step.id.ends_with("away-again"));
        return Ok(());
    }
    if sizes(now) != sizes(made) {
        return Err(Refusal::new(
            RefusalKind::Changed,
            format!("the claim templates of set {key} are not those that the job made"),
            "another job may have changed them since: undo that one first",
        ));
    }
    if let Some(set) = seen.inventory.sets.get(key) {
        template::keeps_its_claims(seen, set)?;
    }
    let mut again = as_it_was(now);
    let size = "/spec/resources/requests/storage";
    let claims = again["spec"]["volumeClaimTemplates"].as_array_mut();
    for claim in claims.into_iter().flatten() {
        let all = old["spec"]["volumeClaimTemplates"].as_array();
        let is_it = |one: &&Value| one["metadata"]["name"] == claim["metadata"]["name"];
        let before = all.into_iter().flatten().find(is_it);
        let before = before.and_then(|one| one.pointer(size)).cloned();
        if let (Some(before), Some(there)) = (before, claim.pointer_mut(size)) {
            *there = before;
        }
    }
    let target = Target::new(Kind::Set, key.clone(), uid);
    plan.steps = vec![
        // nobody may change it in between: its manifest is what comes back
        same_whole(now, key, "same-again"),
        orphan("away-again", &target).at(SEEN),
        template::gone("is-away-again", target),
        put(key, "undo-away", &again),
    ];
    plan.losses.push(format!(
        "set {} is away for seconds: a pod of it that fails in this time is not made anew until \
         it is back; pods and claims are not touched",
        key.name
    ));
    Ok(())
}

/// Name and size of each claim template.
fn sizes(set: &Value) -> Vec<(&str, Option<Quantity>)> {
    let templates = set["spec"]["volumeClaimTemplates"].as_array();
    let size = |one: &Value| {
        let text = one["spec"]["resources"]["requests"]["storage"].as_str()?;
        Quantity::parse(text).ok()
    };
    templates
        .into_iter()
        .flatten()
        .map(|one| {
            (
                one["metadata"]["name"].as_str().unwrap_or_default(),
                size(one),
            )
        })
        .collect()
}
