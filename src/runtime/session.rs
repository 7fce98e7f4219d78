//! The connection and everything that reads through it. It is built anew when another context or
//! namespace is wanted, and by itself when it could not be built at first. Must not touch the
//! model: what happens goes out as messages.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::app::Msg;
use crate::app::model::{Link, Place};
use crate::cluster::connect::{Connection, Interaction, Scope, Target, connect};
use crate::cluster::fault::Fault;
use crate::cluster::feed::{Beat, Feed};
use crate::config::Config;
use crate::domain::inventory::Change;
use crate::domain::metric::MetricsChange;
use crate::domain::policy::Policy;
use crate::metrics::{Poll, Settings};

/// Pages that may wait for the screen; a slow screen slows the lists down.
const CHANGES: usize = 32;
const BEATS: usize = 8;
const SAMPLES: usize = 4;
/// Between two attempts to connect.
const FIRST_WAIT: Duration = Duration::from_secs(2);
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// One connection, being built or standing.
pub(super) struct Session {
    config: Arc<Config>,
    policy: Arc<Policy>,
    target: Target,
    connection: Option<Connection>,
    attempts: mpsc::Sender<Attempt>,
    arrived: mpsc::Receiver<Attempt>,
    /// Building the connection; the next attempt waits in it, too.
    building: Option<AbortOnDropHandle<()>>,
    reading: Option<Reading>,
    candidate: Option<String>,
}

/// What reads one namespace.
struct Reading {
    _feed: Feed,
    changes: mpsc::Receiver<Change>,
    beats: mpsc::Receiver<Beat>,
    samples: mpsc::Receiver<MetricsChange>,
    /// Where they come from.
    settings: Settings,
    /// Which of several Prometheus services was chosen.
    choice: watch::Sender<Option<String>>,
    _poll: AbortOnDropHandle<()>,
}

enum Attempt {
    Stands(Box<Connection>),
    Failed(Fault, Timestamp),
}

/// What the session has to say.
pub(super) enum News {
    Message(Msg),
    /// A connection stands, and this is where it leads.
    Connected(Place),
}

impl Session {
    /// Starts to connect.
    pub(super) fn start(config: Arc<Config>, target: Target) -> Self {
        let (attempts, arrived) = mpsc::channel(4);
        let mut session = Self {
            policy: Arc::new(config.policy()),
            config,
            target,
            connection: None,
            attempts,
            arrived,
            building: None,
            reading: None,
            candidate: None,
        };
        session.build();
        session
    }

    /// Where it leads, for a connection of its own.
    pub(super) fn target(&self) -> Target {
        Target {
            context: self.connection.as_ref().map_or_else(
                || self.target.context.clone(),
                |connection| Some(connection.context.clone()).filter(|c| c != "in-cluster"),
            ),
            ..self.target.clone()
        }
    }

    pub(super) fn client(&self) -> Option<Client> {
        Some(self.connection.as_ref()?.client.clone())
    }

    /// Connects anew, to the same place.
    pub(super) fn reconnect(&mut self) {
        self.reading = None;
        self.connection = None;
        self.build();
    }

    pub(super) fn switch_context(&mut self, context: &str) {
        self.target.context = Some(context.to_owned());
        // Namespaces and impersonated users of one cluster mean nothing in another.
        self.target.namespace = None;
        self.target.all_namespaces = false;
        self.reconnect();
    }

    pub(super) fn switch_namespace(&mut self, namespace: Option<&str>) {
        self.target.namespace = namespace.map(str::to_owned);
        self.target.all_namespaces = namespace.is_none();
        if let Some(connection) = &mut self.connection {
            connection.namespace = match namespace {
                Some(name) => Scope::One(name.to_owned()),
                None => Scope::All,
            };
            self.read();
        }
    }

