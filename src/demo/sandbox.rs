//! What runs on a node for one pod: its stage of life, its own file system, its mounts, its log.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use super::clock::seconds;
use super::object::seconds_between;
use super::tree::Tree;

/// Lines of log kept per container.
const LINES: usize = 500;
/// A running workspace says something this often.
const CHATTER_SECONDS: f64 = 30.0;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for its volumes.
    Volumes,
    /// Mounting, pulling, creating.
    Starting,
    Running,
    Stopping,
    Over,
}

#[derive(Clone, Debug)]
pub(crate) struct MountPoint {
    pub(crate) container: String,
    pub(crate) path: String,
    /// Name of the PersistentVolume.
    pub(crate) volume: String,
    pub(crate) claim: String,
    pub(crate) handle: String,
    pub(crate) read_only: bool,
    pub(crate) sub_path: String,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Container {
    pub(crate) started: Option<Timestamp>,
    /// When it ends by itself, with which code and reason.
    pub(crate) ends: Option<(Timestamp, i64, String)>,
    pub(crate) ended: Option<(Timestamp, i64, String)>,
    pub(crate) restarts: i64,
    /// The kubelet waits with the next start until then.
    pub(crate) back_off: Option<Timestamp>,
    pub(crate) waiting: String,
    pub(crate) log: VecDeque<(Timestamp, String)>,
    pub(crate) previous: VecDeque<(Timestamp, String)>,
    /// Speaks by itself while it runs.
    pub(crate) chatty: bool,
    /// So many probes by command in a row ended as the last one did.
    pub(crate) probes: u32,
    pub(crate) succeeds: bool,
    /// What the probes by command say.
    pub(crate) is_ready: bool,
}

impl Container {
    pub(crate) fn say(&mut self, at: Timestamp, line: &str) {
        self.log.push_back((at, line.to_owned()));
        if self.log.len() > LINES {
            self.log.pop_front();
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.started.is_some() && self.ended.is_none()
    }

    /// The log up to `now`, with what the process says in passing.
    pub(crate) fn lines(&self, now: Timestamp) -> Vec<(Timestamp, String)> {
        let mut all: Vec<_> = self.log.iter().cloned().collect();
        if let (true, Some(started)) = (self.chatty, self.started) {
            let until = self.ended.as_ref().map_or(now, |e| e.0);
            let count = seconds_between(started, until) / CHATTER_SECONDS;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a small count, negative becomes 0"
            )]
            let count = count as u64;
            for n in count.saturating_sub(LINES as u64) + 1..=count {
                let passed = f64::from(u32::try_from(n).unwrap_or(u32::MAX)) * CHATTER_SECONDS;
                let at = started + seconds(passed);
                all.push((
                    at,
                    format!("INFO session heartbeat {n}: saved, 0 unsynced files"),
                ));
            }
        }
        all.sort_by_key(|(at, _)| *at);
        all
    }
}

#[derive(Debug)]
pub(crate) struct Sandbox {
    pub(crate) namespace: String,
    pub(crate) pod: String,
    pub(crate) node: String,
    pub(crate) stage: Stage,
    pub(crate) root: Tree,
    pub(crate) mounts: Vec<MountPoint>,
    pub(crate) containers: BTreeMap<String, Container>,
}
