//! The alerting rules of the simulated Prometheus, evaluated every few minutes from the start of the session on: a
//! condition is pending until it has held for the `for` of its rule, and `activeAt` is when it first held.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value as Json, json};

use super::super::clock::seconds;
use super::super::disk::Point;
use super::super::object::{Fields, stamp};
use super::super::resource::Kind;
use super::super::scenario::build::number as whole;
use super::super::world::{Task, World};
use super::eval::{Evaluator, Value};
use super::series::{Labels, SCRAPE};
use super::{number, parse};

/// Groups of rules: name, and seconds between evaluations. So long that days in a fast world stay cheap.
const GROUPS: [(&str, f64); 2] = [
    ("kubernetes-apps-and-storage", INTERVAL),
    ("kubernetes-storage-forecast", 3.0 * INTERVAL),
];
const INTERVAL: f64 = 300.0;

struct Rule {
    name: &'static str,
    severity: &'static str,
    expr: &'static str,
    /// Seconds for which the condition holds before the alert fires.
    hold: f64,
    group: usize,
    /// A cheap look at the world: `false` when the expression has no result for sure.
    may_hold: fn(&World) -> bool,
    summary: &'static str,
    description: &'static str,
}

/// Those of the kubernetes-mixin that storage needs; the fit looks back a quarter of an hour, not six hours, to be cheap.
const RULES: &[Rule] = &[
    Rule {
        name: "KubePersistentVolumeFillingUp",
        severity: "critical",
        expr: "kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.03",
        hold: 60.0,
        group: 0,
        may_hold: |world| is_any_short(world, 0.03, |p, _| p.used / p.capacity.max(1.0)),
        summary: "PersistentVolume is filling up.",
        description: "The PersistentVolume claimed by {{ $labels.persistentvolumeclaim }} in Namespace {{ $labels.namespace }} is only {{ $value | humanizePercentage }} free.",
    },
    Rule {
        name: "KubePersistentVolumeFillingUp",
        severity: "warning",
        expr: "(kubelet_volume_stats_available_bytes / kubelet_volume_stats_capacity_bytes < 0.15) and (predict_linear(kubelet_volume_stats_available_bytes[15m], 345600) < 0)",
        hold: 3600.0,
        group: 1,
        may_hold: |world| is_any_short(world, 0.15, |p, _| p.used / p.capacity.max(1.0)),
        summary: "PersistentVolume is filling up.",
        description: "Based on recent sampling, the PersistentVolume claimed by {{ $labels.persistentvolumeclaim }} in Namespace {{ $labels.namespace }} is expected to fill up within four days. Currently {{ $value | humanizePercentage }} is available.",
    },
    Rule {
        name: "KubePersistentVolumeInodesFillingUp",
        severity: "critical",
        expr: "kubelet_volume_stats_inodes_free / kubelet_volume_stats_inodes < 0.03",
        hold: 60.0,
        group: 0,
        may_hold: |world| is_any_short(world, 0.03, |p, all| p.inodes / all.max(1.0)),
        summary: "PersistentVolumeInodes are filling up.",
        description: "The PersistentVolume claimed by {{ $labels.persistentvolumeclaim }} in Namespace {{ $labels.namespace }} only has {{ $value | humanizePercentage }} free inodes.",
    },
    Rule {
        name: "KubePodCrashLooping",
        severity: "warning",
        expr: "increase(kube_pod_container_status_restarts_total[10m]) > 0",
        hold: 900.0,
        group: 0,
        may_hold: |world| {
            let long_ago = world.now - seconds(600.0 + SCRAPE);
            let mut last = world
                .history
                .restarts
                .values()
                .filter_map(|steps| steps.last());
            last.any(|(_, at, _)| *at >= long_ago)
        },
        summary: "Pod is crash looping.",
        description: "Pod {{ $labels.namespace }}/{{ $labels.pod }} ({{ $labels.container }}) restarts again and again.",
    },
    Rule {
        name: "KubeStatefulSetReplicasMismatch",
        severity: "warning",
        expr: "kube_statefulset_status_replicas_ready != kube_statefulset_replicas",
        hold: 900.0,
        group: 0,
        may_hold: |world| {
            let mut sets = world.store.list(Kind::StatefulSet, "");
            sets.any(|s| {
                s.int("status/readyReplicas").unwrap_or(0) != s.int("spec/replicas").unwrap_or(0)
            })
        },
        summary: "StatefulSet has not matched the expected number of replicas.",
        description: "StatefulSet {{ $labels.namespace }}/{{ $labels.statefulset }} has not matched the expected number of replicas for longer than 15 minutes.",
    },
];

impl Rule {
    /// What the rule says of one instance.
    fn annotations(&self, labels: &Labels, value: f64) -> Json {
        let mut text = self.description.replace(
            "{{ $value | humanizePercentage }}",
            &format!("{:.2}%", value * 100.0),
        );
        for (name, value) in labels {
            text = text.replace(&format!("{{{{ $labels.{name} }}}}"), value);
        }
        json!({"summary": self.summary, "description": text})
    }
}

#[derive(Debug)]
struct Active {
    since: Timestamp,
    value: f64,
}

