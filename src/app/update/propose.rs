//! Asking for a plan, saying yes or no to it, and following the job.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::{choose, round};
use crate::action::journal::{Entry, Job, Record};
use crate::action::kubectl;
use crate::action::request::{Growth, Request};
use crate::app::command::Id;
use crate::app::effect::Effect;
use crate::app::job::{Choice, JobRow, Proposal};
use crate::app::listing::RowId;
use crate::app::modal::{Modal, Prompt};
use crate::app::model::{Level, Model};
use crate::domain::growth::suggested_size;
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::quantity::Quantity;

/// Lines of a dialog beside those of the steps: what can be lost is never pushed out of sight by
/// calls that nobody asked for.
const OTHER_LINES: usize = 26;

/// What is asked for by key; it becomes a plan, never a deed.
pub(super) fn ask(model: &mut Model, id: Id) -> Vec<Effect> {
    let request = match id {
        Id::Snapshot => workspaces(model).map(|workspaces| Request::Snapshot {
            workspaces,
            wait: true,
        }),
        Id::Evict => workspaces(model).map(|workspaces| Request::Evict { workspaces }),
        Id::Resize => {
            return ask_size(model);
        }
        Id::Restore => return choose::ask_point(model),
        Id::Verify => {
            return match workspaces(model) {
                Some(workspaces) => round::ask(model, workspaces),
                None => Vec::new(),
            };
        }
        Id::Orphans => Some(model.claims_of_selection())
            .filter(|claims| !claims.is_empty())
            .map(|claims| Request::Orphans { claims }),
        Id::Template => model.set_of_selection().map(|set| Request::Template {
            set,
            source_fixed: false,
        }),
        Id::Undo => job_of_selection(model).map(|job| Request::Undo { job }),
        Id::Purge => job_of_selection(model).map(|job| Request::Purge { jobs: vec![job] }),
        _ => None,
    };
    if let Some(request) = request {
        return propose(model, request);
    }
    let text = "the selected row is nothing that this can be done to";
    model.notify(Level::Warn, text);
    Vec::new()
}

pub(super) fn propose(model: &mut Model, request: Request) -> Vec<Effect> {
    model.notify(Level::Good, format!("planning {} …", request.action()));
    vec![Effect::Propose { request }]
}

/// The marked workspaces, else that of the selected row.
pub(super) fn workspaces(model: &Model) -> Option<Vec<ObjectKey>> {
    let marked: Vec<ObjectKey> = (model.listing().marks.iter())
        .filter_map(|row| match row {
            RowId::Workspace(key) => Some(key.clone()),
            _ => None,
        })
        .collect();
    if marked.is_empty() {
        return model.workspace_of_selection().map(|key| vec![key]);
    }
    Some(marked)
}

pub(super) fn job_of_selection(model: &Model) -> Option<String> {
    match model.selected()? {
        RowId::Job(id) => Some(id.clone()),
        _ => None,
    }
}

/// The selected claim, else the fullest one of the selected workspace.
fn claim_of_selection(model: &Model) -> Option<ObjectKey> {
    if let Some(RowId::Object(Kind::Claim, key)) = model.selected() {
        return Some(key.clone());
    }
    let key = model.workspace_of_selection()?;
    let workspace = model.inventory.workspace(&key)?;
    let fullness = |claim: &ObjectKey| {
        model
            .metrics
            .disk(claim)
            .map_or(-1.0, crate::domain::metric::Disk::share)
    };
    (workspace.claims.iter())
        .filter(|slot| slot.exists)
        .map(|slot| beside(&key, &slot.claim))
        .reduce(|a, b| if fullness(&b) > fullness(&a) { b } else { a })
}

fn ask_size(model: &mut Model) -> Vec<Effect> {
    match claim_of_selection(model) {
        Some(claim) => {
            let row = model.inventory.claims.get(&claim);
            let size = row.and_then(|row| row.capacity.or(row.request));
            let disk = model.metrics.disk(&claim);
            let suggested = size.map(|size| suggested_size(size, disk).canonical());
            model.modal = Some(Modal::AskSize {
                claim,
                prompt: Prompt::of(suggested.unwrap_or_else(|| "+50%".to_owned())),
            });
        }
        None => model.notify(Level::Warn, "the selected row has no claim to resize"),
    }
    Vec::new()
}

