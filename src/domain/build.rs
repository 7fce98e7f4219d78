//! Rows for tests, in the words of the tests: `pod("ide-0").running().claim("workspace-ide-0")`.
//! Every row is healthy until a test says otherwise, lives in the namespace [`NS`] and is a
//! month old at [`now`].

#![expect(
    clippy::return_self_not_must_use,
    reason = "words of a test's sentence"
)]

mod world;

use jiff::{SignedDuration, Timestamp};

pub(crate) use world::rows;
pub use world::*;

use super::claim::{Claim, ClaimPhase, Condition};
use super::event::Event;
use super::key::{Kind, Meta, ObjectKey, Owner, Text, Uid};
use super::node::{Node, Readiness, ReadyState};
use super::pod::{Container, Exit, Mount, Phase, Pod};
use super::quantity::Quantity;
use super::snapshot::{Content, Snapshot};
use super::volume::{Attachment, ClaimRef, Reclaim, StorageClass, Volume, VolumePhase};
use super::workload::{Budget, ClaimTemplate, Quota, Set};

/// The namespace of every namespaced row.
pub const NS: &str = "team";

/// The moment at which the tests judge.
pub fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(500_000)
}

pub fn seconds_ago(seconds: i64) -> Timestamp {
    now() - SignedDuration::from_secs(seconds)
}

pub fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

pub fn hours_ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

pub fn key(name: &str) -> ObjectKey {
    ObjectKey::new(NS, name)
}

/// The uid of every row of this name.
pub fn uid(name: &str) -> Uid {
    Uid::Other(format!("uid-{name}").into())
}

pub fn gib(gib: u64) -> Quantity {
    Quantity::bytes(gib << 30)
}

fn meta(namespace: &str, name: &str) -> Meta {
    Meta {
        key: ObjectKey::new(namespace, name),
        uid: uid(name),
        created: hours_ago(24 * 30),
        deleted: None,
    }
}

fn owner(kind: &str, name: &str) -> Owner {
    Owner {
        kind: kind.into(),
        name: name.into(),
        uid: uid(name),
        controller: true,
    }
}

fn with<T: Clone>(items: &[T], item: T) -> Box<[T]> {
    items.iter().cloned().chain([item]).collect()
}

macro_rules! created_and_deleted {
    ($($row:ty),*) => {$(
                impl $row {
            pub fn created(mut self, at: Timestamp) -> Self {
                self.meta.created = at;
                self
            }

            /// `deletionTimestamp`: of a pod that is when its grace ends.
            pub fn deleted(mut self, at: Timestamp) -> Self {
                self.meta.deleted = Some(at);
                self
            }
        }
    )*};
}
created_and_deleted!(Pod, Claim, Snapshot, Set, Volume, Node);

// ---- sets

/// A set of `replicas` ordinals with one template `workspace`, all ready.
pub fn set(name: &str, replicas: u32) -> Set {
    Set {
        meta: meta(NS, name),
        owner: None,
        replicas,
        start: 0,
        ready: replicas,
        current: replicas,
        updated: replicas,
        generation: 1,
        observed_generation: 1,
        current_revision: Some("r1".into()),
        update_revision: Some("r1".into()),
        parallel: true,
        on_delete: false,
        when_scaled_delete: false,
        when_deleted_delete: false,
        templates: vec![template("workspace")],
        selector: vec![("app".into(), name.into())],
        claims: Box::default(),
        images: ["example.org/ide".into()].into(),
        managed_by: None,
    }
}

fn template(name: &str) -> ClaimTemplate {
    ClaimTemplate {
        name: name.into(),
        request: Some(gib(100)),
        storage_class: Some("fast".into()),
    }
}

impl Set {
    pub fn templates(mut self, names: &[&str]) -> Self {
        self.templates = names.iter().map(|n| template(n)).collect();
        self
    }

    pub fn ready(mut self, ready: u32) -> Self {
        self.ready = ready;
        self
    }

    pub fn ordered(mut self) -> Self {
        self.parallel = false;
        self
    }

    pub fn start(mut self, start: u32) -> Self {
        self.start = start;
        self
    }
}

// ---- pods

/// A pod of the set that its name tells, scheduled to node `n1`, not started yet.
pub fn pod(name: &str) -> Pod {
    let set = name.rsplit_once('-').map_or(name, |(set, _)| set);
    Pod {
        meta: meta(NS, name),
        owner: Some(owner("StatefulSet", set)),
        phase: Phase::Pending,
        reason: None,
        ready: false,
        ready_since: Some(hours_ago(24 * 30)),
        unscheduled: None,
        restarts: 0,
        containers: [container("ide")].into(),
        node: Some("n1".into()),
        grace_seconds: 30,
        claims: Box::default(),
        cpu_limit: None,
        memory_limit: None,
        labels: Box::default(),
        user: None,
        tier: None,
        stateless: false,
    }
}

pub fn container(name: &str) -> Container {
    Container {
        name: name.into(),
        image: "example.org/ide".into(),
        init: false,
        ready: false,
        restarts: 0,
        waiting: None,
        message: None,
        running_since: None,
        last_exit: None,
        mounts: Box::default(),
    }
}

