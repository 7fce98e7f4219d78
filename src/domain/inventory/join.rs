//! Keeps the indexes and the workspaces in step with the rows, one change at a time.
//! `(set, ordinal)` is computed forward from live sets; a name is only taken apart when no
//! live set can prove it.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::needs::by_label;
use super::store::AnyStore;
use super::{Inventory, Row, Unit, beside};
use crate::domain::claim::Claim;
use crate::domain::freshness::Freshness;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::pod::Pod;
use crate::domain::volume::VolumePhase;
use crate::domain::workload::{Set, split_ordinal};
use crate::domain::workspace::{Origin, Slot, Workspace};

/// More ordinals than any real set has; a typo in `replicas` must not eat the memory.
pub(super) const MAX_ORDINALS: u32 = 100_000;

#[derive(Debug, Default)]
pub(super) struct Index {
    /// `<template>-<set>` in a namespace → the sets and templates that make it.
    pub(super) prefixes: HashMap<ObjectKey, Vec<(Text, Text)>>,
    /// `<anything>` before a canonical ordinal → claims of that name, with their ordinal.
    claims: HashMap<ObjectKey, Vec<(u32, Text)>>,
    /// Workspace → claims that no live set proves, with the template that was tried.
    leftovers: HashMap<ObjectKey, Vec<(Text, Text)>>,
    /// The same, from the claim's side.
    leftover_homes: HashMap<ObjectKey, ObjectKey>,
    /// Set → ordinals that have a workspace.
    pub(super) ordinals: HashMap<ObjectKey, BTreeSet<u32>>,
    /// Claim → pods that name it.
    pub(super) users: HashMap<ObjectKey, Vec<Text>>,
    /// Claim → snapshots of it.
    pub(super) snapshots: HashMap<ObjectKey, Vec<Text>>,
    /// Volume → attachments of it.
    pub(super) attachments: HashMap<Text, Vec<Text>>,
    pub(super) events: HashMap<(Kind, ObjectKey), Vec<ObjectKey>>,
    /// Claim → workloads whose pod template names it.
    pub(super) references: HashMap<ObjectKey, Vec<(Kind, Text)>>,
    pub(super) failed_volumes: BTreeSet<Text>,
    /// Workspaces whose work is on no claim: what sets look like is evidence for them.
    pub(super) unpersisted: BTreeSet<ObjectKey>,
    /// Pod → when the one that went should have gone, until another comes.
    pub(super) departed: HashMap<ObjectKey, Timestamp>,
}

pub(super) fn link<K: std::hash::Hash + Eq, V: PartialEq>(
    map: &mut HashMap<K, Vec<V>>,
    key: K,
    value: V,
) {
    let values = map.entry(key).or_default();
    if !values.contains(&value) {
        // Most lists have one entry; growing by four would cost megabytes at fleet size.
        values.reserve_exact(1);
        values.push(value);
    }
}

pub(super) fn unlink<K: std::hash::Hash + Eq, V: PartialEq>(
    map: &mut HashMap<K, Vec<V>>,
    key: K,
    value: &V,
) {
    if let Entry::Occupied(mut entry) = map.entry(key) {
        entry.get_mut().retain(|v| v != value);
        if entry.get().is_empty() {
            entry.remove();
        }
    }
}

impl Inventory {
    pub(super) fn with_store(&mut self, kind: Kind, act: impl FnOnce(&mut dyn AnyStore)) {
        let store: &mut dyn AnyStore = match kind {
            Kind::Set => &mut self.sets,
            Kind::Pod => &mut self.pods,
            Kind::Claim => &mut self.claims,
            Kind::Volume => &mut self.volumes,
            Kind::Snapshot => &mut self.snapshots,
            Kind::Content => &mut self.contents,
            Kind::SnapshotClass => &mut self.snapshot_classes,
            Kind::StorageClass => &mut self.storage_classes,
            Kind::Attachment => &mut self.attachments,
            Kind::Node => &mut self.nodes,
            Kind::Event => &mut self.events,
            Kind::Deployment => &mut self.deployments,
            Kind::ReplicaSet => &mut self.replica_sets,
            Kind::DaemonSet => &mut self.daemon_sets,
            Kind::Job => &mut self.jobs,
            Kind::CronJob => &mut self.cron_jobs,
            Kind::Budget => &mut self.budgets,
            Kind::Quota => &mut self.quotas,
        };
        act(store);
    }