pub(super) fn press_size(
    model: &mut Model,
    claim: ObjectKey,
    mut prompt: Prompt,
    key: KeyEvent,
) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Enter => match growth(&prompt.text) {
            Some(to) => return propose(model, Request::Resize { claim, to }),
            None => model.notify(Level::Warn, "write a size such as 20Gi, +5Gi or +20%"),
        },
        _ => {
            prompt.edit(key);
        }
    }
    model.modal = Some(Modal::AskSize { claim, prompt });
    Vec::new()
}

fn growth(text: &str) -> Option<Growth> {
    let text = text.trim();
    if let Some(percent) = text.strip_prefix('+').and_then(|t| t.strip_suffix('%')) {
        return percent.trim().parse().ok().map(Growth::ByPercent);
    }
    match text.strip_prefix('+') {
        Some(by) => Quantity::parse(by).ok().map(Growth::By),
        None => Quantity::parse(text).ok().map(Growth::To),
    }
}

pub(super) fn take_proposal(model: &mut Model, result: Result<Box<Proposal>, Text>) {
    model.notice = None;
    round::take_plan(model, result.as_deref().ok());
    model.modal = Some(match result {
        Ok(mut proposal) => {
            // where there is room nobody has to ask for them
            let steps = proposal.plan.steps.iter();
            let lines: usize = steps.map(|step| 1 + step.calls().len()).sum();
            proposal.calls = lines + OTHER_LINES <= usize::from(model.size.1);
            proposal.follows = round::follows(model);
            Modal::Proposal(proposal)
        }
        Err(why) => Modal::Message {
            title: "nothing was done".into(),
            text: why.to_string(),
            scroll: 0,
        },
    });
}

pub(super) fn take_rehearsal(model: &mut Model, run: &str, lines: Vec<String>) {
    if let Some(Modal::Proposal(proposal)) = &mut model.modal
        && proposal.plan.id.as_str() == run
    {
        proposal.rehearsal = lines;
    }
}

/// Keys in the dialog. Only `enter` on the button performs, and only when nothing is in the way.
pub(super) fn press(model: &mut Model, mut proposal: Box<Proposal>, key: KeyEvent) -> Vec<Effect> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut effects = Vec::new();
    match key.code {
        KeyCode::Esc => {
            round::stop(model, &proposal.plan.id);
            return Vec::new();
        }
        KeyCode::Tab | KeyCode::Right => proposal.next(true),
        KeyCode::BackTab | KeyCode::Left => proposal.next(false),
        KeyCode::Down | KeyCode::PageDown => {
            let rows = usize::from(model.drawn.text_rows);
            let end = model.drawn.text_lines.saturating_sub(rows);
            let by = if key.code == KeyCode::Down { 1 } else { rows };
            proposal.scroll = (proposal.scroll + by).min(end);
        }
        KeyCode::Up => proposal.scroll = proposal.scroll.saturating_sub(1),
        KeyCode::PageUp => {
            let rows = usize::from(model.drawn.text_rows);
            proposal.scroll = proposal.scroll.saturating_sub(rows);
        }
        KeyCode::Char('c') if !control && proposal.plan.typed_name.is_none() => {
            proposal.calls = !proposal.calls;
        }
        KeyCode::Backspace => {
            proposal.typed.pop();
        }
        KeyCode::Char(c) if !control && proposal.plan.typed_name.is_some() => {
            proposal.typed.push(c);
        }
        KeyCode::Enter => match proposal.choice {
            Choice::Cancel => {
                model.notify(Level::Good, "nothing was done");
                round::stop(model, &proposal.plan.id);
                return Vec::new();
            }
            Choice::DryRun => {
                proposal.rehearsal = vec!["asking the server …".into()];
                effects.push(Effect::Rehearse {
                    plan: Box::new(proposal.plan.clone()),
                });
            }
            Choice::Copy => {
                let text = kubectl::lines(&proposal.plan).join("\n");
                model.notify(Level::Good, "copied the commands of kubectl");
                effects.push(Effect::Copy { text });
            }
            Choice::Calls => proposal.calls = !proposal.calls,
            Choice::Perform => match proposal.obstacle() {
                Some(why) => model.notify(Level::Warn, why),
                None if proposal.came.is_some() => return go_on(model, &proposal.plan),
                None => return perform(model, proposal.plan),
            },
        },
        _ => {}
    }
    model.modal = Some(Modal::Proposal(proposal));
    effects
}

