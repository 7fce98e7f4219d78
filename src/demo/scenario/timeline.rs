//! What goes wrong and when: the entries of a timeline, how they are played, and checks on the world.

use serde::Deserialize;
use serde_json::json;

use super::super::clock::seconds;
use super::super::controllers::{is_ready, kubelet};
use super::super::faults::{Behaviour, ExpandError, SnapshotError};
use super::super::history::EVERYTHING;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::{Actor, Task, World};
use super::backup::LABEL;
use super::{Name, Placed, backup, read};

/// One thing that happens.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Entry {
    /// Simulated seconds after the start.
    #[serde(deserialize_with = "read::seconds")]
    pub at: f64,
    pub action: Action,
}

/// What happens: `do` names it, the other keys are its fields.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Action {
    /// A node loses power.
    NodeDown {
        /// Its name.
        node: Name,
    },
    /// A node that lost power comes back.
    NodeUp {
        /// Its name.
        node: Name,
    },
    /// The node that holds a pod loses power.
    NodeOfPodDown {
        /// `namespace/name`.
        pod: Name,
    },
    /// Every node of a zone is taken out of the cluster.
    ZoneGone {
        /// The zone.
        zone: Name,
    },
    /// Somebody deletes a pod.
    DeletePod {
        /// `namespace/name`.
        pod: Name,
    },
    /// Somebody deletes a claim.
    DeleteClaim {
        /// `namespace/name`.
        claim: Name,
    },
    /// Somebody deletes a set.
    DeleteSet {
        /// `namespace/name`.
        set: Name,
    },
    /// Somebody scales a set.
    Scale {
        /// `namespace/name`.
        set: Name,
        /// To so many.
        replicas: u32,
    },
    /// Somebody rolls out another image: it goes into the template of the set. No registry has an image whose name
    /// contains `does-not-exist`.
    Rollout {
        /// `namespace/name`.
        set: Name,
        /// The new image.
        image: String,
    },
    /// Somebody asks for more space.
    Resize {
        /// `namespace/name`.
        claim: Name,
        /// The new request.
        #[serde(deserialize_with = "read::quantity")]
        size: String,
    },
    /// A snapshot is asked for as the backup job does.
    Snapshot {
        /// `namespace/name`.
        claim: Name,
        /// Name of the snapshot.
        name: String,
    },
    /// The process of a pod behaves so from now on.
    Behave {
        /// `namespace/name`.
        pod: Name,
        /// How; without it the process is well again.
        #[serde(default)]
        behaviour: Option<Behaviour>,
        /// Its containers are started anew.
        #[serde(default)]
        restart: bool,
    },
    /// A disk grows so fast from now on.
    Grow {
        /// `namespace/name`.
        claim: Name,
        /// Per day, as a quantity.
        #[serde(deserialize_with = "read::quantity")]
        bytes: String,
        /// Files per day.
        #[serde(default)]
        files: f64,
    },
    /// The file system of a claim is mounted read-only.
    ReadOnly {
        /// `namespace/name`.
        claim: Name,
        /// False makes it writable again.
        read_only: bool,
    },
    /// The driver refuses to make snapshots.
    SnapshotError {
        /// Its message; without it they succeed again.
        #[serde(default)]
        message: Option<String>,
        /// It refuses only while more than so many are being made.
        #[serde(default)]
        above: usize,
    },
    /// The snapshot controller does not run.
    SnapshotControllerDown {
        /// False starts it again.
        down: bool,
    },
    /// The driver refuses to grow volumes.
    ExpandError {
        /// Its message; without it they grow again.
        #[serde(default)]
        message: Option<String>,
        /// It will never work, and the resizer does not try again soon.
        #[serde(default, rename = "final")]
        is_final: bool,
        /// It refuses only sizes above this.
        #[serde(default, deserialize_with = "read::quantity_or_none")]
        above: Option<String>,
    },
    /// The driver refuses to make volumes.
    ProvisionError {
        /// Its message; without it they are made again.
        #[serde(default)]
        message: Option<String>,
    },
    /// The API server answers badly; what is left out is well again.
    ApiFault {
        /// Share of the requests answered 503 or 429, from 0 to 1.
        #[serde(default, deserialize_with = "read::share")]
        error_share: f64,
        /// Real milliseconds before each answer.
        #[serde(default)]
        delay_millis: u64,
        /// Watches are cut.
        #[serde(default)]
        cut_watches: bool,
        /// Everything is answered 503.
        #[serde(default)]
        down: bool,
    },
    /// The token of the kubeconfig is not good any more.
    TokenExpired {
        /// False makes it good again.
        expired: bool,
    },
    /// An API that a cluster can lack is missing.
    ApiMissing {
        /// Which one.
        api: Optional,
        /// False brings it back.
        missing: bool,
    },
    /// Prometheus answers 503.
    PrometheusDown {
        /// False brings it back.
        down: bool,
    },
    /// A target is scraped no more.
    Unscrape {
        /// A node, or a pod as `namespace/name`.
        target: Name,
    },
    /// A target is scraped again.
    Scrape {
        /// A node, or a pod as `namespace/name`.
        target: Name,
    },
    /// An object is created; of one that is there the spec is replaced.
    Apply {
        /// The object, with `apiVersion`, `kind` and `metadata`.
        #[cfg_attr(
            test,
            schemars(with = "Placed<serde_json::Map<String, serde_json::Value>>")
        )]
        object: Placed<toml::Table>,
    },
}

