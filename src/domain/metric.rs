//! Usage samples: what was measured, when, and by whom. A value that is not known is absent,
//! never zero. Must not ask anybody: `metrics` polls and hands the answers in.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use jiff::{SignedDuration, Timestamp};

use super::key::{ObjectKey, Text};

/// The samples of this moment, by claim and by pod.
#[derive(Debug, Default)]
pub struct Metrics {
    state: MetricsState,
    disks: HashMap<ObjectKey, Disk>,
    usages: HashMap<ObjectKey, Usage>,
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
    /// It answered before; the samples are as of `since`.
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
}

/// Whose samples changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Sampled {
    Claim(ObjectKey),
    Pod(ObjectKey),
}

impl Metrics {
    /// Takes in what was measured; answers whose samples are different now.
    pub fn apply(&mut self, change: MetricsChange) -> Vec<Sampled> {
        match change {
            MetricsChange::State(state) => {
                self.state = state;
                Vec::new()
            }
            MetricsChange::Round { disks, usages } => {
                let mut changed = Vec::new();
                for key in renew(&mut self.disks, disks) {
                    changed.push(Sampled::Claim(key));
                }
                for key in renew(&mut self.usages, usages) {
                    changed.push(Sampled::Pod(key));
                }
                changed
            }
        }
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

    pub fn disk(&self, claim: &ObjectKey) -> Option<&Disk> {
        self.disks.get(claim)
    }

    pub fn usage(&self, pod: &ObjectKey) -> Option<&Usage> {
        self.usages.get(pod)
    }
}

/// A sample that ages.
trait Sample {
    fn is_fresh(&self) -> bool;
    fn grow_old(&mut self);
    /// Whether a verdict or a cell would be the same, whatever the time.
    fn says_the_same(&self, other: &Self) -> bool;
}

impl Sample for Disk {
    fn is_fresh(&self) -> bool {
        self.fresh
    }

    fn grow_old(&mut self) {
        self.fresh = false;
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| (a - b).abs() <= self.capacity * 0.0005;
        self.fresh == other.fresh
            && self.full_in == other.full_in
            && same(self.available, other.available)
            && same(self.capacity, other.capacity)
            && same(
                self.inodes.unwrap_or(-1.0) * self.capacity,
                other.inodes.unwrap_or(-1.0) * self.capacity,
            )
    }
}

impl Sample for Usage {
    fn is_fresh(&self) -> bool {
        self.fresh
    }

    fn grow_old(&mut self) {
        self.fresh = false;
    }

    fn says_the_same(&self, other: &Self) -> bool {
        let near = |a: Option<f64>, b: Option<f64>, by: f64| match (a, b) {
            (Some(a), Some(b)) => (a - b).abs() <= by,
            (a, b) => a.is_none() && b.is_none(),
        };
        self.fresh == other.fresh
            && near(self.cpu, other.cpu, 0.005)
            && near(
                self.memory,
                other.memory,
                self.memory.unwrap_or(0.0) * 0.005,
            )
            && near(self.throttled, other.throttled, 0.005)
            && near(self.restarts, other.restarts, 0.1)
    }
}

/// Puts a round in the place of the one before. What it lacks is kept as the last that is known.
fn renew<S: Sample>(
    samples: &mut HashMap<ObjectKey, S>,
    round: Vec<(ObjectKey, S)>,
) -> Vec<ObjectKey> {
    let old = std::mem::replace(samples, round.into_iter().collect());
    let mut changed: Vec<ObjectKey> = samples
        .iter()
        .filter(|(key, new)| old.get(*key).is_none_or(|o| !o.says_the_same(new)))
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
    fn a_file_system_without_size_is_not_full() {
        let empty = Disk {
            capacity: 0.0,
            ..disk(0.0)
        };
        assert!(empty.share() < 0.01);
    }
}
