//! Pods, as rows.

use jiff::Timestamp;

use super::key::{Meta, Owner, Text};
use super::quantity::Quantity;

#[derive(Clone, Debug, PartialEq)]
pub struct Pod {
    pub meta: Meta,
    pub owner: Option<Owner>,
    pub phase: Phase,
    /// `status.reason` of a pod that was evicted or lost.
    pub reason: Option<Text>,
    pub ready: bool,
    /// When the `Ready` condition last changed.
    pub ready_since: Option<Timestamp>,
    /// The `PodScheduled=False` message with its time.
    pub unscheduled: Option<(Text, Timestamp)>,
    pub restarts: u32,
    /// Containers of the spec, with what their status says.
    pub containers: Box<[Container]>,
    pub node: Option<Text>,
    /// `spec.terminationGracePeriodSeconds`.
    pub grace_seconds: u32,
    /// volume name → claim name, ephemeral claims included (`<pod>-<volume>`).
    pub claims: Box<[(Text, Text)]>,
    /// Sums of limits over the containers; none when any container has none.
    pub cpu_limit: Option<Quantity>,
    pub memory_limit: Option<Quantity>,
    /// Only of pods without a claim: their labels, to see whose work they hold.
    pub labels: Box<[(Text, Text)]>,
    pub user: Option<Text>,
    pub tier: Option<Text>,
    /// Says that it keeps nothing (see `Policy::stateless_label`).
    pub stateless: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::Display, strum::EnumString)]
pub enum Phase {
    Pending,
    Running,
    Succeeded,
    Failed,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Container {
    pub name: Text,
    /// Repository without tag and digest.
    pub image: Text,
    pub init: bool,
    pub ready: bool,
    pub restarts: u32,
    /// `state.waiting.reason`, for instance `CrashLoopBackOff`.
    pub waiting: Option<Text>,
    /// `state.waiting.message`.
    pub message: Option<Text>,
    pub running_since: Option<Timestamp>,
    /// `lastState.terminated` (or `state.terminated`).
    pub last_exit: Option<Exit>,
    /// Mount path and volume name; read-only mounts have the flag.
    pub mounts: Box<[Mount]>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Mount {
    pub path: Text,
    pub volume: Text,
    pub read_only: bool,
    pub sub_path: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Exit {
    pub reason: Text,
    pub code: i32,
    pub at: Option<Timestamp>,
}

impl Pod {
    /// Whether it will never run again.
    pub const fn is_terminal(&self) -> bool {
        matches!(self.phase, Phase::Succeeded | Phase::Failed)
    }

    /// The word that kubectl prints in its STATUS column.
    pub fn status(&self) -> &str {
        if self.meta.deleted.is_some() {
            return "Terminating";
        }
        if let Some(reason) = self.reason.as_deref() {
            return reason;
        }
        let waiting = self.containers.iter().find_map(|c| c.waiting.as_deref());
        match (waiting, self.phase) {
            (Some(reason), Phase::Pending | Phase::Running) if reason != "PodInitializing" => {
                reason
            }
            (_, Phase::Pending) => "Pending",
            (_, Phase::Running) => "Running",
            (_, Phase::Succeeded) => "Completed",
            (_, Phase::Failed) => "Failed",
            (_, Phase::Unknown) => "Unknown",
        }
    }

    /// Containers that are ready, of those that should be.
    pub fn ready_containers(&self) -> (usize, usize) {
        let main = self.containers.iter().filter(|c| !c.init);
        (main.clone().filter(|c| c.ready).count(), main.count())
    }

    /// A waiting container with one of `reasons`.
    pub fn waiting(&self, reasons: &[&str]) -> Option<&Container> {
        self.containers
            .iter()
            .find(|c| c.waiting.as_deref().is_some_and(|w| reasons.contains(&w)))
    }

    /// The container that somebody means who names none: the one that mounts the most claims for
    /// writing, else the first.
    pub fn work_container(&self) -> Option<&Container> {
        let main = self.containers.iter().filter(|c| !c.init);
        let written = |c: &Container| {
            let claims = self.claims.iter();
            claims
                .filter(|(volume, _)| {
                    let mut mounts = c.mounts.iter();
                    mounts.any(|mount| mount.volume == *volume && !mount.read_only)
                })
                .count()
        };
        main.reduce(|best, c| if written(c) > written(best) { c } else { best })
    }

    pub fn uses_claim(&self, claim: &str) -> bool {
        self.claims.iter().any(|(_, name)| &**name == claim)
    }
}