/// An API that a cluster can lack.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Optional {
    Snapshots,
    Metrics,
}

/// What must hold at the end of a drill: `is` names it, the other keys are its fields.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Check {
    /// The pod runs and is ready.
    PodReady {
        /// `namespace/name`.
        pod: Name,
    },
    /// The claim's disk has at least this share free, of bytes and of inodes.
    DiskFree {
        /// `namespace/name`.
        claim: Name,
        /// From 0 to 1.
        #[serde(deserialize_with = "read::share")]
        share: f64,
    },
    /// The claim has a ready snapshot that is young.
    SnapshotYounger {
        /// `namespace/name`.
        claim: Name,
        /// Younger than so many minutes.
        minutes: f64,
    },
    /// The claim has a ready snapshot that is young, and a backup job takes it from now on.
    BackedUp {
        /// `namespace/name`.
        claim: Name,
        /// Younger than so many minutes.
        minutes: f64,
    },
    /// The file system of the claim has at least this size.
    ClaimSize {
        /// `namespace/name`.
        claim: Name,
        /// The size.
        #[serde(deserialize_with = "read::quantity")]
        size: String,
    },
    /// No claim whose name begins so is left.
    NoClaims {
        /// The namespace.
        namespace: Name,
        /// How the names begin.
        prefix: Name,
    },
    /// The claim's data is safe: its volume is kept, or a ready snapshot was made since the start.
    DataSafe {
        /// `namespace/name`.
        claim: Name,
    },
    /// The trouble ends by itself; nothing may have been harmed.
    Time {
        /// So many seconds after the start.
        #[serde(deserialize_with = "read::seconds")]
        seconds: f64,
    },
    /// The disruption budget allows an eviction.
    BudgetAllows {
        /// `namespace/name`.
        budget: Name,
    },
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
        world.actor = Actor::Timeline;
        act(world, entry.action);
        world.actor = Actor::Controller;
    }
}

