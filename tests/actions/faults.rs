//! What goes wrong on the way: the driver fails, the class cannot, the connection is cut.
//!
//! Faults of the driver are set with the real cluster's own tool, named by `WSDASH_E2E_CTL`.

use std::process::{Child, Command};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::{Mutex, MutexGuard};

use super::line::Line;
use super::run::ended;
use super::stage::{Stage, real_stage, stages};

/// A fault is one of the whole cluster: one test at a time.
static FAULTS: LazyLock<Mutex<()>> = LazyLock::new(Mutex::default);

/// A fault of the CSI driver, mended when it goes out of scope.
struct Fault {
    _turn: MutexGuard<'static, ()>,
}

fn ctl(args: &[&str]) -> bool {
    let Some(tool) = std::env::var_os("WSDASH_E2E_CTL") else {
        return false;
    };
    assert!(Command::new(tool).args(args).status().unwrap().success());
    true
}

impl Fault {
    /// `None` when there is no tool to set it with.
    async fn of(call: &str, text: &str) -> Option<Self> {
        let turn = FAULTS.lock().await;
        if ctl(&["fault", call, text]) {
            return Some(Self { _turn: turn });
        }
        eprintln!("{call}: NOT run, WSDASH_E2E_CTL does not name the tool that sets faults");
        None
    }
}

impl Drop for Fault {
    fn drop(&mut self) {
        ctl(&["mend"]);
    }
}

/// Waits until a wait of the running job says these words.
async fn says(stage: &Stage, child: &mut Child, words: &str) {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let journal = stage.journal();
        let is_said = |line: &Value| {
            line["entry"] == json!("stage") && line["text"].as_str().unwrap().contains(words)
        };
        if journal.iter().any(is_said) {
            return;
        }
        let ended = child.try_wait().unwrap();
        assert!(
            ended.is_none(),
            "it ended before it said `{words}`: {journal:#?}"
        );
        assert!(
            Instant::now() < deadline,
            "it never said `{words}`: {journal:#?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_snapshot_that_fails_is_told_from_one_that_copies_and_goes_on_when_it_is_mended() {
    let Some(stage) = real_stage("snap-fault", 1).await else {
        return;
    };
    let claims = stage.claims().await;
    if let Some(fault) = Fault::of("CreateSnapshot", "no space left for snapshots").await {
        let mut child = stage.spawn(&["snapshot", "ide-0", "--wait", "--yes"]);
        says(&stage, &mut child, "no space left for snapshots").await;
        drop(fault);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("proven to be of the disk"), "{out}");
        stage.inspect(&claims).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_resize_that_fails_says_so_and_may_be_lowered_to_what_is_possible() {
    let Some(stage) = real_stage("size-fault", 1).await else {
        return;
    };
    let claims = stage.claims().await;
    if let Some(fault) = Fault::of("ControllerExpandVolume", "disk quota exceeded").await {
        let mut child = stage.spawn(&["resize", "workspace-ide-0", "900Mi", "--yes"]);
        says(&stage, &mut child, "disk quota exceeded").await;
        child.kill().unwrap();
        child.wait().unwrap();
        // the lease of the killed run expires; its own job may go on at once
        let (code, out, err) = stage
            .wsdash(&["resize", "workspace-ide-0", "1000Mi", "--dry-run"])
            .await;
        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains("growing to 900Mi already"), "{err}");
        let (code, out, _) = stage
            .wsdash(&["resize", "workspace-ide-0", "500Mi", "--dry-run"])
            .await;
        assert_eq!(code, 0, "{out}");
        assert!(out.contains("lowers a growth that is under way"), "{out}");
        drop(fault);
        let id = stage.journal()[0]["plan"]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let (code, out, err) = stage.wsdash(&["resume", &id, "--yes"]).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("5/5"), "{out}");
        stage.inspect(&claims).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_node_that_cannot_grow_the_file_system_is_told_from_a_driver_that_cannot() {
    let Some(stage) = real_stage("node-fault", 1).await else {
        return;
    };
    let claims = stage.claims().await;
    if let Some(fault) = Fault::of("NodeExpandVolume", "xfs_growfs: device busy").await {
        let mut child = stage.spawn(&["resize", "workspace-ide-0", "900Mi", "--yes"]);
        says(&stage, &mut child, "/5").await;
        says(&stage, &mut child, "disk grown, the file system is next").await;
        drop(fault);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("5/5"), "{out}");
        stage.inspect(&claims).await;
    }
    stage.end().await;
}

#[tokio::test]
async fn a_class_that_cannot_expand_is_refused_by_name() {
    let Some(stage) = real_stage("fixed", 1).await else {
        return;
    };
    let claim = json!({"metadata": {"name": "fixed"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": "loop-fixed", "resources": {"requests": {"storage": "320Mi"}}}});
    let path = stage.path("/api/v1", "persistentvolumeclaims");
    assert_eq!(stage.call("POST", &path, &claim).await.0, 201);
    let bound = stage
        .until(
            "the claim is bound",
            &format!("{path}/fixed"),
            |_, claim| claim["status"]["phase"] == json!("Bound"),
        )
        .await;
    let (code, _, err) = stage.wsdash(&["resize", "fixed", "1Gi", "--yes"]).await;
    assert_eq!(code, 1);
    assert!(err.contains("class loop-fixed"), "{err}");
    // the class keeps its volumes: this one is of the test, and goes with it
    let volume = bound["spec"]["volumeName"].as_str().unwrap().to_owned();
    let volume = format!("/api/v1/persistentvolumes/{volume}");
    let policy = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
    stage
        .call_as("PATCH", &volume, &policy, super::stage::MERGE)
        .await;
    stage
        .call("DELETE", &format!("{path}/fixed"), &Value::Null)
        .await;
    stage
        .until("the volume is gone", &volume, |code, _| code == 404)
        .await;
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_is_waited_for_and_nothing_is_done_twice() {
    for mut stage in stages("cut", 1).await {
        let claims = stage.claims().await;
        let line = Line::before(&mut stage).await;

        for step in 0..6 {
            stage.forget_journals();
            let mut child = stage.spawn(&["snapshot", "ide-0", "--wait", "--yes"]);
            let deadline = Instant::now() + Duration::from_secs(60);
            let is_there =
                |line: &Value| line["entry"] == json!("started") && line["step"] == json!(step);
            while !stage.journal().iter().any(is_there) {
                assert!(
                    child.try_wait().unwrap().is_none(),
                    "{}: over before step {step}",
                    stage.name
                );
                assert!(Instant::now() < deadline);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            line.cut_for_a_while().await;
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{} step {step}: {out}{err}", stage.name);
            let made = stage.items(&stage.snapshots()).await;
            assert_eq!(made.len(), 2, "{} step {step}: {out}", stage.name);
            stage.wait_out_late_leases().await;
            stage.inspect_but_leases(&claims).await;
            let id = stage.journal()[0]["plan"]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            assert_eq!(code, 0, "{} step {step}: {out}{err}", stage.name);
        }
        stage.end().await;
    }
}
