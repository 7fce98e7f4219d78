//! The walk through the steps of a job: writes the journal before and after each, waits, looks,
//! and tells everybody who listens. Decides nothing: the plan does.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::attempt::{Attempt, Called};
use super::file::JournalFile;
use super::lease::Leases;
use super::run::Performer;
use super::{Answer, EventNote, look};
use crate::action::condition::{Condition, Standing};
use crate::action::journal::{End, Entry, Job, Progress, Record, StepResult};
use crate::action::plan::{Do, OnFailure, Source, Step};
use crate::action::request::ActionName;
use crate::action::{Guard, Probe, verify};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::Metrics;

/// Between two looks at what is waited for.
const POLL: Duration = Duration::from_millis(700);
/// How often a look in the middle of a job is repeated because of conflicts.
const MOST_CONFLICTS: u32 = 5;
/// A server that is away while something is looked at gets this long.
const LOOK_PATIENCE: Duration = Duration::from_secs(120);
/// A lease whose renewal is late gets this long.
const LEASE_PATIENCE: Duration = Duration::from_secs(20);

/// One process at work on one job.
pub(super) struct Walk<'a> {
    pub(super) performer: &'a Performer,
    pub(super) job: Job,
    pub(super) file: JournalFile,
    pub(super) progress: mpsc::Sender<Record>,
    pub(super) leases: &'a Leases,
    pub(super) cancel: CancellationToken,
}

/// How one step ended.
pub(super) enum Ended {
    Done(String, BTreeMap<String, String>),
    Found(String, BTreeMap<String, String>),
    /// Nothing was changed by it.
    Failed(Reason),
    /// Nobody knows whether it happened.
    Unknown(Reason),
    /// The world changed under the call; the look before it must be repeated.
    Conflict(Reason),
    Cancelled,
}

/// What went wrong and the next step.
pub(super) struct Reason {
    pub(super) why: String,
    pub(super) next: String,
}

impl Reason {
    pub(super) fn new(why: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            next: next.into(),
        }
    }

    fn end(&self) -> End {
        End::Failed {
            why: self.why.clone(),
            next: self.next.clone(),
        }
    }
}

