//! What the shell makes of a word before a command sees it: variables, output of commands, arithmetic, fields,
//! pathnames.

use std::cell::RefCell;
use std::rc::Rc;

use super::eval::{Input, Interpreter, Io, Sink};
use super::glob::Pattern;
use super::parse::{Command, LENGTH, Part, Word, parse};
use super::{Host, glob};

/// A field under way: its text, and the pattern in which what was quoted is escaped.
#[derive(Debug, Default)]
struct Field {
    text: String,
    pattern: String,
}

impl Field {
    fn push(&mut self, text: &str, literal: bool) {
        self.text.push_str(text);
        if literal {
            self.pattern.push_str(&glob::escape(text));
        } else {
            self.pattern.push_str(&text.replace('\\', "\\\\"));
        }
    }

    /// The paths that fit; the field as it stands when none does.
    fn paths(self, shell: &Interpreter, host: &mut dyn Host) -> Vec<String> {
        let mut found = Vec::new();
        if self.pattern.contains(['*', '?', '[']) {
            host.files(&mut |f| found = glob::expand(f, &shell.directory, &self.pattern));
        }
        if found.is_empty() {
            found.push(self.text);
        }
        found
    }
}

impl Interpreter {
    pub(super) fn expand_one(&mut self, word: &Word, host: &mut dyn Host) -> String {
        word.iter().map(|part| self.value(part, host).0).collect()
    }

    /// Expands a word to the fields that it becomes.
    pub(super) fn expand(&mut self, word: &Word, host: &mut dyn Host) -> Vec<String> {
        let mut fields: Vec<Field> = Vec::new();
        let mut open: Option<Field> = None;
        // quotes around no arguments are no field
        let mut vanishes = false;
        for part in word {
            if matches!(part, Part::Variable(name, None, true) if name == "@") {
                let arguments = self.positional.get(1..).unwrap_or_default();
                vanishes |= arguments.is_empty();
                for (i, argument) in arguments.iter().enumerate() {
                    if i > 0 {
                        fields.extend(open.take());
                    }
                    open.get_or_insert_default().push(argument, true);
                }
                continue;
            }
            let (value, split) = self.value(part, host);
            if !split {
                let literal = !matches!(part, Part::Text(_, false));
                open.get_or_insert_default().push(&value, literal);
                continue;
            }
            if value.starts_with(char::is_whitespace) {
                fields.extend(open.take());
            }
            let mut pieces = value.split_whitespace().peekable();
            while let Some(piece) = pieces.next() {
                open.get_or_insert_default().push(piece, false);
                if pieces.peek().is_some() || value.ends_with(char::is_whitespace) {
                    fields.extend(open.take());
                }
            }
        }
        fields.extend(open.filter(|field| !vanishes || !field.text.is_empty()));
        let paths = fields.into_iter().flat_map(|field| field.paths(self, host));
        paths.collect()
    }

    /// The text of a part, and whether it is split into fields.
    fn value(&mut self, part: &Part, host: &mut dyn Host) -> (String, bool) {
        match part {
            Part::Text(text, _) => (text.clone(), false),
            Part::Variable(name, operation, quoted) => {
                (self.variable(name, operation.as_ref(), host), !quoted)
            }
            Part::Output(script, quoted) => {
                let buffer = Rc::new(RefCell::new(Vec::new()));
                let mut io = Io {
                    input: Input::Empty,
                    out: Sink::Capture(Rc::clone(&buffer)),
                    err: Sink::Host(true),
                };
                self.subshell(script, Vec::new(), &mut io, host);
                let text = String::from_utf8_lossy(&buffer.borrow())
                    .trim_end_matches('\n')
                    .to_owned();
                (text, !quoted)
            }
            Part::Arithmetic(text) => (self.arithmetic(text).to_string(), false),
        }
    }

