//! The kinds that the simulated API server serves.

use super::failure::Failure;

/// One served resource. The order is that of [`RESOURCES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    Namespace,
    Node,
    Pod,
    Claim,
    Volume,
    Service,
    Event,
    ConfigMap,
    Secret,
    ServiceAccount,
    Quota,
    LimitRange,
    StatefulSet,
    Deployment,
    ReplicaSet,
    DaemonSet,
    ControllerRevision,
    Job,
    CronJob,
    DisruptionBudget,
    StorageClass,
    Attachment,
    Driver,
    DriverNode,
    Snapshot,
    SnapshotContent,
    SnapshotClass,
    Lease,
    Role,
    RoleBinding,
    ClusterRole,
    ClusterRoleBinding,
    Autoscaler,
    PodMetrics,
    NodeMetrics,
}

/// What discovery says of a kind.
#[derive(Debug)]
pub(crate) struct Resource {
    pub(crate) id: Kind,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) short: &'static [&'static str],
    pub(crate) namespaced: bool,
    pub(crate) subresources: &'static [&'static str],
    pub(crate) all: bool,
}

const fn r(
    id: Kind,
    api: (&'static str, &'static str),
    kind: &'static str,
    plural: &'static str,
    short: &'static [&'static str],
    namespaced: bool,
) -> Resource {
    let all = matches!(
        id,
        Kind::Pod
            | Kind::Service
            | Kind::StatefulSet
            | Kind::Deployment
            | Kind::ReplicaSet
            | Kind::DaemonSet
            | Kind::Job
            | Kind::CronJob
            | Kind::Autoscaler
    );
    let subresources: &'static [&'static str] = match id {
        Kind::Pod => &["attach", "binding", "eviction", "exec", "log", "status"],
        Kind::StatefulSet | Kind::Deployment | Kind::ReplicaSet => &["scale", "status"],
        Kind::Service => &["proxy", "status"],
        Kind::Namespace => &["finalize", "status"],
        Kind::Node
        | Kind::Claim
        | Kind::Volume
        | Kind::Quota
        | Kind::DaemonSet
        | Kind::Job
        | Kind::CronJob
        | Kind::DisruptionBudget
        | Kind::Attachment
        | Kind::Snapshot
        | Kind::SnapshotContent
        | Kind::Autoscaler => &["status"],
        _ => &[],
    };
    Resource {
        id,
        group: api.0,
        version: api.1,
        kind,
        plural,
        short,
        namespaced,
        subresources,
        all,
    }
}

const CORE: (&str, &str) = ("", "v1");
const APPS: (&str, &str) = ("apps", "v1");
const BATCH: (&str, &str) = ("batch", "v1");
const STORAGE: (&str, &str) = ("storage.k8s.io", "v1");
const SNAPSHOT: (&str, &str) = ("snapshot.storage.k8s.io", "v1");
const RBAC: (&str, &str) = ("rbac.authorization.k8s.io", "v1");
const METRICS: (&str, &str) = ("metrics.k8s.io", "v1beta1");

