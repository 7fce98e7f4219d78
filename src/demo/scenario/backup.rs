//! The backup job of a set, a CronJob of its namespace: at its hours a snapshot of every claim that it selects, and
//! the oldest of each go. It runs in the days before the start as it does afterwards.

use anyhow::Result;
use jiff::Timestamp;
use serde_json::json;

use super::super::clock::seconds;
use super::super::object::{Fields, Object, stamp};
use super::super::resource::{Key, Kind};
use super::super::selector::Labels;
use super::super::world::{DeleteOptions, Task, World};
use super::{Set, build, timeline};

/// Snapshots that the job leaves of each claim.
const KEPT: usize = 3;
/// The last run before the start is so many hours ago.
const AGO: f64 = 5.5;
/// The label of what the job takes, and of what it makes.
pub(crate) const LABEL: (&str, &str) = ("backup", "daily");
/// The argument of the job that says which claims it takes.
const SELECTOR: &str = "--selector=";

#[derive(Clone, Debug)]
pub(crate) struct Backup {
    /// Its CronJob.
    key: Key,
    every: f64,
    /// Claims that lose the job's label at a time.
    left_out: Vec<(Key, Timestamp)>,
}

/// Puts the job of a set on the clock; `start` is when the users come.
pub(crate) fn begin(world: &mut World, set: &Set, start: Timestamp) -> Result<()> {
    if set.backup_hours == 0 {
        return Ok(());
    }
    let hours = f64::from(set.backup_hours);
    let first = start - seconds((hours * 2.0 + AGO) * 3600.0);
    let job = cron_job(set, first);
    let key = Key::new(Kind::CronJob, &set.namespace, job.name());
    build::make(world, Kind::CronJob, job)?;
    let mut left_out = Vec::new();
    for workspace in &set.workspace {
        let Some(hours) = workspace.no_backup_hours else {
            continue;
        };
        let since = start - seconds(f64::from(hours) * 3600.0);
        for volume in &set.volume {
            let claim = format!("{}-{}-{}", volume.name, set.name, *workspace.ordinal);
            left_out.push((Key::new(Kind::Claim, &set.namespace, &claim), since));
        }
    }
    world.backups.push(Backup {
        key,
        every: hours * 3600.0,
        left_out,
    });
    world.schedule(first, Task::Backup(world.backups.len() - 1));
    Ok(())
}

fn cron_job(set: &Set, first: Timestamp) -> Object {
    let hour = match set.backup_hours {
        24 => first.strftime("%-H").to_string(),
        hours => format!("*/{hours}"),
    };
    let selector = format!("{SELECTOR}app={},{}={}", set.name, LABEL.0, LABEL.1);
    json!({
        "metadata": {"name": format!("backup-{}", set.name), "namespace": set.namespace,
            "labels": {"app": "backup"}},
        "spec": {
            "schedule": format!("{} {hour} * * *", first.strftime("%-M")), "concurrencyPolicy": "Forbid",
            "suspend": false, "successfulJobsHistoryLimit": 3, "failedJobsHistoryLimit": 1,
            "jobTemplate": {"spec": {"template": {"metadata": {"labels": {"app": "backup"}}, "spec": {
                "restartPolicy": "OnFailure",
                "containers": [{"name": "backup", "image": "us-docker.pkg.dev/coditect/ops/snapshots:2.3.0",
                    "args": [selector, format!("--keep={KEPT}")]}]}}}},
        },
    })
}

/// Which claims the job takes, as its argument says; `None` when it does not run.
fn selector(job: &Object) -> Option<Labels> {
    if job.flag("spec/suspend") {
        return None;
    }
    let args = job.items("spec/jobTemplate/spec/template/spec/containers/0/args");
    let text = (args.iter().filter_map(|a| a.as_str())).find_map(|a| a.strip_prefix(SELECTOR))?;
    Labels::parse(text).ok()
}

/// Some job of the namespace takes this claim.
pub(crate) fn covers(world: &World, claim: &Object) -> bool {
    world.backups.iter().any(|backup| {
        backup.key.namespace == claim.namespace()
            && (world.read(&backup.key).as_deref())
                .and_then(selector)
                .is_some_and(|labels| labels.matches(claim))
    })
}

/// One run of the job.
pub(crate) fn run(world: &mut World, number: usize) {
    let now = world.now;
    let Some(job) = world.backups.get_mut(number) else {
        return;
    };
    let (key, every) = (job.key.clone(), job.every);
    let mut due = Vec::new();
    job.left_out.retain(|(claim, since)| {
        let is_due = now > *since;
        if is_due {
            due.push(claim.clone());
        }
        !is_due
    });
    world.schedule(now + seconds(every), Task::Backup(number));
    for claim in due {
        let label = format!("metadata/labels/{}", LABEL.0);
        world.update(&claim, |c| c.unset(&label).map_or((), drop));
    }
    let Some(labels) = world.read(&key).as_deref().and_then(selector) else {
        return;
    };
    let claims: Vec<String> = world
        .store
        .list(Kind::Claim, &key.namespace)
        .filter(|claim| labels.matches(claim))
        .map(|claim| claim.name().to_owned())
        .collect();
    for claim in claims {
        let name = format!("{claim}-{}", now.strftime("%Y%m%d%H%M"));
        timeline::snapshot(world, &key.namespace, &claim, &name);
        prune(world, &key.namespace, &claim);
    }
    world.update(&key, |job| {
        job.put("status/lastScheduleTime", stamp(now));
        job.put("status/lastSuccessfulTime", stamp(now));
    });
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
