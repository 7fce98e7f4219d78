//! Taking a job back: the undo steps of whatever it did, or may have done, in reverse order.

use super::journal::{Job, Progress};
use super::plan::{Plan, Step};
use super::refusal::{Refusal, RefusalKind};
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::{Call, plan::Do};

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
    let done = job.plan.steps.iter().zip(&job.steps).rev();
    for (step, _) in done.filter(|(_, progress)| Progress::may_have_happened(progress)) {
        plan.steps
            .extend(step.undo.iter().map(|undo| undo.filled(&job.captured)));
    }
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
    plan.title = format!("undo {id}: {}", job.plan.title);
    plan.subjects.clone_from(&job.plan.subjects);
    plan.locks.clone_from(&job.plan.locks);
    job.plan.namespace().clone_into(&mut plan.place.namespace);
    plan.rights = rights(&plan);
    Ok(plan)
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
            Call::Scale { .. } => add(Right::new(
                "patch",
                "apps",
                "statefulsets/scale",
                Some(namespace),
            )),
            Call::Exec { .. } => right::exec(namespace).into_iter().for_each(&mut add),
        }
    }
    rights
}
