//! `grep`: lines that fit a pattern.

use super::Call;
use crate::demo::prom::pattern::Pattern;

/// A basic regular expression as the alternatives, groups and repetitions of an anchored one. `None` when it holds
/// what is not known here.
fn anchored(basic: &str) -> Option<String> {
    let (start, body) = match basic.strip_prefix('^') {
        Some(body) => ("", body),
        None => (".*", basic),
    };
    let (body, end) = match body.strip_suffix('$').filter(|b| !b.ends_with('\\')) {
        Some(body) => (body, ""),
        None => (body, ".*"),
    };
    let mut out = String::from(start);
    let mut chars = body.chars().peekable();
    let mut first = true;
    while let Some(c) = chars.next() {
        match c {
            '*' if first => out.push_str("\\*"),
            '.' | '*' => out.push(c),
            '[' => {
                out.push(c);
                let negated = chars.next_if_eq(&'^');
                out.extend(negated);
                // a bracket that begins with its own end, and named classes
                if matches!(chars.peek(), Some(']' | '[')) {
                    return None;
                }
                loop {
                    let inner = chars.next()?;
                    if inner == '[' {
                        return None;
                    }
                    out.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
            }
            '\\' => match chars.next()? {
                c if c.is_ascii_alphanumeric() || "(){}|+?<>".contains(c) => return None,
                c => out.extend(['\\', c]),
            },
            c if c.is_alphanumeric() || c.is_whitespace() => out.push(c),
            c => out.extend(['\\', c]),
        }
        first = false;
    }
    out.push_str(end);
    Some(out)
}

enum Matcher {
    Text(String),
    Pattern(Pattern),
}

impl Matcher {
    fn new(pattern: &str, fixed: bool) -> Option<Self> {
        let plain = !pattern.contains(['^', '$', '*', '.', '[', '\\']);
        if fixed || plain {
            return Some(Self::Text(pattern.to_owned()));
        }
        Pattern::parse(&anchored(pattern)?).ok().map(Self::Pattern)
    }

    fn fits(&self, line: &str) -> bool {
        match self {
            Self::Text(text) => line.contains(text.as_str()),
            Self::Pattern(pattern) => pattern.matches(line),
        }
    }
}

pub(super) fn grep(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    call.failure = 2;
    let Some(mut o) = call.options(words, "ivqcFe:") else {
        return 2;
    };
    let pattern = match o.value('e').map(str::to_owned) {
        Some(pattern) => pattern,
        None if o.rest.is_empty() => {
            call.usage("[-ivqcF] { PATTERN | -e PATTERN } [FILE]...");
            return 2;
        }
        None => o.rest.remove(0),
    };
    let lower = o.has("i");
    let folded = |text: &str| {
        if lower {
            text.to_lowercase()
        } else {
            text.to_owned()
        }
    };
    let Some(matcher) = Matcher::new(&folded(&pattern), o.has("F")) else {
        call.fail(&format!(
            "bad regex '{pattern}': not part of this simulated image"
        ));
        return 2;
    };
    let mut found = false;
    for (name, data) in call.sources(&o.rest) {
        let text = String::from_utf8_lossy(&data).into_owned();
        let prefix = match o.rest.len() {
            0 | 1 => String::new(),
            _ => format!("{name}:"),
        };
        let mut count = 0;
        for line in text.lines() {
            if matcher.fits(&folded(line)) != o.has("v") {
                count += 1;
                if !o.has("qc") {
                    call.print(&format!("{prefix}{line}\n"));
                }
            }
        }
        found |= count > 0;
        if o.has("c") && !o.has("q") {
            call.print(&format!("{prefix}{count}\n"));
        }
    }
    if call.failed { 2 } else { i64::from(!found) }
}
