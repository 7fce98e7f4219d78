//! What a message does to the model. Synchronous, without a clock; everything that takes time is
//! an [`Effect`]. [`settle`] follows once a batch of messages has been taken in.

mod act;
mod choose;
mod modal;
mod pane;
mod propose;
mod round;
mod sweep;
mod typed;

pub use pane::tabs;
pub use round::TESTS;
pub(super) use sweep::Sweep;

use jiff::SignedDuration;
use strum::IntoEnumIterator as _;

use super::effect::Effect;
use super::listing::RowId;
use super::model::{Focus, Level, Link, Model, Quit, View};
use super::msg::Msg;
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Change, Touched, Unit};
use crate::domain::key::Kind;
use crate::domain::metric::{MetricsChange, Sampled};

/// More changed rows than this, and the list is computed anew.
const MANY: usize = 256;
/// Above this many rows a list is not computed anew as a whole more often than [`CALM`].
const LARGE: usize = 2000;
const CALM: SignedDuration = SignedDuration::from_millis(250);
/// Values of other kinds (a claim's newest snapshot) may move a row of this one so late.
const DRIFT: SignedDuration = SignedDuration::from_secs(15);

/// Takes in one message.
pub fn update(model: &mut Model, msg: Msg) -> Vec<Effect> {
    match msg {
        Msg::Now(now) => {
            model.now = now;
            if model.notice.as_ref().is_some_and(|n| n.until <= now) {
                model.notice = None;
            }
        }
        Msg::Tick => return sweep::go_on(model),
        Msg::Sightings(sightings) => model.sightings = sightings,
        Msg::FocusGained | Msg::FocusLost | Msg::Mouse(_) => {}
        Msg::Key(key) => return act::press(model, key),
        Msg::Paste(text) => return modal::paste(model, &text),
        Msg::Resize(width, height) => model.size = (width, height),
        Msg::Drawn(drawn) => model.drawn = drawn,
        Msg::Cluster(change) => {
            if matches!(model.link, Link::Connecting { .. } | Link::Failed { .. })
                && matches!(change, Change::Page { .. } | Change::Done { .. })
            {
                // It answers.
                model.link = Link::Up;
            }
            model.inventory.apply(change);
            model.stirred = true;
        }
        Msg::Metrics(change) => measure(model, change),
        Msg::Link(link) => {
            let lost = matches!(model.link, Link::Lost { .. } | Link::Failed { .. });
            if lost && link == Link::Up {
                model.notify(Level::Good, "the API server answers again");
            }
            model.link = link;
        }
        Msg::Connected(place) => {
            if place.context != model.place.context {
                model.forget();
            }
            if place.namespace.is_some() {
                model.home.clone_from(&place.namespace);
            }
            model.place = place;
        }
        Msg::Contexts(contexts) => model.contexts = contexts,
        Msg::Disabled(commands) => {
            for (name, why) in commands {
                match why {
                    Some(why) => model.disabled.insert(name, why),
                    None => model.disabled.remove(name),
                };
            }
        }
        Msg::Yaml { of, result } => pane::take_yaml(model, of, result),
        Msg::Chart { of, result } => pane::take_chart(model, of, result),
        Msg::LogLines { of, lines } => pane::take_log(model, &of, lines),
        Msg::LogState { of, state } => {
            if model.detail.logs.of.as_ref() == Some(&of) {
                model.detail.logs.state = state;
            }
        }
        Msg::Proposed(result) => propose::take_proposal(model, result),
        Msg::Rehearsed { run, lines } => propose::take_rehearsal(model, &run, lines),
        Msg::Jobs(jobs) => {
            model.jobs.extend(jobs);
            model.stirred = true;
        }
        Msg::Journal { run, record } => propose::take_record(model, run, &record),
        Msg::JobEnded { run, result } => propose::take_end(model, &run, result),
        Msg::Told { good, text } => {
            model.notify(if good { Level::Good } else { Level::Bad }, text);
        }
        Msg::Signal(number) => {
            model.quit = Some(Quit {
                code: 128 + (number & 127),
            });
        }
    }
    Vec::new()
}

fn measure(model: &mut Model, change: MetricsChange) {
    if matches!(change, MetricsChange::Round { .. }) {
        let inventory = &model.inventory;
        model.metrics.retain(
            |claim| inventory.claims.get(claim).is_some(),
            |pod| inventory.pods.get(pod).is_some(),
        );
        model.stirred = true;
    }
    let was_live = model.metrics.is_live();
    for sampled in model.metrics.apply(change) {
        mark(model, sampled);
    }
    if model.metrics.is_live() != was_live {
        // Only what is fresh makes a finding.
        model.inventory.mark_all();
    }
}

