//! Everything that is known of the cluster: rows by kind, indexes between them, the workspaces
//! they join into, and the freshness of every kind. Fed by [`Inventory::apply`]; a change
//! touches the workspaces that it belongs to and nothing else. Must not judge (findings do)
//! and must not know how rows got here.

mod belongings;
mod change;
mod index;
mod join;
mod leftover;
mod link;
mod mark;
mod needs;
mod put;
mod share;
mod store;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

pub use change::{Change, Row};
pub use needs::Maker;
pub use store::Store;

use super::claim::Claim;
use super::event::Event;
use super::freshness::{Freshness, Freshnesses};
use super::key::{Kind, ObjectKey, Text};
use super::node::Node;
use super::pod::Pod;
use super::snapshot::{Content, Snapshot, SnapshotClass};
use super::volume::{Attachment, StorageClass, Volume};
use super::workload::{Budget, Quota, Set, Workload};
use super::workspace::Workspace;

/// What is judged as one: a workspace, or an object that belongs to none.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unit {
    Workspace(ObjectKey),
    Object(Kind, ObjectKey),
}

/// Which rows of a kind changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    Some(Vec<ObjectKey>),
    /// So many that naming them is worth nothing.
    Many,
}

impl Default for Touched {
    fn default() -> Self {
        Self::Some(Vec::new())
    }
}

/// More rows than this are [`Touched::Many`].
const MANY: usize = 256;

#[derive(Debug, Default)]
pub struct Inventory {
    pub sets: Store<Set>,
    pub pods: Store<Pod>,
    pub claims: Store<Claim>,
    pub volumes: Store<Volume>,
    pub snapshots: Store<Snapshot>,
    pub contents: Store<Content>,
    pub snapshot_classes: Store<SnapshotClass>,
    pub storage_classes: Store<StorageClass>,
    pub attachments: Store<Attachment>,
    pub nodes: Store<Node>,
    pub events: Store<Event>,
    pub deployments: Store<Workload>,
    pub replica_sets: Store<Workload>,
    pub daemon_sets: Store<Workload>,
    pub jobs: Store<Workload>,
    pub cron_jobs: Store<Workload>,
    pub budgets: Store<Budget>,
    pub quotas: Store<Quota>,
    freshness: Freshnesses,
    workspaces: HashMap<ObjectKey, Workspace>,
    index: index::Index,
    dirty: HashSet<Unit>,
    /// Everything must be judged anew; spelled out only when somebody asks.
    all_dirty: bool,
    /// Rows that changed since they were last asked for.
    touched: BTreeMap<Kind, Touched>,
    /// Template names that sets of workspaces use, for claims whose set is gone.
    templates: Vec<String>,
}

impl Inventory {
    /// `templates`: claim template names to try for claims whose set is gone.
    pub fn new(templates: Vec<String>) -> Self {
        Self {
            templates,
            ..Self::default()
        }
    }

    pub const fn freshness(&self) -> &Freshnesses {
        &self.freshness
    }

    pub fn workspace(&self, key: &ObjectKey) -> Option<&Workspace> {
        self.workspaces.get(key)
    }

    pub fn workspaces(&self) -> impl ExactSizeIterator<Item = &Workspace> {
        self.workspaces.values()
    }

    /// The workspaces that a claim belongs to: one, unless two sets make the same name.
    pub fn workspaces_of_claim(&self, claim: &ObjectKey) -> Vec<ObjectKey> {
        self.homes_of_claim(claim)
            .into_iter()
            .map(|(key, _)| key)
            .collect()
    }

    /// Snapshots that name this claim as their source, in no order.
    pub fn snapshots_of<'a>(&'a self, claim: &'a ObjectKey) -> impl Iterator<Item = &'a Snapshot> {
        self.index
            .snapshots
            .get(claim)
            .into_iter()
            .flatten()
            .filter_map(|name| self.snapshots.get(&beside(claim, name)))
    }

    /// The newest ready snapshot of a claim: the newest way back.
    pub fn newest_ready_snapshot<'a>(&'a self, claim: &'a ObjectKey) -> Option<&'a Snapshot> {
        self.snapshots_of(claim)
            .filter(|s| s.is_ready())
            .max_by_key(|s| s.point_in_time())
    }

    /// Attachments of a volume: more than one means that two nodes claim it.
    pub fn attachments_of<'a>(&'a self, volume: &'a str) -> impl Iterator<Item = &'a Attachment> {
        self.index
            .attachments
            .get(volume)
            .into_iter()
            .flatten()
            .filter_map(|name| self.attachments.get(&ObjectKey::unscoped(name)))
    }

