//! The commands of the small shell. Each names the options that it carries out; any other one is an error in the
//! words of busybox.

use super::eval::{Input, Interpreter, Io};
use super::files::{EISDIR, Errno};
use super::{Files, Host, Typed};

mod about;
mod change;
mod dd;
mod grep;
mod look;
mod options;
mod rights;
mod state;
mod text;

/// What the commands have at hand.
struct Call<'a, 'h> {
    shell: &'a mut Interpreter,
    io: &'a mut Io,
    host: &'h mut dyn Host,
    name: &'a str,
    failed: bool,
    /// The exit code of a failure.
    failure: i64,
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
                Err(why) => {
                    let text = match (self.name, why) {
                        ("cat", EISDIR) => format!("read error: {why}"),
                        ("sha256sum", EISDIR) => format!("can't read '{name}': {why}"),
                        ("cat" | "sha256sum" | "tail", _) => format!("can't open '{name}': {why}"),
                        _ => format!("{name}: {why}"),
                    };
                    self.fail(&text);
                }
            }
        }
        all
    }

    /// Waits; the exit code is that of a process that ended when the wait was cut short.
    fn wait(&mut self, seconds: f64) -> i64 {
        if self.host.sleep(seconds) {
            return 0;
        }
        if self.host.was_interrupted() {
            self.shell.interrupt();
        } else {
            self.shell.kill();
        }
        self.shell.status
    }

    fn code(&self) -> i64 {
        if self.failed { self.failure } else { 0 }
    }
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
        failure: 1,
    };
    let there = exists(name).then_some(());
    there
        .and_then(|()| {
            state::run(&mut call, &base, words)
                .or_else(|| text::run(&mut call, &base, words))
                .or_else(|| change::run(&mut call, &base, words))
                .or_else(|| look::run(&mut call, &base, words))
        })
        .unwrap_or_else(|| {
            call.name = "sh";
            call.fail(&format!("{name}: not found"));
            127
        })
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