pub(crate) fn act(world: &mut World, action: Action) {
    let now = world.now;
    match action {
        Action::NodeDown { node } => node_down(world, &node),
        Action::NodeUp { node } => {
            world.faults.nodes_down.remove(&*node);
            world.history.heard(&node, now);
            kubelet::boot(world, &node);
            world.look_at(Kind::Node, "", &node);
        }
        Action::NodeOfPodDown { pod } => {
            if let Some(pod) = world.read(&key(Kind::Pod, &pod)) {
                node_down(world, pod.text("spec/nodeName"));
            }
        }
        Action::ZoneGone { zone } => {
            for node in world.list(Kind::Node, "") {
                if node.label("topology.kubernetes.io/zone") != Some(&zone) {
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
        Action::Rollout { set, image } => {
            world.update(&key(Kind::StatefulSet, &set), |s| {
                s.put("spec/template/spec/containers/0/image", image);
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
                Some(b) => world.faults.behaviours.insert(pod.to_string(), b),
                None => world.faults.behaviours.remove(&*pod),
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
        Action::ReadOnly { claim, read_only } => {
            if read_only {
                world.faults.read_only.insert(claim.to_string());
            } else {
                world.faults.read_only.remove(&*claim);
            }
        }
        Action::SnapshotError { message, above } => {
            world.faults.snapshot_error = message.map(|message| SnapshotError { message, above });
        }
        Action::SnapshotControllerDown { down } => {
            world.faults.snapshot_controller_down = down;
            super::super::controllers::look_at_all(world, Kind::Snapshot, "", |_| true);
        }
        Action::ExpandError {
            message,
            is_final,
            above,
        } => {
            let above = above.map_or(0, |a| super::super::controllers::bytes(&a));
            world.faults.expand_error = message.map(|message| ExpandError {
                message,
                is_final,
                above,
            });
        }
        Action::ProvisionError { message } => world.faults.provision_error = message,
        Action::ApiFault {
            error_share,
            delay_millis,
            cut_watches,
            down,
        } => {
            world.faults.api.error_share = error_share;
            world.faults.api.delay_millis = delay_millis;
            world.faults.api.cut_watches = cut_watches;
            world.faults.api.down = down;
        }
        Action::TokenExpired { expired } => world.faults.api.token_expired = expired,
        Action::ApiMissing { api, missing } => match api {
            Optional::Snapshots => world.faults.no_snapshot_api = missing,
            Optional::Metrics => world.faults.no_metrics_api = missing,
        },
        Action::PrometheusDown { down } => {
            world.faults.prometheus_down = down;
            if down {
                world.history.silenced(EVERYTHING, now);
            } else {
                world.history.heard(EVERYTHING, now);
            }
        }
        Action::Unscrape { target } => world.history.silenced(&target, now),
        Action::Scrape { target } => world.history.heard(&target, now),
        Action::Apply { object } => apply(world, &object),
    }
}

fn apply(world: &mut World, object: &toml::Table) {
    let Ok(object) = serde_json::to_value(object) else {
        return;
    };
    let Some(kind) = Kind::of_kind(object.text("apiVersion"), object.text("kind")) else {
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
    world.history.silenced(node, now);
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
            has_snapshot(world, &key(Kind::Claim, claim), *minutes)
        }
        Check::BackedUp { claim, minutes } => {
            let key = key(Kind::Claim, claim);
            has_snapshot(world, &key, *minutes)
                && world.read(&key).is_some_and(|c| backup::covers(world, &c))
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
            .any(|c| c.name().starts_with(&**prefix)),
        Check::DataSafe { claim } => data_safe(world, &key(Kind::Claim, claim)),
        Check::Time { seconds: after } => world
            .timeline
            .begun
            .is_some_and(|b| b + seconds(*after) <= world.now),
        Check::BudgetAllows { budget } => world
            .read(&key(Kind::DisruptionBudget, budget))
            .is_some_and(|b| b.int("status/disruptionsAllowed").unwrap_or(0) > 0),
    }
}

/// The claim has a ready snapshot that is younger than so many minutes.
fn has_snapshot(world: &World, claim: &Key, minutes: f64) -> bool {
    world.store.list(Kind::Snapshot, &claim.namespace).any(|s| {
        s.text("spec/source/persistentVolumeClaimName") == claim.name
            && s.flag("status/readyToUse")
            && s.time("status/creationTime")
                .is_some_and(|t| t + seconds(minutes * 60.0) > world.now)
    })
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