    /// Events whose object is this one, in no order.
    pub fn events_of<'a>(
        &'a self,
        kind: Kind,
        object: &ObjectKey,
    ) -> impl Iterator<Item = &'a Event> + use<'a> {
        self.index
            .events
            .get(&(kind, object.clone()))
            .into_iter()
            .flatten()
            .filter_map(|key| self.events.get(key))
    }

    /// Pods that name this claim, in any phase.
    pub fn pods_of_claim<'a>(&'a self, claim: &'a ObjectKey) -> impl Iterator<Item = &'a Pod> {
        self.index
            .users
            .get(claim)
            .into_iter()
            .flatten()
            .filter_map(|name| self.pods.get(&beside(claim, name)))
    }

    /// The volume that a claim is bound to.
    pub fn volume_of(&self, claim: &Claim) -> Option<&Volume> {
        self.volumes
            .get(&ObjectKey::unscoped(claim.volume.as_ref()?))
    }

    /// Whether any volume is in phase `Failed`: almost never, and then nobody need look for one.
    pub fn has_failed_volumes(&self) -> bool {
        !self.index.failed_volumes.is_empty()
    }

    pub fn storage_class_of(&self, claim: &Claim) -> Option<&StorageClass> {
        self.storage_classes
            .get(&ObjectKey::unscoped(claim.storage_class.as_ref()?))
    }

    pub fn node(&self, name: &Text) -> Option<&Node> {
        self.nodes.get(&ObjectKey::unscoped(name))
    }

    /// When the pod of this name that went last should have gone (its `deletionTimestamp`),
    /// until another takes its place: what a missing pod is measured from.
    pub fn departed(&self, pod: &ObjectKey) -> Option<Timestamp> {
        self.index.departed.get(pod).copied()
    }

    /// The set that a workspace is an ordinal of, while it lives.
    pub fn set_of(&self, workspace: &Workspace) -> Option<&Set> {
        self.sets
            .get(&beside(&workspace.key, workspace.set.as_ref()?))
    }

    /// The claims of a workspace that exist, with the template each was made from.
    pub fn claims_of<'a>(
        &'a self,
        workspace: &'a Workspace,
    ) -> impl Iterator<Item = (&'a Text, &'a Claim)> {
        workspace.claims.iter().filter_map(|slot| {
            Some((
                &slot.template,
                self.claims.get(&beside(&workspace.key, &slot.claim))?,
            ))
        })
    }

    /// The user of a workspace: what its pod says, else its claims.
    pub fn user_of<'a>(&'a self, workspace: &'a Workspace) -> Option<&'a Text> {
        let pod = self.pods.get(&workspace.key).and_then(|p| p.user.as_ref());
        pod.or_else(|| self.claims_of(workspace).find_map(|(_, c)| c.user.as_ref()))
    }

    pub fn tier_of<'a>(&'a self, workspace: &'a Workspace) -> Option<&'a Text> {
        let pod = self.pods.get(&workspace.key).and_then(|p| p.tier.as_ref());
        pod.or_else(|| self.claims_of(workspace).find_map(|(_, c)| c.tier.as_ref()))
    }

    /// Ordinals of a set that have a workspace.
    pub fn ordinals_of(&self, set: &ObjectKey) -> impl Iterator<Item = u32> + '_ {
        self.index.ordinals.get(set).into_iter().flatten().copied()
    }

    /// Number of rows of a kind.
    pub fn count(&self, kind: Kind) -> usize {
        match kind {
            Kind::Set => self.sets.len(),
            Kind::Pod => self.pods.len(),
            Kind::Claim => self.claims.len(),
            Kind::Volume => self.volumes.len(),
            Kind::Snapshot => self.snapshots.len(),
            Kind::Content => self.contents.len(),
            Kind::SnapshotClass => self.snapshot_classes.len(),
            Kind::StorageClass => self.storage_classes.len(),
            Kind::Attachment => self.attachments.len(),
            Kind::Node => self.nodes.len(),
            Kind::Event => self.events.len(),
            Kind::Deployment => self.deployments.len(),
            Kind::ReplicaSet => self.replica_sets.len(),
            Kind::DaemonSet => self.daemon_sets.len(),
            Kind::Job => self.jobs.len(),
            Kind::CronJob => self.cron_jobs.len(),
            Kind::Budget => self.budgets.len(),
            Kind::Quota => self.quotas.len(),
        }
    }

    /// What must be judged anew, since the last call.
    pub fn take_dirty(&mut self) -> HashSet<Unit> {
        if std::mem::take(&mut self.all_dirty) {
            self.spell_out_all();
        }
        std::mem::take(&mut self.dirty)
    }

    /// Rows that came, changed or went, since the last call.
    pub fn take_touched(&mut self) -> BTreeMap<Kind, Touched> {
        std::mem::take(&mut self.touched)
    }

    fn touch(&mut self, kind: Kind, key: &ObjectKey) {
        let touched = self.touched.entry(kind).or_default();
        if let Touched::Some(keys) = touched {
            if keys.len() < MANY {
                keys.push(key.clone());
            } else {
                *touched = Touched::Many;
            }
        }
    }

    /// Has everything judged anew, for instance after the policy changed.
    pub const fn mark_all(&mut self) {
        self.all_dirty = true;
    }

    fn spell_out_all(&mut self) {
        self.dirty
            .extend(self.workspaces.keys().cloned().map(Unit::Workspace));
        let loose = self
            .claims
            .keys()
            .filter(|c| self.homes_of_claim(c).is_empty());
        let loose: Vec<ObjectKey> = loose.cloned().collect();
        self.dirty
            .extend(loose.into_iter().map(|k| Unit::Object(Kind::Claim, k)));
        let objects = [
            (Kind::Node, self.nodes.keys().cloned().collect::<Vec<_>>()),
            (Kind::Set, self.sets.keys().cloned().collect()),
            (Kind::Quota, self.quotas.keys().cloned().collect()),
            (Kind::Budget, self.budgets.keys().cloned().collect()),
            (Kind::Volume, self.loose_volumes()),
        ];
        for (kind, keys) in objects {
            self.dirty
                .extend(keys.into_iter().map(|k| Unit::Object(kind, k)));
        }
    }

    fn loose_volumes(&self) -> Vec<ObjectKey> {
        self.volumes
            .values()
            .filter(|v| self.is_loose(v))
            .map(|v| v.meta.key.clone())
            .collect()
    }

    /// Whether no claim is bound to a volume. A claim of the name that it once served is none:
    /// that may have been made anew, with another volume.
    pub fn is_loose(&self, volume: &Volume) -> bool {
        let claim = volume.claim.as_ref().and_then(|c| self.claims.get(&c.key));
        claim.is_none_or(|c| c.volume.as_ref() != Some(&volume.meta.key.name))
    }

    /// Takes in what a watch saw. Rows that did not change cost a comparison.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Begin { kind } => {
                self.with_store(kind, |s| s.begin());
                if !self.freshness.get(kind).was_complete() {
                    let syncing = Freshness::Syncing {
                        seen: 0,
                        remaining: None,
                    };
                    self.freshness.set(kind, syncing);
                }
            }
            Change::Page {
                kind,
                rows,
                remaining,
            } => {
                for row in rows {
                    self.put(row);
                }
                if !self.freshness.get(kind).was_complete() {
                    let seen = self.count(kind);
                    self.freshness
                        .set(kind, Freshness::Syncing { seen, remaining });
                }
            }
            Change::Done { kind } => {
                let mut gone = Vec::new();
                self.with_store(kind, |s| gone = s.finish());
                for key in gone {
                    self.remove(kind, &key);
                }
                self.become_live(kind);
            }
            Change::Update { kind, puts, gone } => {
                for row in puts {
                    self.put(row);
                }
                for key in gone {
                    self.remove(kind, &key);
                }
            }
            Change::Freshness { kind, freshness } => {
                if freshness.is_live() {
                    self.become_live(kind);
                } else {
                    // A kind that may not be read any more keeps no rows that nobody can vouch
                    // for, except when it merely went stale.
                    let stale = matches!(freshness, Freshness::Stale { .. });
                    if self.freshness.set(kind, freshness) && !stale {
                        // What was concluded from it cannot be said any more. What went stale
                        // keeps its last verdict, which is shown as such.
                        self.mark_all();
                    }
                }
            }
        }
    }

    fn become_live(&mut self, kind: Kind) {
        let complete_before = self.freshness.get(kind).was_complete();
        if !self.freshness.set(kind, Freshness::Live) {
            return;
        }
        if !complete_before && kind == Kind::Set {
            self.place_leftovers();
        }
        // "There is none" can be said from now on, also after a time in which it could not.
        self.mark_all();
    }
}

/// The key of an object in the same namespace.
pub(crate) fn beside(key: &ObjectKey, name: &Text) -> ObjectKey {
    ObjectKey {
        namespace: Arc::clone(&key.namespace),
        name: Arc::clone(name),
    }
}

#[cfg(test)]
mod tests;
