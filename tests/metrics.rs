//! Figures over real HTTP: from the simulated cluster, from small servers that misbehave, and from
//! a real cluster when one is named.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic")]

#[path = "metrics/faults.rs"]
mod faults;
#[path = "metrics/found.rs"]
mod found;
#[path = "metrics/past.rs"]
mod past;
#[path = "metrics/server.rs"]
mod server;

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, watch};
use wsdash::cluster::connect::{Connection, Environment, Interaction, Target, connect_in};
use wsdash::config::Config;
use wsdash::domain::key::ObjectKey;
use wsdash::domain::metric::{Metrics, MetricsChange, MetricsState};
use wsdash::metrics::{Poll, Settings};

const CEILING: Duration = Duration::from_secs(60);

/// A connection by the text of a kubeconfig.
async fn connection(kubeconfig: &str) -> Connection {
    // The crate comes without a provider for TLS, and wants one even for plain HTTP.
    drop(rustls::crypto::ring::default_provider().install_default());
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("config");
    std::fs::write(&path, kubeconfig).unwrap();
    let target = Target {
        kubeconfig: Some(path),
        ..Target::default()
    };
    connect_in(&target, Interaction::Never, &Environment::default())
        .await
        .unwrap()
}

/// A client of the API server at `address`; for a direct Prometheus any address does.
async fn client(address: impl std::fmt::Display) -> Client {
    let kubeconfig = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: lab\n\
         clusters:\n- {{name: lab, cluster: {{server: 'http://{address}'}}}}\n\
         users:\n- {{name: lab, user: {{}}}}\n\
         contexts:\n- {{name: lab, context: {{cluster: lab, user: lab}}}}\n"
    );
    connection(&kubeconfig).await.client
}

fn settings(client: Client, change: impl FnOnce(&mut Config)) -> Settings {
    let mut config = Config::default();
    config.metrics.interval = Duration::from_millis(50);
    change(&mut config);
    Settings::new(Arc::new(config), client, None)
}

/// Settings for the Prometheus at `address`.
async fn direct(address: impl std::fmt::Display) -> Settings {
    let address = format!("http://{address}");
    settings(client("127.0.0.1:1").await, |config| {
        config.metrics.prometheus = Some(address);
    })
}

/// What one full round says.
async fn round(settings: Settings) -> Metrics {
    let (changes, mut arriving) = mpsc::channel(4);
    let (_choice, chosen) = watch::channel(None);
    let mut metrics = Metrics::default();
    let read = async {
        while let Some(change) = arriving.recv().await {
            metrics.apply(change);
        }
    };
    let both = async { tokio::join!(Poll::new(settings, changes, chosen).take(), read) };
    tokio::time::timeout(CEILING, both)
        .await
        .unwrap_or_else(|_| panic!("a round did not end within {CEILING:?}"));
    metrics
}

/// A reader that goes on, and what it said so far.
struct Reading {
    metrics: Metrics,
    arriving: mpsc::Receiver<MetricsChange>,
    choice: watch::Sender<Option<String>>,
    task: tokio::task::JoinHandle<()>,
}

impl Reading {
    fn start(settings: Settings) -> Self {
        let (changes, arriving) = mpsc::channel(4);
        let (choice, chosen) = watch::channel(None);
        Self {
            metrics: Metrics::default(),
            arriving,
            choice,
            task: tokio::spawn(Poll::new(settings, changes, chosen).run()),
        }
    }

    /// Reads on until the state is as wanted.
    async fn until(&mut self, what: &str, holds: impl Fn(&MetricsState) -> bool) {
        let wait = async {
            loop {
                let change = self.arriving.recv().await.unwrap();
                let told = matches!(change, MetricsChange::State(_));
                self.metrics.apply(change);
                if told && holds(self.metrics.state()) {
                    return;
                }
            }
        };
        let waited = tokio::time::timeout(CEILING, wait).await;
        assert!(waited.is_ok(), "{what}: {:?}", self.metrics.state());
    }
}

/// The one object that the small servers know.
fn x() -> ObjectKey {
    ObjectKey::new("n", "x")
}

/// Why the samples are stale.
fn stale(metrics: &Metrics) -> String {
    match metrics.state() {
        MetricsState::Stale { why, .. } => why.to_string(),
        other => panic!("not stale but {other:?}"),
    }
}

/// What is missing of a live answer.
fn partial(metrics: &Metrics) -> Option<String> {
    match metrics.state() {
        MetricsState::Live { partial, .. } => partial.as_ref().map(ToString::to_string),
        other => panic!("not live but {other:?}"),
    }
}
