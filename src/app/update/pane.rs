//! The detail pane: its tabs, its scrolling, and what must be fetched for it.

use jiff::SignedDuration;
use strum::IntoEnumIterator as _;

use crate::app::command::Id;
use crate::app::detail::{
    Chart, Fetched, Line, LogSource, LogState, MAX_LOG_LINES, Measure, Range, Tab,
};
use crate::app::effect::Effect;
use crate::app::listing::RowId;
use crate::app::model::{Focus, Link, Model};
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey, Text};

/// Nothing is fetched for a row before the cursor has rested on it for this long.
const REST: SignedDuration = SignedDuration::from_millis(120);
/// What was fetched is fetched again after this, while it is looked at.
const YAML_AGE: SignedDuration = SignedDuration::from_secs(10);
const CHART_AGE: SignedDuration = SignedDuration::from_secs(30);

/// The tabs that make sense for a row, in their order.
pub fn tabs(row: &RowId) -> Vec<Tab> {
    Tab::iter()
        .filter(|tab| match (row, tab) {
            (_, Tab::Summary) | (RowId::Workspace(_), _) => true,
            (RowId::Job(_), _) => false,
            (RowId::Finding(..), tab) => !matches!(tab, Tab::Yaml),
            (RowId::Object(kind, _), tab) => match tab {
                Tab::Usage => matches!(kind, Kind::Pod | Kind::Claim),
                Tab::Logs => matches!(kind, Kind::Pod | Kind::Claim),
                Tab::Snapshots => matches!(kind, Kind::Claim | Kind::Snapshot),
                Tab::Events => *kind != Kind::Event,
                _ => true,
            },
        })
        .collect()
}

pub(super) fn turn(model: &mut Model, forward: bool) {
    let Some(row) = model.selected() else {
        return;
    };
    let tabs = tabs(row);
    let at = tabs
        .iter()
        .position(|t| *t == model.detail.tab)
        .unwrap_or(0);
    let to = if forward { at + 1 } else { at + tabs.len() - 1 } % tabs.len();
    model.detail.tab = tabs[to];
    model.detail.open = true;
    model.detail.scroll = 0;
}

pub(super) fn show(model: &mut Model, tab: Tab) {
    model.detail.open = true;
    model.detail.tab = tab;
    model.detail.scroll = 0;
    model.focus = Focus::Detail;
}

pub(super) fn show_logs(model: &mut Model, previous: bool) {
    model.detail.previous = previous;
    show(model, Tab::Logs);
    model.detail.logs.follow = true;
}

pub(super) fn next_range(model: &mut Model) {
    use Range::{Day, Hour, SixHours, Week};
    model.detail.range = match model.detail.range {
        Hour => SixHours,
        SixHours => Day,
        Day => Week,
        Week => Hour,
    };
    model.detail.asked = None;
}

pub(super) fn scroll(model: &mut Model, id: Id) {
    let rows = usize::from(model.drawn.text_rows.max(1));
    let end = model.drawn.text_lines.saturating_sub(rows);
    let logs = model.detail.tab == Tab::Logs;
    let at = if logs && model.detail.logs.follow {
        end
    } else {
        model.detail.scroll.min(end)
    };
    let to = match id {
        Id::Up => at.saturating_sub(1),
        Id::Down => at + 1,
        Id::Top => 0,
        Id::Bottom => end,
        Id::PageUp => at.saturating_sub(rows),
        _ => at + rows,
    };
    model.detail.scroll = to.min(end);
    if logs {
        // At the end it follows, anywhere else the reader is reading.
        model.detail.logs.follow = to >= end;
    }
}

