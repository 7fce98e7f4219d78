//! From the API's JSON to rows. Own lenient models that read only what is shown: an unknown
//! field is ignored and a missing one has a default, so that one odd object fails nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::claim::{Claim, ClaimPhase, Condition};
use crate::domain::inventory::Row;
use crate::domain::key::{Kind, Meta, ObjectKey, Owner, Text, Uid};
use crate::domain::node::{Node, Readiness, ReadyState};
use crate::domain::pod::{Container, Exit, Mount, Phase, Pod};
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;
use crate::domain::volume::{ClaimRef, Reclaim, Volume, VolumePhase};
use crate::domain::workload::{ClaimTemplate, Set};

type Pairs = BTreeMap<String, String>;

/// One object of any watched kind, as far as wsdash reads it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    pub(crate) resource_version: String,
    creation_timestamp: Option<Timestamp>,
    deletion_timestamp: Option<Timestamp>,
    generation: i64,
    labels: Pairs,
    annotations: Pairs,
    finalizers: Vec<Text>,
    owner_references: Vec<OwnerReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct OwnerReference {
    kind: String,
    name: String,
    uid: String,
    controller: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    // StatefulSet
    replicas: Option<u32>,
    ordinals: Ordinals,
    pod_management_policy: String,
    update_strategy: Named,
    persistent_volume_claim_retention_policy: Retention,
    volume_claim_templates: Vec<Object>,
    selector: Selector,
    template: Option<Box<Object>>,
    // Pod
    node_name: Option<Text>,
    containers: Vec<ContainerSpec>,
    init_containers: Vec<ContainerSpec>,
    volumes: Vec<VolumeSpec>,
    termination_grace_period_seconds: Option<u32>,
    // claim and volume
    volume_name: Option<Text>,
    storage_class_name: Option<Text>,
    volume_mode: String,
    resources: Resources,
    data_source_ref: Option<Reference>,
    capacity: Pairs,
    persistent_volume_reclaim_policy: String,
    claim_ref: Option<Reference>,
    csi: Option<Csi>,
    // snapshot
    source: Source,
    volume_snapshot_class_name: Option<Text>,
    // node
    unschedulable: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Ordinals {
    start: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Retention {
    when_deleted: String,
    when_scaled: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: Pairs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerSpec {
    name: Text,
    image: String,
    resources: Resources,
    volume_mounts: Vec<MountSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Resources {
    limits: Pairs,
    requests: Pairs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MountSpec {
    name: Text,
    mount_path: Text,
    read_only: bool,
    sub_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct VolumeSpec {
    name: Text,
    persistent_volume_claim: Option<ClaimSource>,
    ephemeral: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClaimSource {
    claim_name: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Reference {
    kind: String,
    name: Text,
    namespace: Text,
    uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Csi {
    driver: Text,
    volume_handle: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Source {
    persistent_volume_claim_name: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: String,
    reason: Option<Text>,
    message: Option<Text>,
    conditions: Vec<ConditionModel>,
    // StatefulSet
    ready_replicas: u32,
    current_replicas: u32,
    updated_replicas: u32,
    observed_generation: i64,
    current_revision: Option<Text>,
    update_revision: Option<Text>,
    // Pod
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
    // claim
    capacity: Pairs,
    allocated_resources: Pairs,
    allocated_resource_statuses: Pairs,
    last_phase_transition_time: Option<Timestamp>,
    // snapshot
    bound_volume_snapshot_content_name: Option<Text>,
    ready_to_use: Option<bool>,
    creation_time: Option<Timestamp>,
    restore_size: Option<String>,
    error: Option<ErrorModel>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ErrorModel {
    message: Text,
    time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConditionModel {
    #[serde(rename = "type")]
    kind: Text,
    status: String,
    reason: Option<Text>,
    message: Option<Text>,
    last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ContainerStatus {
    name: Text,
    ready: bool,
    restart_count: u32,
    state: ContainerState,
    last_state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct ContainerState {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Waiting {
    reason: Option<Text>,
    message: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Running {
    started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Terminated {
    reason: Text,
    exit_code: i32,
    finished_at: Option<Timestamp>,
}

impl Object {
    /// From an object that was read whole; `None` when it is not even shaped like one.
    pub(crate) fn deserialize_from(object: &serde_json::Value) -> Option<Self> {
        Self::deserialize(object).ok()
    }
}

/// The row of an object; none for a kind that has no rows yet.
pub(crate) fn row(kind: Kind, object: Object, policy: &Policy) -> Option<Row> {
    Some(match kind {
        Kind::Set => Row::Set(set(object)),
        Kind::Pod => Row::Pod(pod(object, policy)),
        Kind::Claim => Row::Claim(claim(object, policy)),
        Kind::Volume => Row::Volume(volume(object)),
        Kind::Snapshot => Row::Snapshot(snapshot(object)),
        Kind::Node => Row::Node(node(object)),
        _ => return None,
    })
}

pub(crate) fn key(metadata: &Metadata) -> ObjectKey {
    ObjectKey::new(metadata.namespace.as_str(), metadata.name.as_str())
}

fn meta(metadata: &Metadata) -> Meta {
    Meta {
        key: key(metadata),
        uid: Uid::parse(&metadata.uid),
        created: metadata.creation_timestamp.unwrap_or(Timestamp::UNIX_EPOCH),
        deleted: metadata.deletion_timestamp,
    }
}

fn owners(metadata: &Metadata) -> Vec<Owner> {
    let owner = |o: &OwnerReference| Owner {
        kind: o.kind.as_str().into(),
        name: o.name.as_str().into(),
        uid: Uid::parse(&o.uid),
        controller: o.controller,
    };
    metadata.owner_references.iter().map(owner).collect()
}

fn controller(metadata: &Metadata) -> Option<Owner> {
    owners(metadata).into_iter().find(|o| o.controller)
}

fn storage(pairs: &Pairs) -> Option<Quantity> {
    Quantity::parse(pairs.get("storage")?).ok()
}

fn first(labels: &Pairs, wanted: &[String]) -> Option<Text> {
    wanted
        .iter()
        .find_map(|key| labels.get(key))
        .map(|value| value.as_str().into())
}

fn pairs(labels: &Pairs) -> Vec<(Text, Text)> {
    labels
        .iter()
        .map(|(k, v)| (k.as_str().into(), v.as_str().into()))
        .collect()
}

/// An image without its tag and digest; a port is no tag.
fn repository(image: &str) -> Text {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name.into(),
        _ => image.into(),
    }
}

fn claims_of(volumes: &[VolumeSpec], pod: &str) -> Vec<(Text, Text)> {
    let claim = |v: &VolumeSpec| match (&v.persistent_volume_claim, &v.ephemeral) {
        (Some(source), _) => Some((v.name.clone(), source.claim_name.clone())),
        (None, Some(_)) => Some((v.name.clone(), format!("{pod}-{}", v.name).into())),
        (None, None) => None,
    };
    volumes.iter().filter_map(claim).collect()
}

fn set(object: Object) -> Set {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    let template = spec.template.map(|t| t.spec).unwrap_or_default();
    let made = |t: &Object| ClaimTemplate {
        name: t.metadata.name.as_str().into(),
        request: storage(&t.spec.resources.requests),
        storage_class: t.spec.storage_class_name.clone(),
    };
    let managers = [
        "app.kubernetes.io/managed-by",
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
    ];
    Set {
        meta: meta(&metadata),
        owner: controller(&metadata),
        replicas: spec.replicas.unwrap_or(1),
        start: spec.ordinals.start,
        ready: status.ready_replicas,
        current: status.current_replicas,
        updated: status.updated_replicas,
        generation: metadata.generation,
        observed_generation: status.observed_generation,
        current_revision: status.current_revision,
        update_revision: status.update_revision,
        parallel: spec.pod_management_policy == "Parallel",
        on_delete: spec.update_strategy.kind == "OnDelete",
        when_scaled_delete: spec.persistent_volume_claim_retention_policy.when_scaled == "Delete",
        when_deleted_delete: spec.persistent_volume_claim_retention_policy.when_deleted == "Delete",
        templates: spec.volume_claim_templates.iter().map(made).collect(),
        selector: pairs(&spec.selector.match_labels),
        claims: claims_of(&template.volumes, "")
            .into_iter()
            .map(|(_, claim)| claim)
            .collect(),
        images: template
            .containers
            .iter()
            .map(|c| repository(&c.image))
            .collect(),
        managed_by: managers
            .iter()
            .find_map(|m| metadata.labels.get(*m))
            .map(|v| v.as_str().into()),
    }
}

fn container(spec: &ContainerSpec, init: bool, statuses: &[ContainerStatus]) -> Container {
    let status = statuses
        .iter()
        .find(|s| s.name == spec.name)
        .cloned()
        .unwrap_or_default();
    let exit = |t: Terminated| Exit {
        reason: t.reason,
        code: t.exit_code,
        at: t.finished_at,
    };
    let mount = |m: &MountSpec| Mount {
        path: m.mount_path.clone(),
        volume: m.name.clone(),
        read_only: m.read_only,
        sub_path: !m.sub_path.is_empty(),
    };
    let (waiting, message) = status
        .state
        .waiting
        .map_or((None, None), |w| (w.reason, w.message));
    Container {
        name: spec.name.clone(),
        image: repository(&spec.image),
        init,
        ready: status.ready,
        restarts: status.restart_count,
        waiting,
        message,
        running_since: status.state.running.and_then(|r| r.started_at),
        last_exit: status
            .last_state
            .terminated
            .or(status.state.terminated)
            .map(exit),
        mounts: spec.volume_mounts.iter().map(mount).collect(),
    }
}

/// The sum of a limit over the containers; none when one of them has none.
fn limit(containers: &[ContainerSpec], resource: &str) -> Option<Quantity> {
    let limits: Option<Vec<i64>> = containers
        .iter()
        .map(|c| {
            Some(
                Quantity::parse(c.resources.limits.get(resource)?)
                    .ok()?
                    .millis(),
            )
        })
        .collect();
    let total: i64 = limits?.into_iter().fold(0, i64::saturating_add);
    Quantity::parse(&format!("{total}m")).ok()
}

fn pod(object: Object, policy: &Policy) -> Pod {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    let find = |kind: &str| status.conditions.iter().find(|c| &*c.kind == kind);
    let ready = find("Ready");
    let unscheduled = find("PodScheduled")
        .filter(|c| c.status == "False")
        .map(|c| {
            let message = c.message.clone().unwrap_or_default();
            (
                message,
                c.last_transition_time.unwrap_or(Timestamp::UNIX_EPOCH),
            )
        });
    let containers = (spec
        .init_containers
        .iter()
        .map(|c| container(c, true, &status.init_container_statuses)))
    .chain(
        spec.containers
            .iter()
            .map(|c| container(c, false, &status.container_statuses)),
    )
    .collect();
    let claims = claims_of(&spec.volumes, &metadata.name);
    let labels = if claims.is_empty() {
        pairs(&metadata.labels)
    } else {
        Vec::new()
    };
    let marked = |map: &Pairs| {
        map.get(&policy.stateless_label)
            .is_some_and(|v| v != "false")
    };
    Pod {
        meta: meta(&metadata),
        owner: controller(&metadata),
        phase: status.phase.parse().unwrap_or(Phase::Unknown),
        reason: status.reason,
        ready: ready.is_some_and(|c| c.status == "True"),
        ready_since: ready.and_then(|c| c.last_transition_time),
        unscheduled,
        restarts: status
            .container_statuses
            .iter()
            .map(|s| s.restart_count)
            .sum(),
        containers,
        node: spec.node_name,
        grace_seconds: spec.termination_grace_period_seconds.unwrap_or(30),
        claims: claims.into_boxed_slice(),
        cpu_limit: limit(&spec.containers, "cpu"),
        memory_limit: limit(&spec.containers, "memory"),
        labels: labels.into_boxed_slice(),
        user: first(&metadata.labels, &policy.user_labels),
        tier: first(&metadata.labels, &policy.tier_labels),
        stateless: marked(&metadata.labels) || marked(&metadata.annotations),
    }
}

fn claim(object: Object, policy: &Policy) -> Claim {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    let condition = |c: &ConditionModel| Condition {
        kind: c.kind.clone(),
        status: c.status == "True",
        reason: c.reason.clone(),
        message: c.message.clone(),
        since: c.last_transition_time,
    };
    let unused = status
        .conditions
        .iter()
        .find(|c| &*c.kind == "Unused" && c.status == "True");
    let held = metadata.labels.contains_key("wsdash.dev/keep")
        || metadata.annotations.contains_key("wsdash.dev/keep");
    Claim {
        meta: meta(&metadata),
        owners: owners(&metadata).into_boxed_slice(),
        phase: status.phase.parse().unwrap_or(ClaimPhase::Pending),
        volume: spec.volume_name,
        storage_class: spec.storage_class_name,
        request: storage(&spec.resources.requests),
        capacity: storage(&status.capacity),
        allocated: storage(&status.allocated_resources),
        resize_status: status
            .allocated_resource_statuses
            .get("storage")
            .map(|s| s.as_str().into()),
        conditions: status
            .conditions
            .iter()
            .filter(|c| &*c.kind != "Unused")
            .map(condition)
            .collect(),
        unused_since: unused.and_then(|c| c.last_transition_time),
        finalizers: metadata.finalizers.clone().into_boxed_slice(),
        held,
        user: first(&metadata.labels, &policy.user_labels),
        tier: first(&metadata.labels, &policy.tier_labels),
        label_values: metadata
            .labels
            .values()
            .map(|v| v.as_str().into())
            .collect(),
        block: spec.volume_mode == "Block",
        source_snapshot: spec
            .data_source_ref
            .filter(|r| r.kind == "VolumeSnapshot")
            .map(|r| r.name),
    }
}

fn volume(object: Object) -> Volume {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    let claim = |r: Reference| ClaimRef {
        key: ObjectKey {
            namespace: r.namespace,
            name: r.name,
        },
        uid: (!r.uid.is_empty()).then(|| Uid::parse(&r.uid)),
    };
    let (driver, handle) = spec
        .csi
        .map_or((None, None), |c| (Some(c.driver), Some(c.volume_handle)));
    Volume {
        meta: meta(&metadata),
        phase: status.phase.parse().unwrap_or(VolumePhase::Pending),
        capacity: storage(&spec.capacity),
        storage_class: spec.storage_class_name,
        // The API's own default for a volume that somebody made by hand.
        reclaim: spec
            .persistent_volume_reclaim_policy
            .parse()
            .unwrap_or(Reclaim::Retain),
        claim: spec.claim_ref.map(claim),
        driver,
        handle,
        zone: None,
        phase_since: status.last_phase_transition_time,
        message: status.message,
        kept_by: metadata
            .annotations
            .get("wsdash.dev/run-id")
            .map(|v| v.as_str().into()),
    }
}

fn snapshot(object: Object) -> Snapshot {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    Snapshot {
        meta: meta(&metadata),
        claim: spec.source.persistent_volume_claim_name,
        class: spec.volume_snapshot_class_name,
        content: status.bound_volume_snapshot_content_name,
        ready: status.ready_to_use,
        taken: status.creation_time,
        size: status.restore_size.and_then(|s| Quantity::parse(&s).ok()),
        error: status.error.map(|e| (e.message, e.time)),
        set_id: metadata
            .labels
            .get("wsdash.dev/set")
            .map(|v| v.as_str().into()),
        consistency: metadata
            .annotations
            .get("wsdash.dev/consistency")
            .map(|v| v.as_str().into()),
    }
}

fn node(object: Object) -> Node {
    let Object {
        metadata,
        spec,
        status,
    } = object;
    let ready = status
        .conditions
        .iter()
        .find(|c| &*c.kind == "Ready")
        .map(|c| Readiness {
            state: match c.status.as_str() {
                "True" => ReadyState::Ready,
                "False" => ReadyState::NotReady,
                _ => ReadyState::Unknown,
            },
            reason: c.reason.clone(),
            message: c.message.clone(),
            since: c.last_transition_time,
        });
    let pressures = status
        .conditions
        .iter()
        .filter(|c| c.kind.ends_with("Pressure") && c.status == "True");
    Node {
        meta: meta(&metadata),
        ready,
        unschedulable: spec.unschedulable,
        zone: metadata
            .labels
            .get("topology.kubernetes.io/zone")
            .map(|z| z.as_str().into()),
        taints: Box::default(),
        pressures: pressures.map(|c| c.kind.clone()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("registry.example:5000/ide", "registry.example:5000/ide")]
    #[case("registry.example:5000/ide:1.4@sha256:00", "registry.example:5000/ide")]
    #[case("ide:latest", "ide")]
    fn a_repository_has_no_tag(#[case] image: &str, #[case] expected: &str) {
        assert_eq!(&*repository(image), expected);
    }

    #[test]
    fn an_object_with_almost_nothing_still_becomes_a_row() {
        for kind in [
            Kind::Set,
            Kind::Pod,
            Kind::Claim,
            Kind::Volume,
            Kind::Snapshot,
            Kind::Node,
        ] {
            let object: Object =
                serde_json::from_str(r#"{"metadata":{"name":"x"},"more":[1]}"#).unwrap();
            let row = row(kind, object, &Policy::default()).unwrap();
            assert_eq!(&*row.meta().key.name, "x");
        }
    }

    #[test]
    fn one_container_without_a_limit_means_no_limit() {
        let containers: Vec<ContainerSpec> = serde_json::from_str(
            r#"[{"resources":{"limits":{"cpu":"200m"}}},{"resources":{"limits":{"cpu":"1"}}}]"#,
        )
        .unwrap();
        assert_eq!(limit(&containers, "cpu").unwrap().millis(), 1200);
        assert_eq!(limit(&containers, "memory"), None);
    }
}
