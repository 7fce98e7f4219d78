//! What an undo costs, and what comes back when it was a mistake: an undo has no undo itself.

use std::fmt::Write as _;

use super::order::changed_volume;
use crate::action::RUN_LABEL;
use crate::action::call::{Call, Identity};
use crate::action::journal::Job;
use crate::action::plan::{Do, Plan, RunId};
use crate::action::request::ActionName;
use crate::action::seen::Seen;
use crate::domain::findings::human_duration;
use crate::domain::inventory::beside;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::snapshot::Snapshot;

/// Fills in losses, the way back, and the name that must be typed where data can be lost.
pub(super) fn say(seen: &Seen<'_>, plan: &mut Plan, job: &Job) {
    for (kind, key) in made_and_going(seen, plan, job) {
        let loss = match kind {
            Kind::Snapshot => snapshot(seen, job, &key),
            Kind::Claim => claim(seen, plan, job, &key),
            _ => None,
        };
        plan.losses.extend(loss);
    }
    let id = &job.plan.id;
    if let Some(workspace) = super::restored_in_place(job) {
        let stops = plan.steps.iter().any(|step| step.id.starts_with("no-pod"));
        if stops {
            plan.losses.push(format!(
                "what was done in {} since it was restored is on the restored volumes alone, \
                 until they are purged",
                workspace.name
            ));
            plan.losses
                .push("whatever the session keeps in memory or outside of its claims".to_owned());
            plan.way_back.push(format!(
                "the restored volumes are kept until `wsdash purge {id}`"
            ));
        }
    }
    plan.way_back.push(match job.plan.action {
        ActionName::Snapshot => "none for snapshots: a new one is of another time".to_owned(),
        action => format!("an undo is not undone: plan the {action} anew"),
    });
    if plan.losses.is_empty() {
        return;
    }
    let place = job.plan.locks.first().map(|key| key.name.to_string());
    let typed = job.plan.typed_name.clone().or(place);
    plan.typed_name = Some(typed.unwrap_or_else(|| id.to_string()));
}

/// What the job made, is there, and goes.
fn made_and_going(seen: &Seen<'_>, plan: &Plan, job: &Job) -> Vec<(Kind, ObjectKey)> {
    let id = job.plan.id.as_str();
    let going = plan.steps.iter().filter_map(|step| match &step.what {
        Do::Call {
            call: Call::Delete { target, .. },
            ..
        } if target.identity == Identity::Ours(id.to_owned()) => Some(target),
        _ => None,
    });
    let is_there = |kind: Kind, key: &ObjectKey| {
        let object = seen.objects.get(kind, key);
        object.is_some_and(|o| o["metadata"]["labels"][RUN_LABEL].as_str() == Some(id))
    };
    going
        .filter(|target| is_there(target.kind, &target.key))
        .map(|target| (target.kind, target.key.clone()))
        .collect()
}

/// A backup, what others there are of its claim, and who may count on it.
fn snapshot(seen: &Seen<'_>, job: &Job, key: &ObjectKey) -> Option<String> {
    let this = seen.inventory.snapshots.get(key)?;
    if !this.is_ready() {
        return None;
    }
    let claim = beside(key, this.claim.as_ref()?);
    let name = &claim.name;
    let others = seen.inventory.snapshots_of(&claim);
    let others = others.filter(|other| other.meta.key != *key && other.is_ready());
    let newest = others.map(Snapshot::point_in_time).max();
    let at = this.point_in_time();
    let rank = match newest {
        _ if !seen.inventory.freshness().is_live(Kind::Snapshot) => {
            format!("perhaps the newest backup of claim {name}")
        }
        None => format!("the only backup of claim {name}"),
        Some(other) if other < at => format!(
            "the newest backup of claim {name}: the one before it is {} older",
            human_duration(at.duration_since(other))
        ),
        Some(_) => format!("of claim {name}, which has newer ones"),
    };
    let mut loss = format!("snapshot {}, {rank}", key.name);
    for keeper in counting(seen, job, &claim, this) {
        let _ = write!(loss, "; job {keeper} may count it as its way back");
    }
    Some(loss)
}

/// Later jobs that keep a volume of the claim: the snapshot may be why they took none.
fn counting<'a>(
    seen: &'a Seen<'_>,
    job: &'a Job,
    claim: &'a ObjectKey,
    snapshot: &'a Snapshot,
) -> impl Iterator<Item = &'a str> {
    let volumes = seen.inventory.volumes.values();
    let keepers = volumes
        .filter(|volume| volume.claim.as_ref().is_some_and(|c| c.key == *claim))
        .filter_map(|volume| volume.kept_by.as_deref());
    keepers.filter(|keeper| {
        let made = RunId((*keeper).to_owned()).made();
        *keeper != job.plan.id.as_str() && made.is_none_or(|made| made >= snapshot.meta.created)
    })
}

/// A claim whose disk goes with it.
fn claim(seen: &Seen<'_>, plan: &Plan, job: &Job, key: &ObjectKey) -> Option<String> {
    let claim = seen.inventory.claims.get(key)?;
    let volume = claim.volume.as_ref()?;
    let mut changed = plan.steps.iter().filter_map(changed_volume);
    let is_held_again = changed.any(|changed| changed.name == *volume);
    let kept_by = seen.inventory.volume_of(claim)?.kept_by.as_deref();
    let is_kept = is_held_again || kept_by == Some(job.plan.id.as_str());
    (!is_kept).then(|| format!("claim {} and everything on it", key.name))
}
