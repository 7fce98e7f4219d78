//! The command line as scripts use it: the real binary, against the simulated cluster where one is
//! needed. Exit codes, formats, the published schema, and what never gets printed.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use tempfile::TempDir;
use wsdash::demo::{self, Options, Running};

/// The simulated cluster, and a place for files.
struct Stage {
    running: Option<Running>,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

impl Stage {
    fn new() -> Self {
        // The crate comes without a provider for TLS, and wants one even for plain HTTP.
        drop(rustls::crypto::ring::default_provider().install_default());
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let running = runtime.block_on(demo::start(Options::default())).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kubeconfig"), running.kubeconfig()).unwrap();
        Self {
            running: Some(running),
            runtime,
            folder,
        }
    }

    fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("kubeconfig")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = bare(self.folder.path(), args);
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    fn json(&self, args: &[&str]) -> Value {
        let output = self.run(args);
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown());
        }
    }
}

fn bare(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wsdash"));
    command
        .args(args)
        .env_clear()
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .env("XDG_STATE_HOME", folder.join("state"))
        .stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

const KINDS: [&str; 8] = [
    "workspaces",
    "sets",
    "pods",
    "claims",
    "snapshots",
    "volumes",
    "findings",
    "events",
];

fn schema(name: &str) -> jsonschema::Validator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/schema/{name}.json"));
    let schema: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

#[test]
fn every_json_answer_is_what_the_schema_says() {
    let stage = Stage::new();
    for kind in KINDS {
        let answer = stage.json(&["get", kind, "-o", "json"]);
        let errors: Vec<String> = schema(kind)
            .iter_errors(&answer)
            .map(|e| e.to_string())
            .collect();
        assert_eq!(errors, Vec::<String>::new(), "{kind}");
        assert_eq!(answer["kind"], kind);
        assert_eq!(answer["freshness"]["pods"]["state"], "live", "{kind}");
        // What happened since the start may be nothing.
        let rows = answer["items"].as_array().unwrap();
        assert!(!rows.is_empty() || kind == "events", "{kind} has rows");
    }
    let answer = stage.json(&["check", "-o", "json"]);
    assert!(schema("check").is_valid(&answer), "{answer}");
    let wrong = serde_json::json!({"kind": "pods", "items": [{"name": 3}]});
    assert!(!schema("pods").is_valid(&wrong), "the schema can say no");
}

#[test]
fn every_format_names_the_same_rows() {
    let stage = Stage::new();
    let names = text(&stage.run(&["get", "claims", "-o", "name"]).stdout);
    let count = names.lines().count();
    assert!(count > 10, "{names}");
    for format in ["table", "wide", "csv"] {
        let output = text(&stage.run(&["get", "claims", "-o", format]).stdout);
        assert_eq!(output.lines().count(), count + 1, "{format}");
        let bare = stage.run(&["get", "claims", "-o", format, "--no-headers"]);
        assert_eq!(text(&bare.stdout).lines().count(), count, "{format}");
    }
    let json = stage.json(&["get", "claims", "-o", "json"]);
    assert_eq!(json["items"].as_array().unwrap().len(), count);
    let yaml = text(&stage.run(&["get", "claims", "-o", "yaml"]).stdout);
    assert!(yaml.contains("kind: claims"), "{yaml}");
}

#[test]
fn rows_are_chosen_by_name_and_label_and_sorted_by_column() {
    let stage = Stage::new();
    let all = text(&stage.run(&["get", "ws", "-o", "name"]).stdout);
    let first = all.lines().next().unwrap();
    let one = text(&stage.run(&["get", "ws", first, "-o", "name"]).stdout);
    assert_eq!(one.trim(), first);
    let sorted = text(
        &stage
            .run(&["get", "ws", "--sort", "-workspace", "-o", "name"])
            .stdout,
    );
    let again = text(
        &stage
            .run(&["get", "ws", "--sort", "workspace", "-o", "name"])
            .stdout,
    );
    let reversed: Vec<&str> = again.lines().rev().collect();
    assert_eq!(sorted.lines().collect::<Vec<_>>(), reversed);
    let none = stage.run(&["get", "pods", "-l", "nobody=has-this", "-o", "name"]);
    assert_eq!(text(&none.stdout).trim(), "");
    let label = format!("statefulset.kubernetes.io/pod-name={first}");
    let labelled = text(&stage.run(&["get", "ws", "-l", &label, "-o", "name"]).stdout);
    assert!(
        labelled.trim().is_empty() || labelled.trim() == first,
        "{labelled}"
    );
    let wrong = stage.run(&["get", "ws", "--sort", "colour"]);
    assert!(
        text(&wrong.stderr).contains("no column `colour`"),
        "{wrong:?}"
    );
    let gone = stage.run(&["get", "ws", "nobody-0"]);
    assert_ne!(gone.status.code(), Some(0));
    assert!(text(&gone.stderr).contains("nobody-0"), "{gone:?}");
}

#[test]
fn a_watch_prints_one_line_a_change_and_ends_with_its_reader() {
    let stage = Stage::new();
    let mut child = stage
        .command(&["get", "workspaces", "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut types = std::collections::BTreeSet::new();
    while types.len() < 2 {
        let line = lines.next().expect("it goes on printing").unwrap();
        let change: Value = serde_json::from_str(&line).unwrap();
        types.insert(change["type"].as_str().unwrap().to_owned());
    }
    assert!(
        types.contains("ADDED") && types.contains("FRESHNESS"),
        "{types:?}"
    );
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn check_is_the_convention_of_monitoring_plugins() {
    let stage = Stage::new();
    let output = stage.run(&["check"]);
    let line = text(&output.stdout);
    let code = output.status.code().unwrap();
    let word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::try_from(code).unwrap()];
    assert!(line.starts_with(word), "{code}: {line}");
    // The default world has two things wrong.
    assert!(code == 1 || code == 2, "{line}");
    let lost = bare(stage.folder.path(), &["check"]).output().unwrap();
    assert_eq!(lost.status.code(), Some(3), "{lost:?}");
    assert!(
        text(&lost.stdout).starts_with("UNKNOWN - no kubeconfig"),
        "{lost:?}"
    );
}

#[rstest]
#[case(&["get", "workspaces"], "no kubeconfig was found")]
#[case(&["get", "workspaces", "--kubeconfig", "/nowhere"], "does not exist")]
#[case(&["get", "workspaces", "--context", "other"], "no kubeconfig")]
fn a_connection_that_cannot_be_made_is_one_sentence(#[case] args: &[&str], #[case] part: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = bare(folder.path(), args).output().unwrap();
    let said = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0));
    assert!(said.contains(part), "{said}");
    assert_eq!(said.trim().lines().count(), 1, "{said}");
}

#[test]
fn an_unknown_context_and_a_server_that_is_gone_name_themselves() {
    let stage = Stage::new();
    let output = stage.run(&["get", "ws", "--context", "other"]);
    assert!(text(&output.stderr).contains("other"), "{output:?}");
    let config = std::fs::read_to_string(stage.kubeconfig()).unwrap();
    let address = config
        .lines()
        .find_map(|l| l.trim().strip_prefix("server: "))
        .unwrap();
    let dead = config.replace(address, "http://127.0.0.1:1");
    std::fs::write(stage.kubeconfig(), dead).unwrap();
    let output = stage.run(&["get", "ws"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(text(&output.stderr).contains("127.0.0.1:1"), "{output:?}");
}

#[test]
fn no_secret_is_ever_printed() {
    let stage = Stage::new();
    let config = std::fs::read_to_string(stage.kubeconfig()).unwrap();
    let lines = config.lines().map(|line| match line.split_once("token: ") {
        Some((before, _)) => format!("{before}token: hunter2-of-the-night"),
        None => line.to_owned(),
    });
    let config = lines.collect::<Vec<_>>().join("\n");
    assert!(config.contains("hunter2"), "there is a secret to keep");
    std::fs::write(stage.kubeconfig(), &config).unwrap();
    for args in [
        &["get", "ws", "-o", "json"][..],
        &["config"],
        &["check"],
        &["get", "ws", "--context", "x"],
    ] {
        let output = stage.run(args);
        let all = text(&output.stdout) + &text(&output.stderr);
        assert!(!all.contains("hunter2"), "{args:?}");
    }
}

#[rstest]
#[case(&["frobnicate"])]
#[case(&["get"])]
#[case(&["get", "things"])]
#[case(&["get", "ws", "-o", "xml"])]
#[case(&["get", "ws", "-A", "-n", "x"])]
#[case(&["get", "ws", "--request-timeout", "soon"])]
fn wrong_usage_is_exit_code_two(#[case] args: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let output = bare(folder.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(!output.stderr.is_empty());
}

#[test]
fn without_a_terminal_the_dashboard_points_to_get() {
    let stage = Stage::new();
    let output = stage.run(&[]);
    assert_ne!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty());
    assert!(
        text(&output.stderr).contains("wsdash get workspaces"),
        "{output:?}"
    );
}

#[test]
fn help_completions_and_manual_exist_for_everything() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| bare(folder.path(), args).output().unwrap();
    let help = text(&run(&["--help"]).stdout);
    for command in [
        "get", "check", "config", "snapshot", "resize", "jobs", "demo", "rbac",
    ] {
        assert!(help.contains(command), "{command}");
        let output = run(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell]);
        assert!(text(&output.stdout).contains("wsdash"), "{shell}");
    }
    assert!(text(&run(&["man"]).stdout).contains(".TH wsdash"));
}