    fn variable(
        &mut self,
        name: &str,
        operation: Option<&(String, String)>,
        host: &mut dyn Host,
    ) -> String {
        let found = match name {
            "?" => Some(self.status.to_string()),
            "$" => Some("1".to_owned()),
            "#" => Some((self.positional.len() - 1).to_string()),
            "@" | "*" => Some(
                self.positional
                    .iter()
                    .skip(1)
                    .cloned()
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            "PWD" => Some(self.directory.clone()),
            _ => match name.parse::<usize>() {
                Ok(at) => self.positional.get(at).cloned(),
                Err(_) => self.variables.get(name).cloned(),
            },
        };
        let Some((operation, text)) = operation else {
            return found.unwrap_or_default();
        };
        let set = found
            .as_ref()
            .is_some_and(|f| !operation.starts_with(':') || !f.is_empty());
        let mut other = |me: &mut Self| match parse(&format!("x \"{text}\"")) {
            Ok(items) => match items.first().and_then(|i| i.pipeline.first()) {
                Some(Command::Simple { words, .. }) => words
                    .get(1)
                    .map(|w| me.expand_one(w, host))
                    .unwrap_or_default(),
                _ => String::new(),
            },
            Err(_) => text.clone(),
        };
        match operation.trim_start_matches(':') {
            "-" if !set => other(self),
            "=" if !set => {
                let value = other(self);
                self.variables.insert(name.to_owned(), value.clone());
                value
            }
            "+" => {
                if set {
                    other(self)
                } else {
                    String::new()
                }
            }
            LENGTH => found.unwrap_or_default().chars().count().to_string(),
            "#" | "##" | "%" | "%%" => {
                let pattern = Pattern::parse(&other(self));
                without(&found.unwrap_or_default(), operation, &pattern)
            }
            _ => found.unwrap_or_default(),
        }
    }

    /// Sums and products of whole numbers and variables, from left to right by rank.
    fn arithmetic(&self, text: &str) -> i64 {
        let number = |token: &str| -> i64 {
            let token = token.trim();
            let argument = token.strip_prefix('$').and_then(|at| at.parse().ok());
            if let Some(at) = argument {
                let text: Option<&String> = self.positional.get::<usize>(at);
                return text.and_then(|text| text.parse().ok()).unwrap_or(0);
            }
            let token = token.trim_start_matches('$');
            token.parse().unwrap_or_else(|_| {
                self.variables
                    .get(token)
                    .and_then(|v| v.parse().ok())
                    .unwrap_or(0)
            })
        };
        let text = text.trim().trim_start_matches('(').trim_end_matches(')');
        for operators in [['+', '-', '-'], ['*', '/', '%']] {
            if let Some(at) = text.rfind(operators).filter(|at| *at > 0) {
                let (left, right) = text.split_at(at);
                let operator = right.chars().next();
                let right = right.get(1..).unwrap_or("");
                let (a, b) = (self.arithmetic(left), self.arithmetic(right));
                return match operator {
                    Some('+') => a.wrapping_add(b),
                    Some('-') => a.wrapping_sub(b),
                    Some('*') => a.wrapping_mul(b),
                    Some('/') => a.checked_div(b).unwrap_or(0),
                    _ => a.checked_rem(b).unwrap_or(0),
                };
            }
        }
        number(text)
    }
}

/// The value without the shortest (`#`, `%`) or longest (`##`, `%%`) part at its beginning or end
/// that fits.
fn without(value: &str, operation: &str, pattern: &Pattern) -> String {
    let at_end = operation.starts_with('%');
    let edges = value.char_indices().map(|(at, _)| at).chain([value.len()]);
    let mut cuts: Vec<usize> = edges.collect();
    // from the shortest part to the longest
    if at_end != (operation.len() == 2) {
        cuts.reverse();
    }
    for (before, after) in cuts.into_iter().map(|at| value.split_at(at)) {
        let (part, rest) = if at_end {
            (after, before)
        } else {
            (before, after)
        };
        if pattern.matches(part) {
            return rest.to_owned();
        }
    }
    value.to_owned()
}
