//! How often a claim was seen as one that nothing needs. Once is not enough: a set that is
//! deleted and applied again looks for minutes as if it were gone for good.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::Class;
use crate::domain::key::Uid;

/// One claim, seen in the same class again and again, and in no other in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    pub class: Class,
    pub first: Timestamp,
    pub last: Timestamp,
    pub count: u32,
}

impl Sighting {
    pub fn span(&self) -> SignedDuration {
        self.last.duration_since(self.first)
    }
}

/// All claims that were seen so, by uid: one of the same name that was made anew is another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sightings(BTreeMap<Uid, Sighting>);

impl Sightings {
    pub fn get(&self, claim: &Uid) -> Option<&Sighting> {
        self.0.get(claim)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes in what a claim was seen as. Any need that is seen ends the row; what could not be
    /// told says nothing. A clock that went back counts for nothing, either.
    pub fn see(&mut self, claim: &Uid, class: Class, now: Timestamp) {
        if class == Class::Unknown {
            return;
        }
        if !class.is_candidate() {
            self.0.remove(claim);
            return;
        }
        let new = Sighting {
            class,
            first: now,
            last: now,
            count: 1,
        };
        let seen = self.0.entry(claim.clone()).or_insert(new);
        if seen.class != class {
            *seen = new;
        } else if now > seen.last {
            seen.last = now;
            seen.count = seen.count.saturating_add(1);
        }
    }

    /// Forgets claims that were not seen since.
    pub fn forget_before(&mut self, then: Timestamp) {
        self.0.retain(|_, sighting| sighting.last >= then);
    }
}
