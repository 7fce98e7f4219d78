//! One look at the cluster: every kind is listed once, joined and judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::connect::Connection;
use crate::cluster::feed::{Beat, Feed};
use crate::cluster::watch::{KINDS, Watch};
use crate::config::Config;
use crate::domain::board::Board;
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Change, Inventory};
use crate::domain::key::Kind;
use crate::domain::metric::{Metrics, MetricsChange, MetricsState};
use crate::domain::policy::Policy;
use crate::metrics::{self, Poll, Settings};

/// What has lasted too long becomes a finding although nothing happens: judged this often.
const IDLE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Picture {
    pub(super) at: Timestamp,
    pub(super) place: String,
    pub(super) context: String,
    pub(super) namespace: Option<String>,
    pub(super) inventory: Inventory,
    pub(super) metrics: Metrics,
    pub(super) board: Board,
    pub(super) policy: Policy,
}

impl Picture {
    pub(super) async fn take(connection: &Connection, config: &Arc<Config>) -> Self {
        let policy = config.policy();
        // One page of each kind may wait here; a slower reader slows the lists down.
        let (changes, mut arriving) = mpsc::channel(KINDS.len());
        let shared = Arc::new(policy.clone());
        let wanted = &config.connection;
        let reading = connection.reading(wanted.page_size, wanted.heartbeat);
        for kind in KINDS {
            let watch = Watch {
                client: connection.client.clone(),
                kind,
                namespace: connection.namespace.namespace().map(str::to_owned),
                policy: Arc::clone(&shared),
                changes: changes.clone(),
                cancel: CancellationToken::new(),
                reading,
                health: None,
            };
            // It ends with its list, or when `arriving` is dropped.
            tokio::spawn(async move { watch.list_once().await });
        }
        drop(changes);
        let mut inventory = Inventory::new(policy.claim_templates.clone());
        let read = async {
            while let Some(change) = arriving.recv().await {
                inventory.apply(change);
            }
        };
        let ((), metrics) = tokio::join!(read, read_metrics(connection, config));
        let mut picture = Self::empty(connection, policy);
        picture.inventory = inventory;
        picture.metrics = metrics;
        picture.judge();
        picture
    }

    fn empty(connection: &Connection, policy: Policy) -> Self {
        Self {
            at: Timestamp::now(),
            place: format!("{} @ {}", connection.namespace, connection.context),
            context: connection.context.clone(),
            namespace: connection.namespace.namespace().map(str::to_owned),
            inventory: Inventory::new(policy.claim_templates.clone()),
            metrics: Metrics::default(),
            board: Board::default(),
            policy,
        }
    }

    /// Whether a verdict may lack something. An API that the cluster has not hides nothing.
    pub(super) fn is_incomplete(&self) -> bool {
        let freshness = self.inventory.freshness();
        KINDS.into_iter().any(|kind| {
            !matches!(
                freshness.get(kind),
                Freshness::Live | Freshness::Absent { .. } | Freshness::Off { .. }
            )
        })
    }

    /// What of the figures is missing, in words.
    pub(super) fn metrics_gap(&self) -> Option<String> {
        match self.metrics.state() {
            MetricsState::Live { partial: None, .. } => None,
            MetricsState::Never => Some("nobody answered".into()),
            MetricsState::Live {
                partial: Some(why), ..
            }
            | MetricsState::Stale { why, .. }
            | MetricsState::Off { why } => Some(why.to_string()),
            MetricsState::Denied { rule } => Some(format!("denied, {rule}")),
            MetricsState::Choose { candidates } => Some(format!(
                "several Prometheus services were found ({}); name one in [metrics.service]",
                candidates.join(", ")
            )),
        }
    }

    fn judge(&mut self) {
        loop {
            self.board
                .refresh(&mut self.inventory, &self.metrics, &self.policy, self.at);
            if !self.board.is_pending() {
                return;
            }
        }
    }

    /// Kinds that are not known completely, with the reason.
    pub(super) fn gaps(&self) -> Vec<(Kind, String)> {
        let gap = |kind: Kind| {
            let freshness = self.inventory.freshness().get(kind);
            (!freshness.is_live()).then(|| {
                let why = freshness
                    .why()
                    .map_or_else(String::new, |why| format!(", {why}"));
                (kind, format!("{}{why}", freshness.word()))
            })
        };
        KINDS.into_iter().filter_map(gap).collect()
    }
}

/// One round of figures.
async fn read_metrics(connection: &Connection, config: &Arc<Config>) -> Metrics {
    metrics::once(settings(connection, config)).await
}

/// What figures are asked with.
pub(super) fn settings(connection: &Connection, config: &Arc<Config>) -> Settings {
    Settings::new(
        Arc::clone(config),
        connection.client.clone(),
        connection.namespace.namespace().map(str::to_owned),
    )
}

/// A picture that is kept current.
pub(super) struct Live {
    picture: Picture,
    changes: mpsc::Receiver<Change>,
    samples: mpsc::Receiver<MetricsChange>,
    _choice: watch::Sender<Option<String>>,
    /// Nobody draws the link here: what it means for the rows is in their freshness.
    beats: mpsc::Receiver<Beat>,
    _feed: Feed,
    _poll: AbortOnDropHandle<()>,
}

impl Live {
    pub(super) fn start(connection: &Connection, config: &Arc<Config>) -> Self {
        let policy = config.policy();
        let (changes, changed) = mpsc::channel(KINDS.len());
        let (beat, beats) = mpsc::channel(1);
        let namespace = connection.namespace.namespace();
        let shared = Arc::new(policy.clone());
        let wanted = &config.connection;
        let feed = Feed::start(
            connection.client.clone(),
            namespace,
            (
                &shared,
                connection.reading(wanted.page_size, wanted.heartbeat),
            ),
            &changes,
            beat,
        );
        let (samples, sampled) = mpsc::channel(4);
        let (choice, chosen) = watch::channel(None);
        let poll = Poll::new(settings(connection, config), samples, chosen);
        Self {
            picture: Picture::empty(connection, policy),
            changes: changed,
            samples: sampled,
            _choice: choice,
            beats,
            _feed: feed,
            _poll: AbortOnDropHandle::new(tokio::spawn(poll.run())),
        }
    }

    /// Waits for a change, takes in what comes within `pause` after it, and judges. Time alone
    /// changes verdicts too, so it waits no longer than [`IDLE`].
    pub(super) async fn changed(&mut self, pause: Duration) {
        let mut until: Option<tokio::time::Instant> = None;
        let idle = tokio::time::Instant::now() + IDLE;
        loop {
            let over = until.unwrap_or(idle);
            tokio::select! {
                () = tokio::time::sleep_until(over) => break,
                Some(change) = self.changes.recv() => self.picture.inventory.apply(change),
                Some(change) = self.samples.recv() => {
                    self.picture.metrics.apply(change);
                    self.picture.inventory.mark_all();
                }
                Some(_) = self.beats.recv() => continue,
                else => std::future::pending().await,
            }
            until.get_or_insert_with(|| tokio::time::Instant::now() + pause);
        }
        self.picture.at = Timestamp::now();
        self.picture.judge();
    }

    pub(super) const fn picture(&self) -> &Picture {
        &self.picture
    }
}
