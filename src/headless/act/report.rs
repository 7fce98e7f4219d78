//! Plans and jobs as text and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::action::journal::{End, Entry, Job, Progress, Record, StepResult};
use crate::action::plan::Plan;
use crate::action::verify;

/// Everything that the person must know before saying yes.
pub(super) fn plan(plan: &Plan) -> String {
    let mut text = format!(
        "{}\ncontext {}, namespace {}, run {}\n",
        plan.title, plan.place.context, plan.place.namespace, plan.id
    );
    for subject in &plan.subjects {
        let _ = writeln!(
            text,
            "  on {} {} (uid {})",
            subject.kind.object(),
            subject.key,
            subject.uid
        );
    }
    for (at, step) in plan.steps.iter().enumerate() {
        let _ = writeln!(text, "  {}. {}", at + 1, step.title);
        for call in step.calls() {
            let _ = writeln!(text, "       {call}");
        }
    }
    for loss in &plan.losses {
        let _ = writeln!(text, "can be lost: {loss}");
    }
    for way in &plan.way_back {
        let _ = writeln!(text, "way back: {way}");
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}

/// One word for how a job stands.
pub(super) fn state(job: &Job, is_worked_on: bool) -> &'static str {
    match &job.end {
        _ if job.undone_by.is_some() => "undone",
        _ if is_worked_on => "running",
        Some((_, End::Done)) => "done",
        Some((_, End::Failed { .. })) if job.is_unproven() => "unproven",
        Some((_, End::Failed { .. })) => "failed",
        Some((_, End::Cancelled)) => "cancelled",
        None => "cut-off",
    }
}

/// How a job ended, step by step.
pub(super) fn job(job: &Job) -> String {
    let mut text = format!("{}\n", job.plan.title);
    for (at, step) in job.plan.steps.iter().enumerate() {
        let (word, note) = progress(job, at);
        let _ = writeln!(text, "  {word:<9} {}{note}", step.title);
    }
    for (name, listing) in listings(job) {
        let _ = writeln!(text, "in {name}:");
        for line in listing.lines() {
            let _ = writeln!(text, "  {line}");
        }
    }
    for note in &job.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let id = &job.plan.id;
    let _ = match &job.end {
        Some((_, End::Done)) => writeln!(text, "done, job {id}"),
        Some((_, End::Failed { why, next })) => {
            let word = state(job, false);
            writeln!(
                text,
                "{word}: {why}; {next}\njob {id}: `wsdash resume {id}` goes on"
            )
        }
        Some((_, End::Cancelled)) => {
            writeln!(text, "cancelled; `wsdash resume {id}` goes on")
        }
        None => writeln!(text, "cut off; `wsdash resume {id}` goes on"),
    };
    text
}

/// What was seen in claims that were brought back, by claim.
fn listings(job: &Job) -> impl Iterator<Item = (&str, &str)> {
    job.captured
        .iter()
        .filter_map(|(name, text)| Some((name.strip_prefix("listing-")?, text.as_str())))
}

fn progress(job: &Job, at: usize) -> (&'static str, String) {
    match job.steps.get(at) {
        None | Some(Progress::Waiting) => ("waiting", String::new()),
        Some(Progress::Begun { .. }) => {
            let stage = job.stages.get(&at).map(|s| format!(": {s}"));
            ("begun", stage.unwrap_or_default())
        }
        Some(Progress::Over { result, .. }) => match result {
            StepResult::Done { text } => ("done", format!(": {text}")),
            StepResult::Found { text } => ("found", format!(": {text}")),
            StepResult::Tolerated { why } => ("skipped", format!(": {why}")),
            StepResult::Failed { why, .. } => ("failed", format!(": {why}")),
            StepResult::Unknown { why, .. } => ("unknown", format!(": {why}")),
        },
    }
}

/// One line of progress, as it comes.
pub(super) fn line(record: &Record, titles: &[String]) -> Option<String> {
    let title = |step: usize| titles.get(step).map_or("", String::as_str);
    Some(match &record.entry {
        Entry::Started { step, .. } => format!("{} …", title(*step)),
        Entry::Stage { text, .. } => format!("  {text}"),
        Entry::Answered { result, .. } => match result {
            StepResult::Done { text } | StepResult::Found { text } => format!("  {text}"),
            StepResult::Tolerated { why } => format!("  went without: {why}"),
            StepResult::Failed { why, .. } => format!("  failed: {why}"),
            StepResult::Unknown { why, .. } => format!("  not known for certain: {why}"),
        },
        Entry::Noted { text } => format!("note: {text}"),
        Entry::Planned { .. }
        | Entry::Began { .. }
        | Entry::Ended { .. }
        | Entry::Undone { .. } => {
            return None;
        }
    })
}

/// A job for programs.
pub(super) fn document(job: &Job) -> Value {
    let steps: Vec<Value> = job
        .plan
        .steps
        .iter()
        .enumerate()
        .map(|(number, step)| {
            let (state, note) = progress(job, number);
            let at = match job.steps.get(number) {
                Some(Progress::Begun { at } | Progress::Over { at, .. }) => Some(at),
                _ => None,
            };
            let step = step.filled(&job.captured);
            json!({"id": step.id, "title": step.title, "state": state, "at": at,
                "started": job.started.get(&number), "calls": step.calls(),
                "note": note.trim_start_matches(": ")})
        })
        .collect();
    let (failure, next) = match &job.end {
        Some((_, End::Failed { why, next })) => (Some(why), Some(next)),
        _ => (None, None),
    };
    json!({
        "id": job.plan.id, "action": job.plan.action, "title": job.plan.title,
        "context": job.plan.place.context, "namespace": job.plan.place.namespace,
        "by": job.plan.by, "began": job.began, "ended": job.end.as_ref().map(|(at, _)| at),
        "state": state(job, false), "failure": failure, "next": next, "steps": steps,
        "listings": listings(job).collect::<std::collections::BTreeMap<_, _>>(),
        "verification": verify::report(job),
        "subjects": job.plan.subjects, "notes": job.notes, "undone_by": job.undone_by,
    })
}
