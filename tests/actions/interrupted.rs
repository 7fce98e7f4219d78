//! kill −9 at every step of every action: resume ends what was begun, undo takes it back, and
//! nothing is lost or done twice.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::run::id;
use super::stage::{Stage, stages};

/// Where a run is killed: just after the journal says that a step was begun, or that it was
/// answered.
#[derive(Clone, Copy, Debug)]
enum At {
    Started(usize),
    Answered(usize),
}

impl At {
    fn is_in(self, journal: &[Value]) -> bool {
        let (word, step) = match self {
            Self::Started(step) => ("started", step),
            Self::Answered(step) => ("answered", step),
        };
        journal
            .iter()
            .any(|line| line["entry"] == json!(word) && line["step"] == json!(step))
    }
}

/// Runs and kills. Answers whether it was killed before its end.
async fn killed(stage: &Stage, args: &[&str], at: At) -> bool {
    let mut child = stage.spawn(args);
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if at.is_in(&stage.journal()) {
            child.kill().unwrap();
            child.wait().unwrap();
            break;
        }
        if child.try_wait().unwrap().is_some() {
            break;
        }
        assert!(Instant::now() < deadline, "{args:?} never came to {at:?}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let ended = |line: &Value| line["entry"] == json!("ended");
    !stage.journal().iter().any(ended)
}

fn points(steps: usize) -> impl Iterator<Item = At> {
    (0..steps).flat_map(|step| [At::Started(step), At::Answered(step)])
}

async fn resumed(stage: &Stage, at: At) -> (i32, String, String) {
    let id = id(stage);
    let ended = stage.wsdash(&["resume", &id, "--yes"]).await;
    assert_eq!(ended.0, 0, "{} {at:?}: {}{}", stage.name, ended.1, ended.2);
    ended
}

/// Whether the journal says that a snapshot may have been made.
fn has_acted(stage: &Stage) -> bool {
    stage.journal().iter().any(|line| {
        let step = line["id"].as_str().unwrap_or_default();
        line["entry"] == json!("started") && step.starts_with("snapshot-")
    })
}

#[tokio::test]
async fn a_snapshot_killed_anywhere_is_resumed_without_a_second_one() {
    for stage in stages("kill-snap", 1).await {
        let claims = stage.claims().await;
        for at in points(6) {
            stage.forget_journals();
            if killed(&stage, &["snapshot", "ide-0", "--wait", "--yes"], at).await {
                resumed(&stage, at).await;
            }
            let made = stage.items(&stage.snapshots()).await;
            assert_eq!(made.len(), 2, "{} {at:?}", stage.name);
            stage.inspect(&claims).await;
            let id = id(&stage);
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            assert_eq!(code, 0, "{} {at:?}: {out}{err}", stage.name);
            assert_eq!(stage.items(&stage.snapshots()).await.len(), 0);
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_snapshot_killed_anywhere_is_undone_to_the_last_piece() {
    for stage in stages("kill-undo", 1).await {
        let claims = stage.claims().await;
        for at in points(4) {
            stage.forget_journals();
            killed(&stage, &["snapshot", "ide-0", "--yes"], at).await;
            // the lease of the killed run still stands: its own undo takes it over at once
            let id = id(&stage);
            if !has_acted(&stage) {
                let (code, _, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
                assert_eq!(code, 2, "{} {at:?}: {err}", stage.name);
                resumed(&stage, at).await;
            }
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            assert_eq!(code, 0, "{} {at:?}: {out}{err}", stage.name);
            assert_eq!(stage.items(&stage.snapshots()).await.len(), 0, "{at:?}");
            stage.inspect(&claims).await;
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_resize_killed_anywhere_is_resumed_to_the_grown_file_system() {
    for stage in stages("kill-size", 1).await {
        let claims = stage.claims().await;
        let unit = if stage.name == "real" { 50 } else { 1024 };
        for (round, at) in points(3).enumerate() {
            stage.forget_journals();
            let size = format!("+{unit}Mi");
            let path = stage.path("/api/v1", "persistentvolumeclaims/workspace-ide-0");
            let before = stage.get(&path).await["spec"]["resources"]["requests"]["storage"].clone();
            if killed(&stage, &["resize", "workspace-ide-0", &size, "--yes"], at).await {
                let (_, out, _) = resumed(&stage, at).await;
                assert!(out.contains("5/5"), "{} {at:?}: {out}", stage.name);
            }
            let after = stage.get(&path).await;
            let (request, capacity) = (
                &after["spec"]["resources"]["requests"]["storage"],
                &after["status"]["capacity"]["storage"],
            );
            assert_ne!(&before, request, "{} round {round} {at:?}", stage.name);
            assert_eq!(request, capacity, "{} round {round} {at:?}", stage.name);
            stage.inspect(&claims).await;
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn an_eviction_killed_anywhere_ends_the_session_once() {
    for stage in stages("kill-evict", 1).await {
        let claims = stage.claims().await;
        let path = stage.path("/api/v1", "pods/ide-0");
        for at in points(2) {
            stage.forget_journals();
            let before = stage.get(&path).await["metadata"]["uid"].clone();
            if killed(&stage, &["evict", "ide-0", "--yes"], at).await {
                resumed(&stage, at).await;
            }
            stage.ready(1).await;
            let after = stage.get(&path).await;
            assert_ne!(before, after["metadata"]["uid"], "{} {at:?}", stage.name);
            // the successor of the evicted pod is the one that stays: nobody evicted it, too
            let evicted = stage.journal();
            let subject = &evicted[0]["plan"]["subjects"][0]["uid"];
            assert_eq!(*subject, before);
            stage.inspect(&claims).await;
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn an_undo_killed_anywhere_is_resumed_to_its_end() {
    for stage in stages("kill-back", 1).await {
        let claims = stage.claims().await;
        for at in points(4) {
            stage.forget_journals();
            let (code, out, err) = stage.wsdash(&["snapshot", "ide-0", "--yes"]).await;
            assert_eq!(code, 0, "{}: {out}{err}", stage.name);
            let id = id(&stage);
            let before = stage.journals();
            let mut child = stage.spawn(&["undo", &id, "--yes"]);
            let deadline = Instant::now() + Duration::from_secs(60);
            while child.try_wait().unwrap().is_none() {
                assert!(Instant::now() < deadline, "{at:?}");
                let undo = stage
                    .journals()
                    .into_iter()
                    .find(|(name, _)| !before.iter().any(|(before, _)| before == name));
                if undo.is_some_and(|(_, lines)| at.is_in(&lines)) {
                    child.kill().unwrap();
                    child.wait().unwrap();
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let undo = stage.job("undo").await;
            if undo["state"] != json!("done") {
                let id = undo["id"].as_str().unwrap();
                let (code, out, err) = stage.wsdash(&["resume", id, "--yes"]).await;
                assert_eq!(code, 0, "{} {at:?}: {out}{err}", stage.name);
            }
            assert_eq!(stage.job("snapshot").await["state"], "undone", "{at:?}");
            assert_eq!(stage.items(&stage.snapshots()).await.len(), 0, "{at:?}");
            stage.inspect(&claims).await;
        }
        stage.end().await;
    }
}
