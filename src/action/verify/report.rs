//! What a test found, told from its job: one class, the evidence, and how long each phase took.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::EVICT;
use super::outcome::{Class, Outcome, outcomes, written};
use super::script::FOLDER;
use crate::action::call::NOT_TAKEN;
use crate::action::guard;
use crate::action::journal::{End, Job, Progress, StepResult};
use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::request::Request;
use crate::domain::key::{Kind, ObjectKey};

/// Begins the note with the time that a restart may take.
const BUDGET: &str = "the restart may take ";

/// The phases of a restart in their order, named as the steps that end them.
pub const PHASES: [&str; 5] = ["ended", "made", "scheduled", "mounted", "ready"];

/// The note with the seconds that a restart may take.
pub(super) fn budget_note(seconds: i64) -> String {
    format!("{BUDGET}{seconds} s")
}

/// The result of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub workspace: ObjectKey,
    pub class: Class,
    /// One word for the class.
    pub word: &'static str,
    pub means: &'static str,
    pub says: String,
    pub next: Option<String>,
    /// The job in the journal; `null` = refused before anything was done.
    pub job: Option<String>,
    pub began: Option<Timestamp>,
    pub claims: Vec<Outcome>,
    /// Seconds from the eviction to the end of each phase.
    pub seconds: BTreeMap<&'static str, i64>,
    /// Seconds that the restart may take.
    pub budget: Option<i64>,
    /// When the conditions of the new pod came true, as the cluster says.
    pub conditions: BTreeMap<String, Timestamp>,
    pub pod_before: Option<String>,
    pub pod_after: Option<String>,
    pub node_after: Option<String>,
    /// What is still there of the test, each with its place.
    pub leftovers: Vec<String>,
}

/// The report of a test that was not begun.
pub fn refused(workspace: &ObjectKey, refusal: &Refusal) -> Report {
    let lacks_exec = refusal.kind == RefusalKind::Right && refusal.sentence.contains("pods/exec");
    let class = match refusal.kind {
        // the only call that the server can judge before is the eviction
        RefusalKind::Budget | RefusalKind::DryRun => Class::F2,
        // the test cannot be looked at: nothing is known of the persistence
        _ if lacks_exec => Class::F12,
        _ => Class::F0,
    };
    Report {
        next: Some(refusal.next.clone()),
        ..bare(workspace, class, refusal.sentence.clone())
    }
}

/// The report of a test of which it is not known how it went.
pub fn unknown(workspace: &ObjectKey, why: String) -> Report {
    bare(workspace, Class::F12, why)
}

fn bare(workspace: &ObjectKey, class: Class, says: String) -> Report {
    Report {
        workspace: workspace.clone(),
        class,
        word: class.word(),
        means: class.means(),
        says,
        next: None,
        job: None,
        began: None,
        claims: Vec::new(),
        seconds: BTreeMap::new(),
        budget: None,
        conditions: BTreeMap::new(),
        pod_before: None,
        pod_after: None,
        node_after: None,
        leftovers: Vec::new(),
    }
}

/// The report of a job. `None` = the job is no such test.
pub fn report(job: &Job) -> Option<Report> {
    let Request::Verify { workspace, .. } = &job.plan.request else {
        return None;
    };
    let claims = outcomes(job);
    let conditions = conditions(job);
    let seconds = seconds(job, &conditions);
    let leftovers = leftovers(job);
    let budget = job.plan.notes.iter().find_map(|note| {
        let rest = note.strip_prefix(BUDGET)?.strip_suffix(" s")?;
        rest.parse::<i64>().ok()
    });
    let (class, says, next) = judge(job, &claims, seconds.get("ready").copied(), budget);
    let (class, says, next) = match leftovers.first() {
        Some(first) if class.has_passed() => {
            let next = format!("remove {}", leftovers.join(" and "));
            (Class::F13, format!("{first} is still there"), Some(next))
        }
        _ => (class, says, next),
    };
    let captured = |name: &str| {
        let text = job.captured.get(name).filter(|text| !text.is_empty());
        text.cloned()
    };
    let pods = job.plan.subjects.iter().find(|s| s.kind == Kind::Pod);
    Some(Report {
        next,
        job: Some(job.plan.id.to_string()),
        began: job.began,
        claims,
        seconds,
        budget,
        conditions,
        pod_before: pods.map(|pod| pod.uid.clone()),
        pod_after: captured("uid-after"),
        node_after: captured("node-after"),
        leftovers,
        ..bare(workspace, class, says)
    })
}

