//! The last lines: what runs, what was just said, and what can be done with the selected row.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::header::thousands;
use super::look::{Look, Role};
use super::text;
use crate::app::command;
use crate::app::model::{Level, Model};
use crate::domain::findings::human_duration;

/// Lines that the foot of the screen needs: one more while jobs run.
pub(super) fn height(model: &Model) -> u16 {
    1 + u16::from(model.jobs.values().any(|row| row.running))
}

pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let last = match notice(model, look, area.width) {
        Some(line) => line,
        None => hints(model, look, area.width, Vec::new()),
    };
    let mut lines = vec![last];
    if area.height > 1 {
        lines.insert(0, running(model, look));
    }
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        let line = text::fit_line(line, area.width);
        frame.buffer_mut().set_line(area.x, y, &line, area.width);
    }
}

/// What was just said, and beside it what can be done if there is room for both.
fn notice(model: &Model, look: &Look, width: u16) -> Option<Line<'static>> {
    let notice = model.notice.as_ref()?;
    let (glyph, role) = match notice.level {
        Level::Good => ("", Role::Ok),
        Level::Warn => ("! ", Role::Warn),
        Level::Bad => (look.glyph("✗ ", "x "), Role::Bad),
    };
    let text = format!("{glyph}{}", notice.text);
    let text = text::fit(&text, width.saturating_sub(1));
    let start = vec![Span::raw(" "), Span::styled(text, look.style(role))];
    let used: usize = start.iter().map(Span::width).sum();
    if used + 40 > usize::from(width) {
        return Some(Line::from(start));
    }
    let mut start = start;
    start.push(Span::styled(
        look.glyph("  │ ", "  | "),
        look.style(Role::Border),
    ));
    Some(hints(model, look, width, start))
}

/// What runs, wherever one looks.
fn running(model: &Model, look: &Look) -> Line<'static> {
    let mut spans = vec![Span::styled(" jobs  ", look.style(Role::Accent))];
    for row in model.jobs.values().filter(|row| row.running) {
        let took = human_duration(row.took(model.now));
        let mark = look.glyph("◐", "*");
        let text = format!("{mark} {}: {}, {took}   ", row.job.plan.title, row.step());
        spans.push(Span::raw(text::clean(&text).into_owned()));
    }
    Line::from(spans)
}

/// What narrows the list, then keys and words of the commands; those in the middle go first.
fn hints(model: &Model, look: &Look, width: u16, start: Vec<Span<'static>>) -> Line<'static> {
    let mut spans = start;
    if spans.is_empty() {
        spans.push(Span::raw(" "));
    }
    let listing = model.listing();
    if !listing.filter.is_empty() {
        let shown = (thousands(listing.rows.len()), thousands(listing.total));
        let text = format!("/{} {} of {}  ", listing.filter.text, shown.0, shown.1);
        let text = text::clean(&text).into_owned();
        spans.push(Span::styled(text, look.style(Role::Warn)));
    }
    if listing.only_hurt {
        spans.push(Span::styled("only findings  ", look.style(Role::Warn)));
    }
    let marks = listing.marks.len();
    if marks > 0 {
        let text = format!("{marks} marked  ");
        spans.push(Span::styled(text, look.style(Role::Marked)));
    }
    let used: usize = spans.iter().map(Span::width).sum();
    let mut hints = command::footer(model);
    let wide = |hints: &[(String, &str)]| -> usize {
        let each = hints
            .iter()
            .map(|(k, w)| text::width(k) + text::width(w) + 3);
        each.sum::<usize>().saturating_sub(2)
    };
    // The filter and the help stay: they lead to everything else.
    while hints.len() > 2 && used + wide(&hints) > usize::from(width) {
        hints.remove(hints.len() - 3);
    }
    for (key, word) in hints {
        spans.push(Span::styled(key, look.style(Role::Accent)));
        spans.push(Span::raw(format!(" {word}  ")));
    }
    Line::from(spans)
}
