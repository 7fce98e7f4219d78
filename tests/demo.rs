//! The simulated cluster as a whole: repeatable, judged, bounded.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "demo/server.rs"]
mod server;

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

/// Every drill, whether it ends by itself, and whether somebody does what it advises.
#[rstest]
#[case("disk-full", false)]
#[case("inodes", false)]
#[case("multi-attach", false)]
#[case("resize-stuck", false)]
#[case("snapshot-failing", false)]
#[case("backup-stale", false)]
#[case("claim-deleted", false)]
#[case("orphans", false)]
#[case("crash-loop", false)]
#[case("zone-empty", false)]
#[case("brown-out", true)]
#[case("token-expired", true)]
#[case("image-pull", false)]
#[case("quota", false)]
#[case("pdb-blocks", false)]
#[tokio::test(flavor = "multi_thread")]
async fn a_drill_is_passed_by_its_advice_and_by_nothing_else(
    #[case] name: &str,
    #[case] heals: bool,
    #[values(false, true)] advised: bool,
) {
    if advised {
        who_follows_the_advice_passes(name, heals).await;
    } else {
        who_does_nothing_does_not_pass(name, heals).await;
    }
}

/// Nobody helps: the incident comes, the clock runs to its end, and the judge says so.
async fn who_does_nothing_does_not_pass(name: &str, heals: bool) {
    let running = demo::start(options(name, 3000.0, 1)).await.unwrap();
    let minutes = running.drill().unwrap().minutes;
    simulated(&running, f64::from(minutes) * 60.0 + 1.0).await;
    let verdict = running.verdict().unwrap();
    assert!(verdict.over);
    assert_eq!(verdict.noticed_after, None, "nobody acted");
    assert_eq!(verdict.passed(), heals, "{verdict:?}");
    assert!(verdict.harm.is_empty(), "{verdict:?}");
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

const SETS: &str = "/apis/apps/v1/namespaces/coditect-app/statefulsets";
const SNAPSHOTS: &str = "/apis/snapshot.storage.k8s.io/v1/namespaces/coditect-app/volumesnapshots";

fn snapshot_of(claim: &str) -> Call {
    let source = json!({"persistentVolumeClaimName": claim});
    let body = json!({"metadata": {"name": format!("now-{claim}")}, "spec": {"source": source}});
    (Method::POST, SNAPSHOTS.to_owned(), body)
}

fn size(claim: &str, size: &str) -> Call {
    let body = json!({"spec": {"resources": {"requests": {"storage": size}}}});
    let path = format!("{APP}/persistentvolumeclaims/{claim}");
    (Method::PATCH, path, body)
}

fn delete(path: String) -> Call {
    (Method::DELETE, path, Value::Null)
}

/// Evicts a pod, within its budget.
fn eviction(pod: &str) -> Call {
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
    (Method::POST, format!("{APP}/pods/{pod}/eviction"), body)
}

/// The set with one field of its container replaced.
async fn template(running: &demo::Running, field: &str, value: Value) -> Call {
    let path = format!("{SETS}/coditect-pro");
    let mut set = send(running, (Method::GET, path.clone(), Value::Null)).await;
    // Whatever its controller writes meanwhile.
    set["metadata"]["resourceVersion"].take();
    *set.pointer_mut(&format!("/spec/template/spec/containers/0/{field}"))
        .unwrap() = value;
    (Method::PUT, path, set)
}

/// Does what the drill's advice says.
async fn follow_advice(running: &demo::Running, name: &str) {
    let claims = format!("{APP}/persistentvolumeclaims");
    let calls = match name {
        "disk-full" => vec![size("workspace-coditect-pro-3", "200Gi")],
        "inodes" => vec![size("workspace-coditect-pro-5", "200Gi")],
        "resize-stuck" => vec![size("workspace-coditect-pro-1", "120Gi")],
        "multi-attach" => {
            let path = format!("{APP}/pods/coditect-pro-2");
            let pod = send(running, (Method::GET, path, Value::Null)).await;
            let node = pod["spec"]["nodeName"].as_str().unwrap();
            let taint = json!({"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown",
                "effect": "NoExecute"});
            let body = json!({"spec": {"taints": [taint]}});
            vec![(Method::PATCH, format!("/api/v1/nodes/{node}"), body)]
        }
        "snapshot-failing" => {
            let failed = ["", "-again", "-third"]
                .map(|end| delete(format!("{SNAPSHOTS}/nightly-workspace-coditect-pro-0{end}")));
            let mut calls = failed.to_vec();
            calls.push(snapshot_of("workspace-coditect-pro-0"));
            calls
        }
        "backup-stale" => ["workspace", "theia-config"]
            .into_iter()
            .flat_map(|template| {
                let claim = format!("{template}-coditect-starter-12");
                let label = json!({"metadata": {"labels": {"backup": "daily"}}});
                let path = format!("{claims}/{claim}");
                [snapshot_of(&claim), (Method::PATCH, path, label)]
            })
            .collect(),
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
                calls.push(delete(path));
            }
            calls
        }
        "crash-loop" => {
            let calm =
                json!({"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}});
            let calm = (Method::PATCH, format!("{SETS}/coditect-pro"), calm);
            send(running, calm).await;
            let more = template(running, "resources/limits/memory", json!("8Gi")).await;
            vec![more, delete(format!("{APP}/pods/coditect-pro-6"))]
        }
        "image-pull" => {
            let image = json!("us-docker.pkg.dev/coditect/ide/theia:1.62.2");
            vec![template(running, "image", image).await]
        }
        "zone-empty" => {
            let labels = json!({"topology.kubernetes.io/zone": "us-central1-b"});
            let node = json!({"metadata": {"name": "new", "labels": labels}});
            vec![(Method::POST, "/api/v1/nodes".to_owned(), node)]
        }
        "quota" => {
            let body = json!({"spec": {"hard": {"requests.storage": "5000Gi"}}});
            vec![(Method::PATCH, format!("{APP}/resourcequotas/storage"), body)]
        }
        "pdb-blocks" => vec![eviction("coditect-pro-9")],
        "brown-out" | "token-expired" => Vec::new(),
        other => panic!("nobody knows what to do about {other}"),
    };
    for call in calls {
        send(running, call).await;
    }
}

async fn who_follows_the_advice_passes(name: &str, heals: bool) {
    let running = demo::start(options(name, 100.0, 1)).await.unwrap();
    // The two that end by themselves are over sooner.
    simulated(&running, if heals { 120.0 } else { 420.0 }).await;
    assert!(!running.verdict().unwrap().over, "there is trouble");
    follow_advice(&running, name).await;
    let verdict = judged(&running).await;
    assert!(verdict.passed(), "{verdict:?}");
    // The session of a pod that crashes may be cut in a moment in which it runs.
    let subject = verdict.subject.as_str();
    let is_of_subject = |harm: &demo::Harm| {
        matches!(harm, demo::Harm::SessionCut { namespace, pod, .. }
            if format!("{namespace}/{pod}") == subject)
    };
    assert!(verdict.harm.iter().all(is_of_subject), "{verdict:?}");
    if !heals {
        assert!(verdict.noticed_after.unwrap() >= 420.0, "{verdict:?}");
        assert!(verdict.noticed_after <= verdict.mended_after, "{verdict:?}");
    }
    running.shutdown().await;
}

/// Waits for the end of the drill.
async fn judged(running: &demo::Running) -> demo::Verdict {
    tokio::time::timeout(CEILING, running.judged())
        .await
        .expect("the drill comes to its end")
}

/// Half of what is advised is not enough.
#[rstest]
#[case::more_memory_but_too_little("crash-loop", "2Gi")]
#[case::still_too_much("resize-stuck", "160Gi")]
#[case::one_that_is_retried_too("snapshot-failing", "")]
#[case::a_snapshot_but_no_label("backup-stale", "")]
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_mend_it_does_not_pass(#[case] name: &str, #[case] amount: &str) {
    let running = demo::start(options(name, 300.0, 1)).await.unwrap();
    simulated(&running, 420.0).await;
    let calls = match name {
        "crash-loop" => {
            let more = template(&running, "resources/limits/memory", json!(amount)).await;
            vec![more, delete(format!("{APP}/pods/coditect-pro-6"))]
        }
        "resize-stuck" => vec![size("workspace-coditect-pro-1", amount)],
        "snapshot-failing" => vec![snapshot_of("workspace-coditect-pro-0")],
        _ => vec![snapshot_of("workspace-coditect-starter-12")],
    };
    for call in calls {
        send(&running, call).await;
    }
    let verdict = judged(&running).await;
    assert_eq!(verdict.mended_after, None, "{verdict:?}");
    assert!(!verdict.passed() && verdict.noticed_after.is_some());
    running.shutdown().await;
}

/// What a player does, how many sessions it costs, and what else.
#[rstest]
#[case::delete_a_pod("delete", 1, "Pod coditect-app/coditect-pro-4")]
#[case::evict_a_pod("evict", 1, "Pod coditect-app/coditect-pro-4")]
#[case::scale_to_nothing("scale", 16, "")]
#[case::delete_the_set("delete-set", 16, "")]
#[case::delete_many("delete-many", 16, "Pod coditect-app/coditect-pro-4")]
#[case::roll_them_all("roll", 16, "")]
#[case::refused("refused", 0, "")]
#[case::rehearsed("rehearsed", 0, "")]
#[case::force("force", 1, "coditect-app/coditect-pro-3 was deleted without grace")]
#[case::another_set("another-set", 0, "StatefulSet coditect-app/coditect-starter")]
#[case::another_claim(
    "another-claim",
    0,
    "PersistentVolumeClaim coditect-app/workspace-coditect-pro-4"
)]
#[case::another_node("another-node", 0, "Node gke-demo-pool-us-central1-b-0")]
#[case::own_claim("own-claim", 0, "")]
#[case::the_way_back(
    "way-back",
    0,
    "the newest way back of coditect-app/workspace-coditect-pro-3"
)]
#[case::an_older_snapshot("older-snapshot", 0, "")]
#[tokio::test(flavor = "multi_thread")]
async fn harm_is_booked_where_a_player_does_it(
    #[case] act: &str,
    #[case] sessions: usize,
    #[case] other: &str,
) {
    let running = demo::start(options("disk-full", 60.0, 1)).await.unwrap();
    simulated(&running, 60.0).await;
    harm(&running, act).await;
    let costs_nothing = sessions == 0 && other.is_empty();
    // A roll takes its time; what costs nothing is watched for a while.
    let minutes = if costs_nothing { 5 } else { 20 };
    let deadline = running.clock().now() + jiff::SignedDuration::from_mins(minutes);
    let (mut is_late, mut is_as_expected) = (false, false);
    let mut texts: Vec<String> = Vec::new();
    while !is_late && (costs_nothing || !is_as_expected) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        is_late = running.clock().now() > deadline;
        let harm = running.verdict().unwrap().harm;
        texts = harm.iter().map(ToString::to_string).collect();
        let cut = |h: &&demo::Harm| matches!(h, demo::Harm::SessionCut { .. });
        is_as_expected = harm.iter().filter(cut).count() == sessions
            && (other.is_empty() || texts.iter().any(|text| text.contains(other)));
    }
    assert!(
        is_as_expected,
        "{sessions} sessions and {other:?} expected: {texts:#?}"
    );
    assert!(!costs_nothing || texts.is_empty(), "{texts:#?}");
    running.shutdown().await;
}

