//! The persistence verification test: does the work in a workspace outlive its pod? Marked files
//! are written to every claim, the pod is evicted with its own grace and its disruption budget
//! honoured, and what its successor reads is compared with what was written.

mod fit;
mod outcome;
mod report;
mod script;
mod steps;

pub use outcome::{Class, Outcome};
pub use report::{PHASES, Report, refused, report, unknown};

use super::evict;
use super::journal::{Job, Progress};
use super::plan::{Plan, Subject};
use super::refusal::Refusal;
use super::request::{ActionName, Request};
use super::right::{self, Right};
use super::seen::Seen;
use super::session;
use crate::domain::claim::Claim;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::volume::Volume;

/// The step behind which the pod may be another.
const EVICT: &str = "evict";

/// What is looked at for it.
pub fn kinds() -> Vec<Kind> {
    vec![
        Kind::Set,
        Kind::Pod,
        Kind::Claim,
        Kind::Volume,
        Kind::Snapshot,
        Kind::Node,
    ]
}

/// One claim that is tested, and where the pod mounts it.
struct Tested<'a> {
    claim: &'a Claim,
    volume: &'a Volume,
    container: &'a str,
    mount: &'a str,
}

impl Tested<'_> {
    fn name(&self) -> &str {
        &self.claim.meta.key.name
    }
}

/// Tests one workspace. With `force` also when it cannot be told whether somebody works in it,
/// with `other_node` so that the pod comes back on another node.
pub fn plan(
    seen: &Seen<'_>,
    key: &ObjectKey,
    force: bool,
    other_node: bool,
) -> Result<Plan, Refusal> {
    seen.needs(&[Kind::Set, Kind::Pod, Kind::Claim, Kind::Volume])?;
    let request = Request::Verify {
        workspace: key.clone(),
        force,
        other_node,
    };
    let mut plan = Plan::new(seen, ActionName::Verify, request);
    let workspace = seen.workspace(key)?;
    let (set, pod) = fit::settled(seen, workspace)?;
    let tested = fit::tested(seen, workspace, pod)?;
    fit::node(seen, &tested, pod, other_node)?;
    evict::budgets(seen, pod)?;
    if force {
        // it was not looked whether somebody is in there: the person must mean this pod
        plan.typed_name = Some(key.name.to_string());
    } else {
        session::refuse_open(seen, pod)?;
        session::refuse_untold(seen, pod)?;
        plan.steps.extend(session::check(seen, pod, "is-idle"));
    }
    plan.steps
        .extend(tested.iter().map(|one| steps::room(seen, one, pod)));
    for one in &tested {
        plan.steps.extend(steps::write(seen, one, pod));
        plan.subjects
            .push(Subject::new(Kind::Claim, &one.claim.meta));
    }
    plan.subjects.push(Subject::new(Kind::Pod, &pod.meta));
    plan.steps.extend(steps::restart(seen, pod, other_node)?);
    for one in &tested {
        plan.steps.extend(steps::read(seen, one, key));
    }
    plan.steps.push(steps::others(seen, pod, set));
    plan.steps
        .extend(tested.iter().map(|one| steps::clean(seen, one, key)));
    plan.notes.push(report::budget_note(fit::budget(seen, pod)));
    plan.title = format!("verify that the work in {} persists", key.name);
    plan.losses.push(format!(
        "the session in pod {}: open editors, running programs, shells",
        key.name
    ));
    plan.way_back
        .push("claims are not touched beyond a folder of the test, which goes again".to_owned());
    plan.locks = vec![key.clone(), set.meta.key.clone()];
    let form = right::Form::of(&plan.request);
    plan.rights = right::of(plan.action, form, &plan.place.namespace);
    Ok(plan)
}

/// Whether a test that ended wrote something and surely evicted nobody: then what it wrote is
/// removed at once.
pub fn is_to_be_cleaned(job: &Job) -> bool {
    let evicted = report::progress(job, EVICT).is_some_and(Progress::may_have_happened);
    matches!(job.plan.request, Request::Verify { .. })
        && job.end.is_some()
        && job.undone_by.is_none()
        && !job.is_done()
        && job.has_acted()
        && !evicted
}

/// The smallest rights under which it can be done.
pub fn rights(namespace: &str) -> Vec<Right> {
    let mut rights = right::record(namespace);
    for kind in kinds() {
        rights.push(Right::on("list", kind, namespace));
    }
    for kind in [Kind::Set, Kind::Pod, Kind::Claim, Kind::Volume] {
        rights.push(Right::on("get", kind, namespace));
    }
    rights.push(Right::on("list", Kind::Budget, namespace));
    rights.push(Right::on("list", Kind::Event, namespace));
    rights.push(Right::new("create", "", "pods/eviction", Some(namespace)));
    rights.extend(right::exec(namespace));
    rights
}
