//! Where the reading of one kind stands: from which version it goes on, what of it is known good,
//! and whether the server can be believed. Must not ask the server itself.

use jiff::Timestamp;
use tokio::sync::watch;

use super::pace::Pace;
use crate::cluster::fault::{Fault, FaultKind};
use crate::cluster::feed::Health;
use crate::cluster::rows::Shared;

/// After so many answers that are no watch, everything is listed anew.
const REFUSALS: u32 = 6;

/// Where one task is.
pub(super) struct Course {
    pub(super) health: Option<watch::Receiver<Health>>,
    pub(super) pace: Pace,
    pub(super) shared: Shared,
    /// From where the next watch goes on; none: a list is due.
    pub(super) version: Option<String>,
    /// When something was heard last.
    pub(super) heard: Option<Timestamp>,
    /// Whether the stream is open, as far as is known.
    pub(super) open: bool,
    /// Since when it is not live any more.
    pub(super) stale: Option<Timestamp>,
    pub(super) was_live: bool,
    /// Answers in a row that were no watch.
    pub(super) refused: u32,
    /// Whether the server is asked to stream what there is ahead of what changes (KEP-3157), rather
    /// than for a list. Off once it has shown that it cannot, or must not.
    pub(super) streams: bool,
    /// Whether protobuf is asked for. Off once the server has shown that it cannot, or sent garbage.
    pub(super) protobuf: bool,
    /// What there is, is being streamed since then.
    pub(super) loading: Option<Timestamp>,
}

impl Course {
    pub(super) fn new(health: Option<watch::Receiver<Health>>, streams: bool) -> Self {
        Self {
            health,
            pace: Pace::default(),
            shared: Shared::default(),
            version: None,
            heard: None,
            open: false,
            stale: None,
            was_live: false,
            refused: 0,
            streams,
            protobuf: true,
            loading: None,
        }
    }
}

impl Course {
    pub(super) fn heard(&mut self) {
        self.heard = Some(Timestamp::now());
    }

    /// The version of an object, from which a later watch goes on. While everything is being loaded
    /// there is none: the order is not that of the versions.
    pub(super) fn seen(&mut self, version: &str) {
        if self.loading.is_none() && !version.is_empty() {
            self.version = Some(version.to_owned());
        }
    }

    /// Everything is there as of `asked`.
    pub(super) fn listed(&mut self, asked: Timestamp, version: String) {
        self.version = Some(version);
        self.heard = Some(asked);
        self.was_live = true;
        self.stale = None;
    }

    pub(super) fn live(&mut self) {
        self.heard();
        self.open = true;
        self.was_live = true;
        self.stale = None;
    }

    pub(super) fn works(&mut self) {
        self.pace.reset();
        self.refused = 0;
    }

    pub(super) fn is_lost(&self) -> bool {
        (self.health.as_ref()).is_some_and(|health| health.borrow().lost.is_some())
    }

    /// The last moment at which the rows were surely those of the server. While a stream is open,
    /// silence means that nothing happened, as long as the server answers otherwise.
    pub(super) fn known_good(&self) -> Option<Timestamp> {
        let heard = self.heard?;
        let answered = self.health.as_ref().map(|h| h.borrow().known_good);
        Some(
            answered
                .filter(|_| self.open)
                .map_or(heard, |a| a.max(heard)),
        )
    }

    /// Decides whether the next watch can go on where this one stopped.
    pub(super) fn distrust(&mut self, fault: &Fault) {
        self.open = false;
        self.loading = None;
        self.protobuf &= fault.kind != FaultKind::Garbage;
        let relist = match fault.kind {
            FaultKind::Gone | FaultKind::NotFound | FaultKind::Forbidden | FaultKind::Invalid => {
                true
            }
            // A version that the server does not know, for instance of before a restored backup,
            // is refused in several ways.
            FaultKind::ServerError | FaultKind::Garbage | FaultKind::Other => {
                self.refused += 1;
                self.refused >= REFUSALS
            }
            _ => false,
        };
        if relist {
            self.version = None;
            self.refused = 0;
        }
    }
}