/// Paths of the snapshots of the workspace's first claim, the oldest first.
async fn snapshots_by_age(running: &demo::Running) -> Vec<String> {
    let all = send(running, (Method::GET, SNAPSHOTS.to_owned(), Value::Null)).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let source = |s: &Value| text(&s["spec"]["source"]["persistentVolumeClaimName"]);
    let mut found: Vec<(String, String)> = (all["items"].as_array().unwrap().iter())
        .filter(|s| source(s) == "workspace-coditect-pro-3")
        .map(|s| {
            (
                text(&s["status"]["creationTime"]),
                text(&s["metadata"]["name"]),
            )
        })
        .collect();
    found.sort();
    assert!(found.len() > 1, "there are backups: {found:?}");
    let paths = found.iter().map(|(_, name)| format!("{SNAPSHOTS}/{name}"));
    paths.collect()
}

async fn harm(running: &demo::Running, act: &str) {
    let pods = format!("{APP}/pods");
    let set = format!("{SETS}/coditect-pro");
    let note = json!({"metadata": {"annotations": {"note": "mine"}}});
    let claim = |ordinal: u32| {
        let path = format!("{APP}/persistentvolumeclaims/workspace-coditect-pro-{ordinal}");
        (Method::PATCH, path, note.clone())
    };
    let call = match act {
        "delete" => delete(format!("{pods}/coditect-pro-4")),
        "evict" => eviction("coditect-pro-4"),
        "scale" => (
            Method::PATCH,
            format!("{set}/scale"),
            json!({"spec": {"replicas": 0}}),
        ),
        "delete-set" => delete(set),
        "delete-many" => delete(format!("{pods}?labelSelector=app%3Dcoditect-pro")),
        "roll" => {
            template(
                running,
                "image",
                json!("us-docker.pkg.dev/coditect/ide/theia:1.63.0"),
            )
            .await
        }
        "refused" => {
            let body = json!({"preconditions": {"uid": "another"}});
            let (_, path, _) = delete(format!("{pods}/coditect-pro-4"));
            let url = format!("{}{path}", running.api_url());
            let request = reqwest::Client::new().delete(url).body(body.to_string());
            let answer = request
                .header("content-type", "application/json")
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status().as_u16(), 409);
            return;
        }
        "rehearsed" => delete(format!("{pods}/coditect-pro-4?dryRun=All")),
        "force" => delete(format!("{pods}/coditect-pro-3?gracePeriodSeconds=0")),
        "another-set" => (
            Method::PATCH,
            format!("{SETS}/coditect-starter"),
            note.clone(),
        ),
        "another-claim" => claim(4),
        "another-node" => {
            let path = "/api/v1/nodes/gke-demo-pool-us-central1-b-0".to_owned();
            (
                Method::PATCH,
                path,
                json!({"spec": {"unschedulable": true}}),
            )
        }
        "own-claim" => claim(3),
        "way-back" => delete(snapshots_by_age(running).await.pop().unwrap()),
        "older-snapshot" => delete(snapshots_by_age(running).await.remove(0)),
        other => panic!("nobody knows how to {other}"),
    };
    send(running, call).await;
}

