//! Defaults, validation and admission, as far as workspaces and their storage meet them.

use serde_json::{Value, json};

use super::controllers::{bytes, claim, quota};
use super::failure::Failure;
use super::object::{Fields, Object};
use super::resource::{Key, Kind};
use super::world::World;

/// Checks and completes an object that is to be made.
pub(crate) fn create(world: &World, kind: Kind, object: &mut Object) -> Result<(), Failure> {
    let resource = kind.resource();
    let name = object.name().to_owned();
    if resource.namespaced {
        let Some(namespace) = world.get(Kind::Namespace, "", object.namespace()) else {
            return Err(Failure::not_found(Kind::Namespace, object.namespace()));
        };
        if namespace.terminating() && kind != Kind::Event {
            let mut failure = Failure::forbidden(
                kind,
                &name,
                &format!(
                    "unable to create new content in namespace {} because it is being terminated",
                    namespace.name()
                ),
            );
            failure.details.put("causes", json!([{"reason": "NamespaceTerminating", "message": format!("namespace {} is being terminated", namespace.name()), "field": "metadata.namespace"}]));
            return Err(failure);
        }
    } else {
        object.unset("metadata/namespace");
    }
    check_name(kind, &name)?;
    tidy(object);
    defaults(world, kind, object);
    validate(kind, object)?;
    quota::admit(world, kind, object, None)
}

/// Gives a changed object of a client the defaults that a new one gets.
pub(crate) fn complete(world: &World, kind: Kind, object: &mut Object) {
    tidy(object);
    if matches!(
        kind,
        Kind::StatefulSet | Kind::Deployment | Kind::ReplicaSet | Kind::DaemonSet | Kind::Job
    ) {
        defaults(world, kind, object);
    }
}

/// Takes out of the metadata what is there and empty: a real server does not keep it.
fn tidy(object: &mut Object) {
    for holder in ["metadata", "spec/template/metadata"] {
        for field in ["annotations", "labels", "finalizers", "ownerReferences"] {
            let path = format!("{holder}/{field}");
            let value = object.at(&path);
            let no_entry = value.as_object().is_some_and(serde_json::Map::is_empty);
            if no_entry || value.as_array().is_some_and(Vec::is_empty) {
                object.unset(&path);
            }
        }
    }
}

