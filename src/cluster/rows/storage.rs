//! Claims, volumes, their classes and attachments, snapshots with contents and classes.

use jiff::Timestamp;

use super::model::{Amount, ConditionModel, ErrorModel, Moment, Object, Reference};
use super::{first, meta, owners, storage};
use crate::action::{CONSISTENCY_LABEL, KEPT_ANNOTATION, SET_LABEL};
use crate::domain::claim::{Claim, ClaimPhase, Condition};
use crate::domain::key::{ObjectKey, Text, Uid};
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::{Content, Snapshot, SnapshotClass};
use crate::domain::volume::{Attachment, ClaimRef, Reclaim, StorageClass, Volume, VolumePhase};

pub(super) fn claim(object: Object, policy: &Policy) -> Claim {
    let Object {
        metadata,
        spec,
        status,
        ..
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
    let held = (policy.hold_labels.iter())
        .any(|h| metadata.labels.contains_key(h) || metadata.annotations.contains_key(h));
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
        active: (policy.activity_annotation.as_ref())
            .and_then(|name| metadata.annotations.get(name)?.parse().ok()),
        finalizers: metadata.finalizers.into(),
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

pub(super) fn volume(object: Object) -> Volume {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    let terms = spec.node_affinity.required.node_selector_terms;
    let zone = terms
        .into_iter()
        .flat_map(|term| term.match_expressions)
        .find(|e| e.key.ends_with("/zone"))
        .and_then(|e| e.values.into_iter().next());
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
        zone,
        phase_since: status.last_phase_transition_time,
        message: status.message,
        kept_by: metadata
            .annotations
            .get(KEPT_ANNOTATION)
            .map(|v| v.as_str().into()),
    }
}

pub(super) fn snapshot(object: Object) -> Snapshot {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    Snapshot {
        meta: meta(&metadata),
        claim: spec.source.persistent_volume_claim_name,
        class: spec.volume_snapshot_class_name,
        content: status.bound_volume_snapshot_content_name,
        ready: status.ready_to_use,
        taken: status.creation_time.and_then(Moment::timestamp),
        size: match status.restore_size {
            Some(Amount::Quantity(size)) => Quantity::parse(&size).ok(),
            Some(Amount::Bytes(bytes)) => Quantity::parse(&bytes.to_string()).ok(),
            None => None,
        },
        error: status.error.map(|e| (e.message, e.time)),
        set_id: metadata.labels.get(SET_LABEL).map(|v| v.as_str().into()),
        consistency: metadata
            .labels
            .get(CONSISTENCY_LABEL)
            .map(|v| v.as_str().into()),
    }
}

fn failure(error: Option<ErrorModel>) -> Option<(Text, Option<Timestamp>)> {
    error.map(|e| (e.message, e.time))
}

pub(super) fn content(object: Object) -> Content {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    let snapshot = spec.volume_snapshot_ref.map(|r| {
        let key = ObjectKey {
            namespace: r.namespace,
            name: r.name,
        };
        (key, (!r.uid.is_empty()).then(|| Uid::parse(&r.uid)))
    });
    Content {
        meta: meta(&metadata),
        snapshot,
        delete: spec.deletion_policy == "Delete",
        driver: spec.driver,
        source_handle: spec.source.volume_handle,
        handle: status.snapshot_handle,
        ready: status.ready_to_use,
        size: match status.restore_size {
            Some(Amount::Bytes(bytes)) => Some(bytes),
            _ => None,
        },
        error: failure(status.error),
    }
}

pub(super) fn snapshot_class(object: Object) -> SnapshotClass {
    let key = "snapshot.storage.kubernetes.io/is-default-class";
    SnapshotClass {
        meta: meta(&object.metadata),
        driver: object.driver,
        delete: object.deletion_policy == "Delete",
        default: object
            .metadata
            .annotations
            .get(key)
            .is_some_and(|v| v == "true"),
    }
}

pub(super) fn storage_class(object: Object) -> StorageClass {
    let key = "storageclass.kubernetes.io/is-default-class";
    StorageClass {
        meta: meta(&object.metadata),
        provisioner: object.provisioner,
        expandable: object.allow_volume_expansion,
        // The API's own default for a class.
        reclaim: object.reclaim_policy.parse().unwrap_or(Reclaim::Delete),
        wait_for_consumer: object.volume_binding_mode == "WaitForFirstConsumer",
        default: object
            .metadata
            .annotations
            .get(key)
            .is_some_and(|v| v == "true"),
        disk_type: object.parameters.get("type").map(|t| t.as_str().into()),
    }
}

pub(super) fn attachment(object: Object) -> Attachment {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    Attachment {
        meta: meta(&metadata),
        volume: spec.source.persistent_volume_name,
        node: spec.node_name.unwrap_or_default(),
        attached: status.attached,
        attach_error: failure(status.attach_error),
        detach_error: failure(status.detach_error),
    }
}
