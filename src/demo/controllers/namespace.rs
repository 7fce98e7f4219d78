//! The life of a namespace: made active with its defaults, emptied when it is deleted.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind, RESOURCES};
use super::super::world::World;

pub(crate) fn reconcile(world: &mut World, key: &Key) {
    let Some(namespace) = world.read(key) else {
        return;
    };
    if !namespace.terminating() {
        if world
            .get(Kind::ServiceAccount, &key.name, "default")
            .is_none()
        {
            let account = json!({"metadata": {"name": "default", "namespace": key.name}});
            if let Err(failure) = world.create(Kind::ServiceAccount, account, false) {
                tracing::debug!(message = failure.message, "no default service account");
            }
        }
        return;
    }
    for resource in RESOURCES.iter().filter(|r| r.namespaced) {
        let keys: Vec<(Key, bool)> = world
            .store
            .list(resource.id, &key.name)
            .map(|o| (Key::new(resource.id, &key.name, o.name()), o.terminating()))
            .collect();
        for (inner, going) in keys {
            if !going {
                world.drop_object(&inner);
            }
        }
    }
    let left = remaining(world, &key.name);
    if left.is_empty() {
        world.update(key, |n| n.put("spec/finalizers", json!([])));
        return;
    }
    let mut finalizers: BTreeMap<String, usize> = BTreeMap::new();
    for object in left.values().flatten() {
        for finalizer in object.items("metadata/finalizers") {
            let name = finalizer.as_str().unwrap_or("").to_owned();
            *finalizers.entry(name).or_default() += 1;
        }
    }
    let kinds = left
        .iter()
        .map(|(kind, all)| format!("{kind} has {} resource instances", all.len()));
    let kinds = format!(
        "Some resources are remaining: {}",
        kinds.collect::<Vec<_>>().join(", ")
    );
    let names = finalizers
        .iter()
        .map(|(name, count)| format!("{name} in {count} resource instances"));
    let names = format!(
        "Some content in the namespace has finalizers remaining: {}",
        names.collect::<Vec<_>>().join(", ")
    );
    let waits = if finalizers.is_empty() {
        (
            "False",
            (
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            ),
        )
    } else {
        ("True", ("SomeFinalizersRemain", names.as_str()))
    };
    let now = world.now;
    world.update(key, |n| {
        for (kind, reason, message) in DONE {
            n.set_condition(kind, "False", (reason, message), now);
        }
        n.set_condition(
            "NamespaceContentRemaining",
            "True",
            ("SomeResourcesRemain", &kinds),
            now,
        );
        n.set_condition("NamespaceFinalizersRemaining", waits.0, waits.1, now);
    });
}

/// What goes well in the end of every namespace here.
const DONE: [(&str, &str, &str); 3] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
];

/// What is still in the namespace, by resource and group.
fn remaining(world: &World, namespace: &str) -> BTreeMap<String, Vec<Arc<Object>>> {
    let mut all = BTreeMap::new();
    for resource in RESOURCES.iter().filter(|r| r.namespaced) {
        let there = world.list(resource.id, namespace);
        if !there.is_empty() {
            all.insert(format!("{}.{}", resource.plural, resource.group), there);
        }
    }
    all
}
