//! For how long claims lie unused: what a history proves, and what it does not.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::StatefulSet;
use kube::Api;
use kube::api::{Patch, PatchParams};
use rstest::rstest;
use serde_json::{Value, json};
use wsdash::demo::{self, Options};
use wsdash::domain::history::{History, Past};
use wsdash::domain::key::ObjectKey;
use wsdash::metrics::{Settings, look_back};

use super::server::{self, healthy, nothing};
use super::{client, connection, settings, x};

const DAYS: i64 = 24;

async fn history(settings: &Settings) -> History {
    match look_back(settings, None).await {
        Past::Read(history) => history,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_prometheus_tells_who_was_not_used() {
    let running = demo::start(Options::default()).await.unwrap();
    let client = connection(&running.kubeconfig()).await.client;
    let over = |hours: i64| {
        settings(client.clone(), |config| {
            config.orphans.inactive = SignedDuration::from_hours(hours);
        })
    };
    let found = history(&over(5 * DAYS)).await;
    assert!(found.covered >= 0.95, "{}", found.covered);
    let span = found.to.duration_since(found.from);
    assert!(span >= SignedDuration::from_hours(5 * DAYS), "{span:?}");
    let of = |name: &str| found.last.get(&ObjectKey::new("coditect-app", name));
    let used = of("workspace-coditect-pro-7").copied().unwrap();
    assert!(found.to.duration_since(used) < SignedDuration::from_hours(1));
    assert_eq!(of("workspace-coditect-starter-22"), None, "it is parked");

    // it remembers two weeks
    let found = history(&over(90 * DAYS)).await;
    assert!(found.covered < 0.2, "{}", found.covered);
    running.shutdown().await;
}

/// Whole hours are the points of a long look back; what was used between two of them is told to the
/// sample.
#[tokio::test(flavor = "multi_thread")]
async fn a_use_that_ended_minutes_ago_is_told_to_the_sample() {
    let options = Options {
        speed: 30.0,
        start: Some("2026-03-02T09:05:00Z".parse().unwrap()),
        ..Options::default()
    };
    let running = demo::start(options).await.unwrap();
    let client = connection(&running.kubeconfig()).await.client;
    let sets: Api<StatefulSet> = Api::namespaced(client.clone(), "coditect-app");
    let none = Patch::Merge(json!({"spec": {"replicas": 0}}));
    let params = PatchParams::default();
    sets.patch_scale("coditect-pro", &params, &none)
        .await
        .unwrap();
    let settings = settings(client, |config| {
        config.orphans.inactive = SignedDuration::from_secs(1);
    });
    let claim = ObjectKey::new("coditect-app", "workspace-coditect-pro-7");
    let ten: Timestamp = "2026-03-02T10:00:00Z".parse().unwrap();
    loop {
        let found = history(&settings).await;
        assert!(found.to < ten, "all of it lies before the next whole hour");
        let last = found.last.get(&claim).copied().unwrap();
        if found.to.duration_since(last) > SignedDuration::from_mins(5) {
            break;
        }
    }
    running.shutdown().await;
}

/// What does not answer in full proves nothing, and says why.
#[rstest]
#[case::no_kubelets(&|form: &str| if form.contains("count_over_time") { nothing() } else { healthy(form) }, "no samples of kubelets")]
#[case::a_store_is_away(&|form: &str| {
    let mut answer = healthy(form);
    answer["warnings"] = json!(["store down"]);
    answer
}, "store down")]
#[case::too_dear(&|_: &str| json!({"status": "error", "errorType": "execution", "error": "too many samples"}), "too many samples")]
#[tokio::test]
async fn what_is_not_answered_in_full_is_not_known(
    #[case] answer: &'static (dyn Fn(&str) -> Value + Sync),
    #[case] why: &str,
) {
    let serve = move |seen: server::Seen| async move { server::json(200, &answer(&seen.form)) };
    let (address, _) = server::serve(serve).await;
    let settings = super::direct(address).await;
    match look_back(&settings, None).await {
        Past::Failed { why: said } => assert!(said.contains(why), "{said}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_share_of_the_points_is_a_share_of_the_time() {
    let serve = |seen: server::Seen| async move { server::json(200, &healthy(&seen.form)) };
    let (address, _) = server::serve(serve).await;
    let mut settings = super::direct(address).await;
    let config = std::sync::Arc::make_mut(&mut settings.config);
    // 200 points with the one at its edge, of which 100 are there
    config.orphans.inactive = SignedDuration::from_hours(199);
    let found = history(&settings).await;
    assert!((found.covered - 0.5).abs() < 1e-9, "{}", found.covered);
    assert!(found.last.contains_key(&x()));
}

#[tokio::test]
async fn where_nobody_may_be_asked_it_says_so() {
    let settings = settings(client("127.0.0.1:1").await, |config| {
        config.metrics.enabled = false;
    });
    let Past::Failed { why } = look_back(&settings, None).await else {
        panic!("nobody can answer");
    };
    assert_eq!(&*why, "metrics.enabled is false");
}