/// Before the trouble there is nothing to notice, and after the time nothing to mend.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_soon_or_too_late_does_not_count() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("short.toml");
    let text = include_str!("../config/demo/pdb-blocks.toml")
        .replace("minutes = 60", "minutes = 10")
        .replace("at = 20", "at = 300");
    std::fs::write(&file, text).unwrap();
    let running = demo::start(options(file.to_str().unwrap(), 300.0, 1))
        .await
        .unwrap();
    let note = json!({"metadata": {"annotations": {"note": "mine"}}});
    let pod = format!("{APP}/pods/coditect-pro-9");
    send(&running, (Method::PATCH, pod.clone(), note.clone())).await;
    simulated(&running, 400.0).await;
    assert_eq!(running.verdict().unwrap().noticed_after, None);
    send(&running, (Method::PATCH, pod, note)).await;
    let verdict = running.verdict().unwrap();
    assert!(verdict.noticed_after.unwrap() >= 400.0, "{verdict:?}");
    assert!(judged(&running).await.mended_after.is_none());
    send(&running, eviction("coditect-pro-9")).await;
    simulated(&running, 900.0).await;
    let late = running.verdict().unwrap();
    assert_eq!(
        (late.mended_after, late.passed()),
        (None, false),
        "{late:?}"
    );
    running.shutdown().await;
}

