//! Carries out what the grammar found: lists, pipelines, redirections, assignments.

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
    pub(super) positional: Vec<String>,
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
