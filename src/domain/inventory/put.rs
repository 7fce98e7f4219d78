//! Takes in one row, or takes one out: the store first, then what is linked to it.

use super::store::AnyStore;
use super::{Inventory, Row, Unit};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::workload::Set;

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
}