fn perform(model: &mut Model, plan: crate::action::Plan) -> Vec<Effect> {
    if let Some(listing) = model.listings.get_mut(&model.view) {
        listing.marks.clear();
    }
    model.notify(Level::Good, format!("{}: 9 follows it", plan.title));
    vec![Effect::Perform {
        plan: Box::new(plan),
    }]
}

/// One line of a journal, as it is written.
pub(super) fn take_record(model: &mut Model, run: String, record: &Record) {
    if let Entry::Planned { .. } = &record.entry {
        if let Some(job) = Job::replay(std::slice::from_ref(record), false) {
            model.jobs.insert(run, JobRow { job, running: true });
            // nobody was told of this one
            model.warned = None;
        }
    } else if let Some(row) = model.jobs.get_mut(&run) {
        row.running = true;
        row.job.take(record);
    }
    model.stirred = true;
}

pub(super) fn take_end(model: &mut Model, run: &str, result: Result<Box<Job>, Text>) {
    match result {
        Ok(job) => {
            let row = JobRow {
                job: *job,
                running: false,
            };
            let level = if row.job.is_done() {
                Level::Good
            } else {
                Level::Bad
            };
            model.notify(level, format!("{}: {}", row.job.plan.title, row.state()));
            round::take_job(model, run, Some(&row.job));
            // The journal of the other job says so too; its lines were not sent here.
            if let Request::Undo { job } = &row.job.plan.request
                && row.job.is_done()
                && let Some(other) = model.jobs.get_mut(job)
            {
                other.job.undone_by = Some(row.job.plan.id.clone());
            }
            model.jobs.insert(run.to_owned(), row);
        }
        Err(why) => {
            if let Some(row) = model.jobs.get_mut(run) {
                row.running = false;
            }
            model.notify(Level::Bad, why.to_string());
            round::take_job(model, run, None);
        }
    }
    model.stirred = true;
}

/// Quitting asks while a job runs: what is cut off can be resumed, and that must be known.
pub(super) fn may_quit(model: &mut Model) -> bool {
    let running = model.jobs.values().filter(|row| row.running).count();
    if running == 0 || model.warned.is_some_and(|until| model.now < until) {
        return true;
    }
    model.notify(
        Level::Warn,
        format!("{running} running: ctrl-c again leaves after the step; `wsdash resume` goes on"),
    );
    // as long as it stands on the screen
    model.warned = model.notice.as_ref().map(|notice| notice.until);
    false
}

/// Asks whether to go on with the job under the cursor, as for anything else that changes something.
pub(super) fn resume(model: &mut Model) -> Vec<Effect> {
    let Some(run) = job_of_selection(model) else {
        return Vec::new();
    };
    let Some(row) = model.jobs.get(&run) else {
        return Vec::new();
    };
    if row.running || row.job.is_done() || row.job.undone_by.is_some() {
        let text = format!("there is nothing to resume: it is {}", row.state());
        model.notify(Level::Warn, text);
        return Vec::new();
    }
    model.modal = Some(Modal::Proposal(Box::new(Proposal::resuming(row))));
    Vec::new()
}

fn go_on(model: &mut Model, plan: &crate::action::Plan) -> Vec<Effect> {
    model.notify(Level::Good, format!("{}: going on", plan.title));
    vec![Effect::Resume {
        run: plan.id.to_string(),
    }]
}
