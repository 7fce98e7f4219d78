//! The judge of a drill: when it was noticed, when it was mended, what was harmed.

use jiff::Timestamp;

use super::object::{Fields, seconds_between};
use super::resource::Kind;
use super::scenario::{Drill, timeline};
use super::world::World;

/// Something that a user lost or suffered.
#[derive(Clone, Debug, PartialEq)]
pub enum Harm {
    /// A disk was deleted with its data; `snapshot_kept` when a snapshot of it is left.
    DiskDeleted {
        at: Timestamp,
        namespace: String,
        claim: String,
        snapshot_kept: bool,
    },
    /// A pod that was ready was ended by somebody.
    SessionCut {
        at: Timestamp,
        namespace: String,
        pod: String,
    },
}

impl std::fmt::Display for Harm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::DiskDeleted {
                namespace,
                claim,
                snapshot_kept,
                ..
            } => {
                let kept = if *snapshot_kept {
                    "a snapshot of it is left"
                } else {
                    "nothing of it is left"
                };
                write!(f, "the disk of {namespace}/{claim} was deleted; {kept}")
            }
            Self::SessionCut { namespace, pod, .. } => {
                write!(f, "the session in {namespace}/{pod} was cut")
            }
        }
    }
}

/// How a drill went.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Seconds from the start to the first call that changed anything.
    pub noticed_after: Option<f64>,
    /// Seconds from the start until the incident was over.
    pub mended_after: Option<f64>,
    pub harm: Vec<Harm>,
    /// Time ran out, or it is mended.
    pub over: bool,
    pub advice: String,
}

impl Verdict {
    /// Mended without loss of data.
    pub fn passed(&self) -> bool {
        self.mended_after.is_some()
            && !self.harm.iter().any(|h| {
                matches!(
                    h,
                    Harm::DiskDeleted {
                        snapshot_kept: false,
                        ..
                    }
                )
            })
    }
}

/// What the judge remembers of a running drill.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) drill: Drill,
    begun: Timestamp,
    noticed: Option<Timestamp>,
    mended: Option<Timestamp>,
    /// The trouble has shown itself; before that nothing can be mended.
    broken: bool,
}

impl Judge {
    pub(crate) fn new(drill: Drill, begun: Timestamp) -> Self {
        Self {
            drill,
            begun,
            noticed: None,
            mended: None,
            broken: false,
        }
    }

    /// A client changed something.
    pub(crate) fn acted(&mut self, at: Timestamp) {
        self.noticed.get_or_insert(at);
    }

    pub(crate) fn look(&mut self, world: &World) {
        let holds = timeline::holds(world, &self.drill.mended);
        if !holds {
            self.broken = true;
            self.mended = None;
        } else if self.broken {
            self.mended.get_or_insert(world.now);
        }
    }

    pub(crate) fn verdict(&self, world: &World) -> Verdict {
        let since = |at: Timestamp| seconds_between(self.begun, at);
        let limit = f64::from(self.drill.minutes) * 60.0;
        Verdict {
            noticed_after: self.noticed.map(since),
            mended_after: self.mended.map(since),
            harm: world.ledger.clone(),
            over: self.mended.is_some() || since(world.now) >= limit,
            advice: self.drill.advice.clone(),
        }
    }
}

/// Notes the session that a client's deletion or eviction ends.
pub(crate) fn cut(world: &mut World, namespace: &str, pod: &str) {
    let ready = world
        .get(Kind::Pod, namespace, pod)
        .is_some_and(|p| super::controllers::is_ready(&p) && !p.terminating());
    if ready {
        let at = world.now;
        world.ledger.push(Harm::SessionCut {
            at,
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
        });
    }
}

/// Notes the session that an eviction ended.
pub(crate) fn evicted(world: &mut World, namespace: &str, pod: &str) {
    let at = world.now;
    world.ledger.push(Harm::SessionCut {
        at,
        namespace: namespace.to_owned(),
        pod: pod.to_owned(),
    });
}