fn check_name(kind: Kind, name: &str) -> Result<(), Failure> {
    let good = !name.is_empty()
        && name.len() <= 253
        && name.chars().all(|c| {
            c.is_ascii_lowercase()
                || c.is_ascii_digit()
                || c == '-'
                || c == '.'
                || (kind.resource().group.starts_with("rbac") && c == ':')
        })
        && !name.starts_with(['-', '.'])
        && !name.ends_with(['-', '.']);
    if good || kind.resource().group.starts_with("rbac") {
        return Ok(());
    }
    let text = format!(
        "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );
    Err(Failure::invalid(
        kind,
        name,
        &[("metadata.name", "FieldValueInvalid", text)],
    ))
}

fn default(object: &mut Object, path: &str, value: impl Into<Value>) {
    if object.at(path).is_null() {
        object.put(path, value);
    }
}

/// The class of a pod's service: `GetPodQOS` of the real server.
fn quality(pod: &Object) -> &'static str {
    let (mut asks, mut sure) = (false, true);
    for container in pod.items("spec/containers") {
        for what in ["cpu", "memory"] {
            let limit = container.at(&format!("resources/limits/{what}"));
            let request = container.at(&format!("resources/requests/{what}"));
            asks |= !limit.is_null() || !request.is_null();
            sure &= !limit.is_null() && (request.is_null() || request == limit);
        }
    }
    match (asks, sure) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn defaults(world: &World, kind: Kind, object: &mut Object) {
    match kind {
        Kind::Namespace => {
            let name = object.name().to_owned();
            object.set_label("kubernetes.io/metadata.name", &name);
            object.put("spec/finalizers", json!(["kubernetes"]));
            object.put("status/phase", "Active");
        }
        Kind::Pod => {
            pod_defaults(object, "spec");
            let class = quality(object);
            object.put("status", json!({"phase": "Pending", "qosClass": class}));
            let mut tolerations = object.items("spec/tolerations").to_vec();
            for key in [
                "node.kubernetes.io/not-ready",
                "node.kubernetes.io/unreachable",
            ] {
                if !tolerations.iter().any(|t| {
                    t.text("key") == key
                        || (t.text("key").is_empty() && t.text("operator") == "Exists")
                }) {
                    tolerations.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
                }
            }
            object.put("spec/tolerations", tolerations);
        }
        Kind::Claim => {
            object.add_finalizer(claim::PROTECTION);
            default(object, "spec/volumeMode", "Filesystem");
            if object.at("spec/storageClassName").is_null()
                && let Some(class) = world.store.list(Kind::StorageClass, "").find(|c| {
                    c.annotation("storageclass.kubernetes.io/is-default-class") == Some("true")
                })
            {
                object.put("spec/storageClassName", class.name());
            }
            let (source, reference) = (
                object.at("spec/dataSource").clone(),
                object.at("spec/dataSourceRef").clone(),
            );
            if source.is_null() && !reference.is_null() {
                object.put("spec/dataSource", reference);
            } else if reference.is_null() && !source.is_null() {
                object.put("spec/dataSourceRef", source);
            }
            if object.text("status/phase").is_empty() {
                object.put("status", json!({"phase": "Pending"}));
            }
        }
        Kind::Volume => {
            object.add_finalizer("kubernetes.io/pv-protection");
            default(object, "spec/persistentVolumeReclaimPolicy", "Retain");
            default(object, "spec/volumeMode", "Filesystem");
            if object.text("status/phase").is_empty() {
                object.put("status", json!({"phase": "Pending"}));
            }
        }
        Kind::StatefulSet => {
            default(object, "spec/replicas", 1);
            default(object, "spec/podManagementPolicy", "OrderedReady");
            default(object, "spec/revisionHistoryLimit", 10);
            default(object, "spec/updateStrategy/type", "RollingUpdate");
            if object.text("spec/updateStrategy/type") == "RollingUpdate" {
                default(object, "spec/updateStrategy/rollingUpdate/partition", 0);
            }
            default(
                object,
                "spec/persistentVolumeClaimRetentionPolicy/whenDeleted",
                "Retain",
            );
            default(
                object,
                "spec/persistentVolumeClaimRetentionPolicy/whenScaled",
                "Retain",
            );
            pod_defaults(object, "spec/template/spec");
            let mut templates = object.items("spec/volumeClaimTemplates").to_vec();
            for template in &mut templates {
                template.put("apiVersion", "v1");
                template.put("kind", "PersistentVolumeClaim");
                default(template, "spec/volumeMode", "Filesystem");
                default(template, "status/phase", "Pending");
            }
            if !templates.is_empty() {
                object.put("spec/volumeClaimTemplates", templates);
            }
            object.put("status", json!({"replicas": 0, "availableReplicas": 0}));
        }
        Kind::Deployment | Kind::ReplicaSet => {
            default(object, "spec/replicas", 1);
            pod_defaults(object, "spec/template/spec");
            if kind == Kind::Deployment {
                default(
                    object,
                    "spec/strategy",
                    json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}}),
                );
                default(object, "spec/revisionHistoryLimit", 10);
                default(object, "spec/progressDeadlineSeconds", 600);
            }
        }
        Kind::DaemonSet => pod_defaults(object, "spec/template/spec"),
        Kind::Job => {
            default(object, "spec/parallelism", 1);
            default(object, "spec/completions", 1);
            default(object, "spec/backoffLimit", 6);
            pod_defaults(object, "spec/template/spec");
        }
        Kind::StorageClass => {
            default(object, "reclaimPolicy", "Delete");
            default(object, "volumeBindingMode", "Immediate");
        }
        _ => {}
    }
}

fn pod_defaults(object: &mut Object, path: &str) {
    let at = |field: &str| format!("{path}/{field}");
    default(object, &at("restartPolicy"), "Always");
    default(object, &at("dnsPolicy"), "ClusterFirst");
    default(object, &at("schedulerName"), "default-scheduler");
    default(object, &at("terminationGracePeriodSeconds"), 30);
    default(object, &at("securityContext"), json!({}));
    for list in ["containers", "initContainers"] {
        let count = object.items(&at(list)).len();
        for i in 0..count {
            let path = at(&format!("{list}/{i}"));
            let image = object.text(&format!("{path}/image")).to_owned();
            let policy = if image.ends_with(":latest") || !image.contains(':') {
                "Always"
            } else {
                "IfNotPresent"
            };
            default(object, &format!("{path}/imagePullPolicy"), policy);
            default(
                object,
                &format!("{path}/terminationMessagePath"),
                "/dev/termination-log",
            );
            default(object, &format!("{path}/terminationMessagePolicy"), "File");
            default(object, &format!("{path}/resources"), json!({}));
            let limits = object.at(&format!("{path}/resources/limits")).clone();
            for (what, amount) in limits.as_object().into_iter().flatten() {
                default(
                    object,
                    &format!("{path}/resources/requests/{what}"),
                    amount.clone(),
                );
            }
        }
    }
}

fn required(kind: Kind, object: &Object, fields: &[&str]) -> Result<(), Failure> {
    for field in fields {
        let value = object.at(&field.replace('.', "/"));
        let empty = value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
            || value.as_str() == Some("");
        if empty {
            return Err(Failure::invalid(
                kind,
                object.name(),
                &[(field, "FieldValueRequired", "Required value".to_owned())],
            ));
        }
    }
    Ok(())
}

