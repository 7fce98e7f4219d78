//! The series of the simulated Prometheus: what the kubelets, cAdvisor and kube-state-metrics of this world
//! would have exposed at a time. Samples lie on the grid of the scrapes.

use std::collections::BTreeMap;
use std::f64::consts::TAU;

use jiff::Timestamp;

use super::super::clock::seconds;
use super::super::controllers::{bytes, millis};
use super::super::history::{EVERYTHING, RETENTION_SECONDS, Run};
use super::super::object::{Fields, Object};
use super::super::resource::Kind;
use super::super::scenario::build::number;
use super::super::world::World;

/// Seconds between two scrapes.
pub(crate) const SCRAPE: f64 = 30.0;

pub(crate) type Labels = BTreeMap<String, String>;

/// A series: its labels, and its value at a time of the grid.
pub(crate) struct Series<'w> {
    pub(crate) labels: Labels,
    value: Box<dyn Fn(Timestamp) -> Option<f64> + 'w>,
}

impl Series<'_> {
    /// The sample of the scrape at `at` (seconds since 1970).
    pub(crate) fn at(&self, at: f64) -> Option<f64> {
        (self.value)(time(at)?)
    }
}

pub(crate) fn time(at: f64) -> Option<Timestamp> {
    let whole = jiff::SignedDuration::try_from_secs_f64(at).ok()?;
    Timestamp::from_duration(whole).ok()
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// Every series of that name.
pub(crate) fn named<'w>(world: &'w World, name: &str) -> Vec<Series<'w>> {
    let mut all = if let Some(what) = name.strip_prefix("kubelet_volume_stats_") {
        volumes(world, what)
    } else if name.starts_with("container_") {
        containers(world, name)
    } else if name == "up" {
        targets(world)
    } else if name == "kube_pod_container_status_restarts_total" {
        restarts(world)
    } else {
        states(world, name)
    };
    for series in &mut all {
        series.labels.insert("__name__".to_owned(), name.to_owned());
    }
    all
}

/// The names that are exposed.
pub(crate) const NAMES: &[&str] = &[
    "up",
    "kubelet_volume_stats_available_bytes",
    "kubelet_volume_stats_capacity_bytes",
    "kubelet_volume_stats_used_bytes",
    "kubelet_volume_stats_inodes",
    "kubelet_volume_stats_inodes_free",
    "kubelet_volume_stats_inodes_used",
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "container_cpu_cfs_periods_total",
    "container_cpu_cfs_throttled_periods_total",
    "container_fs_reads_bytes_total",
    "container_fs_writes_bytes_total",
    "container_fs_reads_total",
    "container_fs_writes_total",
    "container_spec_memory_limit_bytes",
    "kube_pod_container_status_restarts_total",
    "kube_pod_container_status_waiting_reason",
    "kube_pod_container_status_last_terminated_reason",
    "kube_persistentvolumeclaim_info",
    "kube_persistentvolumeclaim_status_phase",
    "kube_persistentvolumeclaim_labels",
    "kube_persistentvolumeclaim_resource_requests_storage_bytes",
    "kube_pod_spec_volumes_persistentvolumeclaims_info",
    "kube_pod_container_resource_limits",
    "kube_statefulset_replicas",
    "kube_statefulset_status_replicas_ready",
    "kube_resourcequota",
    "kube_poddisruptionbudget_status_pod_disruptions_allowed",
    "kube_pod_status_phase",
    "kube_persistentvolumeclaim_deletion_timestamp",
];

/// Prometheus ran at that time, and has not forgotten it.
fn remembered(world: &World, at: Timestamp) -> bool {
    at <= world.now
        && at + seconds(RETENTION_SECONDS) >= world.now
        && !world.history.is_silent(EVERYTHING, at)
}

