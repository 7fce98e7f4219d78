//! Asks for everything once an interval. What fails makes the samples stale with the reason, and
//! comes back by itself.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use strum::IntoEnumIterator as _;
use tokio::sync::{mpsc, watch};

use super::answer;
use super::discover::Found;
use super::endpoint::Endpoint;
use super::fallback;
use super::queries::Query;
use crate::cluster::fault::{Fault, FaultKind};
use crate::config::Config;
use crate::domain::key::{ObjectKey, Text};
use crate::domain::metric::{Disk, Forecast, MetricsChange, MetricsState, Source, Usage};

/// Every so many rounds the forecast is asked for: it looks hours back and changes slowly.
const FORECAST_EVERY: u32 = 4;
/// A forecast beyond this says nothing.
const FARTHEST: f64 = 5.0 * 365.0 * 86_400.0;

/// What to ask and where.
#[derive(Clone)]
pub struct Settings {
    pub config: Arc<Config>,
    pub client: Client,
    /// `None` = all namespaces.
    pub namespace: Option<String>,
}

/// One reader of figures.
pub struct Poll {
    settings: Settings,
    changes: mpsc::Sender<MetricsChange>,
    /// Which of several candidates somebody chose.
    chosen: watch::Receiver<Option<String>>,
    endpoint: Option<Endpoint>,
    round: u32,
    forecasts: HashMap<ObjectKey, f64>,
    /// Points and changes of capacity of the last forecast's past.
    conditions: HashMap<ObjectKey, (f64, f64)>,
    last_good: Option<Timestamp>,
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
            endpoint: None,
            round: 0,
            forecasts: HashMap::new(),
            conditions: HashMap::new(),
            last_good: None,
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
        loop {
            let pause = match self.once().await? {
                Round::Idle(_) => interval * 4,
                Round::Good(_) | Round::Failed(_) => interval,
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                Ok(()) = self.chosen.changed() => self.endpoint = None,
            }
        }
    }

    /// One full round, for a look that happens once.
    pub async fn take(mut self) {
        // The receiver has gone: then nobody wants to know.
        let _ = self.once().await;
    }

    /// One round with its outcome told. `None`: nobody listens.
    async fn once(&mut self) -> Option<Round> {
        let round = self.ask().await?;
        let state = match &round {
            Round::Good(state) => {
                self.last_good = Some(Timestamp::now());
                state.clone()
            }
            Round::Idle(state) => state.clone(),
            Round::Failed(fault) => {
                tracing::warn!(%fault, "no figures");
                if self.settings.config.metrics.prometheus.is_none() {
                    // It may have moved.
                    self.endpoint = None;
                }
                match (&fault.kind, &fault.rule) {
                    (FaultKind::Forbidden, Some(rule)) => MetricsState::Denied {
                        rule: rule.to_string().into(),
                    },
                    _ => MetricsState::Stale {
                        since: self.last_good.unwrap_or_else(Timestamp::now),
                        why: fault.sentence.as_str().into(),
                    },
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
        if self.endpoint.is_none() {
            let candidate = self.chosen.borrow().clone();
            match super::locate(&self.settings, candidate.as_deref()).await {
                Ok(Found::One(endpoint)) => {
                    tracing::info!(prometheus = endpoint.name(), "figures come from here");
                    self.endpoint = Some(endpoint);
                }
                Ok(Found::Several(candidates)) => {
                    return Some(Round::Idle(MetricsState::Choose {
                        candidates: candidates.into_iter().map(Text::from).collect(),
                    }));
                }
                Ok(Found::Nothing) => return self.fall_back("no Prometheus was found").await,
                Ok(Found::Denied(rule)) => {
                    let why = format!("no Prometheus may be looked for (missing: {rule})");
                    return self.fall_back(&why).await;
                }
                Err(fault) => return Some(Round::Failed(fault)),
            }
        }
        let endpoint = self.endpoint.clone()?;
        self.read(&endpoint).await
    }

    /// CPU and memory from metrics.k8s.io. That it is missing, too, is said with the first reason.
    async fn fall_back(&self, why: &str) -> Option<Round> {
        let namespace = self.settings.namespace.as_deref();
        let limit = self.settings.config.metrics.timeout;
        match fallback::read(&self.settings.client, namespace, limit).await {
            Ok(usages) => {
                let disks = Vec::new();
                self.tell(MetricsChange::Round { disks, usages }).await?;
                Some(Round::Good(MetricsState::Live {
                    at: Timestamp::now(),
                    source: Source::MetricsServer,
                    partial: Some(format!("{why}; disks are not known").into()),
                }))
            }
            Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Forbidden) => {
                Some(Round::Idle(MetricsState::Off {
                    why: format!("{why}, and no metrics.k8s.io").into(),
                }))
            }
            Err(fault) => Some(Round::Failed(fault)),
        }
    }

    async fn read(&mut self, endpoint: &Endpoint) -> Option<Round> {
        let metrics = &self.settings.config.metrics;
        let (limit, past) = (metrics.timeout, metrics.forecast_window);
        let past = Duration::try_from(past).unwrap_or(Duration::from_secs(6 * 3600));
        let forecast = self.round.is_multiple_of(FORECAST_EVERY);
        self.round = self.round.wrapping_add(1);
        let namespace = self.settings.namespace.as_deref();
        let queries = Query::iter().filter(|q| forecast || !q.is_forecast());
        let answers = join_all(queries.map(|query| async move {
            let text = query.text(namespace, past);
            (query, endpoint.query(&text, limit).await)
        }));
        let mut values: HashMap<Query, Values> = HashMap::new();
        let mut partial: Option<String> = None;
        let mut fault = None;
        for (query, answered) in answers.await {
            match answered {
                Ok(answer) => {
                    partial = partial.or(answer.partial);
                    values.insert(query, Values::of(answer::vector(answer.data)));
                }
                Err(failed) => {
                    let name: &str = query.into();
                    partial = partial.or_else(|| Some(format!("{name}: {}", failed.sentence)));
                    fault = Some(failed);
                }
            }
        }
        // When nothing at all was answered, nobody is there.
        if values.is_empty() {
            return fault.map(Round::Failed);
        }
        if forecast {
            self.remember_forecast(&mut values);
        }
        let (disks, usages) = (self.disks(&mut values), usages(&mut values));
        self.tell(MetricsChange::Round { disks, usages }).await?;
        Some(Round::Good(MetricsState::Live {
            at: Timestamp::now(),
            source: Source::Prometheus,
            partial: partial.map(Text::from),
        }))
    }

    fn remember_forecast(&mut self, values: &mut HashMap<Query, Values>) {
        let mut take = |query| values.remove(&query).map(|v| v.0).unwrap_or_default();
        let (shrinking, points, resizes) = (
            take(Query::Shrinking),
            take(Query::Points),
            take(Query::Resizes),
        );
        self.forecasts = shrinking.into_iter().map(|(k, (_, v))| (k, v)).collect();
        self.conditions = points
            .into_iter()
            .filter_map(|(key, (_, points))| {
                let (_, resizes) = resizes.get(&key)?;
                Some((key, (points, *resizes)))
            })
            .collect();
    }

    fn disks(&self, values: &mut HashMap<Query, Values>) -> Vec<(ObjectKey, Disk)> {
        let mut take = |query| values.remove(&query).map(|v| v.0).unwrap_or_default();
        let (available, capacity) = (take(Query::Available), take(Query::Capacity));
        let (used, inodes, read_at) = (take(Query::Used), take(Query::Inodes), take(Query::ReadAt));
        let least = f64::from(self.settings.config.metrics.forecast_points);
        available
            .into_iter()
            .filter_map(|(key, (asked, available))| {
                let (_, capacity) = *capacity.get(&key)?;
                let at = read_at.get(&key).and_then(|(_, at)| answer::moment(*at));
                let full_in = forecast(
                    available,
                    self.forecasts.get(&key).copied(),
                    self.conditions.get(&key).copied(),
                    least,
                );
                let disk = Disk {
                    capacity,
                    available,
                    used: used
                        .get(&key)
                        .map_or(capacity - available, |(_, used)| *used),
                    inodes: inodes.get(&key).map(|(_, share)| *share),
                    full_in,
                    at: at.unwrap_or(asked),
                    source: Source::Prometheus,
                    fresh: true,
                };
                Some((key, disk))
            })
            .collect()
    }
}

/// When the disk is full at this rate: only with enough points and no resize among them.
fn forecast(
    available: f64,
    shrinking: Option<f64>,
    conditions: Option<(f64, f64)>,
    least: f64,
) -> Forecast {
    match (shrinking, conditions) {
        (Some(rate), Some((points, resizes))) if points >= least && resizes == 0.0 => {
            let left = available / rate;
            if rate > 0.0 && left < FARTHEST {
                Forecast::In(SignedDuration::try_from_secs_f64(left).unwrap_or_default())
            } else {
                Forecast::Never
            }
        }
        _ => Forecast::Unknown,
    }
}

fn usages(values: &mut HashMap<Query, Values>) -> Vec<(ObjectKey, Usage)> {
    let mut take = |query| values.remove(&query).map(|v| v.0).unwrap_or_default();
    let (cpu, memory) = (take(Query::Cpu), take(Query::Memory));
    let (throttled, restarts) = (take(Query::Throttled), take(Query::Restarts));
    let mut at: HashMap<ObjectKey, Timestamp> = HashMap::new();
    for (key, (when, _)) in cpu.iter().chain(&memory) {
        at.insert(key.clone(), *when);
    }
    let of = |map: &HashMap<ObjectKey, (Timestamp, f64)>, key: &ObjectKey| {
        map.get(key).map(|(_, value)| *value)
    };
    at.into_iter()
        .map(|(key, at)| {
            let usage = Usage {
                cpu: of(&cpu, &key),
                memory: of(&memory, &key),
                throttled: of(&throttled, &key),
                restarts: of(&restarts, &key),
                at,
                source: Source::Prometheus,
                fresh: true,
            };
            (key, usage)
        })
        .collect()
}

/// The values of one query by claim or pod.
struct Values(HashMap<ObjectKey, (Timestamp, f64)>);

impl Values {
    fn of(vector: Vec<(HashMap<String, String>, Timestamp, f64)>) -> Self {
        let keyed = vector.into_iter().filter_map(|(labels, at, value)| {
            let name = labels
                .get("persistentvolumeclaim")
                .or_else(|| labels.get("pod"))?;
            let namespace = labels.get("namespace")?;
            Some((
                ObjectKey::new(namespace.as_str(), name.as_str()),
                (at, value),
            ))
        });
        Self(keyed.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LEAST: f64 = 60.0;

    proptest! {
        #[test]
        fn no_forecast_without_enough_points_or_across_a_resize(
            available in 0.0..1e12, rate in -1e9..1e9, points in 0.0..59.9, resizes in 1.0..5.0,
        ) {
            let too_few = forecast(available, Some(rate), Some((points, 0.0)), LEAST);
            prop_assert_eq!(too_few, Forecast::Unknown);
            let resized = forecast(available, Some(rate), Some((500.0, resizes)), LEAST);
            prop_assert_eq!(resized, Forecast::Unknown);
            prop_assert_eq!(forecast(available, Some(rate), None, LEAST), Forecast::Unknown);
        }

        #[test]
        fn a_disk_that_does_not_fill_never_fills(available in 0.0..1e12, rate in -1e9..0.0) {
            let left = forecast(available, Some(rate), Some((500.0, 0.0)), LEAST);
            prop_assert_eq!(left, Forecast::Never);
        }
    }

    #[test]
    fn what_is_left_over_the_rate_is_the_time() {
        let left = forecast(7200.0, Some(2.0), Some((60.0, 0.0)), LEAST);
        assert_eq!(left, Forecast::In(SignedDuration::from_hours(1)));
    }
}