fn validate(kind: Kind, object: &Object) -> Result<(), Failure> {
    match kind {
        Kind::Pod => required(kind, object, &["spec.containers", "spec.containers.0.name"]),
        Kind::Claim => required(
            kind,
            object,
            &["spec.accessModes", "spec.resources.requests.storage"],
        ),
        Kind::StatefulSet | Kind::Deployment | Kind::ReplicaSet | Kind::DaemonSet => {
            required(
                kind,
                object,
                &["spec.selector", "spec.template.spec.containers"],
            )?;
            let labels = super::selector::Labels::of(object.at("spec/selector"));
            if labels.is_none_or(|l| !l.matches(object.at("spec/template"))) {
                let have = object.at("spec/template/metadata/labels");
                let text =
                    format!("Invalid value: {have}: `selector` does not match template `labels`");
                return Err(Failure::invalid(
                    kind,
                    object.name(),
                    &[("spec.template.metadata.labels", "FieldValueInvalid", text)],
                ));
            }
            Ok(())
        }
        Kind::Volume => required(kind, object, &["spec.accessModes", "spec.capacity.storage"]),
        Kind::Snapshot => {
            let source = object.at("spec/source");
            let given = [
                source.text("persistentVolumeClaimName"),
                source.text("volumeSnapshotContentName"),
            ];
            if given.iter().filter(|g| !g.is_empty()).count() == 1 {
                return Ok(());
            }
            let text = "Invalid value: \"object\": exactly one of volumeSnapshotContentName and persistentVolumeClaimName must be set".to_owned();
            Err(Failure::invalid(
                kind,
                object.name(),
                &[("spec.source", "FieldValueInvalid", text)],
            ))
        }
        _ => Ok(()),
    }
}

/// Checks a change by a client.
pub(crate) fn update(
    world: &World,
    key: &Key,
    before: &Object,
    object: &Object,
) -> Result<(), Failure> {
    match key.kind {
        Kind::StatefulSet => set_update(key, before, object)?,
        Kind::Claim => claim_update(world, key, before, object)?,
        Kind::Volume => volume_update(key, before, object)?,
        Kind::Attachment if before.at("spec") != object.at("spec") => {
            let spec = as_in_go(object.at("spec"));
            let text = format!("Invalid value: {spec}: field is immutable");
            return Err(Failure::invalid(
                key.kind,
                &key.name,
                &[("spec", "FieldValueInvalid", text)],
            ));
        }
        Kind::Pod => {
            let (mut a, mut b) = (before.at("spec").clone(), object.at("spec").clone());
            for spec in [&mut a, &mut b] {
                for list in ["containers", "initContainers"] {
                    for c in spec
                        .at_mut(list)
                        .and_then(Value::as_array_mut)
                        .into_iter()
                        .flatten()
                    {
                        c.unset("image");
                    }
                }
                for field in [
                    "activeDeadlineSeconds",
                    "tolerations",
                    "terminationGracePeriodSeconds",
                ] {
                    spec.unset(field);
                }
            }
            if a != b {
                let text = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)".to_owned();
                return Err(Failure::invalid(
                    key.kind,
                    &key.name,
                    &[("spec", "FieldValueForbidden", text)],
                ));
            }
        }
        Kind::Snapshot => snapshot_update(key, before, object)?,
        _ => {}
    }
    quota::admit(world, key.kind, object, Some(before))
}

fn snapshot_update(key: &Key, before: &Object, object: &Object) -> Result<(), Failure> {
    for name in ["persistentVolumeClaimName", "volumeSnapshotContentName"] {
        let path = format!("spec/source/{name}");
        let (old, new) = (before.at(&path), object.at(&path));
        if old.is_null() || old == new {
            continue;
        }
        let (field, text) = if new.is_null() {
            let text = format!("Invalid value: \"object\": {name} is required once set");
            ("spec.source".to_owned(), text)
        } else {
            let text = format!("Invalid value: \"string\": {name} is immutable");
            (format!("spec.source.{name}"), text)
        };
        let cause = (field.as_str(), "FieldValueInvalid", text);
        return Err(Failure::invalid(key.kind, &key.name, &[cause]));
    }
    Ok(())
}

fn set_update(key: &Key, before: &Object, object: &Object) -> Result<(), Failure> {
    let (mut a, mut b) = (before.at("spec").clone(), object.at("spec").clone());
    for spec in [&mut a, &mut b] {
        for field in [
            "replicas",
            "ordinals",
            "template",
            "updateStrategy",
            "revisionHistoryLimit",
            "persistentVolumeClaimRetentionPolicy",
            "minReadySeconds",
        ] {
            spec.unset(field);
        }
    }
    if a == b {
        return Ok(());
    }
    let text = "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden".to_owned();
    Err(Failure::invalid(
        key.kind,
        &key.name,
        &[("spec", "FieldValueForbidden", text)],
    ))
}

