//! The table of a view. Widths depend on the width of the screen and on nothing else, so that no
//! column ever jumps; what does not fit goes by priority.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::look::{Look, Role};
use super::{cells, text};
use crate::app::Model;
use crate::app::column::Column;
use crate::app::model::{Focus, Link, View};
use crate::domain::freshness::Freshness;
use crate::domain::key::Kind;

/// The cursor's mark and a space before the first column.
const MARGIN: u16 = 2;

/// Answers how many rows there was room for, and the first one shown.
pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) -> (u16, usize) {
    if area.height < 2 {
        return (0, 0);
    }
    let listing = model.listing();
    let room = area.height - 1;
    let layout = widths(model, area.width);
    draw_titles(model, look, frame, area, &layout);
    if listing.rows.is_empty() {
        draw_empty(
            model,
            look,
            frame,
            Rect {
                y: area.y + 1,
                height: room,
                ..area
            },
        );
        return (room, 0);
    }
    let at = listing.position().unwrap_or(0);
    let page = usize::from(room);
    let mut offset = listing.offset.min(listing.rows.len().saturating_sub(page));
    if at < offset {
        offset = at;
    } else if at >= offset + page {
        offset = at + 1 - page;
    }
    let dim = is_dim(model);
    let rows = listing.rows.iter().enumerate().skip(offset).take(page);
    for (y, (index, row)) in (area.y + 1..).zip(rows) {
        let selected = index == at;
        let marked = listing.marks.contains(row);
        let mut x = area.x + MARGIN;
        for (column, width) in &layout {
            let cell = cells::cell(model, look, row, column.id, *width);
            let cell = text::fit_line(cell, *width);
            let space = width.saturating_sub(u16::try_from(cell.width()).unwrap_or(*width));
            let start = if column.right { x + space } else { x };
            frame.buffer_mut().set_line(start, y, &cell, *width);
            x += width + 1;
        }
        let line = Rect {
            y,
            height: 1,
            ..area
        };
        if dim {
            frame.buffer_mut().set_style(line, look.style(Role::Stale));
        }
        if marked {
            let mark = Span::styled(look.glyph("◆", "*"), look.style(Role::Marked));
            frame.buffer_mut().set_span(area.x + 1, y, &mark, 1);
        }
        if selected {
            let style = look.selection();
            if style.add_modifier.contains(Modifier::REVERSED) {
                // Reversed colours of single cells would be blots.
                let plain = Style::new().fg(Color::Reset).remove_modifier(Modifier::DIM);
                frame.buffer_mut().set_style(line, plain);
            }
            let focused = model.focus == Focus::Table;
            let style = if focused {
                style
            } else {
                style.add_modifier(Modifier::DIM)
            };
            frame.buffer_mut().set_style(line, style);
            let mark = Span::raw(look.glyph("▌", ">"));
            frame.buffer_mut().set_span(area.x, y, &mark, 1);
        }
    }
    (room, offset)
}

/// Whether what the table shows is not of now.
fn is_dim(model: &Model) -> bool {
    let stale = |kind: Kind| {
        matches!(
            model.inventory.freshness().get(kind),
            Freshness::Stale { .. }
        )
    };
    matches!(model.link, Link::Lost { .. } | Link::Failed { .. })
        || match model.view {
            View::Workspaces | View::Findings => {
                crate::domain::board::NEEDED.into_iter().any(stale)
            }
            View::Jobs => false,
            view => view.kind().is_some_and(stale),
        }
}

/// The columns that there is room for, in their order, with their widths.
fn widths(model: &Model, width: u16) -> Vec<(&'static Column, u16)> {
    let all = model.place.namespace.is_none();
    let mut shown = model.shown_columns();
    shown.retain(|c| all || c.id != "namespace");
    let room = width.saturating_sub(MARGIN);
    let need = |shown: &[&Column]| {
        shown
            .iter()
            .map(|c| c.min + 1)
            .sum::<u16>()
            .saturating_sub(1)
    };
    while shown.len() > 1 && need(&shown) > room {
        let last = (0..shown.len()).max_by_key(|&i| (shown[i].priority, i));
        if let Some(last) = last {
            shown.remove(last);
        }
    }
    let mut spare = room.saturating_sub(need(&shown));
    let mut widths: Vec<u16> = shown.iter().map(|c| c.min).collect();
    // The most important first takes what it can use.
    let mut order: Vec<usize> = (0..shown.len()).collect();
    order.sort_by_key(|&i| shown[i].priority);
    for i in order {
        let more = (shown[i].max - shown[i].min).min(spare);
        widths[i] += more;
        spare -= more;
    }
    shown.into_iter().zip(widths).collect()
}