fn mark(model: &mut Model, sampled: Sampled) {
    match sampled {
        Sampled::Pod(pod) => model.board.mark(Unit::Workspace(pod)),
        Sampled::Claim(claim) => {
            let homes = model.inventory.workspaces_of_claim(&claim);
            if homes.is_empty() {
                model.board.mark(Unit::Object(Kind::Claim, claim));
            }
            for home in homes {
                model.board.mark(Unit::Workspace(home));
            }
        }
    }
}

/// Judges what changed, puts rows where they belong, and asks for what the detail pane lacks.
/// Follows every batch of messages, before the frame.
pub fn settle(model: &mut Model) -> Vec<Effect> {
    let touched = model.inventory.take_touched();
    let judged = judge(model);
    let view = model.view;
    let mut changed: Vec<RowId> = Vec::new();
    let mut many = false;
    match view {
        View::Workspaces => changed.extend(judged.into_iter().filter_map(|unit| match unit {
            Unit::Workspace(key) => Some(RowId::Workspace(key)),
            Unit::Object(..) => None,
        })),
        View::Findings => many = !judged.is_empty(),
        View::Jobs => many = model.stirred,
        // What is hurt is known elsewhere than in the object itself.
        _ if model.listing().only_hurt && !judged.is_empty() => many = true,
        _ => match view
            .kind()
            .and_then(|kind| Some((kind, touched.get(&kind)?)))
        {
            Some((kind, Touched::Some(keys))) => {
                changed.extend(keys.iter().map(|key| RowId::Object(kind, key.clone())));
            }
            Some((_, Touched::Many)) => many = true,
            None => {}
        },
    }
    many |= changed.len() > MANY;
    model.stirred |= many;
    let waited = model.now.duration_since(model.refreshed);
    let Some(mut listing) = model.listings.remove(&view) else {
        return Vec::new();
    };
    let due = if !many && listing.total > 0 {
        DRIFT
    } else if listing.rows.len() > LARGE {
        CALM
    } else {
        SignedDuration::ZERO
    };
    let facts = model.facts();
    if model.stirred && waited >= due {
        listing.rebuild(&facts);
        model.stirred = model.board.is_pending();
        model.refreshed = model.now;
    } else if !changed.is_empty() && !many {
        listing.place_again(&facts, changed);
    }
    model.listings.insert(view, listing);
    let mut effects = round::go_on(model);
    effects.extend(pane::settle(model));
    effects
}

/// Judges what changed. While the first lists arrive, every kind that becomes complete has
/// everything judged anew: then not more often than the eye sees.
fn judge(model: &mut Model) -> Vec<Unit> {
    if is_loading(model) && model.now.duration_since(model.judged) < CALM {
        return Vec::new();
    }
    model.judged = model.now;
    let inventory = &mut model.inventory;
    (model.board).refresh(inventory, &model.metrics, &model.policy, model.now)
}

fn is_loading(model: &Model) -> bool {
    let freshness = model.inventory.freshness();
    Kind::iter().any(|kind| matches!(freshness.get(kind), Freshness::Syncing { .. }))
}

/// When [`settle`] has more to do although nothing comes in: at once while units wait to be
/// judged, in a moment while a list or the pane waits. `None`: the next message is soon enough.
pub fn unsettled(model: &Model) -> Option<SignedDuration> {
    if is_loading(model) {
        return Some(CALM);
    }
    if model.board.is_pending() {
        return Some(SignedDuration::ZERO);
    }
    let list = model.stirred && model.refreshed + CALM > model.now;
    (list || pane::waits(model)).then_some(CALM)
}

/// Computes the rows of the view anew, at once: after a filter, a sort, another view.
fn relist(model: &mut Model) {
    let view = model.view;
    if let Some(mut listing) = model.listings.remove(&view) {
        listing.rebuild(&model.facts());
        model.listings.insert(view, listing);
    }
    model.refreshed = model.now;
}

/// Opens a view, and remembers the way back.
fn open_view(model: &mut Model, view: View) {
    if view == model.view {
        return;
    }
    let old = model.view;
    model.trail.retain(|v| *v != view);
    model.trail.push(old);
    show_view(model, view);
}

fn show_view(model: &mut Model, view: View) {
    if let Some(listing) = model.listings.get_mut(&model.view) {
        listing.put_away();
    }
    model.view = view;
    model.focus = Focus::Table;
    model.detail.zoomed = false;
    relist(model);
}
