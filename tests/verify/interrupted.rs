//! kill −9 anywhere in a test of persistence: resume ends it, undo takes back what it wrote.

use super::line::Line;
use super::run::{id, killed_at, killed_at_every_step, stride};
use super::stage::stages;
use super::{FAULTS, FIRST, POD, VERIFY, ended, is_clean, pod_uid, started};

#[tokio::test]
async fn a_test_that_is_killed_at_every_step_is_resumed_to_its_result() {
    let _quiet = FAULTS.read().await;
    for stage in stages("kill-res", 1).await {
        let claims = stage.claims().await;
        let old = pod_uid(&stage, POD).await;
        killed_at_every_step(&stage, &VERIFY).await;
        let report = &stage.job("verify").await["verification"];
        assert_eq!(report["class"], "PASS", "{}: {report:#}", stage.name);
        // one eviction, however often it was cut
        assert_eq!(report["podBefore"], old, "{}", stage.name);
        assert_eq!(report["podAfter"], pod_uid(&stage, POD).await);
        is_clean(&stage, 1, &claims).await;
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
            let was_cut = killed_at(&stage, &VERIFY, lines).await;
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
            lines += stride(7);
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
            let old = pod_uid(&stage, POD).await;
            let child = started(&stage, step).await;
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
