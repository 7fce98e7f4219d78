//! The simulated world: every object, disk and process, under one lock and one clock.
//!
//! Time moves only in [`World::advance`]: due timers run in order, each followed by the controllers until
//! nothing is left to do. So a run depends on its seed and on what clients did, and on nothing else.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::admission;
use super::clock::seconds;
use super::controllers;
use super::disk::{Disk, Image};
use super::failure::Failure;
use super::faults::Faults;
use super::history::History;
use super::object::{Fields, Object, stamp};
use super::prom::alert::Alerts;
use super::resource::{Key, Kind, RESOURCES};
use super::sandbox::Sandbox;
use super::scenario::backup::Backup;
use super::scenario::timeline::Timeline;
use super::seed::Seed;
use super::store::{Change, Store};

/// Steps of controllers without a step of time; beyond it something answers itself forever.
const STEPS: usize = 200_000;

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Task {
    Reconcile(Key),
    /// The entry of the timeline with this number.
    Incident(usize),
    /// A run of the backup job with this number.
    Backup(usize),
    /// Housekeeping, every ten minutes.
    Pulse,
    /// Prometheus evaluates its alerting rules.
    Rules,
    /// The judge of the drill looks.
    Judge,
}

/// Who writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Actor {
    #[default]
    Controller,
    Client,
    Timeline,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) start: Timestamp,
    pub(crate) seed: Seed,
    pub(crate) store: Store,
    /// By volume handle.
    pub(crate) disks: BTreeMap<String, Disk>,
    /// Snapshots that hold bytes, by snapshot handle.
    pub(crate) images: BTreeMap<String, Image>,
    /// What runs in a pod, by the pod's uid.
    pub(crate) sandboxes: BTreeMap<String, Sandbox>,
    pub(crate) faults: Faults,
    pub(crate) history: History,
    pub(crate) alerts: Alerts,
    pub(crate) timeline: Timeline,
    pub(crate) backups: Vec<Backup>,
    pub(crate) events: controllers::event::Recent,
    queue: VecDeque<Task>,
    queued: HashSet<Task>,
    timers: BTreeSet<(Timestamp, Task)>,
    counter: u64,
    /// Slow work under way, by name: when it is done.
    under_way: BTreeMap<String, Timestamp>,
    /// When an object is looked at again, whatever happens.
    retries: BTreeMap<Key, Timestamp>,
    pub(crate) judge: Option<super::drill::Judge>,
    pub(crate) ledger: Vec<super::drill::Harm>,
    pub(crate) actor: Actor,
    /// Objects, by uid, whose last change was the timeline's: what their controllers make of it is its doing.
    pub(crate) excused: BTreeSet<String>,
    changed: watch::Sender<u64>,
}

/// How an object is to be deleted.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeleteOptions {
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) grace: Option<i64>,
    /// `Background`, `Foreground` or `Orphan`; empty means the default of the kind.
    pub(crate) propagation: String,
    pub(crate) dry_run: bool,
}

impl World {
    pub(crate) fn new(start: Timestamp, seed: u64) -> Self {
        Self {
            now: start,
            start,
            seed: Seed(seed),
            store: Store::new(),
            disks: BTreeMap::new(),
            images: BTreeMap::new(),
            sandboxes: BTreeMap::new(),
            faults: Faults::default(),
            history: History::default(),
            alerts: Alerts::default(),
            timeline: Timeline::default(),
            backups: Vec::new(),
            events: controllers::event::Recent::default(),
            queue: VecDeque::new(),
            queued: HashSet::new(),
            timers: BTreeSet::new(),
            counter: 0,
            under_way: BTreeMap::new(),
            retries: BTreeMap::new(),
            judge: None,
            ledger: Vec::new(),
            actor: Actor::Controller,
            excused: BTreeSet::new(),
            changed: watch::Sender::new(0),
        }
    }

    /// Wakes whenever an object changed.
    pub(crate) fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// A name for the next draw of chance that no other draw has.
    pub(crate) fn draw(&mut self) -> String {
        self.count().to_string()
    }