fn volumes<'w>(world: &'w World, what: &str) -> Vec<Series<'w>> {
    if !matches!(
        what,
        "available_bytes"
            | "capacity_bytes"
            | "used_bytes"
            | "inodes"
            | "inodes_free"
            | "inodes_used"
    ) {
        return Vec::new();
    }
    let mut all = Vec::new();
    for ((namespace, claim), spans) in &world.history.mounts {
        let mut nodes: Vec<&str> = spans.iter().map(|s| s.node.as_str()).collect();
        nodes.sort_unstable();
        nodes.dedup();
        for node in nodes {
            let what = what.to_owned();
            let value = move |at: Timestamp| {
                if !remembered(world, at) || world.history.is_silent(node, at) {
                    return None;
                }
                let span = spans
                    .iter()
                    .rev()
                    .find(|s| s.node == node && s.from <= at && s.until.is_none_or(|u| at < u))?;
                if world.history.is_pod_silent(namespace, &span.pod, at) {
                    return None;
                }
                let disk = world.disks.get(&span.handle)?;
                let point = disk.usage_at(at)?;
                let inodes = number(disk.inodes());
                Some(match what.as_str() {
                    "available_bytes" => (point.capacity - point.used).max(0.0),
                    "capacity_bytes" => point.capacity,
                    "used_bytes" => point.used,
                    "inodes" => inodes,
                    "inodes_free" => (inodes - point.inodes).max(0.0),
                    _ => point.inodes,
                })
            };
            all.push(Series {
                labels: labels(&[
                    ("namespace", namespace),
                    ("persistentvolumeclaim", claim),
                    ("node", node),
                    ("instance", node),
                    ("job", "kubelet"),
                    ("metrics_path", "/metrics"),
                ]),
                value: Box::new(value),
            });
        }
    }
    all
}

/// How busy people are at that time of day, from 0 to 1, and its integral since 1970.
fn busy(at: f64, phase: f64) -> (f64, f64) {
    let day = 86_400.0;
    let morning = 4.0 * 3600.0;
    let slow = TAU * (at - morning) / day;
    let quick = TAU * at / 1740.0 + phase;
    let value = 0.45 - 0.4 * slow.cos() + 0.05 * quick.sin() + 0.1;
    let integral = 0.55 * at - 0.4 * day / TAU * slow.sin() - 0.05 * 1740.0 / TAU * quick.cos();
    (value, integral)
}

fn containers<'w>(world: &'w World, name: &str) -> Vec<Series<'w>> {
    let known = NAMES.contains(&name);
    let mut all = Vec::new();
    if !known {
        return all;
    }
    for ((namespace, pod), runs) in &world.history.runs {
        // Each start of a container is a series of its own, told apart by its id.
        for run in runs {
            let key = format!("{namespace}/{pod}");
            let phase = world.seed.between(&format!("phase{key}"), 0.0, TAU);
            let mut own = labels(&[
                ("namespace", namespace),
                ("pod", pod),
                ("container", &run.container),
                ("image", &run.image),
                ("node", &run.node),
                ("instance", &run.node),
                ("job", "kubelet"),
                ("metrics_path", "/metrics/cadvisor"),
                (
                    "id",
                    &format!("/kubepods/pod{}/{}", run.uid, run.from.as_second()),
                ),
            ]);
            if name.contains("_fs_") {
                own.insert("device".to_owned(), "/dev/sdb".to_owned());
            }
            let name = name.to_owned();
            let value = move |at: Timestamp| {
                let runs_then = run.from <= at && run.until.is_none_or(|u| at < u);
                if !runs_then
                    || !remembered(world, at)
                    || world.history.is_silent(&run.node, at)
                    || world.history.is_silent(&key, at)
                {
                    return None;
                }
                sample(&name, run, at, phase)
            };
            all.push(Series {
                labels: own,
                value: Box::new(value),
            });
        }
    }
    all
}

fn sample(name: &str, run: &Run, at: Timestamp, phase: f64) -> Option<f64> {
    let (now, from) = (
        at.as_duration().as_secs_f64(),
        run.from.as_duration().as_secs_f64(),
    );
    let (level, integral) = busy(now, phase);
    let passed = integral - busy(from, phase).1;
    Some(match name {
        "container_cpu_usage_seconds_total" => run.cpu * passed,
        "container_memory_working_set_bytes" => {
            run.memory * (0.7 + 0.3 * level) * (1.0 - 0.6 * (-(now - from) / 300.0).exp())
        }
        "container_cpu_cfs_periods_total" => (now - from) * 10.0,
        "container_cpu_cfs_throttled_periods_total" => (now - from) * 10.0 * 0.01 + passed * 0.1,
        "container_fs_reads_bytes_total" => passed * 60_000.0,
        "container_fs_writes_bytes_total" => passed * 180_000.0,
        "container_fs_reads_total" => passed * 3.0,
        "container_fs_writes_total" => passed * 9.0,
        "container_spec_memory_limit_bytes" => run.limit,
        _ => return None,
    })
}