#[test]
fn config_says_where_each_value_comes_from_and_refuses_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, "[thresholds]\ndisk_warn = 0.7\n").unwrap();
    let path = file.to_str().unwrap();
    let output = bare(folder.path(), &["config", "--config", path])
        .output()
        .unwrap();
    let shown = text(&output.stdout);
    assert!(
        shown.contains("0.7") && shown.contains("config.toml"),
        "{shown}"
    );
    std::fs::write(&file, "[thresholds]\ndisk_wran = 0.7\n").unwrap();
    let output = bare(folder.path(), &["config", "--config", path])
        .output()
        .unwrap();
    let said = text(&output.stderr);
    assert_ne!(output.status.code(), Some(0));
    assert!(
        said.contains("disk_warn") && said.contains(":2"),
        "line and nearest key: {said}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let stage = Stage::new();
    let mut child = stage
        .command(&["get", "events", "-o", "json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let started = std::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.code().is_some(), "{status}");
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "it ends");
        std::thread::yield_now();
    }
    let mut said = String::new();
    std::io::Read::read_to_string(&mut child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(!said.contains("panicked"), "{said}");
}

#[test]
fn any_command_runs_against_the_demo() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| bare(folder.path(), args).output().unwrap();
    let answer = run(&["demo", "--", "get", "workspaces", "-o", "json"]);
    let document: Value = serde_json::from_slice(&answer.stdout).unwrap();
    assert_eq!(document["items"].as_array().unwrap().len(), 40);
    assert_eq!(document["context"], "demo");
    let wrong = run(&["demo", "--", "frobnicate"]);
    assert_eq!(wrong.status.code(), Some(2));
    let list = text(&run(&["demo", "--list"]).stdout);
    assert!(
        list.lines().count() >= 13,
        "a morning and a dozen drills: {list}"
    );
}