    /// Takes in one row; nothing happens beyond the comparison when it says nothing new.
    pub(super) fn put(&mut self, mut row: Row) {
        self.share(&mut row);
        let kind = row.kind();
        let key = row.meta().key.clone();
        macro_rules! exchange {
            ($store:expr, $row:expr, $touch:ident) => {{
                let old = $store.put(key.clone(), $row);
                if old.as_ref() != $store.get(&key) {
                    self.touch(kind, &key);
                    if let Some(old) = old {
                        self.$touch(&old, false);
                    }
                    if let Some(new) = $store.get(&key).cloned() {
                        self.$touch(&new, true);
                    }
                }
            }};
            ($store:expr, $row:expr) => {{
                let old = $store.put(key.clone(), $row);
                if old.as_ref() != $store.get(&key) {
                    self.touch(kind, &key);
                    self.dirty.insert(Unit::Object(kind, key));
                }
            }};
        }
        match row {
            Row::Set(r) => self.put_set(r),
            Row::Pod(r) => exchange!(self.pods, r, touch_pod),
            Row::Claim(r) => exchange!(self.claims, r, touch_claim),
            Row::Volume(r) => exchange!(self.volumes, r, touch_volume),
            Row::Snapshot(r) => exchange!(self.snapshots, r, touch_snapshot),
            Row::Content(r) => exchange!(self.contents, r, touch_content),
            Row::Attachment(r) => exchange!(self.attachments, r, touch_attachment),
            Row::Node(r) => exchange!(self.nodes, r, touch_node),
            Row::Event(r) => exchange!(self.events, r, touch_event),
            Row::SnapshotClass(r) => exchange!(self.snapshot_classes, r),
            Row::StorageClass(r) => {
                // How a class binds and grows is evidence for all of its claims.
                self.mark_all();
                exchange!(self.storage_classes, r);
            }
            Row::Budget(r) => exchange!(self.budgets, r),
            Row::Quota(r) => exchange!(self.quotas, r),
            Row::Workload(r) => match r.kind {
                Kind::Deployment => exchange!(self.deployments, r, touch_workload),
                Kind::ReplicaSet => exchange!(self.replica_sets, r, touch_workload),
                Kind::DaemonSet => exchange!(self.daemon_sets, r, touch_workload),
                Kind::Job => exchange!(self.jobs, r, touch_workload),
                _ => exchange!(self.cron_jobs, r, touch_workload),
            },
        }
    }

    pub(super) fn remove(&mut self, kind: Kind, key: &ObjectKey) {
        macro_rules! take {
            ($store:expr, $touch:ident) => {
                if let Some(old) = $store.remove(key) {
                    self.$touch(&old, false);
                }
            };
            ($store:expr) => {{
                $store.remove(key);
            }};
        }
        self.touch(kind, key);
        self.dirty.insert(Unit::Object(kind, key.clone()));
        match kind {
            Kind::Set => take!(self.sets, touch_set),
            Kind::Pod => take!(self.pods, touch_pod),
            Kind::Claim => take!(self.claims, touch_claim),
            Kind::Volume => take!(self.volumes, touch_volume),
            Kind::Snapshot => take!(self.snapshots, touch_snapshot),
            Kind::Content => take!(self.contents, touch_content),
            Kind::Attachment => take!(self.attachments, touch_attachment),
            Kind::Node => take!(self.nodes, touch_node),
            Kind::Event => take!(self.events, touch_event),
            Kind::SnapshotClass => take!(self.snapshot_classes),
            Kind::StorageClass => take!(self.storage_classes),
            Kind::Deployment => take!(self.deployments, touch_workload),
            Kind::ReplicaSet => take!(self.replica_sets, touch_workload),
            Kind::DaemonSet => take!(self.daemon_sets, touch_workload),
            Kind::Job => take!(self.jobs, touch_workload),
            Kind::CronJob => take!(self.cron_jobs, touch_workload),
            Kind::Budget => take!(self.budgets),
            Kind::Quota => take!(self.quotas),
        }
    }

