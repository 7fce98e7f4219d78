//! The join of one workspace out of the rows of this moment. `(set, ordinal)` is computed forward
//! from live sets.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Inventory, Unit, beside};
use crate::domain::key::{ObjectKey, Text};
use crate::domain::pod::Pod;
use crate::domain::workload::split_ordinal;
use crate::domain::workspace::{Origin, Slot, Workspace};

/// More ordinals than any real set has; a typo in `replicas` must not eat the memory.
pub(super) const MAX_ORDINALS: u32 = 100_000;

impl Inventory {
    /// Computes one workspace from the rows of this moment: it appears, changes or goes.
    pub(super) fn join(&mut self, key: &ObjectKey) {
        let workspace = self.compose(key);
        let old = if let Some(workspace) = &workspace {
            if let Some((set, ordinal)) = seat(workspace) {
                self.index.ordinals.entry(set).or_default().insert(ordinal);
            }
            if workspace.origin == Origin::Unpersisted {
                self.index.unpersisted.insert(key.clone());
            } else {
                self.index.unpersisted.remove(key);
            }
            self.workspaces.insert(key.clone(), workspace.clone())
        } else {
            self.index.unpersisted.remove(key);
            self.index.departed.remove(key);
            self.workspaces.remove(key)
        };
        let had = old.as_ref().and_then(seat);
        let has = workspace.as_ref().and_then(seat);
        if had != has
            && let Some((set, ordinal)) = had
            && let Entry::Occupied(mut entry) = self.index.ordinals.entry(set)
        {
            entry.get_mut().remove(&ordinal);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        if old.is_some() || workspace.is_some() {
            self.dirty.insert(Unit::Workspace(key.clone()));
        }
    }

    fn compose(&self, key: &ObjectKey) -> Option<Workspace> {
        let pod = self.pods.get(key);
        let split = split_ordinal(&key.name);
        let set = split.and_then(|(prefix, _)| {
            self.sets.get(&ObjectKey {
                namespace: Arc::clone(&key.namespace),
                name: prefix.into(),
            })
        });
        let ordinal = split.map(|(_, ordinal)| ordinal);
        let in_range = set
            .zip(ordinal)
            .is_some_and(|(s, o)| s.ordinals().contains(&o));
        let mut claims = Vec::new();
        if let (Some(set), Some(ordinal)) = (set, ordinal) {
            claims.reserve_exact(set.templates.len());
            for template in &set.templates {
                let name: Text = set.claim_name(&template.name, ordinal).into();
                // The store's own copy of the name, so that it is kept once.
                let row = self.claims.get(&beside(key, &name));
                let exists = row.is_some();
                if exists || in_range {
                    let claim = row.map_or(name, |c| Arc::clone(&c.meta.key.name));
                    claims.push(Slot {
                        template: Arc::clone(&template.name),
                        claim,
                        exists,
                    });
                }
            }
        }
        if let Some(leftovers) = self.index.leftovers.get(key) {
            let slot = |(template, claim): &(Text, Text)| Slot {
                template: Arc::clone(template),
                claim: Arc::clone(claim),
                exists: true,
            };
            let mut leftovers: Vec<Slot> = leftovers.iter().map(slot).collect();
            // Not in the order in which they were heard of.
            let configured = |s: &Slot| self.templates.iter().position(|t| **t == *s.template);
            leftovers.sort_by(|a, b| {
                let place = |s| configured(s).unwrap_or(usize::MAX);
                (place(a), &a.template, &a.claim).cmp(&(place(b), &b.template, &b.claim))
            });
            claims.extend(leftovers);
        }
        let owned =
            pod.is_some_and(|p| p.owner.as_ref().is_some_and(|o| &*o.kind == "StatefulSet"));
        if pod.is_some_and(|p| p.stateless) && claims.is_empty() {
            return None;
        }
        let bare = pod.map_or_else(
            || in_range && set.is_some_and(|s| s.templates.is_empty() && s.claims.is_empty()),
            is_unpersisted,
        );
        let origin = match () {
            () if bare && !claims.iter().any(|c| c.exists) => Origin::Unpersisted,
            () if in_range => Origin::Live,
            () if set.is_some() && (!claims.is_empty() || owned) => Origin::Parked,
            () if owned => Origin::Live,
            () if !claims.is_empty() => Origin::Leftover,
            () => return None,
        };
        let set_name = match set {
            // A pod of somebody else that merely has such a name is none of the set's.
            Some(set) if in_range || owned || !claims.is_empty() => {
                Some(Arc::clone(&set.meta.key.name))
            }
            None if owned || !claims.is_empty() => split.map(|(prefix, _)| prefix.into()),
            _ => None,
        };
        let ordinal = set_name.is_some().then_some(ordinal).flatten();
        Some(Workspace {
            key: pod.map_or_else(|| key.clone(), |p| p.meta.key.clone()),
            origin,
            set: set_name,
            ordinal,
            claims,
        })
    }
}

/// The set and the ordinal that a workspace is of.
fn seat(workspace: &Workspace) -> Option<(ObjectKey, u32)> {
    let set = beside(&workspace.key, workspace.set.as_ref()?);
    Some((set, workspace.ordinal?))
}

/// A pod of a set or a Deployment that names no claim: what it writes goes with it. Pods of
/// jobs and daemons keep no workspace, and a pod may say of itself that it keeps nothing.
fn is_unpersisted(pod: &Pod) -> bool {
    let kept_by = pod.owner.as_ref().map(|o| &*o.kind);
    matches!(kept_by, Some("StatefulSet" | "ReplicaSet"))
        && pod.claims.is_empty()
        && !pod.is_terminal()
}