/// A shell in the pod mends it as well as any call.
#[tokio::test(flavor = "multi_thread")]
async fn who_mends_by_exec_has_noticed() {
    let running = demo::start(options("inodes", 60.0, 1)).await.unwrap();
    simulated(&running, 240.0).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("kubeconfig");
    std::fs::write(&file, running.kubeconfig()).unwrap();
    let exec = tokio::process::Command::new(env!("CARGO_BIN_EXE_wsdash"))
        .arg("--kubeconfig")
        .arg(&file)
        .args([
            "exec",
            "coditect-pro-5",
            "--",
            "rm",
            "-rf",
            "/workspace/.cache/builds",
        ])
        .output()
        .await
        .unwrap();
    assert!(
        exec.status.success(),
        "{}",
        String::from_utf8_lossy(&exec.stderr)
    );
    let verdict = judged(&running).await;
    assert!(verdict.passed(), "{verdict:?}");
    assert!(verdict.noticed_after <= verdict.mended_after, "{verdict:?}");
    assert!(verdict.noticed_after.is_some());
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
    let running = demo::start(options(file.to_str().unwrap(), 5_000.0, 1))
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
do = "rollout"
set = "coditect-app/coditect-starter"
image = "us-docker.pkg.dev/coditect/ide/theia:does-not-exist"
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