fn targets(world: &World) -> Vec<Series<'_>> {
    let mut all = Vec::new();
    for node in world.store.list(Kind::Node, "") {
        let name = node.name().to_owned();
        let born = node
            .time("metadata/creationTimestamp")
            .unwrap_or(world.start);
        let own = labels(&[("job", "kubelet"), ("instance", &name), ("node", &name)]);
        let value = move |at: Timestamp| {
            (at >= born && remembered(world, at))
                .then(|| f64::from(u8::from(!world.history.is_silent(&name, at))))
        };
        all.push(Series {
            labels: own,
            value: Box::new(value),
        });
    }
    all
}

fn restarts(world: &World) -> Vec<Series<'_>> {
    let mut all = Vec::new();
    for pod in world.store.list(Kind::Pod, "") {
        let key = (pod.namespace().to_owned(), pod.name().to_owned());
        let born = pod
            .time("metadata/creationTimestamp")
            .unwrap_or(world.start);
        for container in pod.items("spec/containers") {
            let name = container.text("name").to_owned();
            let own = labels(&[
                ("namespace", pod.namespace()),
                ("pod", pod.name()),
                ("container", &name),
                ("uid", pod.uid()),
                ("job", "kube-state-metrics"),
            ]);
            let key = key.clone();
            let value = move |at: Timestamp| {
                if at < born || !remembered(world, at) {
                    return None;
                }
                let steps = world
                    .history
                    .restarts
                    .get(&key)
                    .map_or(&[][..], Vec::as_slice);
                let count = steps
                    .iter()
                    .rev()
                    .find(|(c, when, _)| *c == name && *when >= born && *when <= at)
                    .map_or(0, |s| s.2);
                Some(f64::from(i32::try_from(count).unwrap_or(i32::MAX)))
            };
            all.push(Series {
                labels: own,
                value: Box::new(value),
            });
        }
    }
    all
}

/// A quantity to its thousandths.
fn amount_of(text: &str) -> f64 {
    let all = millis(text).max(0);
    let whole = number(u64::try_from(all / 1000).unwrap_or(0));
    whole + f64::from(i32::try_from(all % 1000).unwrap_or(0)) / 1000.0
}