    /// A number that is larger than every one before it.
    pub(crate) fn count(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    // ---- time

    /// Moves the clock to `to` and lets everything happen that is due.
    pub(crate) fn advance(&mut self, to: Timestamp) {
        self.settle();
        while let Some((at, _)) = self.timers.first().cloned() {
            if at > to {
                break;
            }
            self.now = self.now.max(at);
            while let Some((due, task)) = self.timers.first().cloned() {
                if due > at {
                    break;
                }
                self.timers.pop_first();
                self.enqueue(task);
            }
            self.settle();
        }
        self.now = self.now.max(to);
    }

    /// When something is due next.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }

    pub(crate) fn enqueue(&mut self, task: Task) {
        if self.queued.insert(task.clone()) {
            self.queue.push_back(task);
        }
    }

    pub(crate) fn look_at(&mut self, kind: Kind, namespace: &str, name: &str) {
        self.enqueue(Task::Reconcile(Key::new(kind, namespace, name)));
    }

    pub(crate) fn look_again(&mut self, key: &Key, at: Timestamp) {
        self.schedule(at, Task::Reconcile(key.clone()));
    }

    /// Looks again after `wait` seconds at the latest. A look that is due before serves for both, so that
    /// retries do not multiply.
    pub(crate) fn look_after(&mut self, key: &Key, wait: f64) {
        let at = self.now + seconds(wait);
        let due = self.retries.get(key).copied();
        if due.is_some_and(|due| due > self.now && due <= at) {
            return;
        }
        self.retries.insert(key.clone(), at);
        self.look_again(key, at);
    }

    /// Work that takes `wait` seconds: `false` until they have passed since the first call with this name.
    /// `key` is looked at again then.
    pub(crate) fn ripe(&mut self, name: &str, key: &Key, wait: f64) -> bool {
        match self.under_way.get(name).copied() {
            Some(due) if due <= self.now => {
                self.under_way.remove(name);
                true
            }
            Some(_) => false,
            None => {
                let due = self.now + seconds(wait);
                self.under_way.insert(name.to_owned(), due);
                self.look_again(key, due);
                false
            }
        }
    }

    /// Forgets work under way, because its reason is gone.
    pub(crate) fn abandon(&mut self, name: &str) {
        self.under_way.remove(name);
    }

    /// Drops work that nobody asked about when it was done.
    pub(crate) fn forget_abandoned(&mut self) {
        let horizon = self.now - seconds(3600.0);
        self.under_way.retain(|_, due| *due > horizon);
        let now = self.now;
        self.retries.retain(|_, due| *due > now);
    }

    pub(crate) fn schedule(&mut self, at: Timestamp, task: Task) {
        if at <= self.now {
            self.enqueue(task);
        } else {
            self.timers.insert((at, task));
        }
    }

    /// Runs the controllers until they have nothing left to do at this instant.
    pub(crate) fn settle(&mut self) {
        let mut steps = 0;
        while let Some(task) = self.queue.pop_front() {
            self.queued.remove(&task);
            controllers::run(self, &task);
            steps += 1;
            if steps > STEPS {
                tracing::error!(?task, "simulated controllers do not come to rest");
                self.queue.clear();
                self.queued.clear();
            }
        }
        let revision = self.store.revision();
        self.changed.send_if_modified(|seen| {
            let new = *seen != revision;
            *seen = revision;
            new
        });
    }

    // ---- reading

    pub(crate) fn get(&self, kind: Kind, namespace: &str, name: &str) -> Option<Arc<Object>> {
        self.store.get(&Key::new(kind, namespace, name)).cloned()
    }

    pub(crate) fn read(&self, key: &Key) -> Option<Arc<Object>> {
        self.store.get(key).cloned()
    }

    pub(crate) fn list(&self, kind: Kind, namespace: &str) -> Vec<Arc<Object>> {
        self.store.list(kind, namespace).cloned().collect()
    }

    /// The kind is served in this world (custom resources and extension servers can be missing).
    pub(crate) fn serves(&self, kind: Kind) -> bool {
        !(kind.is_snapshot_api() && self.faults.no_snapshot_api
            || kind.is_metrics_api() && self.faults.no_metrics_api)
    }

    // ---- writing

    /// Makes an object: defaults, admission, identity. With `dry_run` nothing is kept.
    pub(crate) fn create(
        &mut self,
        kind: Kind,
        mut object: Object,
        dry_run: bool,
    ) -> Result<Arc<Object>, Failure> {
        object.put("kind", kind.resource().kind);
        object.put("apiVersion", kind.api_version());
        if object.name().is_empty() {
            let base = object.text("metadata/generateName").to_owned();
            if base.is_empty() {
                return Err(Failure::invalid(
                    kind,
                    "",
                    &[(
                        "metadata.name",
                        "FieldValueRequired",
                        "Required value: name or generateName is required".to_owned(),
                    )],
                ));
            }
            let draw = self.draw();
            let suffix = self.seed.suffix(&format!("{base}{draw}"), 5);
            object.put("metadata/name", format!("{base}{suffix}"));
        }
        let key = Key::new(kind, object.namespace(), object.name());
        for field in [
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "selfLink",
        ] {
            object.unset(&format!("metadata/{field}"));
        }
        let draw = self.draw();
        let uid = self
            .seed
            .uid(&format!("{draw}/{}/{}", key.namespace, key.name));
        object.put("metadata/uid", uid);
        object.put("metadata/creationTimestamp", stamp(self.now));
        if kind.has_generation() {
            object.put("metadata/generation", 1);
        }
        admission::create(self, kind, &mut object)?;
        if self.store.get(&key).is_some() {
            return Err(Failure::already_exists(kind, &key.name));
        }
        if dry_run {
            return Ok(Arc::new(object));
        }
        let change = self.store.write(&key, object);
        let made = Arc::clone(&change.now);
        self.changed(&key, &change);
        Ok(made)
    }

    /// Changes an object that is there; says whether anything changed. Controllers use this.
    pub(crate) fn update(&mut self, key: &Key, change: impl FnOnce(&mut Object)) -> bool {
        let Some(before) = self.read(key) else {
            return false;
        };
        let mut object = (*before).clone();
        change(&mut object);
        self.replace(key, &before, object)
    }

    /// Puts `object` in place of `before`, keeping the books of the API server.
    pub(crate) fn replace(&mut self, key: &Key, before: &Object, mut object: Object) -> bool {
        if object == *before {
            return false;
        }
        if key.kind.has_generation() && object.at("spec") != before.at("spec") {
            let generation = before.int("metadata/generation").unwrap_or(1);
            object.put("metadata/generation", generation + 1);
        }
        let finished = object.terminating()
            && object.items("metadata/finalizers").is_empty()
            && object
                .int("metadata/deletionGracePeriodSeconds")
                .unwrap_or(0)
                == 0
            && (key.kind != Kind::Namespace || object.items("spec/finalizers").is_empty());
        let change = self.store.write(key, object);
        self.changed(key, &change);
        if finished {
            self.remove(key);
        }
        true
    }

    /// Deletes by the rules: preconditions, grace, finalizers, propagation.
    /// `Ok(true)` when the object is gone at once.
    pub(crate) fn delete(&mut self, key: &Key, options: &DeleteOptions) -> Result<bool, Failure> {
        let before = self
            .read(key)
            .ok_or_else(|| Failure::not_found(key.kind, &key.name))?;
        check_preconditions(key, &before, options)?;
        let mut object = (*before).clone();
        match options.propagation.as_str() {
            "Orphan" if !object.terminating() => object.add_finalizer("orphan"),
            "Foreground" if !object.terminating() => object.add_finalizer("foregroundDeletion"),
            _ => {}
        }
        let grace = grace_of(key.kind, &before, options.grace);
        let waits = grace > 0 || !object.items("metadata/finalizers").is_empty();
        if options.dry_run {
            return Ok(!waits);
        }
        super::drill::ending(self, key, &before, options);
        let earlier = before
            .int("metadata/deletionGracePeriodSeconds")
            .filter(|_| before.terminating());
        if earlier.is_none_or(|e| grace < e) {
            object.put(
                "metadata/deletionTimestamp",
                stamp(self.now + seconds_of(grace)),
            );
            object.put("metadata/deletionGracePeriodSeconds", grace);
        }
        if key.kind == Kind::Namespace {
            object.put("status/phase", "Terminating");
        }
        let waits_for_namespace =
            key.kind == Kind::Namespace && !object.items("spec/finalizers").is_empty();
        if waits || waits_for_namespace {
            if object != *before {
                let change = self.store.write(key, object);
                self.changed(key, &change);
            }
            return Ok(false);
        }
        self.remove(key);
        Ok(true)
    }

    /// Deletes in the background; for controllers, who do not care when it is gone already.
    pub(crate) fn drop_object(&mut self, key: &Key) {
        let options = DeleteOptions {
            propagation: "Background".to_owned(),
            ..DeleteOptions::default()
        };
        if let Err(failure) = self.delete(key, &options) {
            tracing::debug!(?key, message = failure.message, "nothing to delete");
        }
    }

    /// Takes an object out, whatever it waits for.
    pub(crate) fn remove(&mut self, key: &Key) {
        if let Some(change) = self.store.remove(key) {
            self.changed(key, &change);
        }
    }

    /// All objects but Events, which expire with the clock, as one number.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut text = String::new();
        for resource in RESOURCES.iter().filter(|r| r.id != Kind::Event) {
            for object in self.store.list(resource.id, "") {
                let mut object = (**object).clone();
                object.unset("metadata/resourceVersion");
                text.push_str(&object.to_string());
            }
        }
        Seed(0).bits(&text)
    }