#[rustfmt::skip]
pub(crate) static RESOURCES: &[Resource] = &[
    r(Kind::Namespace, CORE, "Namespace", "namespaces", &["ns"], false),
    r(Kind::Node, CORE, "Node", "nodes", &["no"], false),
    r(Kind::Pod, CORE, "Pod", "pods", &["po"], true),
    r(Kind::Claim, CORE, "PersistentVolumeClaim", "persistentvolumeclaims", &["pvc"], true),
    r(Kind::Volume, CORE, "PersistentVolume", "persistentvolumes", &["pv"], false),
    r(Kind::Service, CORE, "Service", "services", &["svc"], true),
    r(Kind::Event, CORE, "Event", "events", &["ev"], true),
    r(Kind::ConfigMap, CORE, "ConfigMap", "configmaps", &["cm"], true),
    r(Kind::Secret, CORE, "Secret", "secrets", &[], true),
    r(Kind::ServiceAccount, CORE, "ServiceAccount", "serviceaccounts", &["sa"], true),
    r(Kind::Quota, CORE, "ResourceQuota", "resourcequotas", &["quota"], true),
    r(Kind::LimitRange, CORE, "LimitRange", "limitranges", &["limits"], true),
    r(Kind::StatefulSet, APPS, "StatefulSet", "statefulsets", &["sts"], true),
    r(Kind::Deployment, APPS, "Deployment", "deployments", &["deploy"], true),
    r(Kind::ReplicaSet, APPS, "ReplicaSet", "replicasets", &["rs"], true),
    r(Kind::DaemonSet, APPS, "DaemonSet", "daemonsets", &["ds"], true),
    r(Kind::ControllerRevision, APPS, "ControllerRevision", "controllerrevisions", &[], true),
    r(Kind::Job, BATCH, "Job", "jobs", &[], true),
    r(Kind::CronJob, BATCH, "CronJob", "cronjobs", &["cj"], true),
    r(Kind::DisruptionBudget, ("policy", "v1"), "PodDisruptionBudget", "poddisruptionbudgets", &["pdb"], true),
    r(Kind::StorageClass, STORAGE, "StorageClass", "storageclasses", &["sc"], false),
    r(Kind::Attachment, STORAGE, "VolumeAttachment", "volumeattachments", &[], false),
    r(Kind::Driver, STORAGE, "CSIDriver", "csidrivers", &[], false),
    r(Kind::DriverNode, STORAGE, "CSINode", "csinodes", &[], false),
    r(Kind::Snapshot, SNAPSHOT, "VolumeSnapshot", "volumesnapshots", &["vs"], true),
    r(Kind::SnapshotContent, SNAPSHOT, "VolumeSnapshotContent", "volumesnapshotcontents", &["vsc", "vscs"], false),
    r(Kind::SnapshotClass, SNAPSHOT, "VolumeSnapshotClass", "volumesnapshotclasses", &["vsclass", "vsclasses"], false),
    r(Kind::Lease, ("coordination.k8s.io", "v1"), "Lease", "leases", &[], true),
    r(Kind::Role, RBAC, "Role", "roles", &[], true),
    r(Kind::RoleBinding, RBAC, "RoleBinding", "rolebindings", &[], true),
    r(Kind::ClusterRole, RBAC, "ClusterRole", "clusterroles", &[], false),
    r(Kind::ClusterRoleBinding, RBAC, "ClusterRoleBinding", "clusterrolebindings", &[], false),
    r(Kind::Autoscaler, ("autoscaling", "v2"), "HorizontalPodAutoscaler", "horizontalpodautoscalers", &["hpa"], true),
    r(Kind::PodMetrics, METRICS, "PodMetrics", "pods", &[], true),
    r(Kind::NodeMetrics, METRICS, "NodeMetrics", "nodes", &[], false),
];

impl Kind {
    pub(crate) fn resource(self) -> &'static Resource {
        &RESOURCES[self as usize]
    }

    /// `statefulsets.apps`, the form in which errors name a resource.
    pub(crate) fn qualified(self) -> String {
        let resource = self.resource();
        if resource.group.is_empty() {
            resource.plural.to_owned()
        } else {
            format!("{}.{}", resource.plural, resource.group)
        }
    }

    pub(crate) fn api_version(self) -> String {
        self.resource().api_version()
    }

    /// Kinds that live in a custom resource definition or an extension server, and so may be absent.
    pub(crate) fn is_snapshot_api(self) -> bool {
        self.resource().group == SNAPSHOT.0
    }

    pub(crate) fn is_metrics_api(self) -> bool {
        self.resource().group == METRICS.0
    }

    /// Kinds whose `metadata.generation` counts the changes of the spec.
    pub(crate) fn has_generation(self) -> bool {
        matches!(
            self,
            Self::StatefulSet
                | Self::Deployment
                | Self::ReplicaSet
                | Self::DaemonSet
                | Self::Job
                | Self::CronJob
                | Self::DisruptionBudget
                | Self::Snapshot
                | Self::SnapshotContent
                | Self::SnapshotClass
                | Self::Pod
        )
    }

    pub(crate) fn find(group: &str, version: &str, plural: &str) -> Result<Self, Failure> {
        RESOURCES
            .iter()
            .find(|r| r.group == group && r.version == version && r.plural == plural)
            .map(|r| r.id)
            .ok_or_else(Failure::no_such_path)
    }

    pub(crate) fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        let group = api_version.split_once('/').map_or("", |(g, _)| g);
        RESOURCES
            .iter()
            .find(|r| r.group == group && r.kind == kind)
            .map(|r| r.id)
    }
}

impl Resource {
    pub(crate) fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    pub(crate) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

/// Names one object of the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

impl Key {
    pub(crate) fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_order_of_the_kinds() {
        for (at, resource) in RESOURCES.iter().enumerate() {
            assert_eq!(resource.id as usize, at, "{}", resource.kind);
        }
    }
}
