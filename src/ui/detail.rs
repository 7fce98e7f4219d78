//! The detail pane: tabs, and what the open one shows of the selected row.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::cells::Brush;
use super::look::{Look, Role};
use super::{chart, summary, text};
use crate::app::Model;
use crate::app::detail::{Fetched, LogState, Tab};
use crate::app::listing::RowId;
use crate::app::model::Focus;
use crate::domain::event::Event;
use crate::domain::findings::ago;
use crate::domain::inventory::{Unit, beside};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::snapshot::Snapshot;

/// Answers how many lines there was room for, and how many there are.
pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) -> (u16, usize) {
    if area.height < 2 || area.width < 4 {
        return (0, 0);
    }
    let focused = model.focus == Focus::Detail;
    // Beside the table a line parts them, below it the bar of tabs does.
    let beside = area.x > 0;
    if beside {
        let bar = Span::styled(look.glyph("│", "|"), look.style(Role::Border));
        for y in area.y..area.bottom() {
            frame.buffer_mut().set_span(area.x, y, &bar, 1);
        }
    }
    let left = area.x + u16::from(beside) + 1;
    let inner = Rect {
        x: left,
        width: area.right().saturating_sub(left),
        y: area.y + 1,
        height: area.height - 1,
    };
    let Some(row) = model.selected() else {
        return (inner.height, 0);
    };
    let title = title(model, look, row, area.width.saturating_sub(2), focused);
    frame
        .buffer_mut()
        .set_line(left, area.y, &title, inner.width);
    if model.detail.tab == Tab::Usage {
        chart::draw(model, look, frame, inner);
        return (inner.height, 0);
    }
    let lines = lines(model, look, row, inner);
    let room = usize::from(inner.height);
    let end = lines.len().saturating_sub(room);
    let follows = model.detail.tab == Tab::Logs && model.detail.logs.follow;
    let first = if follows {
        end
    } else {
        model.detail.scroll.min(end)
    };
    for (y, line) in (inner.y..).zip(lines.iter().skip(first).take(room)) {
        let line = text::fit_line(line.clone(), inner.width);
        frame.buffer_mut().set_line(inner.x, y, &line, inner.width);
    }
    if end > 0 {
        let text = format!(
            " {}-{}/{} ",
            first + 1,
            (first + room).min(lines.len()),
            lines.len()
        );
        let wide = u16::try_from(text.len()).unwrap_or(0);
        let span = Span::styled(text, look.style(Role::Dim));
        let x = area.right().saturating_sub(wide);
        frame.buffer_mut().set_span(x, area.y, &span, wide);
    }
    (inner.height, lines.len())
}

fn title(model: &Model, look: &Look, row: &RowId, width: u16, focused: bool) -> Line<'static> {
    let border = look.style(Role::Border);
    let dash = look.glyph("─", "-");
    let mut spans = vec![
        Span::styled(dash, border),
        Span::raw(" "),
        Span::styled(
            text::fit(row.name(), (width / 3).max(8)),
            look.style(Role::Header),
        ),
        Span::raw(" "),
    ];
    for tab in crate::app::tabs(row) {
        let open = tab == model.detail.tab;
        let style = if open {
            let style = look.style(Role::Accent).add_modifier(Modifier::UNDERLINED);
            if focused {
                style.add_modifier(Modifier::BOLD)
            } else {
                style
            }
        } else {
            look.style(Role::Dim)
        };
        spans.push(Span::raw(" "));
        spans.push(Span::styled(tab.to_string(), style));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let rest = usize::from(width).saturating_sub(used + 1);
    spans.push(Span::styled(format!(" {}", dash.repeat(rest)), border));
    text::fit_line(Line::from(spans), width)
}

fn lines(model: &Model, look: &Look, row: &RowId, area: Rect) -> Vec<Line<'static>> {
    match model.detail.tab {
        Tab::Summary => summary::lines(model, look, row, area.width),
        Tab::Findings => summary::findings(model, look, row, area.width),
        Tab::Events => events(model, look, row, area.width),
        Tab::Snapshots => snapshots(model, look, row),
        Tab::Yaml => yaml(model, look),
        Tab::Logs => logs(model, look, area),
        Tab::Usage => Vec::new(),
    }
}

