//! A night on call against a real cluster, named by `WSDASH_E2E_KUBECONFIG`: what happens there is
//! on the screen and in `get … -o json`. `WSDASH_E2E_CTL` names the program that breaks the
//! cluster; without it the outages are not played. Every test has a namespace of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not run"
)]

#[path = "cluster/keys.rs"]
mod keys;
#[path = "cluster/place.rs"]
mod place;
#[path = "pty/harness.rs"]
mod pty;
#[path = "cluster/shell.rs"]
mod shell;

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::{PoisonError, RwLock};

use place::{Place, ctl, eventually};
use serde_json::Value;

/// Outages are everybody's: whoever plays one plays alone.
static CLUSTER: RwLock<()> = RwLock::new(());

fn quiet() -> std::sync::RwLockReadGuard<'static, ()> {
    CLUSTER.read().unwrap_or_else(PoisonError::into_inner)
}

fn alone() -> std::sync::RwLockWriteGuard<'static, ()> {
    CLUSTER.write().unwrap_or_else(PoisonError::into_inner)
}

fn items(document: &Value) -> &[Value] {
    document["items"].as_array().map_or(&[], Vec::as_slice)
}

#[test]
fn three_workspaces_appear_and_a_disk_that_fills_is_told() {
    let _quiet = quiet();
    let Some(place) = Place::new("disk") else {
        return;
    };
    place.apply_example(3);
    let screen = place.dashboard(160, 45);
    for name in ["ide-0", "ide-1", "ide-2"] {
        screen.wait_for(name);
    }
    eventually("three workspaces are ok", || {
        let document = place.json(&["get", "workspaces"]);
        let ready = |w: &&Value| w["state"] == "ok" && w["pod"]["ready"] == true;
        (items(&document).iter().filter(ready).count() == 3).then_some(())
    });

    // To 85 % of what a user may write, and on, slowly.
    place.exec(
        "ide-1",
        "dd if=/dev/zero of=/workspace/big bs=1M count=290 2>/dev/null; sync",
    );
    eventually("the full disk is a finding", || {
        let document = place.json(&["get", "findings"]);
        let told = items(&document).iter().any(|f| {
            f["code"] == "disk-full"
                && f["subject"] == "workspace-ide-1"
                && !f["evidence"].as_array().unwrap().is_empty()
        });
        told.then_some(())
    });
    screen.wait_for("disk full");
    let _writing = place.exec_on(
        "ide-1",
        "while true; do dd if=/dev/zero bs=64k count=1 >>/workspace/log 2>/dev/null; sleep 1; done",
    );
    eventually("a forecast, as soon as its conditions hold", || {
        let document = place.json(&["get", "claims", "workspace-ide-1"]);
        items(&document)[0]["disk"]["full_in_seconds"].as_i64()
    });
}

