//! The shell's own commands, and those that run others.

use super::super::eval::Input;
use super::super::terminal;
use super::{Call, locate};
use crate::demo::tree::Content;

/// Commands that change or read the shell itself.
pub(super) fn run(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> Option<i64> {
    let argument = words.get(1).map_or("", String::as_str);
    Some(match name {
        "true" | ":" | "trap" | "umask" | "ulimit" | "wait" => 0,
        "false" => 1,
        "exit" => {
            let code = argument.parse().unwrap_or(call.shell.status);
            call.shell.exit(code);
            code
        }
        "cd" | "export" | "readonly" | "local" | "unset"
            if argument.starts_with('-') && argument.len() > 1 =>
        {
            illegal(call, argument)
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
            for option in options.iter().skip(1) {
                if !matches!(option.as_str(), "-e" | "+e") {
                    return Some(illegal(call, option));
                }
                call.shell.set_exit_on_error(option == "-e");
            }
            if let Some(arguments) = arguments {
                call.shell.set_arguments(arguments);
            }
            0
        }
        "printenv" => {
            let Some(o) = call.options(words, "") else {
                return Some(1);
            };
            if o.rest.is_empty() {
                print_variables(call);
            }
            for name in &o.rest {
                match call.shell.variables.get(name).cloned() {
                    Some(value) => call.print(&format!("{value}\n")),
                    None => call.failed = true,
                }
            }
            call.code()
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
        "exec" | "command" if argument.starts_with('-') => illegal(call, argument),
        "exec" | "nice" | "env" | "timeout" | "command" => other(call, name, words),
        "sleep" => {
            let mut seconds = 0.0;
            for word in words.iter().skip(1) {
                let Some(wait) = duration(word) else {
                    call.fail(&format!("invalid number '{word}'"));
                    return Some(1);
                };
                seconds += wait;
            }
            if words.len() < 2 {
                call.usage("[N]...");
                return Some(1);
            }
            call.wait(seconds)
        }
        "read" if argument.starts_with('-') && argument != "-r" => illegal(call, argument),
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

/// What the shell itself says of an option that its command does not know.
fn illegal(call: &mut Call<'_, '_>, option: &str) -> i64 {
    let letter = option.chars().nth(1).unwrap_or('-');
    call.fail(&format!("illegal option -{letter}"));
    call.shell.exit(2);
    2
}

/// Runs another command: with other variables, in the place of the shell, or as it is.
fn other(call: &mut Call<'_, '_>, name: &str, words: &[String]) -> i64 {
    // neither priority nor a limit means anything where no time passes
    let known = match name {
        "env" => "+iu:",
        "nice" => "+n:",
        "timeout" => "+s:k:",
        _ => "+",
    };
    let Some(o) = call.options(words, known) else {
        return 1;
    };
    let mut rest = o.rest.as_slice();
    if name == "timeout" {
        rest = rest.get(1..).unwrap_or_default();
    }
    let kept = call.shell.variables.clone();
    if name == "env" {
        if o.has("i") {
            call.shell.variables.clear();
        }
        if let Some(name) = o.value('u') {
            call.shell.variables.remove(name);
        }
        while let Some((name, value)) = rest.first().and_then(|word| word.split_once('=')) {
            let (name, value) = (name.to_owned(), value.to_owned());
            call.shell.variables.insert(name, value);
            rest = rest.get(1..).unwrap_or_default();
        }
    }
    if rest.is_empty() && name == "env" {
        print_variables(call);
    }
    let code = super::run(call.shell, rest, call.io, call.host);
    if name == "env" {
        call.shell.variables = kept;
    }
    if name == "exec" && !rest.is_empty() && call.shell.stopped().is_none() {
        call.shell.exit(code);
    }
    code
}

fn print_variables(call: &mut Call<'_, '_>) {
    let variables = call.shell.variables.iter();
    let text: String = variables.map(|(k, v)| format!("{k}={v}\n")).collect();
    call.print(&text);
}

/// Seconds, or a number with the letter of another unit.
fn duration(text: &str) -> Option<f64> {
    if matches!(text, "infinity" | "inf") {
        return Some(f64::INFINITY);
    }
    let (number, unit) = match text.char_indices().last()? {
        (at, 's') => (text.get(..at)?, 1.0),
        (at, 'm') => (text.get(..at)?, 60.0),
        (at, 'h') => (text.get(..at)?, 3600.0),
        (at, 'd') => (text.get(..at)?, 86_400.0),
        _ => (text, 1.0),
    };
    let seconds = number.parse::<f64>().ok()? * unit;
    (seconds >= 0.0).then_some(seconds)
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
                "-f" => n.is_file(),
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
