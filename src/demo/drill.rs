//! The judge of a drill: when it was noticed, when it was mended, what was harmed. It looks on and changes
//! nothing of the world.

use jiff::Timestamp;

use super::clock::seconds;
use super::controllers::is_ready;
use super::object::{Fields, Object, seconds_between};
use super::resource::{Key, Kind};
use super::sandbox::Container;
use super::scenario::{Drill, timeline};
use super::store::Change;
use super::world::{Actor, DeleteOptions, Task, World};

mod harm;
mod subject;

pub use harm::Harm;
use subject::Subject;

/// Mended is what stays so for this long: a pod that crashes is ready for a moment after each start, and one on
/// a lost node until the node is missed.
const LASTING: f64 = 60.0;
/// How often the judge looks, whatever happens.
const LOOK: f64 = 10.0;

/// How a drill went.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Seconds from the start to the first call that changed anything or went into a pod, once there was trouble.
    pub noticed_after: Option<f64>,
    /// Seconds from the start until the incident was over for good.
    pub mended_after: Option<f64>,
    pub harm: Vec<Harm>,
    /// Time ran out, or it is mended.
    pub over: bool,
    /// The object that the drill is about: `namespace/name`.
    pub subject: String,
    /// The runbook that leads through it.
    pub runbook: Option<String>,
    pub advice: String,
}

impl Verdict {
    /// Mended within the time, with nothing lost and nobody else disturbed.
    pub fn passed(&self) -> bool {
        self.mended_after.is_some() && self.harm.iter().all(|harm| harm.is_excused(&self.subject))
    }
}

/// What the judge remembers of a running drill.
#[derive(Debug)]
pub(crate) struct Judge {
    drill: Drill,
    subject: Subject,
    begun: Timestamp,
    /// From the first entry of the timeline on there is something to notice.
    trouble: Timestamp,
    /// After the last entry nothing more will break.
    played: Timestamp,
    noticed: Option<Timestamp>,
    /// The trouble has shown itself; before that nothing can be mended.
    is_broken: bool,
    /// It holds since then.
    holds: Option<Timestamp>,
    mended: Option<Timestamp>,
    ended: Option<Timestamp>,
}

/// Puts the world under judgement, from now.
pub(crate) fn begin(world: &mut World, drill: Drill) {
    let entries = world.timeline.entries.iter().map(|e| e.at);
    let begun = world.now;
    let after = |wait: f64| begun + seconds(wait);
    world.judge = Some(Judge {
        subject: Subject::parse(&drill.subject),
        trouble: after(entries.clone().reduce(f64::min).unwrap_or(0.0)),
        played: after(entries.fold(0.0, f64::max)),
        drill,
        begun,
        noticed: None,
        is_broken: false,
        holds: None,
        mended: None,
        ended: None,
    });
    look(world);
}

/// Looks now and then again, until the drill is over.
pub(crate) fn look(world: &mut World) {
    let Some(mut judge) = world.judge.take() else {
        return;
    };
    judge.look(world);
    let goes_on = judge.ended.is_none();
    world.judge = Some(judge);
    if goes_on {
        world.schedule(world.now + seconds(LOOK), Task::Judge);
    }
}

/// A client changed something, or went into a pod.
pub(crate) fn acted(world: &mut World) {
    let now = world.now;
    if let Some(judge) = &mut world.judge
        && now >= judge.trouble
        && judge.ended.is_none()
    {
        judge.noticed.get_or_insert(now);
    }
}

/// An object was written: who answers for what follows, and whether it was any of the client's business.
pub(crate) fn written(world: &mut World, key: &Key, change: &Change) {
    let Some(judge) = &world.judge else {
        return;
    };
    let Some(before) = &change.before else {
        return;
    };
    let set_in_motion =
        change.removed || change.now.terminating() || before.at("spec") != change.now.at("spec");
    match world.actor {
        Actor::Controller => {}
        Actor::Timeline => {
            if set_in_motion {
                world.excused.insert(before.uid().to_owned());
            }
        }
        Actor::Client => {
            let is_wrong = judge.subject.is_elsewhere(world, key, before)
                && before.time("metadata/creationTimestamp") < Some(judge.begun);
            if set_in_motion {
                world.excused.remove(before.uid());
            }
            if is_wrong {
                harm(world, |at| Harm::WrongObject {
                    at,
                    kind: key.kind.resource().kind,
                    namespace: key.namespace.clone(),
                    name: key.name.clone(),
                });
            }
        }
    }
}

