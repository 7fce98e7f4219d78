//! The `Table` form of lists: the columns that `kubectl get` prints.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{Fields, Object, seconds_between};
use super::super::resource::Kind;

/// Name of a column, and whether only `-o wide` shows it.
type Column = (&'static str, bool);

pub(crate) fn of(
    kind: Kind,
    objects: &[Arc<Object>],
    now: Timestamp,
    metadata: &Value,
    include: bool,
) -> Value {
    let columns: Vec<Value> = columns(kind)
        .iter()
        .map(|(name, wide)| json!({"name": name, "type": "string", "format": if *name == "Name" { "name" } else { "" },
            "description": name, "priority": i32::from(*wide)}))
        .collect();
    let rows: Vec<Value> = objects
        .iter()
        .map(|o| {
            let object = if include {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o.at("metadata")})
            } else {
                Value::Null
            };
            json!({"cells": cells(kind, o, now), "object": object})
        })
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": columns, "rows": rows})
}

fn columns(kind: Kind) -> &'static [Column] {
    match kind {
        Kind::Pod => &[
            ("Name", false),
            ("Ready", false),
            ("Status", false),
            ("Restarts", false),
            ("Age", false),
            ("IP", true),
            ("Node", true),
        ],
        Kind::StatefulSet => &[
            ("Name", false),
            ("Ready", false),
            ("Age", false),
            ("Containers", true),
            ("Images", true),
        ],
        Kind::Deployment => &[
            ("Name", false),
            ("Ready", false),
            ("Up-to-date", false),
            ("Available", false),
            ("Age", false),
        ],
        Kind::ReplicaSet => &[
            ("Name", false),
            ("Desired", false),
            ("Current", false),
            ("Ready", false),
            ("Age", false),
        ],
        Kind::Claim => &[
            ("Name", false),
            ("Status", false),
            ("Volume", false),
            ("Capacity", false),
            ("Access Modes", false),
            ("StorageClass", false),
            ("VolumeAttributesClass", false),
            ("Age", false),
        ],
        Kind::Volume => &[
            ("Name", false),
            ("Capacity", false),
            ("Access Modes", false),
            ("Reclaim Policy", false),
            ("Status", false),
            ("Claim", false),
            ("StorageClass", false),
            ("VolumeAttributesClass", false),
            ("Reason", false),
            ("Age", false),
        ],
        Kind::Node => &[
            ("Name", false),
            ("Status", false),
            ("Roles", false),
            ("Age", false),
            ("Version", false),
        ],
        Kind::Namespace => &[("Name", false), ("Status", false), ("Age", false)],
        Kind::Event => &[
            ("Last Seen", false),
            ("Type", false),
            ("Reason", false),
            ("Object", false),
            ("Message", false),
            ("Name", true),
        ],
        Kind::Snapshot => &[
            ("Name", false),
            ("ReadyToUse", false),
            ("SourcePVC", false),
            ("SourceSnapshotContent", false),
            ("RestoreSize", false),
            ("SnapshotClass", false),
            ("SnapshotContent", false),
            ("CreationTime", false),
            ("Age", false),
        ],
        Kind::StorageClass => &[
            ("Name", false),
            ("Provisioner", false),
            ("ReclaimPolicy", false),
            ("VolumeBindingMode", false),
            ("AllowVolumeExpansion", false),
            ("Age", false),
        ],
        Kind::Attachment => &[
            ("Name", false),
            ("Attacher", false),
            ("PV", false),
            ("Node", false),
            ("Attached", false),
            ("Age", false),
        ],
        Kind::DisruptionBudget => &[
            ("Name", false),
            ("Min Available", false),
            ("Max Unavailable", false),
            ("Allowed Disruptions", false),
            ("Age", false),
        ],
        Kind::Job => &[
            ("Name", false),
            ("Status", false),
            ("Completions", false),
            ("Age", false),
        ],
        Kind::Service => &[
            ("Name", false),
            ("Type", false),
            ("Cluster-IP", false),
            ("Age", false),
        ],
        _ => &[("Name", false), ("Age", false)],
    }
}

