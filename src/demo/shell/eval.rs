//! Carries out what the grammar found: variables, expansion, pipelines, redirections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::parse::{Command, Item, Part, Redirect, Word, parse};
use super::{Host, builtin};

/// 128 and the number of SIGINT.
const INTERRUPTED: i64 = 130;
/// Commands that a script may run before it is taken for endless.
const COMMANDS: u32 = 200_000;

/// Why the shell ends before its script does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    Exit,
    /// The other side went away, or the pod did.
    Killed,
    /// By ^C: a shell on a terminal goes on with the next line.
    Interrupted,
}

impl Stop {
    /// It ends the shells around, too.
    fn ends_all(self) -> bool {
        self != Self::Exit
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Input {
    Host,
    Bytes(Rc<RefCell<Vec<u8>>>),
    Empty,
}

#[derive(Clone, Debug)]
pub(crate) enum Sink {
    Host(bool),
    Capture(Rc<RefCell<Vec<u8>>>),
    File(String),
    Null,
}

/// The three descriptors of a command.
#[derive(Clone, Debug)]
pub(crate) struct Io {
    pub(crate) input: Input,
    pub(crate) out: Sink,
    pub(crate) err: Sink,
}

impl Io {
    fn host() -> Self {
        Self {
            input: Input::Host,
            out: Sink::Host(false),
            err: Sink::Host(true),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Interpreter {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) directory: String,
    pub(crate) status: i64,
    positional: Vec<String>,
    stop: Option<Stop>,
    ran: u32,
    exit_on_error: bool,
}

impl Interpreter {
    pub(crate) fn new(variables: BTreeMap<String, String>, directory: &str) -> Self {
        let directory = if directory.is_empty() { "/" } else { directory }.to_owned();
        Self {
            variables,
            directory,
            status: 0,
            positional: vec!["sh".to_owned()],
            stop: None,
            ran: 0,
            exit_on_error: false,
        }
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        self.stop
    }

    pub(crate) fn exit(&mut self, code: i64) {
        self.status = code;
        self.stop = Some(Stop::Exit);
    }

    pub(crate) fn kill(&mut self) {
        self.status = 137;
        self.stop = Some(Stop::Killed);
    }

    /// ^C: what runs ends, up to the shell on the terminal.
    pub(crate) fn interrupt(&mut self) {
        self.status = INTERRUPTED;
        self.stop = Some(Stop::Interrupted);
    }

    /// Goes on after ^C.
    pub(crate) fn go_on(&mut self) {
        self.stop = None;
    }

    /// Runs a command with its arguments, as `exec` does.
    pub(crate) fn run_command(&mut self, words: &[String], host: &mut dyn Host) -> i64 {
        let mut io = Io::host();
        self.invoke(words, &mut io, host);
        self.status
    }

    /// Runs a script on the host's descriptors.
    pub(crate) fn run_script(&mut self, text: &str, host: &mut dyn Host) -> i64 {
        let mut io = Io::host();
        self.script(text, &mut io, host);
        self.status
    }

    pub(crate) fn script(&mut self, text: &str, io: &mut Io, host: &mut dyn Host) {
        match parse(text) {
            Ok(items) => self.list(&items, io, host),
            Err(why) => {
                self.write(&io.err.clone(), format!("sh: {why}\n").as_bytes(), host);
                self.status = 2;
            }
        }
    }

    /// A shell inside: its variables and directory do not come back.
    pub(crate) fn subshell(
        &mut self,
        text: &str,
        arguments: Vec<String>,
        io: &mut Io,
        host: &mut dyn Host,
    ) {
        let mut inner = self.clone();
        inner.exit_on_error = false;
        if !arguments.is_empty() {
            inner.positional = arguments;
        }
        inner.script(text, io, host);
        self.adopt(&inner);
    }

    /// Takes over how a shell inside this one ended.
    pub(super) fn adopt(&mut self, inner: &Self) {
        self.status = inner.status;
        self.ran = inner.ran;
        if inner.stop.is_some_and(Stop::ends_all) {
            self.stop = inner.stop;
        }
    }

    pub(crate) fn set_exit_on_error(&mut self, on: bool) {
        self.exit_on_error = on;
    }

    /// `$1` and what follows; `$0` stays.
    pub(crate) fn set_arguments(&mut self, arguments: &[String]) {
        self.positional.truncate(1);
        self.positional.extend_from_slice(arguments);
    }

    fn list(&mut self, items: &[Item], io: &mut Io, host: &mut dyn Host) {
        for (i, item) in items.iter().enumerate() {
            let skip = match item.after {
                "&&" => self.status != 0,
                "||" => self.status == 0,
                _ => false,
            };
            if skip {
                continue;
            }
            self.pipeline(&item.pipeline, io, host);
            if self.stop.is_some() {
                return;
            }
            if item.negated {
                self.status = i64::from(self.status == 0);
            }
            let tested = item.negated || items.get(i + 1).is_some_and(|n| n.after != ";");
            if self.exit_on_error && self.status != 0 && !tested {
                self.stop = Some(Stop::Exit);
                return;
            }
        }
    }

    fn pipeline(&mut self, commands: &[Command], io: &mut Io, host: &mut dyn Host) {
        let [single] = commands else {
            let mut input = io.input.clone();
            for (i, command) in commands.iter().enumerate() {
                let last = i + 1 == commands.len();
                let buffer = Rc::new(RefCell::new(Vec::new()));
                let out = if last {
                    io.out.clone()
                } else {
                    Sink::Capture(Rc::clone(&buffer))
                };
                let mut step = Io {
                    input,
                    out,
                    err: io.err.clone(),
                };
                let mut inner = self.clone();
                inner.exit_on_error = false;
                inner.command(command, &mut step, host);
                self.adopt(&inner);
                if self.stop.is_some_and(Stop::ends_all) {
                    return;
                }
                input = Input::Bytes(buffer);
            }
            return;
        };
        self.command(single, io, host);
    }

    fn command(&mut self, command: &Command, io: &mut Io, host: &mut dyn Host) {
        self.ran += 1;
        if self.ran > COMMANDS {
            self.kill();
            return;
        }
        match command {
            Command::Simple { words, redirects } => self.simple(words, redirects, io, host),
            Command::Group(items, redirects) => {
                let mut own = io.clone();
                if self.redirect(redirects, &mut own, host) {
                    self.list(items, &mut own, host);
                }
            }
            Command::Subshell(items, redirects) => {
                let mut own = io.clone();
                if self.redirect(redirects, &mut own, host) {
                    let mut inner = self.clone();
                    inner.list(items, &mut own, host);
                    self.adopt(&inner);
                }
            }
            Command::If(branches, otherwise) => {
                let strict = std::mem::take(&mut self.exit_on_error);
                for (condition, body) in branches {
                    self.list(condition, io, host);
                    if self.stop.is_some() {
                        return;
                    }
                    if self.status == 0 {
                        self.exit_on_error = strict;
                        self.list(body, io, host);
                        return;
                    }
                }
                self.exit_on_error = strict;
                self.status = 0;
                self.list(otherwise, io, host);
            }
            Command::For(name, words, body) => {
                let values: Vec<String> = words.iter().flat_map(|w| self.expand(w, host)).collect();
                for value in values {
                    self.variables.insert(name.clone(), value);
                    self.list(body, io, host);
                    if self.stop.is_some() {
                        return;
                    }
                }
            }
            Command::While(condition, body, until) => loop {
                self.list(condition, io, host);
                if self.stop.is_some() || (self.status == 0) == *until {
                    self.status = 0;
                    return;
                }
                self.list(body, io, host);
                if self.stop.is_some() {
                    return;
                }
            },
        }
    }

    fn simple(&mut self, words: &[Word], redirects: &[Redirect], io: &Io, host: &mut dyn Host) {
        let mut own = io.clone();
        let mut rest = words;
        let mut assigned = Vec::new();
        while let Some((first, after)) = rest.split_first() {
            let Some((name, value)) = assignment(first) else {
                break;
            };
            let value = self.expand_one(&value, host);
            assigned.push((name, value));
            rest = after;
        }
        let expanded: Vec<String> = rest.iter().flat_map(|w| self.expand(w, host)).collect();
        if !self.redirect(redirects, &mut own, host) {
            return;
        }
        if expanded.is_empty() {
            self.variables.extend(assigned);
            if words
                .iter()
                .all(|w| !w.iter().any(|p| matches!(p, Part::Output(..))))
            {
                self.status = 0;
            }
            return;
        }
        let kept = (!assigned.is_empty()).then(|| self.variables.clone());
        self.variables.extend(assigned);
        self.invoke(&expanded, &mut own, host);
        if let Some(kept) = kept {
            self.variables = kept;
        }
    }

    fn invoke(&mut self, words: &[String], io: &mut Io, host: &mut dyn Host) {
        if !host.files(&mut |_| {}) {
            self.kill();
            return;
        }
        self.status = builtin::run(self, words, io, host);
    }

    fn redirect(&mut self, redirects: &[Redirect], io: &mut Io, host: &mut dyn Host) -> bool {
        for redirect in redirects {
            let target = self.expand_one(&redirect.target, host);
            if redirect.kind == ">&" {
                let sink = if target == "1" {
                    io.out.clone()
                } else {
                    io.err.clone()
                };
                if redirect.descriptor == 2 {
                    io.err = sink;
                } else {
                    io.out = sink;
                }
                continue;
            }
            let path = self.path(&target);
            let failed = if redirect.kind == "<" {
                Self::open_input(&path, io, host)
            } else {
                let sink = if path == "/dev/null" {
                    Ok(Sink::Null)
                } else {
                    open_output(&path, redirect.kind == ">>", host)
                };
                match sink {
                    Ok(sink) if redirect.descriptor == 2 => {
                        io.err = sink;
                        None
                    }
                    Ok(sink) => {
                        io.out = sink;
                        None
                    }
                    Err(why) => Some(format!("can't create {target}: {why}")),
                }
            };
            if let Some(why) = failed {
                self.write(&io.err.clone(), format!("sh: {why}\n").as_bytes(), host);
                self.status = 1;
                return false;
            }
        }
        true
    }

    fn open_input(path: &str, io: &mut Io, host: &mut dyn Host) -> Option<String> {
        let mut found = Err(super::files::ENOENT);
        host.files(&mut |f| found = f.read(path));
        match found {
            Ok(bytes) => {
                io.input = Input::Bytes(Rc::new(RefCell::new(bytes.to_vec())));
                None
            }
            Err(why) => Some(format!("can't open {path}: {why}")),
        }
    }

    /// An absolute path.
    pub(crate) fn path(&self, text: &str) -> String {
        if text.starts_with('/') {
            text.to_owned()
        } else {
            format!("{}/{text}", self.directory.trim_end_matches('/'))
        }
    }

    pub(crate) fn write(
        &mut self,
        sink: &Sink,
        bytes: &[u8],
        host: &mut dyn Host,
    ) -> Option<&'static str> {
        match sink {
            Sink::Host(error) => {
                if !host.write(*error, bytes) {
                    self.kill();
                }
            }
            Sink::Capture(buffer) => buffer.borrow_mut().extend_from_slice(bytes),
            Sink::File(path) => {
                let mut result = Ok(());
                host.files(&mut |f| result = f.write(path, bytes, true));
                return result.err();
            }
            Sink::Null => {}
        }
        None
    }

    // ---- expansion

    fn expand_one(&mut self, word: &Word, host: &mut dyn Host) -> String {
        word.iter().map(|part| self.value(part, host).0).collect()
    }

    /// Expands a word to the fields that it becomes.
    fn expand(&mut self, word: &Word, host: &mut dyn Host) -> Vec<String> {
        let mut fields: Vec<String> = Vec::new();
        let mut open: Option<String> = None;
        for part in word {
            if matches!(part, Part::Variable(name, None, true) if name == "@") {
                fields.extend(self.positional.iter().skip(1).cloned());
                continue;
            }
            let (value, split) = self.value(part, host);
            if !split {
                open.get_or_insert_default().push_str(&value);
                continue;
            }
            if value.starts_with(char::is_whitespace) {
                fields.extend(open.take());
            }
            let mut pieces = value.split_whitespace().peekable();
            while let Some(piece) = pieces.next() {
                open.get_or_insert_default().push_str(piece);
                if pieces.peek().is_some() || value.ends_with(char::is_whitespace) {
                    fields.extend(open.take());
                }
            }
        }
        fields.extend(open);
        let globs = word
            .iter()
            .any(|p| matches!(p, Part::Text(t, false) if t.contains('*')));
        if globs {
            return fields
                .into_iter()
                .flat_map(|f| self.glob(f, host))
                .collect();
        }
        fields
    }

    /// `*` in the last step of a path.
    fn glob(&self, pattern: String, host: &mut dyn Host) -> Vec<String> {
        let (parent, last) = pattern
            .rsplit_once('/')
            .map_or(("", pattern.as_str()), |(p, l)| (p, l));
        let Some((head, tail)) = last.split_once('*') else {
            return vec![pattern];
        };
        let directory = if pattern.contains('/') {
            self.path(if parent.is_empty() { "/" } else { parent })
        } else {
            self.directory.clone()
        };
        let mut names = Vec::new();
        host.files(&mut |f| {
            names = f
                .list(&directory)
                .unwrap_or_default()
                .into_iter()
                .map(|(n, _, _)| n)
                .collect();
        });
        let lead = if pattern.contains('/') {
            format!("{parent}/")
        } else {
            String::new()
        };
        let found: Vec<String> = names
            .into_iter()
            .filter(|n| {
                n.len() >= head.len() + tail.len()
                    && n.starts_with(head)
                    && n.ends_with(tail)
                    && (head.starts_with('.') || !n.starts_with('.'))
            })
            .map(|n| format!("{lead}{n}"))
            .collect();
        if found.is_empty() {
            vec![pattern]
        } else {
            found
        }
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
            "%" => found
                .map(|f| {
                    f.strip_suffix(text.trim_start_matches('*'))
                        .map(str::to_owned)
                        .unwrap_or(f)
                })
                .unwrap_or_default(),
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

fn open_output(path: &str, append: bool, host: &mut dyn Host) -> Result<Sink, &'static str> {
    let mut result = Ok(());
    host.files(&mut |f| result = f.write(path, b"", append));
    result.map(|()| Sink::File(path.to_owned()))
}

/// `NAME=value` at the start of a command.
fn assignment(word: &Word) -> Option<(String, Word)> {
    let Some(Part::Text(text, false)) = word.first() else {
        return None;
    };
    let (name, value) = text.split_once('=')?;
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !good {
        return None;
    }
    let mut rest = vec![Part::Text(value.to_owned(), true)];
    rest.extend(word.iter().skip(1).cloned());
    Some((name.to_owned(), rest))
}
