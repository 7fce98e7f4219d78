//! Verifying several workspaces, one after another: each has a plan and a dialog of its own, and
//! the first that does not pass ends the round, so that who is behind it keeps its session.

use crossterm::event::KeyEvent;

use super::modal::{Pick, pick};
use super::propose::propose;
use crate::action::plan::RunId;
use crate::action::request::Request;
use crate::action::{Job, verify};
use crate::app::effect::Effect;
use crate::app::job::{Proposal, Round};
use crate::app::modal::Modal;
use crate::app::model::{Level, Model};
use crate::domain::key::{ObjectKey, Text};

/// What [`Modal::ChooseTest`] offers: the careful answer first. With force, and to another node.
pub const TESTS: [(&str, bool, bool); 4] = [
    (
        "only if nobody works in it (asks the session port)",
        false,
        false,
    ),
    ("only if nobody works in it; to another node", false, true),
    (
        "even if somebody works in it: the session ends",
        true,
        false,
    ),
    ("even if somebody works in it; to another node", true, true),
];

pub(super) fn ask(model: &mut Model, workspaces: Vec<ObjectKey>) -> Vec<Effect> {
    model.modal = Some(Modal::ChooseTest {
        workspaces,
        cursor: 0,
    });
    Vec::new()
}

pub(super) fn press(
    model: &mut Model,
    workspaces: Vec<ObjectKey>,
    cursor: usize,
    key: KeyEvent,
) -> Vec<Effect> {
    match pick(model, key, cursor, TESTS.len()) {
        Pick::Moved(cursor) => {
            model.modal = Some(Modal::ChooseTest { workspaces, cursor });
            Vec::new()
        }
        Pick::Left => Vec::new(),
        Pick::Chosen => {
            let (_, force, other_node) = TESTS.get(cursor).copied().unwrap_or(TESTS[0]);
            model.round = Some(Round {
                rest: workspaces.into(),
                force,
                other_node,
                is_busy: false,
                run: None,
            });
            go_on(model)
        }
    }
}

/// Asks for the next plan once nothing of the round is under way and nothing lies over the screen.
pub(super) fn go_on(model: &mut Model) -> Vec<Effect> {
    let is_free = model.modal.is_none();
    let Some(round) = model
        .round
        .as_mut()
        .filter(|round| !round.is_busy && is_free)
    else {
        return Vec::new();
    };
    let Some(workspace) = round.rest.pop_front() else {
        model.round = None;
        return Vec::new();
    };
    round.is_busy = true;
    round.run = None;
    let request = Request::Verify {
        workspace,
        force: round.force,
        other_node: round.other_node,
    };
    propose(model, request)
}

/// Who comes after the plan that is shown.
pub(super) fn follows(model: &Model) -> Vec<Text> {
    let round = model.round.as_ref().filter(|round| round.run.is_some());
    let rest = round.into_iter().flat_map(|round| &round.rest);
    rest.map(|key| Text::clone(&key.name)).collect()
}

/// A plan came, or a refusal: who is refused was left alone, then it goes on.
pub(super) fn take_plan(model: &mut Model, proposal: Option<&Proposal>) {
    let Some(round) = model.round.as_mut().filter(|round| round.is_busy) else {
        return;
    };
    match proposal {
        Some(proposal) if matches!(proposal.plan.request, Request::Verify { .. }) => {
            round.run = Some(proposal.plan.id.to_string());
        }
        Some(_) => {}
        None => round.is_busy = round.run.is_some(),
    }
}

/// Somebody said no to its plan.
pub(super) fn stop(model: &mut Model, run: &RunId) {
    if is_of(model, run.as_str()) {
        end(model);
    }
}

/// A job of the round has ended; `None` = it could not even begin.
pub(super) fn take_job(model: &mut Model, run: &str, job: Option<&Job>) {
    if !is_of(model, run) {
        return;
    }
    let has_passed = job
        .and_then(verify::report)
        .is_some_and(|report| report.class.has_passed());
    match &mut model.round {
        Some(round) if has_passed => round.is_busy = false,
        _ => end(model),
    }
}

fn is_of(model: &Model, run: &str) -> bool {
    let round = model.round.as_ref();
    round.is_some_and(|round| round.run.as_deref() == Some(run))
}

fn end(model: &mut Model) {
    let rest: Vec<Text> = model.round.take().map_or_else(Vec::new, |round| {
        round.rest.into_iter().map(|key| key.name).collect()
    });
    if !rest.is_empty() {
        let text = format!("not verified: {}", rest.join(", "));
        let before = model.notice.take();
        let before = before.map_or_else(String::new, |notice| format!("{}; ", notice.text));
        model.notify(Level::Warn, before + &text);
    }
}
