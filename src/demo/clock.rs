//! The clock of the simulated world: real time, run `speed` times as fast from a start of choice.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

#[derive(Clone, Copy, Debug)]
pub struct Clock {
    begun: Instant,
    start: Timestamp,
    speed: f64,
}

impl Clock {
    pub(crate) fn new(start: Timestamp, speed: f64) -> Self {
        Self {
            begun: Instant::now(),
            start,
            speed,
        }
    }

    /// The time in the simulated world.
    pub fn now(&self) -> Timestamp {
        let passed = self.begun.elapsed().as_secs_f64() * self.speed;
        self.start + seconds(passed)
    }

    /// When the world began.
    pub fn start(&self) -> Timestamp {
        self.start
    }

    /// How long the real world takes for `simulated` seconds.
    pub(crate) fn real(&self, simulated: f64) -> Duration {
        Duration::try_from_secs_f64(simulated / self.speed).unwrap_or(Duration::ZERO)
    }
}

/// A duration of that many seconds, saturating.
pub(crate) fn seconds(count: f64) -> SignedDuration {
    SignedDuration::try_from_secs_f64(count).unwrap_or(SignedDuration::MAX)
}
