//! The rules: pure functions from the rows and samples of one unit to its findings, one file a
//! family. "Not enough known" is an answer: a rule that needs a kind which is not live finds
//! nothing, and the verdict says so instead.
//!
//! To add a finding: 1. a variant of [`Code`] with its word, 2. its rule
//! in the family's `judge`, 3. its words in the family's `explain`, 4. a row test beside the
//! rule, 5. its runbook.

mod allowance;
mod claim;
mod disk;
mod mount;
mod node;
mod pod;
mod reference;
mod resize;
mod set;
mod snapshot;
mod unpersisted;
mod usage;
mod volume;
mod words;

use jiff::{SignedDuration, Timestamp};

pub use reference::{reference, severities};
pub use words::{ago, human_duration};

use super::claim::Claim;
use super::event::Event;
use super::finding::{Code, Explanation, Finding, Severity, Subject};
use super::freshness::Freshnesses;
use super::inventory::{Inventory, Unit};
use super::key::{Kind, Meta, ObjectKey};
use super::metric::Metrics;
use super::pod::Pod;
use super::policy::Policy;
use super::workspace::{Origin, Workspace};

/// What a rule may look at. Times are asked through [`Case::has_lasted`], which remembers when
/// the answer will change, so that nothing needs judging again before.
#[derive(Debug)]
pub struct Case<'a> {
    pub inventory: &'a Inventory,
    pub metrics: &'a Metrics,
    pub policy: &'a Policy,
    pub now: Timestamp,
    /// What was found in the unit the last time.
    before: &'a [Finding],
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
            before: &[],
            wake: None,
        }
    }

    /// With what was found in the unit the last time: a reading that went stale makes no new
    /// finding, and does not silently take back the one that it made.
    #[must_use]
    pub const fn after(mut self, before: &'a [Finding]) -> Self {
        self.before = before;
        self
    }

    /// Whether this was found about this object the last time.
    fn found_before(&self, code: Code, meta: &Meta) -> bool {
        self.before
            .iter()
            .any(|f| f.code == code && f.subject.uid.as_ref() == Some(&meta.uid))
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

    /// For what no time tells: judged again after `delay`.
    fn look_again_in(&mut self, delay: SignedDuration) {
        self.has_lasted(self.now, delay);
    }

    /// Whether `start` is at most `limit` ago. If so, the unit is judged again when it no
    /// longer is.
    fn is_recent(&mut self, start: Timestamp, limit: SignedDuration) -> bool {
        !self.has_lasted(start, limit)
    }

    /// The newest event of an object that `wanted` accepts and that is still evidence: within
    /// the window of the policy, and of this very object, not of one that had its name before.
    fn newest_event(
        &mut self,
        kind: Kind,
        meta: &'a Meta,
        wanted: impl Fn(&Event) -> bool,
    ) -> Option<&'a Event> {
        let window = self.policy.event_window;
        let event = self
            .inventory
            .events_of(kind, &meta.key)
            .filter(|e| e.object_uid.as_ref().is_none_or(|uid| *uid == meta.uid))
            .filter(|e| e.last >= meta.created && wanted(e))
            .max_by_key(|e| e.last)?;
        self.is_recent(event.last, window).then_some(event)
    }

    pub(super) const fn wake(&self) -> Option<Timestamp> {
        self.wake
    }
}

/// Every finding of a unit, in no order.
pub fn judge(case: &mut Case<'_>, unit: &Unit, found: &mut Vec<Finding>) {
    let inventory = case.inventory;
    match unit {
        Unit::Workspace(key) => {
            if let Some(workspace) = inventory.workspace(key) {
                judge_workspace(case, workspace, found);
            }
        }
        Unit::Object(Kind::Claim, key) => {
            // A claim of a workspace is judged there.
            if let Some(claim) = inventory.claims.get(key)
                && inventory.workspaces_of_claim(key).is_empty()
            {
                claim::judge(case, claim, None, found);
                disk::judge(case, claim, found);
                resize::judge(case, claim, found);
                volume::judge_bound(case, claim, found);
                snapshot::judge_loose(case, claim, found);
            }
        }
        Unit::Object(Kind::Volume, key) => {
            if let Some(volume) = inventory.volumes.get(key) {
                volume::judge_loose(case, volume, found);
            }
        }
        Unit::Object(Kind::Node, key) => {
            if let Some(node) = inventory.nodes.get(key) {
                node::judge(case, node, found);
            }
        }
        Unit::Object(Kind::Set, key) => {
            if let Some(set) = inventory.sets.get(key) {
                set::judge(case, set, found);
            }
        }
        Unit::Object(Kind::Quota, key) => {
            if let Some(quota) = inventory.quotas.get(key) {
                allowance::judge_quota(quota, found);
            }
        }
        Unit::Object(Kind::Budget, key) => {
            if let Some(budget) = inventory.budgets.get(key) {
                allowance::judge_budget(budget, found);
            }
        }
        Unit::Object(..) => {}
    }
}

