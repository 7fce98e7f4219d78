//! Own actions on the screen: a plan that waits for a word, and jobs running and past.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::action::journal::{End, Job, Progress, StepResult};
use crate::action::plan::Plan;
use crate::domain::findings::human_duration;
use crate::domain::key::{ObjectKey, Text};

/// A job as the view lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct JobRow {
    pub job: Job,
    /// This process, or another one, works on it.
    pub running: bool,
}

impl JobRow {
    /// One word for how it stands.
    pub fn state(&self) -> &'static str {
        match &self.job.end {
            _ if self.job.undone_by.is_some() => "undone",
            _ if self.running => "running",
            Some((_, End::Done)) => "done",
            Some((_, End::Failed { .. })) if self.job.is_unproven() => "unproven",
            Some((_, End::Failed { .. })) => "failed",
            Some((_, End::Cancelled)) => "cancelled",
            None => "cut off",
        }
    }

    pub fn started(&self) -> Timestamp {
        self.job.began.unwrap_or(self.job.plan.made)
    }

    pub fn took(&self, now: Timestamp) -> SignedDuration {
        let end = match &self.job.end {
            Some((at, _)) => *at,
            None if self.running => now,
            None => self.started(),
        };
        end.duration_since(self.started())
    }

    /// What it works on.
    pub fn subject(&self) -> String {
        match self.job.plan.subjects.as_slice() {
            [] => self.job.plan.namespace().to_owned(),
            [one] => one.key.name.to_string(),
            [one, rest @ ..] => format!("{} +{}", one.key.name, rest.len()),
        }
    }

    /// Where it is: the step that is being taken, or that it stopped at.
    pub fn step(&self) -> String {
        let at = self.job.steps.iter().position(|p| !p.is_passed());
        let total = self.job.plan.steps.len();
        match (at, &self.job.end) {
            (_, Some((_, End::Failed { why, .. }))) => why.clone(),
            (None, _) => format!("{total} of {total}"),
            (Some(at), _) => {
                let title = self.job.plan.steps.get(at).map_or("", |s| &s.title);
                let stage = self.job.stages.get(&at);
                let stage = stage.map_or_else(String::new, |s| format!(": {s}"));
                format!("{} of {total} {title}{stage}", at + 1)
            }
        }
    }

    /// Each step with how it stands, its times, its calls and what was answered.
    pub fn steps(&self) -> impl Iterator<Item = StepRow<'_>> {
        let steps = self.job.plan.steps.iter().enumerate();
        steps.map(|(at, step)| {
            let stage = self.job.stages.get(&at).cloned().unwrap_or_default();
            let (word, answer, ended) = match self.job.steps.get(at) {
                None | Some(Progress::Waiting) => ("waiting", String::new(), None),
                Some(Progress::Begun { .. }) => ("begun", stage, None),
                Some(Progress::Over { at, result }) => {
                    let (word, note) = match result {
                        StepResult::Done { text } => ("done", text),
                        StepResult::Found { text } => ("found", text),
                        StepResult::Tolerated { why } => ("skipped", why),
                        StepResult::Failed { why, .. } => ("failed", why),
                        StepResult::Unknown { why, .. } => ("unknown", why),
                    };
                    (word, note.clone(), Some(*at))
                }
            };
            StepRow {
                word,
                title: &step.title,
                began: self.job.started.get(&at).copied(),
                ended,
                // with what was captured put in, as it was sent
                calls: self
                    .job
                    .step(at)
                    .map(|step| step.calls())
                    .unwrap_or_default(),
                answer,
            }
        })
    }
}

/// One step of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct StepRow<'a> {
    pub word: &'static str,
    pub title: &'a str,
    pub began: Option<Timestamp>,
    pub ended: Option<Timestamp>,
    /// As [`crate::action::Step::calls`].
    pub calls: Vec<String>,
    /// Empty = none yet.
    pub answer: String,
}

impl StepRow<'_> {
    /// When it was begun, and how long it took or has taken until now. Empty = not begun.
    pub fn times(&self, now: Timestamp) -> String {
        let Some(began) = self.began else {
            return String::new();
        };
        let until = self.ended.unwrap_or(now);
        let took = human_duration(until.duration_since(began));
        let word = if self.ended.is_some() { "took" } else { "for" };
        format!("{} {word} {took}", began.strftime("%H:%M:%SZ"))
    }
}

/// Workspaces that are verified one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    pub rest: VecDeque<ObjectKey>,
    pub force: bool,
    pub other_node: bool,
    /// A plan is being made, waits for a word, or is carried out.
    pub is_busy: bool,
    /// Its run, once there is a plan.
    pub run: Option<String>,
}

/// A plan on the screen, before anything happens.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    pub plan: Plan,
    /// Rights that are missing; with any it cannot be performed.
    pub missing: Vec<String>,
    /// What was typed where the plan asks for a name.
    pub typed: String,
    pub choice: Choice,
    /// What the server said to each call of a dry run.
    pub rehearsal: Vec<String>,
    /// Whether the calls are shown under their steps.
    pub calls: bool,
    /// Who is asked for when this one has passed.
    pub follows: Vec<Text>,
    pub scroll: usize,
    /// Of a job that is taken up again: how far each step came.
    pub came: Option<Vec<&'static str>>,
}

/// Cancel has the focus first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    #[default]
    Cancel,
    DryRun,
    Perform,
    /// The plan as commands of kubectl, for the clipboard.
    Copy,
    /// Shows or hides the calls under their steps.
    Calls,
}

impl Proposal {
    pub const fn new(plan: Plan, missing: Vec<String>) -> Self {
        Self {
            plan,
            missing,
            typed: String::new(),
            choice: Choice::Cancel,
            rehearsal: Vec::new(),
            calls: false,
            follows: Vec::new(),
            scroll: 0,
            came: None,
        }
    }

    /// Going on with a job.
    pub fn resuming(row: &JobRow) -> Self {
        let came = row.steps().map(|step| step.word).collect();
        Self {
            came: Some(came),
            ..Self::new(row.job.plan.clone(), Vec::new())
        }
    }

    /// Why it may not be performed yet.
    pub fn obstacle(&self) -> Option<String> {
        if !self.missing.is_empty() {
            return Some(format!("no right to {}", self.missing.join(", ")));
        }
        match &self.plan.typed_name {
            Some(name) if *name != self.typed => Some(format!("type {name} to go on")),
            _ => None,
        }
    }

    pub const fn next(&mut self, forward: bool) {
        self.choice = match (self.choice, forward) {
            (Choice::Cancel, true) | (Choice::Perform, false) => Choice::DryRun,
            (Choice::DryRun, true) | (Choice::Copy, false) => Choice::Perform,
            (Choice::Perform, true) | (Choice::Calls, false) => Choice::Copy,
            (Choice::Copy, true) | (Choice::Cancel, false) => Choice::Calls,
            (Choice::Calls, true) | (Choice::DryRun, false) => Choice::Cancel,
        };
        // steps that were taken cannot be tried
        if self.came.is_some() && matches!(self.choice, Choice::DryRun) {
            self.choice = if forward {
                Choice::Perform
            } else {
                Choice::Cancel
            };
        }
    }
}