/// What of a volume may change for ever: all but where its bytes are.
const VOLUME_FIELDS: &[&str] = &[
    "accessModes",
    "capacity",
    "claimRef",
    "mountOptions",
    "nodeAffinity",
    "persistentVolumeReclaimPolicy",
    "storageClassName",
    "volumeAttributesClassName",
    "volumeMode",
];

fn volume_update(key: &Key, before: &Object, object: &Object) -> Result<(), Failure> {
    let source = |volume: &Object| {
        let mut spec = volume.at("spec").clone();
        for field in VOLUME_FIELDS {
            spec.unset(field);
        }
        spec
    };
    let mut causes = Vec::new();
    if source(before) != source(object) {
        causes.push((
            "spec.persistentvolumesource",
            "FieldValueForbidden",
            "Forbidden: spec.persistentvolumesource is immutable after creation".to_owned(),
        ));
    }
    let mode = object.at("spec/volumeMode");
    if before.at("spec/volumeMode") != mode {
        let text = format!("Invalid value: {mode}: field is immutable");
        causes.push(("volumeMode", "FieldValueInvalid", text));
    }
    let (old, new) = (
        before.at("spec/nodeAffinity"),
        object.at("spec/nodeAffinity"),
    );
    if !old.is_null() && old != new {
        let text = format!(
            "Invalid value: {}: field is immutable, except for updating from beta label to GA",
            as_in_go(new)
        );
        causes.push(("nodeAffinity", "FieldValueInvalid", text));
    }
    if causes.is_empty() {
        return Ok(());
    }
    Err(Failure::invalid(key.kind, &key.name, &causes))
}

/// The value with the names that its fields have inside a real server, which some texts print.
fn as_in_go(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut named = serde_json::Map::new();
            for (key, value) in map {
                let mut letters = key.chars();
                let first = letters.next().map(|c| c.to_ascii_uppercase());
                named.insert(first.into_iter().chain(letters).collect(), as_in_go(value));
            }
            for (there, absent) in [
                ("MatchExpressions", "MatchFields"),
                ("MatchFields", "MatchExpressions"),
                ("PersistentVolumeName", "InlineVolumeSpec"),
            ] {
                if named.contains_key(there) && !named.contains_key(absent) {
                    named.insert(absent.to_owned(), Value::Null);
                }
            }
            Value::Object(named)
        }
        Value::Array(all) => all.iter().map(as_in_go).collect(),
        other => other.clone(),
    }
}

fn claim_update(world: &World, key: &Key, before: &Object, object: &Object) -> Result<(), Failure> {
    let (old, new) = (
        before.text("spec/resources/requests/storage"),
        object.text("spec/resources/requests/storage"),
    );
    let (mut a, mut b) = (before.at("spec").clone(), object.at("spec").clone());
    for spec in [&mut a, &mut b] {
        spec.unset("resources");
        spec.unset("volumeAttributesClassName");
        if before.text("spec/volumeName").is_empty() {
            spec.unset("volumeName");
        }
    }
    if a != b {
        let text = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims".to_owned();
        return Err(Failure::invalid(
            key.kind,
            &key.name,
            &[("spec", "FieldValueForbidden", text)],
        ));
    }
    if bytes(old) == bytes(new) {
        return Ok(());
    }
    if before.text("status/phase") != "Bound" {
        return Err(if bytes(new) > bytes(old) {
            Failure::forbidden(
                key.kind,
                &key.name,
                "Only bound persistent volume claims can be expanded",
            )
        } else {
            let text = "Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims".to_owned();
            Failure::invalid(
                key.kind,
                &key.name,
                &[("spec", "FieldValueForbidden", text)],
            )
        });
    }
    let capacity = bytes(before.text("status/capacity/storage"));
    if bytes(new) < bytes(old) && (bytes(new) <= capacity) {
        let text = "Forbidden: field can not be less than status.capacity".to_owned();
        return Err(Failure::invalid(
            key.kind,
            &key.name,
            &[(
                "spec.resources.requests.storage",
                "FieldValueForbidden",
                text,
            )],
        ));
    }
    let class = world.get(Kind::StorageClass, "", before.text("spec/storageClassName"));
    if bytes(new) > bytes(old) && !class.is_some_and(|c| c.flag("allowVolumeExpansion")) {
        return Err(Failure::forbidden(
            key.kind,
            &key.name,
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize",
        ));
    }
    Ok(())
}
