//! Volumes that outlived their claim and are kept: a disk that nobody sees and somebody pays.

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::inventory::Inventory;
use crate::domain::key::{ObjectKey, Text};
use crate::domain::volume::{Reclaim, VolumePhase};

/// US dollars for a GiB and month, list prices of us-central1 as of 2026-11
/// (cloud.google.com/compute/disks-image-pricing). Another type's price is not known.
const PRICES: [(&str, f64); 3] = [
    ("pd-standard", 0.040),
    ("pd-balanced", 0.100),
    ("pd-ssd", 0.170),
];
const GIB: f64 = 1_073_741_824.0;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Released {
    pub volume: Text,
    /// The claim that it served last.
    pub claim: Option<ObjectKey>,
    pub since: Option<Timestamp>,
    pub bytes: Option<u64>,
    /// US dollars; `None` = the price of its type is not known.
    pub monthly_cost: Option<f64>,
    /// The run that keeps it for its undo.
    pub kept_by: Option<Text>,
}

/// Released volumes that are retained, the oldest first. `None` in `namespace` = of all.
pub fn released(inventory: &Inventory, namespace: Option<&str>) -> Vec<Released> {
    let kept = inventory.volumes.values().filter(|volume| {
        let of = volume.claim.as_ref().map(|claim| &*claim.key.namespace);
        volume.phase == VolumePhase::Released
            && volume.reclaim == Reclaim::Retain
            && namespace.is_none_or(|wanted| of == Some(wanted))
    });
    let mut all: Vec<Released> = kept
        .map(|volume| {
            let bytes = volume.capacity.and_then(|c| u64::try_from(c.value()).ok());
            let class = volume.storage_class.as_ref().map(ObjectKey::unscoped);
            let class = class.and_then(|key| inventory.storage_classes.get(&key));
            let price = class
                .and_then(|class| class.disk_type.as_deref())
                .and_then(|of| PRICES.iter().find(|(name, _)| *name == of))
                .map(|(_, price)| *price);
            Released {
                volume: volume.meta.key.name.clone(),
                claim: volume.claim.as_ref().map(|claim| claim.key.clone()),
                since: volume.phase_since,
                bytes,
                monthly_cost: bytes.zip(price).map(|(bytes, price)| gib(bytes) * price),
                kept_by: volume.kept_by.clone(),
            }
        })
        .collect();
    all.sort_by(|a, b| (a.since, &a.volume).cmp(&(b.since, &b.volume)));
    all
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a price needs no more than 53 bits of bytes"
)]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / GIB
}
