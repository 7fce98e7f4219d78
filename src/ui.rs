//! Drawing: a frame from the model, and nothing else. Reads only; knows no clock, no client and
//! no key. Text is made for the rows on the screen alone, so a frame costs what is seen, not what
//! there is.

mod cells;
mod chart;
mod detail;
mod footer;
mod header;
mod look;
mod markdown;
mod modal;
mod summary;
#[cfg(test)]
pub(crate) mod svg;
mod table;
mod text;
mod truth;

#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;

use crate::app::Model;
use crate::app::model::Drawn;
use crate::config::Split;

pub use look::{Look, Role};

/// Less than this shows one line that says so.
const SMALLEST: (u16, u16) = (40, 8);
/// From here on the pane is beside the table.
const WIDE: u16 = 120;

/// Draws one frame, and answers what only drawing can measure.
pub fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>) -> Drawn {
    let area = frame.area();
    if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
        let line = text::fit(
            &format!("wsdash needs {}×{}; ctrl-c quits", SMALLEST.0, SMALLEST.1),
            area.width,
        );
        frame.render_widget(line.as_str(), area);
        return model.drawn;
    }
    let (top, rest) = cut_top(area, 2);
    let (rest, bottom) = cut_bottom(rest, footer::height(model));
    header::draw(model, look, frame, top);
    let places = arrange(model, look, rest);
    let mut drawn = Drawn::default();
    if let Some(area) = places.table {
        let shown = table::draw(model, look, frame, area);
        drawn.table_rows = shown.0;
        drawn.table_offset = shown.1;
    }
    if let Some(area) = places.pane {
        let shown = detail::draw(model, look, frame, area);
        drawn.text_rows = shown.0;
        drawn.text_lines = shown.1;
    }
    footer::draw(model, look, frame, bottom);
    if let Some(shown) = modal::draw(model, look, frame, area) {
        drawn.text_rows = shown.0;
        drawn.text_lines = shown.1;
    }
    let plain = look.ascii;
    for cell in &mut frame.buffer_mut().content {
        make_harmless(cell, plain);
    }
    drawn
}

/// The last line of defence: whatever a name, a message or a log line brought along, no cell moves
/// the cursor or turns text round; and where only ASCII is drawn, marks of cut text and names from
/// the cluster are spelled in it.
fn make_harmless(cell: &mut ratatui::buffer::Cell, ascii: bool) {
    /// More marks on one character than this reach into the lines above and below.
    const MARKS: usize = 3;
    let symbol = cell.symbol();
    if symbol.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return;
    }
    if ascii {
        let plain = match symbol {
            "…" => "~",
            "–" | "─" => "-",
            "×" => "x",
            "·" => ".",
            "│" => "|",
            "→" => ">",
            _ => "?",
        };
        cell.set_symbol(plain);
    } else if !symbol.chars().all(text::is_plain) || symbol.chars().count() > 1 + MARKS {
        cell.set_symbol("·");
    }
}

#[derive(Default)]
struct Places {
    table: Option<Rect>,
    pane: Option<Rect>,
}

/// Where table and pane go.
fn arrange(model: &Model, look: &Look, area: Rect) -> Places {
    if model.detail.zoomed {
        return Places {
            table: None,
            pane: Some(area),
        };
    }
    let right = match look.split {
        Split::Right => true,
        Split::Below => false,
        Split::Auto | Split::Off => area.width >= WIDE,
    };
    if !model.detail.open
        || look.split == Split::Off && model.focus != crate::app::model::Focus::Detail
    {
        return Places {
            table: Some(area),
            pane: None,
        };
    }
    if right {
        let width = area.width * 11 / 20;
        let (left, pane) = (
            Rect { width, ..area },
            Rect {
                x: area.x + width,
                width: area.width - width,
                ..area
            },
        );
        return Places {
            table: Some(left),
            pane: Some(pane),
        };
    }
    // Whoever has the focus has the room.
    let focused = model.focus == crate::app::model::Focus::Detail;
    let height = if focused {
        area.height * 2 / 3
    } else {
        area.height * 2 / 5
    };
    let (table, pane) = cut_bottom(area, height.max(5).min(area.height.saturating_sub(3)));
    Places {
        table: Some(table),
        pane: Some(pane),
    }
}

const fn cut_top(area: Rect, height: u16) -> (Rect, Rect) {
    let height = if height < area.height {
        height
    } else {
        area.height
    };
    (
        Rect { height, ..area },
        Rect {
            y: area.y + height,
            height: area.height - height,
            ..area
        },
    )
}

const fn cut_bottom(area: Rect, height: u16) -> (Rect, Rect) {
    let height = if height < area.height {
        height
    } else {
        area.height
    };
    (
        Rect {
            height: area.height - height,
            ..area
        },
        Rect {
            y: area.y + area.height - height,
            height,
            ..area
        },
    )
}
