//! A frame as SVG, for documents: what the terminal would show, cell by cell. Must not decide what is
//! shown; that is the frame's.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use unicode_width::UnicodeWidthStr as _;

use super::look::{SIXTEEN, rgb};

/// Pixels of a cell.
const CELL: (f64, f64) = (8.4, 18.0);
const FONT: f64 = 14.0;
const MARGIN: f64 = 12.0;
const PAPER: &str = "#10141a";
const INK: &str = "#d0d4da";

/// How a run of cells is written.
#[derive(Clone, PartialEq)]
struct Pen {
    ink: String,
    paper: String,
    modifier: Modifier,
}

impl Pen {
    fn of(cell: &Cell) -> Self {
        let (mut ink, mut paper) = (hex(cell.fg, INK), hex(cell.bg, PAPER));
        if cell.modifier.contains(Modifier::REVERSED) {
            std::mem::swap(&mut ink, &mut paper);
        }
        let modifier = cell.modifier.difference(Modifier::REVERSED);
        Self {
            ink,
            paper,
            modifier,
        }
    }
}

/// The colour as the web writes it.
fn hex(colour: Color, usual: &str) -> String {
    let (red, green, blue) = match colour {
        Color::Reset => return usual.to_owned(),
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 16..) => rgb(index),
        Color::Indexed(index) => SIXTEEN[usize::from(index)].1,
        named => SIXTEEN
            .iter()
            .find(|(one, _)| *one == named)
            .map_or((208, 212, 218), |(_, parts)| *parts),
    };
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// The whole frame; `title` is what a screen reader says.
pub(crate) fn of(buffer: &Buffer, title: &str) -> String {
    let (columns, rows) = (buffer.area.width, buffer.area.height);
    let width = f64::from(columns) * CELL.0 + 2.0 * MARGIN;
    let height = f64::from(rows) * CELL.1 + 2.0 * MARGIN;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.1} {height:.1}\" width=\"{width:.0}\" \
         height=\"{height:.0}\" role=\"img\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" rx=\"8\" \
         fill=\"{PAPER}\"/>\n<g font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" \
         font-size=\"{FONT}\" xml:space=\"preserve\">\n",
        escape(title)
    );
    for y in 0..rows {
        for (x, cells, text, pen) in runs(buffer, y) {
            draw(&mut svg, (x, y, cells), &text, &pen);
        }
    }
    svg.push_str("</g>\n</svg>\n");
    svg
}

/// Pieces of one line that are written alike: column, width in cells, text.
fn runs(buffer: &Buffer, y: u16) -> Vec<(u16, u16, String, Pen)> {
    let mut all: Vec<(u16, u16, String, Pen)> = Vec::new();
    let mut x = 0;
    while x < buffer.area.width {
        let cell = &buffer[(x, y)];
        let cells = u16::try_from(cell.symbol().width().max(1)).unwrap_or(1);
        let pen = Pen::of(cell);
        match all.last_mut() {
            Some((_, wide, text, last)) if *last == pen => {
                text.push_str(cell.symbol());
                *wide += cells;
            }
            _ => all.push((x, cells, cell.symbol().to_owned(), pen)),
        }
        x += cells;
    }
    all
}

fn draw(svg: &mut String, (x, y, cells): (u16, u16, u16), text: &str, pen: &Pen) {
    let place = |x: u16| MARGIN + f64::from(x) * CELL.0;
    let top = MARGIN + f64::from(y) * CELL.1;
    if pen.paper != PAPER {
        let _ = writeln!(
            svg,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>",
            place(x),
            f64::from(cells) * CELL.0,
            CELL.1,
            pen.paper
        );
    }
    // Columns stay columns whatever font the reader has: each word stands where its cells are.
    let mut at = x;
    for (blank, word) in words(text) {
        at += blank;
        let wide = u16::try_from(word.width()).unwrap_or(cells);
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" textLength=\"{:.1}\" lengthAdjust=\"spacingAndGlyphs\" fill=\"{}\"",
            place(at),
            top + CELL.1 * 0.75,
            f64::from(wide) * CELL.0,
            pen.ink
        );
        for (modifier, attribute) in [
            (Modifier::BOLD, " font-weight=\"bold\""),
            (Modifier::ITALIC, " font-style=\"italic\""),
            (Modifier::UNDERLINED, " text-decoration=\"underline\""),
            (Modifier::DIM, " opacity=\"0.6\""),
        ] {
            if pen.modifier.contains(modifier) {
                svg.push_str(attribute);
            }
        }
        let _ = writeln!(svg, ">{}</text>", escape(&word));
        at += wide;
    }
}

/// Texts between wider gaps, each with the blanks before it; a single blank belongs to its text.
fn words(text: &str) -> Vec<(u16, String)> {
    let mut all = Vec::new();
    let (mut blank, mut word) = (0, String::new());
    let mut inside = 0;
    for c in text.chars() {
        if c == ' ' {
            inside += 1;
            continue;
        }
        if inside > 1 || word.is_empty() {
            if !word.is_empty() {
                all.push((blank, std::mem::take(&mut word)));
            }
            blank = inside;
        } else if inside == 1 {
            word.push(' ');
        }
        inside = 0;
        word.push(c);
    }
    if !word.is_empty() {
        all.push((blank, word));
    }
    all
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

mod tests {
    use super::*;
    use ratatui::style::Style;

    #[test]
    fn what_is_written_stands_in_its_columns() {
        let mut buffer = Buffer::empty(ratatui::layout::Rect::new(0, 0, 20, 1));
        buffer.set_string(2, 0, "a <b  漢 c", Style::new().fg(Color::Indexed(203)));
        let svg = of(&buffer, "t");
        let x = |column: f64| format!("x=\"{:.1}\"", MARGIN + column * CELL.0);
        assert!(svg.contains("fill=\"#ff5f5f\">a &lt;b</text>"), "{svg}");
        assert!(svg.contains(&x(2.0)) && svg.contains(&x(8.0)), "{svg}");
        assert!(svg.contains(&format!("textLength=\"{:.1}\"", 4.0 * CELL.0)));
        assert!(svg.contains("漢 c</text>"), "{svg}");
    }
}