/// How far a step came, by its id.
pub(super) fn progress<'a>(job: &'a Job, id: &str) -> Option<&'a Progress> {
    let at = job.plan.steps.iter().position(|step| step.id == id)?;
    job.steps.get(at)
}

/// How a step ended.
pub(super) fn over<'a>(job: &'a Job, id: &str) -> Option<(Timestamp, &'a StepResult)> {
    match progress(job, id)? {
        Progress::Over { at, result } => Some((*at, result)),
        _ => None,
    }
}

/// Why a step that may fail did.
pub(super) fn tolerated<'a>(job: &'a Job, id: &str) -> Option<&'a str> {
    match over(job, id)?.1 {
        StepResult::Tolerated { why } => Some(why),
        _ => None,
    }
}

type Judged = (Class, String, Option<String>);

fn judge(job: &Job, claims: &[Outcome], took: Option<i64>, budget: Option<i64>) -> Judged {
    if let Some((_, End::Failed { why, next })) = &job.end {
        let next = match &job.undone_by {
            Some(_) => "what was written was removed; mend it and test again".to_owned(),
            None => next.clone(),
        };
        return (class_of_failure(job, why), why.clone(), Some(next));
    }
    if !job.is_done() {
        let next = match &job.undone_by {
            Some(_) => "what was written was removed; test again".to_owned(),
            None => format!("`wsdash resume {}` goes on", job.plan.id),
        };
        return (Class::F12, "the test was cut off".to_owned(), Some(next));
    }
    let failed = claims.iter().filter(|outcome| outcome.class != Class::Pass);
    let worst = failed.min_by_key(|outcome| outcome.class.gravity());
    let is_ready = tolerated(job, "ready").is_none();
    if let Some(worst) = worst
        && (is_ready || worst.class != Class::F12)
    {
        return (worst.class, worst.says.clone(), None);
    }
    let disturbed = tolerated(job, "others");
    if let Some(why) = disturbed.filter(|why| guard::is_finding(why)) {
        return (Class::F14, why.to_owned(), None);
    }
    if let Some(why) = tolerated(job, "ready") {
        let data = worst.map_or("what was written is all there", |worst| &worst.says);
        return (Class::F7, format!("{why}; {data}"), None);
    }
    if let Some(why) = tolerated(job, "scheduled") {
        return (
            Class::F5,
            format!("on no other node: {why}; it came back where it was"),
            None,
        );
    }
    if let Some(why) = disturbed {
        let says = format!("whether other pods were disturbed is not known: {why}");
        return (Class::F12, says, None);
    }
    let Some(took) = took else {
        return (Class::F12, "the restart was not seen".to_owned(), None);
    };
    match budget {
        Some(budget) if took > budget => (
            Class::PassSlow,
            format!("the restart took {took} s, of {budget} s that it may take"),
            None,
        ),
        _ => (
            Class::Pass,
            format!("everything is there, {took} s after the eviction"),
            None,
        ),
    }
}

