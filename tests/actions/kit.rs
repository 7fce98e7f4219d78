//! What tests of claims and their contents need beside the stage: commands in pods, settings, work.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wsdash::cluster::exec::{self, PodTarget};

use super::stage::{MERGE, Stage};

const ACTIVE: &str = "example.com/active";

/// Nothing but proof is asked for.
pub(crate) const LENIENT: &str = "[orphans]\ninactive = \"1s\"\napart = \"1s\"\n[workspaces]\n\
                       activity_annotation = \"example.com/active\"\n";

/// A command in the main container of a pod, by `sh -c`: what it prints.
pub(crate) async fn sh(stage: &Stage, pod: &str, script: &str) -> String {
    let target = PodTarget::new(stage.namespace.as_str(), pod);
    let words = ["sh", "-c", script];
    let limit = Duration::from_secs(120);
    let ran = exec::run(&stage.client, &target, Some("main"), &words, &[], limit).await;
    let output = ran.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.code, 0, "{} {script}: {text} {said}", stage.name);
    text
}

/// Settings for this stage's runs, beside the defaults.
pub(crate) fn configure(stage: &Stage, toml: &str) {
    let folder = stage.folder.path().join("wsdash");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("config.toml"), toml).unwrap();
}

/// Writes files of some size on both claims; answers their checksums.
pub(crate) async fn work(stage: &Stage, pod: &str) -> String {
    let script = "cd /workspace && mkdir -p src && dd if=/dev/urandom of=src/a bs=1024 count=700 \
                  2>/dev/null && echo settings > /home/theia/.theia/settings && sync";
    sh(stage, pod, script).await;
    sums(stage, pod).await
}

pub(crate) async fn sums(stage: &Stage, pod: &str) -> String {
    let script = "sha256sum /workspace/src/a /home/theia/.theia/settings";
    sh(stage, pod, script).await
}

/// Deletes the set as an operator would and waits until nothing holds its claims any more.
pub(crate) async fn delete_set(stage: &Stage) {
    let path = stage.path("/apis/apps/v1", "statefulsets/ide");
    assert_eq!(stage.call("DELETE", &path, &Value::Null).await.0, 200);
    stage
        .until("the set is gone", &path, |code, _| code == 404)
        .await;
    stage
        .until(
            "its pods are gone",
            &stage.path("/api/v1", "pods"),
            |_, pods| pods["items"].as_array().is_some_and(Vec::is_empty),
        )
        .await;
    let volumes: Vec<String> = stage.claims().await.into_iter().map(|(_, v)| v).collect();
    let attachments = "/apis/storage.k8s.io/v1/volumeattachments";
    stage
        .until("its volumes are attached nowhere", attachments, |_, all| {
            all["items"].as_array().unwrap().iter().all(|attachment| {
                let volume = attachment["spec"]["source"]["persistentVolumeName"].as_str();
                !volumes.iter().any(|v| Some(v.as_str()) == volume)
            })
        })
        .await;
}

/// Looks twice, as the policy asks. Answers what the second look said of each claim by name.
pub(crate) async fn look(stage: &Stage) -> Vec<Value> {
    let all = stage.path("/api/v1", "persistentvolumeclaims");
    for claim in stage.items(&all).await {
        let path = format!("{all}/{}", claim["metadata"]["name"].as_str().unwrap());
        let active = json!({"metadata": {"annotations": {ACTIVE: "2026-01-01T00:00:00Z"}}});
        assert_eq!(stage.call_as("PATCH", &path, &active, MERGE).await.0, 200);
    }
    let (first, _, _) = stage.wsdash(&["orphans", "-o", "json"]).await;
    assert_eq!(first, 0, "{}", stage.name);
    // the policy of these tests: seen twice, a second apart
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        let (code, out, err) = stage.wsdash(&["orphans", "--all", "-o", "json"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        let document: Value = serde_json::from_str(&out).unwrap();
        let claims = document["claims"].as_array().unwrap();
        // metrics of a pod that is gone stay until the next scrape, or longer
        let is_used = |claim: &Value| claim["blockers"].to_string().contains("it was used");
        if !claims.iter().any(is_used) {
            return claims.clone();
        }
        assert!(Instant::now() < deadline, "{}: {out}", stage.name);
    }
}

/// Work, a snapshot of it, and then the work is spoilt. Answers the checksums of before.
pub(crate) async fn spoilt(stage: &Stage, pod: &str) -> String {
    let before = work(stage, pod).await;
    let (code, out, err) = stage.wsdash(&["snapshot", pod, "--wait", "--yes"]).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
    spoil(stage, pod).await;
    before
}

pub(crate) async fn spoil(stage: &Stage, pod: &str) {
    let script = "echo spoilt > /workspace/src/a; echo spoilt > /home/theia/.theia/settings; \
                  echo new > /workspace/later; sync";
    sh(stage, pod, script).await;
}