    /// A set's status changes often and moves no workspace; its shape does.
    fn put_set(&mut self, set: Set) {
        let key = set.meta.key.clone();
        let old = self.sets.put(key.clone(), set);
        let Some(new) = self.sets.get(&key).cloned() else {
            return;
        };
        if old.as_ref() == Some(&new) {
            return;
        }
        self.touch(Kind::Set, &key);
        self.dirty.insert(Unit::Object(Kind::Set, key));
        if let Some(old) = &old
            && (&old.templates, &old.claims, old.ordinals())
                == (&new.templates, &new.claims, new.ordinals())
            && (&old.selector, &old.images, old.parallel)
                == (&new.selector, &new.images, new.parallel)
        {
            let complete = |s: &Set| s.ready >= s.replicas;
            if old.observed_generation != new.observed_generation || complete(old) != complete(&new)
            {
                self.mark_missing(&new);
            }
            return;
        }
        if let Some(old) = old {
            self.touch_set(&old, false);
        }
        self.touch_set(&new, true);
    }

    // ---- what a row is linked to; `there` tells whether it came or went

    fn touch_set(&mut self, set: &Set, there: bool) {
        let key = &set.meta.key;
        self.refer(Kind::Set, key, &set.claims, there);
        let mut ordinals: BTreeSet<u32> = self.ordinals_of(key).collect();
        ordinals.extend(set.ordinals().take(MAX_ORDINALS as usize));
        for template in &set.templates {
            let name: Text = format!("{}-{}", template.name, key.name).into();
            let prefix = beside(key, &name);
            let maker = (Arc::clone(&key.name), Arc::clone(&template.name));
            if there {
                link(&mut self.index.prefixes, prefix.clone(), maker);
            } else {
                unlink(&mut self.index.prefixes, prefix.clone(), &maker);
            }
            let claims = self.index.claims.get(&prefix).cloned().unwrap_or_default();
            for (ordinal, claim) in claims {
                ordinals.insert(ordinal);
                let claim = beside(key, &claim);
                self.place_leftover(&claim);
                // It belonged to nothing, or does now: its own verdict changes, too.
                self.dirty.insert(Unit::Object(Kind::Claim, claim));
            }
        }
        self.dirty.insert(Unit::Object(Kind::Set, key.clone()));
        let bare = self.index.unpersisted.iter();
        let bare = bare.filter(|w| w.namespace == key.namespace).cloned();
        self.dirty.extend(bare.map(Unit::Workspace));
        for ordinal in ordinals {
            let name: Text = set.pod_name(ordinal).into();
            self.join(&beside(key, &name));
        }
    }

    fn touch_pod(&mut self, pod: &Pod, there: bool) {
        let key = &pod.meta.key;
        for (_, claim) in &pod.claims {
            let claim = beside(key, claim);
            if there {
                link(&mut self.index.users, claim.clone(), Arc::clone(&key.name));
            } else {
                unlink(&mut self.index.users, claim.clone(), &key.name);
            }
            self.mark_claim(&claim);
        }
        match pod.meta.deleted {
            Some(at) if !there => {
                self.index.departed.insert(key.clone(), at);
            }
            _ => {
                self.index.departed.remove(key);
            }
        }
        self.join(key);
        self.mark_around(pod);
    }

    fn touch_claim(&mut self, claim: &Claim, there: bool) {
        let key = &claim.meta.key;
        if let Some(volume) = self.volume_of(claim)
            && volume.phase != VolumePhase::Bound
        {
            let volume = volume.meta.key.clone();
            self.dirty.insert(Unit::Object(Kind::Volume, volume));
        }
        if let Some((prefix, ordinal)) = split_ordinal(&key.name) {
            let prefix = ObjectKey {
                namespace: Arc::clone(&key.namespace),
                name: prefix.into(),
            };
            let entry = (ordinal, Arc::clone(&key.name));
            if there {
                self.index.claims.entry(prefix).or_default().push(entry);
            } else {
                unlink(&mut self.index.claims, prefix, &entry);
            }
        }
        if !there {
            // The home of a claim that left is the one that it had.
            let homes = self.homes(claim);
            self.drop_leftover(key);
            for (home, _) in homes {
                self.join(&home);
            }
        }
        self.place_leftover(key);
        for (home, _) in self.homes_of_claim(key) {
            self.join(&home);
        }
        self.mark_claim(key);
    }

    fn touch_volume(&mut self, volume: &crate::domain::volume::Volume, there: bool) {
        let name = &volume.meta.key.name;
        if there && volume.phase == VolumePhase::Failed {
            self.index.failed_volumes.insert(Arc::clone(name));
        } else {
            self.index.failed_volumes.remove(name);
        }
        if let Some(claim) = &volume.claim {
            self.mark_claim(&claim.key);
        }
        // One that is in use has no verdict of its own; at load that is almost every one.
        if volume.phase != VolumePhase::Bound || self.is_loose(volume) {
            self.dirty
                .insert(Unit::Object(Kind::Volume, volume.meta.key.clone()));
        }
    }