#[test]
fn a_deleted_pod_is_seen_to_end_and_to_come_back() {
    let _quiet = quiet();
    let Some(place) = Place::new("pod") else {
        return;
    };
    place.apply_example(1);
    let before = eventually("the pod is ready", || place.ready_pod("ide-0"));
    let mut watch = place
        .command(&["get", "pods", "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut seen: Vec<String> = Vec::new();
    let mut asked = false;
    for line in &mut lines {
        let change: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if change["type"] == "FRESHNESS" {
            continue;
        }
        if !asked {
            asked = true;
            place.kubectl(&["delete", "pod", "ide-0", "--wait=false"]);
        }
        let item = &change["item"];
        let status = match (change["type"].as_str(), item["ready"].as_bool()) {
            (Some("DELETED"), _) => "gone".to_owned(),
            (_, Some(true)) if item["status"] == "Running" => "Ready".to_owned(),
            _ => item["status"].as_str().unwrap_or_default().to_owned(),
        };
        if seen.last() != Some(&status) {
            seen.push(status.clone());
        }
        let new = item["uid"] != before.as_str();
        if new && status == "Ready" {
            break;
        }
    }
    watch.kill().unwrap();
    watch.wait().unwrap();
    let ending = seen.iter().position(|s| s == "Terminating");
    assert!(ending.is_some(), "{seen:?}");
    assert_eq!(seen.last().map(String::as_str), Some("Ready"), "{seen:?}");
}

#[test]
fn a_claim_deleted_while_in_use_is_the_top_finding() {
    let _quiet = quiet();
    let Some(place) = Place::new("claim") else {
        return;
    };
    place.apply_example(2);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    place.kubectl(&["delete", "pvc", "workspace-ide-0", "--wait=false"]);
    let top = eventually("the deletion is told", || {
        let document = place.json(&["get", "findings"]);
        let first = items(&document).first()?.clone();
        (first["subject"] == "workspace-ide-0").then_some(first)
    });
    assert_eq!(top["code"], "claim-terminating-in-use");
    assert_eq!(top["severity"], "data-at-risk");
    let screen = place.dashboard(80, 24);
    screen.wait_for("claim deleted");
}

#[test]
fn who_may_read_nothing_is_told_what_is_missing_and_who_may_read_pods_sees_pods() {
    let _quiet = quiet();
    let Some(place) = Place::new("rights") else {
        return;
    };
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let oncall = place.as_user("oncall");
    let (code, document) = oncall.answer(&["get", "workspaces"]);
    assert_eq!(code, Some(3));
    assert_eq!(document["freshness"]["pods"]["state"], "denied");
    assert!(
        document["freshness"]["pods"]["why"]
            .as_str()
            .unwrap()
            .contains("pods")
    );
    let screen = oncall.dashboard(80, 24);
    screen.wait_for("denied");
    screen.send("5");
    screen.wait_for("may not be read");

    place.kubectl(&[
        "create",
        "role",
        "pods",
        "--verb=get,list,watch",
        "--resource=pods",
    ]);
    place.kubectl(&[
        "create",
        "rolebinding",
        "pods",
        "--role=pods",
        "--user=oncall",
    ]);
    let (code, document) = oncall.answer(&["get", "pods"]);
    assert_eq!(code, Some(0), "{document}");
    assert_eq!(items(&document)[0]["name"], "ide-0");
    let (code, document) = oncall.answer(&["get", "workspaces"]);
    assert_eq!(
        code,
        Some(3),
        "sets and claims are still denied: {document}"
    );
    let screen = oncall.dashboard(80, 24);
    screen.send("5");
    screen.wait_for("ide-0");
    // No shell without the right to one: once that is known, the key says which.
    screen.wait_gone("s shell");
    screen.send("s");
    screen.wait_for("create pods/exec");
}

#[test]
fn exec_passes_bytes_and_exit_codes_and_logs_print_what_was_written() {
    let _quiet = quiet();
    let Some(place) = Place::new("exec") else {
        return;
    };
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let bytes: Vec<u8> = (0..3_000_000_u32)
        .map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3])
        .collect();
    let mut child = place
        .command(&["exec", "ide-0", "-i", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let feed = std::thread::spawn(move || std::io::Write::write_all(&mut input, &sent));
    let output = child.wait_with_output().unwrap();
    feed.join().unwrap().unwrap();
    assert!(
        output.stdout == bytes,
        "what went in comes out: {} bytes",
        output.stdout.len()
    );
    assert_eq!(output.status.code(), Some(0));
    let output = place
        .command(&[
            "exec",
            "ide-0",
            "--",
            "sh",
            "-c",
            "echo out; echo err >&2; exit 7",
        ])
        .output()
        .unwrap();
    assert_eq!(
        (output.stdout, output.stderr),
        (b"out\n".to_vec(), b"err\n".to_vec())
    );
    assert_eq!(output.status.code(), Some(7));
    place.exec("ide-0", "echo a line >/proc/1/fd/1");
    eventually("the log has the line", || {
        let output = place.command(&["logs", "ide-0"]).output().unwrap();
        String::from_utf8_lossy(&output.stdout)
            .contains("a line")
            .then_some(())
    });
}

#[test]
fn a_server_that_hangs_leaves_the_rows_stale_and_comes_back_without_a_key() {
    let _alone = alone();
    let Some(place) = Place::new("outage") else {
        return;
    };
    if ctl(&["status"]).is_none() {
        eprintln!("NOT RUN: the outage needs WSDASH_E2E_CTL");
        return;
    }
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let mut screen = place.dashboard(160, 45);
    screen.wait_for("ide-0");
    screen.wait_for("live");
    let mut watch = place
        .command(&["get", "workspaces", "--watch", "-o", "json"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut pods = || -> String {
        loop {
            let line = lines.next().expect("it goes on printing").unwrap();
            let change: Value = serde_json::from_str(&line).unwrap();
            if change["type"] == "FRESHNESS" {
                return change["freshness"]["pods"]["state"]
                    .as_str()
                    .unwrap()
                    .to_owned();
            }
        }
    };
    while pods() != "live" {}
    ctl(&["pause", "kube-apiserver"]).expect("paused");
    let mended = Mend;
    while pods() != "stale" {}
    screen.wait_for("API lost");
    screen.wait_for("ide-0");
    // It stays usable: keys answer, and it quits at once.
    screen.send("5");
    screen.wait_for("RESTARTS");
    screen.send("1");
    drop(mended);
    while pods() != "live" {}
    screen.wait_gone("API lost");
    screen.wait_for("live");
    watch.kill().unwrap();
    watch.wait().unwrap();
    screen.send("\x03");
    assert_eq!(screen.exit(), pty::Ended::Code(0));
}

#[test]
fn without_the_snapshot_api_the_view_says_so_and_the_rest_works() {
    let _alone = alone();
    let Some(place) = Place::new("crds") else {
        return;
    };
    let all = place.kubectl_json(&["get", "volumesnapshots,volumesnapshotcontents", "-A"]);
    if !items(&all).is_empty() {
        eprintln!("NOT RUN: somebody has snapshots here, which would go with their API");
        return;
    }
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let screen = place.dashboard(160, 45);
    screen.wait_for("ide-0");
    screen.wait_for("snapshots live");
    let taken = Taken::take(&place);
    let (code, document) = place.answer(&["get", "snapshots"]);
    assert_eq!(document["freshness"]["volumesnapshots"]["state"], "absent");
    assert_ne!(code, Some(0));
    let (code, document) = place.answer(&["get", "workspaces"]);
    assert_eq!(
        (code, &items(&document)[0]["name"]),
        (Some(0), &"ide-0".into())
    );
    // A dashboard that is started now, and one that runs: both say it, and both go on.
    let late = place.dashboard(80, 24);
    late.send("4");
    late.wait_for("this cluster has no snapshots");
    late.send("1");
    late.wait_for("ide-0");
    drop(taken);
    // It comes back by itself.
    late.send("4");
    late.wait_for("there are no snapshots in namespace");
    screen.send("5");
    screen.wait_for("ide-0");
}

#[test]
fn a_workspace_is_snapshot_resized_and_evicted_by_key_and_a_shell_opens() {
    let _quiet = quiet();
    let Some(place) = Place::new("acting") else {
        return;
    };
    place.apply_example(1);
    let before = eventually("the pod is ready", || place.ready_pod("ide-0"));
    let mut screen = place.dashboard(120, 40);
    screen.wait_for("ide-0");
    screen.wait_for("live");

    // Cancel has the focus: enter changes nothing.
    screen.send("S");
    screen.wait_for("[ Perform ]");
    screen.send("\r");
    screen.wait_gone("[ Perform ]");
    screen.send("S");
    screen.wait_for("[ Perform ]");
    screen.send("\t\r");
    screen.wait_for("would be accepted");
    screen.send("\t\r");
    screen.wait_for("done");
    screen.send("9");
    screen.wait_for("snapshot");
    screen.wait_for("✓ done");
    let (_, document) = place.answer(&["get", "snapshots"]);
    let ready = |s: &&Value| s["ready"] == true;
    assert_eq!(
        items(&document).iter().filter(ready).count(),
        2,
        "{document}"
    );

    screen.send("1+");
    screen.wait_for("new size of");
    screen.send("\x15+10%\r");
    screen.wait_for("[ Perform ]");
    screen.send("\t\t\r");
    screen.send("9");
    screen.wait_until("two jobs are done", |screen| {
        screen.contents().matches("✓ done").count() == 2
    });

    screen.send("1s");
    screen.wait_for("$");
    screen.send("echo $((6*7))-answer; exit 3\r");
    screen.wait_for("exit code 3");

    screen.send("E");
    screen.wait_for("[ Perform ]");
    screen.send("\t\t\r");
    eventually("another pod is ready", || {
        place.ready_pod("ide-0").filter(|uid| *uid != before)
    });
    screen.send("9");
    screen.wait_until("three jobs are done", |screen| {
        screen.contents().matches("✓ done").count() == 3
    });
    screen.send("\x03");
    assert_eq!(screen.exit(), pty::Ended::Code(0));
    // What was made goes before its namespace, or the driver would keep the disks.
    place.kubectl(&["delete", "volumesnapshots", "--all"]);
}

/// The snapshot API, taken away and given back.
struct Taken<'a> {
    place: &'a Place,
    apis: String,
    classes: String,
}

impl<'a> Taken<'a> {
    const KINDS: [&'static str; 3] = [
        "volumesnapshots.snapshot.storage.k8s.io",
        "volumesnapshotcontents.snapshot.storage.k8s.io",
        "volumesnapshotclasses.snapshot.storage.k8s.io",
    ];

    fn take(place: &'a Place) -> Self {
        let bare = |mut list: Value| -> String {
            for item in list["items"].as_array_mut().unwrap() {
                let group = "api-approved.kubernetes.io";
                let approved = item["metadata"]["annotations"][group].clone();
                let name = item["metadata"]["name"].clone();
                let default = "snapshot.storage.kubernetes.io/is-default-class";
                let class = item["metadata"]["annotations"][default].clone();
                let mut notes = serde_json::Map::new();
                for (key, value) in [(group, approved), (default, class)] {
                    if value.is_string() {
                        notes.insert(key.to_owned(), value);
                    }
                }
                item["metadata"] = serde_json::json!({"name": name, "annotations": notes});
                item.as_object_mut().unwrap().remove("status");
            }
            list.to_string()
        };
        let apis = place.kubectl_json(&[&["get", "crd"], &Self::KINDS[..]].concat());
        let classes = place.kubectl_json(&["get", "volumesnapshotclasses"]);
        place.kubectl(&[&["delete", "crd"], &Self::KINDS[..]].concat());
        Self {
            place,
            apis: bare(apis),
            classes: bare(classes),
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.place.create(&self.apis);
        // The new API takes a moment before it takes objects.
        eventually("the snapshot classes are back", || {
            self.place.create(&self.classes).then_some(())
        });
    }
}

/// Whatever happens in between, the server goes on.
struct Mend;

impl Drop for Mend {
    fn drop(&mut self) {
        ctl(&["resume", "kube-apiserver"]);
    }
}
