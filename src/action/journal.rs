//! What was done: one file of JSON lines for each job, one line before and one after each call.
//! Encodes, decodes and replays; `cluster::perform` writes. A torn last line is what a crash
//! leaves and is passed over.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::call::Probe;
use super::plan::{Do, Plan, RunId, Step};
use super::request::Request;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub at: Timestamp,
    #[serde(flatten)]
    pub entry: Entry,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "entry")]
pub enum Entry {
    /// First line, and again when the plan was made anew before its first call.
    Planned {
        plan: Box<Plan>,
    },
    /// A process took the job up, at first or again.
    Began {
        pid: u32,
        by: String,
    },
    /// Written before a step; calls may happen from here on.
    Started {
        step: usize,
        id: String,
        attempt: u32,
    },
    /// Where a wait is. For people; says nothing about calls.
    Stage {
        step: usize,
        text: String,
    },
    /// Written after a step.
    Answered {
        step: usize,
        id: String,
        result: StepResult,
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        captured: BTreeMap<String, String>,
    },
    /// Something that went wrong and does not matter to the job, such as an Event not written.
    Noted {
        text: String,
    },
    Ended {
        end: End,
    },
    /// Another job took this one back.
    Undone {
        by: RunId,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum StepResult {
    Done {
        text: String,
    },
    /// Looked for and found: it had happened before.
    Found {
        text: String,
    },
    /// It failed and may fail.
    Tolerated {
        why: String,
    },
    /// It failed; it is known that nothing was changed by it.
    Failed {
        why: String,
        next: String,
    },
    /// It failed, and nobody knows whether it happened: it is looked for at the next chance.
    Unknown {
        why: String,
        next: String,
    },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "how")]
pub enum End {
    Done,
    Failed { why: String, next: String },
    Cancelled,
}

/// How far a step came.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Progress {
    #[default]
    Waiting,
    /// Begun, not answered: it may have happened.
    Begun {
        at: Timestamp,
    },
    Over {
        at: Timestamp,
        result: StepResult,
    },
}

impl Progress {
    /// Whether the step is behind us.
    pub const fn is_passed(&self) -> bool {
        matches!(
            self,
            Self::Over {
                result: StepResult::Done { .. }
                    | StepResult::Found { .. }
                    | StepResult::Tolerated { .. },
                ..
            }
        )
    }

    /// Whether what the step does may be so in the cluster.
    pub const fn may_have_happened(&self) -> bool {
        match self {
            Self::Waiting => false,
            Self::Begun { .. } => true,
            Self::Over { result, .. } => !matches!(result, StepResult::Failed { .. }),
        }
    }
}

/// A job as its journal tells it.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub plan: Plan,
    pub steps: Vec<Progress>,
    /// When each step was begun, the last time that it was.
    pub started: BTreeMap<usize, Timestamp>,
    /// The latest word of a wait.
    pub stages: BTreeMap<usize, String>,
    pub captured: BTreeMap<String, String>,
    pub notes: Vec<String>,
    pub began: Option<Timestamp>,
    /// `None` = running, or cut off.
    pub end: Option<(Timestamp, End)>,
    pub undone_by: Option<RunId>,
    /// Taken up again, and not one step was begun since: what was seen before is old.
    pub resumed: bool,
    /// Lines that cannot be read; the last one may be torn by a crash, others must not be there.
    pub torn: bool,
}

/// Why a journal cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// From 1.
    pub line: usize,
    pub why: String,
}

/// One line with its newline.
pub fn encode(record: &Record) -> Result<String, serde_json::Error> {
    let mut line = serde_json::to_string(record)?;
    line.push('\n');
    Ok(line)
}

/// Reads all lines; the last one is left out when it is torn, and then the flag is set.
pub fn decode(text: &str) -> Result<(Vec<Record>, bool), Broken> {
    let mut records = Vec::new();
    let count = text.lines().count();
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() {
            continue;
        }
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            // what was cut off has no newline; a whole line that makes no sense is another matter
            Err(_) if at + 1 == count && !text.ends_with('\n') => return Ok((records, true)),
            Err(error) => {
                return Err(Broken {
                    line: at + 1,
                    why: error.to_string(),
                });
            }
        }
    }
    Ok((records, false))
}