/// What the tab shows that was not fetched yet, or too long ago.
pub(super) fn settle(model: &mut Model) -> Vec<Effect> {
    let now = model.now;
    let selected = model.selected().cloned();
    if model.detail.of.as_ref().map(|(row, _)| row) != selected.as_ref() {
        // The first row after the start, or after opening the pane, need not wait.
        let since = if model.detail.of.is_none() {
            now - REST
        } else {
            now
        };
        model.detail.of = selected.map(|row| (row, since));
        model.detail.yaml = Fetched::Nothing;
        model.detail.chart = Fetched::Nothing;
        model.detail.container = None;
        model.detail.previous &= model.detail.tab == Tab::Logs;
        model.detail.scroll = 0;
        if let Some((row, _)) = &model.detail.of
            && !tabs(row).contains(&model.detail.tab)
        {
            model.detail.tab = Tab::Summary;
        }
    }
    let looking = model.detail.open || model.detail.zoomed;
    let mut effects = Vec::new();
    let Some((row, since)) = model.detail.of.clone().filter(|_| looking) else {
        return stop_logs(model);
    };
    if model.detail.tab != Tab::Logs {
        effects.extend(stop_logs(model));
    }
    if now.duration_since(since) < REST || model.link != Link::Up {
        return effects;
    }
    match model.detail.tab {
        Tab::Yaml => effects.extend(yaml(model, row)),
        Tab::Usage => effects.extend(chart(model, row)),
        Tab::Logs => effects.extend(logs(model)),
        Tab::Summary | Tab::Events | Tab::Snapshots | Tab::Findings => {}
    }
    effects
}

/// Whether the pane waits for the cursor to rest.
pub(super) fn waits(model: &Model) -> bool {
    let fetched = matches!(model.detail.tab, Tab::Yaml | Tab::Usage | Tab::Logs);
    let resting = |(_, since): &(RowId, jiff::Timestamp)| model.now.duration_since(*since) < REST;
    fetched && model.detail.open && model.detail.of.as_ref().is_some_and(resting)
}

/// Whether this must be asked for (again), and remembers that it was.
fn is_due(model: &mut Model, row: &RowId, age: SignedDuration) -> bool {
    let tab = model.detail.tab;
    let due = match &model.detail.asked {
        Some((asked, of, at)) if *asked == tab && of == row => model.now.duration_since(*at) >= age,
        _ => true,
    };
    if due {
        model.detail.asked = Some((tab, row.clone(), model.now));
    }
    due
}

fn yaml(model: &mut Model, row: RowId) -> Option<Effect> {
    let (kind, key) = object_of(model, &row)?;
    if !is_due(model, &row, YAML_AGE) {
        return None;
    }
    if model.detail.yaml.of() != Some(&row) {
        model.detail.yaml = Fetched::Asked {
            of: row.clone(),
            since: model.now,
        };
    }
    Some(Effect::FetchYaml { of: row, kind, key })
}

/// The object whose YAML stands for a row: a workspace's pod, else its first claim.
fn object_of(model: &Model, row: &RowId) -> Option<(Kind, ObjectKey)> {
    match row {
        RowId::Object(kind, key) => Some((*kind, key.clone())),
        RowId::Workspace(key) if model.inventory.pods.get(key).is_some() => {
            Some((Kind::Pod, key.clone()))
        }
        RowId::Workspace(key) => {
            let workspace = model.inventory.workspace(key)?;
            let slot = workspace.claims.iter().find(|slot| slot.exists)?;
            Some((Kind::Claim, beside(key, &slot.claim)))
        }
        RowId::Finding(unit, code, subject) => {
            let found = model.board.of(unit).iter();
            let mut found = found.filter(|f| f.code == *code && f.subject.key == *subject);
            found.next().map(|f| (f.subject.kind, subject.clone()))
        }
        RowId::Job(_) => None,
    }
}

fn chart(model: &mut Model, row: RowId) -> Option<Effect> {
    if !is_due(model, &row, CHART_AGE) {
        return None;
    }
    let range = model.detail.range;
    let kept = matches!(&model.detail.chart, Fetched::Here { of, what, .. } if *of == row && what.range == range);
    if !kept {
        model.detail.chart = Fetched::Asked {
            of: row.clone(),
            since: model.now,
        };
    }
    let workspace = match model.workspace_of_selection() {
        Some(key) => model.inventory.workspace(&key),
        None => None,
    };
    let claims = match (&row, workspace) {
        (RowId::Object(Kind::Claim, key), _) => vec![key.clone()],
        (_, Some(workspace)) => (workspace.claims.iter())
            .map(|slot| beside(&workspace.key, &slot.claim))
            .collect(),
        _ => Vec::new(),
    };
    let pod = model.pod_of_selection();
    Some(Effect::FetchChart {
        of: row,
        claims,
        pod,
        range,
    })
}

