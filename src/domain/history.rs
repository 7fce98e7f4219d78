//! What a long history of samples tells of the use of claims. It proves something only where it is
//! whole: a gap, or a driver that gives no samples, looks just like a disk that nobody mounts.

use std::collections::HashMap;

use jiff::Timestamp;

use super::claim::Claim;
use super::findings::human_duration;
use super::inventory::Inventory;
use super::key::{ObjectKey, Text};

/// Less than this share of the time asked for is no proof.
const WHOLE: f64 = 0.95;

/// Whether a history was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Past {
    /// Nobody asked for it.
    #[default]
    NotAsked,
    /// It was asked for, and could not be read.
    Failed {
        why: Text,
    },
    Read(History),
}

/// The samples of all claims between two times.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    pub from: Timestamp,
    pub to: Timestamp,
    /// The part of that time in which samples of volumes were taken at all, 0..1.
    pub covered: f64,
    /// The last sample of each claim that has any.
    pub last: HashMap<ObjectKey, Timestamp>,
}

/// What a history tells of one claim.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Told {
    /// It was used until then at the latest. `None` = not known.
    pub unused_since: Option<Timestamp>,
    /// Its last sample, also from a history with gaps.
    pub sample: Option<Timestamp>,
    /// What was asked, over how long, and what came of it.
    pub says: String,
}

impl Past {
    pub fn of(&self, inventory: &Inventory, claim: &Claim) -> Told {
        match self {
            Self::NotAsked => Told::nothing("no metrics history was asked"),
            Self::Failed { why } => {
                Told::nothing(format!("the metrics history cannot be read ({why})"))
            }
            Self::Read(history) => history.of(inventory, claim),
        }
    }
}

impl Told {
    fn nothing(says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            ..Self::default()
        }
    }
}

impl History {
    fn of(&self, inventory: &Inventory, claim: &Claim) -> Told {
        let sample = self.last.get(&claim.meta.key).copied();
        let over = human_duration(self.to.duration_since(self.from));
        if self.covered < WHOLE {
            let percent = (self.covered.clamp(0.0, 1.0) * 100.0).floor();
            return Told {
                sample,
                ..Told::nothing(format!(
                    "the metrics history of {over} proves nothing, as only {percent} % of it is there"
                ))
            };
        }
        if let Some(at) = sample {
            return Told {
                unused_since: Some(at),
                sample,
                says: format!("the metrics history of {over} has its last sample at {at}"),
            };
        }
        if !self.has_others_of_its_driver(inventory, claim) {
            return Told::nothing(format!(
                "the metrics history of {over} has no claim of its driver, so it proves nothing"
            ));
        }
        Told {
            unused_since: Some(self.from),
            sample,
            says: format!("the metrics history of {over} has no sample of it"),
        }
    }

    /// Not every driver gives samples; one of another claim shows that this one does.
    fn has_others_of_its_driver(&self, inventory: &Inventory, claim: &Claim) -> bool {
        let own = inventory.volume_of(claim).and_then(|v| v.driver.as_ref());
        let Some(own) = own else { return false };
        inventory.volumes.values().any(|volume| {
            let serves = volume.claim.as_ref();
            volume.driver.as_ref() == Some(own)
                && serves.is_some_and(|claim| self.last.contains_key(&claim.key))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::build::*;

    fn history(covered: f64, last: &[(&str, Timestamp)]) -> Past {
        Past::Read(History {
            from: hours_ago(24 * 90),
            to: now(),
            covered,
            last: last.iter().map(|(name, at)| (key(name), *at)).collect(),
        })
    }

    fn told(past: &Past) -> Told {
        let rows = rows![
            claim("workspace-ide-0"),
            volume_of("workspace-ide-0"),
            claim("workspace-ide-1"),
            volume_of("workspace-ide-1")
        ];
        let world = world(rows);
        past.of(&world, world.claims.get(&key("workspace-ide-0")).unwrap())
    }

    #[test]
    fn no_sample_in_a_whole_history_is_proof_only_where_the_driver_gives_samples() {
        let other = [("workspace-ide-1", hours_ago(1))];
        let told_of = told(&history(0.99, &other));
        assert_eq!(told_of.unused_since, Some(hours_ago(24 * 90)));
        assert!(told_of.says.contains("90d"), "{}", told_of.says);
        assert_eq!(told(&history(0.99, &[])).unused_since, None);
    }

    #[test]
    fn the_last_sample_is_the_end_of_its_use() {
        let both = [
            ("workspace-ide-0", hours_ago(50)),
            ("workspace-ide-1", hours_ago(1)),
        ];
        assert_eq!(told(&history(1.0, &both)).unused_since, Some(hours_ago(50)));
    }

    #[test]
    fn what_was_not_read_says_so_and_tells_nothing() {
        assert_eq!(told(&Past::NotAsked).unused_since, None);
        let failed = Past::Failed {
            why: "no Prometheus was found".into(),
        };
        let failed = told(&failed);
        assert_eq!(failed.unused_since, None);
        assert!(
            failed.says.contains("no Prometheus was found"),
            "{failed:?}"
        );
    }

    proptest! {
        /// A history with gaps never tells of the end of a use, and no history tells of an end
        /// before its last sample or before its beginning.
        #[test]
        fn a_history_never_tells_more_than_it_has(
            covered in 0.0_f64..1.1, own in proptest::option::of(0_i64..24 * 90), other in any::<bool>(),
        ) {
            let own = own.map(hours_ago);
            let mut last: Vec<(&str, Timestamp)> = own.map(|at| ("workspace-ide-0", at)).into_iter().collect();
            last.extend(other.then(|| ("workspace-ide-1", hours_ago(1))));
            let told = told(&history(covered, &last));
            prop_assert_eq!(told.sample, own);
            if covered < WHOLE || last.is_empty() {
                prop_assert_eq!(told.unused_since, None);
            } else if let Some(since) = told.unused_since {
                prop_assert!(since >= own.unwrap_or(hours_ago(24 * 90)));
            }
        }
    }
}
