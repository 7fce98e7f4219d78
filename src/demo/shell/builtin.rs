//! The commands of the small shell. Each knows the options that workspaces, runbooks and checks use; an option
//! that it does not know is an error, as it would be in busybox.

use std::collections::BTreeMap;

use super::super::tree::Content;
use super::eval::{Input, Interpreter, Io};
use super::files::{EISDIR, Errno};
use super::{Files, Host, digest, stat};

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
            Input::Host => self.host.read(),
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
    state(&mut call, &base, words)
        .or_else(|| text(&mut call, &base, words))
        .or_else(|| change(&mut call, &base, words))
        .or_else(|| look(&mut call, &base, words))
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
            let on = words.iter().any(|w| w.starts_with('-') && w.contains('e'));
            call.shell.set_exit_on_error(on);
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
        "exec" | "nice" | "env" | "timeout" | "command" => {
            let rest: Vec<String> = words
                .iter()
                .skip(1 + usize::from(name == "timeout"))
                .filter(|w| *w != "-v")
                .cloned()
                .collect();
            if words.iter().any(|w| w == "-v") {
                let text = format!("/bin/{}\n", rest.join(" "));
                call.print(&text);
                return Some(0);
            }
            let code = run(call.shell, &rest, call.io, call.host);
            if name == "exec" {
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
                call.shell.kill();
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

/// Commands that change files.
fn change(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let value_options = match name {
        "touch" => "drt",
        "mkdir" => "m",
        _ => "",
    };
    let o = options(words, value_options);
    match name {
        "mkdir" => {
            let mode = o
                .values
                .get(&'m')
                .and_then(|m| u32::from_str_radix(m, 8).ok())
                .unwrap_or(0o755);
            for target in &o.rest {
                let path = call.shell.path(target);
                let whole = o.flags.contains('p');
                if let Err(why) = call.files(|f| make_directory(f, &path, whole, mode)) {
                    call.fail(&format!("can't create directory '{target}': {why}"));
                }
            }
        }
        "rm" => {
            let (recursive, force) = (o.flags.contains(['r', 'R']), o.flags.contains('f'));
            for target in &o.rest {
                let path = call.shell.path(target);
                match call.files(|f| f.remove(&path, recursive)) {
                    Err(why) if !(force && why == super::files::ENOENT) => {
                        call.fail(&format!("can't remove '{target}': {why}"));
                    }
                    _ => {}
                }
            }
        }
        "rmdir" => {
            for target in &o.rest {
                let path = call.shell.path(target);
                if let Err(why) = call.files(|f| f.remove_directory(&path)) {
                    call.fail(&format!("'{target}': {why}"));
                }
            }
        }
        "mv" | "cp" => {
            let Some((to, from)) = o.rest.split_last() else {
                return Some(1);
            };
            for source in from {
                let (a, mut b) = (call.shell.path(source), call.shell.path(to));
                if call.files(|f| f.list(&b)).is_ok() {
                    b = format!(
                        "{}/{}",
                        b.trim_end_matches('/'),
                        a.trim_end_matches('/').rsplit('/').next().unwrap_or("")
                    );
                }
                let result = call.files(|f| {
                    if name == "mv" {
                        f.rename(&a, &b)
                    } else {
                        f.copy(&a, &b)
                    }
                });
                if let Err(why) = result {
                    call.fail(&format!(
                        "can't {} '{source}': {why}",
                        if name == "mv" { "rename" } else { "stat" }
                    ));
                }
            }
        }
        "ln" => {
            let [to, at] = o.rest.as_slice() else {
                call.fail("needs a target and a name");
                return Some(1);
            };
            let path = call.shell.path(at);
            let result = call.files(|f| {
                if o.flags.contains('f') {
                    let _absent_is_fine = f.remove(&path, false);
                }
                f.add(&path, Content::Link(to.clone()), 0o777)
            });
            if let Err(why) = result {
                call.fail(&format!("{at}: {why}"));
            }
        }
        "chmod" | "chown" | "chgrp" => {
            let Some((what, targets)) = o.rest.split_first() else {
                return Some(1);
            };
            let mode = u32::from_str_radix(what, 8).ok();
            for target in targets {
                let path = call.shell.path(target);
                let result = call.files(|f| {
                    f.change(&path, |n| {
                        if name == "chmod" {
                            n.mode =
                                mode.unwrap_or(n.mode | if what.contains('x') { 0o111 } else { 0 });
                        } else if let Some(id) = what.split(':').next().and_then(|i| i.parse().ok())
                        {
                            n.owner.0 = id;
                        }
                    })
                });
                if let Err(why) = result {
                    call.fail(&format!("{target}: {why}"));
                }
            }
        }
        "touch" => {
            let at = o.values.get(&'d').map(|d| stat::date(d));
            if at == Some(None) {
                call.fail("invalid date");
                return Some(1);
            }
            for target in &o.rest {
                let path = call.shell.path(target);
                let result = call.files(|f| {
                    f.write(&path, b"", true)?;
                    let now = f.now;
                    f.change(&path, |n| n.modified = at.flatten().unwrap_or(now))
                });
                if let Err(why) = result {
                    call.fail(&format!("{target}: {why}"));
                }
            }
        }
        "truncate" => return Some(0),
        "dd" => return Some(dd(call, words)),
        "mktemp" => {
            call.print("/tmp/tmp.demo\n");
            let _made = call.files(|f| f.write("/tmp/tmp.demo", b"", false));
        }
        _ => return None,
    }
    Some(call.code())
}

fn make_directory(files: &mut Files<'_>, path: &str, whole: bool, mode: u32) -> Result<(), Errno> {
    let directory = || Content::Directory(BTreeMap::new());
    if !whole {
        return files.add(path, directory(), mode);
    }
    let mut here = String::new();
    for step in path.split('/').filter(|s| !s.is_empty()) {
        here = format!("{here}/{step}");
        match files.node(&here, true) {
            Ok((node, _)) if node.is_directory() => {}
            Ok(_) => return Err(super::files::ENOTDIR),
            Err(_) => files.add(&here, directory(), mode)?,
        }
    }
    Ok(())
}

fn size(text: &str) -> usize {
    let number = text.trim_end_matches(|c: char| c.is_alphabetic());
    let unit = match text.get(number.len()..).unwrap_or("") {
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        _ => 1,
    };
    number.parse::<usize>().unwrap_or(0).saturating_mul(unit)
}

fn dd(call: &mut Call<'_, '_>, words: &[String]) -> i64 {
    let value = |key: &str| {
        words
            .iter()
            .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
    };
    let block = value("bs").map_or(512, size).max(1);
    let count = value("count").map(size);
    let limit = count.map(|c| c.saturating_mul(block));
    let mut data = match value("if") {
        Some(device @ ("/dev/zero" | "/dev/urandom")) => {
            device_bytes(device == "/dev/urandom", limit.unwrap_or(0).min(1 << 30))
        }
        Some(path) => call
            .sources(&[path.to_owned()])
            .pop()
            .map(|s| s.1)
            .unwrap_or_default(),
        None => call.input(),
    };
    if let Some(limit) = limit {
        data.truncate(limit);
    }
    if let Some(target) = value("of") {
        let path = call.shell.path(target);
        if let Err(why) = call.files(|f| f.write(&path, &data, false)) {
            call.fail(&format!("error writing '{target}': {why}"));
            return 1;
        }
    } else {
        call.bytes(&data);
    }
    if value("status") != Some("none") {
        let (full, part) = (data.len() / block, usize::from(data.len() % block != 0));
        let text = format!("{full}+{part} records in\n{full}+{part} records out\n");
        let sink = call.io.err.clone();
        call.shell.write(&sink, text.as_bytes(), call.host);
    }
    call.code()
}

/// Commands that look at files.
fn look(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    match name {
        "ls" => {
            let o = options(words, "");
            let targets = if o.rest.is_empty() {
                vec![".".to_owned()]
            } else {
                o.rest.clone()
            };
            for target in &targets {
                let path = call.shell.path(target);
                let (long, all) = (o.flags.contains('l'), o.flags.contains(['a', 'A']));
                let listed = call.files(|f| match f.list(&path) {
                    Ok(entries) if !o.flags.contains('d') => Ok(entries),
                    _ => f
                        .node(&path, false)
                        .map(|(n, i)| vec![(target.clone(), n, i)]),
                });
                match listed {
                    Ok(entries) => {
                        let shown = entries
                            .iter()
                            .filter(|(n, _, _)| all || !n.starts_with('.') || n == target);
                        let text: String = shown
                            .map(|(n, node, _)| {
                                if long {
                                    stat::long(n, node)
                                } else {
                                    format!("{n}\n")
                                }
                            })
                            .collect();
                        call.print(&text);
                    }
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
        }
        "stat" => {
            let o = options(words, "c");
            let format = o.values.get(&'c').cloned().unwrap_or_else(|| "  File: %n\n  Size: %s\tBlocks: %b\t%F\nAccess: (%a) Uid: (%u) Gid: (%g)\nModify: %y".to_owned());
            for target in &o.rest {
                let path = call.shell.path(target);
                let system = o.flags.contains('f');
                let text = call.files(|f| {
                    if system {
                        f.file_system(&path)
                            .map(|fs| stat::system(&format, target, &fs))
                    } else {
                        f.node(&path, o.flags.contains('L'))
                            .map(|(n, i)| stat::file(&format, target, &n, i))
                    }
                });
                match text {
                    Ok(text) => call.print(&text),
                    Err(why) => call.fail(&format!("can't stat '{target}': {why}")),
                }
            }
        }
        "df" => {
            let o = options(words, "B");
            let unit = if o.flags.contains('i') {
                0
            } else {
                o.values.get(&'B').map_or(1024, |b| size(b).max(1) as u64)
            };
            let targets = if o.rest.is_empty() {
                vec!["/".to_owned(), call.shell.directory.clone()]
            } else {
                o.rest
            };
            let mut systems = Vec::new();
            for target in &targets {
                let path = call.shell.path(target);
                match call.files(|f| f.file_system(&path)) {
                    Ok(fs) => systems.push(fs),
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
            let text = stat::df(&systems, unit);
            call.print(&text);
        }
        "du" => {
            let o = options(words, "dB");
            let depth = if o.flags.contains('s') {
                0
            } else {
                o.values
                    .get(&'d')
                    .and_then(|d| d.parse().ok())
                    .unwrap_or(16)
            };
            let unit = if o.flags.contains('b') {
                1
            } else {
                o.values
                    .get(&'B')
                    .map_or(if o.flags.contains('m') { 1 << 20 } else { 1024 }, |b| {
                        size(b).max(1) as u64
                    })
            };
            let targets = if o.rest.is_empty() {
                vec![".".to_owned()]
            } else {
                o.rest
            };
            for target in &targets {
                let path = call.shell.path(target);
                match call.files(|f| stat::du(f, &path, depth, unit)) {
                    Ok(text) => call.print(&text),
                    Err(why) => call.fail(&format!("{target}: {why}")),
                }
            }
        }
        "readlink" | "realpath" => {
            let o = options(words, "");
            for target in &o.rest {
                let path = call.shell.path(target);
                let found = call.files(|f| {
                    if name == "realpath" || o.flags.contains('f') {
                        return f.canonical(&path, true);
                    }
                    match f.node(&path, false)?.0.content {
                        Content::Link(to) => Ok(to),
                        _ => Err(EISDIR),
                    }
                });
                match found {
                    Ok(text) => call.print(&format!("{text}\n")),
                    Err(_) => call.failed = true,
                }
            }
        }
        "mount" => {
            if let Ok(bytes) = call.files(|f| f.read("/proc/self/mountinfo")) {
                call.bytes(&bytes);
            }
        }
        "find" => {
            let targets: Vec<String> = words
                .iter()
                .skip(1)
                .take_while(|w| !w.starts_with('-'))
                .cloned()
                .collect();
            let kind = words
                .iter()
                .position(|w| w == "-type")
                .and_then(|i| words.get(i + 1))
                .cloned();
            let mut todo: Vec<String> = targets.into_iter().rev().collect();
            while let Some(next) = todo.pop() {
                let path = call.shell.path(&next);
                let Ok((node, _)) = call.files(|f| f.node(&path, false)) else {
                    call.fail(&format!("{next}: No such file or directory"));
                    continue;
                };
                let wanted = match kind.as_deref() {
                    Some("f") => matches!(node.content, Content::Bytes(_) | Content::Filler { .. }),
                    Some("d") => node.is_directory(),
                    _ => true,
                };
                if wanted {
                    call.print(&format!("{next}\n"));
                }
                let inner = call.files(|f| f.list(&path)).unwrap_or_default();
                todo.extend(
                    inner
                        .into_iter()
                        .rev()
                        .map(|(n, _, _)| format!("{}/{n}", next.trim_end_matches('/'))),
                );
            }
        }
        _ => return None,
    }
    Some(call.code())
}
