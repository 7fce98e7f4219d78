//! What is read of the API's objects, for every watched kind at once: lenient, because one odd object
//! must not hide the others. An unknown field is skipped, a missing one has a default.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::domain::key::Text;

pub(super) type Pairs = BTreeMap<String, String>;

/// One object of any watched kind, as far as wsdash reads it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Object {
    pub(crate) metadata: Metadata,
    pub(super) spec: Spec,
    pub(super) status: Status,
    // Event
    #[serde(rename = "involvedObject")]
    pub(super) involved: Reference,
    pub(super) reason: Text,
    pub(super) message: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) count: Option<u32>,
    pub(super) first_timestamp: Option<Timestamp>,
    pub(super) last_timestamp: Option<Timestamp>,
    pub(super) event_time: Option<Timestamp>,
    pub(super) series: Option<Series>,
    pub(super) source: Component,
    pub(super) reporting_component: String,
    // StorageClass and VolumeSnapshotClass
    pub(super) provisioner: Text,
    pub(super) parameters: Pairs,
    pub(super) reclaim_policy: String,
    pub(super) allow_volume_expansion: bool,
    pub(super) volume_binding_mode: String,
    pub(super) driver: Text,
    pub(super) deletion_policy: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Series {
    pub(super) count: u32,
    pub(super) last_observed_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Component {
    pub(super) component: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: String,
    pub(super) uid: String,
    pub(crate) resource_version: String,
    pub(super) creation_timestamp: Option<Timestamp>,
    pub(super) deletion_timestamp: Option<Timestamp>,
    pub(super) generation: i64,
    pub(super) labels: Pairs,
    pub(crate) annotations: Pairs,
    pub(super) finalizers: Vec<Text>,
    pub(super) owner_references: Vec<OwnerReference>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct OwnerReference {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) controller: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Spec {
    // StatefulSet
    pub(super) replicas: Option<u32>,
    pub(super) ordinals: Ordinals,
    pub(super) pod_management_policy: String,
    pub(super) update_strategy: Named,
    pub(super) persistent_volume_claim_retention_policy: Retention,
    pub(super) volume_claim_templates: Vec<Object>,
    pub(super) selector: Selector,
    pub(super) template: Option<Box<Object>>,
    // Pod
    pub(super) node_name: Option<Text>,
    pub(super) containers: Vec<ContainerSpec>,
    pub(super) init_containers: Vec<ContainerSpec>,
    pub(super) volumes: Vec<VolumeSpec>,
    pub(super) termination_grace_period_seconds: Option<u32>,
    // claim and volume
    pub(super) volume_name: Option<Text>,
    pub(super) storage_class_name: Option<Text>,
    pub(super) volume_mode: String,
    pub(super) resources: Resources,
    pub(super) data_source_ref: Option<Reference>,
    pub(super) capacity: Pairs,
    pub(super) persistent_volume_reclaim_policy: String,
    pub(super) claim_ref: Option<Reference>,
    pub(super) csi: Option<Csi>,
    // snapshot
    pub(super) source: Source,
    pub(super) volume_snapshot_class_name: Option<Text>,
    pub(super) node_affinity: Affinity,
    // content
    pub(super) deletion_policy: String,
    pub(super) driver: Text,
    pub(super) volume_snapshot_ref: Option<Reference>,
    // attachment
    pub(super) attacher: Text,
    // Job
    pub(super) job_template: Option<Box<Object>>,
    pub(super) suspend: bool,
    // quota
    pub(super) hard: Pairs,
    // node
    pub(super) unschedulable: bool,
    pub(super) taints: Vec<Taint>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Ordinals {
    pub(super) start: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Named {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Retention {
    pub(super) when_deleted: String,
    pub(super) when_scaled: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Selector {
    pub(super) match_labels: Pairs,
    pub(super) match_expressions: Vec<serde::de::IgnoredAny>,
}

/// `nodeAffinity.required.nodeSelectorTerms` of a volume.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Affinity {
    pub(super) required: Terms,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Terms {
    pub(super) node_selector_terms: Vec<Term>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Term {
    pub(super) match_expressions: Vec<Expression>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Expression {
    pub(super) key: String,
    pub(super) values: Vec<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Taint {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) effect: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerSpec {
    pub(super) name: Text,
    pub(super) image: String,
    pub(super) resources: Resources,
    pub(super) volume_mounts: Vec<MountSpec>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub(super) limits: Pairs,
    pub(super) requests: Pairs,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct MountSpec {
    pub(super) name: Text,
    pub(super) mount_path: Text,
    pub(super) read_only: bool,
    pub(super) sub_path: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct VolumeSpec {
    pub(super) name: Text,
    pub(super) persistent_volume_claim: Option<ClaimSource>,
    pub(super) ephemeral: Option<serde::de::IgnoredAny>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ClaimSource {
    pub(super) claim_name: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Reference {
    pub(super) kind: String,
    pub(super) name: Text,
    pub(super) namespace: Text,
    pub(super) uid: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Csi {
    pub(super) driver: Text,
    pub(super) volume_handle: Text,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Source {
    pub(super) persistent_volume_claim_name: Option<Text>,
    // of an attachment
    pub(super) persistent_volume_name: Option<Text>,
    // of a content
    pub(super) volume_handle: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Status {
    pub(super) phase: String,
    pub(super) reason: Option<Text>,
    pub(super) message: Option<Text>,
    pub(super) conditions: Vec<ConditionModel>,
    // StatefulSet
    pub(super) ready_replicas: u32,
    pub(super) current_replicas: u32,
    pub(super) updated_replicas: u32,
    pub(super) observed_generation: i64,
    pub(super) current_revision: Option<Text>,
    pub(super) update_revision: Option<Text>,
    // Pod
    pub(super) container_statuses: Vec<ContainerStatus>,
    pub(super) init_container_statuses: Vec<ContainerStatus>,
    // claim
    pub(super) capacity: Pairs,
    pub(super) allocated_resources: Pairs,
    pub(super) allocated_resource_statuses: Pairs,
    pub(super) last_phase_transition_time: Option<Timestamp>,
    // snapshot
    pub(super) bound_volume_snapshot_content_name: Option<Text>,
    pub(super) ready_to_use: Option<bool>,
    pub(super) creation_time: Option<Moment>,
    pub(super) restore_size: Option<Amount>,
    pub(super) error: Option<ErrorModel>,
    // content: its times are nanoseconds and its sizes are bytes
    pub(super) snapshot_handle: Option<Text>,
    // attachment
    pub(super) attached: bool,
    pub(super) attach_error: Option<ErrorModel>,
    pub(super) detach_error: Option<ErrorModel>,
    // budget
    pub(super) disruptions_allowed: i32,
    pub(super) expected_pods: i32,
    pub(super) current_healthy: i32,
    pub(super) desired_healthy: i32,
    // quota
    pub(super) hard: Pairs,
    pub(super) used: Pairs,
    // Job and DaemonSet
    pub(super) active: u32,
    pub(super) number_ready: u32,
    pub(super) desired_number_scheduled: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorModel {
    pub(super) message: Text,
    pub(super) time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ConditionModel {
    #[serde(rename = "type")]
    pub(super) kind: Text,
    pub(super) status: String,
    pub(super) reason: Option<Text>,
    pub(super) message: Option<Text>,
    pub(super) last_transition_time: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ContainerStatus {
    pub(super) name: Text,
    pub(super) ready: bool,
    pub(super) restart_count: u32,
    pub(super) state: ContainerState,
    pub(super) last_state: ContainerState,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub(super) waiting: Option<Waiting>,
    pub(super) running: Option<Running>,
    pub(super) terminated: Option<Terminated>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub(super) reason: Option<Text>,
    pub(super) message: Option<Text>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Running {
    pub(super) started_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Terminated {
    pub(super) reason: Text,
    pub(super) exit_code: i32,
    pub(super) finished_at: Option<Timestamp>,
}

/// A snapshot has a time, its content the same in nanoseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Time(Timestamp),
    Nanoseconds(i64),
}

impl Moment {
    pub(super) fn timestamp(self) -> Option<Timestamp> {
        match self {
            Self::Time(at) => Some(at),
            Self::Nanoseconds(0) => None,
            Self::Nanoseconds(n) => Timestamp::from_nanosecond(i128::from(n)).ok(),
        }
    }
}

/// A snapshot has a quantity, its content bytes.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Amount {
    Quantity(String),
    Bytes(u64),
}

impl Object {
    /// From an object that was read whole; `None` when it is not even shaped like one.
    pub(crate) fn deserialize_from(object: &serde_json::Value) -> Option<Self> {
        Self::deserialize(object).ok()
    }
}
