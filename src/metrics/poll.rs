//! Asks for everything once an interval. What fails makes the samples stale with the reason, is
//! asked less and less often, and comes back by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{StreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use strum::IntoEnumIterator as _;
use tokio::sync::{mpsc, watch};

use super::discover::Found;
use super::endpoint::Endpoint;
use super::queries::{Past, Query};
use super::samples::Answers;
use super::{fallback, past};
use crate::cluster::fault::{Fault, FaultKind};
use crate::config::Config;
use crate::domain::key::{ObjectKey, Text};
use crate::domain::metric::{MetricsChange, MetricsState, Source};

/// Every so many rounds the forecast is asked for: it looks hours back and changes slowly.
const FORECAST_EVERY: u32 = 8;
/// Every so many rounds a Prometheus is looked for where there was none.
const LOOK_EVERY: u32 = 8;
/// Between two long looks back: they are dear, and what they tell changes slowly.
const PAST_EVERY: Duration = Duration::from_secs(3600);
/// Queries of one round that are asked at a time; others want their answers, too.
const AT_ONCE: usize = 4;
/// Between two attempts, however often it failed.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// What to ask and where.
#[derive(Clone)]
pub struct Settings {
    pub config: Arc<Config>,
    pub client: Client,
    /// `None` = all namespaces.
    pub namespace: Option<String>,
    /// Where a Prometheus was found, for everybody who asks with these settings.
    known: Arc<watch::Sender<Option<Endpoint>>>,
}

impl Settings {
    pub fn new(config: Arc<Config>, client: Client, namespace: Option<String>) -> Self {
        Self {
            config,
            client,
            namespace,
            known: Arc::new(watch::Sender::new(None)),
        }
    }

    /// Looks for it anew the next time.
    pub fn forget_endpoint(&self) {
        self.known.send_replace(None);
    }

    pub(super) fn endpoint(&self) -> Option<Endpoint> {
        self.known.borrow().clone()
    }

    pub(super) fn remember_endpoint(&self, endpoint: Endpoint) {
        self.known.send_replace(Some(endpoint));
    }
}

/// One reader of figures.
pub struct Poll {
    settings: Settings,
    changes: mpsc::Sender<MetricsChange>,
    /// Which of several candidates somebody chose.
    chosen: watch::Receiver<Option<String>>,
    round: u32,
    nobody: Option<Nobody>,
    /// Of the last round that asked for it: bytes a second by which free space shrinks.
    shrinking: HashMap<ObjectKey, f64>,
    /// Why there is no forecast.
    no_forecast: Option<String>,
    /// When the past was looked at last.
    looked_back: Option<Instant>,
    last_good: Option<Timestamp>,
    failing_since: Option<Timestamp>,
    failures: u32,
}

/// Why no Prometheus can be asked.
struct Nobody {
    why: String,
    /// The right that is missing, when that is the reason.
    rule: Option<String>,
    /// Rounds until it is looked for again.
    rounds: u32,
}

/// What one round came to.
enum Round {
    Good(MetricsState),
    /// Nobody to ask: look again after a while.
    Idle(MetricsState),
    Failed(Fault),
}

impl Poll {
    pub fn new(
        settings: Settings,
        changes: mpsc::Sender<MetricsChange>,
        chosen: watch::Receiver<Option<String>>,
    ) -> Self {
        Self {
            settings,
            changes,
            chosen,
            round: 0,
            nobody: None,
            shrinking: HashMap::new(),
            no_forecast: None,
            looked_back: None,
            last_good: None,
            failing_since: None,
            failures: 0,
        }
    }

    /// Runs until nobody listens.
    pub async fn run(mut self) {
        if self.follow().await.is_none() {
            tracing::debug!("nobody wants figures any more");
        }
    }