/// Kubernetes' short form of a duration: `5d3h`, `42m`, `17s`.
pub(crate) fn short(passed: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "an age in seconds")]
    let s = passed.max(0.0) as i64;
    match s {
        0..=119 => format!("{s}s"),
        120..=599 if s % 60 != 0 => format!("{}m{}s", s / 60, s % 60),
        120..=10_799 => format!("{}m", s / 60),
        10_800..=28_799 if s / 60 % 60 != 0 => format!("{}h{}m", s / 3600, s / 60 % 60),
        10_800..=172_799 => format!("{}h", s / 3600),
        172_800..=691_199 if s / 3600 % 24 != 0 => format!("{}d{}h", s / 86_400, s / 3600 % 24),
        _ => format!("{}d", s / 86_400),
    }
}

fn age(object: &Object, now: Timestamp) -> String {
    object.time("metadata/creationTimestamp").map_or_else(
        || "<unknown>".to_owned(),
        |t| short(seconds_between(t, now)),
    )
}

fn modes(object: &Object, path: &str) -> String {
    let short: Vec<&str> = object
        .items(path)
        .iter()
        .map(|m| match m.as_str() {
            Some("ReadWriteOnce") => "RWO",
            Some("ReadOnlyMany") => "ROX",
            Some("ReadWriteMany") => "RWX",
            _ => "RWOP",
        })
        .collect();
    short.join(",")
}

