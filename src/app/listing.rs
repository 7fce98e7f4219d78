//! One view's rows: which, in which order, which one is selected. Rows are named, never
//! numbered: the selection stays on its object while others come, go and move.

use std::collections::{BTreeSet, HashMap};

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
    /// Sort values by row, so that one change moves one row.
    pub(super) values: HashMap<RowId, SortValue>,
    /// The rows must be computed anew as a whole.
    pub(super) outdated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    /// Column id; `needs` is the default order of workspaces: worst first, then name.
    pub column: &'static str,
    pub descending: bool,
}

/// What the filter line says (grammar in the help): fuzzy words, `!` inverse, `user=…`,
/// `state=bad`, `label` terms.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Filter {
    pub text: String,
}

/// Orders rows within one column; what is missing sorts last in either direction.
#[derive(Clone, Debug, PartialEq)]
pub enum SortValue {
    Number(f64),
    Text(String),
    Missing,
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
            values: HashMap::new(),
            outdated: true,
        }
    }

    /// Where the selected row stands, if it is in the list.
    pub fn position(&self) -> Option<usize> {
        let selected = self.selected.as_ref()?;
        self.rows.iter().position(|r| r == selected)
    }
}