    fn build(&mut self) {
        let (target, attempts) = (self.target.clone(), self.attempts.clone());
        let task = tokio::spawn(async move {
            let mut wait = FIRST_WAIT;
            loop {
                // The screen is ours: a plugin that wants to ask fails, with a sentence.
                match connect(&target, Interaction::Never).await {
                    Ok(connection) => {
                        // Nobody listens any more: then nobody needs it.
                        let _ = attempts.send(Attempt::Stands(Box::new(connection))).await;
                        return;
                    }
                    Err(fault) => {
                        tracing::warn!(%fault, "not connected");
                        let pause = SignedDuration::try_from(wait).unwrap_or_default();
                        let again = Timestamp::now() + pause;
                        if attempts.send(Attempt::Failed(fault, again)).await.is_err() {
                            return;
                        }
                    }
                }
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        });
        self.building = Some(AbortOnDropHandle::new(task));
    }

    fn read(&mut self) {
        let Some(connection) = &self.connection else {
            return;
        };
        let (changes, changed) = mpsc::channel(CHANGES);
        let (beats, beaten) = mpsc::channel(BEATS);
        // The old one first: two feeds at once would ask everything twice.
        self.reading = None;
        let wanted = &self.config.connection;
        let feed = Feed::start(
            connection.client.clone(),
            connection.namespace.namespace(),
            (
                &self.policy,
                connection.reading(wanted.page_size, wanted.heartbeat),
            ),
            &changes,
            beats,
        );
        let (samples, sampled) = mpsc::channel(SAMPLES);
        let (choice, chosen) = watch::channel(self.candidate.clone());
        let settings = Settings::new(
            Arc::clone(&self.config),
            connection.client.clone(),
            connection.namespace.namespace().map(str::to_owned),
        );
        let poll = Poll::new(settings.clone(), samples, chosen);
        self.reading = Some(Reading {
            _feed: feed,
            changes: changed,
            beats: beaten,
            samples: sampled,
            settings,
            choice,
            _poll: AbortOnDropHandle::new(tokio::spawn(poll.run())),
        });
    }

    /// What charts are read with.
    pub(super) fn metrics(&self) -> Option<(Settings, Option<String>)> {
        let reading = self.reading.as_ref()?;
        Some((reading.settings.clone(), self.candidate.clone()))
    }

    /// Takes one of several Prometheus services, as long as the program runs.
    pub(super) fn choose_metrics(&mut self, candidate: String) {
        self.candidate = Some(candidate.clone());
        if let Some(reading) = &self.reading {
            reading.settings.forget_endpoint();
            reading.choice.send_replace(Some(candidate));
        }
    }

    /// Waits for what happens next. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> News {
        loop {
            let attempt = match &mut self.reading {
                Some(reading) => tokio::select! {
                    biased;
                    attempt = self.arrived.recv() => attempt,
                    Some(beat) = reading.beats.recv() => return News::Message(link(beat)),
                    Some(change) = reading.samples.recv() => {
                        return News::Message(Msg::Metrics(change));
                    }
                    Some(change) = reading.changes.recv() => {
                        return News::Message(Msg::Cluster(change));
                    }
                },
                None => self.arrived.recv().await,
            };
            match attempt {
                Some(Attempt::Stands(connection)) => {
                    let place = self.place(&connection);
                    self.connection = Some(*connection);
                    self.building = None;
                    self.read();
                    return News::Connected(place);
                }
                Some(Attempt::Failed(fault, again)) => {
                    return News::Message(Msg::Link(Link::Failed {
                        since: Timestamp::now(),
                        why: fault.sentence.as_str().into(),
                        next: fault.next.as_str().into(),
                        retry_at: Some(again),
                    }));
                }
                // `attempts` is ours: it does not close.
                None => std::future::pending().await,
            }
        }
    }

    /// What has come already, without waiting.
    pub(super) fn take(&mut self) -> Option<Msg> {
        let reading = self.reading.as_mut()?;
        if let Ok(beat) = reading.beats.try_recv() {
            return Some(link(beat));
        }
        if let Ok(change) = reading.samples.try_recv() {
            return Some(Msg::Metrics(change));
        }
        reading.changes.try_recv().ok().map(Msg::Cluster)
    }

    /// Where a connection leads, for the header.
    fn place(&self, connection: &Connection) -> Place {
        let rule = self.config.context_rule(&connection.context);
        Place {
            context: connection.context.as_str().into(),
            cluster: connection.cluster.as_str().into(),
            user: connection.user.as_str().into(),
            namespace: connection.namespace.namespace().map(Into::into),
            read_only: self.config.read_only(&connection.context),
            label: rule.label,
            colour: rule.colour.map(|colour| colour.to_string()),
        }
    }
}

fn link(beat: Beat) -> Msg {
    Msg::Link(match beat {
        Beat::Up { .. } => Link::Up,
        Beat::Lost {
            since,
            why,
            next,
            retry_at,
        } => Link::Lost {
            since,
            why,
            next,
            retry_at,
        },
    })
}