    /// How many things of each sort are kept.
    pub(crate) fn footprint(&self) -> BTreeMap<&'static str, usize> {
        let trees = self.disks.values().map(|d| d.tree.len());
        let trees = trees.chain(self.images.values().map(|i| i.tree.len()));
        let trees = trees.chain(self.sandboxes.values().map(|s| s.root.len()));
        let containers = self.sandboxes.values().flat_map(|s| s.containers.values());
        let (objects, changes) = self.store.size();
        BTreeMap::from([
            ("objects", objects),
            ("events", self.store.list(Kind::Event, "").count()),
            ("changes for watches", changes),
            ("timers", self.timers.len() + self.retries.len()),
            ("work under way", self.under_way.len()),
            ("spans of metrics", self.history.len()),
            ("alerts", self.alerts.len()),
            (
                "points of disks",
                self.disks.values().map(Disk::points).sum(),
            ),
            ("files", trees.sum()),
            ("disks and images", self.disks.len() + self.images.len()),
            ("pods on nodes", self.sandboxes.len()),
            (
                "lines of logs",
                containers.map(|c| c.log.len() + c.previous.len()).sum(),
            ),
            ("harm", self.ledger.len()),
        ])
    }

    fn changed(&mut self, key: &Key, change: &Change) {
        super::drill::written(self, key, change);
        controllers::route(self, key, change);
    }

    /// Writes an Event as a component does. `from` is the component and the node it runs on.
    pub(crate) fn event(
        &mut self,
        about: &Object,
        kind: &str,
        reason: &str,
        message: &str,
        from: (&str, &str),
    ) {
        controllers::event::record(self, about, kind, reason, message, from);
    }

    pub(crate) fn normal(&mut self, about: &Object, reason: &str, message: &str, from: &str) {
        self.event(about, "Normal", reason, message, (from, ""));
    }

    pub(crate) fn warning(&mut self, about: &Object, reason: &str, message: &str, from: &str) {
        self.event(about, "Warning", reason, message, (from, ""));
    }
}

