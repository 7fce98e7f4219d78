//! What the test says: its result classes, and how each claim came through.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::{over, tolerated};
use crate::action::call::{Call, Stdin};
use crate::action::guard;
use crate::action::journal::Job;
use crate::action::plan::Do;
use crate::domain::digest;
use crate::domain::key::{Kind, ObjectKey};

/// The result classes.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, strum::Display, strum::EnumIter,
)]
pub enum Class {
    #[serde(rename = "PASS")]
    #[strum(serialize = "PASS")]
    Pass,
    /// Passed, over the time budget.
    #[serde(rename = "PASS-SLOW")]
    #[strum(serialize = "PASS-SLOW")]
    PassSlow,
    /// Refused; nothing changed.
    F0,
    /// Could not be written.
    F1,
    /// Could not be evicted.
    F2,
    /// The pod did not end.
    F3,
    /// The pod was not made anew.
    F4,
    /// The pod got no node.
    F5,
    /// The volumes could not be attached or mounted.
    F6,
    /// The pod did not become ready.
    F7,
    /// Another claim, volume or file system stands in its place: data loss.
    F8,
    /// The files are gone from the same file system.
    F9,
    /// The content is another.
    F10,
    /// An older state is back.
    F11,
    /// Not known.
    F12,
    /// Something was left behind.
    F13,
    /// Other pods were disturbed.
    F14,
}

impl Class {
    pub const fn has_passed(self) -> bool {
        matches!(self, Self::Pass | Self::PassSlow)
    }

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "passed",
            Self::PassSlow => "passed, slowly",
            Self::F0 => "refused",
            Self::F1 => "write",
            Self::F2 => "evict",
            Self::F3 => "termination",
            Self::F4 => "not recreated",
            Self::F5 => "unscheduled",
            Self::F6 => "mount",
            Self::F7 => "not ready",
            Self::F8 => "replaced",
            Self::F9 => "marker gone",
            Self::F10 => "hash",
            Self::F11 => "stale",
            Self::F12 => "inconclusive",
            Self::F13 => "leftover",
            Self::F14 => "blast",
        }
    }

    /// What it means, and what to do.
    pub const fn means(self) -> &'static str {
        match self {
            Self::Pass => "the work outlives its pod",
            Self::PassSlow => {
                "the work outlives its pod, but the restart took too long: look at attach and startup times"
            }
            Self::F0 => "refused, nothing was changed",
            Self::F1 => "the claim cannot be written: full, read-only, rights or a disk error",
            Self::F2 => {
                "the pod cannot be evicted: a disruption budget, a right, or it was replaced already"
            }
            Self::F3 => "the pod does not end: a process that hangs, an unmount, a dead kubelet",
            Self::F4 => {
                "the pod is not made anew: the controller, a quota, admission, or a claim that is being deleted"
            }
            Self::F5 => "the pod gets no node: zone, affinity or capacity",
            Self::F6 => "the volumes are not attached or mounted",
            Self::F7 => "the pod is not ready: the application, not its data",
            Self::F8 => {
                "DATA LOSS: another claim or volume stands in its place; stop every clean-up, find the released volume, restore"
            }
            Self::F9 => {
                "the files are gone from the same file system: the path is not on the volume, a start script wipes it, or it was rolled back; stop the rollout"
            }
            Self::F10 => "the content differs: corruption or a lost write",
            Self::F11 => "an older state is back: the volume was rolled back",
            Self::F12 => "not known: it could not be looked at, which is never a pass",
            Self::F13 => "the test's folder was left behind: remove it by hand",
            Self::F14 => "other pods of the set were disturbed: stop",
        }
    }

    /// The graver, the smaller; what is not known comes last.
    pub(super) const fn gravity(self) -> u8 {
        match self {
            Self::F8 => 0,
            Self::F10 => 1,
            Self::F11 => 2,
            Self::F9 => 3,
            _ => 4,
        }
    }
}

/// How one claim came through.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    pub claim: ObjectKey,
    /// Where it was mounted.
    pub path: String,
    /// SHA-256 of what was written.
    pub sha256: String,
    pub class: Class,
    pub says: String,
    /// What was seen there before and after the restart, by name.
    pub before: BTreeMap<String, String>,
    pub after: BTreeMap<String, String>,
}

