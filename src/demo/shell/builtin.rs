//! The commands of the small shell. Each knows the options that workspaces, runbooks and checks use; an option
//! that it does not know is an error, as it would be in busybox.

use std::collections::BTreeMap;

use super::super::tree::Content;
use super::eval::{Input, Interpreter, Io};
use super::files::Errno;
use super::{Files, Host, Typed, terminal};
use crate::domain::digest;

mod storage;

/// What the commands have at hand.
struct Call<'a, 'h> {
    shell: &'a mut Interpreter,
    io: &'a mut Io,
    host: &'h mut dyn Host,
    name: &'a str,
    failed: bool,
}

impl Call<'_, '_> {
    fn print(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        let sink = self.io.out.clone();
        if let Some(why) = self.shell.write(&sink, bytes, self.host) {
            self.fail(&format!("write error: {why}"));
        }
    }

    fn fail(&mut self, why: &str) {
        let text = format!("{}: {why}\n", self.name);
        let sink = self.io.err.clone();
        self.shell.write(&sink, text.as_bytes(), self.host);
        self.failed = true;
    }

    fn files<T>(
        &mut self,
        act: impl FnOnce(&mut Files<'_>) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        let mut act = Some(act);
        let mut result = Err("No such process");
        self.host.files(&mut |f| {
            if let Some(act) = act.take() {
                result = act(f);
            }
        });
        result
    }

    fn chunk(&mut self) -> Option<Vec<u8>> {
        match &self.io.input {
            Input::Host => match self.host.read() {
                Typed::Bytes(bytes) => Some(bytes),
                Typed::End => None,
                Typed::Interrupt => {
                    self.shell.interrupt();
                    None
                }
            },
            Input::Bytes(bytes) => {
                Some(std::mem::take(&mut *bytes.borrow_mut())).filter(|b| !b.is_empty())
            }
            Input::Empty => None,
        }
    }

    fn input(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk() {
            all.extend(chunk);
        }
        all
    }

    /// The files named, or standard input: (name, content).
    fn sources(&mut self, names: &[String]) -> Vec<(String, Vec<u8>)> {
        if names.is_empty() {
            return vec![("-".to_owned(), self.input())];
        }
        let mut all = Vec::new();
        for name in names {
            if name == "-" {
                let bytes = self.input();
                all.push((name.clone(), bytes));
                continue;
            }
            let path = self.shell.path(name);
            match self.files(|f| f.read(&path)) {
                Ok(bytes) => all.push((name.clone(), bytes.to_vec())),
                Err(why) => self.fail(&format!("{name}: {why}")),
            }
        }
        all
    }

    fn code(&self) -> i64 {
        i64::from(self.failed)
    }
}

/// Flags (without dashes), options with values, and the rest.
struct Options {
    flags: String,
    values: BTreeMap<char, String>,
    rest: Vec<String>,
}

fn options(words: &[String], with_value: &str) -> Options {
    let mut found = Options {
        flags: String::new(),
        values: BTreeMap::new(),
        rest: Vec::new(),
    };
    let mut words = words.iter().skip(1);
    while let Some(word) = words.next() {
        let letters = match word.strip_prefix('-') {
            Some("-") => {
                found.rest.extend(words.by_ref().cloned());
                break;
            }
            Some(letters)
                if !letters.is_empty() && !letters.starts_with('-') && found.rest.is_empty() =>
            {
                letters
            }
            _ => {
                found.rest.push(word.clone());
                continue;
            }
        };
        let mut chars = letters.chars();
        while let Some(c) = chars.next() {
            if with_value.contains(c) {
                let inline = chars.as_str().to_owned();
                let value = if inline.is_empty() {
                    words.next().cloned().unwrap_or_default()
                } else {
                    inline
                };
                found.values.insert(c, value);
                break;
            }
            found.flags.push(c);
        }
    }
    found
}

/// Every command that there is; what is not in it is not found.
const NAMES: &[&str] = &[
    ":",
    "[",
    "ash",
    "awk",
    "basename",
    "bash",
    "cat",
    "cd",
    "chgrp",
    "chmod",
    "chown",
    "command",
    "cp",
    "cut",
    "dash",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "exec",
    "exit",
    "export",
    "false",
    "find",
    "grep",
    "head",
    "hostname",
    "id",
    "ln",
    "local",
    "ls",
    "mkdir",
    "mktemp",
    "mount",
    "mv",
    "nice",
    "printenv",
    "printf",
    "ps",
    "pwd",
    "read",
    "readlink",
    "readonly",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "set",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "sync",
    "tail",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "trap",
    "true",
    "truncate",
    "ulimit",
    "umask",
    "uname",
    "uniq",
    "unset",
    "wait",
    "wc",
    "which",
    "whoami",
];
/// Of those the shell's own: they are no files.
const OWN: &[&str] = &[
    ":", "cd", "command", "exec", "exit", "export", "local", "read", "readonly", "set", "trap",
    "ulimit", "umask", "unset", "wait",
];

/// Whether there is such a command: by its name, or by its path in one of the usual folders.
pub(crate) fn exists(word: &str) -> bool {
    let (folder, name) = word.rsplit_once('/').unwrap_or(("/bin", word));
    let usual = matches!(folder, "/bin" | "/usr/bin" | "/sbin" | "/usr/sbin");
    usual && NAMES.contains(&name)
}

/// Whether a container can be made to run it: the shell's own commands cannot.
pub(crate) fn is_program(word: &str) -> bool {
    exists(word) && !OWN.contains(&word)
}

/// What `command -v` and `which` print: where each is. Answers whether all are there.
fn locate(call: &mut Call<'_, '_>, words: &[String]) -> bool {
    let mut all = true;
    for word in words {
        if exists(word) {
            let folder = if word.contains('/') || OWN.contains(&word.as_str()) {
                ""
            } else {
                "/bin/"
            };
            call.print(&format!("{folder}{word}\n"));
        } else {
            all = false;
        }
    }
    all
}

pub(crate) fn run(
    shell: &mut Interpreter,
    words: &[String],
    io: &mut Io,
    host: &mut dyn Host,
) -> i64 {
    let Some(name) = words.first() else {
        return 0;
    };
    let base = name.rsplit('/').next().unwrap_or(name).to_owned();
    let mut call = Call {
        shell,
        io,
        host,
        name: &base,
        failed: false,
    };
    let there = exists(name).then_some(());
    there
        .and_then(|()| {
            state(&mut call, &base, words)
                .or_else(|| text(&mut call, &base, words))
                .or_else(|| storage::change(&mut call, &base, words))
                .or_else(|| storage::look(&mut call, &base, words))
        })
        .unwrap_or_else(|| {
            call.name = "sh";
            call.fail(&format!("{name}: not found"));
            127
        })
}

/// Commands that change or read the shell itself.
fn state(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let argument = words.get(1).map_or("", String::as_str);
    Some(match name {
        "true" | ":" | "sync" | "trap" | "umask" | "ulimit" | "wait" => 0,
        "false" => 1,
        "exit" => {
            let code = argument.parse().unwrap_or(call.shell.status);
            call.shell.exit(code);
            code
        }
        "cd" => {
            let target = if argument.is_empty() {
                call.shell
                    .variables
                    .get("HOME")
                    .cloned()
                    .unwrap_or_default()
            } else {
                argument.to_owned()
            };
            let path = call.shell.path(&target);
            match call.files(|f| f.list(&path).and_then(|_| f.canonical(&path, true))) {
                Ok(path) => call.shell.directory = path,
                Err(why) => call.fail(&format!("can't cd to {target}: {why}")),
            }
            call.code()
        }
        "pwd" => {
            let text = format!("{}\n", call.shell.directory);
            call.print(&text);
            0
        }
        "export" | "readonly" | "local" => {
            for word in words.iter().skip(1) {
                if let Some((name, value)) = word.split_once('=') {
                    call.shell
                        .variables
                        .insert(name.to_owned(), value.to_owned());
                }
            }
            0
        }
        "unset" => {
            for word in words.iter().skip(1) {
                call.shell.variables.remove(word);
            }
            0
        }
        "set" => {
            let (options, arguments) = match words.iter().position(|w| w == "--") {
                Some(at) => (&words[..at], Some(&words[at + 1..])),
                None => (words, None),
            };
            for option in options.iter().skip(1).filter(|w| w.contains('e')) {
                call.shell.set_exit_on_error(option.starts_with('-'));
            }
            if let Some(arguments) = arguments {
                call.shell.set_arguments(arguments);
            }
            0
        }
        "env" | "printenv" if words.len() == 1 => {
            let text: String = call
                .shell
                .variables
                .iter()
                .map(|(k, v)| format!("{k}={v}\n"))
                .collect();
            call.print(&text);
            0
        }
        "sh" | "bash" | "ash" | "dash" => inner_shell(call, words),
        "which" => i64::from(!locate(call, words.get(1..).unwrap_or(&[]))),
        "command" if argument == "-v" => {
            if locate(call, words.get(2..).unwrap_or(&[])) {
                0
            } else {
                127
            }
        }
        "exec" | "nice" | "env" | "timeout" | "command" => {
            let rest = words.get(1 + usize::from(name == "timeout")..);
            let rest = rest.unwrap_or(&[]);
            let code = run(call.shell, rest, call.io, call.host);
            if name == "exec" && !rest.is_empty() && call.shell.stopped().is_none() {
                call.shell.exit(code);
            }
            code
        }
        "sleep" => {
            let unit = argument.chars().last().map_or(1.0, |c| match c {
                'm' => 60.0,
                'h' => 3600.0,
                'd' => 86_400.0,
                _ => 1.0,
            });
            let wait = match argument {
                "infinity" | "inf" => f64::INFINITY,
                _ => {
                    argument
                        .trim_end_matches(['s', 'm', 'h', 'd'])
                        .parse::<f64>()
                        .unwrap_or(0.0)
                        * unit
                }
            };
            if !call.host.sleep(wait) {
                if call.host.was_interrupted() {
                    call.shell.interrupt();
                } else {
                    call.shell.kill();
                }
                return Some(call.shell.status);
            }
            0
        }
        "read" => {
            let line = match &call.io.input {
                Input::Bytes(bytes) => {
                    let mut all = bytes.borrow_mut();
                    let end = all
                        .iter()
                        .position(|b| *b == b'\n')
                        .map_or(all.len(), |i| i + 1);
                    all.drain(..end).collect::<Vec<u8>>()
                }
                _ => call.chunk().unwrap_or_default(),
            };
            let variable = words.last().cloned().unwrap_or_default();
            let value = String::from_utf8_lossy(&line)
                .trim_end_matches('\n')
                .to_owned();
            call.shell.variables.insert(variable, value);
            i64::from(line.is_empty())
        }
        "test" | "[" => {
            let last = if name == "[" {
                words.len().saturating_sub(1)
            } else {
                words.len()
            };
            let verdict = test(call, words.get(1..last).unwrap_or(&[]));
            i64::from(!verdict)
        }
        _ => return None,
    })
}

fn inner_shell(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    let command = words
        .iter()
        .position(|w| w.starts_with('-') && w.ends_with('c'));
    if let Some(at) = command {
        let strict = words.get(at).is_some_and(|w| w.contains('e'));
        let script = words.get(at + 1).cloned().unwrap_or_default();
        let script = if strict {
            format!("set -e; {script}")
        } else {
            script
        };
        let arguments: Vec<String> = words.iter().skip(at + 2).cloned().collect();
        call.shell.subshell(&script, arguments, call.io, call.host);
        return call.shell.status;
    }
    let file = words.iter().skip(1).find(|w| !w.starts_with('-'));
    let script = match file {
        Some(_) => call
            .sources(&words.get(1..2).map(<[String]>::to_vec).unwrap_or_default())
            .into_iter()
            .map(|(_, b)| b)
            .next()
            .unwrap_or_default(),
        None if matches!(call.io.input, Input::Host) && call.host.is_terminal() => {
            let mut inner = call.shell.clone();
            terminal::interact(&mut inner, call.host);
            call.shell.adopt(&inner);
            return call.shell.status;
        }
        None => call.input(),
    };
    let script = String::from_utf8_lossy(&script).into_owned();
    call.shell.subshell(&script, Vec::new(), call.io, call.host);
    call.shell.status
}

fn test(call: &mut Call<'_, '_>, words: &[String]) -> bool {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let number = |t: &str| t.trim().parse::<i64>().unwrap_or(0);
    match words.as_slice() {
        ["!", rest @ ..] => {
            let rest: Vec<String> = rest.iter().map(|w| (*w).to_owned()).collect();
            !test(call, &rest)
        }
        [text] | ["-n", text] => !text.is_empty(),
        ["-z", text] => text.is_empty(),
        [flag, path] => {
            let path = call.shell.path(path);
            let follow = !matches!(*flag, "-L" | "-h");
            let node = call.files(|f| f.node(&path, follow)).ok().map(|(n, _)| n);
            node.is_some_and(|n| match *flag {
                "-f" => matches!(n.content, Content::Bytes(_) | Content::Filler { .. }),
                "-d" => n.is_directory(),
                "-L" | "-h" => matches!(n.content, Content::Link(_)),
                "-s" => n.len() > 0,
                "-x" => n.mode & 0o111 != 0 || n.is_directory(),
                _ => true,
            })
        }
        [a, "=" | "==", b] => a == b,
        [a, "!=", b] => a != b,
        [a, "-eq", b] => number(a) == number(b),
        [a, "-ne", b] => number(a) != number(b),
        [a, "-lt", b] => number(a) < number(b),
        [a, "-le", b] => number(a) <= number(b),
        [a, "-gt", b] => number(a) > number(b),
        [a, "-ge", b] => number(a) >= number(b),
        _ => false,
    }
}

/// Escapes of `echo -e` and `printf`.
fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('\\') | None => out.push('\\'),
            Some(other) => {
                out.push('\\');
                out.push(other);
            }
        }
    }
    out
}

