//! Who needs a claim beside the pods that use it: the sets that make it, and every pod template
//! that names it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::{link, unlink};
use super::{Inventory, Unit, beside};
use crate::domain::claim::Claim;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::workload::{Set, Workload, split_ordinal};

/// A live set whose template makes a claim of this name, with the ordinal it makes it for.
#[derive(Clone, Copy, Debug)]
pub struct Maker<'a> {
    pub set: &'a Set,
    pub ordinal: u32,
}

impl Inventory {
    /// Live sets that make a claim of this name, whether or not the ordinal is in range.
    pub fn makers_of(&self, claim: &ObjectKey) -> Vec<Maker<'_>> {
        let Some((prefix, ordinal)) = split_ordinal(&claim.name) else {
            return Vec::new();
        };
        let prefix = ObjectKey {
            namespace: Arc::clone(&claim.namespace),
            name: prefix.into(),
        };
        let makers = self.index.prefixes.get(&prefix).into_iter().flatten();
        let mut found: Vec<Maker<'_>> = makers
            .filter_map(|(set, _)| self.sets.get(&beside(claim, set)))
            .map(|set| Maker { set, ordinal })
            .collect();
        found.dedup_by_key(|maker| &maker.set.meta.key);
        found
    }

    /// Every `(set, template)` that may have made a claim, by its labels (the labels of the
    /// selector are copied to claims) and by the configured template names. Only one is a proof.
    pub fn possible_makers(&self, claim: &ObjectKey) -> Vec<(ObjectKey, Text)> {
        let Some(row) = self.claims.get(claim) else {
            return Vec::new();
        };
        let Some((prefix, _)) = split_ordinal(&claim.name) else {
            return Vec::new();
        };
        let mut found = by_label(row, prefix);
        found.extend(self.by_template(prefix));
        found
            .into_iter()
            .map(|(set, template)| (beside(claim, &set), template))
            .collect()
    }

    /// Fits of the configured template names.
    pub(super) fn by_template(&self, prefix: &str) -> BTreeSet<(Text, Text)> {
        let fits = self.templates.iter().filter_map(|template| {
            let set = prefix.strip_prefix(template.as_str())?.strip_prefix('-')?;
            (!set.is_empty()).then(|| (set.into(), template.as_str().into()))
        });
        fits.collect()
    }

    /// Workloads whose pod template names a claim, even with no pod.
    pub fn references_to<'a>(
        &'a self,
        claim: &'a ObjectKey,
    ) -> impl Iterator<Item = (Kind, ObjectKey)> + 'a {
        let references = self.index.references.get(claim).into_iter().flatten();
        references.map(|(kind, name)| (*kind, beside(claim, name)))
    }

    pub(super) fn touch_workload(&mut self, workload: &Workload, there: bool) {
        let key = &workload.meta.key;
        self.refer(workload.kind, key, &workload.claims, there);
        self.dirty.insert(Unit::Object(workload.kind, key.clone()));
    }

    pub(super) fn refer(&mut self, kind: Kind, key: &ObjectKey, claims: &[Text], there: bool) {
        for claim in claims {
            let claim = beside(key, claim);
            let reference = (kind, Arc::clone(&key.name));
            if there {
                link(&mut self.index.references, claim, reference);
            } else {
                unlink(&mut self.index.references, claim, &reference);
            }
        }
    }
}

/// Fits of the claim's own labels.
pub(super) fn by_label(claim: &Claim, prefix: &str) -> BTreeSet<(Text, Text)> {
    let fits = claim.label_values.iter().filter_map(|value| {
        let template = prefix.strip_suffix(&**value)?.strip_suffix('-')?;
        (!template.is_empty()).then(|| (Arc::clone(value), template.into()))
    });
    fits.collect()
}