/// What `kubectl get pods` shows as the status.
fn pod_status(pod: &Object) -> String {
    if pod.terminating() {
        return "Terminating".to_owned();
    }
    let mut status = pod.text("status/reason").to_owned();
    for container in pod.items("status/containerStatuses") {
        let waiting = container.text("state/waiting/reason");
        let ended = container.text("state/terminated/reason");
        if !waiting.is_empty() {
            waiting.clone_into(&mut status);
        } else if !ended.is_empty() {
            ended.clone_into(&mut status);
        }
    }
    if status.is_empty() {
        pod.text("status/phase").to_owned()
    } else {
        status
    }
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn cells(kind: Kind, o: &Object, now: Timestamp) -> Value {
    let number = |path: &str| o.int(path).unwrap_or(0);
    let name = o.name();
    let age = age(o, now);
    match kind {
        Kind::Pod => {
            let all = o.items("status/containerStatuses");
            let ready = all.iter().filter(|c| c.flag("ready")).count();
            let restarts: i64 = all.iter().filter_map(|c| c.int("restartCount")).sum();
            json!([
                name,
                format!("{ready}/{}", o.items("spec/containers").len()),
                pod_status(o),
                restarts,
                age,
                or(o.text("status/podIP"), "<none>"),
                or(o.text("spec/nodeName"), "<none>")
            ])
        }
        Kind::StatefulSet => {
            let containers = o.items("spec/template/spec/containers");
            let join = |field: &str| {
                containers
                    .iter()
                    .map(|c| c.text(field))
                    .collect::<Vec<_>>()
                    .join(",")
            };
            json!([
                name,
                format!(
                    "{}/{}",
                    number("status/readyReplicas"),
                    number("spec/replicas")
                ),
                age,
                join("name"),
                join("image")
            ])
        }
        Kind::Deployment => json!([
            name,
            format!(
                "{}/{}",
                number("status/readyReplicas"),
                number("spec/replicas")
            ),
            number("status/updatedReplicas"),
            number("status/availableReplicas"),
            age
        ]),
        Kind::ReplicaSet => json!([
            name,
            number("spec/replicas"),
            number("status/replicas"),
            number("status/readyReplicas"),
            age
        ]),
        Kind::Claim => {
            let status = if o.terminating() {
                "Terminating"
            } else {
                o.text("status/phase")
            };
            json!([
                name,
                status,
                o.text("spec/volumeName"),
                o.text("status/capacity/storage"),
                modes(o, "status/accessModes"),
                o.text("spec/storageClassName"),
                "<unset>",
                age
            ])
        }
        Kind::Volume => {
            let status = if o.terminating() {
                "Terminating"
            } else {
                o.text("status/phase")
            };
            let claim = if o.at("spec/claimRef").is_null() {
                String::new()
            } else {
                format!(
                    "{}/{}",
                    o.text("spec/claimRef/namespace"),
                    o.text("spec/claimRef/name")
                )
            };
            json!([
                name,
                o.text("spec/capacity/storage"),
                modes(o, "spec/accessModes"),
                o.text("spec/persistentVolumeReclaimPolicy"),
                status,
                claim,
                o.text("spec/storageClassName"),
                "<unset>",
                "",
                age
            ])
        }
        Kind::Node => {
            let ready = if o.condition_is("Ready", "True") {
                "Ready"
            } else {
                "NotReady"
            };
            let cordoned = if o.flag("spec/unschedulable") {
                ",SchedulingDisabled"
            } else {
                ""
            };
            json!([
                name,
                format!("{ready}{cordoned}"),
                "<none>",
                age,
                o.text("status/nodeInfo/kubeletVersion")
            ])
        }
        Kind::Namespace => json!([name, o.text("status/phase"), age]),
        Kind::Event => {
            let last = o
                .time("lastTimestamp")
                .or_else(|| o.time("eventTime"))
                .map_or_else(|| age.clone(), |t| short(seconds_between(t, now)));
            let about = format!(
                "{}/{}",
                o.text("involvedObject/kind").to_lowercase(),
                o.text("involvedObject/name")
            );
            json!([
                last,
                o.text("type"),
                o.text("reason"),
                about,
                o.text("message"),
                name
            ])
        }
        Kind::Snapshot => {
            let cut = o
                .time("status/creationTime")
                .map(|t| short(seconds_between(t, now)))
                .unwrap_or_default();
            json!([
                name,
                o.at("status/readyToUse")
                    .as_bool()
                    .map(|b| b.to_string())
                    .unwrap_or_default(),
                o.text("spec/source/persistentVolumeClaimName"),
                o.text("spec/source/volumeSnapshotContentName"),
                o.text("status/restoreSize"),
                o.text("spec/volumeSnapshotClassName"),
                o.text("status/boundVolumeSnapshotContentName"),
                cut,
                age
            ])
        }
        Kind::StorageClass => {
            let default =
                if o.annotation("storageclass.kubernetes.io/is-default-class") == Some("true") {
                    " (default)"
                } else {
                    ""
                };
            json!([
                format!("{name}{default}"),
                o.text("provisioner"),
                o.text("reclaimPolicy"),
                o.text("volumeBindingMode"),
                o.flag("allowVolumeExpansion").to_string(),
                age
            ])
        }
        Kind::Attachment => json!([
            name,
            o.text("spec/attacher"),
            o.text("spec/source/persistentVolumeName"),
            o.text("spec/nodeName"),
            o.flag("status/attached").to_string(),
            age
        ]),
        Kind::DisruptionBudget => {
            let text = |path: &str| match o.at(path) {
                Value::Null => "N/A".to_owned(),
                Value::String(s) => s.clone(),
                other => other.to_string(),
            };
            json!([
                name,
                text("spec/minAvailable"),
                text("spec/maxUnavailable"),
                number("status/disruptionsAllowed"),
                age
            ])
        }
        Kind::Job => {
            let status = if o.condition_is("Complete", "True") {
                "Complete"
            } else if o.condition_is("Failed", "True") {
                "Failed"
            } else {
                "Running"
            };
            json!([
                name,
                status,
                format!(
                    "{}/{}",
                    number("status/succeeded"),
                    number("spec/completions")
                ),
                age
            ])
        }
        Kind::Service => json!([name, o.text("spec/type"), o.text("spec/clusterIP"), age]),
        _ => json!([name, age]),
    }
}