fn printf(words: &[String]) -> String {
    let format = unescape(words.get(1).map_or("", String::as_str));
    let mut arguments = words.iter().skip(2);
    let mut out = String::new();
    loop {
        let mut used = false;
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            match chars.find(|c| c.is_alphabetic() || *c == '%') {
                Some('%') | None => out.push('%'),
                Some(kind) => {
                    let value = arguments.next().map_or("", String::as_str);
                    used = true;
                    match kind {
                        'b' => out.push_str(&unescape(value)),
                        'd' | 'i' | 'u' => {
                            out.push_str(&value.parse::<i64>().unwrap_or(0).to_string());
                        }
                        _ => out.push_str(value),
                    }
                }
            }
        }
        if !used || arguments.len() == 0 {
            return out;
        }
    }
}

/// Commands that read and print text.
fn text(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    match name {
        "echo" => {
            let flags = words
                .iter()
                .skip(1)
                .take_while(|w| matches!(w.as_str(), "-n" | "-e" | "-ne" | "-en"))
                .count();
            let given = words.get(1..=flags).unwrap_or(&[]).concat();
            let mut line = words.get(1 + flags..).unwrap_or(&[]).join(" ");
            if given.contains('e') {
                line = unescape(&line);
            }
            if !given.contains('n') {
                line.push('\n');
            }
            call.print(&line);
        }
        "printf" => {
            let text = printf(words);
            call.print(&text);
        }
        "cat" if words.len() == 1 => {
            while let Some(chunk) = call.chunk() {
                call.bytes(&chunk);
                if call.failed || call.shell.stopped().is_some() {
                    break;
                }
            }
        }
        "cat" => {
            let o = options(words, "");
            for (_, bytes) in call.sources(&o.rest) {
                call.bytes(&bytes);
            }
        }
        "tee" => {
            let o = options(words, "");
            let bytes = call.input();
            for target in &o.rest {
                let path = call.shell.path(target);
                if let Err(why) = call.files(|f| f.write(&path, &bytes, o.flags.contains('a'))) {
                    call.fail(&format!("{target}: {why}"));
                }
            }
            call.bytes(&bytes);
        }
        "head" | "tail" => {
            let o = options(words, "nc0123456789");
            let digits: Option<usize> = o
                .values
                .iter()
                .find(|(k, _)| k.is_ascii_digit())
                .and_then(|(k, v)| format!("{k}{}", v.trim()).parse().ok());
            let rest = if digits.is_some() {
                options(
                    &words.get(1..).map(<[String]>::to_vec).unwrap_or_default(),
                    "",
                )
                .rest
            } else {
                o.rest
            };
            let lines = digits
                .or_else(|| o.values.get(&'n')?.parse().ok())
                .unwrap_or(10);
            let bytes: Option<usize> = o.values.get(&'c').and_then(|c| c.parse().ok());
            if name == "head"
                && bytes.is_some()
                && rest.iter().any(|r| r == "/dev/urandom" || r == "/dev/zero")
            {
                let random = rest.iter().any(|r| r == "/dev/urandom");
                let data = device_bytes(random, bytes.unwrap_or(0));
                call.bytes(&data);
                return Some(0);
            }
            for (_, data) in call.sources(&rest) {
                let part = cut(&data, name == "head", lines, bytes).to_vec();
                call.bytes(&part);
            }
        }
        "wc" => {
            let o = options(words, "");
            for (name, data) in call.sources(&o.rest) {
                let lines = data.split(|b| *b == b'\n').count() - 1;
                let words = String::from_utf8_lossy(&data).split_whitespace().count();
                let shown = match o.flags.as_str() {
                    "l" => lines.to_string(),
                    "c" => data.len().to_string(),
                    "w" => words.to_string(),
                    _ => format!("{lines:>9} {words:>9} {:>9}", data.len()),
                };
                let text = if name == "-" {
                    format!("{shown}\n")
                } else {
                    format!("{shown} {name}\n")
                };
                call.print(&text);
            }
        }
        "grep" => return Some(grep(call, words)),
        "sort" | "uniq" | "cut" | "awk" | "sed" | "tr" => {
            if name != "sort" {
                call.fail("not part of this simulated image");
                return Some(127);
            }
            let o = options(words, "k");
            for (_, data) in call.sources(&o.rest) {
                let text = String::from_utf8_lossy(&data).into_owned();
                let mut lines: Vec<&str> = text.lines().collect();
                lines.sort_unstable();
                if o.flags.contains('r') {
                    lines.reverse();
                }
                let sorted: String = lines.iter().map(|l| format!("{l}\n")).collect();
                call.print(&sorted);
            }
        }
        "sha256sum" => {
            let o = options(words, "");
            for (name, data) in call.sources(&o.rest) {
                let line = format!("{}  {name}\n", digest::sha256(&data));
                call.print(&line);
            }
        }
        "basename" | "dirname" => {
            let path = words.get(1).map_or("", String::as_str);
            let (parent, last) = path.rsplit_once('/').unwrap_or((".", path));
            let text = format!("{}\n", if name == "basename" { last } else { parent });
            call.print(&text);
        }
        "seq" => {
            let last: i64 = words.last().and_then(|w| w.parse().ok()).unwrap_or(0);
            let first: i64 = if words.len() > 2 {
                words.get(1).and_then(|w| w.parse().ok()).unwrap_or(1)
            } else {
                1
            };
            let text: String = (first..=last).map(|n| format!("{n}\n")).collect();
            call.print(&text);
        }
        "hostname" | "whoami" | "id" | "uname" | "date" | "ps" => {
            let host = call
                .shell
                .variables
                .get("HOSTNAME")
                .cloned()
                .unwrap_or_default();
            let mut now = jiff::Timestamp::UNIX_EPOCH;
            call.host.files(&mut |f| now = f.now);
            let flag = words.get(1).map_or("", String::as_str);
            let text = match (name, flag) {
                ("hostname", _) => host,
                ("whoami", _) => "theia".to_owned(),
                ("id", "-u" | "-g") => "1000".to_owned(),
                ("id", _) => "uid=1000(theia) gid=1000(theia) groups=1000(theia)".to_owned(),
                ("uname", "-a") => format!("Linux {host} 6.6.93+ #1 SMP x86_64 GNU/Linux"),
                ("uname", _) => "Linux".to_owned(),
                ("ps", _) => {
                    "PID   USER     TIME  COMMAND\n    1 theia     0:01 workspace".to_owned()
                }
                (_, format) => {
                    let format = words.iter().find_map(|w| w.strip_prefix('+')).unwrap_or(
                        if format.starts_with('+') {
                            ""
                        } else {
                            "%a %b %e %H:%M:%S UTC %Y"
                        },
                    );
                    now.strftime(format).to_string()
                }
            };
            call.print(&format!("{text}\n"));
        }
        _ => return None,
    }
    Some(call.code())
}