/// A mounted disk has less than this share left, of what `used` says the used share of.
fn is_any_short(world: &World, least: f64, used: fn(&Point, f64) -> f64) -> bool {
    let spans = world.history.mounts.values().flatten();
    let mut mounted = spans.filter(|span| span.until.is_none());
    mounted.any(|span| {
        let disk = world.disks.get(&span.handle);
        // The expression sees the last scrape; a little more than it asks for is looked at.
        let now = disk.and_then(|d| Some((d.usage_at(world.now)?, whole(d.inodes()))));
        now.is_some_and(|(point, inodes)| 1.0 - used(&point, inodes) < least + 0.01)
    })
}

/// What the last evaluation found.
#[derive(Debug, Default)]
pub(crate) struct Alerts {
    /// By the number of the rule and the labels of the instance.
    active: BTreeMap<(usize, Labels), Active>,
    /// When each group was evaluated.
    evaluated: [Timestamp; GROUPS.len()],
}

/// Evaluates the groups that are due, and again after the interval.
pub(crate) fn evaluate(world: &mut World) {
    let now = world.now;
    world.schedule(now + seconds(INTERVAL), Task::Rules);
    if world.faults.prometheus_down {
        return;
    }
    let due = |group: usize| {
        GROUPS
            .get(group)
            .zip(world.alerts.evaluated.get(group))
            .is_some_and(|((_, interval), last)| *last + seconds(*interval) <= now)
    };
    let due = [due(0), due(1)];
    let is_due = |rule: usize| {
        RULES
            .get(rule)
            .is_some_and(|r| due.get(r.group) == Some(&true))
    };
    let known = std::mem::take(&mut world.alerts.active);
    let (before, mut active): (BTreeMap<_, _>, BTreeMap<_, _>) =
        known.into_iter().partition(|((rule, _), _)| is_due(*rule));
    for (rule, what) in RULES.iter().enumerate() {
        if !is_due(rule) || !(what.may_hold)(world) {
            continue;
        }
        let at = now.as_duration().as_secs_f64();
        match parse::parse(what.expr).and_then(|e| Evaluator::new(world).run(&e, at)) {
            Ok(Value::Vector(all)) => {
                for (mut labels, value, _) in all {
                    labels.remove("__name__");
                    let key = (rule, labels);
                    let since = before.get(&key).map_or(now, |active| active.since);
                    active.insert(key, Active { since, value });
                }
            }
            other => tracing::error!(?other, expr = what.expr, "a rule that cannot be evaluated"),
        }
    }
    world.alerts.active = active;
    for (last, due) in world.alerts.evaluated.iter_mut().zip(due) {
        if due {
            *last = now;
        }
    }
}

impl Alerts {
    pub(crate) fn len(&self) -> usize {
        self.active.len()
    }

    fn evaluated(&self, group: usize) -> Timestamp {
        self.evaluated.get(group).copied().unwrap_or_default()
    }

    fn of(&self, number_of: usize, rule: &Rule) -> Vec<Json> {
        let own = self.active.iter().filter(|((n, _), _)| *n == number_of);
        own.map(|((_, labels), active)| {
            let held = active.since + seconds(rule.hold) <= self.evaluated(rule.group);
            let annotations = rule.annotations(labels, active.value);
            let mut labels = labels.clone();
            labels.insert("alertname".to_owned(), rule.name.to_owned());
            labels.insert("severity".to_owned(), rule.severity.to_owned());
            json!({"labels": labels, "annotations": annotations,
                "state": if held { "firing" } else { "pending" },
                "activeAt": stamp(active.since), "value": number(active.value)})
        })
        .collect()
    }

    /// `/api/v1/alerts`.
    pub(crate) fn list(&self) -> Vec<Json> {
        let all = RULES.iter().enumerate();
        all.flat_map(|(n, rule)| self.of(n, rule)).collect()
    }

    /// The groups of `/api/v1/rules`.
    pub(crate) fn groups(&self) -> Vec<Json> {
        let all = GROUPS.iter().enumerate();
        all.map(|(n, group)| self.group(n, *group)).collect()
    }

    fn group(&self, number_of: usize, (name, interval): (&str, f64)) -> Json {
        let own = RULES
            .iter()
            .enumerate()
            .filter(|(_, r)| r.group == number_of);
        let last = stamp(self.evaluated(number_of));
        let rules = own.map(|(n, rule)| {
            let alerts = self.of(n, rule);
            let is = |state: &str| alerts.iter().any(|a| a["state"] == state);
            let state = if is("firing") {
                "firing"
            } else if is("pending") {
                "pending"
            } else {
                "inactive"
            };
            json!({"type": "alerting", "name": rule.name, "query": rule.expr, "duration": rule.hold,
                "keepFiringFor": 0, "labels": {"severity": rule.severity},
                "annotations": {"summary": rule.summary, "description": rule.description},
                "alerts": alerts, "state": state, "health": "ok", "lastEvaluation": last})
        });
        let rules: Vec<_> = rules.collect();
        json!({"name": name, "file": format!("/etc/prometheus/rules/{name}.yaml"), "rules": rules,
            "interval": interval, "limit": 0, "lastEvaluation": last})
    }
}
