//! What goes wrong on the way: the driver fails, the class cannot, the connection is cut.
//!
//! Faults of the driver are set with the real cluster's own tool, named by `WSDASH_E2E_CTL`.

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::RwLock;

use super::line::Line;
use super::run::ended;
use super::stage::{MERGE, Stage, stages};

/// A fault is one of the whole cluster: one test at a time.
static FAULTS: RwLock<()> = RwLock::const_new(());

/// Sizes that a resize asks for, from small to large: the simulated provider makes disks of whole
/// GiB.
fn sizes(stage: &Stage) -> [&'static str; 3] {
    if stage.name == "real" {
        ["500Mi", "900Mi", "1000Mi"]
    } else {
        ["2Gi", "3Gi", "4Gi"]
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
    let _alone = FAULTS.write().await;
    for stage in stages("snap-fault", 1).await {
        let claims = stage.claims().await;
        let Some(fault) = stage.broken(&["CreateSnapshot"], "no space left for snapshots") else {
            stage.end().await;
            return;
        };
        let mut child = stage.spawn(&["snapshot", "ide-0", "--wait", "--yes"]);
        says(&stage, &mut child, "no space left for snapshots").await;
        drop(fault);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("proven to be of the disk"), "{out}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_snapshot_that_takes_long_is_followed_to_its_end_and_not_called_failed() {
    let _alone = FAULTS.write().await;
    for stage in stages("snap-slow", 1).await {
        let claims = stage.claims().await;
        let Some(fault) = stage.slow_snapshots() else {
            stage.end().await;
            return;
        };
        let mut child = stage.spawn(&["snapshot", "ide-0", "--wait", "--yes"]);
        says(&stage, &mut child, "the driver is taking it").await;
        let (code, out, err) = ended(child).await;
        drop(fault);
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(stage.items(&stage.snapshots()).await.len(), 2, "{out}");
        assert!(out.contains("proven to be of the disk"), "{out}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_resize_that_fails_says_so_and_may_be_lowered_to_what_is_possible() {
    let _alone = FAULTS.write().await;
    for stage in stages("size-fault", 1).await {
        let claims = stage.claims().await;
        let [less, size, more] = sizes(&stage);
        let Some(fault) = stage.broken(&["ControllerExpandVolume"], "disk quota exceeded") else {
            stage.end().await;
            return;
        };
        let mut child = stage.spawn(&["resize", "workspace-ide-0", size, "--yes"]);
        says(&stage, &mut child, "disk quota exceeded").await;
        child.kill().unwrap();
        child.wait().unwrap();
        // the lease of the killed run expires; its own job may go on at once
        let (code, out, err) = stage
            .wsdash(&["resize", "workspace-ide-0", more, "--dry-run"])
            .await;
        assert_eq!(code, 1, "{out}{err}");
        assert!(err.contains(&format!("growing to {size} already")), "{err}");
        let (code, out, _) = stage
            .wsdash(&["resize", "workspace-ide-0", less, "--dry-run"])
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
        stage.end().await;
    }
}

#[tokio::test]
async fn a_node_that_cannot_grow_the_file_system_is_told_from_a_driver_that_cannot() {
    let _alone = FAULTS.write().await;
    for stage in stages("node-fault", 1).await {
        let claims = stage.claims().await;
        let [_, size, _] = sizes(&stage);
        let Some(fault) = stage.broken(&["NodeExpandVolume"], "xfs_growfs: device busy") else {
            stage.end().await;
            return;
        };
        let mut child = stage.spawn(&["resize", "workspace-ide-0", size, "--yes"]);
        says(&stage, &mut child, "/5").await;
        says(&stage, &mut child, "disk grown, the file system is next").await;
        drop(fault);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{out}{err}");
        assert!(out.contains("5/5"), "{out}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_class_that_cannot_expand_is_refused_by_name() {
    for stage in stages("fixed", 1).await {
        let [size, larger, _] = sizes(&stage);
        if stage.name == "simulated" {
            let class = json!({"metadata": {"name": "loop-fixed"}, "provisioner": "pd.csi.storage.gke.io",
            "allowVolumeExpansion": false, "reclaimPolicy": "Retain", "volumeBindingMode": "Immediate"});
            let classes = "/apis/storage.k8s.io/v1/storageclasses";
            let (code, body) = stage.call("POST", classes, &class).await;
            assert_eq!(code, 201, "{body}");
        }
        let claim = json!({"metadata": {"name": "fixed"}, "spec": {"accessModes": ["ReadWriteOnce"],
        "storageClassName": "loop-fixed", "resources": {"requests": {"storage": size}}}});
        let path = stage.path("/api/v1", "persistentvolumeclaims");
        assert_eq!(stage.call("POST", &path, &claim).await.0, 201);
        let bound = stage
            .until(
                "the claim is bound",
                &format!("{path}/fixed"),
                |_, claim| claim["status"]["phase"] == json!("Bound"),
            )
            .await;
        let (code, _, err) = stage.wsdash(&["resize", "fixed", larger, "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("class loop-fixed"), "{err}");
        // the class keeps its volumes: this one is of the test, and goes with it
        let volume = bound["spec"]["volumeName"].as_str().unwrap().to_owned();
        let volume = format!("/api/v1/persistentvolumes/{volume}");
        let policy = json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}});
        stage.call_as("PATCH", &volume, &policy, MERGE).await;
        stage
            .call("DELETE", &format!("{path}/fixed"), &Value::Null)
            .await;
        stage
            .until("the volume is gone", &volume, |code, _| code == 404)
            .await;
        stage.end().await;
    }
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
