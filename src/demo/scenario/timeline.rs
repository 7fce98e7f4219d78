//! What goes wrong and when: the entries of a timeline, how they are played, and checks on the world.

use serde::Deserialize;
use serde_json::json;

use super::super::clock::seconds;
use super::super::controllers::is_ready;
use super::super::faults::Behaviour;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::{Task, World};
use super::backup::LABEL;

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// Simulated seconds after the start.
    pub at: f64,
    #[serde(flatten)]
    pub action: Action,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(
    tag = "do",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Action {
    NodeDown {
        node: String,
    },
    NodeUp {
        node: String,
    },
    /// The node holding this pod (`namespace/name`) loses power.
    NodeOfPodDown {
        pod: String,
    },
    /// Takes every node of a zone out of the cluster.
    ZoneGone {
        zone: String,
    },
    DeletePod {
        pod: String,
    },
    DeleteClaim {
        claim: String,
    },
    DeleteSet {
        set: String,
    },
    Scale {
        set: String,
        replicas: u32,
    },
    /// Asks for more space, as a user would.
    Resize {
        claim: String,
        size: String,
    },
    Snapshot {
        claim: String,
        name: String,
    },
    /// The process of a pod behaves so from now on; without `behaviour` it is well again.
    Behave {
        pod: String,
        #[serde(default)]
        behaviour: Option<Behaviour>,
        #[serde(default)]
        restart: bool,
    },
    /// How fast a claim's disk grows, per day.
    Grow {
        claim: String,
        bytes: String,
        #[serde(default)]
        files: f64,
    },
    SnapshotError {
        #[serde(default)]
        message: Option<String>,
    },
    SnapshotControllerDown {
        down: bool,
    },
    ExpandError {
        #[serde(default)]
        message: Option<String>,
        #[serde(default)]
        r#final: bool,
    },
    ProvisionError {
        #[serde(default)]
        message: Option<String>,
    },
    /// Share of requests that fail, real milliseconds of delay.
    ApiFault {
        #[serde(default)]
        error_share: f64,
        #[serde(default)]
        delay_millis: u64,
        #[serde(default)]
        cut_watches: bool,
    },
    TokenExpired {
        expired: bool,
    },
    PrometheusDown {
        down: bool,
    },
    /// The kubelet of this node, or this pod (`namespace/name`), is scraped no more.
    Unscrape {
        target: String,
    },
    /// Creates or replaces an object.
    Apply {
        object: toml::Value,
    },
}

/// What can be asked of the world, for the end of a drill.
#[derive(Clone, Debug, Deserialize)]
#[serde(
    tag = "is",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Check {
    /// The pod runs and is ready.
    PodReady { pod: String },
    /// The claim's disk has at least this share free, of bytes and of inodes.
    DiskFree { claim: String, share: f64 },
    /// The newest ready snapshot of the claim is younger than this.
    SnapshotYounger { claim: String, minutes: f64 },
    /// The file system of the claim has at least this size.
    ClaimSize { claim: String, size: String },
    /// No claim of this prefix without an owner is left, or each is kept by a snapshot.
    NoClaims { namespace: String, prefix: String },
    /// The claim's data is safe: its volume is kept or a ready snapshot of it exists.
    DataSafe { claim: String },
    /// The trouble ends by itself; nothing may have been harmed.
    Time { seconds: f64 },
    /// The node's pods can be evicted again: budget allows.
    BudgetAllows { budget: String },
}

#[derive(Debug, Default)]
pub(crate) struct Timeline {
    pub(crate) entries: Vec<Entry>,
    /// When the world was handed over to its users.
    pub(crate) begun: Option<jiff::Timestamp>,
}

/// Puts the entries on the clock, from now.
pub(crate) fn begin(world: &mut World, entries: Vec<Entry>) {
    let now = world.now;
    for (number, entry) in entries.iter().enumerate() {
        world.schedule(now + seconds(entry.at), Task::Incident(number));
    }
    world.timeline = Timeline {
        entries,
        begun: Some(now),
    };
}

fn key(kind: Kind, path: &str) -> Key {
    let (namespace, name) = path.split_once('/').unwrap_or(("", path));
    Key::new(kind, namespace, name)
}

pub(crate) fn play(world: &mut World, number: usize) {
    if let Some(entry) = world.timeline.entries.get(number).cloned() {
        act(world, entry.action);
    }
}

pub(crate) fn act(world: &mut World, action: Action) {
    let now = world.now;
    match action {
        Action::NodeDown { node } => node_down(world, &node),
        Action::NodeUp { node } => {
            world.faults.nodes_down.remove(&node);
            world.look_at(Kind::Node, "", &node);
            super::super::controllers::look_at_all(world, Kind::Pod, "", |p| {
                p.text("spec/nodeName") == node
            });
        }
        Action::NodeOfPodDown { pod } => {
            if let Some(pod) = world.read(&key(Kind::Pod, &pod)) {
                node_down(world, pod.text("spec/nodeName"));
            }
        }
        Action::ZoneGone { zone } => {
            for node in world.list(Kind::Node, "") {
                if node.label("topology.kubernetes.io/zone") != Some(zone.as_str()) {
                    continue;
                }
                world.remove(&Key::new(Kind::Node, "", node.name()));
                for pod in world.list(Kind::Pod, "") {
                    if pod.text("spec/nodeName") == node.name() {
                        world.remove(&Key::new(Kind::Pod, pod.namespace(), pod.name()));
                    }
                }
            }
        }
        Action::DeletePod { pod } => world.drop_object(&key(Kind::Pod, &pod)),
        Action::DeleteClaim { claim } => world.drop_object(&key(Kind::Claim, &claim)),
        Action::DeleteSet { set } => world.drop_object(&key(Kind::StatefulSet, &set)),
        Action::Scale { set, replicas } => {
            world.update(&key(Kind::StatefulSet, &set), |s| {
                s.put("spec/replicas", replicas);
            });
        }
        Action::Resize { claim, size } => {
            world.update(&key(Kind::Claim, &claim), |c| {
                c.put("spec/resources/requests/storage", size);
            });
        }
        Action::Snapshot { claim, name } => {
            let claim = key(Kind::Claim, &claim);
            snapshot(world, &claim.namespace, &claim.name, &name);
        }
        Action::Behave {
            pod,
            behaviour,
            restart,
        } => {
            match behaviour {
                Some(b) => world.faults.behaviours.insert(pod.clone(), b),
                None => world.faults.behaviours.remove(&pod),
            };
            let key = key(Kind::Pod, &pod);
            if restart
                && let Some(found) = world.read(&key)
                && let Some(sandbox) = world.sandboxes.get_mut(found.uid())
            {
                for container in sandbox.containers.values_mut().filter(|c| c.is_running()) {
                    container.ends = Some((now, 1, "Error".to_owned()));
                }
            }
            world.enqueue(Task::Reconcile(key));
        }
        Action::Grow {
            claim,
            bytes,
            files,
        } => {
            let per_day = super::build::number(super::super::controllers::bytes(&bytes));
            super::build::grow(
                world,
                &key(Kind::Claim, &claim),
                per_day / 86_400.0,
                files / 86_400.0,
            );
        }
        Action::SnapshotError { message } => world.faults.snapshot_error = message,
        Action::SnapshotControllerDown { down } => {
            world.faults.snapshot_controller_down = down;
            super::super::controllers::look_at_all(world, Kind::Snapshot, "", |_| true);
        }
        Action::ExpandError { message, r#final } => {
            world.faults.expand_error = message.map(|m| (m, r#final));
        }
        Action::ProvisionError { message } => world.faults.provision_error = message,
        Action::ApiFault {
            error_share,
            delay_millis,
            cut_watches,
        } => {
            world.faults.api.error_share = error_share;
            world.faults.api.delay_millis = delay_millis;
            world.faults.api.cut_watches = cut_watches;
        }
        Action::TokenExpired { expired } => world.faults.api.token_expired = expired,
        Action::PrometheusDown { down } => world.faults.prometheus_down = down,
        Action::Unscrape { target } => {
            world.faults.unscraped.insert(target, now);
        }
        Action::Apply { object } => apply(world, &object),
    }
}

fn apply(world: &mut World, object: &toml::Value) {
    let Ok(object) = serde_json::to_value(object) else {
        return;
    };
    let Some(kind) = Kind::of_kind(object.text("apiVersion"), object.text("kind")) else {
        tracing::warn!(
            kind = object.text("kind"),
            "the scenario applies a kind that is not served"
        );
        return;
    };
    let key = Key::new(kind, object.namespace(), object.name());
    let there = world.update(&key, |o| {
        if let Some(spec) = object.map("spec") {
            o.put("spec", spec.clone());
        }
    });
    if !there
        && world.read(&key).is_none()
        && let Err(failure) = world.create(kind, object, false)
    {
        tracing::warn!(
            message = failure.message,
            "the scenario applies an object that is refused"
        );
    }
}

fn node_down(world: &mut World, node: &str) {
    let now = world.now;
    world
        .faults
        .nodes_down
        .entry(node.to_owned())
        .or_insert(now);
    for sandbox in world.sandboxes.values() {
        if sandbox.node == node {
            world
                .history
                .stopped(&sandbox.namespace, &sandbox.pod, "", now);
            world
                .history
                .unmounted(&sandbox.namespace, &sandbox.pod, now);
        }
    }
    world.look_at(Kind::Node, "", node);
}

/// Takes a snapshot as the backup job does.
pub(crate) fn snapshot(world: &mut World, namespace: &str, claim: &str, name: &str) {
    let object = json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {LABEL.0: LABEL.1}},
        "spec": {"source": {"persistentVolumeClaimName": claim}},
    });
    if let Err(failure) = world.create(Kind::Snapshot, object, false) {
        tracing::debug!(message = failure.message, "no snapshot");
    }
}

