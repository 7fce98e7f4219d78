//! Every query, in one place. Sources: kubelet's volume statistics, cAdvisor, kube-state-metrics;
//! thresholds and the forecast after kubernetes-mixin's `KubePersistentVolumeFillingUp`. During a
//! pod's move two nodes may report one claim for some minutes, so everything is aggregated.

use std::time::Duration;

/// What one round asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, strum::EnumIter, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Query {
    Available,
    Capacity,
    Used,
    Inodes,
    /// When the volume statistics were read: an instant query also answers what is minutes old.
    ReadAt,
    Cpu,
    Memory,
    Throttled,
    Restarts,
    /// Bytes a second by which the free space shrinks; only where the past allows a forecast.
    Shrinking,
}

/// From what a forecast is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) window: Duration,
    /// Not from fewer points than these.
    pub(super) points: u32,
}

impl Past {
    /// Points must reach back this far: with a short scrape interval many are there in minutes.
    fn reach(self) -> u64 {
        self.seconds() / 6
    }

    fn seconds(self) -> u64 {
        self.window.as_secs().max(60)
    }
}

impl Query {
    /// Slow to change and dear to compute: asked every few rounds.
    pub(super) const fn is_forecast(self) -> bool {
        matches!(self, Self::Shrinking)
    }

    /// PromQL over one namespace, or all.
    pub(super) fn text(self, namespace: Option<&str>, past: Past) -> String {
        let claims = "namespace,persistentvolumeclaim";
        let of = |name: &str| format!("kubelet_volume_stats_{name}{}", matcher(namespace, ""));
        let container = matcher(namespace, r#"container!="",container!="POD""#);
        let available = of("available_bytes");
        let capacity = of("capacity_bytes");
        match self {
            Self::Available => format!("min by ({claims}) ({available})"),
            Self::Capacity => format!("max by ({claims}) ({capacity})"),
            Self::Used => format!("max by ({claims}) ({})", of("used_bytes")),
            Self::Inodes => format!(
                "1 - min by ({claims}) ({}) / (max by ({claims}) ({}) > 0)",
                of("inodes_free"),
                of("inodes"),
            ),
            Self::ReadAt => format!("max by ({claims}) (timestamp({available}))"),
            Self::Cpu => format!(
                "sum by (namespace,pod) (rate(container_cpu_usage_seconds_total{container}[5m]))"
            ),
            Self::Memory => {
                // Once for each container: after a move both nodes have it for some minutes.
                format!(
                    "sum by (namespace,pod) (max by (namespace,pod,container) \
                     (container_memory_working_set_bytes{container}))"
                )
            }
            Self::Throttled => format!(
                "sum by (namespace,pod) (increase(container_cpu_cfs_throttled_periods_total{container}[5m])) \
                 / (sum by (namespace,pod) (increase(container_cpu_cfs_periods_total{container}[5m])) > 0)"
            ),
            Self::Restarts => format!(
                "sum by (namespace,pod) (increase(kube_pod_container_status_restarts_total{}[1h]))",
                matcher(namespace, "")
            ),
            // Each series by itself: what another node reported before a move is no past of this
            // one. It must be alive, long and dense enough, and without a resize inside.
            Self::Shrinking => {
                let (window, reach, least) = (past.seconds(), past.reach(), past.points);
                let before = window - reach;
                format!(
                    "max by ({claims}) (-deriv({available}[{window}s]) and {available} \
                     and (count_over_time({available}[{window}s]) >= {least}) \
                     and (count_over_time({available}[{before}s] offset {reach}s) > 0) \
                     and (changes({capacity}[{window}s]) == 0))"
                )
            }
        }
    }
}

/// Between two points of a long look back.
pub(super) const STEP: Duration = Duration::from_secs(3600);

/// Between two points of the last hour.
const FINE_STEP: Duration = Duration::from_secs(10);

/// When each claim had its last sample within `window`; that of a claim which has none now is told
/// to the end of its step, which is never too early. `timestamp` tells the time of a sample only of
/// a plain selector, and of anything else the time of the evaluation (Prometheus
/// `promql/engine.go`); each point looks back as far as the one before, so that no short use falls
/// between two. Of all namespaces: that others of its driver have samples tells that a claim would
/// have them, too.
pub(super) fn last_samples(window: Duration) -> String {
    let name = "kubelet_volume_stats_capacity_bytes";
    let claims = "max by (namespace,persistentvolumeclaim)";
    let within = |step: Duration| {
        let step = step.as_secs();
        format!("timestamp(present_over_time({name}[{step}s]))")
    };
    let back = |window: Duration, step: Duration| {
        let (at, window, step) = (within(step), window.as_secs(), step.as_secs());
        format!("max_over_time({at}[{window}s:{step}s])")
    };
    let just_now = within(FINE_STEP);
    let (hour, all) = (back(STEP, FINE_STEP), back(window, STEP));
    format!("{claims} (timestamp({name}) or {just_now} or {hour}) or {claims} ({all})")
}

/// At how many of these points nearly all kubelets were read, and volumes with them: kubelets alone
/// are there also where nobody keeps what they say of volumes.
pub(super) fn coverage(window: Duration) -> String {
    let (window, step) = (window.as_secs(), STEP.as_secs());
    format!(
        "count_over_time((avg(up{{job=\"kubelet\"}}) >= 0.95 \
         and count(kubelet_volume_stats_capacity_bytes))[{window}s:{step}s])"
    )
}

/// Used bytes of one claim over time.
pub(super) fn used_of_claim(namespace: &str, claim: &str) -> String {
    let matcher = of_claim(namespace, claim);
    format!("max(kubelet_volume_stats_used_bytes{matcher})")
}

/// Bytes of the file system of one claim, and when that was said. Of two nodes that both report it
/// the time is the older one's: what is known is not newer than that.
pub(super) fn capacity_of_claim(namespace: &str, claim: &str) -> (String, String) {
    let matcher = of_claim(namespace, claim);
    let series = format!("kubelet_volume_stats_capacity_bytes{matcher}");
    (
        format!("max({series})"),
        format!("min(timestamp({series}))"),
    )
}

/// CPU of one pod over time; the window follows the step so that no point is skipped.
pub(super) fn cpu_of_pod(namespace: &str, pod: &str, step: Duration) -> String {
    let window = step.as_secs().max(300);
    let matcher = matcher(Some(namespace), &of_pod(pod));
    format!("sum(rate(container_cpu_usage_seconds_total{matcher}[{window}s]))")
}

pub(super) fn memory_of_pod(namespace: &str, pod: &str) -> String {
    let matcher = matcher(Some(namespace), &of_pod(pod));
    format!("sum(max by (container) (container_memory_working_set_bytes{matcher}))")
}

fn of_claim(namespace: &str, claim: &str) -> String {
    let claim = format!(r#"persistentvolumeclaim="{}""#, escape(claim));
    matcher(Some(namespace), &claim)
}

fn of_pod(pod: &str) -> String {
    format!(r#"pod="{}",container!="",container!="POD""#, escape(pod))
}

fn matcher(namespace: Option<&str>, more: &str) -> String {
    let namespace = namespace.map(|n| format!("namespace=\"{}\"", escape(n)));
    let parts: Vec<&str> = [namespace.as_deref(), Some(more)]
        .into_iter()
        .flatten()
        .filter(|p| !p.is_empty())
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", parts.join(","))
    }
}

/// A label value cannot end its quotes.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use strum::IntoEnumIterator as _;

    #[test]
    fn a_name_cannot_change_the_query() {
        let query = used_of_claim("ns", "a\"} or up{x=\"");
        assert!(
            query.contains(r#"persistentvolumeclaim="a\"} or up{x=\"""#),
            "{query}"
        );
    }

    #[test]
    fn all_namespaces_have_no_empty_matcher() {
        let past = Past {
            window: Duration::from_secs(3600),
            points: 60,
        };
        for query in Query::iter() {
            let text = query.text(None, past);
            assert!(!text.contains("{}") && !text.contains("{,"), "{text}");
        }
    }
}