fn seconds_of(whole: i64) -> jiff::SignedDuration {
    jiff::SignedDuration::from_secs(whole)
}

fn check_preconditions(key: &Key, object: &Object, options: &DeleteOptions) -> Result<(), Failure> {
    let resource = key.kind.resource();
    let what = if resource.group.is_empty() {
        resource.kind.to_owned()
    } else {
        format!("{}.{}", resource.kind, resource.group)
    };
    let check = |name: &str, wanted: &Option<String>, have: &str, fate: &str| match wanted {
        Some(wanted) if wanted != have => {
            let why = format!(
                "the {name} in the precondition ({wanted}) does not match the {name} in record ({have}). The object might have been {fate}"
            );
            let mut failure = Failure::conflict(key.kind, &key.name, &why);
            failure.message = format!(
                "Operation cannot be fulfilled on {what} {:?}: {why}",
                key.name
            );
            Err(failure)
        }
        _ => Ok(()),
    };
    check(
        "UID",
        &options.uid,
        object.uid(),
        "deleted and then recreated",
    )?;
    check(
        "ResourceVersion",
        &options.version,
        object.version(),
        "modified",
    )
}

/// The grace that a deletion gives: only pods that run on a node get any.
fn grace_of(kind: Kind, object: &Object, asked: Option<i64>) -> i64 {
    if kind != Kind::Pod
        || object.text("spec/nodeName").is_empty()
        || matches!(object.text("status/phase"), "Succeeded" | "Failed")
    {
        return 0;
    }
    asked
        .or_else(|| object.int("spec/terminationGracePeriodSeconds"))
        .unwrap_or(30)
        .max(0)
}

