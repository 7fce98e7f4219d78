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
use super::watch::pace::Pace;
use super::watch::{KINDS, Reading, Watch};
use crate::domain::inventory::Change;
use crate::domain::key::Text;
use crate::domain::policy::Policy;

/// How long a heartbeat may take.
const BEAT_LIMIT: Duration = Duration::from_secs(5);
/// Between two while nobody answers: who comes back is noticed soon.
const LOST_BEAT: Duration = Duration::from_secs(3);

/// What is asked. The first also says whether the server can reach its own storage; the second is
/// open to everybody nearly everywhere.
const QUESTIONS: [&str; 2] = ["/readyz", "/version"];

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
        (policy, reading): (&Arc<Policy>, Reading),
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
                reading,
                health: Some(known.clone()),
            };
            tokio::spawn(reader.run());
        }
        let until = cancel.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = until.cancelled() => {}
                _ = beat(client, reading.beat, beats, health) => {}
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
    every: Duration,
    beats: mpsc::Sender<Beat>,
    health: watch::Sender<Health>,
) -> Option<()> {
    let mut was_lost = false;
    let mut pace = Pace::default();
    let mut question = QUESTIONS[0];
    loop {
        let asked = Timestamp::now();
        let mut answer = ask(&client, question).await;
        if answer.as_ref().is_err_and(is_other_question) && question != QUESTIONS[1] {
            question = QUESTIONS[1];
            answer = ask(&client, question).await;
        }
        let pause = if let Err(fault) = answer.or_else(not_this_question) {
            if !was_lost {
                tracing::warn!(%fault, "the API server does not answer");
            }
            was_lost = true;
            let why: Text = fault.sentence.as_str().into();
            let asks = fault.retry_after.unwrap_or_default().min(4 * every);
            let pause = pace.pause(LOST_BEAT.min(every), every).max(asks);
            let lost = Beat::Lost {
                since: health.borrow().known_good,
                why: Arc::clone(&why),
                next: fault.next.as_str().into(),
                retry_at: Some(Timestamp::now() + SignedDuration::try_from(pause).ok()?),
            };
            health.send_if_modified(|h| h.lost.replace(Arc::clone(&why)).as_ref() != Some(&why));
            beats.send(lost).await.ok()?;
            pause
        } else {
            health.send_modify(|h| {
                h.known_good = asked;
                h.lost = None;
            });
            if std::mem::take(&mut was_lost) {
                tracing::info!("the API server answers again");
            }
            pace.reset();
            beats.send(Beat::Up { at: asked }).await.ok()?;
            every
        };
        tokio::time::sleep(pause).await;
    }
}

async fn ask(client: &Client, question: &str) -> Result<(), Fault> {
    let what = "asking the API server whether it is ready";
    let request = http::Request::get(question)
        .body(Vec::new())
        .map_err(|error| Fault::of_error(&error, what))?;
    let answer = client.request_text(request);
    within(BEAT_LIMIT, what, answer).await.map(drop)
}

/// It answers, only not to this question.
const fn is_other_question(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Forbidden | FaultKind::NotFound)
}

fn not_this_question(fault: Fault) -> Result<(), Fault> {
    if is_other_question(&fault) {
        Ok(())
    } else {
        Err(fault)
    }
}
