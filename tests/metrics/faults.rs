//! A Prometheus that misbehaves: what fails is told, what is known is kept, nothing is invented.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use wsdash::config::Credential;
use wsdash::domain::metric::{Forecast, MetricsState};

use super::server::{self, healthy, nothing, vector};
use super::{CEILING, Reading, client, direct, partial, round, settings, stale, x};

/// Must go to one origin and never into a sentence.
const TOKEN: &str = "hunter2-Correct-Horse-9";

#[tokio::test]
async fn a_round_asks_a_handful_of_queries_and_none_a_row() {
    let (address, log) = server::serve(|seen| async move {
        if seen.form.contains("available_bytes") && !seen.form.contains("deriv") {
            let many: Vec<_> = (0..2000)
                .map(|n| {
                    json!({"metric": {"namespace": "n", "persistentvolumeclaim": format!("c{n}")},
                        "value": [1_700_000_000, "1"]})
                })
                .collect();
            let body = json!({"status": "success",
                "data": {"resultType": "vector", "result": many}});
            return server::json(200, &body);
        }
        server::json(200, &healthy(&seen.form))
    })
    .await;
    round(direct(address).await).await;
    let asked = log.lock().unwrap().len();
    assert!((1..=12).contains(&asked), "{asked} queries");
}

#[tokio::test]
async fn every_figure_of_a_healthy_source_arrives() {
    let (address, _) =
        server::serve(|seen| async move { server::json(200, &healthy(&seen.form)) }).await;
    let metrics = round(direct(address).await).await;
    assert_eq!(partial(&metrics), None);
    let disk = metrics.disk(&x()).unwrap();
    assert!(disk.fresh);
    assert!((disk.share() - 0.6).abs() < 1e-9, "{disk:?}");
    assert_eq!(disk.inodes, Some(0.25));
    assert_eq!(
        disk.full_in,
        Forecast::In(jiff::SignedDuration::from_secs(4_000_000))
    );
    let usage = metrics.usage(&x()).unwrap();
    assert_eq!((usage.cpu, usage.memory), (Some(0.5), Some(1e9)));
    assert_eq!((usage.throttled, usage.restarts), (Some(0.1), Some(2.0)));
}

#[tokio::test]
async fn restarts_without_kube_state_metrics_are_unknown_and_not_zero() {
    let (address, _) = server::serve(|seen| async move {
        let body = if seen.form.contains("kube_pod_") {
            nothing()
        } else {
            healthy(&seen.form)
        };
        server::json(200, &body)
    })
    .await;
    let metrics = round(direct(address).await).await;
    let usage = metrics.usage(&x()).unwrap();
    assert_eq!(usage.restarts, None);
    assert_eq!(usage.cpu, Some(0.5));
}

#[rstest]
#[case("NaN")]
#[case("+Inf")]
#[case("-Inf")]
#[tokio::test]
async fn what_is_no_number_is_unknown(#[case] value: &'static str) {
    let (address, _) = server::serve(move |seen| async move {
        let body = if seen.form.contains("working_set") {
            vector("pod", value)
        } else if seen.form.contains("capacity_bytes") && !seen.form.contains("changes") {
            vector("persistentvolumeclaim", value)
        } else {
            healthy(&seen.form)
        };
        server::json(200, &body)
    })
    .await;
    let metrics = round(direct(address).await).await;
    assert_eq!(metrics.usage(&x()).unwrap().memory, None);
    assert_eq!(metrics.disk(&x()), None, "a size is not guessed");
}

/// Where the past allows no forecast, Prometheus answers the question for it with nothing.
#[tokio::test]
async fn without_a_rate_there_is_no_forecast() {
    let (address, _) = server::serve(|seen| async move {
        let mut body = healthy(&seen.form);
        if seen.form.contains("deriv") {
            body["data"]["result"] = json!([]);
        }
        server::json(200, &body)
    })
    .await;
    let metrics = round(direct(address).await).await;
    assert_eq!(metrics.disk(&x()).unwrap().full_in, Forecast::Unknown);
}

