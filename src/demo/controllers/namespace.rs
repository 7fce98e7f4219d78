//! The life of a namespace: made active with its defaults, emptied when it is deleted.

use serde_json::json;

use super::super::object::Fields;
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
    let mut left = 0_usize;
    for resource in RESOURCES.iter().filter(|r| r.namespaced) {
        let keys: Vec<(Key, bool)> = world
            .store
            .list(resource.id, &key.name)
            .map(|o| (Key::new(resource.id, &key.name, o.name()), o.terminating()))
            .collect();
        left += keys.len();
        for (inner, going) in keys {
            if !going {
                world.drop_object(&inner);
            }
        }
    }
    let left_now: usize = RESOURCES
        .iter()
        .filter(|r| r.namespaced)
        .map(|r| world.store.list(r.id, &key.name).count())
        .sum();
    if left_now == 0 {
        world.update(key, |n| n.put("spec/finalizers", json!([])));
    } else if left > 0 {
        let now = world.now;
        world.update(key, |n| {
            n.set_condition(
                "NamespaceContentRemaining",
                "True",
                (
                    "SomeResourcesRemain",
                    "Some resources are remaining in the namespace",
                ),
                now,
            );
        });
    }
}
