//! What belongs to a workspace beside its pod and claims, and the claims of a set's template, for
//! whoever shows or mends all of it.

use super::{Inventory, beside};
use crate::domain::event::Event;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;
use crate::domain::workload::Set;
use crate::domain::workspace::Workspace;

impl Inventory {
    /// Pod, set, claims, their volumes and snapshots: named, whether they exist or not, since
    /// events outlive their object.
    pub fn objects_of(&self, workspace: &Workspace) -> Vec<(Kind, ObjectKey)> {
        let mut all = vec![(Kind::Pod, workspace.key.clone())];
        if let Some(set) = &workspace.set {
            all.push((Kind::Set, beside(&workspace.key, set)));
        }
        for slot in &workspace.claims {
            let claim = beside(&workspace.key, &slot.claim);
            for snapshot in self.snapshots_of(&claim) {
                all.push((Kind::Snapshot, snapshot.meta.key.clone()));
            }
            let volume = self.claims.get(&claim).and_then(|c| c.volume.as_ref());
            all.extend(volume.map(|v| (Kind::Volume, ObjectKey::unscoped(v))));
            all.push((Kind::Claim, claim));
        }
        all
    }

    /// The largest size that is asked for by a claim which the set uses of one of its templates.
    /// Larger than the template: new ordinals get less than the others have.
    pub fn largest_claim(&self, set: &Set, template: &str) -> Option<Quantity> {
        let claims = set.ordinals().filter_map(|ordinal| {
            let claim = set.claim_name(template, ordinal);
            self.claims
                .get(&beside(&set.meta.key, &claim.into()))?
                .request
        });
        claims.max()
    }

    /// Events of all these objects, the newest first. Of the set's only those that name this
    /// ordinal: the others are its neighbours'.
    pub fn events_of_workspace(&self, workspace: &Workspace) -> Vec<&Event> {
        let name = &*workspace.key.name;
        let is_ours = |kind: Kind, event: &Event| {
            kind != Kind::Set || event.message.split_whitespace().any(|w| w.ends_with(name))
        };
        let mut events = Vec::new();
        for (kind, key) in self.objects_of(workspace) {
            let found = self.events_of(kind, &key);
            events.extend(found.filter(|event| is_ours(kind, event)));
        }
        events.sort_by_key(|event| std::cmp::Reverse(event.last));
        events
    }
}
