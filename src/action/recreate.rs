//! A set that is away for a moment while its pods stay, and is made anew: what cannot be changed in
//! a set is changed so.

use serde_json::{Value, json};

use super::call::{Call, Probe, Propagation, Target};
use super::guard::Guard;
use super::plan::{Capture, Do, Step};
use crate::domain::digest;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::workload::Set;

/// The version of a set that [`same`] saw.
pub(super) const SEEN: &str = "${rv-set}";

/// The look before the set is changed or taken away: it is as the plan knows it, with
/// `manifest` in every letter. Whatever follows it acts on exactly the version that it saw
/// ([`SEEN`]).
pub(super) fn same(set: &Set, id: &str, manifest: Option<&Value>) -> Step {
    let uid = set.meta.uid.to_string();
    look(&set.meta.key, uid, set.generation, id, manifest)
}

/// As [`same`], of a set that is known as a whole.
pub(super) fn same_whole(set: &Value, key: &ObjectKey, id: &str) -> Step {
    let meta = &set["metadata"];
    let uid = meta["uid"].as_str().unwrap_or_default().to_owned();
    let generation = meta["generation"].as_i64().unwrap_or_default();
    look(key, uid, generation, id, Some(&as_it_was(set)))
}

fn look(key: &ObjectKey, uid: String, generation: i64, id: &str, manifest: Option<&Value>) -> Step {
    Step::new(
        id,
        format!("look whether set {} is as it was", key.name),
        Do::Reread {
            kinds: Vec::new(),
            objects: vec![(Kind::Set, key.clone())],
            guard: Guard::Unchanged {
                set: key.clone(),
                uid,
                generation,
                digest: manifest.map(digest),
            },
        },
    )
    .capture(Capture::object(
        "rv-set",
        Kind::Set,
        key.clone(),
        "/metadata/resourceVersion",
    ))
}

/// What tells two manifests apart.
pub(super) fn digest(manifest: &Value) -> String {
    digest::sha256(manifest.to_string().as_bytes())
}

/// Deletes a set and leaves its pods.
pub(super) fn orphan(id: &str, set: &Target) -> Step {
    Step::call(
        id,
        format!("delete set {} and leave its pods", set.key.name),
        Call::Delete {
            target: set.clone(),
            propagation: Propagation::Orphan,
        },
        Probe::Removed {
            target: set.clone(),
        },
    )
}

/// Makes the set anew as it was.
pub(super) fn put(key: &ObjectKey, id: &str, manifest: &Value) -> Step {
    Step::call(
        id,
        format!("create set {} as it was", key.name),
        Call::Create {
            kind: Kind::Set,
            namespace: key.namespace.to_string(),
            manifest: manifest.clone(),
        },
        Probe::Stands {
            kind: Kind::Set,
            key: key.clone(),
            pointer: "/metadata/name".to_owned(),
            value: json!(&*key.name),
        },
    )
    .verbatim(&["/metadata", "/spec"])
}

/// A set as it can be created again.
pub(super) fn as_it_was(set: &Value) -> Value {
    let meta = &set["metadata"];
    let mut made = json!({"apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
        "spec": set["spec"]});
    for field in ["labels", "annotations", "finalizers"] {
        if !meta[field].is_null() {
            made["metadata"][field] = meta[field].clone();
        }
    }
    made
}
