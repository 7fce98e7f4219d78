//! How long to wait before the server is asked again: longer every time, and never all at once.
//! Must not wait itself.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The pauses of one task.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    next: Duration,
    random: RandomState,
    pauses: u64,
}

impl Pace {
    /// The next pause. Up to half of it is chance: eighteen watches that lost their connection at
    /// the same time must not all come back at the same time.
    pub(crate) fn pause(&mut self, first: Duration, longest: Duration) -> Duration {
        let pause = self.next.clamp(first, longest);
        self.next = pause * 2;
        self.pauses = self.pauses.wrapping_add(1);
        let share = u32::try_from(self.random.hash_one(self.pauses) % 500).unwrap_or(0);
        pause.saturating_sub(pause * share / 1000)
    }

    /// It works again: the next pause is short.
    pub(crate) const fn reset(&mut self) {
        self.next = Duration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_millis(500);
    const LONGEST: Duration = Duration::from_secs(5);

    #[test]
    fn pauses_grow_up_to_the_longest_and_start_anew_when_it_works() {
        let mut pace = Pace::default();
        for expected in [500, 1000, 2000, 4000, 5000, 5000] {
            let pause = pace.pause(FIRST, LONGEST);
            let most = Duration::from_millis(expected);
            assert!(pause <= most && pause > most / 2, "{pause:?} of {most:?}");
        }
        pace.reset();
        assert!(pace.pause(FIRST, LONGEST) <= FIRST);
    }

    #[test]
    fn two_tasks_do_not_pause_alike() {
        let pauses = |mut pace: Pace| -> Vec<Duration> {
            (0..8).map(|_| pace.pause(FIRST, LONGEST)).collect()
        };
        assert_ne!(pauses(Pace::default()), pauses(Pace::default()));
    }

    #[test]
    fn a_long_pause_for_one_reason_is_no_long_pause_for_another() {
        let mut pace = Pace::default();
        for _ in 0..10 {
            pace.pause(Duration::from_secs(60), Duration::from_secs(60));
        }
        assert!(pace.pause(FIRST, LONGEST) <= LONGEST);
    }
}
