//! The processes of simulated containers: a small POSIX shell over the file systems that the pod really has.
//! Must not reach anything of this computer.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::object::{Fields, Object};
use super::tree::{Content, Tree};
use super::world::World;

mod account;
mod builtin;
mod eval;
mod expand;
mod files;
mod glob;
mod parse;
mod stat;
mod terminal;
#[cfg(test)]
mod tests;

pub(crate) use builtin::is_program;
pub(crate) use eval::{Interpreter, Stop};
pub(crate) use files::Files;
pub(crate) use terminal::Terminal;

/// What a process sees of the world outside its shell.
pub(crate) trait Host {
    /// Works on the pod's files; `false` when the pod is gone.
    fn files(&mut self, act: &mut dyn FnMut(&mut Files<'_>)) -> bool;
    /// What comes next from standard input.
    fn read(&mut self) -> Typed;
    /// Standard input is a terminal.
    fn is_terminal(&self) -> bool {
        false
    }
    /// Whether ^C ended the last wait; it is told once.
    fn was_interrupted(&mut self) -> bool {
        false
    }
    /// Writes to standard output or error; `false` when nobody listens any more.
    fn write(&mut self, error: bool, bytes: &[u8]) -> bool;
    /// Waits; `false` when the process is to end.
    fn sleep(&mut self, seconds: f64) -> bool;
}

/// What standard input brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    Bytes(Vec<u8>),
    End,
    /// ^C on a terminal.
    Interrupt,
}

/// How a container's main process begins.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<String>,
    /// Ends by itself after so many seconds with this code; runs on when `None`.
    pub(crate) ends: Option<(f64, i64)>,
    /// Keeps writing to its log.
    pub(crate) chatty: bool,
}

/// The container's own file system.
pub(crate) fn root_tree(pod: &Object, now: Timestamp) -> Tree {
    let mut tree = Tree::new(now, (0, 0));
    let root = (0, 0);
    for directory in [
        "/bin",
        "/etc",
        "/home/theia",
        "/proc/self",
        "/proc/net",
        "/tmp",
        "/var/log",
        "/root",
    ] {
        tree.plant(directory, Content::Directory(BTreeMap::new()), now, root);
    }
    for (path, content) in [
        ("/dev/null", Content::Null),
        ("/dev/zero", Content::Zero),
        ("/dev/urandom", Content::Random),
        ("/dev/random", Content::Random),
        ("/proc/self/mountinfo", Content::Mounts),
        ("/proc/mounts", Content::Mounts),
    ] {
        tree.plant(path, content, now, root);
    }
    let header = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    for (path, text) in [
        ("/etc/hostname", format!("{}\n", pod.name())),
        (
            "/etc/passwd",
            "root:x:0:0:root:/root:/bin/sh\ntheia:x:1000:1000::/home/theia:/bin/sh\n".to_owned(),
        ),
        ("/etc/group", "root:x:0:\ntheia:x:1000:\n".to_owned()),
        (
            "/etc/os-release",
            "PRETTY_NAME=\"Simulated workspace\"\nID=demo\n".to_owned(),
        ),
        ("/proc/net/tcp", header.to_owned()),
        ("/proc/net/tcp6", header.to_owned()),
    ] {
        tree.plant(path, Content::Bytes(Arc::new(text.into_bytes())), now, root);
    }
    if let Some(tmp) = tree
        .child(Tree::root(), "tmp")
        .and_then(|i| tree.node_mut(i))
    {
        tmp.mode = 0o1777;
    }
    tree
}

/// The environment of a container.
pub(crate) fn environment(pod: &Object, container: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([
        (
            "PATH".to_owned(),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ),
        ("HOSTNAME".to_owned(), pod.name().to_owned()),
        ("HOME".to_owned(), "/home/theia".to_owned()),
        (
            "KUBERNETES_SERVICE_HOST".to_owned(),
            "10.8.240.1".to_owned(),
        ),
    ]);
    for entry in container.items("env") {
        let field = entry.text("valueFrom/fieldRef/fieldPath");
        let value = if field.is_empty() {
            entry.text("value").to_owned()
        } else {
            pod.text(&field.replace('.', "/")).to_owned()
        };
        all.insert(entry.text("name").to_owned(), value);
    }
    all
}