    fn touch_snapshot(&mut self, snapshot: &crate::domain::snapshot::Snapshot, there: bool) {
        let key = &snapshot.meta.key;
        if let Some(claim) = &snapshot.claim {
            let claim = beside(key, claim);
            if there {
                link(
                    &mut self.index.snapshots,
                    claim.clone(),
                    Arc::clone(&key.name),
                );
            } else {
                unlink(&mut self.index.snapshots, claim.clone(), &key.name);
            }
            self.mark_claim(&claim);
        }
    }

    fn touch_content(&mut self, content: &crate::domain::snapshot::Content, _there: bool) {
        let claim = content.snapshot.as_ref().and_then(|(key, _)| {
            let snapshot = self.snapshots.get(key)?;
            Some(beside(key, snapshot.claim.as_ref()?))
        });
        if let Some(claim) = claim {
            self.mark_claim(&claim);
        }
    }

    fn touch_attachment(&mut self, attachment: &crate::domain::volume::Attachment, there: bool) {
        let Some(volume) = &attachment.volume else {
            return;
        };
        if there {
            link(
                &mut self.index.attachments,
                Arc::clone(volume),
                Arc::clone(&attachment.meta.key.name),
            );
        } else {
            unlink(
                &mut self.index.attachments,
                Arc::clone(volume),
                &attachment.meta.key.name,
            );
        }
        let Some(row) = self.volumes.get(&ObjectKey::unscoped(volume)) else {
            // While volumes come, the volume's own coming says whose it is. Where they may not
            // be read nothing does but the claims, all of them.
            let coming = matches!(
                self.freshness.get(Kind::Volume),
                Freshness::Never | Freshness::Syncing { .. }
            );
            if !coming {
                self.mark_all();
            }
            return;
        };
        if let Some(claim) = row.claim.as_ref().map(|c| c.key.clone()) {
            self.mark_claim(&claim);
        }
    }

    fn touch_node(&mut self, node: &crate::domain::node::Node, _there: bool) {
        let name = &node.meta.key.name;
        let here = self.pods.values().filter(|p| p.node.as_ref() == Some(name));
        let keys: Vec<ObjectKey> = here.map(|p| p.meta.key.clone()).collect();
        self.dirty
            .insert(Unit::Object(Kind::Node, node.meta.key.clone()));
        for key in keys {
            self.mark_workspace(&key);
        }
    }

    fn touch_event(&mut self, event: &crate::domain::event::Event, there: bool) {
        let Some(kind) = Kind::of_object(&event.object_kind) else {
            return;
        };
        let object = (kind, event.object.clone());
        if there {
            link(&mut self.index.events, object, event.meta.key.clone());
        } else {
            unlink(&mut self.index.events, object, &event.meta.key);
        }
        match kind {
            Kind::Pod => self.mark_workspace(&event.object),
            Kind::Claim => self.mark_claim(&event.object),
            Kind::Snapshot => {
                let claim = self
                    .snapshots
                    .get(&event.object)
                    .and_then(|s| s.claim.clone());
                if let Some(claim) = claim {
                    self.mark_claim(&beside(&event.object, &claim));
                }
            }
            _ => {
                self.dirty.insert(Unit::Object(kind, event.object.clone()));
            }
        }
    }

    // ---- where a claim belongs

    /// Workspaces of a claim with the template that made it. Computed forward from live sets;
    /// only what they do not make is looked up among the leftovers.
    pub(super) fn homes_of_claim(&self, claim: &ObjectKey) -> Vec<(ObjectKey, Text)> {
        self.claims
            .get(claim)
            .map(|c| self.homes(c))
            .unwrap_or_default()
    }

    fn homes(&self, claim: &Claim) -> Vec<(ObjectKey, Text)> {
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
    fn guess(&self, claim: &Claim, prefix: &str, ordinal: u32) -> Option<(ObjectKey, Text)> {
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
    fn place_leftover(&mut self, claim: &ObjectKey) {
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

    fn drop_leftover(&mut self, claim: &ObjectKey) {
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

    // ---- the join of one workspace

    /// Computes one workspace from the rows of this moment: it appears, changes or goes.
    fn join(&mut self, key: &ObjectKey) {
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
