//! Names that rows of different kinds have in common are kept once: whichever row comes later takes
//! the text of the one that is there. Must change nothing that can be seen.

use std::sync::Arc;

use super::{Inventory, Row, beside};
use crate::domain::key::{ObjectKey, Text};

/// Takes the other text when it says the same.
fn take(text: &mut Text, other: &Text) {
    if text == other {
        *text = Arc::clone(other);
    }
}

impl Inventory {
    /// Makes a row use the names that are there already.
    pub(super) fn share(&self, row: &mut Row) {
        match row {
            Row::Pod(pod) => {
                for (_, name) in &mut pod.claims {
                    if let Some(claim) = self.claims.get(&beside(&pod.meta.key, name)) {
                        take(name, &claim.meta.key.name);
                    }
                }
            }
            Row::Claim(claim) => {
                let volume = claim.volume.as_ref().map(ObjectKey::unscoped);
                if let Some(volume) = volume.and_then(|key| self.volumes.get(&key)) {
                    claim.volume = Some(Arc::clone(&volume.meta.key.name));
                    if let Some(served) = &volume.claim {
                        take(&mut claim.meta.key.name, &served.key.name);
                    }
                }
                if let Some((key, _)) = self.index.users.get_key_value(&claim.meta.key) {
                    claim.meta.key = key.clone();
                }
            }
            Row::Volume(volume) => {
                let served = volume.claim.as_mut();
                let claim = served.and_then(|served| {
                    let claim = self.claims.get(&served.key)?;
                    served.key = claim.meta.key.clone();
                    Some(claim)
                });
                if let Some(name) = claim.and_then(|claim| claim.volume.as_ref()) {
                    take(&mut volume.meta.key.name, name);
                }
            }
            Row::Snapshot(snapshot) => {
                if let Some(name) = &mut snapshot.claim
                    && let Some(claim) = self.claims.get(&beside(&snapshot.meta.key, name))
                {
                    take(name, &claim.meta.key.name);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::{claim, now, pod, rows, snapshot, volume_of, world};

    #[test]
    fn the_name_of_a_claim_is_kept_once_whatever_comes_first() {
        let name = "workspace-ide-0";
        let all = rows![
            claim(name),
            volume_of(name),
            pod("ide-0").claim(name),
            snapshot("s", name, now()),
        ];
        for turn in 0..all.len() {
            let mut order = all.clone();
            order.rotate_left(turn);
            let inventory = world(order);
            let claims: Vec<_> = inventory.claims.values().collect();
            let volumes: Vec<_> = inventory.volumes.values().collect();
            let (claim, volume) = (claims[0], volumes[0]);
            let pods: Vec<_> = inventory.pods.values().collect();
            assert!(Arc::ptr_eq(&claim.meta.key.name, &pods[0].claims[0].1));
            let bound = claim.volume.as_ref().unwrap();
            assert!(Arc::ptr_eq(bound, &volume.meta.key.name));
            assert_eq!(&*claim.meta.key.name, name);
        }
    }
}
