//! Usage samples: what was measured, when, and by whom. A value that is not known is absent,
//! never zero. Must not ask anybody: `metrics` polls and hands the answers in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::{SignedDuration, Timestamp};

use super::history::Past;
use super::key::{ObjectKey, Text};

/// The samples of this moment, by claim and by pod.
#[derive(Debug, Default)]
pub struct Metrics {
    state: MetricsState,
    disks: HashMap<ObjectKey, Disk>,
    usages: HashMap<ObjectKey, Usage>,
    past: Past,
}

/// What is known of the source of the samples.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum MetricsState {
    /// Nobody answered yet.
    #[default]
    Never,
    /// The last round of queries was answered at `at`.
    Live {
        at: Timestamp,
        source: Source,
        /// A query of several that failed, or a partial answer: what is missing and why.
        partial: Option<Text>,
    },
    /// Nobody answers. The samples are as of `since`; where none ever came, it is the first failure.
    Stale { since: Timestamp, why: Text },
    /// There is no source in this cluster, or it is switched off.
    Off { why: Text },
    /// A rule is missing, for instance `get services/proxy`.
    Denied { rule: Text },
    /// Several were found; one must be named.
    Choose { candidates: Vec<Text> },
}

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Source {
    Prometheus,
    /// metrics.k8s.io: CPU and memory only.
    MetricsServer,
    /// `df` in the container, on demand.
    Df,
}

/// One claim's file system.
#[derive(Clone, Debug, PartialEq)]
pub struct Disk {
    /// Bytes of the whole file system, and those that an unprivileged user could still write;
    /// they do not add up to `used` where the file system keeps a reserve.
    pub capacity: f64,
    pub available: f64,
    pub used: f64,
    /// Used share of the inodes, 0..1; none where their number is not fixed.
    pub inodes: Option<f64>,
    pub full_in: Forecast,
    pub at: Timestamp,
    pub source: Source,
    /// Whether it was in the last round of answers; else it is the last that is known.
    pub fresh: bool,
}

impl Disk {
    /// Used share as an unprivileged user meets it, 0..1.
    pub fn share(&self) -> f64 {
        if self.capacity > 0.0 {
            (1.0 - self.available / self.capacity).clamp(0.0, 1.0)
        } else {
            0.0
        }
    }
}

/// When a disk will be full if it goes on like this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Forecast {
    /// Not enough points, or a resize inside the window: nothing can be said.
    #[default]
    Unknown,
    /// It does not fill.
    Never,
    In(SignedDuration),
}

/// One pod's CPU and memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Usage {
    /// Cores, as an average of some minutes.
    pub cpu: Option<f64>,
    /// Bytes of the working set.
    pub memory: Option<f64>,
    /// Share of throttled CPU periods, 0..1.
    pub throttled: Option<f64>,
    /// Restarts of its containers within the hour.
    pub restarts: Option<f64>,
    pub at: Timestamp,
    pub source: Source,
    pub fresh: bool,
}

/// What a round of polling says.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricsChange {
    /// Whatever is not in it keeps its last value and is no longer fresh.
    Round {
        disks: Vec<(ObjectKey, Disk)>,
        usages: Vec<(ObjectKey, Usage)>,
    },
    State(MetricsState),
    /// A long look back.
    Past(Past),
}

/// Whose samples changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sampled {
    Claim(ObjectKey),
    Pod(ObjectKey),
}

impl Metrics {
    /// Takes in what was measured; answers whose samples say something different now. When
    /// nobody measures any more, every sample is the last that is known.
    pub fn apply(&mut self, change: MetricsChange) -> Vec<Sampled> {
        let (disks, usages) = match change {
            MetricsChange::State(state) => {
                self.state = state;
                if self.is_live() {
                    return Vec::new();
                }
                (grow_old(&mut self.disks), grow_old(&mut self.usages))
            }
            MetricsChange::Past(past) => {
                self.past = past;
                return Vec::new();
            }
            MetricsChange::Round { disks, usages } => (
                renew(&mut self.disks, disks),
                renew(&mut self.usages, usages),
            ),
        };
        let disks = disks.into_iter().map(Sampled::Claim);
        disks.chain(usages.into_iter().map(Sampled::Pod)).collect()
    }

