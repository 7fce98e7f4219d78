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

type Member<'a> = (&'a Text, &'a Claim, &'a Snapshot);

/// All points in time of a workspace, the newest first.
pub fn points(inventory: &Inventory, workspace: &Workspace) -> Vec<Point> {
    let claims = inventory.claims_of(workspace).count();
    let point = |(id, members): (Text, Vec<Member<'_>>)| {
        let times = || members.iter().map(|(_, _, s)| s.point_in_time());
        let (first, last) = (times().min()?, times().max()?);
        let sizes = members.iter().filter_map(|(_, _, s)| s.size);
        let mut names: Vec<Text> = members
            .iter()
            .map(|(_, claim, _)| claim.meta.key.name.clone())
            .collect();
        names.sort();
        names.dedup();
        let levels = members.iter().map(|(_, _, s)| s.consistency.clone());
        Some(Point {
            id,
            at: first,
            skew_seconds: last.duration_since(first).as_secs(),
            bytes: sizes.filter_map(|s| u64::try_from(s.value()).ok()).sum(),
            complete: names.len() == claims,
            claims: names,
            consistency: levels
                .reduce(|a, b| a.filter(|a| b.as_ref() == Some(a)))
                .flatten(),
        })
    };
    let all = sets(inventory, workspace).into_iter();
    let mut points: Vec<Point> = all.filter_map(point).collect();
    points.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
    points
}

/// Ready snapshots that belong together: those with the id of a set, and others that were taken
/// at about the same time, one of a claim. The id of such a group is its time.
fn sets<'a>(inventory: &'a Inventory, workspace: &'a Workspace) -> Vec<(Text, Vec<Member<'a>>)> {
    let mut sets: BTreeMap<&Text, Vec<Member<'a>>> = BTreeMap::new();
    let mut loose: Vec<Member<'a>> = Vec::new();
    for (template, claim) in inventory.claims_of(workspace) {
        for snapshot in inventory.snapshots_of(&claim.meta.key) {
            match &snapshot.set_id {
                _ if !snapshot.is_ready() => {}
                Some(id) => sets
                    .entry(id)
                    .or_default()
                    .push((template, claim, snapshot)),
                None => loose.push((template, claim, snapshot)),
            }
        }
    }
    loose.sort_by_key(|(_, _, s)| (s.point_in_time(), &s.meta.key));
    let mut groups: Vec<Vec<Member<'a>>> = Vec::new();
    for member in loose {
        let at = member.2.point_in_time();
        match groups.last_mut() {
            Some(group)
                if group
                    .iter()
                    .all(|(_, claim, _)| claim.meta.key != member.1.meta.key)
                    && group
                        .iter()
                        .all(|(_, _, s)| at.duration_since(s.point_in_time()) <= CLOSE) =>
            {
                group.push(member);
            }
            _ => groups.push(vec![member]),
        }
    }
    let id_of = |group: &[Member<'_>]| match group {
        [(_, _, one)] => one.meta.key.name.clone(),
        [(_, _, first), ..] => first.point_in_time().strftime("%FT%TZ").to_string().into(),
        [] => Text::default(),
    };
    let loose = groups.into_iter().map(|group| (id_of(&group), group));
    (sets.into_iter())
        .map(|(id, members)| (id.clone(), members))
        .chain(loose)
        .collect()
}

/// What is brought back from where.
pub(super) struct Chosen<'a> {
    pub(super) members: Vec<Member<'a>>,
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
    let all = sets(inventory, workspace);
    let is_wanted = |member: &Member<'_>| {
        let key = &member.1.meta.key;
        wanted.iter().any(|(_, claim)| claim.meta.key == *key)
    };
    let of = |members: &[Member<'a>]| -> Vec<Member<'a>> {
        members.iter().filter(|m| is_wanted(m)).copied().collect()
    };
    let in_set = |id: &str| -> Vec<Member<'a>> {
        let set = all.iter().find(|(of, _)| **of == *id);
        let mut members = set.map(|(_, members)| of(members)).unwrap_or_default();
        if members.is_empty() {
            let mut singles = all.iter().flat_map(|(_, members)| members);
            let one = singles.find(|m| *m.2.meta.key.name == *id && is_wanted(m));
            members.extend(one);
        }
        members
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
) -> Result<Vec<Member<'a>>, Refusal> {
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
