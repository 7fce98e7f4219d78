//! What the simulated Prometheus remembers: spans in which things ran or were mounted, and steps of counters.
//! It keeps spans, never samples, so that a week costs little. Bounded by [`History::forget`].

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::clock::seconds;

/// Nothing older than this is remembered: the retention of the simulated Prometheus.
pub(crate) const RETENTION_SECONDS: f64 = 15.0 * 86_400.0;

/// A volume mounted by a pod on a node.
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    pub(crate) handle: String,
    pub(crate) node: String,
    pub(crate) pod: String,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// A container that ran.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) container: String,
    pub(crate) uid: String,
    pub(crate) node: String,
    pub(crate) image: String,
    /// Bytes that it may use; 0 = without a limit.
    pub(crate) limit: f64,
    /// Cores and bytes at the busiest hour.
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

/// A time in which something was not scraped.
#[derive(Clone, Debug)]
struct Gap {
    from: Timestamp,
    until: Option<Timestamp>,
}

/// The target whose gaps are those of everything: Prometheus itself.
pub(crate) const EVERYTHING: &str = "";

type Of = (String, String);

#[derive(Debug, Default)]
pub(crate) struct History {
    /// By namespace and claim.
    pub(crate) mounts: BTreeMap<Of, Vec<Mount>>,
    /// By namespace and pod.
    pub(crate) runs: BTreeMap<Of, Vec<Run>>,
    /// By namespace and pod: (container, when, count).
    pub(crate) restarts: BTreeMap<Of, Vec<(String, Timestamp, i64)>>,
    /// By target: a node's name, a pod as `namespace/name`, or [`EVERYTHING`].
    gaps: BTreeMap<String, Vec<Gap>>,
}

impl History {
    pub(crate) fn mounted(&mut self, namespace: &str, claim: &str, mount: Mount) {
        let spans = self
            .mounts
            .entry((namespace.to_owned(), claim.to_owned()))
            .or_default();
        if spans
            .iter()
            .any(|s| s.until.is_none() && s.pod == mount.pod && s.node == mount.node)
        {
            return;
        }
        spans.push(mount);
    }

    pub(crate) fn unmounted(&mut self, namespace: &str, pod: &str, at: Timestamp) {
        for ((ns, _), spans) in &mut self.mounts {
            if ns == namespace {
                for span in spans
                    .iter_mut()
                    .filter(|s| s.pod == pod && s.until.is_none())
                {
                    span.until = Some(at);
                }
            }
        }
    }

    pub(crate) fn started(&mut self, namespace: &str, pod: &str, run: Run) {
        self.runs
            .entry((namespace.to_owned(), pod.to_owned()))
            .or_default()
            .push(run);
    }

    pub(crate) fn stopped(&mut self, namespace: &str, pod: &str, container: &str, at: Timestamp) {
        let key = (namespace.to_owned(), pod.to_owned());
        for run in self.runs.get_mut(&key).into_iter().flatten() {
            if run.until.is_none() && (container.is_empty() || run.container == container) {
                run.until = Some(at);
            }
        }
    }

    pub(crate) fn restarted(
        &mut self,
        namespace: &str,
        pod: &str,
        container: &str,
        at: Timestamp,
        count: i64,
    ) {
        self.restarts
            .entry((namespace.to_owned(), pod.to_owned()))
            .or_default()
            .push((container.to_owned(), at, count));
    }

    /// The target is scraped no more.
    pub(crate) fn silenced(&mut self, target: &str, at: Timestamp) {
        let gaps = self.gaps.entry(target.to_owned()).or_default();
        if gaps.iter().all(|gap| gap.until.is_some()) {
            gaps.push(Gap {
                from: at,
                until: None,
            });
        }
    }

    /// The target is scraped again.
    pub(crate) fn heard(&mut self, target: &str, at: Timestamp) {
        for gap in self.gaps.get_mut(target).into_iter().flatten() {
            gap.until.get_or_insert(at);
        }
    }

    /// Nothing was scraped there at that time.
    pub(crate) fn is_silent(&self, target: &str, at: Timestamp) -> bool {
        let gaps = self.gaps.get(target).map_or(&[][..], Vec::as_slice);
        gaps.iter()
            .any(|gap| gap.from <= at && gap.until.is_none_or(|until| at < until))
    }

    /// As [`History::is_silent`], of one pod.
    pub(crate) fn is_pod_silent(&self, namespace: &str, pod: &str, at: Timestamp) -> bool {
        // Asked for every sample, and nearly always there is none.
        !self.gaps.is_empty() && self.is_silent(&format!("{namespace}/{pod}"), at)
    }

    /// Spans and steps that are remembered.
    pub(crate) fn len(&self) -> usize {
        let mounts = self.mounts.values().map(Vec::len);
        let runs = self.runs.values().map(Vec::len);
        let restarts = self.restarts.values().map(Vec::len);
        let gaps = self.gaps.values().map(Vec::len);
        mounts.chain(runs).chain(restarts).chain(gaps).sum()
    }

    /// Drops what is older than the retention, and the oldest of very long lists.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        const LONGEST: usize = 512;
        let horizon = now - seconds(RETENTION_SECONDS);
        let alive = |until: Option<Timestamp>| until.is_none_or(|u| u > horizon);
        for spans in self.mounts.values_mut() {
            spans.retain(|s| alive(s.until));
            trim(spans, LONGEST);
        }
        for runs in self.runs.values_mut() {
            runs.retain(|r| alive(r.until));
            trim(runs, LONGEST);
        }
        for steps in self.restarts.values_mut() {
            trim(steps, LONGEST);
        }
        for gaps in self.gaps.values_mut() {
            gaps.retain(|g| alive(g.until));
            trim(gaps, LONGEST);
        }
        self.gaps.retain(|_, v| !v.is_empty());
        self.mounts.retain(|_, v| !v.is_empty());
        self.runs.retain(|_, v| !v.is_empty());
        let runs = &self.runs;
        self.restarts.retain(|key, _| runs.contains_key(key));
    }
}

fn trim<T>(list: &mut Vec<T>, longest: usize) {
    if list.len() > longest {
        list.drain(..list.len() - longest);
    }
}