impl Job {
    /// The state of a job from its lines. `None` when not even the plan is there: nothing was done.
    pub fn replay(records: &[Record], torn: bool) -> Option<Self> {
        let mut job: Option<Self> = None;
        for record in records {
            if let Entry::Planned { plan } = &record.entry {
                job = Some(Self {
                    steps: vec![Progress::Waiting; plan.steps.len()],
                    plan: (**plan).clone(),
                    started: BTreeMap::new(),
                    stages: BTreeMap::new(),
                    captured: BTreeMap::new(),
                    notes: job.map(|j| j.notes).unwrap_or_default(),
                    began: None,
                    end: None,
                    undone_by: None,
                    resumed: false,
                    torn,
                });
            } else if let Some(job) = &mut job {
                job.take(record);
            }
        }
        job
    }

    /// Takes in one more line.
    pub fn take(&mut self, record: &Record) {
        let at = record.at;
        match &record.entry {
            Entry::Planned { .. } => {}
            Entry::Began { .. } => {
                self.resumed = self.began.is_some();
                self.began = self.began.or(Some(at));
                self.end = None;
            }
            Entry::Started { step, .. } => {
                self.resumed = false;
                // a look makes what it protects undecided again, and the looks beside it old
                if self.plan.steps.get(*step).is_some_and(Step::is_look) {
                    let mut is_beside = true;
                    let later = self.plan.steps.iter().zip(&mut self.steps);
                    for (planned, progress) in later.skip(step + 1) {
                        is_beside &= planned.is_look();
                        if is_beside || !(progress.is_passed() || progress.may_have_happened()) {
                            *progress = Progress::Waiting;
                        }
                    }
                }
                if let Some(progress) = self.steps.get_mut(*step) {
                    *progress = Progress::Begun { at };
                }
                self.started.insert(*step, at);
                self.stages.remove(step);
            }
            Entry::Stage { step, text } => {
                self.stages.insert(*step, text.clone());
            }
            Entry::Answered {
                step,
                result,
                captured,
                ..
            } => {
                if let Some(progress) = self.steps.get_mut(*step) {
                    *progress = Progress::Over {
                        at,
                        result: result.clone(),
                    };
                }
                self.captured
                    .extend(captured.iter().map(|(k, v)| (k.clone(), v.clone())));
            }
            Entry::Noted { text } => self.notes.push(text.clone()),
            Entry::Ended { end } => self.end = Some((at, end.clone())),
            Entry::Undone { by } => self.undone_by = Some(by.clone()),
        }
    }

    /// Whether any call may have changed something: a command that does no harm and has nothing
    /// to take back changes nothing.
    pub fn has_acted(&self) -> bool {
        let changes = |step: &Step| match &step.what {
            Do::Call { probe, .. } => *probe != Probe::Harmless || !step.undo.is_empty(),
            _ => false,
        };
        self.plan
            .steps
            .iter()
            .zip(&self.steps)
            .any(|(step, progress)| changes(step) && progress.may_have_happened())
    }

    /// The recorded steps that take back what may have happened, the last first.
    pub fn way_back(&self) -> impl Iterator<Item = Step> {
        let done = self.plan.steps.iter().zip(&self.steps).rev();
        done.filter(|(_, progress)| progress.may_have_happened())
            .flat_map(|(step, _)| &step.undo)
            .map(|undo| undo.filled(&self.captured))
    }

    /// Whether anything of it can be taken back.
    pub fn has_way_back(&self) -> bool {
        self.undone_by.is_none() && self.has_acted() && self.way_back().next().is_some()
    }

    /// Where to go on: the first step that is not behind us, or the looks ([`Step::is_look`])
    /// before it when none of the calls that they protect was made. `None` = all is done.
    pub fn next(&self) -> Option<usize> {
        let pending = self.steps.iter().position(|p| !p.is_passed())?;
        let is_old = self.resumed && self.plan.steps.get(pending).is_some_and(Step::is_look);
        // a call that may have happened is looked for, not judged anew; one that was not begun by
        // this process follows its look at once
        match self.steps.get(pending) {
            Some(Progress::Waiting) if !self.resumed => Some(pending),
            Some(progress) if progress.may_have_happened() && !is_old => Some(pending),
            _ => Some(self.look_before(pending).unwrap_or(pending)),
        }
    }

