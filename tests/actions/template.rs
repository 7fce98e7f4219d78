//! Template drift: a set is made anew around its pods, and new ordinals get the new size.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::role::only_under_its_role;
use super::stage::{MERGE, Stage, said, stages};

const APPS: &str = "/apis/apps/v1";

fn size(set: &Value) -> &str {
    let template = &set["spec"]["volumeClaimTemplates"][0]["spec"];
    template["resources"]["requests"]["storage"]
        .as_str()
        .unwrap()
}

/// Uid and restarts of every pod, and that all are of that set.
async fn pods(stage: &Stage, of: &Value) -> Vec<(String, u64)> {
    let all = stage.items(&stage.path("/api/v1", "pods")).await;
    let mut found: Vec<(String, u64)> = all
        .iter()
        .map(|pod| {
            assert_eq!(
                pod["metadata"]["ownerReferences"][0]["uid"], of["metadata"]["uid"],
                "{pod:#}"
            );
            let restarts = &pod["status"]["containerStatuses"][0]["restartCount"];
            let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
            (uid, restarts.as_u64().unwrap_or(0))
        })
        .collect();
    found.sort();
    found
}

/// A set whose first claim has outgrown its template.
async fn drifted(stage: &Stage) {
    let args = ["resize", "workspace-ide-0", stage.size, "--yes"];
    let (code, out, err) = stage.wsdash(&args).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
}

async fn undo(stage: &Stage, id: &str) {
    let (code, out, err) = stage.wsdash(&["undo", id, "--yes"]).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
}

#[tokio::test]
async fn a_set_gets_templates_as_large_as_its_claims_and_no_pod_notices() {
    for stage in stages("drift", 2).await {
        let claims = stage.claims().await;
        let (code, _, err) = stage.wsdash(&["template", "ide", "--yes"]).await;
        assert_eq!(code, 1, "{}: {err}", stage.name);
        assert!(err.contains("no claim of set"), "{err}");
        drifted(&stage).await;
        let before = stage.current_set().await;
        let of_before = pods(&stage, &before).await;
        let dry = ["template", "ide", "--dry-run"];
        let (code, out, err) = stage.wsdash(&dry).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(
            stage.current_set().await["metadata"]["uid"],
            before["metadata"]["uid"]
        );

        only_under_its_role(&stage, &["template"], &["template", "ide", "--yes"]).await;
        let after = stage.current_set().await;
        assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(size(&after), stage.size, "{after:#}");
        assert_eq!(after["spec"]["template"], before["spec"]["template"]);
        assert_eq!(pods(&stage, &after).await, of_before, "{}", stage.name);

        // a new ordinal gets the new size
        stage.scale(3).await;
        stage.ready(3).await;
        let claim = stage.claim("workspace-ide-2").await;
        assert_eq!(
            claim["spec"]["resources"]["requests"]["storage"],
            stage.size
        );
        assert!(stage.claims().await.len() > claims.len());

        let id = stage.newest("template").await;
        let undo = ["undo", &id, "--yes"];
        only_under_its_role(&stage, &["template", "--undo"], &undo).await;
        assert_eq!(size(&stage.current_set().await), size(&before));
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_set_that_another_tool_puts_back_is_left_alone() {
    for stage in stages("drift-tool", 1).await {
        drifted(&stage).await;
        let path = stage.path(APPS, "statefulsets/ide");
        let helm = json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": "Helm"},
            "annotations": {"meta.helm.sh/release-name": "ide"}}});
        assert_eq!(stage.call_as("PATCH", &path, &helm, MERGE).await.0, 200);
        let (code, _, err) = stage.wsdash(&["template", "ide", "--yes"]).await;
        assert_eq!(code, 1, "{err}");
        assert!(err.contains("--source-fixed"), "{err}");
        let args = ["template", "ide", "--source-fixed", "--yes"];
        let (code, out, err) = stage.wsdash(&args).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(size(&stage.current_set().await), stage.size);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_set_that_is_away_when_it_is_killed_comes_back_by_resume_and_by_undo() {
    for stage in stages("drift-kill", 1).await {
        drifted(&stage).await;
        let claims = stage.claims().await;
        let first = stage.current_set().await;
        let of_before = pods(&stage, &first).await;
        let old = size(&first).to_owned();
        let steps = ["same", "away", "is-away", "back", "settled", "undisturbed"];
        for (step, entry) in steps.iter().flat_map(|s| [(s, "started"), (s, "answered")]) {
            for way in ["resume", "undo"] {
                stage.forget_journals();
                let mut child = stage.spawn(&["template", "ide", "--yes"]);
                let deadline = Instant::now() + Duration::from_secs(60);
                let is_there =
                    |line: &Value| line["entry"] == json!(entry) && line["id"] == json!(step);
                while !stage.journal().iter().any(is_there) {
                    assert!(
                        Instant::now() < deadline,
                        "{}: never {entry} {step}",
                        stage.name
                    );
                    if child.try_wait().unwrap().is_some() {
                        let output = child.wait_with_output().unwrap();
                        panic!("{} {entry} {step}: {:?}", stage.name, said(&output));
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                child.kill().unwrap();
                child.wait().unwrap();
                let id = stage.journal()[0]["plan"]["id"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                let (code, out, err) = stage.wsdash(&[way, &id, "--yes"]).await;
                let is_over = err.contains("changed nothing") || err.contains("is done");
                assert!(
                    code == 0 || is_over,
                    "{} {way} {entry} {step}: {out}{err}",
                    stage.name
                );
                if err.contains("changed nothing") {
                    let (code, out, err) = stage.wsdash(&["resume", &id, "--yes"]).await;
                    assert_eq!(code, 0, "{} {step}: {out}{err}", stage.name);
                }
                if way == "resume" || err.contains("changed nothing") {
                    assert_eq!(size(&stage.current_set().await), stage.size, "{step}");
                    undo(&stage, &id).await;
                }
                stage.ready(1).await;
                let now = stage.current_set().await;
                assert_eq!(size(&now), old, "{} {way} {entry} {step}", stage.name);
                assert_eq!(
                    pods(&stage, &now).await,
                    of_before,
                    "{} {way} {entry} {step}",
                    stage.name
                );
                stage.inspect(&claims).await;
            }
        }
        stage.end().await;
    }
}