/// Whether a check holds now.
pub(crate) fn holds(world: &World, check: &Check) -> bool {
    match check {
        Check::PodReady { pod } => world
            .read(&key(Kind::Pod, pod))
            .is_some_and(|p| is_ready(&p) && !p.terminating()),
        Check::DiskFree { claim, share } => disk_of(world, claim)
            .and_then(|d| d.usage_at(world.now).map(|p| (p, d.inodes())))
            .is_some_and(|(p, inodes)| {
                1.0 - p.used / p.capacity.max(1.0) >= *share
                    && 1.0 - p.inodes / super::build::number(inodes).max(1.0) >= *share
            }),
        Check::SnapshotYounger { claim, minutes } => {
            let key = key(Kind::Claim, claim);
            world.store.list(Kind::Snapshot, &key.namespace).any(|s| {
                s.text("spec/source/persistentVolumeClaimName") == key.name
                    && s.flag("status/readyToUse")
                    && s.time("status/creationTime")
                        .is_some_and(|t| t + seconds(minutes * 60.0) > world.now)
            })
        }
        Check::ClaimSize { claim, size } => {
            let want = super::super::controllers::bytes(size);
            world.read(&key(Kind::Claim, claim)).is_some_and(|c| {
                super::super::controllers::bytes(c.text("status/capacity/storage")) >= want
            }) && disk_of(world, claim).is_some_and(|d| d.formatted >= want)
        }
        Check::NoClaims { namespace, prefix } => !world
            .store
            .list(Kind::Claim, namespace)
            .any(|c| c.name().starts_with(prefix.as_str())),
        Check::DataSafe { claim } => data_safe(world, &key(Kind::Claim, claim)),
        Check::Time { seconds: after } => world
            .timeline
            .begun
            .is_some_and(|b| b + seconds(*after) <= world.now),
        Check::BudgetAllows { budget } => world
            .read(&key(Kind::DisruptionBudget, budget))
            .is_none_or(|b| b.int("status/disruptionsAllowed").unwrap_or(0) > 0),
    }
}

fn disk_of<'a>(world: &'a World, claim: &str) -> Option<&'a super::super::disk::Disk> {
    let claim = world.read(&key(Kind::Claim, claim))?;
    let volume = world.get(Kind::Volume, "", claim.text("spec/volumeName"))?;
    world.disks.get(volume.text("spec/csi/volumeHandle"))
}

fn data_safe(world: &World, claim: &Key) -> bool {
    let of = |v: &Object| {
        v.text("spec/claimRef/namespace") == claim.namespace
            && v.text("spec/claimRef/name") == claim.name
    };
    let kept = world
        .store
        .list(Kind::Volume, "")
        .any(|v| of(v) && v.text("spec/persistentVolumeReclaimPolicy") == "Retain");
    let since = world.timeline.begun.unwrap_or(world.start);
    let snapped = world.store.list(Kind::Snapshot, &claim.namespace).any(|s| {
        s.text("spec/source/persistentVolumeClaimName") == claim.name
            && s.flag("status/readyToUse")
            && s.time("status/creationTime").is_some_and(|t| t >= since)
    });
    kept || snapped
}