impl Pod {
    /// Running and ready since it was created.
    pub fn running(mut self) -> Self {
        self.phase = Phase::Running;
        self.ready = true;
        self.ready_since = Some(self.meta.created);
        for container in &mut self.containers {
            container.ready = true;
            container.running_since = Some(self.meta.created);
        }
        self
    }

    /// Running, but not ready since then.
    pub fn unready(mut self, since: Timestamp) -> Self {
        self = self.running();
        self.ready = false;
        self.ready_since = Some(since);
        self.containers[0].ready = false;
        self
    }

    /// Created then, and nothing started since.
    pub fn pending(mut self, since: Timestamp) -> Self {
        self.meta.created = since;
        self.ready_since = Some(since);
        self
    }

    pub fn phase(mut self, phase: Phase) -> Self {
        self.phase = phase;
        self.ready = false;
        self
    }

    /// Its first container waits for this reason.
    pub fn waits(mut self, reason: &str) -> Self {
        self.ready = false;
        self.containers[0].ready = false;
        self.containers[0].waiting = Some(reason.into());
        self.containers[0].running_since = None;
        self
    }

    pub fn restarted(mut self, restarts: u32) -> Self {
        self.restarts = restarts;
        self.containers[0].restarts = restarts;
        self
    }

    pub fn exited(mut self, reason: &str, code: i32, at: Timestamp) -> Self {
        self.containers[0].last_exit = Some(Exit {
            reason: reason.into(),
            code,
            at: Some(at),
        });
        self
    }

    pub fn unscheduled(mut self, message: &str, since: Timestamp) -> Self {
        self.unscheduled = Some((message.into(), since));
        self.node = None;
        self
    }

    /// A volume of that claim, mounted at `/workspace` unless something is there already.
    pub fn claim(mut self, claim: &str) -> Self {
        let volume: Text = format!("v{}", self.claims.len()).into();
        self.claims = with(&self.claims, (volume.clone(), claim.into()));
        if self.containers[0].mounts.is_empty() {
            return self.mount("/workspace", &volume);
        }
        self
    }

    pub fn mount(mut self, path: &str, volume: &str) -> Self {
        let mount = Mount {
            path: path.into(),
            volume: volume.into(),
            read_only: false,
            sub_path: false,
        };
        self.containers[0].mounts = with(&self.containers[0].mounts, mount);
        self
    }

    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels = with(&self.labels, (name.into(), value.into()));
        self
    }

    pub fn user(mut self, user: &str) -> Self {
        self.user = Some(user.into());
        self
    }

    pub fn image(mut self, image: &str) -> Self {
        self.containers[0].image = image.into();
        self
    }

    /// Made by a Deployment, not by a set.
    pub fn of_deployment(mut self, name: &str) -> Self {
        self.owner = Some(owner("ReplicaSet", name));
        self
    }

    pub fn on(mut self, node: &str) -> Self {
        self.node = Some(node.into());
        self
    }
}

// ---- claims

/// A bound claim of 100 GiB in the class `fast`.
pub fn claim(name: &str) -> Claim {
    Claim {
        meta: meta(NS, name),
        owners: Box::default(),
        phase: ClaimPhase::Bound,
        volume: Some(format!("pv-{name}").into()),
        storage_class: Some("fast".into()),
        request: Some(gib(100)),
        capacity: Some(gib(100)),
        allocated: None,
        resize_status: None,
        conditions: Box::default(),
        unused_since: None,
        active: None,
        finalizers: ["kubernetes.io/pvc-protection".into()].into(),
        held: false,
        user: None,
        tier: None,
        label_values: [].into(),
        block: false,
        source_snapshot: None,
    }
}

impl Claim {
    pub fn pending(mut self, since: Timestamp) -> Self {
        self.phase = ClaimPhase::Pending;
        self.meta.created = since;
        self.volume = None;
        self.capacity = None;
        self
    }

    pub fn lost(mut self) -> Self {
        self.phase = ClaimPhase::Lost;
        self
    }

    pub fn asks(mut self, request: Quantity) -> Self {
        self.request = Some(request);
        self
    }

    pub fn class(mut self, class: &str) -> Self {
        self.storage_class = Some(class.into());
        self
    }

    pub fn with_condition(mut self, kind: &str, message: &str, since: Timestamp) -> Self {
        let condition = Condition {
            kind: kind.into(),
            status: true,
            reason: None,
            message: Some(message.into()),
            since: Some(since),
        };
        self.conditions = with(&self.conditions, condition);
        self
    }

    pub fn resize(mut self, status: &str) -> Self {
        self.resize_status = Some(status.into());
        self
    }

    pub fn owned_by(mut self, kind: &str, name: &str) -> Self {
        self.owners = with(&self.owners, owner(kind, name));
        self
    }

    pub fn unused(mut self, since: Timestamp) -> Self {
        self.unused_since = Some(since);
        self
    }

    pub fn labelled(mut self, value: &str) -> Self {
        self.label_values = with(&self.label_values, value.into()).into();
        self
    }
}

// ---- volumes

