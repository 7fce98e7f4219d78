//! Taking a job back: the undo steps of whatever it did, or may have done, in reverse order.
//!
//! What a job left is not what is there now: whether its steps still fit is judged before the first
//! call (`order`), steps about a set are those of the set as it is now (`set`), and what goes
//! with it is told (`words`).

mod order;
mod set;
mod words;

use super::journal::Job;
use super::plan::{Plan, Step};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::{Call, plan::Do};
use crate::domain::inventory::Inventory;
use crate::domain::key::{Kind, ObjectKey};

/// What is looked at for it.
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::Set,
        Kind::Pod,
        Kind::Claim,
        Kind::Volume,
        Kind::Snapshot,
    ]
}

/// What must be read whole: all that the jobs were about, and all that their undo is about.
pub fn objects(inventory: &Inventory, jobs: &[Job]) -> Vec<(Kind, ObjectKey)> {
    let mut objects = Vec::new();
    for job in jobs {
        let subjects = job.plan.subjects.iter();
        objects.extend(subjects.map(|subject| (subject.kind, subject.key.clone())));
        for step in job.way_back() {
            match &step.what {
                Do::Call { call, .. } => objects.push(call.object()),
                Do::Reread {
                    objects: looked_at, ..
                } => objects.extend(looked_at.iter().cloned()),
                Do::Wait { .. } => {}
            }
        }
        if let Some(workspace) = restored_in_place(job) {
            objects.push((Kind::Pod, workspace.clone()));
            let set = inventory.workspace(workspace).and_then(|w| w.set.as_ref());
            let set = set.map(|set| crate::domain::inventory::beside(workspace, set));
            objects.extend(set.map(|set| (Kind::Set, set)));
        }
    }
    // what was never captured was never made
    objects.retain(|(_, key)| !key.name.contains("${"));
    objects.sort();
    objects.dedup();
    objects
}

/// Takes `job` back. Its steps may run whether or not what they take back happened: the performer
/// looks first.
pub fn plan(seen: &Seen<'_>, job: &Job) -> Result<Plan, Refusal> {
    let id = &job.plan.id;
    if let Some(by) = &job.undone_by {
        return Err(Refusal::new(
            RefusalKind::Request,
            format!("job {id} was taken back by {by} already"),
            "there is nothing to undo",
        ));
    }
    if !job.has_acted() {
        return Err(Refusal::new(
            RefusalKind::Request,
            format!("job {id} changed nothing"),
            "there is nothing to undo",
        ));
    }
    let request = Request::Undo {
        job: id.to_string(),
    };
    let mut plan = Plan::new(seen, ActionName::Undo, request);
    plan.steps = job.way_back().collect();
    if plan.steps.is_empty() {
        let why = match job.plan.action {
            ActionName::Resize => "a claim cannot become smaller",
            ActionName::Evict => "a session that was ended does not come back",
            _ => "none of its steps can be taken back",
        };
        return Err(Refusal::new(
            RefusalKind::NoWayBack,
            format!("job {id} cannot be undone: {why}"),
            job.plan
                .way_back
                .first()
                .map_or("see its plan with `wsdash jobs`", String::as_str),
        ));
    }
    plan.inherited = job.plan.names();
    plan.title = format!("undo {id}: {}", job.plan.title);
    plan.subjects.clone_from(&job.plan.subjects);
    plan.locks.clone_from(&job.plan.locks);
    job.plan.namespace().clone_into(&mut plan.place.namespace);
    order::without_what_is_gone(seen, &mut plan);
    order::check(seen, &plan, job)?;
    set::fit(seen, &mut plan, job)?;
    words::say(seen, &mut plan, job);
    plan.rights = rights(&plan);
    Ok(plan)
}

/// The workspace of a restore in place.
const fn restored_in_place(job: &Job) -> Option<&ObjectKey> {
    match &job.plan.request {
        Request::Restore {
            workspace,
            in_place: true,
            ..
        } => Some(workspace),
        _ => None,
    }
}

/// The rights that the calls of an undo need.
fn rights(plan: &Plan) -> Vec<Right> {
    let namespace = &plan.place.namespace;
    let mut rights = right::record(namespace);
    let mut add = |right: Right| {
        if !rights.contains(&right) {
            rights.push(right);
        }
    };
    for Step { what, .. } in &plan.steps {
        let Do::Call { call, .. } = what else {
            continue;
        };
        let (kind, _) = call.object();
        add(Right::on("get", kind, namespace));
        match call {
            Call::Create { .. } => add(Right::on("create", kind, namespace)),
            Call::Patch { .. } => add(Right::on("patch", kind, namespace)),
            Call::Delete { .. } => add(Right::on("delete", kind, namespace)),
            Call::Evict { .. } => {
                add(Right::new("create", "", "pods/eviction", Some(namespace)));
            }
            Call::Scale { .. } => add(right::scale(namespace)),
            Call::Exec { .. } => right::exec(namespace).into_iter().for_each(&mut add),
        }
    }
    rights
}