fn logs(model: &mut Model) -> Vec<Effect> {
    let Some(pod) = model.pod_of_selection() else {
        return stop_logs(model);
    };
    let wanted = LogSource {
        pod,
        container: model
            .detail
            .container
            .clone()
            .or_else(|| work_container(model)),
        previous: model.detail.previous,
    };
    if model.detail.logs.of.as_ref() == Some(&wanted) {
        return Vec::new();
    }
    let logs = &mut model.detail.logs;
    logs.of = Some(wanted.clone());
    logs.lines.clear();
    logs.dropped = 0;
    logs.follow = true;
    logs.state = LogState::Streaming;
    vec![Effect::FollowLogs { of: wanted }]
}

fn work_container(model: &Model) -> Option<Text> {
    let pod = model.inventory.pods.get(&model.pod_of_selection()?)?;
    pod.work_container().map(|c| c.name.clone())
}

fn stop_logs(model: &mut Model) -> Vec<Effect> {
    if model.detail.logs.of.take().is_none() {
        return Vec::new();
    }
    model.detail.logs.lines = std::collections::VecDeque::new();
    model.detail.logs.state = LogState::Idle;
    vec![Effect::StopLogs]
}

pub(super) fn take_yaml(model: &mut Model, of: RowId, result: Result<String, Text>) {
    if model.detail.yaml.of() == Some(&of) {
        model.detail.yaml = fetched(model.now, of, result);
    }
}

pub(super) fn take_chart(model: &mut Model, of: RowId, mut result: Result<Chart, Text>) {
    if let Ok(chart) = &mut result {
        for line in &mut chart.lines {
            line.ceiling = ceiling(model, line);
        }
    }
    let wanted = model.detail.range;
    let late = result.as_ref().is_ok_and(|chart| chart.range != wanted);
    if model.detail.chart.of() == Some(&of) && !late {
        model.detail.chart = fetched(model.now, of, result);
    }
}

/// The line that must not be crossed: a claim's capacity, a pod's limit.
fn ceiling(model: &Model, line: &Line) -> Option<f64> {
    let pod = || model.inventory.pods.get(&model.pod_of_selection()?);
    match line.measure {
        Measure::Cores => Some(pod()?.cpu_limit?.as_f64()),
        Measure::MemoryBytes => Some(pod()?.memory_limit?.as_f64()),
        Measure::DiskBytes => {
            let beside = match model.selected()? {
                RowId::Object(_, key) => key.clone(),
                _ => model.workspace_of_selection()?,
            };
            let claim = ObjectKey::new(beside.namespace, line.name.as_str());
            let measured = model.metrics.disk(&claim).map(|disk| disk.capacity);
            measured.or_else(|| Some(model.inventory.claims.get(&claim)?.capacity?.as_f64()))
        }
    }
}

fn fetched<T>(at: jiff::Timestamp, of: RowId, result: Result<T, Text>) -> Fetched<T> {
    match result {
        Ok(what) => Fetched::Here { of, at, what },
        Err(why) => Fetched::Failed { of, at, why },
    }
}

pub(super) fn take_log(model: &mut Model, of: &LogSource, lines: Vec<String>) {
    let logs = &mut model.detail.logs;
    if logs.of.as_ref() != Some(of) {
        return;
    }
    logs.lines.extend(lines);
    let excess = logs.lines.len().saturating_sub(MAX_LOG_LINES);
    logs.lines.drain(..excess);
    logs.dropped += u64::try_from(excess).unwrap_or(u64::MAX);
    if !logs.follow {
        // The reader's lines stay where they are.
        model.detail.scroll = model.detail.scroll.saturating_sub(excess);
    }
}
