//! Where a claim belongs. A name is only taken apart when no live set can prove it.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::index::link;
use super::needs::by_label;
use super::{Inventory, Unit, beside};
use crate::domain::claim::Claim;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::workload::split_ordinal;

impl Inventory {
    /// Workspaces of a claim with the template that made it. Computed forward from live sets;
    /// only what they do not make is looked up among the leftovers.
    pub(super) fn homes_of_claim(&self, claim: &ObjectKey) -> Vec<(ObjectKey, Text)> {
        self.claims
            .get(claim)
            .map(|c| self.homes(c))
            .unwrap_or_default()
    }

    pub(super) fn homes(&self, claim: &Claim) -> Vec<(ObjectKey, Text)> {
        let key = &claim.meta.key;
        let Some((prefix, ordinal)) = split_ordinal(&key.name) else {
            return Vec::new();
        };
        let prefix = ObjectKey {
            namespace: Arc::clone(&key.namespace),
            name: prefix.into(),
        };
        if let Some(makers) = self.index.prefixes.get(&prefix) {
            let home = |(set, template): &(Text, Text)| {
                let name: Text = format!("{set}-{ordinal}").into();
                (beside(key, &name), Arc::clone(template))
            };
            return makers.iter().map(home).collect();
        }
        let home = self.index.leftover_homes.get(key);
        let template = |home: &ObjectKey| {
            let claims = self.index.leftovers.get(home)?;
            claims
                .iter()
                .find(|(_, name)| *name == key.name)
                .map(|(t, _)| Arc::clone(t))
        };
        home.and_then(|h| Some((h.clone(), template(h)?)))
            .into_iter()
            .collect()
    }

    /// The set that a claim of a deleted set must have had: its labels (selector labels are
    /// copied to claims) or a configured template name prove it, and only if they name one.
    pub(super) fn guess(
        &self,
        claim: &Claim,
        prefix: &str,
        ordinal: u32,
    ) -> Option<(ObjectKey, Text)> {
        let mut found = by_label(claim, prefix);
        if found.is_empty() {
            found = self.by_template(prefix);
        }
        let (set, template) = found.pop_first()?;
        let name: Text = format!("{set}-{ordinal}").into();
        found
            .is_empty()
            .then(|| (beside(&claim.meta.key, &name), template))
    }

    /// Files a claim under the workspace that it was guessed to belong to. While the sets are
    /// not all known, a claim without a set is not a leftover: its set may still come.
    pub(super) fn place_leftover(&mut self, claim: &ObjectKey) {
        self.drop_leftover(claim);
        if !self.freshness.get(Kind::Set).was_complete() {
            return;
        }
        let Some(row) = self.claims.get(claim) else {
            return;
        };
        let Some((prefix, ordinal)) = split_ordinal(&claim.name) else {
            return;
        };
        let by_prefix = ObjectKey {
            namespace: Arc::clone(&claim.namespace),
            name: prefix.into(),
        };
        if self.index.prefixes.contains_key(&by_prefix) {
            return;
        }
        if let Some((home, template)) = self.guess(row, prefix, ordinal) {
            link(
                &mut self.index.leftovers,
                home.clone(),
                (template, Arc::clone(&claim.name)),
            );
            self.index
                .leftover_homes
                .insert(claim.clone(), home.clone());
            self.dirty.insert(Unit::Object(Kind::Claim, claim.clone()));
            self.join(&home);
        }
    }

    pub(super) fn drop_leftover(&mut self, claim: &ObjectKey) {
        let Some(home) = self.index.leftover_homes.remove(claim) else {
            return;
        };
        if let Entry::Occupied(mut entry) = self.index.leftovers.entry(home.clone()) {
            entry.get_mut().retain(|(_, name)| *name != claim.name);
            if entry.get().is_empty() {
                entry.remove();
            }
        }
        self.join(&home);
    }

    /// Once all sets are known, what no set makes is a leftover.
    pub(super) fn place_leftovers(&mut self) {
        let keys: Vec<ObjectKey> = self.claims.keys().cloned().collect();
        for key in keys {
            self.place_leftover(&key);
        }
    }
}