#[tokio::test]
async fn a_value_read_long_ago_is_shown_but_is_not_fresh() {
    let (address, _) = server::serve(|seen| async move {
        let body = if seen.form.contains("timestamp") {
            let then = jiff::Timestamp::now().as_second() - 3600;
            vector("persistentvolumeclaim", &then.to_string())
        } else {
            healthy(&seen.form)
        };
        server::json(200, &body)
    })
    .await;
    let metrics = round(direct(address).await).await;
    let disk = metrics.disk(&x()).unwrap();
    assert!(!disk.fresh, "{disk:?}");
    assert!((disk.share() - 0.6).abs() < 1e-9);
}

#[tokio::test]
async fn one_query_that_fails_is_named_and_the_others_count() {
    let (address, _) = server::serve(|seen| async move {
        if seen.form.contains("working_set") {
            let body = json!({"status": "error", "errorType": "execution", "error": "too many"});
            return server::json(422, &body);
        }
        server::json(200, &healthy(&seen.form))
    })
    .await;
    let metrics = round(direct(address).await).await;
    let missing = partial(&metrics).unwrap();
    assert!(missing.contains("memory"), "{missing}");
    assert!(missing.contains("too many"), "{missing}");
    assert_eq!(metrics.usage(&x()).unwrap().memory, None);
    assert!(metrics.disk(&x()).unwrap().fresh);
}

#[tokio::test]
async fn warnings_of_a_store_make_the_answer_partial() {
    let (address, _) = server::serve(|seen| async move {
        let mut body = healthy(&seen.form);
        body["warnings"] = json!(["store-1 is down"]);
        server::json(200, &body)
    })
    .await;
    let metrics = round(direct(address).await).await;
    assert_eq!(partial(&metrics).as_deref(), Some("store-1 is down"));
}

#[rstest]
#[case(200, "<html>please log in</html>")]
#[case(200, "{\"status\":\"success\",\"data\":{\"resultType\":\"vec")]
#[case(200, "")]
#[case(502, "<html>bad gateway</html>")]
#[case(401, "")]
#[tokio::test]
async fn an_answer_that_is_none_makes_stale_and_no_figure(
    #[case] code: u16,
    #[case] body: &'static str,
) {
    let (address, _) = server::serve(move |_| async move { server::text(code, body) }).await;
    let metrics = round(direct(address).await).await;
    let why = stale(&metrics);
    assert!(why.contains(&address.to_string()), "{why}");
    assert!(!why.contains("html"), "{why}");
    assert_eq!(metrics.disk(&x()), None);
    assert_eq!(metrics.usage(&x()), None);
}

#[tokio::test]
async fn a_prometheus_that_hangs_ends_at_the_limit() {
    let (address, _) = server::serve(|_| std::future::pending()).await;
    let mut settings = direct(address).await;
    let mut config = (*settings.config).clone();
    config.metrics.timeout = Duration::from_millis(200);
    settings.config = Arc::new(config);
    let why = stale(&round(settings).await);
    assert!(why.contains("no answer within"), "{why}");
}

