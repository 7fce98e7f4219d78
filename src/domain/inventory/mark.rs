//! What must be judged anew when a row changes, beside the workspace that it belongs to.

use std::sync::Arc;

use super::join::MAX_ORDINALS;
use super::{Inventory, Unit, beside};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::node::ReadyState;
use crate::domain::pod::Pod;
use crate::domain::workload::{Set, split_ordinal};

impl Inventory {
    /// Ordinals without a pod: the controller has had its say, so they may be missing now.
    pub(super) fn mark_missing(&mut self, set: &Set) {
        for ordinal in set.ordinals().take(MAX_ORDINALS as usize) {
            let key = beside(&set.meta.key, &set.pod_name(ordinal).into());
            if self.pods.get(&key).is_none() {
                self.mark_workspace(&key);
            }
        }
    }

    /// What is not of a pod's workspace and is judged by it all the same: its set while it is
    /// not complete, the next ordinal that waits for its turn, its node while it is down.
    pub(super) fn mark_around(&mut self, pod: &Pod) {
        let key = &pod.meta.key;
        let node = pod.node.as_ref().map(ObjectKey::unscoped);
        if let Some(node) = node
            && let Some(row) = self.nodes.get(&node)
            && row
                .ready
                .as_ref()
                .is_some_and(|r| r.state != ReadyState::Ready)
        {
            self.dirty.insert(Unit::Object(Kind::Node, node));
        }
        let Some((prefix, ordinal)) = split_ordinal(&key.name) else {
            return;
        };
        let set = ObjectKey {
            namespace: Arc::clone(&key.namespace),
            name: prefix.into(),
        };
        let Some(row) = self.sets.get(&set).filter(|s| s.ready < s.replicas) else {
            return;
        };
        let mut later = (ordinal..row.ordinals().end)
            .skip(1)
            .take(MAX_ORDINALS as usize)
            .map(|later| beside(&set, &row.pod_name(later).into()));
        let waits = if row.parallel {
            None
        } else {
            later.find(|later| self.pods.get(later).is_none())
        };
        self.dirty.insert(Unit::Object(Kind::Set, set));
        if let Some(waits) = waits {
            self.mark_workspace(&waits);
        }
    }

    /// Has the workspaces of a claim judged anew, or the claim itself when it has none; also
    /// those whose pods use it without its being theirs.
    pub(super) fn mark_claim(&mut self, claim: &ObjectKey) {
        let users = self.index.users.get(claim).cloned().unwrap_or_default();
        for user in users {
            self.mark_workspace(&beside(claim, &user));
        }
        let homes = self.homes_of_claim(claim);
        if homes.is_empty() {
            self.dirty.insert(Unit::Object(Kind::Claim, claim.clone()));
        }
        for (home, _) in homes {
            self.mark_workspace(&home);
        }
    }

    pub(super) fn mark_workspace(&mut self, key: &ObjectKey) {
        let Some(workspace) = self.workspaces.get(key) else {
            return;
        };
        self.dirty.insert(Unit::Workspace(key.clone()));
        // How long its set has been incomplete is told by what a missing pod left behind.
        if let Some(set) = &workspace.set
            && self.pods.get(key).is_none()
        {
            self.dirty.insert(Unit::Object(Kind::Set, beside(key, set)));
        }
    }
}
