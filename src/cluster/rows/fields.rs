//! Where in Kubernetes' protobuf the fields of the models are: numbers and names of
//! `generated.proto` of k8s.io/api v0.34 (core, apps, batch, storage, policy) and of
//! k8s.io/apimachinery (meta). A published number never changes its meaning, so newer servers are
//! read, too. What is not in these tables is skipped.

use super::protobuf::Form::{
    Flag, Inline, Many, Number, One, Optional, Pairs, Quantities, Text, Texts, Time,
};
use super::protobuf::Message;
use crate::domain::key::Kind;

/// What an object of that kind looks like; `None` = the API has it only in JSON, as custom
/// resources are.
pub(super) const fn message(kind: Kind) -> Option<Message> {
    Some(match kind {
        Kind::Set => SET,
        Kind::Pod => POD,
        Kind::Claim => CLAIM,
        Kind::Volume => VOLUME,
        Kind::StorageClass => STORAGE_CLASS,
        Kind::Attachment => ATTACHMENT,
        Kind::Node => NODE,
        Kind::Event => EVENT,
        Kind::Deployment => DEPLOYMENT,
        Kind::ReplicaSet => REPLICA_SET,
        Kind::DaemonSet => DAEMON_SET,
        Kind::Job => JOB,
        Kind::CronJob => CRON_JOB,
        Kind::Budget => BUDGET,
        Kind::Quota => QUOTA,
        Kind::Snapshot | Kind::Content | Kind::SnapshotClass => return None,
    })
}

/// `metav1.Status`, with which a watch says why it cannot go on.
pub(super) const STATUS: Message = &[
    (3, "message", Text),
    (4, "reason", Text),
    (5, "details", One(&[(5, "retryAfterSeconds", Number)])),
    (6, "code", Number),
];

const META: Message = &[
    (1, "name", Text),
    (3, "namespace", Text),
    (5, "uid", Text),
    (6, "resourceVersion", Text),
    (7, "generation", Number),
    (8, "creationTimestamp", Time),
    (9, "deletionTimestamp", Time),
    (11, "labels", Pairs),
    (12, "annotations", Pairs),
    (
        13,
        "ownerReferences",
        Many(&[
            (1, "kind", Text),
            (3, "name", Text),
            (4, "uid", Text),
            (6, "controller", Flag),
        ]),
    ),
    (14, "finalizers", Texts),
];

const SELECTOR: Message = &[
    (1, "matchLabels", Pairs),
    (2, "matchExpressions", Many(&[])),
];

/// `ObjectReference`.
const REFERENCE: Message = &[
    (1, "kind", Text),
    (2, "namespace", Text),
    (3, "name", Text),
    (4, "uid", Text),
];

/// Of pods, claims and nodes alike.
const CONDITION: Message = &[
    (1, "type", Text),
    (2, "status", Text),
    (4, "lastTransitionTime", Time),
    (5, "reason", Text),
    (6, "message", Text),
];

/// `ResourceRequirements` and `VolumeResourceRequirements`.
const RESOURCES: Message = &[(1, "limits", Quantities), (2, "requests", Quantities)];

// ---- pods

const CONTAINER: Message = &[
    (1, "name", Text),
    (2, "image", Text),
    (8, "resources", One(RESOURCES)),
    (
        9,
        "volumeMounts",
        Many(&[
            (1, "name", Text),
            (2, "readOnly", Flag),
            (3, "mountPath", Text),
            (4, "subPath", Text),
        ]),
    ),
];

const POD_VOLUME: Message = &[
    (1, "name", Text),
    (
        2,
        "volumeSource",
        Inline(&[
            (10, "persistentVolumeClaim", One(&[(1, "claimName", Text)])),
            (29, "ephemeral", One(&[])),
        ]),
    ),
];

const POD_SPEC: Message = &[
    (1, "volumes", Many(POD_VOLUME)),
    (2, "containers", Many(CONTAINER)),
    (4, "terminationGracePeriodSeconds", Optional(&Number)),
    (10, "nodeName", Text),
    (20, "initContainers", Many(CONTAINER)),
];

const TEMPLATE: Message = &[(1, "metadata", One(META)), (2, "spec", One(POD_SPEC))];

const STATE: Message = &[
    (
        1,
        "waiting",
        One(&[(1, "reason", Text), (2, "message", Text)]),
    ),
    (2, "running", One(&[(1, "startedAt", Time)])),
    (
        3,
        "terminated",
        One(&[
            (1, "exitCode", Number),
            (3, "reason", Text),
            (6, "finishedAt", Time),
        ]),
    ),
];

const CONTAINER_STATUS: Message = &[
    (1, "name", Text),
    (2, "state", One(STATE)),
    (3, "lastState", One(STATE)),
    (4, "ready", Flag),
    (5, "restartCount", Number),
];

const POD: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(POD_SPEC)),
    (
        3,
        "status",
        One(&[
            (1, "phase", Text),
            (2, "conditions", Many(CONDITION)),
            (3, "message", Text),
            (4, "reason", Text),
            (8, "containerStatuses", Many(CONTAINER_STATUS)),
            (10, "initContainerStatuses", Many(CONTAINER_STATUS)),
        ]),
    ),
];

// ---- storage

const CLAIM: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (2, "resources", One(RESOURCES)),
            (3, "volumeName", Text),
            // an empty one is a class, too: none
            (5, "storageClassName", Optional(&Text)),
            (6, "volumeMode", Text),
            (
                8,
                "dataSourceRef",
                One(&[(2, "kind", Text), (3, "name", Text), (4, "namespace", Text)]),
            ),
        ]),
    ),
    (
        3,
        "status",
        One(&[
            (1, "phase", Text),
            (3, "capacity", Quantities),
            (4, "conditions", Many(CONDITION)),
            (5, "allocatedResources", Quantities),
            (7, "allocatedResourceStatuses", Pairs),
        ]),
    ),
];