#[tokio::test]
async fn a_reader_whom_nobody_hears_ends_although_prometheus_hangs() {
    let (address, log) = server::serve(|_| std::future::pending()).await;
    let mut settings = direct(address).await;
    let mut config = (*settings.config).clone();
    config.metrics.timeout = Duration::from_secs(3600);
    settings.config = Arc::new(config);
    let Reading { arriving, task, .. } = Reading::start(settings);
    let asked = async {
        while log.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(CEILING, asked).await.unwrap();
    drop(arriving);
    tokio::time::timeout(CEILING, task).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_credential_stays_with_its_origin_when_a_redirect_points_away() {
    let (elsewhere, stolen) =
        server::serve(|seen| async move { server::json(200, &healthy(&seen.form)) }).await;
    let (address, log) = server::serve(move |seen| async move {
        let to = format!("http://{elsewhere}{}", seen.path);
        axum::response::IntoResponse::into_response(axum::response::Redirect::temporary(&to))
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let base = format!("http://{address}");
    let settings = settings(client("127.0.0.1:1").await, |config| {
        config.metrics.prometheus = Some(base.clone());
        let credential = Credential {
            bearer_file: Some(file),
            ..Credential::default()
        };
        config.metrics.credentials.insert(base, credential);
    });
    let metrics = round(settings).await;
    let why = stale(&metrics);
    assert!(why.contains("another address"), "{why}");
    assert!(!why.contains("hunter2"), "{why}");
    assert_eq!(stolen.lock().unwrap().len(), 0, "nobody follows a redirect");
    let log = log.lock().unwrap();
    let sent = format!("Bearer {TOKEN}");
    assert!(!log.is_empty());
    assert!(log.iter().all(|seen| seen.headers["authorization"] == sent));
}

#[tokio::test]
async fn a_credential_of_another_origin_is_not_sent() {
    let (address, log) =
        server::serve(|seen| async move { server::json(200, &healthy(&seen.form)) }).await;
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("token");
    std::fs::write(&file, TOKEN).unwrap();
    let settings = settings(client("127.0.0.1:1").await, |config| {
        config.metrics.prometheus = Some(format!("http://{address}"));
        let credential = Credential {
            bearer_file: Some(file),
            ..Credential::default()
        };
        // the same host, another port
        let other = "http://127.0.0.1:1".to_owned();
        config.metrics.credentials.insert(other, credential);
    });
    assert_eq!(partial(&round(settings).await), None);
    let log = log.lock().unwrap();
    assert!(!log.is_empty());
    assert!(log.iter().all(|s| !s.headers.contains_key("authorization")));
}

#[tokio::test]
async fn what_is_known_stays_while_prometheus_is_gone_and_it_comes_back_by_itself() {
    let gone = Arc::new(AtomicBool::new(false));
    let switch = Arc::clone(&gone);
    let (address, _) = server::serve(move |seen| {
        let gone = gone.load(Ordering::SeqCst);
        async move {
            if gone {
                server::text(503, "")
            } else {
                server::json(200, &healthy(&seen.form))
            }
        }
    })
    .await;
    let live = |state: &MetricsState| matches!(state, MetricsState::Live { .. });
    let mut reading = Reading::start(direct(address).await);
    reading.until("it answers", live).await;
    let MetricsState::Live { at, .. } = *reading.metrics.state() else {
        panic!("it was live a moment ago");
    };

    switch.store(true, Ordering::SeqCst);
    let is_stale = |state: &MetricsState| matches!(state, MetricsState::Stale { .. });
    reading.until("it is gone", is_stale).await;
    let MetricsState::Stale { since, .. } = *reading.metrics.state() else {
        panic!("it was stale a moment ago");
    };
    assert!(since >= at, "as of the last answer");
    reading.until("it is still gone", is_stale).await;
    assert!(
        matches!(reading.metrics.state(), MetricsState::Stale { since: still, .. } if *still == since),
        "the time does not move: {:?}",
        reading.metrics.state()
    );
    assert!((reading.metrics.disk(&x()).unwrap().share() - 0.6).abs() < 1e-9);
    assert!(!reading.metrics.is_live());

    switch.store(false, Ordering::SeqCst);
    reading.until("it answers again", live).await;
    assert!(reading.metrics.disk(&x()).unwrap().fresh);
}

#[tokio::test]
async fn a_source_that_never_answered_is_stale_since_the_first_time_it_failed() {
    let (address, _) = server::serve(|_| async { server::text(503, "") }).await;
    let mut reading = Reading::start(direct(address).await);
    let mut times = Vec::new();
    for _ in 0..3 {
        reading.until("it fails", |_| true).await;
        let MetricsState::Stale { since, .. } = *reading.metrics.state() else {
            panic!("not stale but {:?}", reading.metrics.state());
        };
        times.push(since);
    }
    times.dedup();
    assert_eq!(times.len(), 1, "{times:?}");
}
