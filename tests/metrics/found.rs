//! Where figures come from: the simulated cluster, several candidates, none, not allowed, and a
//! real cluster.

use std::io::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use rstest::rstest;
use serde_json::json;
use wsdash::cluster::connect::{Interaction, Target};
use wsdash::demo::{self, Options};
use wsdash::domain::key::ObjectKey;
use wsdash::domain::metric::{Forecast, MetricsState, Source};
use wsdash::metrics::{Endpoint, Found, Measure, Series, Settings, Wanted, locate, range};

use super::server::{self, healthy, services, status};
use super::{Reading, client, connection, partial, round, settings, x};

const KUBECONFIG: &str = "WSDASH_E2E_KUBECONFIG";
const SPANS: [u64; 4] = [3600, 6 * 3600, 24 * 3600, 7 * 24 * 3600];

async fn simulated() -> demo::Running {
    let options = Options {
        start: Some(Timestamp::now()),
        ..Options::default()
    };
    demo::start(options).await.unwrap()
}

async fn found(settings: &Settings) -> Endpoint {
    match locate(settings, None).await.unwrap() {
        Found::One(endpoint) => endpoint,
        Found::Several(names) => panic!("several: {names:?}"),
        Found::Nothing => panic!("none"),
        Found::Denied(rule) => panic!("denied: {rule}"),
    }
}

fn known(series: &Series) -> usize {
    series
        .points
        .iter()
        .filter(|(_, value)| value.is_some())
        .count()
}

#[rstest]
#[case(false)]
#[case(true)]
#[tokio::test(flavor = "multi_thread")]
async fn the_simulated_prometheus_answers_every_query_either_way(#[case] by_address: bool) {
    let running = simulated().await;
    let connection = connection(&running.kubeconfig()).await;
    let settings = settings(connection.client, |config| {
        config.metrics.prometheus = by_address.then(|| running.prometheus_url());
    });
    let metrics = round(settings.clone()).await;
    assert_eq!(partial(&metrics), None, "no query is refused");
    let claim = ObjectKey::new("coditect-app", "workspace-coditect-pro-7");
    let disk = metrics.disk(&claim).unwrap();
    assert!((0.88..0.95).contains(&disk.share()), "{disk:?}");
    assert_eq!((disk.source, disk.fresh), (Source::Prometheus, true));
    assert!(disk.inodes.is_some());
    assert_ne!(disk.full_in, Forecast::Unknown, "its past is known");
    let pod = ObjectKey::new("coditect-app", "coditect-pro-7");
    let usage = metrics.usage(&pod).unwrap();
    assert!(usage.cpu.unwrap() > 0.0 && usage.memory.unwrap() > 0.0);

    let endpoint = found(&settings).await;
    for back in SPANS {
        let wanted = Wanted {
            claims: vec![claim.clone()],
            pod: Some(pod.clone()),
            back: Duration::from_secs(back),
            now: running.clock().now(),
            limit: Duration::from_secs(30),
        };
        let lines = range(&endpoint, &wanted).await.unwrap();
        let measures: Vec<Measure> = lines.iter().map(|line| line.measure).collect();
        let all = [Measure::DiskBytes, Measure::Cores, Measure::MemoryBytes];
        assert_eq!(measures, all);
        for line in &lines {
            assert!(line.points.len() <= 300, "{} points", line.points.len());
            assert!(known(line) > 0, "{} over {back} s", line.name);
        }
    }
    running.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_namespace_is_not_asked_about() {
    let running = simulated().await;
    let connection = connection(&running.kubeconfig()).await;
    let mut settings = settings(connection.client, |_| ());
    settings.namespace = Some("no-such-namespace".to_owned());
    let metrics = round(settings).await;
    assert_eq!(partial(&metrics), None);
    let claim = ObjectKey::new("coditect-app", "workspace-coditect-pro-7");
    assert_eq!(metrics.disk(&claim), None);
    running.shutdown().await;
}

#[tokio::test]
async fn of_several_candidates_none_is_taken_until_one_is_chosen() {
    let (address, log) = server::serve(|seen| async move {
        if seen.path == "/api/v1/services" {
            return server::json(200, &services(&["prom-a", "prom-b"]));
        }
        assert!(seen.path.contains("/proxy/api/v1/query"), "{}", seen.path);
        server::json(200, &healthy(&seen.form))
    })
    .await;
    let mut reading = Reading::start(settings(client(address).await, |_| ()));
    let asks = |state: &MetricsState| matches!(state, MetricsState::Choose { .. });
    reading.until("it asks", asks).await;
    let MetricsState::Choose { candidates } = reading.metrics.state() else {
        panic!("it asked a moment ago");
    };
    let names: Vec<String> = candidates.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["monitoring/prom-a:9090", "monitoring/prom-b:9090"]);
    let proxied = |name: &str| {
        let part = format!("http:{name}:9090/proxy");
        let log = log.lock().unwrap();
        log.iter().filter(|seen| seen.path.contains(&part)).count()
    };
    assert_eq!((proxied("prom-a"), proxied("prom-b")), (0, 0));

    reading.choice.send_replace(Some(names[1].clone()));
    let live = |state: &MetricsState| matches!(state, MetricsState::Live { .. });
    reading.until("the chosen one answers", live).await;
    assert_eq!(proxied("prom-a"), 0);
    assert!(proxied("prom-b") > 0);
    assert!(reading.metrics.disk(&x()).is_some());
}

