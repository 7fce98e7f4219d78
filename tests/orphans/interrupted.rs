//! kill −9 anywhere in a deletion, and a server that goes away: resume ends it, undo takes it back,
//! and the volume with every byte is there whatever happens.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::kit::{configure, sums, work};
use super::line::Line;
use super::stage::{Stage, stages_at};
use super::{CLAIM, LENIENT, apply_set, claim, delete_set, ended, look, started, undone, volume};

/// Kills a deletion when its journal has so many lines. Answers whether it was cut off.
async fn killed_at(stage: &Stage, lines: usize) -> bool {
    stage.forget_journals();
    let mut child = stage.spawn(&["orphans", CLAIM, "--delete", "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if stage.journal().len() >= lines {
            child.kill().unwrap();
            child.wait().unwrap();
            break;
        }
        if child.try_wait().unwrap().is_some() {
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{}: {out}{err}", stage.name);
            return false;
        }
        assert!(Instant::now() < deadline, "it never wrote {lines} lines");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    !stage.journal().iter().any(|line| line["entry"] == "ended")
}

fn id(stage: &Stage) -> String {
    let plan: &Value = &stage.journal()[0]["plan"];
    plan["id"].as_str().unwrap().to_owned()
}

async fn resumed(stage: &Stage, at: &str) {
    let (code, out, err) = stage.wsdash(&["resume", &id(stage), "--yes"]).await;
    assert_eq!(code, 0, "{} {at}: {out}{err}", stage.name);
}

/// The claim is gone and its volume is kept.
async fn is_kept(stage: &Stage, name: &str, at: &str) {
    let path = stage.path("/api/v1", &format!("persistentvolumeclaims/{CLAIM}"));
    let (code, body) = stage.call("GET", &path, &Value::Null).await;
    assert_eq!(code, 404, "{} {at}: {body:#}", stage.name);
    let kept = volume(stage, name).await;
    assert_eq!(kept["status"]["phase"], "Released", "{} {at}", stage.name);
    assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

/// A stage whose set was deleted, with work on its disks: its checksums and the volume's name.
async fn orphaned(stage: &Stage) -> (String, String) {
    configure(stage, LENIENT);
    let before = work(stage, "ide-0").await;
    delete_set(stage).await;
    look(stage).await;
    let name = claim(stage).await["spec"]["volumeName"].clone();
    (before, name.as_str().unwrap().to_owned())
}

/// After all of it the set finds every byte.
async fn is_whole(stage: &Stage, before: &str) {
    apply_set(stage, 1).await;
    stage.ready(1).await;
    assert_eq!(sums(stage, "ide-0").await, before, "{}", stage.name);
    stage.inspect(&stage.claims().await).await;
}

/// Every how many lines of the journal a run is killed: all of them when asked for.
fn stride() -> usize {
    if std::env::var_os("WSDASH_EVERY_STEP").is_some() {
        1
    } else {
        3
    }
}

#[tokio::test]
async fn a_deletion_that_is_killed_anywhere_is_resumed_to_its_end() {
    for stage in stages_at("okill-res", 1, 1.0).await {
        let (before, name) = orphaned(&stage).await;
        let mut lines = 2;
        loop {
            let was_cut = killed_at(&stage, lines).await;
            let at = format!("{lines} lines");
            if was_cut {
                resumed(&stage, &at).await;
            }
            is_kept(&stage, &name, &at).await;
            undone(&stage, &name).await;
            if !was_cut {
                break;
            }
            look(&stage).await;
            lines += stride();
        }
        is_whole(&stage, &before).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_deletion_that_is_killed_anywhere_is_taken_back_without_loss() {
    for stage in stages_at("okill-back", 1, 1.0).await {
        let (before, name) = orphaned(&stage).await;
        let mut lines = 2;
        loop {
            let was_cut = killed_at(&stage, lines).await;
            let id = id(&stage);
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            if err.contains("changed nothing") {
                // its lease stands until it is over; its own resume takes it up at once
                resumed(&stage, &format!("{lines} lines")).await;
                undone(&stage, &name).await;
            } else {
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
                let back = claim(&stage).await;
                assert_eq!(back["spec"]["volumeName"], name, "{back:#}");
                assert_eq!(back["status"]["phase"], "Bound", "{back:#}");
                let volume = volume(&stage, &name).await;
                assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Delete");
                let left = stage.items(&stage.snapshots()).await;
                assert_eq!(left, Vec::<Value>::new(), "{} {lines}", stage.name);
            }
            if !was_cut {
                break;
            }
            look(&stage).await;
            lines += stride();
        }
        is_whole(&stage, &before).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_costs_nothing() {
    for mut stage in stages_at("ocut", 1, 1.0).await {
        let (before, name) = orphaned(&stage).await;
        let line = Line::before(&mut stage).await;
        for step in ["snapshot", "keep", "look", "delete", "gone", "released"] {
            stage.forget_journals();
            let child = started(&stage, "started", &format!("{step}-{CLAIM}")).await;
            line.cut_for_a_while().await;
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{} {step}: {out}{err}", stage.name);
            is_kept(&stage, &name, step).await;
            undone(&stage, &name).await;
            look(&stage).await;
        }
        stage.wait_out_late_leases().await;
        apply_set(&stage, 1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect_but_leases(&stage.claims().await).await;
        stage.end().await;
    }
}