/// What was written to a claim, as the plan tells it.
pub(super) struct Written {
    pub(super) mount: String,
    /// Digests of both generations.
    first: String,
    second: String,
}

pub(super) fn written(job: &Job, claim: &str) -> Option<Written> {
    let id = format!("write-{claim}");
    let step = job.plan.steps.iter().find(|step| step.id == id)?;
    let Do::Call {
        call: Call::Exec { command, stdin, .. },
        ..
    } = &step.what
    else {
        return None;
    };
    // sh -c SCRIPT sh MOUNT RUN GENERATION
    let (mount, first) = (command.get(4)?, command.get(6)?);
    (*stdin != Stdin::None).then(|| Written {
        mount: mount.clone(),
        first: digest::sha256(format!("{first}\n").as_bytes()),
        second: digest::sha256(&stdin.bytes()),
    })
}

/// Of every claim that it came to.
pub(super) fn outcomes(job: &Job) -> Vec<Outcome> {
    let claims = job.plan.subjects.iter().filter(|s| s.kind == Kind::Claim);
    claims
        .filter(|claim| over(job, &format!("after-{}", claim.key.name)).is_some())
        .filter_map(|claim| {
            let name = &*claim.key.name;
            let written = written(job, name)?;
            let (before, after) = (facts(job, "before", name), facts(job, "after", name));
            let (class, says) = judge(job, name, &written, &before, &after);
            Some(Outcome {
                claim: claim.key.clone(),
                path: written.mount,
                sha256: written.second,
                class,
                says,
                before,
                after,
            })
        })
        .collect()
}

/// `name=value` lines.
fn facts(job: &Job, when: &str, claim: &str) -> BTreeMap<String, String> {
    let text = job.captured.get(&format!("{when}-{claim}"));
    let lines = text.map(|text| text.lines()).into_iter().flatten();
    lines
        .filter_map(|line| line.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn judge(
    job: &Job,
    claim: &str,
    written: &Written,
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> (Class, String) {
    let looked = tolerated(job, &format!("same-{claim}"));
    if let Some(why) = looked.filter(|why| guard::is_finding(why)) {
        return (Class::F8, why.to_owned());
    }
    if let (false, Some(why)) = (
        after.contains_key("dir"),
        tolerated(job, &format!("after-{claim}")),
    ) {
        return (Class::F12, format!("{claim} was not read: {why}"));
    }
    if before.is_empty() || after.is_empty() {
        return (Class::F12, format!("{claim} was not read: no answer"));
    }
    // of other file systems the id is the device's, which may change with each attachment
    let kind = after.get("kind").map_or("", String::as_str);
    if matches!(kind, "ef53" | "9123683e") && before.get("fsid") != after.get("fsid") {
        return (Class::F8, format!("{claim} is on another file system"));
    }
    if after.get("dir").is_none_or(|dir| dir != "there") {
        return (Class::F9, format!("the files are gone from {claim}"));
    }
    if after.get("tombstone").is_some_and(|it| it == "back") {
        let says = format!("a file that was removed from {claim} is back");
        return (Class::F11, says);
    }
    match after.get("sum") {
        Some(sum) if *sum == written.second => {}
        Some(sum) if *sum == written.first => {
            return (Class::F11, format!("{claim} holds what was there before"));
        }
        Some(_) => return (Class::F10, format!("the content of {claim} is another")),
        None => return (Class::F9, format!("the file is gone from {claim}")),
    }
    for field in ["mode", "link"] {
        let (was, is) = (before.get(field), after.get(field));
        if was != is {
            let says = format!(
                "the {field} in {claim} is {}, not {}",
                is.map_or("gone", String::as_str),
                was.map_or("?", String::as_str)
            );
            return (Class::F10, says);
        }
    }
    // the objects could not be looked at: the content alone proves no identity
    if let Some(why) = looked {
        return (
            Class::F12,
            format!("whether {claim} is the same is not known: {why}"),
        );
    }
    (Class::Pass, format!("everything is there in {claim}"))
}
