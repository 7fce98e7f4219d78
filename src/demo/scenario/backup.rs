//! The backup job of a set: at its hours a snapshot of every claim, and the oldest of each go. It runs in the
//! days before the start as it does afterwards.

use jiff::Timestamp;

use super::super::clock::seconds;
use super::super::object::Fields;
use super::super::resource::{Key, Kind};
use super::super::world::{DeleteOptions, Task, World};
use super::{Set, timeline};

/// Snapshots that the job leaves of each claim.
const KEPT: usize = 3;
/// The last run before the start is so many hours ago.
const AGO: f64 = 5.5;
/// The label of what the job makes.
pub(crate) const LABEL: (&str, &str) = ("backup", "daily");

#[derive(Clone, Debug)]
pub(crate) struct Backup {
    namespace: String,
    /// What the names of the claims start with: template and set.
    prefixes: Vec<String>,
    every: f64,
    /// Ordinals that the job leaves out from a time on.
    left_out: Vec<(u32, Timestamp)>,
}

/// Puts the job of a set on the clock; `start` is when the users come.
pub(crate) fn begin(world: &mut World, set: &Set, start: Timestamp) {
    if set.backup_hours == 0 {
        return;
    }
    let hours = f64::from(set.backup_hours);
    let since = |ago: u32| start - seconds(f64::from(ago) * 3600.0);
    world.backups.push(Backup {
        namespace: set.namespace.clone(),
        prefixes: set
            .volume
            .iter()
            .map(|v| format!("{}-{}-", v.name, set.name))
            .collect(),
        every: hours * 3600.0,
        left_out: set
            .workspace
            .iter()
            .filter_map(|w| Some((w.ordinal, since(w.no_backup_hours?))))
            .collect(),
    });
    let first = start - seconds((hours * 2.0 + AGO) * 3600.0);
    world.schedule(first, Task::Backup(world.backups.len() - 1));
}

/// One run of the job.
pub(crate) fn run(world: &mut World, number: usize) {
    let Some(job) = world.backups.get(number).cloned() else {
        return;
    };
    let now = world.now;
    let left_out = |ordinal: u32| {
        let since = job.left_out.iter().find(|(o, _)| *o == ordinal);
        since.is_some_and(|(_, since)| now > *since)
    };
    let claims: Vec<String> = world
        .store
        .list(Kind::Claim, &job.namespace)
        .map(|claim| claim.name().to_owned())
        .filter(|name| {
            let ordinal = |prefix: &String| name.strip_prefix(prefix)?.parse().ok();
            let ordinal = job.prefixes.iter().find_map(ordinal);
            ordinal.is_some_and(|ordinal| !left_out(ordinal))
        })
        .collect();
    for claim in claims {
        let name = format!("{claim}-{}", now.strftime("%Y%m%d%H%M"));
        timeline::snapshot(world, &job.namespace, &claim, &name);
        prune(world, &job.namespace, &claim);
    }
    world.schedule(now + seconds(job.every), Task::Backup(number));
}

/// Only what is ready counts: a run of failures must not cost the last good one.
fn prune(world: &mut World, namespace: &str, claim: &str) {
    let mut ready: Vec<(Option<Timestamp>, String)> = world
        .store
        .list(Kind::Snapshot, namespace)
        .filter(|s| {
            s.text("spec/source/persistentVolumeClaimName") == claim
                && s.text(&format!("metadata/labels/{}", LABEL.0)) == LABEL.1
                && s.flag("status/readyToUse")
        })
        .map(|s| (s.time("status/creationTime"), s.name().to_owned()))
        .collect();
    ready.sort_unstable();
    // The one that was just asked for is not ready yet.
    let surplus = (ready.len() + 1).saturating_sub(KEPT);
    for (_, name) in ready.into_iter().take(surplus) {
        let key = Key::new(Kind::Snapshot, namespace, &name);
        if let Err(failure) = world.delete(&key, &DeleteOptions::default()) {
            tracing::debug!(message = failure.message, "a backup stays");
        }
    }
}