fn judge_workspace<'a>(case: &mut Case<'a>, workspace: &'a Workspace, found: &mut Vec<Finding>) {
    let inventory = case.inventory;
    let pod = inventory.pods.get(&workspace.key);
    match pod {
        Some(pod) => {
            pod::judge(case, pod, found);
            unpersisted::judge(case, workspace, pod, found);
            usage::judge(case, pod, found);
        }
        None => pod::judge_missing(case, workspace, found),
    }
    for slot in &workspace.claims {
        let key = crate::domain::inventory::beside(&workspace.key, &slot.claim);
        match inventory.claims.get(&key) {
            Some(claim) => {
                claim::judge(case, claim, Some(workspace), found);
                disk::judge(case, claim, found);
                resize::judge(case, claim, found);
                volume::judge_bound(case, claim, found);
            }
            None => claim::judge_missing(case, workspace, pod, &key, found),
        }
    }
    snapshot::judge(case, workspace, found);
    if workspace.origin == Origin::Leftover {
        claim::judge_leftover(case, workspace, found);
    }
}

/// A finding in words, with the evidence of this moment.
pub fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    match finding.code {
        Code::ClaimTerminatingInUse
        | Code::ClaimLost
        | Code::ClaimPending
        | Code::ClaimTerminating
        | Code::ClaimMissing
        | Code::ClaimsWithoutSet => claim::explain(case, finding),
        Code::DiskFull | Code::InodesExhausted | Code::DiskFilling => disk::explain(case, finding),
        Code::Unpersisted => unpersisted::explain(case, key),
        Code::MultiAttach | Code::VolumeAttachFailed | Code::MountFailed => {
            mount::explain(case, finding)
        }
        Code::CrashLoop
        | Code::ImagePull
        | Code::Unschedulable
        | Code::PodTerminating
        | Code::PodMissing
        | Code::PodFailed
        | Code::PodNotReady
        | Code::OutOfMemory
        | Code::Restarting => pod::explain(case, finding),
        Code::NodeNotReady => node::explain(case, finding),
        Code::ResizeFailed | Code::ResizePending => resize::explain(case, finding),
        Code::SnapshotFailed
        | Code::SnapshotNotReady
        | Code::SnapshotStale
        | Code::SnapshotNone => snapshot::explain(case, finding),
        Code::MemoryHigh | Code::CpuThrottled => usage::explain(case, finding),
        Code::SetNotConverged => set::explain(case, finding),
        Code::QuotaExceeded => allowance::explain_quota(case, key),
        Code::BudgetBlocks => allowance::explain_budget(case, key),
        Code::VolumeFailed | Code::VolumeReleased => volume::explain(case, finding),
    }
}

/// What every rule ends with.
fn finding(
    code: Code,
    severity: Severity,
    kind: Kind,
    meta: &Meta,
    since: Option<Timestamp>,
) -> Finding {
    Finding {
        code,
        severity,
        subject: Subject {
            kind,
            key: meta.key.clone(),
            uid: Some(meta.uid.clone()),
        },
        since,
    }
}

/// Whether the pod that a finding is about is still the one that is there.
fn pod_of<'a>(case: &Case<'a>, key: &ObjectKey) -> Option<&'a Pod> {
    case.inventory.pods.get(key)
}

/// The claims that a pod names, as far as they exist.
fn claims_of<'a>(case: &Case<'a>, pod: &'a Pod) -> impl Iterator<Item = &'a Claim> {
    let inventory = case.inventory;
    pod.claims.iter().filter_map(|(_, claim)| {
        inventory
            .claims
            .get(&crate::domain::inventory::beside(&pod.meta.key, claim))
    })
}
