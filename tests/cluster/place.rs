//! A namespace of a real cluster for one test, and the program looking at it. What the test made
//! goes with it.

#![expect(unreachable_pub, reason = "a part of a test program")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::pty::{Session, Start};

/// Only a failing test waits so long.
const CEILING: Duration = Duration::from_secs(420);

/// Asks again and again until there is an answer. Asking takes its time, so nothing spins.
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(
            started.elapsed() < CEILING,
            "not within {CEILING:?}: {what}"
        );
    }
}

/// Breaks or mends the cluster. `None`: nothing to do it with.
pub fn ctl(args: &[&str]) -> Option<()> {
    let program = std::env::var("WSDASH_E2E_CTL").ok()?;
    let output = Command::new(program).args(args).output().unwrap();
    // An unknown word is an answer, too: the program is there.
    (output.status.success() || args == ["status"]).then_some(())
}

pub struct Place {
    kubeconfig: PathBuf,
    admin: PathBuf,
    namespace: String,
    folder: TempDir,
    owned: bool,
}

impl Place {
    /// A fresh namespace; `None`, said aloud, where there is no cluster.
    pub fn new(name: &str) -> Option<Self> {
        let Ok(kubeconfig) = std::env::var("WSDASH_E2E_KUBECONFIG") else {
            eprintln!("NOT RUN: {name} needs WSDASH_E2E_KUBECONFIG");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        // A scrape is every few seconds here, so a forecast needs minutes and not hours.
        let settings =
            "[metrics]\ninterval = \"2s\"\nforecast_window = \"3m\"\nforecast_points = 6\n";
        std::fs::write(folder.path().join("config.toml"), settings).unwrap();
        let place = Self {
            admin: PathBuf::from(&kubeconfig),
            kubeconfig: PathBuf::from(kubeconfig),
            namespace: format!("night-{name}-{}", std::process::id()),
            folder,
            owned: true,
        };
        let made = place.kubectl_anywhere(&["create", "namespace", &place.namespace]);
        assert!(made.status.success(), "{made:?}");
        Some(place)
    }

    /// Adds to the configuration.
    pub fn configure(&self, more: &str) {
        let file = self.folder.path().join("config.toml");
        let before = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, before + more).unwrap();
    }

    /// The same place in the eyes of somebody else.
    pub fn as_user(&self, user: &str) -> Self {
        Self {
            admin: self.admin.clone(),
            kubeconfig: self.admin.with_file_name(format!("{user}.kubeconfig")),
            namespace: self.namespace.clone(),
            folder: {
                let folder = tempfile::tempdir().unwrap();
                std::fs::write(folder.path().join("config.toml"), "").unwrap();
                folder
            },
            owned: false,
        }
    }

    fn kubectl_anywhere(&self, args: &[&str]) -> std::process::Output {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.admin).args(args);
        command.output().unwrap()
    }

    pub fn kubectl(&self, args: &[&str]) -> String {
        let all: Vec<&str> = ["-n", &self.namespace]
            .into_iter()
            .chain(args.iter().copied())
            .collect();
        let output = self.kubectl_anywhere(&all);
        assert!(output.status.success(), "kubectl {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub fn kubectl_json(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["-o", "json"]);
        serde_json::from_str(&self.kubectl(&all)).unwrap()
    }

    /// Creates what a manifest names; whether it was accepted.
    pub fn create(&self, manifest: &str) -> bool {
        let file = self.folder.path().join("create.json");
        std::fs::write(&file, manifest).unwrap();
        let output = self.kubectl_anywhere(&["create", "-f", file.to_str().unwrap()]);
        output.status.success() || String::from_utf8_lossy(&output.stderr).contains("AlreadyExists")
    }

    pub fn exec(&self, pod: &str, script: &str) {
        self.kubectl(&["exec", pod, "--", "sh", "-c", script]);
    }

    /// A script that goes on until what is returned is dropped: what a shell leaves behind in the
    /// background dies with its exec.
    pub fn exec_on(&self, pod: &str, script: &str) -> Running {
        let mut command = Command::new("kubectl");
        command
            .arg("--kubeconfig")
            .arg(&self.admin)
            .args(["-n", &self.namespace, "exec", pod, "--", "sh", "-c", script])
            .stdin(Stdio::null());
        Running(command.spawn().unwrap())
    }

    /// A set `ide` of workspaces with two claims each.
    pub fn apply_example(&self, replicas: u32) {
        let manifest = include_str!("example.yaml").replace("REPLICAS", &replicas.to_string());
        let file = self.folder.path().join("example.yaml");
        std::fs::write(&file, manifest).unwrap();
        self.kubectl(&["apply", "-f", file.to_str().unwrap()]);
    }

    /// The uid of a pod, once it is ready.
    pub fn ready_pod(&self, name: &str) -> Option<String> {
        let document = self.json(&["get", "pods"]);
        let pods = document["items"].as_array()?;
        let pod = pods
            .iter()
            .find(|p| p["name"] == name && p["ready"] == true)?;
        Some(pod["uid"].as_str()?.to_owned())
    }

    fn flags(&self) -> [String; 6] {
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            "--kubeconfig".into(),
            text(self.kubeconfig.clone()),
            "--namespace".into(),
            self.namespace.clone(),
            "--config".into(),
            text(self.folder.path().join("config.toml")),
        ]
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsdash"));
        command
            .args(self.flags())
            .args(args)
            .env("XDG_STATE_HOME", self.folder.path())
            .stdin(Stdio::null());
        command
    }

    pub fn answer(&self, args: &[&str]) -> (Option<i32>, Value) {
        let output = self.command(args).args(["-o", "json"]).output().unwrap();
        let document = serde_json::from_slice(&output.stdout);
        let document = document.unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"));
        (output.status.code(), document)
    }

    /// An answer, whatever the exit code; while nothing of that name is there, an empty one.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.command(args).args(["-o", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_error| {
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(said.contains("no "), "{args:?}: {said}");
            serde_json::json!({ "items": [] })
        })
    }

    /// The dashboard, looking at this namespace.
    pub fn dashboard(&self, columns: u16, rows: u16) -> Session {
        let start: Start = Session::wsdash(self.flags());
        start.size(columns, rows).start()
    }
}

/// A process that ends with its owner.
pub struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that ended by itself is no fault here.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.owned {
            self.kubectl_anywhere(&["delete", "namespace", &self.namespace, "--wait=false"]);
        }
    }
}
