//! Text from the cluster is hostile: control characters, wide and combining characters, overrides
//! of the writing direction. What comes out of here has the width that it says.

use std::borrow::Cow;

use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Without characters that move the cursor or turn text round.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    let plain = text.chars().map(|c| match c {
        '\t' => ' ',
        c if is_plain(c) => c,
        _ => '·',
    });
    Cow::Owned(plain.collect())
}

/// Neither a control nor a character that turns text round, joins others into one, or has a width
/// that terminals do not agree on.
pub(super) fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'
                | '\u{1160}'
                | '\u{17b4}'
                | '\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// Escape sequences of a log line taken out, the rest cleaned.
pub(super) fn without_escapes(text: &str) -> String {
    let is_simple = |b: u8| (0x20..0x7f).contains(&b);
    if text.bytes().all(is_simple) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '\u{1b}' => {}
            '\t' => {
                plain.push_str("    ");
                continue;
            }
            c => {
                plain.push(if is_plain(c) { c } else { '·' });
                continue;
            }
        }
        match characters.next() {
            // CSI: up to its final byte.
            Some('[') => while characters.next().is_some_and(|c| !('@'..='~').contains(&c)) {},
            // OSC: up to BEL or ST.
            Some(']') => {
                while let Some(c) = characters.next() {
                    if c == '\u{7}' || (c == '\u{1b}' && characters.next_if_eq(&'\\').is_some()) {
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    plain
}

pub(super) fn width(text: &str) -> usize {
    text.width()
}

/// Cleaned and cut to a width, with `…` where something is missing.
pub(super) fn fit(text: &str, width: u16) -> String {
    let text = clean(text);
    let width = usize::from(width);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut cut = String::new();
    let mut used = 0;
    for c in text.chars() {
        let next = used + c.width().unwrap_or(0);
        if next + 1 > width {
            break;
        }
        used = next;
        cut.push(c);
    }
    if width > 0 {
        cut.push('…');
    }
    cut
}

/// Cleaned and cut to a width from the left: of a long name of a context the end tells most.
pub(super) fn fit_tail(text: &str, width: u16) -> String {
    let text = clean(text);
    let width = usize::from(width);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut used = 1;
    let mut kept: Vec<char> = Vec::new();
    for c in text.chars().rev() {
        used += c.width().unwrap_or(0);
        if used > width {
            break;
        }
        kept.push(c);
    }
    if width > 0 {
        kept.push('…');
    }
    kept.into_iter().rev().collect()
}

/// Cuts a line of spans to a width.
pub(super) fn fit_line(line: Line<'static>, width: u16) -> Line<'static> {
    let mut left = usize::from(width);
    if line.width() <= left {
        return line;
    }
    let mut spans = Vec::new();
    for span in line.spans {
        if left == 0 {
            break;
        }
        let wide = span.content.width();
        // The last one that fits whole must leave room for the mark.
        if wide < left {
            left -= wide;
            spans.push(span);
        } else {
            let room = u16::try_from(left).unwrap_or(u16::MAX);
            let text = if wide == left {
                let mut cut = fit(&format!("{}xx", span.content), room);
                if cut.is_empty() {
                    cut.push('…');
                }
                cut
            } else {
                fit(&span.content, room)
            };
            spans.push(Span::styled(text, span.style));
            left = 0;
        }
    }
    Line::from(spans)
}

/// Breaks a text into lines of at most `width` cells, between words where it can.
pub(super) fn wrap(text: &str, width: u16) -> Vec<String> {
    let width = usize::from(width.max(1));
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for word in clean(text).split(' ') {
        let wide = word.width();
        if used > 0 && used + 1 + wide > width {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if used > 0 {
            line.push(' ');
            used += 1;
        }
        for c in word.chars() {
            let wide = c.width().unwrap_or(0);
            if used + wide > width && used > 0 {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            line.push(c);
            used += wide;
        }
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_is_fitted_fits(text in "\\PC{0,40}|[\\x00-\\x1fa漢é\u{202e}]{0,20}", width in 0_u16..30) {
            prop_assert!(fit(&text, width).width() <= usize::from(width));
            prop_assert!(fit_tail(&text, width).width() <= usize::from(width));
            let line = Line::from(vec![Span::raw(clean(&text).into_owned()), Span::raw("tail")]);
            prop_assert!(fit_line(line, width).width() <= usize::from(width));
        }

        #[test]
        fn wrapping_loses_nothing(text in "[a-c ]{0,60}", width in 1_u16..20) {
            let wrapped = wrap(&text, width);
            prop_assert!(wrapped.iter().all(|l| l.width() <= usize::from(width)));
            let letters = |s: &str| s.chars().filter(|c| *c != ' ').collect::<String>();
            prop_assert_eq!(letters(&wrapped.concat()), letters(&text));
        }
    }

    proptest! {}

    #[test]
    fn what_tells_a_context_is_its_end() {
        assert_eq!(fit_tail("gke_acme_us-central1_prod", 10), "…ral1_prod");
        assert_eq!(fit_tail("prod", 10), "prod");
    }

    #[test]
    fn escapes_of_logs_do_nothing() {
        assert_eq!(
            without_escapes("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}x\u{1b}[2J"),
            "red x"
        );
        assert_eq!(clean("a\u{202e}b\u{7}"), "a·b·");
    }
}
