//! The first two lines: where we are, what of it is known, and the views.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use strum::IntoEnumIterator as _;

use super::look::{Look, Role};
use super::{text, truth};
use crate::app::listing;
use crate::app::model::{Link, Model, View};
use crate::domain::board::NEEDED;

/// Room that the truth line has at least, on a screen that is wide enough to be of use.
const TRUTH: u16 = 40;

pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let place = place(model, look, area.width);
    let wide = u16::try_from(place.width()).unwrap_or(u16::MAX);
    frame
        .buffer_mut()
        .set_line(area.x, area.y, &place, area.width);
    let room = area.width.saturating_sub(wide.saturating_add(1));
    let truth = truth::line(model, look, room.saturating_sub(1));
    let truth_wide = u16::try_from(truth.width()).unwrap_or(room);
    let x = area.right().saturating_sub(truth_wide + 1);
    frame.buffer_mut().set_line(x, area.y, &truth, truth_wide);
    if area.height > 1 {
        draw_tabs(
            model,
            look,
            frame,
            Rect {
                y: area.y + 1,
                height: 1,
                ..area
            },
        );
    }
}

/// Where we are; names give way to what of it is true.
fn place(model: &Model, look: &Look, width: u16) -> Line<'static> {
    let place = &model.place;
    // Before a connection stands nobody knows where it leads.
    let unknown = place.cluster.is_empty() && model.link != Link::Up;
    let everywhere = if unknown { "…" } else { "all namespaces" };
    let namespace = place.namespace.as_deref().unwrap_or(everywhere);
    let context = place.label.as_deref().unwrap_or(&place.context);
    let colour = place.colour.as_ref().and_then(|c| c.parse::<Color>().ok());
    let style = match colour.filter(|_| look.colour) {
        Some(colour) => Style::new()
            .fg(look.nearest(colour))
            .add_modifier(Modifier::BOLD | Modifier::REVERSED),
        None => Style::new().add_modifier(Modifier::BOLD),
    };
    let (mark, role) = match place.read_only {
        _ if unknown => ("", Role::Dim),
        Some(_) => ("RO", Role::Warn),
        None => ("RW", Role::Dim),
    };
    let room = width.saturating_sub(TRUTH + 16).max(14);
    let wide = |text: &str| u16::try_from(text::width(text)).unwrap_or(u16::MAX);
    let whole = wide(namespace).saturating_add(wide(context));
    // What is short is whole, the other one takes what is left.
    let half = room / 2;
    let (for_namespace, for_context) = if whole <= room {
        (room, room)
    } else if wide(context) <= half {
        (room - wide(context), half)
    } else if wide(namespace) <= half {
        (half, room - wide(namespace))
    } else {
        (half, room - half)
    };
    Line::from(vec![
        Span::raw(" "),
        Span::styled("wsdash", look.style(Role::Accent)),
        Span::raw("  "),
        Span::styled(
            text::fit(namespace, for_namespace),
            look.style(Role::Header),
        ),
        Span::raw(" @ "),
        Span::styled(text::fit_tail(context, for_context), style),
        Span::raw(" "),
        Span::styled(mark, look.style(role)),
        Span::raw(" "),
    ])
}

pub(super) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The views with their counts, and where in a long list the cursor stands.
fn draw_tabs(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let at = position(model);
    let wide = u16::try_from(at.len()).unwrap_or(0);
    let room = area
        .width
        .saturating_sub(if wide > 0 { wide + 2 } else { 0 });
    let tabs = text::fit_line(tabs(model, look, room), room);
    frame.buffer_mut().set_line(area.x, area.y, &tabs, room);
    let at = Span::styled(at, look.style(Role::Dim));
    let x = area.right().saturating_sub(wide + 1);
    frame.buffer_mut().set_span(x, area.y, &at, wide);
}

/// `5/13,000` where the list is longer than the screen.
fn position(model: &Model) -> String {
    let listing = model.listing();
    if listing.rows.len() <= usize::from(model.drawn.table_rows.max(1)) {
        return String::new();
    }
    listing.position().map_or_else(String::new, |at| {
        format!("{}/{}", thousands(at + 1), thousands(listing.rows.len()))
    })
}

fn tabs(model: &Model, look: &Look, width: u16) -> Line<'static> {
    let facts = model.facts();
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for view in View::iter() {
        let known = match view.kind() {
            Some(kind) => model.inventory.freshness().get(kind).was_complete(),
            None if view == View::Jobs => true,
            None => {
                let freshness = model.inventory.freshness();
                (NEEDED.into_iter()).all(|kind| freshness.get(kind).was_complete())
            }
        };
        let count = listing::total(view, &facts);
        let count = match (known, count) {
            (_, 0) if view == View::Jobs => String::new(),
            (true, count) => format!(" {}", thousands(count)),
            (false, 0) => " ?".into(),
            (false, count) => format!(" {}…", thousands(count)),
        };
        let text = format!("{} {view}{count}", view.digit());
        let wide = text::width(&text) + 2;
        if used + wide + 1 > usize::from(width) {
            spans.push(Span::raw(look.glyph("»", ">")));
            break;
        }
        used += wide;
        let style = if view == model.view {
            look.style(Role::Accent)
                .add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        } else {
            look.style(Role::Dim)
        };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}