#[tokio::test]
async fn a_proxy_that_is_forbidden_names_the_right() {
    let (address, _) = server::serve(|seen| async move {
        if seen.path == "/api/v1/services" {
            return server::json(200, &services(&["prom-a"]));
        }
        status(
            403,
            "Forbidden",
            "services \"http:prom-a:9090\" is forbidden: User \"ana\" cannot get resource \
             \"services/proxy\" in API group \"\" in the namespace \"monitoring\"",
        )
    })
    .await;
    let metrics = round(settings(client(address).await, |_| ())).await;
    match metrics.state() {
        MetricsState::Denied { rule } => assert!(rule.contains("services/proxy"), "{rule}"),
        other => panic!("not denied but {other:?}"),
    }
}

/// Neither a Prometheus nor the right to look for one; metrics.k8s.io may be there.
#[rstest]
#[case(true, true)]
#[case(false, true)]
#[case(true, false)]
#[case(false, false)]
#[tokio::test]
async fn without_prometheus_cpu_and_memory_come_from_metrics_k8s_io_or_nowhere(
    #[case] may_look: bool,
    #[case] has_api: bool,
) {
    let (address, _) = server::serve(move |seen| async move {
        match seen.path.as_str() {
            "/api/v1/services" if may_look => server::json(200, &services(&[])),
            "/api/v1/services" => status(
                403,
                "Forbidden",
                "services is forbidden: User \"ana\" cannot list resource \"services\" in API \
                 group \"\" at the cluster scope",
            ),
            "/apis/metrics.k8s.io/v1beta1/pods" if has_api => {
                let pod = json!({"metadata": {"name": "x", "namespace": "n"},
                    "timestamp": Timestamp::now().to_string(),
                    "containers": [{"name": "a", "usage": {"cpu": "250m", "memory": "1Mi"}}]});
                server::json(200, &json!({"items": [pod]}))
            }
            _ => status(404, "NotFound", "the server could not find the resource"),
        }
    })
    .await;
    let metrics = round(settings(client(address).await, |_| ())).await;
    if has_api {
        assert!(partial(&metrics).unwrap().contains("disks are not known"));
        let usage = metrics.usage(&x()).unwrap();
        assert_eq!(usage.source, Source::MetricsServer);
        assert_eq!((usage.cpu, usage.restarts), (Some(0.25), None));
        assert!(usage.fresh);
        assert_eq!(metrics.disk(&x()), None);
    } else {
        match metrics.state() {
            MetricsState::Off { why } if may_look => assert!(why.contains("was found"), "{why}"),
            MetricsState::Denied { rule } if !may_look => assert_eq!(&**rule, "list services"),
            other => panic!("neither off nor denied but {other:?}"),
        }
    }
}

#[tokio::test]
async fn figures_that_are_switched_off_ask_nobody() {
    let (address, log) = server::serve(|_| async { server::text(500, "") }).await;
    let metrics = round(settings(client(address).await, |config| {
        config.metrics.enabled = false;
    }))
    .await;
    assert!(matches!(metrics.state(), MetricsState::Off { .. }));
    assert_eq!(log.lock().unwrap().len(), 0);
}

/// Only reads; the cluster's own Prometheus is the pod that is asked about.
#[tokio::test(flavor = "multi_thread")]
async fn the_prometheus_of_a_real_cluster_is_found_and_answers_every_query() {
    let Some(path) = std::env::var_os(KUBECONFIG) else {
        // not through print!, which the test harness keeps to itself
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: figures of a real cluster: {KUBECONFIG} is not set"
        );
        return;
    };
    drop(rustls::crypto::ring::default_provider().install_default());
    let target = Target {
        kubeconfig: Some(path.into()),
        run: "tests".to_owned(),
        ..Target::default()
    };
    let connection = wsdash::cluster::connect::connect(&target, Interaction::Never)
        .await
        .unwrap();
    let settings = settings(connection.client, |_| ());
    let metrics = round(settings.clone()).await;
    assert_eq!(partial(&metrics), None, "no query is refused");
    let pod = ObjectKey::new("monitoring", "prometheus-0");
    let usage = metrics.usage(&pod).unwrap();
    assert!(usage.memory.unwrap() > 1e6, "{usage:?}");
    assert!(usage.fresh);
    assert_eq!(usage.restarts, None, "it has no kube-state-metrics");

    let endpoint = found(&settings).await;
    for back in SPANS {
        let wanted = Wanted {
            claims: Vec::new(),
            pod: Some(pod.clone()),
            back: Duration::from_secs(back),
            now: Timestamp::now(),
            limit: Duration::from_secs(30),
        };
        let lines = range(&endpoint, &wanted).await.unwrap();
        assert_eq!(lines.len(), 2);
        assert!(lines.iter().all(|line| line.points.len() <= 300));
        assert!(lines.iter().all(|line| known(line) > 0), "{lines:?}");
    }
}
