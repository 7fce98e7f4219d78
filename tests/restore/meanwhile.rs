//! What happens between the plan of a swap and its first destructive call, and what the snapshot
//! holds: the swap looks once more, and gives way.

use serde_json::{Value, json};

use super::kit::{configure, sh, spoilt, sums, work};
use super::run::{id, started};
use super::stage::{MERGE, Stage, stages};
use super::{IN_PLACE, is_whole, purge, undo};

const SESSION: &str = "example.com/session";

/// Cuts a restore in place off just before its last looks, has the world changed, and resumes it.
/// Answers what it says then.
async fn cut_off(stage: &Stage, pod: &str, path: &str, change: &Value) -> String {
    let args = ["restore", pod, "--in-place", "--yes"];
    let mut child = started(stage, &args, "started", "is-idle").await;
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(stage.call_as("PATCH", path, change, MERGE).await.0, 200);
    let (code, out, err) = stage.wsdash(&["resume", &id(stage), "--yes"]).await;
    assert_eq!(code, 1, "{} {pod}: {out}{err}", stage.name);
    let begun = |line: &Value| line["entry"] == "started" && line["id"] == "block";
    assert!(!stage.journal().iter().any(begun), "{}", stage.name);
    out + &err
}

#[tokio::test]
async fn a_set_that_somebody_changes_meanwhile_stays_as_they_want_it() {
    for stage in stages("moved", 3).await {
        let path = stage.path("/apis/apps/v1", "statefulsets/ide");
        let keeps = json!({"spec": {"persistentVolumeClaimRetentionPolicy":
            {"whenScaled": "Delete", "whenDeleted": "Retain"}}});
        let noted = json!({"metadata": {"annotations": {"example.com/owner": "team"}}});
        // the highest, by a replica less; the middle, by a set that goes away for a moment
        for (pod, change) in [("ide-2", keeps), ("ide-1", noted)] {
            spoilt(&stage, pod).await;
            let spoilt = sums(&stage, pod).await;
            let old = stage.volume_of(&format!("workspace-{pod}")).await;
            let said = cut_off(&stage, pod, &path, &change).await;
            assert!(said.contains("is not as it was"), "{said}");
            assert!(said.contains("wsdash undo"), "{said}");
            let now = stage.current_set().await;
            for (field, value) in change.as_object().unwrap() {
                for (name, value) in value.as_object().unwrap() {
                    assert_eq!(&now[field][name], value, "{}: {now:#}", stage.name);
                }
            }
            undo(&stage, "restore").await;
            is_whole(&stage, 3).await;
            assert_eq!(sums(&stage, pod).await, spoilt, "{}", stage.name);
            assert_eq!(stage.volume_of(&format!("workspace-{pod}")).await, old);
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_session_that_opens_meanwhile_is_not_cut() {
    for stage in stages("opened", 1).await {
        configure(
            &stage,
            &format!("[workspaces]\nsession_annotation = \"{SESSION}\"\n"),
        );
        spoilt(&stage, "ide-0").await;
        let path = stage.path("/api/v1", "pods/ide-0");
        let open = json!({"metadata": {"annotations": {SESSION: "ann"}}});
        let said = cut_off(&stage, "ide-0", &path, &open).await;
        assert!(said.contains("somebody works in"), "{said}");
        // when she has left, it goes on
        let closed = json!({"metadata": {"annotations": {SESSION: null}}});
        assert_eq!(stage.call_as("PATCH", &path, &closed, MERGE).await.0, 200);
        let (code, out, err) = stage.wsdash(&["resume", &id(&stage), "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        is_whole(&stage, 1).await;
        purge(&stage).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn without_force_unknown_is_not_idle_and_nothing_is_not_the_work() {
    for stage in stages("untold", 1).await {
        // taken while there is no work yet
        sh(&stage, "ide-0", "rm -rf /workspace/* && sync").await;
        let take = ["snapshot", "ide-0", "--wait", "--yes"];
        let (code, out, err) = stage.wsdash(&take).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        let there = work(&stage, "ide-0").await;
        let old = stage.volume_of("workspace-ide-0").await;

        let (code, out, err) = stage.wsdash(&IN_PLACE).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        assert!(err.contains("holds no file"), "{err}");
        undo(&stage, "restore").await;
        assert_eq!(sums(&stage, "ide-0").await, there, "{}", stage.name);
        assert_eq!(stage.volume_of("workspace-ide-0").await, old);

        configure(&stage, "[workspaces]\nsession_port = 0\n");
        let (code, out, err) = stage.wsdash(&IN_PLACE).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        assert!(err.contains("cannot be told"), "{err}");
        let dry = ["restore", "ide-0", "--in-place", "--force", "--dry-run"];
        let (code, out, err) = stage.wsdash(&dry).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("it is not looked whether"), "{out}");
        let force = ["restore", "ide-0", "--in-place", "--force", "--yes"];
        let (code, out, err) = stage.wsdash(&force).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        is_whole(&stage, 1).await;
        let left = sh(&stage, "ide-0", "find /workspace -type f").await;
        assert_eq!(left, "", "{}", stage.name);
        undo(&stage, "restore").await;
        assert_eq!(sums(&stage, "ide-0").await, there, "{}", stage.name);
        purge(&stage).await;
        stage.end().await;
    }
}
