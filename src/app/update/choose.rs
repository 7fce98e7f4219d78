//! Questions: ahead of a restore, which point in time and where to; and which Prometheus to ask.

use crossterm::event::{KeyCode, KeyEvent};

use super::modal::{Pick, pick};
use super::propose::propose;
use crate::action::request::Request;
use crate::action::restore::{Point, points};
use crate::app::effect::Effect;
use crate::app::modal::Modal;
use crate::app::model::{Level, Model};
use crate::domain::key::{Kind, ObjectKey};

/// Lists the points in time of the selected workspace; says why when there are none.
pub(super) fn ask_point(model: &mut Model) -> Vec<Effect> {
    let workspace = model.workspace_of_selection();
    let found = workspace.and_then(|key| model.inventory.workspace(&key));
    let Some(found) = found else {
        model.notify(Level::Warn, "the selected row belongs to no workspace");
        return Vec::new();
    };
    let workspace = found.key.clone();
    let points = points(&model.inventory, found);
    // While snapshots are still being read, a point in time may look as if half of it were missing.
    let known = model.inventory.freshness().get(Kind::Snapshot);
    if !known.was_complete() || points.is_empty() {
        let text = if known.was_complete() {
            format!("{} has no snapshot that is ready", workspace.name)
        } else {
            format!("which snapshots {} has is not known", workspace.name)
        };
        model.notify(Level::Warn, text);
        return Vec::new();
    }
    model.modal = Some(Modal::ChoosePoint {
        workspace,
        points,
        cursor: 0,
        in_place: false,
    });
    Vec::new()
}

/// Keys while a point in time is chosen; `tab` says where to.
pub(super) fn press_point(
    model: &mut Model,
    (workspace, points): (ObjectKey, Vec<Point>),
    (cursor, in_place): (usize, bool),
    key: KeyEvent,
) -> Vec<Effect> {
    let (cursor, in_place) = match key.code {
        KeyCode::Tab | KeyCode::BackTab => (cursor, !in_place),
        _ => match pick(model, key, cursor, points.len()) {
            Pick::Moved(cursor) => (cursor, in_place),
            Pick::Left => return Vec::new(),
            Pick::Chosen => {
                let from = points.get(cursor).map(|point| point.id.to_string());
                let request = Request::Restore {
                    workspace,
                    from,
                    in_place,
                    claims: Vec::new(),
                    force: false,
                };
                return propose(model, request);
            }
        },
    };
    model.modal = Some(Modal::ChoosePoint {
        workspace,
        points,
        cursor,
        in_place,
    });
    Vec::new()
}

pub(super) fn press_metrics(
    model: &mut Model,
    candidates: Vec<String>,
    cursor: usize,
    key: KeyEvent,
) -> Vec<Effect> {
    match pick(model, key, cursor, candidates.len()) {
        Pick::Moved(cursor) => {
            model.modal = Some(Modal::ChooseMetrics { candidates, cursor });
            Vec::new()
        }
        Pick::Chosen => {
            let candidate = candidates.into_iter().nth(cursor);
            (candidate.into_iter())
                .map(|candidate| Effect::UseMetrics { candidate })
                .collect()
        }
        Pick::Left => Vec::new(),
    }
}
