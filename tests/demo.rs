//! The simulated cluster as a whole: repeatable, judged, bounded.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

use std::time::Duration;

use rstest::rstest;
use serde_json::Value;
use wsdash::demo::{self, Options};

const CEILING: Duration = Duration::from_secs(60);

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

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_day_leaves_no_more_behind_than_an_hour_did() {
    let running = demo::start(options("morning", 20_000.0, 1)).await.unwrap();
    simulated(&running, 7200.0).await;
    let early = running.footprint();
    simulated(&running, 26.0 * 3600.0).await;
    let late = running.footprint();
    assert!(
        late <= early + early / 10,
        "{early} things were kept after two hours, {late} after a day"
    );
    running.shutdown().await;
}

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
