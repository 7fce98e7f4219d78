//! One view's rows: which, in which order, which one is selected. Rows are named, never
//! numbered: the selection stays on its object while others come, go and move. A change moves
//! the rows that it belongs to and no others.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap};

use super::field::{Facts, SortValue, natural};
use super::filter::{Filter, Fit};
use super::model::View;
use crate::domain::finding::Code;
use crate::domain::inventory::Unit;
use crate::domain::key::{Kind, ObjectKey};

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RowId {
    Workspace(ObjectKey),
    Object(Kind, ObjectKey),
    /// A finding: where it was found, its code and its subject.
    Finding(Unit, Code, ObjectKey),
    Job(String),
}

impl RowId {
    /// The name that is copied and asked for.
    pub fn name(&self) -> &str {
        match self {
            Self::Workspace(key) | Self::Object(_, key) | Self::Finding(_, _, key) => &key.name,
            Self::Job(id) => id,
        }
    }

    fn namespace(&self) -> &str {
        match self {
            Self::Workspace(key) | Self::Object(_, key) | Self::Finding(_, _, key) => {
                &key.namespace
            }
            Self::Job(_) => "",
        }
    }
}

#[derive(Debug)]
pub struct Listing {
    pub view: View,
    /// Filtered and sorted.
    pub rows: Vec<RowId>,
    /// Rows before the filter.
    pub total: usize,
    pub selected: Option<RowId>,
    /// First row on the screen.
    pub offset: usize,
    pub marks: BTreeSet<RowId>,
    pub sort: Sort,
    pub filter: Filter,
    /// Only rows that have findings (`z`).
    pub only_hurt: bool,
    /// What each row is sorted by, so that a change can find its row.
    places: HashMap<RowId, Place>,
    /// Where the selected row was last seen.
    cursor: usize,
    /// Nobody chose the selected row: it stays the first one until somebody moves.
    untouched: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Place {
    fit: Fit,
    value: SortValue,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// Column id; `needs` is the default order of workspaces: worst first, then name.
    pub column: &'static str,
    pub descending: bool,
}

impl Listing {
    pub fn new(view: View) -> Self {
        Self {
            view,
            rows: Vec::new(),
            total: 0,
            selected: None,
            offset: 0,
            marks: BTreeSet::new(),
            sort: Sort {
                column: super::column::default_sort(view),
                descending: false,
            },
            filter: Filter::default(),
            only_hurt: false,
            places: HashMap::new(),
            cursor: 0,
            untouched: true,
        }
    }

    /// Where the selected row stands, if it is in the list.
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        if self.rows.get(self.cursor) == Some(selected) {
            return Some(self.cursor);
        }
        let place = self.places.get(selected)?;
        let at = self.rank(selected, place);
        (self.rows.get(at) == Some(selected)).then_some(at)
    }

    /// Computes everything anew.
    pub fn rebuild(&mut self, facts: &Facts<'_>) {
        let all = everything(self.view, facts);
        self.total = all.len();
        // Both are filled again where they are: new ones beside them would cost megabytes.
        self.places.clear();
        self.rows.clear();
        let mut buffer = String::new();
        let mut rows: Vec<(RowId, Place)> = all
            .into_iter()
            .filter_map(|row| {
                let place = self.place(facts, &row, &mut buffer)?;
                Some((row, place))
            })
            .collect();
        rows.sort_unstable_by(|a, b| self.compare(&a.0, &a.1, &b.0, &b.1));
        self.rows.extend(rows.iter().map(|(row, _)| row.clone()));
        self.places.extend(rows);
        self.settle();
    }

    /// Puts rows where they belong now: new ones in, changed ones elsewhere, gone ones out.
    pub fn place_again(&mut self, facts: &Facts<'_>, changed: impl IntoIterator<Item = RowId>) {
        let mut buffer = String::new();
        for row in changed {
            let there = exists(&row, facts);
            let place = if there {
                self.place(facts, &row, &mut buffer)
            } else {
                None
            };
            let old = self.places.get(&row);
            if old == place.as_ref() {
                continue;
            }
            if let Some(old) = old {
                let at = self.rank(&row, old);
                if self.rows.get(at) == Some(&row) {
                    self.rows.remove(at);
                } else {
                    // Never seen; a list that does not agree with itself is built anew.
                    self.rebuild(facts);
                    return;
                }
                self.places.remove(&row);
            }
            if let Some(place) = place {
                let at = self.rank(&row, &place);
                self.rows.insert(at, row.clone());
                self.places.insert(row, place);
            }
        }
        self.total = total(self.view, facts);
        self.settle();
    }

    /// Where a row with this place stands or would stand.
    fn rank(&self, row: &RowId, place: &Place) -> usize {
        self.rows.partition_point(|other| {
            self.places
                .get(other)
                .is_some_and(|p| self.compare(other, p, row, place) == Ordering::Less)
        })
    }

