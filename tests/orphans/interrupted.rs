//! kill −9 anywhere in a deletion, and a server that goes away: resume ends it, undo takes it back,
//! and the volume with every byte is there whatever happens.

use serde_json::Value;

use super::kit::{LENIENT, configure, delete_set, look, sums, work};
use super::line::Line;
use super::run::{ended, id, killed_at, killed_at_every_step, started, stride};
use super::stage::{Stage, stages_at};
use super::{CLAIM, DELETE, is_back, undone};

async fn resumed(stage: &Stage, at: &str) {
    let (code, out, err) = stage.wsdash(&["resume", &id(stage), "--yes"]).await;
    assert_eq!(code, 0, "{} {at}: {out}{err}", stage.name);
}

/// The claim is gone and its volume is kept.
async fn is_kept(stage: &Stage, name: &str, at: &str) {
    let path = stage.path("/api/v1", &format!("persistentvolumeclaims/{CLAIM}"));
    let (code, body) = stage.call("GET", &path, &Value::Null).await;
    assert_eq!(code, 404, "{} {at}: {body:#}", stage.name);
    let kept = stage.volume(name).await;
    assert_eq!(kept["status"]["phase"], "Released", "{} {at}", stage.name);
    assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
}

/// A stage whose set was deleted, with work on its disks: its checksums and the volume's name.
async fn orphaned(stage: &Stage) -> (String, String) {
    configure(stage, LENIENT);
    let before = work(stage, "ide-0").await;
    delete_set(stage).await;
    look(stage).await;
    (before, stage.volume_of(CLAIM).await)
}

/// After all of it the set finds every byte.
async fn is_whole(stage: &Stage, before: &str) {
    stage.apply_set(1).await;
    stage.ready(1).await;
    assert_eq!(sums(stage, "ide-0").await, before, "{}", stage.name);
    stage.inspect(&stage.claims().await).await;
}

#[tokio::test]
async fn a_deletion_that_is_killed_at_every_step_is_resumed_to_its_end_and_so_is_its_undo() {
    for stage in stages_at("okill-res", 1, 1.0).await {
        let (before, name) = orphaned(&stage).await;
        killed_at_every_step(&stage, &DELETE).await;
        is_kept(&stage, &name, "killed at every step").await;
        killed_at_every_step(&stage, &["undo", &id(&stage), "--yes"]).await;
        is_back(&stage, &name).await;
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
            let was_cut = killed_at(&stage, &DELETE, lines).await;
            let id = id(&stage);
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            if err.contains("changed nothing") {
                // its lease stands until it is over; its own resume takes it up at once
                resumed(&stage, &format!("{lines} lines")).await;
                undone(&stage, &name).await;
            } else {
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
                is_back(&stage, &name).await;
            }
            if !was_cut {
                break;
            }
            look(&stage).await;
            lines += stride(3);
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
            let child = started(&stage, &DELETE, "started", &format!("{step}-{CLAIM}")).await;
            line.cut_for_a_while().await;
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{} {step}: {out}{err}", stage.name);
            is_kept(&stage, &name, step).await;
            undone(&stage, &name).await;
            look(&stage).await;
        }
        stage.wait_out_late_leases().await;
        stage.apply_set(1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect_but_leases(&stage.claims().await).await;
        stage.end().await;
    }
}