    /// Drops what is about objects that are gone.
    pub fn retain(&mut self, claim: impl Fn(&ObjectKey) -> bool, pod: impl Fn(&ObjectKey) -> bool) {
        self.disks.retain(|key, _| claim(key));
        self.usages.retain(|key, _| pod(key));
    }

    /// Whether somebody answers now.
    pub const fn is_live(&self) -> bool {
        matches!(self.state, MetricsState::Live { .. })
    }

    pub const fn state(&self) -> &MetricsState {
        &self.state
    }

    pub const fn past(&self) -> &Past {
        &self.past
    }

    pub fn disk(&self, claim: &ObjectKey) -> Option<&Disk> {
        self.disks.get(claim)
    }

    pub fn usage(&self, pod: &ObjectKey) -> Option<&Usage> {
        self.usages.get(pod)
    }
}

/// A sample that ages.
trait Sample {
    /// What can be told apart on a screen and by a verdict, whatever the time. Steps of the value
    /// and not a distance to the sample before: a disk that fills slowly must not go unseen.
    type Said: PartialEq;

    fn says(&self) -> Self::Said;
    fn is_fresh(&self) -> bool;
    fn grow_old(&mut self);
}

/// A step is this part of a share, of one core, of one period.
const STEPS: f64 = 2000.0;

/// Which step of `STEPS` a share is on.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn step(share: f64) -> i64 {
    (share * STEPS).floor() as i64
}

/// As [`step`] where there is no whole to be a share of: half a per cent of the value itself.
#[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
fn magnitude(value: f64) -> i64 {
    (value.max(1.0).ln() / 0.005).floor() as i64
}

impl Sample for Disk {
    type Said = (bool, i64, i64, Option<i64>, Option<Option<i64>>);

    fn says(&self) -> Self::Said {
        let full_in = match self.full_in {
            Forecast::Unknown => None,
            Forecast::Never => Some(None),
            Forecast::In(left) => Some(Some(magnitude(left.as_secs_f64() / 60.0))),
        };
        (
            self.fresh,
            magnitude(self.capacity),
            step(self.share()),
            self.inodes.map(step),
            full_in,
        )
    }

    fn is_fresh(&self) -> bool {
        self.fresh
    }

    fn grow_old(&mut self) {
        self.fresh = false;
    }
}

impl Sample for Usage {
    type Said = (bool, Option<i64>, Option<i64>, Option<i64>, Option<i64>);

    fn says(&self) -> Self::Said {
        (
            self.fresh,
            // Five thousandths of a core.
            self.cpu.map(|cores| step(cores / 10.0)),
            self.memory.map(magnitude),
            self.throttled.map(step),
            self.restarts.map(|restarts| step(restarts.round())),
        )
    }

    fn is_fresh(&self) -> bool {
        self.fresh
    }

    fn grow_old(&mut self) {
        self.fresh = false;
    }
}

/// Makes every sample the last that is known; answers which were fresh.
fn grow_old<S: Sample>(samples: &mut HashMap<ObjectKey, S>) -> Vec<ObjectKey> {
    let mut changed = Vec::new();
    for (key, sample) in samples.iter_mut().filter(|(_, sample)| sample.is_fresh()) {
        sample.grow_old();
        changed.push(key.clone());
    }
    changed
}

