//! What etcd and the watch cache are to a real API server: the objects, one revision counter, and a bounded
//! log of changes per kind. Must not know any rule of any kind.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::object::{Fields, Object};
use super::resource::{Key, Kind, RESOURCES};

/// Changes kept per kind; a watch that falls further behind gets 410, as on a real server.
const LOG: usize = 1024;

/// The revision at which the simulation begins; what was before is forgotten.
const FIRST: u64 = 1000;

type Place = (String, String);

/// One step in the life of an object. `now` of a removed object carries the revision of its removal.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) revision: u64,
    pub(crate) before: Option<Arc<Object>>,
    pub(crate) now: Arc<Object>,
    pub(crate) removed: bool,
}

#[derive(Debug, Default)]
struct Table {
    objects: BTreeMap<Place, Arc<Object>>,
    log: VecDeque<Change>,
    /// Changes up to this revision are forgotten.
    floor: u64,
}

#[derive(Debug)]
pub(crate) struct Store {
    tables: Vec<Table>,
    revision: u64,
    by_owner: HashMap<String, BTreeSet<Key>>,
    by_uid: HashMap<String, Key>,
}

/// The revision asked for is no longer in the log.
#[derive(Debug)]
pub(crate) struct Compacted;

impl Store {
    pub(crate) fn new() -> Self {
        Self {
            tables: RESOURCES
                .iter()
                .map(|_| Table {
                    floor: FIRST,
                    ..Table::default()
                })
                .collect(),
            revision: FIRST,
            by_owner: HashMap::new(),
            by_uid: HashMap::new(),
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.table(key.kind)
            .objects
            .get(&(key.namespace.clone(), key.name.clone()))
    }

    /// All objects of a kind, in one namespace or (empty) in all, by namespace and name.
    pub(crate) fn list<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = &'a Arc<Object>> {
        let from = (namespace.to_owned(), String::new());
        self.table(kind)
            .objects
            .range(from..)
            .take_while(move |(place, _)| namespace.is_empty() || place.0 == namespace)
            .map(|(_, object)| object)
    }

    pub(crate) fn by_uid(&self, uid: &str) -> Option<&Key> {
        self.by_uid.get(uid)
    }

    /// The objects that name this uid as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.by_owner
            .get(uid)
            .map(|keys| keys.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The objects of a kind as they were at `revision`.
    pub(crate) fn list_at(
        &self,
        kind: Kind,
        revision: u64,
    ) -> Result<BTreeMap<Place, Arc<Object>>, Compacted> {
        let table = self.table(kind);
        if revision < table.floor {
            return Err(Compacted);
        }
        let mut objects = table.objects.clone();
        for change in table.log.iter().rev() {
            if change.revision <= revision {
                break;
            }
            let place = (
                change.now.namespace().to_owned(),
                change.now.name().to_owned(),
            );
            match &change.before {
                Some(before) => objects.insert(place, Arc::clone(before)),
                None => objects.remove(&place),
            };
        }
        Ok(objects)
    }

    /// The changes of a kind after `revision`, oldest first.
    pub(crate) fn changes(&self, kind: Kind, revision: u64) -> Result<Vec<Change>, Compacted> {
        let table = self.table(kind);
        if revision < table.floor {
            return Err(Compacted);
        }
        let from = table.log.partition_point(|c| c.revision <= revision);
        Ok(table.log.iter().skip(from).cloned().collect())
    }

    /// Objects and changes that are kept.
    pub(crate) fn size(&self) -> (usize, usize) {
        let objects = self.tables.iter().map(|t| t.objects.len());
        let changes = self.tables.iter().map(|t| t.log.len());
        (objects.sum(), changes.sum())
    }

    /// Writes an object under a new revision.
    pub(crate) fn write(&mut self, key: &Key, mut object: Object) -> Change {
        self.revision += 1;
        object.put("metadata/resourceVersion", self.revision.to_string());
        let now = Arc::new(object);
        let place = (key.namespace.clone(), key.name.clone());
        let before = self
            .table_mut(key.kind)
            .objects
            .insert(place, Arc::clone(&now));
        if let Some(before) = &before {
            self.unindex(key, before);
        }
        self.index(key, &now);
        let change = Change {
            revision: self.revision,
            before,
            now,
            removed: false,
        };
        self.record(key.kind, change.clone());
        change
    }

    pub(crate) fn remove(&mut self, key: &Key) -> Option<Change> {
        let place = (key.namespace.clone(), key.name.clone());
        let before = self.table_mut(key.kind).objects.remove(&place)?;
        self.unindex(key, &before);
        self.revision += 1;
        let mut last = (*before).clone();
        last.put("metadata/resourceVersion", self.revision.to_string());
        let change = Change {
            revision: self.revision,
            before: Some(before),
            now: Arc::new(last),
            removed: true,
        };
        self.record(key.kind, change.clone());
        Some(change)
    }

    fn record(&mut self, kind: Kind, change: Change) {
        let table = self.table_mut(kind);
        table.log.push_back(change);
        while table.log.len() > LOG {
            if let Some(old) = table.log.pop_front() {
                table.floor = old.revision;
            }
        }
    }

    fn index(&mut self, key: &Key, object: &Object) {
        self.by_uid.insert(object.uid().to_owned(), key.clone());
        for owner in object.items("metadata/ownerReferences") {
            self.by_owner
                .entry(owner.text("uid").to_owned())
                .or_default()
                .insert(key.clone());
        }
    }

    fn unindex(&mut self, key: &Key, object: &Object) {
        self.by_uid.remove(object.uid());
        for owner in object.items("metadata/ownerReferences") {
            if let Some(keys) = self.by_owner.get_mut(owner.text("uid")) {
                keys.remove(key);
                if keys.is_empty() {
                    self.by_owner.remove(owner.text("uid"));
                }
            }
        }
    }

    fn table(&self, kind: Kind) -> &Table {
        &self.tables[kind as usize]
    }

    fn table_mut(&mut self, kind: Kind) -> &mut Table {
        &mut self.tables[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(name: &str, n: i64) -> Object {
        json!({"metadata": {"name": name, "namespace": "a", "uid": name}, "n": n})
    }

    #[test]
    fn a_list_at_an_older_revision_shows_what_was_there_then() {
        let mut store = Store::new();
        let key = |name: &str| Key::new(Kind::Pod, "a", name);
        store.write(&key("one"), pod("one", 1));
        let then = store.revision();
        store.write(&key("one"), pod("one", 2));
        store.write(&key("two"), pod("two", 1));
        store.remove(&key("one"));
        let old = store.list_at(Kind::Pod, then).unwrap();
        assert_eq!(old.len(), 1);
        assert_eq!(
            old.values()
                .next()
                .map(|o| (o.name().to_owned(), o.int("n"))),
            Some(("one".to_owned(), Some(1)))
        );
    }

    #[test]
    fn a_watch_that_fell_behind_is_told_so_and_memory_stays_bounded() {
        let mut store = Store::new();
        let key = Key::new(Kind::Pod, "a", "one");
        store.write(&key, pod("one", 0));
        let then = store.revision();
        for n in 0..2 * LOG {
            store.write(&key, pod("one", i64::try_from(n).unwrap()));
        }
        assert!(store.changes(Kind::Pod, then).is_err());
        assert_eq!(
            store
                .changes(Kind::Pod, store.revision() - 3)
                .unwrap()
                .len(),
            3
        );
        assert_eq!(store.table(Kind::Pod).log.len(), LOG);
    }
}
