//! What a scenario does to the servers themselves, as their clients meet it.

use std::process::Output;

use serde_json::Value;
use tempfile::TempDir;
use wsdash::demo::{self, Running};

use super::{SNAPSHOTS, get, options, simulated};

/// A simulated second is so many of these.
const SPEED: f64 = 60.0;
/// When it begins and when it is over, in simulated seconds.
const BEGINS: f64 = 10.0;
const ENDS: f64 = 900.0;

/// The default world in which this happens for a while.
async fn play(happens: &str, ends: &str) -> (Running, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fault.toml");
    let timeline = format!(
        "title = \"a fault\"\nbase = \"morning\"\n\
         [[timeline]]\nat = {BEGINS}\n{happens}\n[[timeline]]\nat = {ENDS}\n{ends}\n"
    );
    std::fs::write(&file, timeline).unwrap();
    let running = demo::start(options(file.to_str().unwrap(), SPEED, 1))
        .await
        .unwrap();
    std::fs::write(folder.path().join("kubeconfig"), running.kubeconfig()).unwrap();
    simulated(&running, BEGINS + 1.0).await;
    (running, folder)
}

async fn status(running: &Running, path: &str) -> u16 {
    drop(rustls::crypto::ring::default_provider().install_default());
    let answer = reqwest::get(format!("{}{path}", running.api_url())).await;
    answer.unwrap().status().as_u16()
}

async fn wsdash(folder: &TempDir, args: &[&str]) -> (Option<i32>, String) {
    let Output { status, stderr, .. } = tokio::process::Command::new(env!("CARGO_BIN_EXE_wsdash"))
        .arg("--kubeconfig")
        .arg(folder.path().join("kubeconfig"))
        .args(args)
        .env("XDG_STATE_HOME", folder.path())
        .env("XDG_CONFIG_HOME", folder.path())
        .output()
        .await
        .unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_is_missing_is_not_found_and_comes_back() {
    let missing = |is: bool| format!("do = \"api-missing\"\napi = \"snapshots\"\nmissing = {is}");
    let (running, folder) = play(&missing(true), &missing(false)).await;
    let has_group = |groups: &Value| {
        let mut groups = groups["groups"].as_array().unwrap().iter();
        groups.any(|group| group["name"] == "snapshot.storage.k8s.io")
    };
    let groups = format!("{}/apis", running.api_url());
    assert_eq!(status(&running, SNAPSHOTS).await, 404);
    assert!(!has_group(&get(&groups).await));
    let (code, said) = wsdash(&folder, &["get", "snapshots"]).await;
    assert_ne!(code, Some(0), "{said}");
    assert!(said.contains("volumesnapshots"), "{said}");

    simulated(&running, ENDS + 1.0).await;
    assert_eq!(status(&running, SNAPSHOTS).await, 200);
    assert!(has_group(&get(&groups).await));
    assert_eq!(wsdash(&folder, &["get", "snapshots"]).await.0, Some(0));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_system_that_is_read_only_takes_nothing_and_does_again() {
    let read_only = |is: bool| {
        format!(
            "do = \"read-only\"\nclaim = \"coditect-app/workspace-coditect-pro-3\"\nread-only = {is}"
        )
    };
    let (running, folder) = play(&read_only(true), &read_only(false)).await;
    let touch = ["exec", "coditect-pro-3", "--", "touch", "/workspace/x"];
    let (code, said) = wsdash(&folder, &touch).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");

    simulated(&running, ENDS + 1.0).await;
    assert_eq!(wsdash(&folder, &touch).await.0, Some(0));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_answers_nothing_but_that_and_comes_back() {
    let (running, folder) = play("do = \"api-fault\"\ndown = true", "do = \"api-fault\"").await;
    for path in ["/apis", "/version", SNAPSHOTS] {
        assert_eq!(status(&running, path).await, 503, "{path}");
    }
    let (code, said) = wsdash(&folder, &["--request-timeout", "5s", "get", "pods"]).await;
    assert_ne!(code, Some(0), "{said}");
    assert!(said.starts_with("wsdash: http://127.0.0.1:"), "{said}");
    assert!(said.contains("is currently unable to handle"), "{said}");

    simulated(&running, ENDS + 1.0).await;
    assert_eq!(wsdash(&folder, &["get", "pods"]).await.0, Some(0));
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_tells_its_alerts_with_their_state_and_beginning() {
    let running = demo::start(options("crash-loop", 300.0, 1)).await.unwrap();
    simulated(&running, 1500.0).await;
    let answer = get(&format!("{}/api/v1/alerts", running.prometheus_url())).await;
    assert_eq!(answer["status"], "success");
    let alerts = answer["data"]["alerts"].as_array().unwrap();
    let crashing = |alert: &&Value| alert["labels"]["alertname"] == "KubePodCrashLooping";
    let alert = alerts.iter().find(crashing).unwrap();
    assert_eq!(alert["state"], "firing");
    assert_eq!(alert["labels"]["pod"], "coditect-pro-6");
    let since: jiff::Timestamp = alert["activeAt"].as_str().unwrap().parse().unwrap();
    assert!(since > running.clock().start() && since < running.clock().now());
    let answer = get(&format!("{}/api/v1/rules", running.prometheus_url())).await;
    let groups = answer["data"]["groups"].as_array().unwrap().iter();
    let mut rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    assert!(rules.any(|rule| rule["name"] == "KubePodCrashLooping" && rule["state"] == "firing"));
    running.shutdown().await;
}
