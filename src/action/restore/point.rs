//! Points in time that a workspace can be brought back to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::action::refusal::{Refusal, RefusalKind};
use crate::action::seen::Seen;
use crate::domain::claim::Claim;
use crate::domain::findings::{ago, human_duration};
use crate::domain::inventory::Inventory;
use crate::domain::key::{ObjectKey, Text};
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;
use crate::domain::workspace::Workspace;

/// Snapshots that nobody took together count as one point in time when they lie this close.
const CLOSE: SignedDuration = SignedDuration::from_mins(10);

/// A set of snapshots, or a single one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// What `--from` takes.
    pub id: Text,
    /// The oldest of its members: nothing in it is older.
    pub at: Timestamp,
    /// Between the oldest and the newest member, in seconds.
    pub skew_seconds: i64,
    /// Bytes of all members, as far as known.
    pub bytes: u64,
    /// Claims that it brings back.
    pub claims: Vec<Text>,
    /// Whether those are all that the workspace has.
    pub complete: bool,
    pub consistency: Option<Text>,
}

/// All points in time of a workspace, the newest first.
pub fn points(inventory: &Inventory, workspace: &Workspace) -> Vec<Point> {
    let mut sets: BTreeMap<Text, Vec<&Snapshot>> = BTreeMap::new();
    let claims: Vec<&Claim> = inventory.claims_of(workspace).map(|(_, c)| c).collect();
    for claim in &claims {
        for snapshot in inventory.snapshots_of(&claim.meta.key) {
            if snapshot.is_ready() {
                let name = &snapshot.meta.key.name;
                let id = snapshot.set_id.as_ref().unwrap_or(name).clone();
                sets.entry(id).or_default().push(snapshot);
            }
        }
    }
    let mut points: Vec<Point> = sets
        .into_iter()
        .filter_map(|(id, members)| {
            let times = || members.iter().map(|s| s.point_in_time());
            let (first, last) = (times().min()?, times().max()?);
            let sizes = members.iter().filter_map(|s| s.size);
            let mut names: Vec<Text> = members.iter().filter_map(|s| s.claim.clone()).collect();
            names.sort();
            names.dedup();
            Some(Point {
                id,
                at: first,
                skew_seconds: last.duration_since(first).as_secs(),
                bytes: sizes.filter_map(|s| u64::try_from(s.value()).ok()).sum(),
                complete: names.len() == claims.len(),
                claims: names,
                consistency: members.first().and_then(|s| s.consistency.clone()),
            })
        })
        .collect();
    points.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    points
}

/// What is brought back from where.
pub(super) struct Chosen<'a> {
    pub(super) members: Vec<(&'a Text, &'a Claim, &'a Snapshot)>,
    pub(super) note: String,
}

pub(super) fn choose<'a>(
    seen: &Seen<'a>,
    workspace: &'a Workspace,
    from: Option<&str>,
    only: &[ObjectKey],
) -> Result<Chosen<'a>, Refusal> {
    let inventory = seen.inventory;
    let wanted: Vec<(&Text, &Claim)> = inventory
        .claims_of(workspace)
        .filter(|(_, claim)| only.is_empty() || only.contains(&claim.meta.key))
        .collect();
    if wanted.is_empty() {
        return Err(Refusal::new(
            RefusalKind::State,
            format!("workspace {} has no such claim", workspace.key),
            "there is nothing to restore",
        ));
    }
    let ready = |claim: &'a Claim| {
        inventory
            .snapshots_of(&claim.meta.key)
            .filter(|snapshot| snapshot.is_ready())
    };
    let in_set = |id: &str| -> Vec<(&'a Text, &'a Claim, &'a Snapshot)> {
        let member = |snapshot: &&Snapshot| {
            snapshot.set_id.as_deref() == Some(id) || &*snapshot.meta.key.name == id
        };
        wanted
            .iter()
            .filter_map(|(template, claim)| Some((*template, *claim, ready(claim).find(member)?)))
            .collect()
    };
    let members = if let Some(id) = from {
        let members = in_set(id);
        if members.is_empty() {
            return Err(none(
                seen,
                workspace,
                &format!("no ready snapshot of it is called {id}"),
            ));
        }
        members
    } else {
        let complete = points(inventory, workspace)
            .into_iter()
            .map(|point| in_set(&point.id))
            .find(|members| members.len() == wanted.len());
        match complete {
            Some(members) => members,
            None => newest(seen, workspace, &wanted)?,
        }
    };
    let missing = wanted.len() - members.len();
    let times = || members.iter().map(|(_, _, s)| s.point_in_time());
    let (first, last) = (times().min(), times().max());
    let mut note = String::from("back to ");
    for (at, (_, claim, snapshot)) in members.iter().enumerate() {
        let sign = if at == 0 { "" } else { ", " };
        let time = snapshot.point_in_time();
        let size = snapshot
            .size
            .map_or_else(|| "size not known".to_owned(), Quantity::human);
        let level = snapshot.consistency.as_deref().unwrap_or("crash");
        let _ = write!(
            note,
            "{sign}{} of claim {}: {time} ({}, {size}, {level})",
            snapshot.meta.key.name,
            claim.meta.key.name,
            ago(time, seen.now),
        );
    }
    if let Some((first, last)) = first.zip(last).filter(|(first, last)| first != last) {
        let skew = human_duration(last.duration_since(first));
        let _ = write!(note, "; they lie {skew} apart");
    }
    if missing > 0 {
        let _ = write!(note, "; {missing} of the claims stay as they are");
    }
    Ok(Chosen { members, note })
}

/// Without a set: the newest of each claim, if they lie close together.
fn newest<'a>(
    seen: &Seen<'a>,
    workspace: &Workspace,
    wanted: &[(&'a Text, &'a Claim)],
) -> Result<Vec<(&'a Text, &'a Claim, &'a Snapshot)>, Refusal> {
    let mut members = Vec::new();
    for (template, claim) in wanted {
        let Some(snapshot) = seen.inventory.newest_ready_snapshot(&claim.meta.key) else {
            let why = format!("claim {} has no ready snapshot", claim.meta.key.name);
            return Err(none(seen, workspace, &why));
        };
        members.push((*template, *claim, snapshot));
    }
    let times = || members.iter().map(|(_, _, s)| s.point_in_time());
    if let Some((first, last)) = times().min().zip(times().max())
        && last.duration_since(first) > CLOSE
    {
        let why = format!(
            "the newest snapshots of its claims lie {} apart",
            human_duration(last.duration_since(first))
        );
        return Err(none(seen, workspace, &why));
    }
    Ok(members)
}

/// There is no such point in time; names those that there are.
fn none(seen: &Seen<'_>, workspace: &Workspace, why: &str) -> Refusal {
    let points = points(seen.inventory, workspace);
    let some: Vec<String> = points
        .iter()
        .take(5)
        .map(|point| format!("{} ({})", point.id, ago(point.at, seen.now)))
        .collect();
    Refusal::new(
        RefusalKind::NotFound,
        format!("workspace {} cannot be restored: {why}", workspace.key),
        if some.is_empty() {
            "there is no snapshot to restore".to_owned()
        } else {
            format!("name one with --from: {}", some.join(", "))
        },
    )
}