/// Its jobs are of no use without it, and would stand among those of real clusters.
#[test]
fn nothing_of_the_demo_stays_behind() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| bare(folder.path(), args).output().unwrap();
    let evict = run(&[
        "demo",
        "--speed",
        "20",
        "--",
        "evict",
        "coditect-pro-0",
        "--yes",
    ]);
    assert!(evict.status.success(), "{}", text(&evict.stderr));
    assert!(text(&evict.stdout).contains("job evict-"), "it is a job");
    assert_eq!(text(&run(&["jobs", "-o", "name"]).stdout), "");
    let left = std::fs::read_dir(folder.path().join("state/wsdash")).unwrap();
    let names: Vec<_> = left.map(|e| e.unwrap().file_name()).collect();
    let is_of_demo = |name: &std::ffi::OsString| name.to_string_lossy().contains("demo");
    assert!(!names.iter().any(is_of_demo), "{names:?}");
}

#[test]
fn keys_columns_and_views_of_the_configuration_are_those_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    for (settings, part) in [
        ("[keys]\nlogz = [\"x\"]\n", "logs"),
        ("[keys]\nlogs = [\"hyper-x\"]\n", "hyper-x"),
        ("[columns]\nworkspaces = [\"name\", \"stat\"]\n", "state"),
        ("[sort]\nclaims = \"-sice\"\n", "size"),
        ("[ui]\nview = \"claim\"\n", "claims"),
    ] {
        std::fs::write(&file, settings).unwrap();
        let output = bare(
            folder.path(),
            &["config", "--config", file.to_str().unwrap()],
        )
        .output()
        .unwrap();
        let said = text(&output.stderr);
        assert_ne!(output.status.code(), Some(0), "{settings}");
        assert!(said.contains(part), "{settings}: {said}");
    }
}

#[test]
fn every_runbook_can_be_read_without_a_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| bare(folder.path(), args).output().unwrap();
    let list = text(&run(&["runbook"]).stdout);
    for line in list.lines() {
        let code = line.split_whitespace().next().unwrap();
        let shown = text(&run(&["runbook", code]).stdout);
        assert!(shown.contains("Steps"), "{code}");
    }
    assert!(list.lines().count() > 30);
    assert_ne!(run(&["runbook", "no-such"]).status.code(), Some(0));
}
