//! What a row is linked to, and what must be joined or judged anew when it comes or goes; `there`
//! tells which.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::index::{link, unlink};
use super::join::MAX_ORDINALS;
use super::{Inventory, Unit, beside};
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::freshness::Freshness;
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::node::Node;
use crate::domain::pod::Pod;
use crate::domain::snapshot::{Content, Snapshot};
use crate::domain::volume::{Attachment, Volume, VolumePhase};
use crate::domain::workload::{Set, split_ordinal};

impl Inventory {
    pub(super) fn touch_set(&mut self, set: &Set, there: bool) {
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

    pub(super) fn touch_pod(&mut self, pod: &Pod, there: bool) {
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

    pub(super) fn touch_claim(&mut self, claim: &Claim, there: bool) {
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

    pub(super) fn touch_volume(&mut self, volume: &Volume, there: bool) {
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

    pub(super) fn touch_snapshot(&mut self, snapshot: &Snapshot, there: bool) {
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

    pub(super) fn touch_content(&mut self, content: &Content, _there: bool) {
        let claim = content.snapshot.as_ref().and_then(|(key, _)| {
            let snapshot = self.snapshots.get(key)?;
            Some(beside(key, snapshot.claim.as_ref()?))
        });
        if let Some(claim) = claim {
            self.mark_claim(&claim);
        }
    }

    pub(super) fn touch_attachment(&mut self, attachment: &Attachment, there: bool) {
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

    pub(super) fn touch_node(&mut self, node: &Node, _there: bool) {
        let name = &node.meta.key.name;
        let here = self.pods.values().filter(|p| p.node.as_ref() == Some(name));
        let keys: Vec<ObjectKey> = here.map(|p| p.meta.key.clone()).collect();
        self.dirty
            .insert(Unit::Object(Kind::Node, node.meta.key.clone()));
        for key in keys {
            self.mark_workspace(&key);
        }
    }

    pub(super) fn touch_event(&mut self, event: &Event, there: bool) {
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
}