    async fn follow(&mut self) -> Option<()> {
        let interval = self.settings.config.metrics.interval;
        let changes = self.changes.clone();
        loop {
            // A round may hang as long as its queries may; whoever left does not wait for it.
            let round = tokio::select! {
                () = changes.closed() => return None,
                round = self.once() => round?,
            };
            tokio::select! {
                () = changes.closed() => return None,
                told = self.look_back(&round) => told?,
            }
            let pause = match round {
                Round::Good(_) => interval,
                Round::Idle(_) => interval * 4,
                Round::Failed(fault) => {
                    let asked = fault.retry_after.unwrap_or_default().min(LONGEST_PAUSE);
                    pause(interval, self.failures).max(asked)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = self.chosen.changed() => self.start_anew(),
                () = changes.closed() => return None,
            }
        }
    }

    /// Another Prometheus: nothing of the one before counts.
    fn start_anew(&mut self) {
        self.settings.forget_endpoint();
        self.round = 0;
        self.nobody = None;
        self.shrinking.clear();
        self.no_forecast = None;
        self.looked_back = None;
        self.failures = 0;
    }

    /// One full round, for a look that happens once.
    pub async fn take(mut self) {
        // The receiver has gone: then nobody wants to know.
        let _ = self.once().await;
    }

    /// The past, once it is time and somebody answers.
    async fn look_back(&mut self, round: &Round) -> Option<()> {
        let is_early = self.looked_back.is_some_and(|at| at.elapsed() < PAST_EVERY);
        let Round::Good(MetricsState::Live {
            source: Source::Prometheus,
            ..
        }) = round
        else {
            return Some(());
        };
        if is_early || self.settings.config.orphans.inactive <= SignedDuration::ZERO {
            return Some(());
        }
        let Some(endpoint) = self.settings.endpoint() else {
            return Some(());
        };
        self.looked_back = Some(Instant::now());
        let past = past::of_endpoint(&self.settings, &endpoint).await;
        self.tell(MetricsChange::Past(past)).await
    }

    /// One round with its outcome told. `None`: nobody listens.
    async fn once(&mut self) -> Option<Round> {
        let round = self.ask().await?;
        let state = match &round {
            Round::Good(state) | Round::Idle(state) => {
                if let MetricsState::Live { at, .. } = state {
                    self.last_good = Some(*at);
                }
                self.failing_since = None;
                self.failures = 0;
                state.clone()
            }
            Round::Failed(fault) => {
                tracing::warn!(%fault, "no figures");
                self.failures = self.failures.saturating_add(1);
                let since = *self.failing_since.get_or_insert_with(Timestamp::now);
                if self.settings.config.metrics.prometheus.is_none() {
                    // It may have moved.
                    self.settings.forget_endpoint();
                }
                MetricsState::Stale {
                    since: self.last_good.unwrap_or(since),
                    why: fault.sentence.as_str().into(),
                }
            }
        };
        self.tell(MetricsChange::State(state)).await?;
        Some(round)
    }

    async fn tell(&self, change: MetricsChange) -> Option<()> {
        self.changes.send(change).await.ok()
    }

    async fn ask(&mut self) -> Option<Round> {
        if !self.settings.config.metrics.enabled {
            return Some(Round::Idle(MetricsState::Off {
                why: "metrics.enabled is false".into(),
            }));
        }
        if let Some(nobody) = &mut self.nobody
            && nobody.rounds > 0
        {
            nobody.rounds -= 1;
            return self.fall_back().await;
        }
        let candidate = self.chosen.borrow().clone();
        let endpoint = match super::locate(&self.settings, candidate.as_deref()).await {
            Ok(Found::One(endpoint)) => endpoint,
            Ok(Found::Several(candidates)) => {
                return Some(Round::Idle(MetricsState::Choose {
                    candidates: candidates.into_iter().map(Text::from).collect(),
                }));
            }
            Ok(Found::Nothing) => {
                return self.without("no Prometheus was found".into(), None).await;
            }
            Ok(Found::Denied(rule)) => {
                let why = format!("no Prometheus may be looked for (missing: {rule})");
                return self.without(why, Some(rule)).await;
            }
            Err(fault) => return Some(Round::Failed(fault)),
        };
        match self.read(&endpoint).await? {
            // The API server does not let us through; Prometheus itself names no rule.
            Round::Failed(Fault {
                kind: FaultKind::Forbidden,
                rule: Some(rule),
                ..
            }) => {
                let why = format!("{} may not be asked (missing: {rule})", endpoint.name());
                self.without(why, Some(rule.to_string())).await
            }
            round => {
                self.nobody = None;
                Some(round)
            }
        }
    }

    async fn without(&mut self, why: String, rule: Option<String>) -> Option<Round> {
        tracing::info!(why, "figures come from metrics.k8s.io, if at all");
        self.nobody = Some(Nobody {
            why,
            rule,
            rounds: LOOK_EVERY - 1,
        });
        self.fall_back().await
    }

    /// CPU and memory from metrics.k8s.io. That it is missing, too, is said with the first reason.
    async fn fall_back(&mut self) -> Option<Round> {
        let Nobody { why, rule, .. } = self.nobody.as_ref()?;
        let namespace = self.settings.namespace.as_deref();
        let limit = self.settings.config.metrics.timeout;
        match fallback::read(&self.settings.client, namespace, limit).await {
            Ok(usages) => {
                let partial = Some(format!("{why}; disks are not known").into());
                let disks = Vec::new();
                self.tell(MetricsChange::Round { disks, usages }).await?;
                Some(Round::Good(MetricsState::Live {
                    at: Timestamp::now(),
                    source: Source::MetricsServer,
                    partial,
                }))
            }
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) => {
                let state = match rule {
                    Some(rule) => MetricsState::Denied {
                        rule: rule.as_str().into(),
                    },
                    None => MetricsState::Off {
                        why: format!("{why}, and no metrics.k8s.io").into(),
                    },
                };
                // A pause is long enough.
                if let Some(nobody) = &mut self.nobody {
                    nobody.rounds = 0;
                }
                Some(Round::Idle(state))
            }
            Err(fault) => Some(Round::Failed(fault)),
        }
    }