/// The step that ended the test says which class it is.
fn class_of_failure(job: &Job, why: &str) -> Class {
    let failed = job.steps.iter().position(|progress| {
        matches!(
            progress,
            Progress::Over {
                result: StepResult::Failed { .. } | StepResult::Unknown { .. },
                ..
            }
        )
    });
    let step = failed.and_then(|at| job.plan.steps.get(at));
    let result = failed.and_then(|at| job.steps.get(at));
    let is_unknown = result.is_some_and(Progress::may_have_happened) || why.contains(NOT_TAKEN);
    let id = step.map_or("", |step| step.id.as_str());
    // a tool that is not in the image, or a shell that cannot be run, says nothing of the disk
    let is_unable = ["code 126", "code 127"].iter().any(|w| why.contains(w));
    let has_ended = why.contains("ended with code") && !is_unable;
    let has_printed = why.contains("printed something else");
    let stage = id.split('-').next().unwrap_or(id);
    match stage {
        // somebody is connected
        "is" if has_printed => Class::F0,
        "room" | "write" if has_ended => Class::F1,
        "sum" if has_printed => Class::F10,
        // a server that is away or busy says nothing of the pod
        EVICT if is_unknown => Class::F12,
        "cordon" | EVICT => Class::F2,
        "ended" => Class::F3,
        "made" => Class::F4,
        "scheduled" => Class::F5,
        "mounted" => Class::F6,
        _ => Class::F12,
    }
}

/// When the conditions of the new pod came true.
fn conditions(job: &Job) -> BTreeMap<String, Timestamp> {
    let text = job.captured.get("conditions-after").map(String::as_str);
    let all: Vec<Value> = serde_json::from_str(text.unwrap_or_default()).unwrap_or_default();
    all.iter()
        .filter(|condition| condition["status"] == "True")
        .filter_map(|condition| {
            let at = condition["lastTransitionTime"].as_str()?.parse().ok()?;
            Some((condition["type"].as_str()?.to_owned(), at))
        })
        .collect()
}

/// From the eviction on. A job that was cut off and resumed saw the pod ready long after it was:
/// then the pod itself says when that was.
fn seconds(job: &Job, told: &BTreeMap<String, Timestamp>) -> BTreeMap<&'static str, i64> {
    let Some((evicted, StepResult::Done { .. } | StepResult::Found { .. })) = over(job, EVICT)
    else {
        return BTreeMap::new();
    };
    let mut seconds: BTreeMap<&'static str, i64> = PHASES
        .into_iter()
        .filter_map(|id| match over(job, id)? {
            (at, StepResult::Done { .. }) => Some((id, at.duration_since(evicted).as_secs())),
            _ => None,
        })
        .collect();
    let told = told
        .get("Ready")
        .map(|at| at.duration_since(evicted).as_secs());
    // a phase before it cannot have ended later
    if let Some(told) = told.filter(|told| *told >= 0 && seconds.contains_key("ready")) {
        for seen in seconds.values_mut() {
            *seen = (*seen).min(told);
        }
    }
    seconds
}

/// Folders that may have been written and were not surely removed, and a node that is not given
/// back.
fn leftovers(job: &Job) -> Vec<String> {
    if job.undone_by.is_some() {
        return Vec::new();
    }
    let is_done = |id: &str| {
        matches!(
            over(job, id),
            Some((_, StepResult::Done { .. } | StepResult::Found { .. }))
        )
    };
    let claims = job.plan.subjects.iter().filter(|s| s.kind == Kind::Claim);
    let folders = claims.filter_map(|claim| {
        let name = &*claim.key.name;
        // what failed may have written a part, and may not have been able to remove it
        let is_there = *progress(job, &format!("write-{name}"))? != Progress::Waiting;
        let mount = written(job, name)?.mount;
        (is_there && !is_done(&format!("clean-{name}")))
            .then(|| format!("{mount}/{FOLDER}/{} in {name}", job.plan.id))
    });
    let mut all: Vec<String> = folders.collect();
    let is_cordoned = progress(job, "cordon").is_some_and(Progress::may_have_happened);
    if is_cordoned && !is_done("uncordon") {
        all.push("the node that was taken out of scheduling".to_owned());
    }
    all
}