/// The objects whose events and snapshots belong to a row.
fn objects(model: &Model, row: &RowId) -> Vec<(Kind, ObjectKey)> {
    let workspace = match row {
        RowId::Workspace(key) | RowId::Finding(Unit::Workspace(key), ..) => key,
        RowId::Object(Kind::Claim, key) => {
            let users = model.inventory.pods_of_claim(key);
            let mut all = vec![(Kind::Claim, key.clone())];
            all.extend(users.map(|p| (Kind::Pod, p.meta.key.clone())));
            return all;
        }
        RowId::Object(kind, key) | RowId::Finding(Unit::Object(kind, key), ..) => {
            return vec![(*kind, key.clone())];
        }
        RowId::Job(_) => return Vec::new(),
    };
    match model.inventory.workspace(workspace) {
        Some(workspace) => model.inventory.objects_of(workspace),
        None => vec![(Kind::Pod, workspace.clone())],
    }
}

/// The newest first.
fn events_of<'a>(model: &'a Model, row: &RowId) -> Vec<&'a Event> {
    if let RowId::Workspace(key) = row
        && let Some(workspace) = model.inventory.workspace(key)
    {
        return model.inventory.events_of_workspace(workspace);
    }
    let mut events = Vec::new();
    for (kind, key) in objects(model, row) {
        events.extend(model.inventory.events_of(kind, &key));
    }
    events.sort_by_key(|event| std::cmp::Reverse(event.last));
    events
}

fn events(model: &Model, look: &Look, row: &RowId, width: u16) -> Vec<Line<'static>> {
    let freshness = model.inventory.freshness().get(Kind::Event);
    let mut lines = Vec::new();
    if !freshness.is_live() {
        let why = freshness
            .why()
            .map_or_else(String::new, |why| format!(": {why}"));
        let text = format!("events: {}{why}", freshness.word());
        lines.push(Line::styled(
            text::clean(&text).into_owned(),
            look.style(Role::Unknown),
        ));
    }
    for event in events_of(model, row) {
        let role = if event.warning {
            Role::Warn
        } else {
            Role::Text
        };
        let count = if event.count > 1 {
            format!(" ×{}", event.count)
        } else {
            String::new()
        };
        lines.push(Line::from(vec![
            Span::styled(
                format!("{:>5} ", ago(model.now, event.last)),
                look.style(Role::Dim),
            ),
            Span::styled(text::clean(&event.reason).into_owned(), look.style(role)),
            Span::raw(count),
            Span::styled(
                format!(
                    "  {}/{}",
                    event.object_kind.to_lowercase(),
                    event.object.name
                ),
                look.style(Role::Dim),
            ),
        ]));
        for line in text::wrap(&event.message.replace('\n', " "), width.saturating_sub(6)) {
            lines.push(Line::raw(format!("      {line}")));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(
            "no events (servers keep them for an hour)",
            look.style(Role::Dim),
        ));
    }
    lines
}

fn snapshots(model: &Model, look: &Look, row: &RowId) -> Vec<Line<'static>> {
    let inventory = &model.inventory;
    let brush = Brush { model, look };
    let mut claims: Vec<ObjectKey> = objects(model, row)
        .into_iter()
        .filter_map(|(kind, key)| (kind == Kind::Claim).then_some(key))
        .collect();
    if let RowId::Object(Kind::Snapshot, key) = row
        && let Some(claim) = inventory.snapshots.get(key).and_then(|s| s.claim.as_ref())
    {
        claims.push(beside(key, claim));
    }
    let mut lines = Vec::new();
    let freshness = inventory.freshness().get(Kind::Snapshot);
    if !freshness.is_live() {
        let why = freshness
            .why()
            .map_or_else(String::new, |why| format!(": {why}"));
        let text = format!("snapshots: {}{why}", freshness.word());
        lines.push(Line::styled(
            text::clean(&text).into_owned(),
            look.style(Role::Unknown),
        ));
    }
    for claim in claims {
        lines.push(Line::styled(
            claim.name.to_string(),
            look.style(Role::Header),
        ));
        let mut found: Vec<&Snapshot> = inventory.snapshots_of(&claim).collect();
        found.sort_by_key(|s| std::cmp::Reverse(s.point_in_time()));
        if found.is_empty() && freshness.was_complete() {
            lines.push(Line::styled(
                "  none: there is no way back",
                look.style(Role::Warn),
            ));
        }
        for snapshot in found {
            let (word, role) = match (snapshot.ready, &snapshot.error) {
                (Some(true), _) => ("ready".to_owned(), Role::Ok),
                (_, Some((why, _))) => (format!("failed: {why}"), Role::Bad),
                (Some(false), None) => ("not ready".to_owned(), Role::Warn),
                (None, None) => ("not started".to_owned(), Role::Unknown),
            };
            let size = snapshot
                .size
                .map_or_else(String::new, crate::domain::quantity::Quantity::human);
            let mut spans = vec![Span::raw("  ")];
            spans.extend(brush.age(snapshot.point_in_time()).spans);
            spans.push(Span::raw(format!(
                "  {}  {size}  ",
                text::clean(&snapshot.meta.key.name)
            )));
            spans.push(Span::styled(
                text::clean(&word).into_owned(),
                look.style(role),
            ));
            lines.push(Line::from(spans));
        }
    }
    lines
}

