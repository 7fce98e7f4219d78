//! One look at the cluster: every kind is listed once, joined and judged.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::cluster::connect::Connection;
use crate::cluster::watch::{KINDS, Watch};
use crate::domain::board::Board;
use crate::domain::inventory::Inventory;
use crate::domain::key::Kind;
use crate::domain::metric::Metrics;
use crate::domain::policy::Policy;

#[derive(Debug)]
pub(super) struct Picture {
    pub(super) at: Timestamp,
    pub(super) place: String,
    pub(super) inventory: Inventory,
    pub(super) metrics: Metrics,
    pub(super) board: Board,
    pub(super) policy: Policy,
}

impl Picture {
    pub(super) async fn take(connection: &Connection, policy: Policy) -> Self {
        // One page of each kind may wait here; a slower reader slows the lists down.
        let (changes, mut arriving) = mpsc::channel(KINDS.len());
        let shared = Arc::new(policy.clone());
        for kind in KINDS {
            let watch = Watch {
                client: connection.client.clone(),
                kind,
                namespace: connection.namespace.namespace().map(str::to_owned),
                policy: Arc::clone(&shared),
                changes: changes.clone(),
                cancel: CancellationToken::new(),
                health: None,
            };
            // It ends with its list, or when `arriving` is dropped.
            tokio::spawn(async move { watch.list_once().await });
        }
        drop(changes);
        let mut inventory = Inventory::new(policy.claim_templates.clone());
        while let Some(change) = arriving.recv().await {
            inventory.apply(change);
        }
        let mut picture = Self {
            at: Timestamp::now(),
            place: format!("{} @ {}", connection.namespace, connection.context),
            inventory,
            metrics: Metrics::default(),
            board: Board::default(),
            policy,
        };
        picture.judge();
        picture
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