fn draw_titles(
    model: &Model,
    look: &Look,
    frame: &mut Frame<'_>,
    area: Rect,
    layout: &[(&Column, u16)],
) {
    let sort = &model.listing().sort;
    let mut x = area.x + MARGIN;
    for (column, width) in layout {
        let mut title = column.title.to_owned();
        if column.id == sort.column {
            title.push_str(match (sort.descending, look.ascii) {
                (false, false) => "↑",
                (true, false) => "↓",
                (false, true) => "^",
                (true, true) => "v",
            });
        }
        let title = text::fit(&title, *width);
        let space = if column.right {
            width.saturating_sub(u16::try_from(text::width(&title)).unwrap_or(*width))
        } else {
            0
        };
        let span = Span::styled(title, look.style(Role::Header));
        frame
            .buffer_mut()
            .set_span(x + space, area.y, &span, *width);
        x += width + 1;
    }
}

/// Says why there is nothing: "none" only when that is known.
fn draw_empty(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let listing = model.listing();
    let (text, role) = if listing.total > 0 {
        let why = if listing.filter.is_empty() {
            format!("none of {} has a finding; z shows all", listing.total)
        } else {
            format!(
                "none of {} fits `{}`; esc shows all",
                listing.total, listing.filter.text
            )
        };
        (why, Role::Text)
    } else {
        why_empty(model)
    };
    let width = area.width.saturating_sub(2 * MARGIN);
    for (y, line) in (area.y..area.bottom()).zip(text::wrap(&text, width)) {
        let line = Line::styled(line, look.style(role));
        frame
            .buffer_mut()
            .set_line(area.x + MARGIN, y, &line, width);
    }
}

fn why_empty(model: &Model) -> (String, Role) {
    match &model.link {
        Link::Connecting { .. } => return ("connecting …".into(), Role::Unknown),
        Link::Failed { why, next, .. } => return (format!("{why}; {next}"), Role::Bad),
        Link::Up | Link::Lost { .. } => {}
    }
    let kinds: &[Kind] = match model.view {
        View::Workspaces | View::Findings => &crate::domain::board::NEEDED,
        View::Jobs => {
            let text = "no action was taken from this computer yet";
            return (text.into(), Role::Text);
        }
        View::Claims => &[Kind::Claim],
        View::Snapshots => &[Kind::Snapshot],
        View::Pods => &[Kind::Pod],
        View::Sets => &[Kind::Set],
        View::Volumes => &[Kind::Volume],
        View::Events => &[Kind::Event],
    };
    for &kind in kinds {
        let name = kind.short();
        return match model.inventory.freshness().get(kind) {
            Freshness::Live => continue,
            Freshness::Never => (format!("{name}: nothing was heard yet"), Role::Unknown),
            Freshness::Syncing { seen, .. } => {
                (format!("reading {name} … {seen} so far"), Role::Unknown)
            }
            Freshness::Stale { why, .. } => (format!("{name} are not known: {why}"), Role::Unknown),
            Freshness::Absent { why } => {
                (format!("this cluster has no {name}: {why}"), Role::Unknown)
            }
            Freshness::Denied { rule } => (
                format!("{name} may not be read; the missing right is `{rule}`"),
                Role::Unknown,
            ),
            Freshness::Off { why } => (format!("{name} are not read: {why}"), Role::Unknown),
        };
    }
    let place = model.place.namespace.as_deref();
    let place = place.map_or_else(|| "all namespaces".into(), |n| format!("namespace {n}"));
    match model.view {
        View::Findings if model.metrics.is_live() => ("nothing is wrong".into(), Role::Ok),
        View::Findings => (
            "nothing is wrong in what is known; the metrics are not".into(),
            Role::Ok,
        ),
        view => (format!("there are no {view} in {place}"), Role::Text),
    }
}