const AFFINITY: Message = &[(
    1,
    "required",
    One(&[(
        1,
        "nodeSelectorTerms",
        Many(&[(
            1,
            "matchExpressions",
            Many(&[(1, "key", Text), (3, "values", Texts)]),
        )]),
    )]),
)];

const VOLUME: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (1, "capacity", Quantities),
            (
                2,
                "persistentVolumeSource",
                Inline(&[(
                    22,
                    "csi",
                    One(&[(1, "driver", Text), (2, "volumeHandle", Text)]),
                )]),
            ),
            (4, "claimRef", One(REFERENCE)),
            (5, "persistentVolumeReclaimPolicy", Text),
            (6, "storageClassName", Text),
            (9, "nodeAffinity", One(AFFINITY)),
        ]),
    ),
    (
        3,
        "status",
        One(&[
            (1, "phase", Text),
            (2, "message", Text),
            (3, "reason", Text),
            (4, "lastPhaseTransitionTime", Time),
        ]),
    ),
];

const STORAGE_CLASS: Message = &[
    (1, "metadata", One(META)),
    (2, "provisioner", Text),
    (3, "parameters", Pairs),
    (4, "reclaimPolicy", Text),
    (6, "allowVolumeExpansion", Flag),
    (7, "volumeBindingMode", Text),
];

const VOLUME_ERROR: Message = &[(1, "time", Time), (2, "message", Text)];

const ATTACHMENT: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (1, "attacher", Text),
            (2, "source", One(&[(1, "persistentVolumeName", Text)])),
            (3, "nodeName", Text),
        ]),
    ),
    (
        3,
        "status",
        One(&[
            (1, "attached", Flag),
            (3, "attachError", One(VOLUME_ERROR)),
            (4, "detachError", One(VOLUME_ERROR)),
        ]),
    ),
];

const QUOTA: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(&[(1, "hard", Quantities)])),
    (
        3,
        "status",
        One(&[(1, "hard", Quantities), (2, "used", Quantities)]),
    ),
];

// ---- workloads

const SET: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (1, "replicas", Optional(&Number)),
            (2, "selector", One(SELECTOR)),
            (3, "template", One(TEMPLATE)),
            (4, "volumeClaimTemplates", Many(CLAIM)),
            (6, "podManagementPolicy", Text),
            (7, "updateStrategy", One(&[(1, "type", Text)])),
            (
                10,
                "persistentVolumeClaimRetentionPolicy",
                One(&[(1, "whenDeleted", Text), (2, "whenScaled", Text)]),
            ),
            (11, "ordinals", One(&[(1, "start", Number)])),
        ]),
    ),
    (
        3,
        "status",
        One(&[
            (1, "observedGeneration", Number),
            (3, "readyReplicas", Number),
            (4, "currentReplicas", Number),
            (5, "updatedReplicas", Number),
            (6, "currentRevision", Text),
            (7, "updateRevision", Text),
        ]),
    ),
];

/// Of a Deployment and of a ReplicaSet.
const REPLICATED: Message = &[
    (1, "replicas", Optional(&Number)),
    (3, "template", One(TEMPLATE)),
];

const DEPLOYMENT: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(REPLICATED)),
    (3, "status", One(&[(7, "readyReplicas", Number)])),
];

const REPLICA_SET: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(REPLICATED)),
    (3, "status", One(&[(4, "readyReplicas", Number)])),
];

const DAEMON_SET: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(&[(2, "template", One(TEMPLATE))])),
    (
        3,
        "status",
        One(&[
            (3, "desiredNumberScheduled", Number),
            (4, "numberReady", Number),
        ]),
    ),
];

const JOB_SPEC: Message = &[(6, "template", One(TEMPLATE)), (10, "suspend", Flag)];

const JOB: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(JOB_SPEC)),
    (3, "status", One(&[(4, "active", Number)])),
];

const CRON_JOB: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (4, "suspend", Flag),
            (
                5,
                "jobTemplate",
                One(&[(1, "metadata", One(META)), (2, "spec", One(JOB_SPEC))]),
            ),
        ]),
    ),
];

const BUDGET: Message = &[
    (1, "metadata", One(META)),
    (2, "spec", One(&[(2, "selector", One(SELECTOR))])),
    (
        3,
        "status",
        One(&[
            (3, "disruptionsAllowed", Number),
            (4, "currentHealthy", Number),
            (5, "desiredHealthy", Number),
            (6, "expectedPods", Number),
        ]),
    ),
];

// ---- the rest

const NODE: Message = &[
    (1, "metadata", One(META)),
    (
        2,
        "spec",
        One(&[
            (4, "unschedulable", Flag),
            (
                5,
                "taints",
                Many(&[(1, "key", Text), (2, "value", Text), (3, "effect", Text)]),
            ),
        ]),
    ),
    (3, "status", One(&[(4, "conditions", Many(CONDITION))])),
];

const EVENT: Message = &[
    (1, "metadata", One(META)),
    (2, "involvedObject", One(REFERENCE)),
    (3, "reason", Text),
    (4, "message", Text),
    (5, "source", One(&[(1, "component", Text)])),
    (6, "firstTimestamp", Time),
    (7, "lastTimestamp", Time),
    (8, "count", Number),
    (9, "type", Text),
    (10, "eventTime", Time),
    (
        11,
        "series",
        One(&[(1, "count", Number), (2, "lastObservedTime", Time)]),
    ),
    (14, "reportingComponent", Text),
];