/// The JSON of a `List` of objects.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the items move into the list"
)]
pub(crate) fn list_of(kind: Kind, items: Vec<Value>, metadata: &Value) -> Value {
    json!({
        "kind": format!("{}List", kind.resource().kind),
        "apiVersion": kind.api_version(),
        "metadata": metadata,
        "items": items,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::{build, list, load};

    /// A world after half an hour: looked at every `step` seconds on the way, and touched twice.
    fn played(scenario: &str, seed: u64, step: i32) -> (u64, String) {
        let start = "2026-01-05T09:00:00Z".parse().unwrap();
        let mut world = build::world(&load(scenario).unwrap(), start, seed).unwrap();
        for passed in 1..=1800 {
            if passed % step != 0 && passed % 600 != 0 {
                continue;
            }
            world.advance(start + seconds(f64::from(passed)));
            if passed == 600 {
                world.drop_object(&Key::new(Kind::Pod, "coditect-app", "coditect-pro-9"));
                let claim = Key::new(Kind::Claim, "coditect-app", "workspace-coditect-pro-9");
                world.update(&claim, |c| {
                    c.put("spec/resources/requests/storage", "300Gi");
                });
                world.settle();
            }
        }
        let events = world.store.list(Kind::Event, "");
        let rest = (
            &world.disks,
            &world.images,
            &world.sandboxes,
            &world.history,
        );
        let rest = format!("{rest:?}{:?}{:?}", world.alerts, world.ledger);
        let events = events.map(ToString::to_string).collect::<Vec<_>>();
        (world.fingerprint(), format!("{events:?}{rest}"))
    }

    /// Objects, Events, disks, images, processes, metrics: all of it, however often the clock is looked at.
    #[test]
    fn one_seed_plays_every_scenario_to_the_same_end() {
        for (scenario, _) in list().unwrap() {
            let (objects, rest) = played(&scenario, 1, 7);
            let again = played(&scenario, 1, 600);
            assert_eq!(objects, again.0, "{scenario}");
            assert!(
                rest == again.1,
                "{scenario}: Events, disks or processes differ"
            );
        }
    }

    #[test]
    fn another_seed_plays_another_story() {
        assert_ne!(played("morning", 1, 600), played("morning", 2, 600));
    }
}
