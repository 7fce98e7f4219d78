//! kill −9 anywhere in a test of persistence: resume ends it, undo takes back what it wrote.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::line::Line;
use super::stage::{Stage, stages};
use super::{FAULTS, FIRST, POD, ended, is_clean, pod_uid, result, started};

/// Kills a run when its journal has so many lines. Answers whether it was cut off.
async fn killed_at(stage: &Stage, lines: usize) -> bool {
    stage.forget_journals();
    let mut child = stage.spawn(&["verify", POD, "--yes"]);
    let deadline = Instant::now() + Duration::from_secs(120);
    loop {
        if stage.journal().len() >= lines {
            child.kill().unwrap();
            child.wait().unwrap();
            break;
        }
        if child.try_wait().unwrap().is_some() {
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

/// Every how many lines of the journal a run is killed: all of them when asked for.
fn stride() -> usize {
    if std::env::var_os("WSDASH_EVERY_STEP").is_some() {
        1
    } else {
        7
    }
}

#[tokio::test]
async fn a_test_that_is_killed_anywhere_is_resumed_to_its_result() {
    let _quiet = FAULTS.read().await;
    for stage in stages("kill-res", 1).await {
        let claims = stage.claims().await;
        let mut lines = 2;
        loop {
            let old = pod_uid(&stage, POD).await;
            let was_cut = killed_at(&stage, lines).await;
            if was_cut {
                let args = ["resume", &id(&stage), "--yes", "-o", "json"];
                let (code, out, err) = stage.wsdash(&args).await;
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
                let report = result(&stage, &out, &err);
                assert_eq!(report["class"], "PASS", "{} {lines}: {out}", stage.name);
                // one eviction, whenever it was cut
                assert_eq!(report["podBefore"], old, "{} {lines}", stage.name);
                assert_eq!(report["podAfter"], pod_uid(&stage, POD).await);
            }
            is_clean(&stage, 1, &claims).await;
            if !was_cut {
                break;
            }
            lines += stride();
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_test_that_is_killed_anywhere_is_taken_back_without_a_trace() {
    let _quiet = FAULTS.read().await;
    for stage in stages("kill-back", 1).await {
        let claims = stage.claims().await;
        let mut lines = 2;
        loop {
            let was_cut = killed_at(&stage, lines).await;
            let id = id(&stage);
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            let nothing = err.contains("changed nothing");
            assert!(code == 0 || nothing, "{} {lines}: {out}{err}", stage.name);
            if nothing && was_cut {
                // its lease stands until it is over; its own resume takes it up at once
                let (code, out, err) = stage.wsdash(&["resume", &id, "--yes"]).await;
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
            }
            is_clean(&stage, 1, &claims).await;
            if !was_cut {
                break;
            }
            lines += stride();
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_is_waited_for() {
    let _quiet = FAULTS.read().await;
    for mut stage in stages("cut", 1).await {
        let claims = stage.claims().await;
        let line = Line::before(&mut stage).await;
        let in_the_middle = [
            format!("write-{FIRST}"),
            "evict".to_owned(),
            "mounted".to_owned(),
            format!("after-{FIRST}"),
            format!("clean-{FIRST}"),
        ];
        for step in &in_the_middle {
            stage.forget_journals();
            let old = pod_uid(&stage, POD).await;
            let child = started(&stage, "started", step).await;
            line.cut_for_a_while().await;
            let (code, report, err) = ended(&stage, child).await;
            assert_eq!(code, 0, "{} {step}: {report:#}{err}", stage.name);
            assert_eq!(report["class"], "PASS", "{} {step}: {report:#}", stage.name);
            assert_eq!(report["podBefore"], old, "{} {step}", stage.name);
            assert_eq!(report["podAfter"], pod_uid(&stage, POD).await);
            stage.wait_out_late_leases().await;
            stage.ready(1).await;
            stage.inspect_but_leases(&claims).await;
        }
        stage.end().await;
    }
}
