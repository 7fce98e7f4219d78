//! Keys and commands.

use crossterm::event::{KeyEvent, KeyEventKind};

use super::{modal, open_view, pane, propose, relist, show_view};
use crate::app::command::{self, Id};
use crate::app::detail::Tab;
use crate::app::effect::Effect;
use crate::app::filter::Filter;
use crate::app::listing::RowId;
use crate::app::modal::{Modal, Prompt};
use crate::app::model::{Focus, Level, Model, Quit, View};
use crate::domain::inventory::Unit;
use crate::domain::key::Kind;

pub(super) fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    if key.kind == KeyEventKind::Release {
        return Vec::new();
    }
    let command = model.keymap.command(key);
    // These work whatever lies over the screen: nothing may hold up the way out.
    if let Some(id @ (Id::Quit | Id::Suspend | Id::Redraw)) = command {
        return run(model, id);
    }
    if model.modal.is_some() {
        return modal::press(model, key);
    }
    match command {
        Some(id) => run(model, id),
        None => Vec::new(),
    }
}

/// Carries out a command, or says why it cannot be.
pub(super) fn run(model: &mut Model, id: Id) -> Vec<Effect> {
    if let Some(command) = command::of(id)
        && let Err(why) = command::usable(model, command)
    {
        model.notify(Level::Warn, format!("{}: {why}", command.name()));
        return Vec::new();
    }
    if let Some(view) = command::view(id) {
        open_view(model, view);
        return Vec::new();
    }
    match id {
        Id::Up | Id::Down | Id::Top | Id::Bottom | Id::PageUp | Id::PageDown => step(model, id),
        Id::Open => open(model),
        Id::Back => back(model),
        Id::Quit => {
            if propose::may_quit(model) {
                model.quit = Some(Quit { code: 0 });
            }
        }
        Id::Snapshot
        | Id::Restore
        | Id::Resize
        | Id::Verify
        | Id::Orphans
        | Id::Template
        | Id::Evict
        | Id::Undo
        | Id::Purge => return propose::ask(model, id),
        Id::Resume => return propose::resume(model),
        Id::Help | Id::Command | Id::Filter | Id::Sort | Id::Actions => ask(model, id),
        Id::Mark => mark(model),
        Id::OnlyFindings => only_findings(model),
        Id::NextTab => pane::turn(model, true),
        Id::PreviousTab => pane::turn(model, false),
        Id::Pane => {
            model.detail.open = !model.detail.open;
            model.detail.zoomed = false;
            model.focus = Focus::Table;
        }
        Id::Zoom => {
            model.detail.zoomed = !model.detail.zoomed;
            model.detail.open = true;
            model.focus = if model.detail.zoomed {
                Focus::Detail
            } else {
                Focus::Table
            };
        }
        Id::Describe => pane::show(model, Tab::Summary),
        Id::Usage => pane::show(model, Tab::Usage),
        Id::Yaml => pane::show(model, Tab::Yaml),
        Id::Logs => pane::show_logs(model, false),
        Id::PreviousLogs => pane::show_logs(model, true),
        Id::Range => pane::next_range(model),
        Id::Wrap => model.detail.logs.wrap = !model.detail.logs.wrap,
        Id::Container => choose_container(model),
        Id::Runbook => runbook(model),
        Id::Shell => return shell(model),
        Id::Copy => return copy(model),
        Id::AllNamespaces => return all_namespaces(model),
        Id::Metrics => choose_metrics(model),
        Id::Reconnect => {
            model.notify(Level::Good, "connecting anew");
            return vec![Effect::Reconnect];
        }
        Id::Redraw => return vec![Effect::Redraw],
        Id::Suspend => return vec![Effect::Suspend],
        Id::Workspaces
        | Id::Findings
        | Id::Claims
        | Id::Snapshots
        | Id::Pods
        | Id::Sets
        | Id::Volumes
        | Id::Events
        | Id::Jobs => {}
    }
    Vec::new()
}

/// Opens what lies over the screen and takes the keys.
fn ask(model: &mut Model, id: Id) {
    model.modal = Some(match id {
        Id::Command => Modal::CommandLine(Prompt::default()),
        Id::Filter => Modal::FilterLine(Prompt::of(model.listing().filter.text.clone())),
        Id::Sort => {
            let sort = model.listing().sort.column;
            let columns = crate::app::column::columns(model.view);
            let at = columns.iter().position(|c| c.id == sort);
            Modal::SortMenu {
                cursor: at.unwrap_or(0),
            }
        }
        Id::Actions => Modal::ActionMenu { cursor: 0 },
        _ => Modal::Help {
            scroll: 0,
            search: String::new(),
        },
    });
}

fn step(model: &mut Model, id: Id) {
    if model.focus == Focus::Detail {
        pane::scroll(model, id);
        return;
    }
    let page = usize::from(model.drawn.table_rows.max(1));
    let before = model.selected().cloned();
    if let Some(listing) = model.listings.get_mut(&model.view) {
        let at = listing.position().unwrap_or(0);
        let to = match id {
            Id::Up => at.saturating_sub(1),
            Id::Down => at + 1,
            Id::Top => 0,
            Id::Bottom => usize::MAX,
            Id::PageUp => at.saturating_sub(page),
            _ => at + page,
        };
        listing.select(to, page);
    }
    if model.selected() != before.as_ref() {
        model.detail.scroll = 0;
    }
}