/// What was asked for and has not come, or could not be had.
fn waiting<T>(
    look: &Look,
    model: &Model,
    fetched: &Fetched<T>,
    row: Option<&RowId>,
) -> Option<Line<'static>> {
    if fetched.of() != row {
        return Some(Line::styled("…", look.style(Role::Dim)));
    }
    match fetched {
        Fetched::Nothing => Some(Line::styled("…", look.style(Role::Dim))),
        Fetched::Asked { since, .. } => {
            let text = format!("asked {} ago …", ago(model.now, *since));
            Some(Line::styled(text, look.style(Role::Dim)))
        }
        Fetched::Failed { why, at, .. } => {
            let text = format!("{} ({} ago)", text::clean(why), ago(model.now, *at));
            Some(Line::styled(text, look.style(Role::Bad)))
        }
        Fetched::Here { .. } => None,
    }
}

pub(super) fn why_not<T>(
    look: &Look,
    model: &Model,
    fetched: &Fetched<T>,
) -> Option<Line<'static>> {
    waiting(look, model, fetched, model.selected())
}

fn yaml(model: &Model, look: &Look) -> Vec<Line<'static>> {
    if let Some(line) = why_not(look, model, &model.detail.yaml) {
        return vec![line];
    }
    let Fetched::Here { at, what, .. } = &model.detail.yaml else {
        return Vec::new();
    };
    let as_of = format!("# read {} ago", ago(model.now, *at));
    let mut lines = vec![Line::styled(as_of, look.style(Role::Dim))];
    lines.extend(what.lines().map(|line| {
        let line = text::clean(line).into_owned();
        match line.split_once(": ") {
            Some((key, value)) if !key.contains(['"', '\'']) => Line::from(vec![
                Span::styled(format!("{key}:"), look.style(Role::Accent)),
                Span::raw(format!(" {value}")),
            ]),
            _ if line.ends_with(':') => Line::styled(line, look.style(Role::Accent)),
            _ => Line::raw(line),
        }
    }));
    lines
}

fn logs(model: &Model, look: &Look, area: Rect) -> Vec<Line<'static>> {
    let logs = &model.detail.logs;
    let mut lines = Vec::new();
    let Some(of) = &logs.of else {
        return vec![Line::styled("no pod, no log", look.style(Role::Dim))];
    };
    if logs.dropped > 0 {
        let text = format!("({} older lines are not kept)", logs.dropped);
        lines.push(Line::styled(text, look.style(Role::Dim)));
    }
    let previous = if of.previous {
        ", before its last restart"
    } else {
        ""
    };
    let name = of.container.as_deref().unwrap_or("first container");
    let head = format!("log of {} · {name}{previous}", of.pod.name);
    lines.push(Line::styled(
        text::clean(&head).into_owned(),
        look.style(Role::Dim),
    ));
    for line in &logs.lines {
        let plain = text::without_escapes(line);
        if logs.wrap {
            lines.extend(text::wrap(&plain, area.width).into_iter().map(Line::raw));
        } else {
            lines.push(Line::raw(plain));
        }
    }
    let (end, role) = match &logs.state {
        LogState::Idle | LogState::Streaming if logs.lines.is_empty() => {
            ("nothing was written yet".to_owned(), Role::Dim)
        }
        LogState::Idle | LogState::Streaming => return lines,
        LogState::Ended => ("the log ends here".to_owned(), Role::Dim),
        LogState::Failed(why) => (text::clean(why).into_owned(), Role::Bad),
    };
    lines.extend(
        text::wrap(&end, area.width)
            .into_iter()
            .map(|l| Line::styled(l, look.style(role))),
    );
    lines
}