impl Walk<'_> {
    /// From the first step that is not behind us to the last, or to where it ends.
    pub(super) async fn whole(&mut self) -> Result<End> {
        let began = Entry::Began {
            pid: std::process::id(),
            by: self.performer.by().to_owned(),
        };
        self.write(began).await?;
        self.announce("Requested", false).await?;
        let end = self.steps().await?;
        let (word, warning) = match (&end, self.has_passed(&end)) {
            (End::Done, Some(true)) => ("Passed", false),
            (End::Done | End::Failed { .. }, Some(false)) | (End::Failed { .. }, _) => {
                ("Failed", true)
            }
            (End::Done, None) => ("Done", false),
            (End::Cancelled, _) => ("Cancelled", true),
        };
        self.announce(word, warning).await?;
        Ok(end)
    }

    /// How a test came out. `None` = the job is no test.
    fn has_passed(&self, end: &End) -> Option<bool> {
        let mut job = self.job.clone();
        job.end = Some((self.performer.caller().now(), end.clone()));
        Some(verify::report(&job)?.class.has_passed())
    }

    /// Nothing goes on before the line is on the disk. A listener that is slow slows the job down;
    /// one that went away does not.
    async fn write(&mut self, entry: Entry) -> Result<()> {
        let at = self.performer.caller().now();
        let record = Record { at, entry };
        self.file.write(&record).await?;
        self.job.take(&record);
        let _ = self.progress.send(record).await;
        Ok(())
    }

    async fn steps(&mut self) -> Result<End> {
        let names = self.job.plan.names();
        let mut conflicts = 0;
        let mut attempts: BTreeMap<usize, u32> = BTreeMap::new();
        while let Some(at) = self.job.next() {
            let Some(step) = self.job.step(at) else { break };
            if self.cancel.is_cancelled() {
                return Ok(End::Cancelled);
            }
            if step.mutates() && !self.leases_are_held().await {
                return Ok(Reason::new(
                    "the lease of the workspace was lost: another run may work on it",
                    "`wsdash resume` goes on when the other has ended",
                )
                .end());
            }
            // an undo is written for what may or may not have happened: it always looks first
            let looks_first = self
                .job
                .steps
                .get(at)
                .is_some_and(Progress::may_have_happened)
                || self.job.plan.action == ActionName::Undo;
            let attempt = attempts.entry(at).or_default();
            *attempt += 1;
            let started = Entry::Started {
                step: at,
                id: step.id.clone(),
                attempt: *attempt,
            };
            self.write(started).await?;
            let missing = step.missing(&names);
            let ended = if missing.is_empty() {
                self.step(at, &step, looks_first).await?
            } else {
                let why = format!("it is not known what {} is", missing.join(", "));
                Ended::Failed(Reason::new(why, "undo the job"))
            };
            let is_conflict = matches!(ended, Ended::Conflict(_));
            conflicts += u32::from(is_conflict);
            let looks_again =
                is_conflict && conflicts < MOST_CONFLICTS && self.job.look_before(at).is_some();
            let Some((result, captured, end)) = settle(&step, ended) else {
                return Ok(End::Cancelled);
            };
            let answered = Entry::Answered {
                step: at,
                id: step.id.clone(),
                result,
                captured,
            };
            self.write(answered).await?;
            if let Some(end) = end.filter(|_| !looks_again) {
                return Ok(end);
            }
        }
        Ok(End::Done)
    }

    /// A renewal that is late gets a moment; what is lost stays lost.
    async fn leases_are_held(&self) -> bool {
        let deadline = Instant::now() + LEASE_PATIENCE;
        while !self.leases.are_held() {
            if self.leases.are_lost() || Instant::now() > deadline {
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
        true
    }

    async fn step(&mut self, at: usize, step: &Step, looks_first: bool) -> Result<Ended> {
        match &step.what {
            Do::Call { call, probe } => {
                let attempt = Attempt {
                    caller: self.performer.caller(),
                    call,
                    probe,
                    cancel: &self.cancel,
                };
                let (answer, was_found) =
                    match attempt.make(looks_first && *probe != Probe::Harmless).await {
                        Called::Answered(answer) => (answer, false),
                        Called::Found(answer) => (answer, true),
                        Called::Ended(ended) => return Ok(ended),
                    };
                Ok(match self.captured(step, Some(&answer)).await {
                    Ok(captured) if was_found => Ended::Found(answer.text, captured),
                    Ok(captured) => Ended::Done(answer.text, captured),
                    // the call was made; what it captures is looked for at the next chance
                    Err(why) => Ended::Unknown(Reason::new(why, "resume the job")),
                })
            }
            Do::Wait { until, ceiling } => self.wait(at, step, until, *ceiling).await,
            Do::Reread {
                kinds,
                objects,
                guard,
            } => Ok(self.reread(step, kinds, objects, guard).await),
        }
    }

    async fn wait(
        &mut self,
        at: usize,
        step: &Step,
        until: &Condition,
        ceiling: u32,
    ) -> Result<Ended> {
        let deadline = Instant::now() + Duration::from_secs(u64::from(ceiling));
        let mut last = String::new();
        let mut unproven_since = None;
        loop {
            let stood = look::stand(self.performer.caller(), until).await;
            if !matches!(stood, Ok(Standing::Unproven { .. })) {
                unproven_since = None;
            }
            let stage = match stood {
                Ok(Standing::Met { note }) => {
                    return Ok(match self.captured(step, None).await {
                        Ok(captured) => Ended::Done(note, captured),
                        Err(why) => Ended::Failed(Reason::new(why, "resume the job")),
                    });
                }
                Ok(Standing::Unproven {
                    why,
                    next,
                    patience,
                }) => {
                    let since = *unproven_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= Duration::from_secs(patience.into()) {
                        return Ok(Ended::Unknown(Reason { why, next }));
                    }
                    why
                }
                Ok(Standing::Failed { why, next }) => {
                    return Ok(Ended::Failed(Reason { why, next }));
                }
                Ok(Standing::Pending { stage }) => stage,
                Err(fault) => format!("not known: {}", fault.sentence),
            };
            if stage != last {
                let text = stage.clone();
                self.write(Entry::Stage { step: at, text }).await?;
                last = stage;
            }
            if Instant::now() > deadline {
                let why = format!("still not so after {ceiling} s: {last}");
                return Ok(Ended::Failed(Reason::new(why, "resume goes on waiting")));
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.cancel.cancelled() => return Ok(Ended::Cancelled),
            }
        }
    }

    /// Looks anew and has the guard judge; what is captured is of the same look.
    async fn reread(
        &self,
        step: &Step,
        kinds: &[Kind],
        objects: &[(Kind, ObjectKey)],
        guard: &Guard,
    ) -> Ended {
        let namespace = self.job.plan.namespace();
        let deadline = Instant::now() + LOOK_PATIENCE;
        let fresh = loop {
            let fresh = look::look(
                self.performer.caller(),
                self.performer.policy(),
                namespace,
                (kinds, &[]),
                |_| objects.to_vec(),
            );
            let fresh = tokio::select! {
                fresh = fresh => fresh,
                () = self.cancel.cancelled() => return Ended::Cancelled,
            };
            match fresh {
                Ok(fresh) => break fresh,
                // looking changes nothing: a server that is away is waited for
                Err(fault) if fault.is_transient() && Instant::now() < deadline => {}
                Err(fault) => return Ended::Failed(Reason::new(fault.sentence, fault.next)),
            }
            tokio::select! {
                () = tokio::time::sleep(POLL) => {}
                () = self.cancel.cancelled() => return Ended::Cancelled,
            }
        };
        let metrics = Metrics::default();
        let run = &self.job.plan.id;
        let seen = self
            .performer
            .seen(&fresh, &metrics, run, self.performer.caller().now());
        if let Err(refusal) = guard.check(&seen) {
            return Ended::Failed(Reason::new(refusal.sentence, refusal.next));
        }
        let mut captured = BTreeMap::new();
        for capture in &step.captures {
            let Source::Object { kind, key, pointer } = &capture.from else {
                continue;
            };
            let object = seen.objects.get(*kind, key);
            let Some(value) = object.and_then(|object| object.pointer(pointer)) else {
                let why = format!("{} {key} has no {pointer}", kind.object());
                return Ended::Failed(Reason::new(why, "look at it again and decide anew"));
            };
            captured.insert(capture.name.clone(), text_of(value));
        }
        Ended::Done("as it should be".to_owned(), captured)
    }

    /// The values that later steps need.
    async fn captured(
        &self,
        step: &Step,
        answer: Option<&Answer>,
    ) -> std::result::Result<BTreeMap<String, String>, String> {
        let mut captured = BTreeMap::new();
        for capture in &step.captures {
            let text = match &capture.from {
                Source::Answer { pointer } => answer
                    .and_then(|answer| answer.object.pointer(pointer))
                    .map(text_of)
                    .ok_or_else(|| format!("the answer has no {pointer}"))?,
                Source::Object { kind, key, pointer } => {
                    let object = self.performer.caller().get(*kind, key).await;
                    let object = object.map_err(|fault| fault.sentence)?;
                    object
                        .as_ref()
                        .and_then(|object| object.pointer(pointer))
                        .map(text_of)
                        .ok_or_else(|| format!("{} {key} has no {pointer}", kind.object()))?
                }
                Source::Outcome { done, .. } => done.clone(),
                Source::Stdout => answer.map(|a| a.stdout.clone()).unwrap_or_default(),
                Source::Exit => answer
                    .and_then(|a| a.exit)
                    .map_or_else(String::new, |code| code.to_string()),
            };
            captured.insert(capture.name.clone(), text);
        }
        Ok(captured)
    }

    /// Events on every subject: what is begun, and how it ended. Not being able to is noted.
    async fn announce(&mut self, word: &str, warning: bool) -> Result<()> {
        let plan = &self.job.plan;
        let action = plan.action.to_string();
        let mut reason = String::from("Wsdash");
        if plan.action == ActionName::Verify {
            reason.push_str("PersistenceTest");
        } else {
            reason.extend(action.chars().take(1).flat_map(char::to_uppercase));
            reason.extend(action.chars().skip(1));
        }
        reason.push_str(word);
        let text = format!("{} by {}, run {}", plan.title, plan.by, plan.id);
        let mut trouble = None;
        for subject in &plan.subjects {
            let note = EventNote {
                kind: subject.kind,
                key: &subject.key,
                uid: &subject.uid,
                run: plan.id.as_str(),
                action: &action,
                reason: &reason,
                text: &text,
                warning,
                at: self.performer.caller().now(),
            };
            if let Err(fault) = self.performer.caller().write_event(&note).await {
                trouble = Some(fault);
                break;
            }
        }
        if let Some(fault) = trouble {
            let text = format!("no event was written: {fault}");
            self.write(Entry::Noted { text }).await?;
        }
        Ok(())
    }
}

type Settled = (StepResult, BTreeMap<String, String>, Option<End>);

/// What the journal says of a step, and whether the job ends with it. `None` = cancelled: the
/// journal says nothing, so that the step counts as begun.
fn settle(step: &Step, ended: Ended) -> Option<Settled> {
    let none = BTreeMap::new();
    Some(match ended {
        Ended::Cancelled => return None,
        Ended::Done(text, captured) => (StepResult::Done { text }, captured, None),
        Ended::Found(text, captured) => (StepResult::Found { text }, captured, None),
        Ended::Failed(reason) | Ended::Unknown(reason) | Ended::Conflict(reason)
            if step.on_failure == OnFailure::Continue =>
        {
            let result = StepResult::Tolerated { why: reason.why };
            (result, empty_captures(step), None)
        }
        Ended::Failed(reason) | Ended::Conflict(reason) => {
            let end = reason.end();
            let Reason { why, next } = reason;
            (StepResult::Failed { why, next }, none, Some(end))
        }
        Ended::Unknown(reason) => {
            let end = reason.end();
            let Reason { why, next } = reason;
            (StepResult::Unknown { why, next }, none, Some(end))
        }
    })
}

/// What a step that failed and may fail leaves to later ones.
fn empty_captures(step: &Step) -> BTreeMap<String, String> {
    let value = |from: &Source| match from {
        Source::Outcome { failed, .. } => failed.clone(),
        _ => String::new(),
    };
    step.captures
        .iter()
        .map(|capture| (capture.name.clone(), value(&capture.from)))
        .collect()
}

fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}
