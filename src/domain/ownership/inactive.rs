//! Since when a claim is not used: the newest of all signs of use, and only when something tells
//! of the end of its use at all. What is missing is unknown, never "long ago".

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::claim::Claim;
use crate::domain::history::Told;
use crate::domain::inventory::Inventory;
use crate::domain::key::Kind;
use crate::domain::metric::Metrics;

/// Where a sign of use comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum SignOf {
    /// The condition `Unused` of the claim (KEP-5541).
    Condition,
    /// The last sample that a kubelet gave of it, from a history without gaps; without any, the
    /// beginning of that history.
    History,
    /// The newest sample at hand.
    Sample,
    /// What the gateway wrote down of the user.
    Activity,
    Event,
    Snapshot,
    Created,
}

impl SignOf {
    /// Whether it tells of the end of use; others only move the end to a later time.
    const fn tells_of_the_end(self) -> bool {
        matches!(self, Self::Condition | Self::History | Self::Activity)
    }
}

/// A sign that the claim was used until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Sign {
    pub of: SignOf,
    pub at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Inactive {
    /// `None` = not known.
    pub since: Option<Timestamp>,
    /// The newest first.
    pub signs: Vec<Sign>,
    /// What the metrics history was asked, and what came of it.
    pub history: String,
}

/// What rows do not tell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hints {
    pub history: Told,
    /// Newest sample of the claim.
    pub sample: Option<Timestamp>,
}

impl Hints {
    /// What samples tell of a claim.
    pub fn of(metrics: &Metrics, inventory: &Inventory, claim: &Claim) -> Self {
        let history = metrics.past().of(inventory, claim);
        let newest = metrics.disk(&claim.meta.key).map(|disk| disk.at);
        Self {
            sample: newest.max(history.sample),
            history,
        }
    }
}

pub(super) fn since(inventory: &Inventory, claim: &Claim, hints: &Hints) -> Inactive {
    let key = &claim.meta.key;
    let newest_event = inventory.events_of(Kind::Claim, key).map(|e| e.last).max();
    let newest_snapshot = inventory
        .snapshots_of(key)
        .map(|s| s.meta.created.max(s.point_in_time()))
        .max();
    let all = [
        (SignOf::Condition, claim.unused_since),
        (SignOf::History, hints.history.unused_since),
        (SignOf::Sample, hints.sample),
        (SignOf::Activity, claim.active),
        (SignOf::Event, newest_event),
        (SignOf::Snapshot, newest_snapshot),
        (SignOf::Created, Some(claim.meta.created)),
    ];
    let mut signs: Vec<Sign> = all
        .into_iter()
        .filter_map(|(of, at)| Some(Sign { of, at: at? }))
        .collect();
    signs.sort_by_key(|sign| std::cmp::Reverse(sign.at));
    let is_known = signs.iter().any(|sign| sign.of.tells_of_the_end());
    Inactive {
        since: signs.first().map(|sign| sign.at).filter(|_| is_known),
        signs,
        history: hints.history.says.clone(),
    }
}
