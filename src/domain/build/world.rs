//! Whole inventories for tests, and what is found in them.

use super::{claim, hours_ago, node, now, pod, set, snapshot, storage_class, volume_of};
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::finding::{Code, Explanation, Finding};
use crate::domain::findings::{Case, explain, judge};
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Change, Inventory, Row, Unit};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::Metrics;
use crate::domain::node::Node;
use crate::domain::pod::Pod;
use crate::domain::policy::Policy;
use crate::domain::snapshot::{Content, Snapshot};
use crate::domain::volume::{Attachment, StorageClass, Volume};
use crate::domain::workload::{Budget, Quota, Set};

macro_rules! into_row {
    ($($row:ident),*) => {$(
        impl From<$row> for Row {
            fn from(row: $row) -> Self {
                Row::$row(row)
            }
        }
    )*};
}
into_row!(
    Set,
    Pod,
    Claim,
    Volume,
    Snapshot,
    Content,
    StorageClass,
    Attachment,
    Node,
    Event,
    Budget,
    Quota
);

/// `rows![pod("ide-0"), claim("workspace-ide-0")]`
macro_rules! rows {
    ($($row:expr),* $(,)?) => {
        vec![$($crate::domain::inventory::Row::from($row)),*]
    };
}
pub(crate) use rows;

pub fn put(inventory: &mut Inventory, row: impl Into<Row>) {
    let row = row.into();
    inventory.apply(Change::Update {
        kind: row.kind(),
        puts: vec![row],
        gone: Vec::new(),
    });
}

pub fn remove(inventory: &mut Inventory, kind: Kind, key: ObjectKey) {
    inventory.apply(Change::Update {
        kind,
        puts: Vec::new(),
        gone: vec![key],
    });
}

pub fn set_freshness(inventory: &mut Inventory, kind: Kind, freshness: Freshness) {
    inventory.apply(Change::Freshness { kind, freshness });
}

pub fn denied() -> Freshness {
    Freshness::Denied {
        rule: "list things".into(),
    }
}

/// An inventory in which every kind is live and holds these rows.
pub fn world(rows: Vec<Row>) -> Inventory {
    use strum::IntoEnumIterator as _;
    let mut inventory = Inventory::new(Policy::default().claim_templates);
    for kind in Kind::iter() {
        inventory.apply(Change::Begin { kind });
        inventory.apply(Change::Done { kind });
    }
    for row in rows {
        put(&mut inventory, row);
    }
    inventory
}

/// Nothing measured.
pub fn no_metrics() -> Metrics {
    Metrics::default()
}

/// What is found in every unit at [`now`], worst first.
pub fn found_with(inventory: &mut Inventory, metrics: &Metrics) -> Vec<(Unit, Finding)> {
    inventory.mark_all();
    let policy = Policy::default();
    let mut all = Vec::new();
    for unit in inventory.take_dirty() {
        let mut found = Vec::new();
        let mut case = Case::new(inventory, metrics, &policy, now());
        judge(&mut case, &unit, &mut found);
        all.extend(found.into_iter().map(|f| (unit.clone(), f)));
    }
    all.sort_by(|(u1, f1), (u2, f2)| f1.rank().cmp(&f2.rank()).then(u1.cmp(u2)));
    all
}

/// The codes found in a world of these rows, worst first.
pub fn codes(rows: Vec<Row>) -> Vec<Code> {
    codes_of(&mut world(rows))
}

pub fn codes_of(inventory: &mut Inventory) -> Vec<Code> {
    found_with(inventory, &no_metrics())
        .into_iter()
        .map(|(_, f)| f.code)
        .collect()
}

/// A healthy workspace `ide-0` of set `ide` with one claim and no snapshot.
pub fn without_backup() -> Vec<Row> {
    rows![
        set("ide", 1),
        pod("ide-0").running().claim("workspace-ide-0"),
        claim("workspace-ide-0"),
        volume_of("workspace-ide-0"),
        storage_class("fast", true),
        node("n1"),
    ]
}

/// A healthy workspace `ide-0` of set `ide`, backed up an hour ago.
pub fn healthy() -> Vec<Row> {
    let mut rows = without_backup();
    rows.push(snapshot("s1", "workspace-ide-0", hours_ago(1)).into());
    rows
}

/// [`healthy`] with these rows added or put in the place of those of the same name.
pub fn healthy_but(rows: Vec<Row>) -> Vec<Row> {
    healthy().into_iter().chain(rows).collect()
}

/// The words of the first finding of that code.
pub fn explained(inventory: &mut Inventory, code: Code) -> Explanation {
    let metrics = no_metrics();
    let found = found_with(inventory, &metrics);
    let (_, finding) = found.iter().find(|(_, f)| f.code == code).unwrap();
    let policy = Policy::default();
    explain(&Case::new(inventory, &metrics, &policy, now()), finding)
}
