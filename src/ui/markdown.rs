//! The little Markdown that runbooks use, as lines: headings, lists, code, emphasis. Anything else
//! is shown as it is written.

use ratatui::style::Modifier;
use ratatui::text::{Line, Span};

use super::look::{Look, Role};
use super::text;

pub(super) fn lines(source: &str, look: &Look, width: u16) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut code = false;
    let mut paragraph = String::new();
    let flush = |paragraph: &mut String, lines: &mut Vec<Line<'static>>| {
        if !paragraph.is_empty() {
            lines.extend(prose(paragraph, look, width, ""));
            paragraph.clear();
        }
    };
    for line in source.lines() {
        let bare = line.trim_start();
        if bare.starts_with("```") {
            flush(&mut paragraph, &mut lines);
            code = !code;
        } else if code {
            let text = format!("  {}", text::clean(line));
            lines.push(Line::styled(text, look.style(Role::Accent)));
        } else if let Some(heading) = bare.strip_prefix('#') {
            flush(&mut paragraph, &mut lines);
            let heading = heading.trim_start_matches('#').trim();
            let style = look.style(Role::Header).add_modifier(Modifier::UNDERLINED);
            lines.push(Line::styled(text::fit(heading, width), style));
        } else if bare.is_empty() {
            flush(&mut paragraph, &mut lines);
            lines.push(Line::raw(""));
        } else if is_item(bare) {
            flush(&mut paragraph, &mut lines);
            let indent = line.len() - bare.len();
            paragraph = format!("{}{bare}", " ".repeat(indent));
        } else {
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(bare);
        }
    }
    flush(&mut paragraph, &mut lines);
    lines
}

fn is_item(line: &str) -> bool {
    let digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with("- ")
        || line.starts_with("* ")
        || (digits.len() < line.len() && digits.starts_with(". "))
}

/// Wrapped, with `code` and **strong** told apart.
fn prose(source: &str, look: &Look, width: u16, indent: &str) -> Vec<Line<'static>> {
    let room = width.saturating_sub(u16::try_from(indent.len()).unwrap_or(0));
    text::wrap(source, room)
        .into_iter()
        .map(|line| {
            let mut spans = vec![Span::raw(indent.to_owned())];
            for (i, part) in line.split('`').enumerate() {
                if i % 2 == 1 {
                    spans.push(Span::styled(part.to_owned(), look.style(Role::Accent)));
                    continue;
                }
                for (j, words) in part.split("**").enumerate() {
                    let style = if j % 2 == 1 {
                        look.style(Role::Header)
                    } else {
                        look.style(Role::Text)
                    };
                    spans.push(Span::styled(words.to_owned(), style));
                }
            }
            Line::from(spans)
        })
        .collect()
}
