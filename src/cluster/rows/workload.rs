//! Sets and the other workloads, nodes, budgets, quotas, events.

use jiff::Timestamp;

use super::model::{Metadata, Object, Pairs};
use super::{claims_of, controller, meta, pairs, repository, storage};
use crate::domain::event::Event;
use crate::domain::key::{Kind, ObjectKey, Text, Uid};
use crate::domain::node::{Node, Readiness, ReadyState};
use crate::domain::quantity::Quantity;
use crate::domain::workload::{Budget, ClaimTemplate, Quota, Set, Workload};

/// Of a message no more is kept, in characters.
const LONGEST_MESSAGE: usize = 512;

pub(super) fn set(object: Object) -> Set {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    let template = spec.template.map(|t| t.spec).unwrap_or_default();
    let made = |t: &Object| ClaimTemplate {
        name: t.metadata.name.as_str().into(),
        request: storage(&t.spec.resources.requests),
        storage_class: t.spec.storage_class_name.clone(),
    };
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
        managed_by: manager(&metadata),
    }
}

/// Who would put the set back: tools that do so by themselves first. Argo CD 3 writes an annotation,
/// `APP:GROUP/KIND:NAMESPACE/NAME`.
fn manager(metadata: &Metadata) -> Option<Text> {
    let labels = [
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
        "fleet.cattle.io/bundle-id",
        "app.kubernetes.io/managed-by",
    ];
    let tracked = metadata.annotations.get("argocd.argoproj.io/tracking-id");
    let app = tracked.and_then(|id| id.split(':').next());
    app.or_else(|| {
        let mut values = labels
            .iter()
            .filter_map(|label| metadata.labels.get(*label));
        values.next().map(String::as_str)
    })
    .map(Text::from)
}

pub(super) fn node(object: Object) -> Node {
    let Object {
        metadata,
        spec,
        status,
        ..
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
        taints: (spec.taints.iter())
            .map(|t| format!("{}={}:{}", t.key, t.value, t.effect).into())
            .collect(),
        pressures: pressures.map(|c| c.kind.clone()).collect(),
    }
}

/// Deployment, ReplicaSet, DaemonSet, Job or CronJob.
pub(super) fn workload(kind: Kind, object: Object) -> Workload {
    let Object {
        metadata,
        mut spec,
        status,
        ..
    } = object;
    // A CronJob's pods are a job deeper.
    if let Some(job) = spec.job_template.take() {
        spec.template = job.spec.template;
    }
    let template = spec.template.map(|t| t.spec).unwrap_or_default();
    let replicas = match kind {
        Kind::Deployment | Kind::ReplicaSet => Some(spec.replicas.unwrap_or(1)),
        Kind::DaemonSet => Some(status.desired_number_scheduled),
        _ => None,
    };
    Workload {
        kind,
        meta: meta(&metadata),
        owner: controller(&metadata),
        replicas,
        ready: match kind {
            Kind::DaemonSet => status.number_ready,
            Kind::Job => status.active,
            _ => status.ready_replicas,
        },
        claims: claims_of(&template.volumes, "")
            .into_iter()
            .map(|(_, claim)| claim)
            .collect(),
    }
}

pub(super) fn budget(object: Object) -> Budget {
    let Object {
        metadata,
        spec,
        status,
        ..
    } = object;
    Budget {
        meta: meta(&metadata),
        selector: pairs(&spec.selector.match_labels),
        expressions: !spec.selector.match_expressions.is_empty(),
        disruptions_allowed: status.disruptions_allowed,
        expected_pods: status.expected_pods,
        current_healthy: status.current_healthy,
        desired_healthy: status.desired_healthy,
    }
}

pub(super) fn quota(object: &Object) -> Quota {
    let quantities = |pairs: &Pairs| -> Vec<(Text, Quantity)> {
        pairs
            .iter()
            .filter_map(|(k, v)| Some((k.as_str().into(), Quantity::parse(v).ok()?)))
            .collect()
    };
    let hard = if object.status.hard.is_empty() {
        &object.spec.hard
    } else {
        &object.status.hard
    };
    Quota {
        meta: meta(&object.metadata),
        hard: quantities(hard),
        used: quantities(&object.status.used),
    }
}

/// `series` counts for those who write the newer form, `eventTime` stands when nothing else does.
pub(super) fn event(object: Object) -> Event {
    let made = object.metadata.creation_timestamp;
    let series = object.series.as_ref();
    let last = (series.and_then(|s| s.last_observed_time))
        .or(object.last_timestamp)
        .or(object.event_time)
        .or(made)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let first = (object.first_timestamp)
        .or(object.event_time)
        .or(made)
        .unwrap_or(last);
    let count = series.map(|s| s.count).or(object.count);
    let source = if object.source.component.is_empty() {
        &object.reporting_component
    } else {
        &object.source.component
    };
    let of = object.involved;
    Event {
        meta: meta(&object.metadata),
        object_kind: of.kind.as_str().into(),
        object: ObjectKey {
            namespace: of.namespace,
            name: of.name,
        },
        object_uid: (!of.uid.is_empty()).then(|| Uid::parse(&of.uid)),
        warning: object.kind == "Warning",
        reason: object.reason,
        message: (object.message.chars().take(LONGEST_MESSAGE))
            .collect::<String>()
            .into(),
        count: count.unwrap_or(1).max(1),
        first,
        last,
        source: source.as_str().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    #[rstest]
    #[case(json!({"labels": {"app.kubernetes.io/managed-by": "Helm"}}), Some("Helm"))]
    #[case(json!({"labels": {"app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"argocd.argoproj.io/tracking-id": "ide:apps/StatefulSet:ns/ide"}}), Some("ide"))]
    #[case(json!({"labels": {"fleet.cattle.io/bundle-id": "b"}}), Some("b"))]
    #[case(json!({"labels": {"app": "ide"}}), None)]
    fn who_would_put_a_set_back_is_known(#[case] metadata: Value, #[case] manager: Option<&str>) {
        let object: Object = serde_json::from_value(json!({"metadata": metadata})).unwrap();
        assert_eq!(set(object).managed_by.as_deref(), manager);
    }
}
