//! Rows of one kind by key, with what a list that is under way has not named yet.

use std::collections::{HashMap, HashSet};

use crate::domain::key::ObjectKey;

#[derive(Debug)]
pub struct Store<R> {
    /// Boxed: a table of rows would be half empty, and at fleet size that is megabytes.
    rows: HashMap<ObjectKey, Box<R>>,
    /// While a list runs: the keys that were there before and were not named yet.
    unseen: Option<HashSet<ObjectKey>>,
}

impl<R> Default for Store<R> {
    fn default() -> Self {
        Self {
            rows: HashMap::new(),
            unseen: None,
        }
    }
}

impl<R> Store<R> {
    pub fn get(&self, key: &ObjectKey) -> Option<&R> {
        self.rows.get(key).map(|row| &**row)
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn keys(&self) -> impl Iterator<Item = &ObjectKey> {
        self.rows.keys()
    }

    pub fn values(&self) -> impl Iterator<Item = &R> {
        self.rows.values().map(|row| &**row)
    }

    /// Returns the row that was there.
    pub(super) fn put(&mut self, key: ObjectKey, row: R) -> Option<R> {
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(&key);
        }
        self.rows.insert(key, Box::new(row)).map(|old| *old)
    }

    pub(super) fn remove(&mut self, key: &ObjectKey) -> Option<R> {
        if let Some(unseen) = &mut self.unseen {
            unseen.remove(key);
        }
        self.rows.remove(key).map(|old| *old)
    }
}

/// What a list needs of a store, whatever its rows are.
pub(super) trait AnyStore {
    fn begin(&mut self);
    /// Keys that the list did not name.
    fn finish(&mut self) -> Vec<ObjectKey>;
}

impl<R> AnyStore for Store<R> {
    fn begin(&mut self) {
        self.unseen = Some(self.rows.keys().cloned().collect());
    }

    fn finish(&mut self) -> Vec<ObjectKey> {
        self.rows.shrink_to_fit();
        self.unseen.take().into_iter().flatten().collect()
    }
}
