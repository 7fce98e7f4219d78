//! What a row is sorted and filtered by: one value a column, from the rows of the inventory. What
//! is printed in a cell is the screen's matter.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::job::JobRow;
use super::listing::RowId;
use crate::domain::board::{Board, Verdict};
use crate::domain::finding::{Code, Severity};
use crate::domain::inventory::{Inventory, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::metric::{Forecast, Metrics};
use crate::domain::ownership;
use crate::domain::policy::Policy;
use crate::domain::quantity::Quantity;

/// What values are read from.
#[derive(Clone, Copy)]
pub struct Facts<'a> {
    pub inventory: &'a Inventory,
    pub metrics: &'a Metrics,
    pub board: &'a Board,
    pub policy: &'a Policy,
    pub jobs: &'a BTreeMap<String, JobRow>,
    pub now: Timestamp,
}

/// Orders rows within one column; what is missing sorts last in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    Number(f64),
    Text(Text),
    /// The worst finding; none is best.
    Needs(Option<(Severity, Code)>),
    Missing,
}

impl SortValue {
    pub fn compare(&self, other: &Self, descending: bool) -> Ordering {
        let order = match (self, other) {
            (Self::Missing, Self::Missing) => return Ordering::Equal,
            (Self::Missing, _) => return Ordering::Greater,
            (_, Self::Missing) => return Ordering::Less,
            (Self::Number(a), Self::Number(b)) => a.total_cmp(b),
            (Self::Text(a), Self::Text(b)) => natural(a, b),
            // Something sorts before nothing, the worst before the rest.
            (Self::Needs(a), Self::Needs(b)) => match (a, b) {
                (Some(a), Some(b)) => a.cmp(b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            },
            _ => Ordering::Equal,
        };
        if descending { order.reverse() } else { order }
    }
}

/// `ide-2` before `ide-10`: runs of digits compare as numbers, all else as bytes.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.as_bytes(), b.as_bytes());
    loop {
        match (left.first(), right.first()) {
            (None, None) => return a.cmp(b),
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let (number, rest) = digits(left);
                let (other, others) = digits(right);
                // Without leading zeros the longer number is the larger one.
                let order = number
                    .len()
                    .cmp(&other.len())
                    .then_with(|| number.cmp(other));
                if order != Ordering::Equal {
                    return order;
                }
                (left, right) = (rest, others);
            }
            (Some(x), Some(y)) if x == y => (left, right) = (&left[1..], &right[1..]),
            (Some(x), Some(y)) => return x.cmp(y),
        }
    }
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|b| !b.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, rest) = text.split_at(end);
    let zeros = number.iter().take_while(|b| **b == b'0').count();
    (&number[zeros..], rest)
}