/// The volume of a claim, bound.
pub fn volume_of(claim: &str) -> Volume {
    let name = format!("pv-{claim}");
    Volume {
        meta: meta("", &name),
        phase: VolumePhase::Bound,
        capacity: Some(gib(100)),
        storage_class: Some("fast".into()),
        reclaim: Reclaim::Delete,
        claim: Some(ClaimRef {
            key: key(claim),
            uid: Some(uid(claim)),
        }),
        driver: Some("disk.example.org".into()),
        handle: Some(format!("handle-{claim}").into()),
        zone: Some("z1".into()),
        phase_since: Some(hours_ago(24 * 30)),
        message: None,
        kept_by: None,
    }
}

impl Volume {
    pub fn phase(mut self, phase: VolumePhase, since: Timestamp) -> Self {
        self.phase = phase;
        self.phase_since = Some(since);
        self
    }

    pub fn retained(mut self) -> Self {
        self.reclaim = Reclaim::Retain;
        self
    }
}

pub fn storage_class(name: &str, wait_for_consumer: bool) -> StorageClass {
    StorageClass {
        meta: meta("", name),
        provisioner: "disk.example.org".into(),
        expandable: true,
        reclaim: Reclaim::Delete,
        wait_for_consumer,
        default: false,
        disk_type: None,
    }
}

/// An attachment of the volume of `claim` to `node`, done.
pub fn attachment(claim: &str, node: &str) -> Attachment {
    Attachment {
        meta: meta("", &format!("csi-{claim}-{node}")),
        volume: Some(format!("pv-{claim}").into()),
        node: node.into(),
        attached: true,
        attach_error: None,
        detach_error: None,
    }
}

impl Attachment {
    pub fn fails(mut self, message: &str, at: Timestamp) -> Self {
        self.attached = false;
        self.attach_error = Some((message.into(), Some(at)));
        self
    }
}

// ---- snapshots

/// A ready snapshot of a claim, cut then.
pub fn snapshot(name: &str, claim: &str, taken: Timestamp) -> Snapshot {
    let mut meta = meta(NS, name);
    meta.created = taken;
    Snapshot {
        meta,
        claim: Some(claim.into()),
        class: Some("backup".into()),
        content: Some(format!("content-{name}").into()),
        ready: Some(true),
        taken: Some(taken),
        size: Some(gib(100)),
        error: None,
        set_id: None,
        consistency: None,
    }
}

impl Snapshot {
    pub fn not_ready(mut self) -> Self {
        self.ready = Some(false);
        self.taken = None;
        self
    }

    pub fn fails(mut self, message: &str, at: Timestamp) -> Self {
        self = self.not_ready();
        self.error = Some((message.into(), Some(at)));
        self
    }
}

pub fn content(snapshot: &str) -> Content {
    Content {
        meta: meta("", &format!("content-{snapshot}")),
        snapshot: Some((key(snapshot), Some(uid(snapshot)))),
        delete: true,
        driver: "disk.example.org".into(),
        source_handle: None,
        handle: None,
        ready: Some(true),
        size: None,
        error: None,
    }
}

// ---- nodes, events, quotas, budgets

pub fn node(name: &str) -> Node {
    Node {
        meta: meta("", name),
        ready: Some(Readiness {
            state: ReadyState::Ready,
            reason: None,
            message: None,
            since: Some(hours_ago(24 * 30)),
        }),
        unschedulable: false,
        zone: Some("z1".into()),
        taints: Box::default(),
        pressures: Box::default(),
    }
}

impl Node {
    pub fn readiness(mut self, state: ReadyState, since: Timestamp) -> Self {
        self.ready = Some(Readiness {
            state,
            reason: Some("KubeletStopped".into()),
            message: Some("Kubelet stopped posting node status.".into()),
            since: Some(since),
        });
        self
    }

    /// Has no `Ready` condition at all.
    pub fn without_readiness(mut self) -> Self {
        self.ready = None;
        self
    }
}

/// A warning about an object of this name, seen once, last then.
pub fn event(kind: Kind, object: &str, reason: &str, message: &str, last: Timestamp) -> Event {
    let namespace = if kind.namespaced() { NS } else { "" };
    Event {
        meta: meta(NS, &format!("{object}.{reason}.{}", last.as_second())),
        object_kind: kind.object().into(),
        object: ObjectKey::new(namespace, object),
        object_uid: Some(uid(object)),
        warning: true,
        reason: reason.into(),
        message: message.into(),
        count: 1,
        first: last,
        last,
        source: "kubelet".into(),
    }
}

pub fn quota(name: &str, resource: &str, used: &str, hard: &str) -> Quota {
    let amount = |text: &str| Quantity::parse(text).unwrap();
    Quota {
        meta: meta(NS, name),
        hard: vec![(resource.into(), amount(hard))],
        used: vec![(resource.into(), amount(used))],
    }
}

pub fn budget(name: &str, allowed: i32, healthy: i32, desired: i32) -> Budget {
    Budget {
        meta: meta(NS, name),
        selector: vec![("app".into(), "ide".into())],
        expressions: false,
        disruptions_allowed: allowed,
        expected_pods: desired,
        current_healthy: healthy,
        desired_healthy: desired,
    }
}