/// An object is about to be deleted, and nothing refuses it.
pub(crate) fn ending(world: &mut World, key: &Key, object: &Object, options: &DeleteOptions) {
    if world.judge.is_none() || world.actor == Actor::Timeline {
        return;
    }
    match key.kind {
        Kind::Pod => pod_ending(world, key, object, options),
        Kind::Snapshot => snapshot_ending(world, key, object),
        _ => {}
    }
}

fn pod_ending(world: &mut World, key: &Key, pod: &Object, options: &DeleteOptions) {
    let node = pod.text("spec/nodeName");
    if world.faults.nodes_down.contains_key(node) {
        return;
    }
    let writes = (world.sandboxes.get(pod.uid())).is_some_and(|sandbox| {
        !sandbox.mounts.is_empty() && sandbox.containers.values().any(Container::is_running)
    });
    let (namespace, pod_name) = (key.namespace.clone(), key.name.clone());
    // Only a pod that somebody makes anew gets a second writer.
    if options.grace == Some(0) && writes && pod.controller().is_some() {
        let (namespace, pod) = (namespace.clone(), pod_name.clone());
        harm(world, |at| Harm::TwoWriters { at, namespace, pod });
    }
    let by_timeline = world.actor == Actor::Controller
        && (pod.controller()).is_some_and(|owner| world.excused.contains(owner.text("uid")));
    if is_ready(pod) && !pod.terminating() && !by_timeline {
        harm(world, |at| Harm::SessionCut {
            at,
            namespace,
            pod: pod_name,
        });
    }
}

fn snapshot_ending(world: &mut World, key: &Key, snapshot: &Object) {
    let claim = snapshot.text("spec/source/persistentVolumeClaimName");
    let taken = |s: &Object| s.time("status/creationTime");
    let is_good = |s: &Object| s.flag("status/readyToUse") && !s.terminating();
    let is_newest = world.store.list(Kind::Snapshot, &key.namespace).all(|s| {
        s.text("spec/source/persistentVolumeClaimName") != claim
            || s.name() == key.name
            || !is_good(s)
            || taken(s) < taken(snapshot)
    });
    if !is_good(snapshot) || !is_newest {
        return;
    }
    let (namespace, claim) = (key.namespace.clone(), claim.to_owned());
    harm(world, |at| Harm::WayBackDeleted {
        at,
        namespace,
        claim,
        snapshot: key.name.clone(),
    });
}

/// Books harm, once for each object, while the drill lasts.
pub(crate) fn harm(world: &mut World, what: impl FnOnce(Timestamp) -> Harm) {
    if world.judge.as_ref().is_none_or(|j| j.ended.is_some()) {
        return;
    }
    let harm = what(world.now);
    if harm.is_of_an_instant()
        || !world
            .ledger
            .iter()
            .any(|h| h.to_string() == harm.to_string())
    {
        world.ledger.push(harm);
    }
}

impl Judge {
    fn look(&mut self, world: &World) {
        if self.ended.is_some() {
            return;
        }
        self.subject.follow(world);
        let limit = self.begun + seconds(f64::from(self.drill.minutes) * 60.0);
        if timeline::holds(world, &self.drill.mended) {
            // Who prevents it mends it, too.
            let is_prevented = self.noticed.is_some() && world.now >= self.played;
            if self.is_broken || is_prevented {
                self.holds.get_or_insert(world.now);
            }
        } else {
            self.is_broken = true;
            self.holds = None;
        }
        if let Some(since) = self.holds
            && since + seconds(LASTING) <= world.now.min(limit)
        {
            self.mended = Some(since);
            self.ended = Some(world.now);
        } else if world.now >= limit {
            self.ended = Some(limit);
        }
    }

    pub(crate) fn verdict(&self, world: &World) -> Verdict {
        let since = |at: Timestamp| seconds_between(self.begun, at);
        Verdict {
            noticed_after: self.noticed.map(since),
            mended_after: self.mended.map(since),
            harm: world.ledger.clone(),
            over: self.ended.is_some(),
            subject: self.drill.subject.to_string(),
            runbook: self.drill.runbook.as_deref().cloned(),
            advice: self.drill.advice.clone(),
        }
    }
}