impl Facts<'_> {
    /// The value of a row in a column.
    pub fn value(&self, row: &RowId, column: &str) -> SortValue {
        let found = match row {
            RowId::Workspace(key) => self.of_workspace(key, column),
            RowId::Object(kind, key) => self.of_object(*kind, key, column),
            RowId::Finding(unit, code, subject) => self.of_finding(unit, *code, subject, column),
            RowId::Job(id) => self.of_job(id, column),
        };
        found.unwrap_or(SortValue::Missing)
    }

    fn of_workspace(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let inventory = self.inventory;
        let pod = inventory.pods.get(key);
        let disks = || {
            let workspace = inventory.workspace(key)?;
            Some(
                workspace
                    .claims
                    .iter()
                    .filter_map(|slot| self.metrics.disk(&beside(key, &slot.claim))),
            )
        };
        Some(match column {
            "needs" | "state" => SortValue::Needs(self.board.rank(key)),
            "namespace" => SortValue::Text(key.namespace.clone()),
            "name" => SortValue::Text(key.name.clone()),
            "user" => SortValue::Text(inventory.user_of(inventory.workspace(key)?)?.clone()),
            "tier" => SortValue::Text(inventory.tier_of(inventory.workspace(key)?)?.clone()),
            "disk" => number(
                disks()?
                    .map(crate::domain::metric::Disk::share)
                    .max_by(f64::total_cmp)?,
            ),
            "full-in" => number(
                disks()?
                    .filter_map(|d| match d.full_in {
                        Forecast::In(left) => Some(left.as_secs_f64()),
                        _ => None,
                    })
                    .min_by(f64::total_cmp)?,
            ),
            "cpu" => share(self.metrics.usage(key)?.cpu?, pod?.cpu_limit)?,
            "memory" => share(self.metrics.usage(key)?.memory?, pod?.memory_limit)?,
            "snapshot" => {
                let workspace = inventory.workspace(key)?;
                let newest = workspace.claims.iter().filter_map(|slot| {
                    let claim = beside(key, &slot.claim);
                    Some(inventory.newest_ready_snapshot(&claim)?.point_in_time())
                });
                // The backup is as old as its oldest part.
                since(newest.min()?)
            }
            "pod" => text(pod?.status()),
            "restarts" => number(f64::from(pod?.restarts)),
            "claims" => number(to_f64(inventory.workspace(key)?.claims.len())),
            "node" => SortValue::Text(pod?.node.clone()?),
            "zone" => SortValue::Text(inventory.node(pod?.node.as_ref()?)?.zone.clone()?),
            "age" => since(self.born(key)?),
            _ => return None,
        })
    }

    /// When a workspace came to be: its oldest claim, else its pod.
    pub fn born(&self, key: &ObjectKey) -> Option<Timestamp> {
        let workspace = self.inventory.workspace(key)?;
        let claims = self.inventory.claims_of(workspace);
        let oldest = claims.map(|(_, claim)| claim.meta.created).min();
        oldest.or_else(|| Some(self.inventory.pods.get(key)?.meta.created))
    }

    fn of_object(&self, kind: Kind, key: &ObjectKey, column: &str) -> Option<SortValue> {
        match column {
            "namespace" => return Some(SortValue::Text(key.namespace.clone())),
            "name" => return Some(SortValue::Text(key.name.clone())),
            _ => {}
        }
        match kind {
            Kind::Claim => self.of_claim(key, column),
            Kind::Snapshot => self.of_snapshot(key, column),
            Kind::Pod => self.of_pod(key, column),
            Kind::Set => self.of_set(key, column),
            Kind::Volume => self.of_volume(key, column),
            Kind::Event => self.of_event(key, column),
            _ => None,
        }
    }

    fn of_claim(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let claim = self.inventory.claims.get(key)?;
        let disk = || self.metrics.disk(key);
        Some(match column {
            "status" => text(claim.status()),
            "disk" => number(disk()?.share()),
            "used" => number(disk()?.used),
            "inodes" => number(disk()?.inodes?),
            "full-in" => match disk()?.full_in {
                Forecast::In(left) => number(left.as_secs_f64()),
                _ => return None,
            },
            "size" => number(claim.capacity.or(claim.request)?.as_f64()),
            "used-by" => SortValue::Text(
                self.inventory
                    .pods_of_claim(key)
                    .map(|p| &p.meta.key.name)
                    .min()?
                    .clone(),
            ),
            "need" => text(&ownership::classify(self.inventory, key)?.0.to_string()),
            "class" => SortValue::Text(claim.storage_class.clone()?),
            "snapshot" => since(self.inventory.newest_ready_snapshot(key)?.point_in_time()),
            "volume" => SortValue::Text(claim.volume.clone()?),
            "user" => SortValue::Text(claim.user.clone()?),
            "age" => since(claim.meta.created),
            _ => return None,
        })
    }

    fn of_snapshot(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let snapshot = self.inventory.snapshots.get(key)?;
        Some(match column {
            "claim" => SortValue::Text(snapshot.claim.clone()?),
            "status" => text(match (snapshot.ready, &snapshot.error) {
                (Some(true), _) => "ready",
                (_, Some(_)) => "failed",
                (Some(false), None) => "pending",
                (None, None) => return None,
            }),
            "size" => number(snapshot.size?.as_f64()),
            "taken" => since(snapshot.taken?),
            "class" => SortValue::Text(snapshot.class.clone()?),
            "content" => SortValue::Text(snapshot.content.clone()?),
            "age" => since(snapshot.meta.created),
            _ => return None,
        })
    }

    fn of_pod(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let pod = self.inventory.pods.get(key)?;
        Some(match column {
            "ready" => number(to_f64(pod.ready_containers().0)),
            "status" => text(pod.status()),
            "restarts" => number(f64::from(pod.restarts)),
            "cpu" => number(self.metrics.usage(key)?.cpu?),
            "memory" => number(self.metrics.usage(key)?.memory?),
            "node" => SortValue::Text(pod.node.clone()?),
            "owner" => SortValue::Text(pod.owner.as_ref()?.name.clone()),
            "user" => SortValue::Text(pod.user.clone()?),
            "age" => since(pod.meta.created),
            _ => return None,
        })
    }

    fn of_set(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let set = self.inventory.sets.get(key)?;
        Some(match column {
            "ready" => number(f64::from(set.ready)),
            "ordinals" => number(f64::from(set.replicas)),
            "update" => text(if set.on_delete {
                "OnDelete"
            } else {
                "RollingUpdate"
            }),
            "policy" => text(if set.parallel {
                "Parallel"
            } else {
                "OrderedReady"
            }),
            "age" => since(set.meta.created),
            _ => return None,
        })
    }

    fn of_volume(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let volume = self.inventory.volumes.get(key)?;
        Some(match column {
            "status" => text(&volume.phase.to_string()),
            "size" => number(volume.capacity?.as_f64()),
            "claim" => text(&volume.claim.as_ref()?.key.to_string()),
            "reclaim" => text(&volume.reclaim.to_string()),
            "class" => SortValue::Text(volume.storage_class.clone()?),
            "zone" => SortValue::Text(volume.zone.clone()?),
            "attached" => SortValue::Text(
                self.inventory
                    .attachments_of(&key.name)
                    .map(|a| &a.node)
                    .min()?
                    .clone(),
            ),
            "handle" => SortValue::Text(volume.handle.clone()?),
            "age" => since(volume.meta.created),
            _ => return None,
        })
    }

    fn of_event(&self, key: &ObjectKey, column: &str) -> Option<SortValue> {
        let event = self.inventory.events.get(key)?;
        Some(match column {
            "last" => since(event.last),
            "type" => text(if event.warning { "Warning" } else { "Normal" }),
            "reason" => SortValue::Text(event.reason.clone()),
            "object" => text(&format!("{}/{}", event.object_kind, event.object.name)),
            "count" => number(f64::from(event.count)),
            "message" => SortValue::Text(event.message.clone()),
            _ => return None,
        })
    }

    fn of_finding(
        &self,
        unit: &crate::domain::inventory::Unit,
        code: Code,
        subject: &ObjectKey,
        column: &str,
    ) -> Option<SortValue> {
        let finding = self
            .board
            .of(unit)
            .iter()
            .find(|f| f.code == code && f.subject.key == *subject)?;
        Some(match column {
            "needs" | "severity" => SortValue::Needs(Some(finding.rank())),
            "code" => text(code.into()),
            "subject" | "name" => SortValue::Text(subject.name.clone()),
            "namespace" => SortValue::Text(subject.namespace.clone()),
            "workspace" => match unit {
                crate::domain::inventory::Unit::Workspace(key) => SortValue::Text(key.name.clone()),
                crate::domain::inventory::Unit::Object(..) => return None,
            },
            "since" => since(finding.since?),
            _ => return None,
        })
    }

    fn of_job(&self, id: &str, column: &str) -> Option<SortValue> {
        let row = self.jobs.get(id)?;
        Some(match column {
            "state" => text(row.state()),
            "action" => text(&row.job.plan.action.to_string()),
            "subject" => text(&row.subject()),
            "took" => number(row.took(self.now).as_secs_f64()),
            "started" => since(row.started()),
            _ => text(id),
        })
    }

    /// The words that a row is found by: names first, then what it is and where. Called for every
    /// row at every key of the filter line: it looks up, and allocates nothing.
    pub fn words(&self, row: &RowId, into: &mut String) {
        let inventory = self.inventory;
        match row {
            RowId::Workspace(key) => {
                add(into, [&*key.namespace, &*key.name]);
                let pod = inventory.pods.get(key);
                if let Some(workspace) = inventory.workspace(key) {
                    add(into, inventory.user_of(workspace).map(|t| &**t));
                    add(into, inventory.tier_of(workspace).map(|t| &**t));
                }
                add(into, pod.and_then(|p| p.node.as_deref()));
                add(into, [self.state_word(key)]);
            }
            RowId::Object(kind, key) => {
                add(into, [&*key.namespace, &*key.name]);
                self.object_words(*kind, key, into);
            }
            RowId::Finding(unit, code, subject) => {
                add(
                    into,
                    [
                        &*subject.namespace,
                        &*subject.name,
                        code.word(),
                        <&str>::from(*code),
                    ],
                );
                if let crate::domain::inventory::Unit::Workspace(key) = unit {
                    add(into, [&*key.name]);
                }
            }
            RowId::Job(id) => add(into, [id.as_str()]),
        }
    }

    fn object_words(&self, kind: Kind, key: &ObjectKey, into: &mut String) {
        let inventory = self.inventory;
        match kind {
            Kind::Claim => {
                if let Some(claim) = inventory.claims.get(key) {
                    add(into, [claim.status()]);
                    add(into, claim.volume.as_deref());
                    add(into, claim.storage_class.as_deref());
                    add(into, claim.user.as_deref());
                }
            }
            Kind::Pod => {
                if let Some(pod) = inventory.pods.get(key) {
                    add(into, [pod.status()]);
                    add(into, pod.node.as_deref());
                    add(into, pod.user.as_deref());
                }
            }
            Kind::Volume => {
                if let Some(volume) = inventory.volumes.get(key) {
                    add(into, volume.claim.as_ref().map(|c| &*c.key.name));
                    add(into, volume.handle.as_deref());
                }
            }
            Kind::Snapshot => {
                if let Some(snapshot) = inventory.snapshots.get(key) {
                    add(into, snapshot.claim.as_deref());
                    add(into, snapshot.content.as_deref());
                }
            }
            Kind::Event => {
                if let Some(event) = inventory.events.get(key) {
                    add(into, [&*event.object.name, &*event.reason, &*event.message]);
                }
            }
            _ => {}
        }
    }

    /// The word of a workspace's STATE cell.
    pub fn state_word(&self, key: &ObjectKey) -> &'static str {
        let Some(workspace) = self.inventory.workspace(key) else {
            return "gone";
        };
        match self.board.verdict(self.inventory, workspace) {
            Verdict::Hurt(finding) => finding.code.word(),
            Verdict::Unknown { .. } => "unknown",
            Verdict::Parked => "parked",
            Verdict::Fine => "ok",
        }
    }

    /// Whether a `key=value` term of the filter holds. `None`: no column of this name here.
    pub fn holds(&self, row: &RowId, field: &str, wanted: &str) -> Option<bool> {
        if field == "state"
            && let RowId::Workspace(key) = row
        {
            let rank = self.board.rank(key);
            let word = self.state_word(key);
            return Some(match wanted {
                "bad" => rank.is_some_and(|(s, _)| s <= Severity::Blocked),
                "hurt" => rank.is_some_and(|(s, _)| s != Severity::Note),
                "ok" | "fine" => word == "ok",
                _ => {
                    word.contains(wanted)
                        || rank.is_some_and(|(_, c)| <&str>::from(c).contains(wanted))
                }
            });
        }
        if field == "set"
            && let RowId::Workspace(key) = row
        {
            let set = self.inventory.workspace(key)?.set.as_ref();
            return Some(set.is_some_and(|s| &**s == wanted));
        }
        let column = match field {
            "ns" => "namespace",
            "mem" => "memory",
            other => other,
        };
        match self.value(row, column) {
            SortValue::Text(text) => Some(text.to_lowercase().contains(wanted)),
            SortValue::Number(number) => Some(number.to_string() == wanted),
            SortValue::Needs(rank) => Some(rank.is_some_and(|(s, c)| {
                s.to_string().contains(wanted) || <&str>::from(c).contains(wanted)
            })),
            SortValue::Missing => None,
        }
    }

    /// Whether anything is wrong with what a row stands for.
    pub fn is_hurt(&self, row: &RowId) -> bool {
        let serious =
            |rank: Option<(Severity, Code)>| rank.is_some_and(|(s, _)| s != Severity::Note);
        match row {
            RowId::Workspace(key) => serious(self.board.rank(key)),
            RowId::Finding(..) => true,
            RowId::Job(_) => false,
            RowId::Object(kind, key) => self.homes(*kind, key).iter().any(|unit| {
                let found = self.board.of(unit);
                found
                    .iter()
                    .any(|f| f.subject.kind == *kind && f.subject.key == *key)
            }),
        }
    }

    /// The units in which an object is judged.
    pub fn homes(&self, kind: Kind, key: &ObjectKey) -> Vec<crate::domain::inventory::Unit> {
        use crate::domain::inventory::Unit;
        let mut units = match kind {
            Kind::Claim => self.inventory.workspaces_of_claim(key),
            Kind::Pod => vec![key.clone()],
            Kind::Snapshot => match self
                .inventory
                .snapshots
                .get(key)
                .and_then(|s| s.claim.as_ref())
            {
                Some(claim) => self.inventory.workspaces_of_claim(&beside(key, claim)),
                None => Vec::new(),
            },
            Kind::Volume => match self
                .inventory
                .volumes
                .get(key)
                .and_then(|v| v.claim.as_ref())
            {
                Some(claim) => self.inventory.workspaces_of_claim(&claim.key),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
        .into_iter()
        .map(Unit::Workspace)
        .collect::<Vec<_>>();
        units.push(Unit::Object(kind, key.clone()));
        units
    }
}

fn add<'t>(into: &mut String, words: impl IntoIterator<Item = &'t str>) {
    for word in words {
        into.push(' ');
        into.push_str(word);
    }
}