fn open(model: &mut Model) {
    match model.selected().cloned() {
        Some(RowId::Object(Kind::Set, key)) => {
            if let Some(listing) = model.listings.get_mut(&View::Workspaces) {
                listing.filter = Filter::parse(&format!("set={}", key.name));
                listing.start_over();
            }
            open_view(model, View::Workspaces);
        }
        Some(RowId::Finding(unit, ..)) => {
            let (view, row) = match unit {
                Unit::Workspace(key) => (View::Workspaces, RowId::Workspace(key)),
                Unit::Object(kind, key) => match View::of_kind(kind) {
                    Some(view) => (view, RowId::Object(kind, key)),
                    None => return focus_detail(model),
                },
            };
            if let Some(listing) = model.listings.get_mut(&view) {
                listing.filter = Filter::default();
                listing.only_hurt = false;
            }
            open_view(model, view);
            select(model, &row);
            focus_detail(model);
        }
        Some(_) if model.focus == Focus::Detail => model.detail.zoomed = true,
        Some(_) => focus_detail(model),
        None => {}
    }
}

fn focus_detail(model: &mut Model) {
    model.detail.open = true;
    model.focus = Focus::Detail;
}

fn select(model: &mut Model, row: &RowId) {
    let page = usize::from(model.drawn.table_rows.max(1));
    if let Some(listing) = model.listings.get_mut(&model.view) {
        listing.select_row(row, page);
    }
}

fn back(model: &mut Model) {
    if model.notice.take().is_some() {
        return;
    }
    if model.detail.zoomed {
        model.detail.zoomed = false;
        return;
    }
    if model.focus == Focus::Detail {
        model.focus = Focus::Table;
        return;
    }
    let view = model.view;
    if let Some(listing) = model.listings.get_mut(&view)
        && (!listing.filter.is_empty() || !listing.marks.is_empty() || listing.only_hurt)
    {
        if !listing.filter.is_empty() {
            listing.filter = Filter::default();
        } else if !listing.marks.is_empty() {
            listing.marks.clear();
        } else {
            listing.only_hurt = false;
        }
        relist(model);
        return;
    }
    match model.trail.pop() {
        Some(view) => show_view(model, view),
        None => model.notify(Level::Good, "ctrl-c quits"),
    }
}

fn mark(model: &mut Model) {
    if let Some(listing) = model.listings.get_mut(&model.view)
        && let Some(row) = listing.selected.clone()
        && !listing.marks.remove(&row)
    {
        listing.marks.insert(row);
    }
    if model.focus == Focus::Table {
        step(model, Id::Down);
    }
}

fn only_findings(model: &mut Model) {
    if let Some(listing) = model.listings.get_mut(&model.view) {
        listing.only_hurt = !listing.only_hurt;
    }
    relist(model);
}

fn choose_container(model: &mut Model) {
    let Some(pod) = model.pod_of_selection() else {
        return;
    };
    let names: Vec<String> = (model.inventory.pods.get(&pod).into_iter())
        .flat_map(|pod| pod.containers.iter())
        .map(|c| c.name.to_string())
        .collect();
    model.modal = Some(Modal::ChooseContainer {
        containers: names,
        cursor: 0,
        then: "logs",
    });
}

fn runbook(model: &mut Model) {
    let code = match model.selected() {
        Some(RowId::Finding(_, code, _)) => Some(*code),
        Some(row) => worst_of(model, row),
        None => None,
    };
    match code {
        Some(code) => model.modal = Some(Modal::Runbook { code, scroll: 0 }),
        None => model.notify(
            Level::Good,
            "nothing is wrong with this row, so it has no runbook",
        ),
    }
}

fn worst_of(model: &Model, row: &RowId) -> Option<crate::domain::finding::Code> {
    let units = match row {
        RowId::Workspace(key) => vec![Unit::Workspace(key.clone())],
        RowId::Object(kind, key) => model.facts().homes(*kind, key),
        RowId::Finding(unit, ..) => vec![unit.clone()],
        RowId::Job(_) => return None,
    };
    let worst = units
        .iter()
        .flat_map(|unit| model.board.of(unit))
        .min_by_key(|f| f.rank());
    worst.map(|f| f.code)
}

fn shell(model: &mut Model) -> Vec<Effect> {
    let Some(pod) = model.pod_of_selection() else {
        return Vec::new();
    };
    let Some(row) = model.inventory.pods.get(&pod) else {
        return Vec::new();
    };
    let main: Vec<String> = (row.containers.iter())
        .filter(|c| !c.init)
        .map(|c| c.name.to_string())
        .collect();
    if main.len() > 1 {
        let work = row.work_container().map(|c| c.name.to_string());
        let cursor = main.iter().position(|name| Some(name) == work.as_ref());
        model.modal = Some(Modal::ChooseContainer {
            containers: main,
            cursor: cursor.unwrap_or(0),
            then: "shell",
        });
        return Vec::new();
    }
    vec![Effect::Shell {
        pod,
        container: main.first().map(|name| name.as_str().into()),
    }]
}

fn copy(model: &mut Model) -> Vec<Effect> {
    let Some(row) = model.selected() else {
        return Vec::new();
    };
    let text = row.name().to_owned();
    model.notify(Level::Good, format!("copied {text}"));
    vec![Effect::Copy { text }]
}

fn all_namespaces(model: &mut Model) -> Vec<Effect> {
    let namespace = match model.place.namespace.take() {
        Some(home) => {
            model.home = Some(home);
            None
        }
        None => model.home.clone(),
    };
    model.place.namespace.clone_from(&namespace);
    model.forget();
    vec![Effect::SwitchNamespace { namespace }]
}

fn choose_metrics(model: &mut Model) {
    use crate::domain::metric::MetricsState;
    if let MetricsState::Choose { candidates } = model.metrics.state() {
        model.modal = Some(Modal::ChooseMetrics {
            candidates: candidates.iter().map(ToString::to_string).collect(),
            cursor: 0,
        });
    } else {
        model.notify(Level::Good, "there is only one source of metrics, or none");
    }
}
