//! The garbage collector: objects whose owners are all gone go too; `orphan` and `foregroundDeletion` finalizers.

use super::super::object::Fields;
use super::super::resource::Key;
use super::super::world::{DeleteOptions, World};

/// Collects the object when it is due; says whether it did.
pub(crate) fn collect(world: &mut World, key: &Key) -> bool {
    let Some(object) = world.read(key) else {
        return false;
    };
    if object.terminating() {
        finish(world, key);
        return false;
    }
    let owners = object.items("metadata/ownerReferences");
    if owners.is_empty() {
        return false;
    }
    let mut alive = Vec::new();
    let mut foreground = false;
    for owner in owners {
        if let Some(found) = world
            .store
            .by_uid(owner.text("uid"))
            .cloned()
            .and_then(|k| world.read(&k))
        {
            foreground |= found.terminating()
                && found.has_finalizer("foregroundDeletion")
                && owner.flag("blockOwnerDeletion");
            alive.push(owner.clone());
        }
    }
    if alive.is_empty() || foreground && alive.len() == 1 {
        let options = DeleteOptions {
            uid: Some(object.uid().to_owned()),
            propagation: if foreground {
                "Foreground"
            } else {
                "Background"
            }
            .to_owned(),
            ..DeleteOptions::default()
        };
        return world.delete(key, &options).is_ok();
    }
    if alive.len() < owners.len() {
        world.update(key, |o| o.put("metadata/ownerReferences", alive));
    }
    false
}

/// Works off the finalizers of the collector on an object that is being deleted.
fn finish(world: &mut World, key: &Key) {
    let Some(object) = world.read(key) else {
        return;
    };
    let dependents = world.store.dependents(object.uid());
    if object.has_finalizer("orphan") {
        for dependent in &dependents {
            world.update(dependent, |d| {
                let rest: Vec<_> = d
                    .items("metadata/ownerReferences")
                    .iter()
                    .filter(|o| o.text("uid") != object.uid())
                    .cloned()
                    .collect();
                if rest.is_empty() {
                    d.unset("metadata/ownerReferences");
                } else {
                    d.put("metadata/ownerReferences", rest);
                }
            });
        }
        world.update(key, |o| o.remove_finalizer("orphan"));
    } else if object.has_finalizer("foregroundDeletion") {
        let blocking: Vec<&Key> = dependents
            .iter()
            .filter(|d| {
                world.read(d).is_some_and(|o| {
                    o.items("metadata/ownerReferences")
                        .iter()
                        .any(|r| r.text("uid") == object.uid() && r.flag("blockOwnerDeletion"))
                })
            })
            .collect();
        if blocking.is_empty() {
            world.update(key, |o| o.remove_finalizer("foregroundDeletion"));
        }
        for dependent in dependents {
            world.look_at(dependent.kind, &dependent.namespace, &dependent.name);
        }
    }
}