fn text(text: &str) -> SortValue {
    SortValue::Text(text.into())
}

const fn number(value: f64) -> SortValue {
    SortValue::Number(value)
}

/// Ages sort youngest first: the later the time, the smaller the value.
fn since(at: Timestamp) -> SortValue {
    SortValue::Number(-at.as_duration().as_secs_f64())
}

fn share(used: f64, limit: Option<Quantity>) -> Option<SortValue> {
    let limit = limit?.as_f64();
    (limit > 0.0).then(|| SortValue::Number(used / limit))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of rows are far below 2^52"
)]
const fn to_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_in_names_count_as_numbers() {
        let mut names = ["ide-10", "ide-2", "ide-1", "a", "ide-02", "ide"];
        names.sort_by(|a, b| natural(a, b));
        assert_eq!(names, ["a", "ide", "ide-1", "ide-02", "ide-2", "ide-10"]);
    }

    proptest! {
        #[test]
        fn the_natural_order_is_an_order(a in "[a-b0-2-]{0,6}", b in "[a-b0-2-]{0,6}", c in "[a-b0-2-]{0,6}") {
            prop_assert_eq!(natural(&a, &b), natural(&b, &a).reverse());
            if natural(&a, &b) != Ordering::Greater && natural(&b, &c) != Ordering::Greater {
                prop_assert_ne!(natural(&a, &c), Ordering::Greater);
            }
        }
    }

    #[test]
    fn what_is_missing_is_last_in_either_direction() {
        let some = SortValue::Number(1.0);
        for descending in [false, true] {
            assert_eq!(
                some.compare(&SortValue::Missing, descending),
                Ordering::Less
            );
            assert_eq!(
                SortValue::Missing.compare(&some, descending),
                Ordering::Greater
            );
        }
    }
}
