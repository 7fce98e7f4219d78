//! Everything that reads one namespace (or all) through one connection: a watch for every kind,
//! and the heartbeat that notices when the server is gone although no connection broke. Dropping
//! the feed ends all of it. Must not keep rows.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::fault::{Fault, FaultKind, within};
use super::watch::{KINDS, Watch};
use crate::domain::inventory::Change;
use crate::domain::key::Text;
use crate::domain::policy::Policy;

/// Between two heartbeats, and how long one may take.
const BEAT: Duration = Duration::from_secs(5);
const BEAT_LIMIT: Duration = Duration::from_secs(5);

/// Whether the server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    Up {
        at: Timestamp,
    },
    /// It does not: since the last time that it did.
    Lost {
        since: Timestamp,
        why: Text,
        next: Text,
        retry_at: Option<Timestamp>,
    },
}

/// What the watches must know of the heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Health {
    /// When the server answered last.
    pub(crate) known_good: Timestamp,
    /// Why it does not now.
    pub(crate) lost: Option<Text>,
}

/// The tasks that read.
#[derive(Debug)]
pub struct Feed {
    _cancel: DropGuard,
}

impl Feed {
    /// Starts to read. Needs a tokio runtime. Ends by itself when nobody listens.
    pub fn start(
        client: Client,
        namespace: Option<&str>,
        policy: &Arc<Policy>,
        changes: &mpsc::Sender<Change>,
        beats: mpsc::Sender<Beat>,
    ) -> Self {
        let cancel = CancellationToken::new();
        let (health, known) = watch::channel(Health {
            known_good: Timestamp::now(),
            lost: None,
        });
        for kind in KINDS {
            let reader = Watch {
                client: client.clone(),
                kind,
                namespace: namespace.map(str::to_owned),
                policy: Arc::clone(policy),
                changes: changes.clone(),
                cancel: cancel.clone(),
                health: Some(known.clone()),
            };
            tokio::spawn(reader.run());
        }
        let until = cancel.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                _ = beat(client, beats, health) => {}
            }
        });
        Self {
            _cancel: cancel.drop_guard(),
        }
    }
}

/// Asks the server for ever whether it is there. `None`: nobody listens.
async fn beat(
    client: Client,
    beats: mpsc::Sender<Beat>,
    health: watch::Sender<Health>,
) -> Option<()> {
    let mut was_lost = None;
    loop {
        let asked = Timestamp::now();
        let fault = ask(&client).await.err();
        if let Some(fault) = fault {
            if was_lost.is_none() {
                tracing::warn!(%fault, "the API server does not answer");
            }
            let why: Text = fault.sentence.as_str().into();
            let pause = SignedDuration::try_from(BEAT).unwrap_or_default();
            let lost = Beat::Lost {
                since: health.borrow().known_good,
                why: Arc::clone(&why),
                next: fault.next.as_str().into(),
                retry_at: Some(Timestamp::now() + pause),
            };
            health.send_modify(|h| h.lost = Some(why));
            was_lost = Some(());
            beats.send(lost).await.ok()?;
        } else {
            health.send_modify(|h| {
                h.known_good = asked;
                h.lost = None;
            });
            if was_lost.take().is_some() {
                tracing::info!("the API server answers again");
            }
            beats.send(Beat::Up { at: asked }).await.ok()?;
        }
        tokio::time::sleep(BEAT).await;
    }
}

async fn ask(client: &Client) -> Result<(), Fault> {
    // Answered by nearly every server to everybody, and cheap.
    let request = http::Request::get("/version")
        .body(Vec::new())
        .map_err(|error| Fault::of_error(&error, "asking the API server"))?;
    let answer = client.request_text(request);
    match within(BEAT_LIMIT, "asking the API server", answer).await {
        // It answers, only not to this question.
        Err(fault) if matches!(fault.kind, FaultKind::Forbidden | FaultKind::NotFound) => Ok(()),
        other => other.map(drop),
    }
}