    async fn read(&mut self, endpoint: &Endpoint) -> Option<Round> {
        let metrics = &self.settings.config.metrics;
        let (limit, stale_after) = (metrics.timeout, metrics.stale_after);
        let past = Past {
            window: Duration::try_from(metrics.forecast_window).unwrap_or_default(),
            points: metrics.forecast_points,
        };
        let forecast = self.round.is_multiple_of(FORECAST_EVERY);
        let namespace = self.settings.namespace.as_deref();
        let asked = Query::iter().filter(|query| forecast || !query.is_forecast());
        let mut asked = stream::iter(asked)
            .map(|query| async move {
                let text = query.text(namespace, past);
                (query, endpoint.query(&text, limit).await)
            })
            .buffered(AT_ONCE);
        let mut answers = Answers::default();
        let mut partial = None;
        let mut failed: Vec<(Query, Fault)> = Vec::new();
        while let Some((query, answered)) = asked.next().await {
            match answered {
                Ok(answer) => {
                    partial = partial.or(answer.partial);
                    answers.insert(query, answer.data);
                }
                Err(fault) => failed.push((query, fault)),
            }
            // Whoever answers none of the first is not asked for the rest.
            if answers.is_empty() && failed.len() == AT_ONCE {
                break;
            }
        }
        drop(asked);
        // When nothing at all was answered, nobody is there.
        if answers.is_empty() {
            return failed.pop().map(|(_, fault)| Round::Failed(fault));
        }
        self.round = self.round.wrapping_add(1);
        if forecast {
            self.shrinking = answers.shrinking();
            self.no_forecast = gap(&failed, Query::is_forecast);
        }
        let at = answers.at().unwrap_or_else(Timestamp::now);
        let disks = answers.disks(&self.shrinking, stale_after);
        let usages = answers.usages();
        let partial = gap(&failed, |query| !query.is_forecast())
            .or_else(|| self.no_forecast.clone())
            .or(partial);
        self.tell(MetricsChange::Round { disks, usages }).await?;
        Some(Round::Good(MetricsState::Live {
            at,
            source: Source::Prometheus,
            partial: partial.map(Text::from),
        }))
    }
}

/// Which of these queries failed, and why the first did.
fn gap(failed: &[(Query, Fault)], of: impl Fn(Query) -> bool) -> Option<String> {
    let failed: Vec<_> = failed.iter().filter(|(query, _)| of(*query)).collect();
    let (_, first) = failed.first()?;
    let names: Vec<&str> = failed.iter().map(|(query, _)| (*query).into()).collect();
    Some(format!("{}: {}", names.join(", "), first.sentence))
}

/// Until the next attempt after so many failures in a row.
fn pause(interval: Duration, failures: u32) -> Duration {
    let doubled = interval.saturating_mul(1 << failures.saturating_sub(1).min(6));
    doubled.min(LONGEST_PAUSE.max(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_is_asked_less_and_less_often_but_always_again() {
        let seconds = |interval, failures| pause(Duration::from_secs(interval), failures).as_secs();
        let pauses: Vec<u64> = (1..7).map(|failures| seconds(15, failures)).collect();
        assert_eq!(pauses, [15, 30, 60, 120, 120, 120]);
        assert_eq!(seconds(15, u32::MAX), 120);
        assert_eq!(seconds(600, 5), 600);
    }

    #[test]
    fn what_failed_is_named_with_the_first_reason() {
        let fault = |text: &str| Fault::new(FaultKind::Other, text, "");
        let failed = [
            (Query::Used, fault("one")),
            (Query::Shrinking, fault("two")),
            (Query::Restarts, fault("three")),
        ];
        let told = gap(&failed, |query| !query.is_forecast());
        assert_eq!(told.as_deref(), Some("used, restarts: one"));
        assert_eq!(gap(&failed[..1], Query::is_forecast), None);
    }
}