    fn compare(&self, a: &RowId, a_place: &Place, b: &RowId, b_place: &Place) -> Ordering {
        a_place
            .fit
            .cmp(&b_place.fit)
            .then_with(|| a_place.value.compare(&b_place.value, self.sort.descending))
            .then_with(|| natural(a.namespace(), b.namespace()))
            .then_with(|| natural(a.name(), b.name()))
            .then_with(|| a.cmp(b))
    }

    /// `None`: the filter hides it.
    fn place(&self, facts: &Facts<'_>, row: &RowId, buffer: &mut String) -> Option<Place> {
        if self.only_hurt && !facts.is_hurt(row) {
            return None;
        }
        let fit = if self.filter.is_empty() {
            Fit::Written
        } else {
            self.filter.fit(facts, row, buffer)?
        };
        let value = facts.value(row, self.sort.column);
        Some(Place { fit, value })
    }

    /// Keeps the selection on its object, at its line of the screen.
    fn settle(&mut self) {
        let before = self.cursor;
        if self.untouched {
            self.selected = self.rows.first().cloned();
            self.cursor = 0;
            self.offset = 0;
            return;
        }
        if let Some(at) = self.position() {
            self.cursor = at;
            // The row under the cursor stays on its line while others move around it.
            self.offset = (self.offset + at).saturating_sub(before);
        } else {
            // It is gone: whatever stands there now.
            self.cursor = before.min(self.rows.len().saturating_sub(1));
            self.selected = self.rows.get(self.cursor).cloned();
        }
        self.offset = self.offset.min(self.rows.len().saturating_sub(1));
    }

    /// Moves the selection; `page` is how many rows fit on the screen.
    pub fn select(&mut self, to: usize, page: usize) {
        self.untouched = false;
        let Some(last) = self.rows.len().checked_sub(1) else {
            return;
        };
        self.cursor = to.min(last);
        self.selected = self.rows.get(self.cursor).cloned();
        let page = page.max(1);
        if self.cursor < self.offset {
            self.offset = self.cursor;
        } else if self.cursor >= self.offset + page {
            self.offset = self.cursor + 1 - page;
        }
    }

    /// Selects a row by its name, if it is there.
    pub fn select_row(&mut self, row: &RowId, page: usize) -> bool {
        let Some(place) = self.places.get(row) else {
            return false;
        };
        let at = self.rank(row, place);
        self.select(at, page);
        true
    }

    /// The first row again, for instance when another filter was typed.
    pub fn start_over(&mut self) {
        self.untouched = true;
        self.offset = 0;
        self.cursor = 0;
    }

    /// Frees what only the view on the screen needs.
    pub fn put_away(&mut self) {
        self.rows = Vec::new();
        self.places = HashMap::new();
    }
}

/// How many rows a view has without a filter.
pub fn total(view: View, facts: &Facts<'_>) -> usize {
    match view {
        View::Workspaces => facts.inventory.workspaces().len(),
        View::Findings => facts.board.len(),
        View::Jobs => facts.jobs.len(),
        _ => view.kind().map_or(0, |kind| facts.inventory.count(kind)),
    }
}

fn exists(row: &RowId, facts: &Facts<'_>) -> bool {
    let inventory = facts.inventory;
    match row {
        RowId::Workspace(key) => inventory.workspace(key).is_some(),
        RowId::Object(kind, key) => match kind {
            Kind::Claim => inventory.claims.get(key).is_some(),
            Kind::Snapshot => inventory.snapshots.get(key).is_some(),
            Kind::Pod => inventory.pods.get(key).is_some(),
            Kind::Set => inventory.sets.get(key).is_some(),
            Kind::Volume => inventory.volumes.get(key).is_some(),
            Kind::Event => inventory.events.get(key).is_some(),
            _ => false,
        },
        RowId::Finding(unit, code, subject) => {
            let found = facts.board.of(unit);
            found
                .iter()
                .any(|f| f.code == *code && f.subject.key == *subject)
        }
        RowId::Job(id) => facts.jobs.contains_key(id),
    }
}

fn everything(view: View, facts: &Facts<'_>) -> Vec<RowId> {
    let inventory = facts.inventory;
    let objects = |keys: &mut dyn Iterator<Item = &ObjectKey>, kind: Kind| -> Vec<RowId> {
        keys.map(|key| RowId::Object(kind, key.clone())).collect()
    };
    match view {
        View::Workspaces => (inventory.workspaces())
            .map(|w| RowId::Workspace(w.key.clone()))
            .collect(),
        View::Findings => (facts.board.all())
            .map(|(unit, f)| RowId::Finding(unit.clone(), f.code, f.subject.key.clone()))
            .collect(),
        View::Claims => objects(&mut inventory.claims.keys(), Kind::Claim),
        View::Snapshots => objects(&mut inventory.snapshots.keys(), Kind::Snapshot),
        View::Pods => objects(&mut inventory.pods.keys(), Kind::Pod),
        View::Sets => objects(&mut inventory.sets.keys(), Kind::Set),
        View::Volumes => objects(&mut inventory.volumes.keys(), Kind::Volume),
        View::Events => objects(&mut inventory.events.keys(), Kind::Event),
        View::Jobs => facts.jobs.keys().cloned().map(RowId::Job).collect(),
    }
}