    /// The look that protects a call: the nearest one before it, with no call in between; of
    /// several in a row the first.
    pub fn look_before(&self, at: usize) -> Option<usize> {
        let mut found = None;
        for (at, step) in self.plan.steps.iter().take(at).enumerate().rev() {
            match &step.what {
                _ if step.is_look() => found = Some(at),
                Do::Wait { .. } if found.is_none() => {}
                _ => break,
            }
        }
        found
    }

    /// The step with what was captured put in.
    pub fn step(&self, at: usize) -> Option<Step> {
        Some(self.plan.steps.get(at)?.filled(&self.captured))
    }

    /// Whether nobody will ask for its journal again: it is over, and it has no way back, or none
    /// that matters. What keeps volumes is given up by a purge alone, however old it is.
    fn is_spent(&self, is_purged: bool, is_old: bool) -> bool {
        let is_undone = self.undone_by.is_some();
        let has_acted = self.has_acted();
        if !(self.is_done() || is_undone || self.end.is_some() && !has_acted) {
            return false;
        }
        // claims that were brought back have their volumes again; a swap that was swapped back
        // keeps what it had restored
        let keeps = match &self.plan.request {
            Request::Orphans { .. } => !is_undone,
            request => request.keeps(),
        };
        if keeps && has_acted {
            return is_purged;
        }
        let has_way_back = self.plan.steps.iter().any(|step| !step.undo.is_empty());
        is_undone || !has_way_back || !has_acted || is_old
    }

    /// Whether it ended with a wait for what looks as it should and cannot be proven.
    pub fn is_unproven(&self) -> bool {
        let mut all = self.plan.steps.iter().zip(&self.steps);
        let unknown = |progress: &Progress| {
            matches!(
                progress,
                Progress::Over {
                    result: StepResult::Unknown { .. },
                    ..
                }
            )
        };
        all.any(|(step, progress)| matches!(step.what, Do::Wait { .. }) && unknown(progress))
    }

    /// Whether it ended well.
    pub const fn is_done(&self) -> bool {
        matches!(&self.end, Some((_, End::Done)))
    }
}

/// A way back that only tidies up is not offered for longer than this.
const TIDY: SignedDuration = SignedDuration::from_hours(90 * 24);

/// Which of the `old` journals are of no more use at `now`. `about` are the newer undos and purges:
/// what they are about is needed as long as they are not done.
pub fn spent<'a>(old: &'a [Job], about: &[Job], now: Timestamp) -> Vec<&'a RunId> {
    let all = || old.iter().chain(about);
    let is_named = |id: &RunId, by: &dyn Fn(&Job) -> bool| {
        let mut jobs = all().filter(|job| by(job));
        jobs.any(|job| job.plan.request.jobs().contains(&id.0))
    };
    let is_purge = |job: &Job| matches!(job.plan.request, Request::Purge { .. });
    let mut spent: Vec<&RunId> = Vec::new();
    // what a purge is about comes before the purge, which says that it was purged
    let mut oldest_first: Vec<&Job> = old.iter().collect();
    oldest_first.sort_by_key(|job| job.plan.id.time_part());
    for job in oldest_first {
        let id = &job.plan.id;
        let is_purged = is_named(id, &|by| is_purge(by) && by.is_done());
        let is_wanted = is_named(id, &|by| !by.is_done());
        let made = id.made().unwrap_or(now);
        let is_old = now.duration_since(made) > TIDY;
        let still_tells = is_purge(job)
            && job.is_done()
            && all().any(|other| {
                let id = &other.plan.id;
                job.plan.request.jobs().contains(&id.0) && !spent.contains(&id)
            });
        if !is_wanted && !still_tells && job.is_spent(is_purged, is_old) {
            spent.push(id);
        }
    }
    spent
}