/// Runs a command in a container at this instant: its exit code and what it wrote. One that waits
/// is killed.
pub(crate) fn probe(
    world: &mut World,
    pod: &Object,
    container: &Value,
    words: &[String],
) -> (i64, String) {
    let mut shell = Interpreter::new(environment(pod, container), container.text("workingDir"));
    let mut host = Main {
        world,
        uid: pod.uid(),
        container: container.text("name"),
        output: Vec::new(),
        slept: None,
    };
    let code = shell.run_command(words, &mut host);
    (code, String::from_utf8_lossy(&host.output).into_owned())
}

/// The command of a container's main process.
fn command(container: &Value) -> Vec<String> {
    [container.items("command"), container.items("args")]
        .into_iter()
        .flat_map(words)
        .collect()
}

/// The words of a command as a manifest has them.
pub(crate) fn words(command: &[Value]) -> Vec<String> {
    let words = command.iter().filter_map(Value::as_str);
    words.map(str::to_owned).collect()
}

/// The main process runs inside one instant: what it does before it first waits.
struct Main<'a> {
    world: &'a mut World,
    uid: &'a str,
    container: &'a str,
    output: Vec<u8>,
    slept: Option<f64>,
}

impl Host for Main<'_> {
    fn files(&mut self, act: &mut dyn FnMut(&mut Files<'_>)) -> bool {
        with_files(self.world, self.uid, self.container, act)
    }

    fn read(&mut self) -> Typed {
        Typed::End
    }

    fn write(&mut self, _error: bool, bytes: &[u8]) -> bool {
        if self.output.len() < 1 << 20 {
            self.output.extend_from_slice(bytes);
        }
        true
    }

    fn sleep(&mut self, seconds: f64) -> bool {
        self.slept.get_or_insert(seconds);
        false
    }
}

/// Opens the files of a pod as one of its containers sees them.
pub(crate) fn with_files(
    world: &mut World,
    uid: &str,
    container: &str,
    act: &mut dyn FnMut(&mut Files<'_>),
) -> bool {
    let now = world.now;
    let Some(sandbox) = world.sandboxes.get_mut(uid) else {
        return false;
    };
    let mut files = Files::new(
        sandbox,
        &mut world.disks,
        &world.faults.read_only,
        container,
        now,
    );
    act(&mut files);
    files.close();
    true
}

/// Starts a container's main process.
pub(crate) fn start(world: &mut World, uid: &str, container: &Value) -> Outcome {
    let words = command(container);
    let name = container.text("name").to_owned();
    let pod = world
        .store
        .by_uid(uid)
        .cloned()
        .and_then(|k| world.read(&k));
    let (Some(pod), false) = (pod, words.is_empty()) else {
        return Outcome {
            lines: vec![
                format!("INFO starting {}", container.text("image")),
                "INFO listening on 0.0.0.0:3000".to_owned(),
            ],
            ends: None,
            chatty: true,
        };
    };
    let mut shell = Interpreter::new(environment(&pod, container), container.text("workingDir"));
    let mut host = Main {
        world,
        uid,
        container: &name,
        output: Vec::new(),
        slept: None,
    };
    let code = shell.run_command(&words, &mut host);
    let lines = String::from_utf8_lossy(&host.output)
        .lines()
        .map(str::to_owned)
        .collect();
    let ends = match (shell.stopped(), host.slept) {
        // After a wait of known length the process would go on; only an end right after it is known.
        (_, Some(wait)) if wait.is_finite() => Some((wait, 0)),
        (_, Some(_)) => None,
        (Some(Stop::Killed), None) => Some((0.1, 137)),
        _ => Some((0.1, code)),
    };
    Outcome {
        lines,
        ends,
        chatty: false,
    }
}
