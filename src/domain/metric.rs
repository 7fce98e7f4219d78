//! Usage samples: what was measured, when, and by whom. A value that is not known is absent,
//! never zero. Must not ask anybody: `metrics` polls and hands the answers in.

use std::collections::HashMap;

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
                for disk in self.disks.values_mut() {
                    disk.fresh = false;
                }
                for usage in self.usages.values_mut() {
                    usage.fresh = false;
                }
                for (key, disk) in disks {
                    changed.push(Sampled::Claim(key.clone()));
                    self.disks.insert(key, disk);
                }
                for (key, usage) in usages {
                    changed.push(Sampled::Pod(key.clone()));
                    self.usages.insert(key, usage);
                }
                changed
            }
        }
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