/// Facts about objects. Of the past only what cannot have changed is answered: the state itself is known for now.
fn states<'w>(world: &'w World, name: &str) -> Vec<Series<'w>> {
    let mut all: Vec<Series<'w>> = Vec::new();
    let mut add = |object: &Object, extra: &[(&str, &str)], value: f64, lasting: bool| {
        let mut own = labels(&[
            ("namespace", object.namespace()),
            ("job", "kube-state-metrics"),
        ]);
        own.extend(labels(extra));
        let born = object
            .time("metadata/creationTimestamp")
            .unwrap_or(world.start);
        let since = if lasting {
            born
        } else {
            born.max(world.now - seconds(2.0 * SCRAPE))
        };
        all.push(Series {
            labels: own,
            value: Box::new(move |at| (at >= since && remembered(world, at)).then_some(value)),
        });
    };
    let whole = |n: i64| f64::from(i32::try_from(n).unwrap_or(i32::MAX));
    if name.starts_with("kube_persistentvolumeclaim_") {
        for c in world.store.list(Kind::Claim, "") {
            let claim = ("persistentvolumeclaim", c.name());
            match name {
                "kube_persistentvolumeclaim_info" => add(
                    c,
                    &[
                        claim,
                        ("storageclass", c.text("spec/storageClassName")),
                        ("volumename", c.text("spec/volumeName")),
                    ],
                    1.0,
                    true,
                ),
                "kube_persistentvolumeclaim_status_phase" => {
                    for phase in ["Pending", "Bound", "Lost"] {
                        add(
                            c,
                            &[claim, ("phase", phase)],
                            f64::from(u8::from(c.text("status/phase") == phase)),
                            false,
                        );
                    }
                }
                "kube_persistentvolumeclaim_labels" => add(
                    c,
                    &[
                        claim,
                        ("label_user_id", c.label("user-id").unwrap_or("")),
                        ("label_tier", c.label("tier").unwrap_or("")),
                    ],
                    1.0,
                    true,
                ),
                "kube_persistentvolumeclaim_resource_requests_storage_bytes" => add(
                    c,
                    &[claim],
                    number(bytes(c.text("spec/resources/requests/storage"))),
                    false,
                ),
                "kube_persistentvolumeclaim_deletion_timestamp" => {
                    if let Some(at) = c.time("metadata/deletionTimestamp") {
                        add(c, &[claim], at.as_duration().as_secs_f64(), false);
                    }
                }
                _ => {}
            }
        }
    }
    if name.starts_with("kube_pod_") {
        for p in world.store.list(Kind::Pod, "") {
            pod_states(p, name, &mut add);
        }
    }
    match name {
        "kube_statefulset_replicas" | "kube_statefulset_status_replicas_ready" => {
            let path = if name.ends_with("ready") {
                "status/readyReplicas"
            } else {
                "spec/replicas"
            };
            for s in world.store.list(Kind::StatefulSet, "") {
                add(
                    s,
                    &[("statefulset", s.name())],
                    whole(s.int(path).unwrap_or(0)),
                    false,
                );
            }
        }
        "kube_poddisruptionbudget_status_pod_disruptions_allowed" => {
            for b in world.store.list(Kind::DisruptionBudget, "") {
                add(
                    b,
                    &[("poddisruptionbudget", b.name())],
                    whole(b.int("status/disruptionsAllowed").unwrap_or(0)),
                    false,
                );
            }
        }
        "kube_resourcequota" => {
            for q in world.store.list(Kind::Quota, "") {
                for side in ["hard", "used"] {
                    for (resource, amount) in q.map(&format!("status/{side}")).into_iter().flatten()
                    {
                        let value = amount_of(amount.as_str().unwrap_or(""));
                        add(
                            q,
                            &[
                                ("resourcequota", q.name()),
                                ("resource", resource),
                                ("type", side),
                            ],
                            value,
                            false,
                        );
                    }
                }
            }
        }
        _ => {}
    }
    all
}

fn pod_states(p: &Object, name: &str, add: &mut impl FnMut(&Object, &[(&str, &str)], f64, bool)) {
    let pod = ("pod", p.name());
    match name {
        "kube_pod_status_phase" => {
            for phase in ["Pending", "Running", "Succeeded", "Failed", "Unknown"] {
                add(
                    p,
                    &[pod, ("phase", phase)],
                    f64::from(u8::from(p.text("status/phase") == phase)),
                    false,
                );
            }
        }
        "kube_pod_spec_volumes_persistentvolumeclaims_info" => {
            for v in p.items("spec/volumes") {
                let claim = v.text("persistentVolumeClaim/claimName");
                if !claim.is_empty() {
                    add(
                        p,
                        &[
                            pod,
                            ("volume", v.text("name")),
                            ("persistentvolumeclaim", claim),
                        ],
                        1.0,
                        true,
                    );
                }
            }
        }
        "kube_pod_container_resource_limits" => {
            for c in p.items("spec/containers") {
                let own = |resource| {
                    [
                        pod,
                        ("container", c.text("name")),
                        ("resource", resource),
                        ("unit", if resource == "cpu" { "core" } else { "byte" }),
                    ]
                };
                if !c.at("resources/limits/cpu").is_null() {
                    add(
                        p,
                        &own("cpu"),
                        f64::from(
                            i32::try_from(millis(c.text("resources/limits/cpu"))).unwrap_or(0),
                        ) / 1000.0,
                        true,
                    );
                }
                if !c.at("resources/limits/memory").is_null() {
                    add(
                        p,
                        &own("memory"),
                        number(bytes(c.text("resources/limits/memory"))),
                        true,
                    );
                }
            }
        }
        "kube_pod_container_status_waiting_reason"
        | "kube_pod_container_status_last_terminated_reason" => {
            let path = if name.ends_with("waiting_reason") {
                "state/waiting/reason"
            } else {
                "lastState/terminated/reason"
            };
            for c in p.items("status/containerStatuses") {
                let reason = c.text(path);
                if !reason.is_empty() {
                    add(
                        p,
                        &[pod, ("container", c.text("name")), ("reason", reason)],
                        1.0,
                        false,
                    );
                }
            }
        }
        _ => {}
    }
}
