//! Scripts in a container with two claims: `/work`, a disk of 64 MiB, and `/fixed`, mounted to be read only.
//! What is expected is what busybox prints, unless a test says why not.

use std::collections::BTreeSet;

use rstest::rstest;

use super::super::disk::Disk;
use super::super::sandbox::{MountPoint, Sandbox, Stage};
use super::*;

mod change;
mod options;
mod paths;

const CONTAINER: &str = "main";

/// A pod's files and a process on them.
struct Place {
    sandbox: Sandbox,
    disks: BTreeMap<String, Disk>,
    now: Timestamp,
    out: Vec<u8>,
    err: Vec<u8>,
}

impl Host for Place {
    fn files(&mut self, act: &mut dyn FnMut(&mut Files<'_>)) -> bool {
        let broken = BTreeSet::new();
        let sandbox = &mut self.sandbox;
        let mut files = Files::new(sandbox, &mut self.disks, &broken, CONTAINER, self.now);
        act(&mut files);
        files.close();
        true
    }

    fn read(&mut self) -> Typed {
        Typed::End
    }

    fn write(&mut self, error: bool, bytes: &[u8]) -> bool {
        if error { &mut self.err } else { &mut self.out }.extend_from_slice(bytes);
        true
    }

    fn sleep(&mut self, _seconds: f64) -> bool {
        false
    }
}

impl Place {
    fn new() -> Self {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut disks = BTreeMap::new();
        let mut mounts = Vec::new();
        for (number, name) in ["work", "fixed"].into_iter().enumerate() {
            let mut disk = Disk::new(64 << 20, number as u64, now);
            disk.mount(now);
            let content = Content::Bytes(Arc::new(b"kept\n".to_vec()));
            disk.tree.plant("/kept", content, now, (1000, 1000));
            disks.insert(name.to_owned(), disk);
            mounts.push(MountPoint {
                container: CONTAINER.to_owned(),
                path: format!("/{name}"),
                volume: name.to_owned(),
                claim: name.to_owned(),
                handle: name.to_owned(),
                read_only: name == "fixed",
                sub_path: String::new(),
            });
        }
        let pod = serde_json::json!({"metadata": {"name": "ide-0", "namespace": "team"}});
        let root = root_tree(&pod, now);
        let sandbox = Sandbox {
            namespace: "team".to_owned(),
            pod: "ide-0".to_owned(),
            node: "node".to_owned(),
            stage: Stage::Running,
            root,
            mounts,
            containers: BTreeMap::new(),
        };
        Self {
            sandbox,
            disks,
            now,
            out: Vec::new(),
            err: Vec::new(),
        }
    }

    /// What a script, begun in `/work`, prints to either side, and its exit code.
    fn run(&mut self, script: &str) -> (String, String, i64) {
        self.out.clear();
        self.err.clear();
        let mut shell = Interpreter::new(BTreeMap::new(), "/work");
        let words = ["sh", "-c", script].map(str::to_owned);
        let code = shell.run_command(&words, self);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (text(&self.out), text(&self.err), code)
    }
}

/// What a script prints that succeeds and says nothing else.
#[track_caller]
fn prints(script: &str) -> String {
    let (out, err, code) = Place::new().run(script);
    assert_eq!((err.as_str(), code), ("", 0), "{script}: {out}");
    out
}

/// What the last command of a script says when it is refused, and its exit code.
#[track_caller]
fn refused(script: &str) -> (String, i64) {
    let (out, err, code) = Place::new().run(script);
    assert_eq!(out, "", "{script}");
    (err.lines().next().unwrap_or_default().to_owned(), code)
}

#[rstest]
#[case("${#p}", "16")]
#[case("${#none}", "0")]
#[case("${p#*/}", "b.tar/c.tar.gz")]
#[case("${p##*/}", "c.tar.gz")]
#[case("${p%.*}", "a/b.tar/c.tar")]
#[case("${p%%.*}", "a/b")]
#[case("${p%.zip}", "a/b.tar/c.tar.gz")]
#[case("${none:-x}", "x")]
#[case("${p:+x}", "x")]
#[case("${none-}", "")]
fn a_value_is_cut_and_counted_as_in_any_shell(#[case] word: &str, #[case] is: &str) {
    let script = format!("p=a/b.tar/c.tar.gz; echo \"{word}\"");
    assert_eq!(prints(&script), format!("{is}\n"), "{word}");
}

#[rstest]
#[case("${p,,}")]
#[case("${p@Q}")]
#[case("${}")]
fn what_is_no_substitution_is_refused(#[case] word: &str) {
    let (why, code) = refused(&format!("echo {word}"));
    assert!(
        why.contains("bad substitution") && code == 2,
        "{why} {code}"
    );
}
