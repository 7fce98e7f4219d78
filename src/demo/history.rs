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
    /// Cores and bytes at the busiest hour.
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
    pub(crate) from: Timestamp,
    pub(crate) until: Option<Timestamp>,
}

type Of = (String, String);

#[derive(Debug, Default)]
pub(crate) struct History {
    /// By namespace and claim.
    pub(crate) mounts: BTreeMap<Of, Vec<Mount>>,
    /// By namespace and pod.
    pub(crate) runs: BTreeMap<Of, Vec<Run>>,
    /// By namespace and pod: (container, when, count).
    pub(crate) restarts: BTreeMap<Of, Vec<(String, Timestamp, i64)>>,
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

    /// Spans and steps that are remembered.
    pub(crate) fn len(&self) -> usize {
        let mounts = self.mounts.values().map(Vec::len);
        let runs = self.runs.values().map(Vec::len);
        let restarts = self.restarts.values().map(Vec::len);
        mounts.chain(runs).chain(restarts).sum()
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