fn cut(data: &[u8], head: bool, lines: usize, bytes: Option<usize>) -> &[u8] {
    if let Some(n) = bytes {
        let n = n.min(data.len());
        return if head {
            data.get(..n)
        } else {
            data.get(data.len() - n..)
        }
        .unwrap_or(data);
    }
    let ends: Vec<usize> = data
        .iter()
        .enumerate()
        .filter(|(_, b)| **b == b'\n')
        .map(|(i, _)| i + 1)
        .collect();
    if head {
        return lines.checked_sub(1).map_or(&[], |n| {
            ends.get(n).and_then(|e| data.get(..*e)).unwrap_or(data)
        });
    }
    let whole = ends.len() + usize::from(data.last().is_some_and(|b| *b != b'\n'));
    match whole.checked_sub(lines + 1) {
        Some(skip) => ends.get(skip).and_then(|e| data.get(*e..)).unwrap_or(data),
        None => data,
    }
}

fn device_bytes(random: bool, count: usize) -> Vec<u8> {
    if !random {
        return vec![0; count];
    }
    let seed = super::super::seed::Seed(count as u64);
    (0..count.div_ceil(8))
        .flat_map(|i| seed.bits(&i.to_string()).to_le_bytes())
        .take(count)
        .collect()
}

fn grep(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    let mut o = options(words, "e");
    let pattern = match o.values.remove(&'e') {
        Some(pattern) => pattern,
        None if o.rest.is_empty() => return 2,
        None => o.rest.remove(0),
    };
    let (start, plain) = pattern
        .strip_prefix('^')
        .map_or((false, pattern.as_str()), |p| (true, p));
    let (end, plain) = plain
        .strip_suffix('$')
        .map_or((false, plain), |p| (true, p));
    let lower = o.flags.contains('i');
    let plain = if lower {
        plain.to_lowercase()
    } else {
        plain.to_owned()
    };
    let mut count = 0;
    for (_, data) in call.sources(&o.rest) {
        let text = String::from_utf8_lossy(&data).into_owned();
        for line in text.lines() {
            let seen = if lower {
                line.to_lowercase()
            } else {
                line.to_owned()
            };
            let hit = match (start, end) {
                (true, true) => seen == plain,
                (true, false) => seen.starts_with(&plain),
                (false, true) => seen.ends_with(&plain),
                _ => seen.contains(&plain),
            };
            if hit != o.flags.contains('v') {
                count += 1;
                if !o.flags.contains('q') && !o.flags.contains('c') {
                    call.print(&format!("{line}\n"));
                }
            }
        }
    }
    if o.flags.contains('c') {
        call.print(&format!("{count}\n"));
    }
    i64::from(count == 0)
}
