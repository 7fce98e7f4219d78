//! kubectl itself against `wsdash demo serve`: what people and runbooks type works as it does on a
//! real cluster. The same lines are asked of a real cluster when `WSDASH_E2E_KUBECONFIG` names one;
//! where the two differ the simulation is wrong.
//!
//! `WSDASH_KUBECTL` names the program when it is not in the PATH. Without it the tests say that they
//! did not run.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not ask"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

#[path = "kubectl/copied.rs"]
mod copied;
#[path = "pty/harness.rs"]
mod pty;

/// What a wait of kubectl may take on a slow computer.
const PATIENCE: &str = "--timeout=120s";
const CEILING: Duration = Duration::from_secs(120);

/// A set of two workspaces, as somebody would write it.
const MANIFEST: &str = r"
apiVersion: v1
kind: Namespace
metadata: {name: NAMESPACE}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: ide, namespace: NAMESPACE, labels: {app: ide}}
spec:
  serviceName: ide
  replicas: 2
  podManagementPolicy: Parallel
  selector: {matchLabels: {app: ide}}
  template:
    metadata: {labels: {app: ide}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: workspace
        image: IMAGE
        volumeMounts: [{name: workspace, mountPath: /workspace}]
  volumeClaimTemplates:
  - metadata: {name: workspace}
    spec:
      accessModes: [ReadWriteOnce]
      resources: {requests: {storage: 1Gi}}
";

fn program() -> PathBuf {
    std::env::var_os("WSDASH_KUBECTL").map_or_else(|| "kubectl".into(), PathBuf::from)
}

/// A cluster, and a namespace of one's own in it.
struct Place {
    cluster: &'static str,
    image: &'static str,
    kubeconfig: PathBuf,
    namespace: String,
    folder: TempDir,
    served: Option<Served>,
}

/// `wsdash demo serve`, until it is dropped.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What kubectl said.
struct Said {
    out: String,
    err: String,
    code: i32,
}

/// The simulated cluster, and the real one when it is named; none without kubectl.
fn places(rule: &str) -> Vec<Place> {
    let there = Command::new(program())
        .args(["version", "--client"])
        .output();
    if !there.is_ok_and(|output| output.status.success()) {
        eprintln!(
            "kubectl {rule}: NOT RUN, there is no {} (WSDASH_KUBECTL names it)",
            program().display()
        );
        return Vec::new();
    }
    let namespace = format!("kubectl-{rule}-{}", std::process::id());
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_wsdash"))
        .args(["demo", "serve", "--speed", "4"])
        .env_remove("XDG_STATE_HOME")
        .env_remove("WSDASH_CONFIG")
        .env("HOME", folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let file = first.strip_prefix("export KUBECONFIG=").unwrap();
    let mut places = vec![Place {
        cluster: "simulated",
        image: "example.com/workspace:test",
        kubeconfig: file.into(),
        namespace: namespace.clone(),
        folder,
        served: Some(Served(child)),
    }];
    match std::env::var_os("WSDASH_E2E_KUBECONFIG") {
        Some(file) => places.push(Place {
            cluster: "real",
            image: "localhost/workspace:test",
            kubeconfig: file.into(),
            namespace,
            folder: tempfile::tempdir().unwrap(),
            served: None,
        }),
        None => eprintln!(
            "kubectl {rule}: NOT asked of a real cluster, WSDASH_E2E_KUBECONFIG is not set"
        ),
    }
    places
}

impl Place {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(program());
        command
            .arg("--kubeconfig")
            .arg(&self.kubeconfig)
            .args(["-n", &self.namespace])
            .args(args)
            // the cache of discovery
            .env("HOME", self.folder.path());
        command
    }

    fn say(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        Said {
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            code: output.status.code().unwrap_or(-1),
        }
    }

    /// What a command that must succeed prints.
    fn ask(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(
            said.code, 0,
            "{}: kubectl {args:?}: {}{}",
            self.cluster, said.out, said.err
        );
        said.out
    }

    /// What a command that must fail complains of.
    fn refused(&self, args: &[&str]) -> String {
        let said = self.say(args);
        assert_eq!(
            said.code, 1,
            "{}: kubectl {args:?}: {}",
            self.cluster, said.out
        );
        said.err
    }

    fn manifest(&self) -> PathBuf {
        let file = self.folder.path().join("set.yaml");
        let text = MANIFEST
            .replace("NAMESPACE", &self.namespace)
            .replace("IMAGE", self.image);
        std::fs::write(&file, text).unwrap();
        file
    }

    /// The set, with both pods ready.
    fn apply(&self) -> PathBuf {
        let file = self.manifest();
        let text = self.ask(&["apply", "-f", path(&file)]);
        assert!(text.contains("statefulset.apps/ide created"), "{text}");
        let ready = "--for=jsonpath={.status.readyReplicas}=2";
        self.ask(&["wait", ready, "sts/ide", PATIENCE]);
        file
    }

    /// Nothing is waited for: a namespace goes on ending by itself.
    fn leave(&self) {
        self.ask(&["delete", "namespace", &self.namespace, "--wait=false"]);
    }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Every one of the words, in what was printed, however wide the columns are.
#[track_caller]
fn shows(place: &Place, text: &str, words: &[&str]) {
    let text = &text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect::<Vec<_>>()
        .join("\n");
    for word in words {
        assert!(
            text.contains(word),
            "{}: no `{word}` in\n{text}",
            place.cluster
        );
    }
}

#[test]
fn get_prints_what_a_real_cluster_prints() {
    for place in places("get") {
        place.apply();
        let text = place.ask(&["get", "sts,pod,pvc", "-l", "app=ide"]);
        shows(
            &place,
            &text,
            &["statefulset.apps/ide", "2/2", "pod/ide-0", "1/1", "Running"],
        );
        shows(
            &place,
            &text,
            &["persistentvolumeclaim/workspace-ide-1", "Bound", "RWO"],
        );
        let names = place.ask(&["get", "pods", "-o", "name"]);
        assert_eq!(names, "pod/ide-0\npod/ide-1\n", "{}", place.cluster);
        let wide = place.ask(&["get", "pods", "-o", "wide"]);
        shows(&place, &wide, &["IP", "NODE"]);
        let ips = place.ask(&[
            "get",
            "pod",
            "ide-0",
            "-o",
            "jsonpath={.status.podIP} {.status.podIPs[0].ip}",
        ]);
        let (one, first) = ips.split_once(' ').unwrap();
        assert_eq!(one, first, "{}", place.cluster);
        let field = place.ask(&[
            "get",
            "pods",
            "--field-selector",
            "metadata.name=ide-1",
            "-o",
            "name",
        ]);
        assert_eq!(field, "pod/ide-1\n");
        let gone = place.refused(&["get", "pod", "nope"]);
        assert_eq!(
            gone,
            "Error from server (NotFound): pods \"nope\" not found\n"
        );
        place.leave();
    }
}

#[test]
fn describe_tells_what_is_joined_and_what_happened_in_its_order() {
    for place in places("describe") {
        place.apply();
        let pod = place.ask(&["describe", "pod", "ide-0"]);
        shows(
            &place,
            &pod,
            &[
                "Controlled By: StatefulSet/ide",
                "ClaimName: workspace-ide-0",
            ],
        );
        shows(
            &place,
            &pod,
            &[
                "Ready True",
                "Scheduled",
                "SuccessfulAttachVolume",
                "Started",
            ],
        );
        shows(&place, &pod, &["QoS Class: BestEffort"]);
        // what came in one second stands in the order in which it came
        let at = |word: &str| pod.find(word).unwrap();
        assert!(at(" Pulled ") < at(" Created ") && at(" Created ") < at(" Started "));
        let claim = place.ask(&["describe", "pvc", "workspace-ide-0"]);
        shows(
            &place,
            &claim,
            &[
                "kubernetes.io/pvc-protection",
                "Used By: ide-0",
                "ProvisioningSucceeded",
            ],
        );
        let set = place.ask(&["describe", "sts", "ide"]);
        shows(
            &place,
            &set,
            &[
                "2 desired | 2 total",
                "create Pod ide-0 in StatefulSet ide successful",
            ],
        );
        place.leave();
    }
}

#[test]
fn apply_scale_patch_wait_and_delete_change_what_they_name() {
    for place in places("write") {
        let file = place.apply();
        let again = place.ask(&["apply", "-f", path(&file)]);
        shows(&place, &again, &["unchanged"]);
        let dry = place.ask(&["scale", "sts/ide", "--replicas=5", "--dry-run=server"]);
        shows(&place, &dry, &["scaled (server dry run)"]);
        let replicas = ["get", "sts", "ide", "-o", "jsonpath={.spec.replicas}"];
        assert_eq!(place.ask(&replicas), "2", "{}", place.cluster);
        place.ask(&["create", "configmap", "note", "--from-literal=a=b"]);
        assert_eq!(
            place.ask(&["get", "configmap", "note", "-o", "jsonpath={.data}"]),
            r#"{"a":"b"}"#
        );
        place.ask(&["scale", "sts/ide", "--replicas=3"]);
        place.ask(&["wait", "--for=condition=Ready", "pod/ide-2", PATIENCE]);
        let json = r#"[{"op":"replace","path":"/spec/replicas","value":2}]"#;
        place.ask(&["patch", "sts", "ide", "--type=json", "-p", json]);
        place.ask(&["wait", "--for=delete", "pod/ide-2", PATIENCE]);
        // the claim of a set that became smaller stays
        shows(
            &place,
            &place.ask(&["get", "pvc", "workspace-ide-2"]),
            &["Bound"],
        );
        let merge = r#"{"metadata":{"labels":{"tier":"pro"}}}"#;
        place.ask(&["patch", "pod", "ide-0", "--type=merge", "-p", merge]);
        assert_eq!(
            place.ask(&["get", "pod", "-l", "tier=pro", "-o", "name"]),
            "pod/ide-0\n"
        );
        place.ask(&["label", "pod", "ide-0", "tier-"]);
        place.ask(&["annotate", "pvc", "workspace-ide-0", "note=kept"]);
        let strategic = r#"{"spec":{"template":{"spec":{"containers":[{"name":"workspace","env":[{"name":"A","value":"b"}]}]}}}}"#;
        place.ask(&["patch", "sts", "ide", "-p", strategic]);
        let containers = "jsonpath={.spec.template.spec.containers[*].image} {.spec.template.spec.containers[*].env[0].value}";
        assert_eq!(
            place.ask(&["get", "sts", "ide", "-o", containers]),
            format!("{} b", place.image)
        );
        place.ask(&["rollout", "status", "sts/ide", PATIENCE]);
        let smaller = r#"{"spec":{"resources":{"requests":{"storage":"512Mi"}}}}"#;
        let why = place.refused(&["patch", "pvc", "workspace-ide-0", "-p", smaller]);
        shows(
            &place,
            &why,
            &[
                "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity",
            ],
        );
        let larger = r#"{"spec":{"resources":{"requests":{"storage":"2Gi"}}}}"#;
        place.ask(&["patch", "pvc", "workspace-ide-0", "-p", larger]);
        let grown = "--for=jsonpath={.status.capacity.storage}=2Gi";
        place.ask(&["wait", grown, "pvc/workspace-ide-0", PATIENCE]);
        // in use: it ends when the pod does
        place.ask(&["delete", "pvc", "workspace-ide-1", "--wait=false"]);
        shows(
            &place,
            &place.ask(&["get", "pvc", "workspace-ide-1"]),
            &["Terminating"],
        );
        place.ask(&["delete", "sts", "ide"]);
        place.ask(&["wait", "--for=delete", "pvc/workspace-ide-1", PATIENCE]);
        shows(&place, &place.ask(&["get", "pvc"]), &["workspace-ide-0"]);
        place.leave();
    }
}

#[test]
fn a_server_side_apply_takes_away_what_it_no_longer_states_and_tells_who_is_in_its_way() {
    for place in places("apply") {
        place.ask(&["create", "namespace", &place.namespace]);
        let file = place.folder.path().join("note.yaml");
        let write = |data: &str| {
            // What begins with a brace is JSON to some versions of kubectl.
            let text = format!(
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: note}}\ndata: {data}\n"
            );
            std::fs::write(&file, text).unwrap();
        };
        let apply = ["apply", "--server-side", "-f", path(&file)];
        let other = [apply.as_slice(), &["--field-manager=other"]].concat();
        let data = ["get", "configmap", "note", "-o", "jsonpath={.data}"];
        write("{a: '1', b: '2'}");
        assert_eq!(place.ask(&apply), "configmap/note serverside-applied\n");
        write("{a: '3'}");
        place.ask(&apply);
        assert_eq!(place.ask(&data), r#"{"a":"3"}"#, "{}", place.cluster);
        write("{c: '1'}");
        place.ask(&other);
        assert_eq!(
            place.ask(&data),
            r#"{"a":"3","c":"1"}"#,
            "{}",
            place.cluster
        );
        write("{a: '4'}");
        let why = place.refused(&other);
        shows(
            &place,
            &why,
            &["Apply failed with 1 conflict: conflict with \"kubectl\": .data.a"],
        );
        place.ask(&[other.as_slice(), &["--force-conflicts"]].concat());
        assert_eq!(place.ask(&data), r#"{"a":"4"}"#, "{}", place.cluster);
        place.leave();
    }
}

#[test]
fn exec_and_logs_reach_into_a_pod_whose_work_outlives_it() {
    for place in places("exec") {
        place.apply();
        let said = place.say(&[
            "exec",
            "ide-0",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 3",
        ]);
        assert_eq!((said.out.as_str(), said.code), ("out\n", 3), "{}", said.err);
        shows(
            &place,
            &said.err,
            &["err", "command terminated with exit code 3"],
        );
        let mut child = place
            .command(&[
                "exec",
                "-i",
                "ide-0",
                "--",
                "sh",
                "-c",
                "cat > /workspace/work && sync",
            ])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(b"a day's work\n")
            .unwrap();
        assert!(child.wait().unwrap().success());
        let before = place.ask(&["get", "pod", "ide-0", "-o", "jsonpath={.metadata.uid}"]);
        place.ask(&["delete", "pod", "ide-0"]);
        place.ask(&["wait", "--for=create", "pod/ide-0", PATIENCE]);
        place.ask(&["wait", "--for=condition=Ready", "pod/ide-0", PATIENCE]);
        let after = place.ask(&["get", "pod", "ide-0", "-o", "jsonpath={.metadata.uid}"]);
        assert_ne!(before, after);
        let kept = place.ask(&["exec", "ide-0", "--", "cat", "/workspace/work"]);
        assert_eq!(kept, "a day's work\n", "{}", place.cluster);
        place.ask(&["logs", "ide-0", "--tail=1"]);
        let none = place.refused(&["logs", "ide-0", "--previous"]);
        shows(
            &place,
            &none,
            &["previous terminated container \"workspace\" in pod \"ide-0\" not found"],
        );

        place.leave();
    }
}

/// `kubectl exec -it` of the first pod.
fn session(place: &Place, command: &[&str]) -> pty::Session {
    pty::Start::new(program())
        .args([
            "--kubeconfig",
            path(&place.kubeconfig),
            "-n",
            &place.namespace,
        ])
        .args(["exec", "-it", "ide-0", "--"])
        .args(command)
        .start()
}

#[test]
fn a_shell_on_a_terminal_is_one_and_a_script_is_not() {
    for place in places("shell") {
        place.apply();
        let mut shell = session(&place, &["sh"]);
        shell.wait_until("a prompt", |screen| {
            let shown = screen.contents();
            shown.contains('$') || shown.contains('#')
        });
        shell.send("echo $((6*7))-answer\r");
        shell.wait_for("42-answer");
        // what is printed says that the shell has left the line: the interrupt is not the line's
        shell.send("echo $((1+1))-begun; sleep 1000\r");
        shell.wait_for("2-begun");
        shell.send("\x03");
        // what is typed before the prompt may go with the interrupt
        shell.wait_until("the next prompt", |screen| {
            screen.contents().trim_end().ends_with(['$', '#'])
        });
        shell.send("echo after-$?\r");
        shell.wait_for("after-130");
        shell.send("exit 5\r");
        assert_eq!(shell.exit(), pty::Ended::Code(5), "{}", place.cluster);

        // what the dashboard sends: the first shell that is there
        let pick = "command -v zsh >/dev/null 2>&1 && exec zsh; \
                    command -v sh >/dev/null 2>&1 && exec sh; exit 127";
        let mut shell = session(&place, &["sh", "-c", pick]);
        shell.send("cd /workspace && echo in-$PWD\r");
        shell.wait_for("in-/workspace");
        shell.send("\x04");
        assert_eq!(shell.exit(), pty::Ended::Code(0), "{}", place.cluster);

        let piped = ["exec", "ide-0", "--", "sh"];
        assert_eq!(place.ask(&piped), "", "{}", place.cluster);
        let why = place.refused(&["exec", "ide-0", "--", "zsh"]);
        shows(
            &place,
            &why,
            &["exec: \"zsh\": executable file not found in $PATH"],
        );
        place.leave();
    }
}

#[test]
fn a_watch_prints_each_change_as_it_comes() {
    for place in places("watch") {
        place.apply();
        let mut watch = place
            .command(&["get", "pods", "-w", "--output-watch-events", "--no-headers"])
            .stdout(Stdio::piped())
            .spawn()
            .map(Served)
            .unwrap();
        let mut out = BufReader::new(watch.0.stdout.take().unwrap());
        let mut seen = String::new();
        let mut line = |seen: &mut String| {
            assert_ne!(out.read_line(seen).unwrap(), 0, "{}: {seen}", place.cluster);
        };
        while seen.lines().filter(|l| l.starts_with("ADDED")).count() < 2 {
            line(&mut seen);
        }
        place.ask(&["delete", "pod", "ide-1"]);
        let begun = Instant::now();
        while !seen
            .lines()
            .any(|l| l.starts_with("DELETED") && l.contains("ide-1"))
        {
            assert!(begun.elapsed() < CEILING, "{}: {seen}", place.cluster);
            line(&mut seen);
        }
        shows(&place, &seen, &["MODIFIED", "Terminating"]);
        drop(watch);
        place.leave();
    }
}

#[test]
fn rights_are_told_and_kept() {
    for place in places("rights") {
        let viewer = ["--as", "somebody", "--as-group", "nobodies"];
        assert_eq!(place.ask(&["auth", "can-i", "delete", "pods"]), "yes\n");
        let asked = ["auth", "can-i", "delete", "pods"];
        let said = place.say(&[asked.as_slice(), &viewer].concat());
        assert_eq!((said.out.as_str(), said.code), ("no\n", 1), "{}", said.err);
        let get = ["get", "pods"];
        let why = place.refused(&[get.as_slice(), &viewer].concat());
        assert_eq!(
            why,
            format!(
                "Error from server (Forbidden): pods is forbidden: User \"somebody\" cannot list \
                 resource \"pods\" in API group \"\" in the namespace \"{}\"\n",
                place.namespace
            )
        );
        if place.served.is_some() {
            let context = ["--context", "demo-viewer", "-n", "coditect-app"];
            let get = [context.as_slice(), &["get", "pods", "-o", "name"]].concat();
            assert!(place.ask(&get).contains("pod/coditect-pro-0\n"));
            let delete = [context.as_slice(), &["delete", "pod", "coditect-pro-0"]].concat();
            shows(
                &place,
                &place.refused(&delete),
                &["(Forbidden)", "User \"viewer\" cannot delete"],
            );
        }
    }
}

/// The whole of it in one place: the world of the demo as it comes.
#[test]
fn the_world_of_the_demo_answers_kubectl_at_once() {
    for place in places("world").into_iter().filter(|p| p.served.is_some()) {
        let home = ["-n", "coditect-app"];
        let ask = |args: &[&str]| place.ask(&[home.as_slice(), args].concat());
        let set = ask(&["get", "sts", "coditect-pro", "--no-headers"]);
        shows(&place, &set, &["16/16"]);
        shows(
            &place,
            &ask(&["get", "volumesnapshots"]),
            &["READYTOUSE", "true", "coditect-pro-0"],
        );
        shows(
            &place,
            &ask(&["top", "pods"]),
            &["CPU(cores)", "coditect-pro-0"],
        );
        shows(
            &place,
            &ask(&["top", "nodes"]),
            &["CPU(%)", "us-central1-a"],
        );
        shows(&place, &ask(&["get", "nodes"]), &["Ready", "us-central1-a"]);
        let mut follow = place
            .command(&[
                "-n",
                "coditect-app",
                "logs",
                "-f",
                "--tail=2",
                "coditect-pro-0",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .map(Served)
            .unwrap();
        let mut byte = [0; 1];
        let mut out = follow.0.stdout.take().unwrap();
        out.read_exact(&mut byte).unwrap();
    }
}
