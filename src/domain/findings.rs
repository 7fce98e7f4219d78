//! The rules: pure functions from the rows and samples of one unit to its findings, one file a
//! family. "Not enough known" is an answer: a rule that needs a kind which is not live finds
//! nothing, and the verdict says so instead.
//!
//! To add a finding: 1. a variant of [`Code`](super::finding::Code) with its word, 2. its rule
//! in the family's `judge`, 3. its words in the family's `explain`, 4. a row test beside the
//! rule, 5. its runbook.

use jiff::{SignedDuration, Timestamp};

use super::finding::{Explanation, Finding};
use super::freshness::Freshnesses;
use super::inventory::{Inventory, Unit};
use super::key::Kind;
use super::metric::Metrics;
use super::policy::Policy;

/// What a rule may look at. Times are asked through [`Case::has_lasted`], which remembers when
/// the answer will change, so that nothing needs judging again before.
#[derive(Debug)]
pub struct Case<'a> {
    pub inventory: &'a Inventory,
    pub metrics: &'a Metrics,
    pub policy: &'a Policy,
    pub now: Timestamp,
    wake: Option<Timestamp>,
}

impl<'a> Case<'a> {
    pub const fn new(
        inventory: &'a Inventory,
        metrics: &'a Metrics,
        policy: &'a Policy,
        now: Timestamp,
    ) -> Self {
        Self {
            inventory,
            metrics,
            policy,
            now,
            wake: None,
        }
    }

    pub const fn freshness(&self) -> &'a Freshnesses {
        self.inventory.freshness()
    }

    pub fn is_live(&self, kind: Kind) -> bool {
        self.freshness().is_live(kind)
    }

    /// Whether `limit` has passed since `start`. If not, the unit is judged again when it has.
    pub fn has_lasted(&mut self, start: Timestamp, limit: SignedDuration) -> bool {
        let due = start.checked_add(limit).unwrap_or(Timestamp::MAX);
        if due <= self.now {
            return true;
        }
        self.wake = Some(self.wake.map_or(due, |wake| wake.min(due)));
        false
    }

    pub(super) const fn wake(&self) -> Option<Timestamp> {
        self.wake
    }
}

/// Every finding of a unit, in no order.
pub fn judge(_case: &mut Case<'_>, _unit: &Unit, _found: &mut Vec<Finding>) {}

/// A finding in words, with the evidence of this moment.
pub fn explain(_case: &Case<'_>, _finding: &Finding) -> Explanation {
    Explanation {
        sentence: String::new(),
        evidence: Vec::new(),
        clears: String::new(),
        steps: Vec::new(),
    }
}