/// Puts a round in the place of the one before. What it lacks is kept as the last that is known.
fn renew<S: Sample>(
    samples: &mut HashMap<ObjectKey, S>,
    round: Vec<(ObjectKey, S)>,
) -> Vec<ObjectKey> {
    let old = std::mem::replace(samples, round.into_iter().collect());
    let mut changed: Vec<ObjectKey> = samples
        .iter()
        .filter(|(key, new)| old.get(*key).is_none_or(|o| o.says() != new.says()))
        .map(|(key, _)| key.clone())
        .collect();
    for (key, mut sample) in old {
        if let Entry::Vacant(place) = samples.entry(key) {
            if sample.is_fresh() {
                sample.grow_old();
                changed.push(place.key().clone());
            }
            place.insert(sample);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn disk(available: f64) -> Disk {
        Disk {
            capacity: 100.0,
            available,
            used: 100.0 - available,
            inodes: None,
            full_in: Forecast::Unknown,
            at: Timestamp::UNIX_EPOCH,
            source: Source::Prometheus,
            fresh: true,
        }
    }

    fn round(disks: &[(&str, f64)]) -> MetricsChange {
        MetricsChange::Round {
            disks: (disks.iter())
                .map(|(name, available)| (ObjectKey::new("ns", *name), disk(*available)))
                .collect(),
            usages: Vec::new(),
        }
    }

    #[test]
    fn what_a_round_lacks_is_the_last_that_is_known_and_never_zero() {
        let mut metrics = Metrics::default();
        metrics.apply(round(&[("a", 40.0), ("b", 50.0)]));
        let changed = metrics.apply(round(&[("b", 50.0)]));
        assert_eq!(changed, [Sampled::Claim(ObjectKey::new("ns", "a"))]);
        let last = metrics.disk(&ObjectKey::new("ns", "a")).cloned();
        assert_eq!(
            last,
            Some(Disk {
                fresh: false,
                ..disk(40.0)
            })
        );
        assert_eq!(metrics.apply(round(&[("b", 50.0)])), []);
        let back = metrics.apply(round(&[("a", 40.0), ("b", 50.0)]));
        assert_eq!(back, [Sampled::Claim(ObjectKey::new("ns", "a"))]);
    }

    #[test]
    fn when_nobody_measures_any_more_every_sample_is_the_last_that_is_known() {
        let mut metrics = Metrics::default();
        metrics.apply(round(&[("a", 40.0)]));
        let lost = MetricsChange::State(MetricsState::Stale {
            since: Timestamp::UNIX_EPOCH,
            why: "gone".into(),
        });
        let key = ObjectKey::new("ns", "a");
        assert_eq!(metrics.apply(lost.clone()), [Sampled::Claim(key.clone())]);
        assert_eq!(metrics.disk(&key).map(|d| d.fresh), Some(false));
        assert_eq!(metrics.apply(lost), []);
        assert_eq!(metrics.apply(round(&[("a", 40.0)])), [Sampled::Claim(key)]);
    }

    #[test]
    fn what_no_screen_shows_is_no_change() {
        let mut metrics = Metrics::default();
        metrics.apply(round(&[("a", 40.001)]));
        assert_eq!(metrics.apply(round(&[("a", 40.002)])), []);
        assert_eq!(metrics.apply(round(&[("a", 39.0)])).len(), 1);
    }

    #[test]
    fn samples_of_what_is_gone_are_dropped() {
        let mut metrics = Metrics::default();
        metrics.apply(round(&[("a", 40.0), ("b", 40.0)]));
        metrics.retain(|claim| &*claim.name == "b", |_| true);
        assert_eq!(metrics.disk(&ObjectKey::new("ns", "a")), None);
        assert!(metrics.disk(&ObjectKey::new("ns", "b")).is_some());
    }

    proptest! {
        /// Who looks again only when told so sees nothing that is off by more than a step.
        #[test]
        fn a_change_is_told_however_slowly_it_comes(
            steps in proptest::collection::vec(-0.06_f64..0.08, 1..200),
        ) {
            let mut metrics = Metrics::default();
            let (key, mut available, mut seen) = (ObjectKey::new("ns", "a"), 60.0, None);
            for step in steps {
                available = (available - step).clamp(0.0, 100.0);
                if !metrics.apply(round(&[("a", available)])).is_empty() {
                    seen = metrics.disk(&key).map(Disk::share);
                }
                let share = metrics.disk(&key).map(Disk::share);
                let off = (share.unwrap_or(9.0) - seen.unwrap_or(0.0)).abs();
                prop_assert!(off <= 1.0 / STEPS, "off by {}", off);
            }
        }
    }

    #[test]
    fn a_file_system_without_size_is_not_full() {
        let empty = Disk {
            capacity: 0.0,
            ..disk(0.0)
        };
        assert!(empty.share() < 0.01);
    }
}
