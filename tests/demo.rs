//! The simulated cluster as a whole: repeatable, judged, bounded.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::time::Duration;

use reqwest::Method;
use rstest::rstest;
use serde_json::{Value, json};
use wsdash::demo::{self, Options};

const CEILING: Duration = Duration::from_secs(60);
/// Simulated seconds.
const DAY: f64 = 86_400.0;

fn options(scenario: &str, speed: f64, seed: u64) -> Options {
    Options {
        scenario: scenario.to_owned(),
        speed,
        seed,
        start: Some("2026-01-05T09:00:00Z".parse().unwrap()),
        ..Options::default()
    }
}

async fn get(url: &str) -> Value {
    // The crate comes without a provider for TLS, and wants one even for plain HTTP.
    drop(rustls::crypto::ring::default_provider().install_default());
    let text = reqwest::get(url).await.unwrap().text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{url}: {error}: {text}"))
}

/// Waits for a time of the simulated world.
async fn simulated(running: &demo::Running, seconds: f64) {
    let until = running.clock().start() + jiff::SignedDuration::try_from_secs_f64(seconds).unwrap();
    let deadline = tokio::time::Instant::now() + CEILING;
    while running.clock().now() < until {
        assert!(
            tokio::time::Instant::now() < deadline,
            "the simulated clock does not get there"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_seed_tells_one_story_and_another_seed_another() {
    let mut ends = Vec::new();
    for seed in [1, 1, 2] {
        let running = demo::start(options("multi-attach", 3000.0, seed))
            .await
            .unwrap();
        simulated(&running, 3600.0).await;
        ends.push(running.fingerprint("2026-01-05T10:00:00Z".parse().unwrap()));
        running.shutdown().await;
    }
    assert_eq!(ends[0], ends[1]);
    assert_ne!(ends[0], ends[2]);
}

/// Nobody helps: the incident comes, the clock runs to its end, and the judge says so.
#[rstest]
#[case("disk-full", false)]
#[case("inodes", false)]
#[case("multi-attach", false)]
#[case("resize-stuck", true)]
#[case("snapshot-failing", true)]
#[case("backup-stale", false)]
#[case("claim-deleted", false)]
#[case("orphans", false)]
#[case("crash-loop", true)]
#[case("zone-empty", true)]
#[case("brown-out", true)]
#[case("token-expired", true)]
#[case("image-pull", true)]
#[case("quota", false)]
#[case("pdb-blocks", true)]
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_played_to_its_end_and_judged(#[case] name: &str, #[case] heals: bool) {
    let running = demo::start(options(name, 3000.0, 1)).await.unwrap();
    let minutes = running.drill().unwrap().minutes;
    simulated(&running, f64::from(minutes) * 60.0 + 1.0).await;
    let verdict = running.verdict().unwrap();
    assert!(verdict.over);
    assert_eq!(verdict.noticed_after, None, "nobody acted");
    assert_eq!(verdict.mended_after.is_some(), heals, "{verdict:?}");
    running.shutdown().await;
}

/// What the drills above are, and what is shipped: none is left out.
#[test]
fn every_shipped_drill_is_played() {
    let text = include_str!("demo.rs");
    let mut drills = 0;
    for (name, scenario) in demo::scenarios().unwrap() {
        let played = format!("#[case(\"{name}\", ");
        if scenario.drill.is_some() {
            drills += 1;
            assert!(text.contains(&played), "{name} is not played");
        }
    }
    assert!(drills >= 12, "{drills}");
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/config/demo")).unwrap();
    assert_eq!(files.count(), demo::scenarios().unwrap().len());
}

/// What a client says to the simulated API server: method, path, body.
type Call = (Method, String, Value);

async fn send(running: &demo::Running, (method, path, body): Call) -> Value {
    drop(rustls::crypto::ring::default_provider().install_default());
    let url = format!("{}{path}", running.api_url());
    let request = reqwest::Client::new().request(method.clone(), url);
    let kind = match method {
        Method::PATCH => "application/merge-patch+json",
        _ => "application/json",
    };
    let request = request.header("content-type", kind).body(body.to_string());
    let answer = request.send().await.unwrap();
    let code = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    assert!(code < 300, "{path}: {text}");
    serde_json::from_str(&text).unwrap()
}

const APP: &str = "/api/v1/namespaces/coditect-app";

/// Sets the volume of a claim to Retain.
async fn retain(running: &demo::Running, claim: &str) {
    let claim = send(running, (Method::GET, claim.to_owned(), Value::Null)).await;
    let name = claim["spec"]["volumeName"].as_str().unwrap();
    let path = format!("/api/v1/persistentvolumes/{name}");
    let body = json!({"spec": {"persistentVolumeReclaimPolicy": "Retain"}});
    send(running, (Method::PATCH, path, body)).await;
}

/// Does what the drill's advice says.
async fn follow_advice(running: &demo::Running, name: &str) {
    let claims = format!("{APP}/persistentvolumeclaims");
    let calls = match name {
        "disk-full" | "inodes" => {
            let ordinal = if name == "inodes" { 5 } else { 3 };
            let size = json!({"spec": {"resources": {"requests": {"storage": "200Gi"}}}});
            let path = format!("{claims}/workspace-coditect-pro-{ordinal}");
            vec![(Method::PATCH, path, size)]
        }
        "multi-attach" => {
            let path = format!("{APP}/pods/coditect-pro-2");
            let pod = send(running, (Method::GET, path, Value::Null)).await;
            let node = pod["spec"]["nodeName"].as_str().unwrap();
            let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown",
                "effect": "NoExecute"});
            let body = json!({"spec": {"taints": [taint]}});
            vec![(Method::PATCH, format!("/api/v1/nodes/{node}"), body)]
        }
        "backup-stale" => {
            let source = json!({"persistentVolumeClaimName": "workspace-coditect-starter-12"});
            let group = "/apis/snapshot.storage.k8s.io/v1/namespaces/coditect-app/volumesnapshots";
            let body = json!({"metadata": {"name": "now"}, "spec": {"source": source}});
            vec![(Method::POST, group.to_owned(), body)]
        }
        "claim-deleted" => {
            retain(running, &format!("{claims}/workspace-coditect-pro-4")).await;
            Vec::new()
        }
        "orphans" => {
            let mut calls = Vec::new();
            for ordinal in 0..4 {
                let path = claims.replace("coditect-app", "coditect");
                let path = format!("{path}/workspace-terminal-pods-{ordinal}");
                retain(running, &path).await;
                calls.push((Method::DELETE, path, Value::Null));
            }
            calls
        }
        "quota" => {
            let body = json!({"spec": {"hard": {"requests.storage": "5000Gi"}}});
            vec![(Method::PATCH, format!("{APP}/resourcequotas/storage"), body)]
        }
        other => panic!("nobody knows what to do about {other}"),
    };
    for call in calls {
        send(running, call).await;
    }
}

#[rstest]
#[case("disk-full")]
#[case("inodes")]
#[case("multi-attach")]
#[case("backup-stale")]
#[case("claim-deleted")]
#[case("orphans")]
#[case("quota")]
#[tokio::test(flavor = "multi_thread")]
async fn who_follows_the_advice_passes(#[case] name: &str) {
    let running = demo::start(options(name, 300.0, 1)).await.unwrap();
    simulated(&running, 420.0).await;
    assert!(!running.verdict().unwrap().over, "there is trouble");
    follow_advice(&running, name).await;
    simulated(&running, 1500.0).await;
    let verdict = running.verdict().unwrap();
    assert!(verdict.passed() && verdict.over, "{verdict:?}");
    assert!(verdict.noticed_after.unwrap() >= 420.0, "{verdict:?}");
    assert!(verdict.noticed_after <= verdict.mended_after, "{verdict:?}");
    assert!(verdict.harm.is_empty(), "{verdict:?}");
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_loses_data_does_not_pass() {
    let running = demo::start(options("backup-stale", 300.0, 1))
        .await
        .unwrap();
    simulated(&running, 60.0).await;
    for object in [
        "persistentvolumeclaims/workspace-coditect-starter-12",
        "pods/coditect-starter-12",
    ] {
        let path = format!("{APP}/{object}");
        send(&running, (Method::DELETE, path, Value::Null)).await;
    }
    simulated(&running, 900.0).await;
    let verdict = running.verdict().unwrap();
    let lost = |harm: &demo::Harm| {
        matches!(harm, demo::Harm::DiskDeleted { claim, snapshot_kept: false, .. }
            if claim == "workspace-coditect-starter-12")
    };
    let cut = |harm: &demo::Harm| matches!(harm, demo::Harm::SessionCut { .. });
    assert!(verdict.harm.iter().any(lost), "{verdict:?}");
    assert!(verdict.harm.iter().any(cut), "{verdict:?}");
    assert!(!verdict.passed(), "{verdict:?}");
    running.shutdown().await;
}

/// What a third day leaves behind, when backups have come and gone and lists of restarts are as long as they get: in
/// the default world, and in one where a pod crashes and an image is not found, all day long.
#[rstest]
#[case("")]
#[case(TROUBLE)]
#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_day_leaves_nothing_behind(#[case] timeline: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("day.toml");
    let text = format!("title = \"a day\"\nbase = \"morning\"\n{timeline}");
    std::fs::write(&file, text).unwrap();
    let running = demo::start(options(file.to_str().unwrap(), 20_000.0, 1))
        .await
        .unwrap();
    simulated(&running, 2.0 * DAY).await;
    let early = running.footprint();
    simulated(&running, 3.0 * DAY).await;
    let late = running.footprint();
    for (what, count) in &late {
        let before = early[what];
        // How much of the last hours is kept differs by the hour.
        assert!(
            *count <= before + before / 10 + 20,
            "{what}: {before} after two days, {count} after three; {late:?}"
        );
    }
    if !timeline.is_empty() {
        assert!(late["events"] > 0, "there is trouble indeed: {late:?}");
    }
    running.shutdown().await;
}

const TROUBLE: &str = r#"
[[timeline]]
at = 10
do = "behave"
pod = "coditect-app/coditect-pro-3"
behaviour = { crash-after-seconds = 20.0, exit-code = 1, log = ["FATAL"] }
restart = true

[[timeline]]
at = 10
do = "behave"
pod = "coditect-app/coditect-pro-4"
behaviour = { image-pull-fails = true }
restart = true
"#;

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_answers_from_the_same_world_and_invents_nothing() {
    let running = demo::start(options("morning", 1.0, 1)).await.unwrap();
    let query = |text: &str| {
        format!(
            "{}/api/v1/query?query={}",
            running.prometheus_url(),
            text.replace('%', "%25")
                .replace('+', "%2B")
                .replace('&', "%26")
                .replace('#', "%23")
        )
    };
    let full = get(&query("1 - min by (namespace,persistentvolumeclaim)(kubelet_volume_stats_available_bytes{persistentvolumeclaim=\"workspace-coditect-pro-7\"}) / max by (namespace,persistentvolumeclaim)(kubelet_volume_stats_capacity_bytes)")).await;
    let share: f64 = full["data"]["result"][0]["value"][1]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((0.88..0.95).contains(&share), "{share}");
    let none = get(&query("no_such_metric")).await;
    assert_eq!(
        (
            none["status"].as_str(),
            none["data"]["result"].as_array().unwrap().len()
        ),
        (Some("success"), 0)
    );
    let wrong = get(&query("no_such_function(up)")).await;
    assert_eq!(
        (wrong["status"].as_str(), wrong["errorType"].as_str()),
        (Some("error"), Some("bad_data"))
    );
    let proxied = format!(
        "{}/api/v1/namespaces/monitoring/services/http:prometheus:9090/proxy/api/v1/query?query=sum(up)",
        running.api_url()
    );
    assert_eq!(get(&proxied).await["data"]["result"][0]["value"][1], "4");
    running.shutdown().await;
}
