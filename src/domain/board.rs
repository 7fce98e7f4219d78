//! The verdicts of this moment, by unit. A unit is judged anew when a row or a sample of it
//! changed, or when the time comes at which its verdict would change by itself. Must not draw
//! conclusions about freshness: that is overlaid when somebody asks ([`Board::verdict`]).

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use super::finding::{Code, Finding, Severity};
use super::findings::{self, Case};
use super::inventory::{Inventory, Unit};
use super::key::{Kind, ObjectKey};
use super::metric::Metrics;
use super::policy::Policy;
use super::workspace::{Origin, Workspace};

/// Without these no verdict on a workspace stands.
pub const NEEDED: [Kind; 3] = [Kind::Set, Kind::Pod, Kind::Claim];

/// How many units one [`Board::refresh`] judges at most, so that a key press during the first
/// load waits for a millisecond or two, not for thirteen thousand verdicts.
const PER_REFRESH: usize = 1000;

#[derive(Debug, Default)]
pub struct Board {
    findings: HashMap<Unit, Box<[Finding]>>,
    /// Units still to be judged.
    pending: HashSet<Unit>,
    /// When a unit's verdict may change without anything happening.
    wakes: BTreeMap<Timestamp, HashSet<Unit>>,
    wake_of: HashMap<Unit, Timestamp>,
}

/// What to say of a workspace in one word.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict<'a> {
    /// The worst finding.
    Hurt(&'a Finding),
    /// These kinds are not live; the findings are as of then.
    Unknown {
        missing: Vec<Kind>,
        last: Option<&'a Finding>,
    },
    /// Nobody uses it, and nothing is wrong.
    Parked,
    Fine,
}

impl Board {
    /// Judges what changed. Returns the units whose findings are different now; the caller
    /// calls again while [`Board::is_pending`].
    pub fn refresh(
        &mut self,
        inventory: &mut Inventory,
        metrics: &Metrics,
        policy: &Policy,
        now: Timestamp,
    ) -> Vec<Unit> {
        self.pending.extend(inventory.take_dirty());
        while let Some(entry) = self.wakes.first_entry() {
            if *entry.key() > now {
                break;
            }
            for unit in entry.remove() {
                self.wake_of.remove(&unit);
                self.pending.insert(unit);
            }
        }
        let units: Vec<Unit> = if self.pending.len() <= PER_REFRESH {
            self.pending.drain().collect()
        } else {
            let some: Vec<Unit> = self.pending.iter().take(PER_REFRESH).cloned().collect();
            for unit in &some {
                self.pending.remove(unit);
            }
            some
        };
        let mut changed = Vec::new();
        for unit in units {
            let before = self.findings.get(&unit).map_or(&[][..], |f| f);
            let mut case = Case::new(inventory, metrics, policy, now).after(before);
            let mut found = Vec::new();
            findings::judge(&mut case, &unit, &mut found);
            found.sort_by_key(Finding::rank);
            let wake = case.wake();
            self.set_wake(&unit, wake);
            let same = match self.findings.get(&unit) {
                Some(old) => **old == *found,
                None => found.is_empty(),
            };
            if found.is_empty() {
                self.findings.remove(&unit);
            } else if !same {
                self.findings.insert(unit.clone(), found.into_boxed_slice());
            }
            // A workspace without findings changes too: its cells do.
            if !same || matches!(unit, Unit::Workspace(_)) {
                changed.push(unit);
            }
        }
        changed
    }

    fn set_wake(&mut self, unit: &Unit, wake: Option<Timestamp>) {
        if let Some(old) = self.wake_of.remove(unit)
            && let Some(units) = self.wakes.get_mut(&old)
        {
            units.remove(unit);
            if units.is_empty() {
                self.wakes.remove(&old);
            }
        }
        if let Some(at) = wake {
            self.wakes.entry(at).or_default().insert(unit.clone());
            self.wake_of.insert(unit.clone(), at);
        }
    }

    /// Has a unit judged anew at the next refresh, for instance because its samples changed.
    pub fn mark(&mut self, unit: Unit) {
        self.pending.insert(unit);
    }

    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// The findings of a unit, worst first.
    pub fn of(&self, unit: &Unit) -> &[Finding] {
        self.findings.get(unit).map_or(&[], |f| f)
    }

    pub fn of_workspace(&self, key: &ObjectKey) -> &[Finding] {
        self.of(&Unit::Workspace(key.clone()))
    }

    /// Every finding with the unit that it was found in, in no order.
    pub fn all(&self) -> impl Iterator<Item = (&Unit, &Finding)> {
        self.findings
            .iter()
            .flat_map(|(unit, found)| found.iter().map(move |f| (unit, f)))
    }

    pub fn len(&self) -> usize {
        self.findings.values().map(|f| f.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.findings.is_empty()
    }

    /// How many findings of each severity there are.
    pub fn tally(&self) -> BTreeMap<Severity, usize> {
        let mut tally = BTreeMap::new();
        for (_, finding) in self.all() {
            *tally.entry(finding.severity).or_default() += 1;
        }
        tally
    }

    /// The verdict on a workspace, with freshness laid over it: what is not live proves nothing.
    pub fn verdict(&self, inventory: &Inventory, workspace: &Workspace) -> Verdict<'_> {
        let worst = self.of_workspace(&workspace.key).first();
        let missing = inventory.freshness().missing(&NEEDED);
        if !missing.is_empty() {
            return Verdict::Unknown {
                missing,
                last: worst,
            };
        }
        match worst {
            Some(finding) if finding.severity != Severity::Note => Verdict::Hurt(finding),
            _ if matches!(workspace.origin, Origin::Parked | Origin::Leftover) => Verdict::Parked,
            Some(finding) => Verdict::Hurt(finding),
            None => Verdict::Fine,
        }
    }

    /// The worst finding's rank for the order "needs me first"; nothing wrong sorts last.
    pub fn rank(&self, key: &ObjectKey) -> Option<(Severity, Code)> {
        self.of_workspace(key).first().map(Finding::rank)
    }
}
