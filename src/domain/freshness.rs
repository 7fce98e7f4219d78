//! What is known of a watched kind. Unknown, stale, denied and absent are four different
//! things; none of them may ever be shown as "none".

use jiff::Timestamp;
use strum::EnumCount as _;

use super::key::{Kind, Text};

#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Freshness {
    /// Nothing was heard yet.
    #[default]
    Never,
    /// The first list is under way.
    Syncing { seen: usize, remaining: Option<u64> },
    /// Everything is there and changes arrive.
    Live,
    /// It was live; rows are as of `since`.
    Stale { since: Timestamp, why: Text },
    /// This cluster has no such API.
    Absent { why: Text },
    /// A rule is missing, for instance `list volumesnapshots`.
    Denied { rule: Text },
    /// Nobody asked for it (for instance a cluster-wide kind, switched off).
    Off { why: Text },
}

impl Freshness {
    pub const fn is_live(&self) -> bool {
        matches!(self, Self::Live)
    }

    /// Whether rows that are there were complete at some time.
    pub const fn was_complete(&self) -> bool {
        matches!(self, Self::Live | Self::Stale { .. })
    }

    /// One word for machines; the JSON schema publishes these.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Syncing { .. } => "syncing",
            Self::Live => "live",
            Self::Stale { .. } => "stale",
            Self::Absent { .. } => "absent",
            Self::Denied { .. } => "denied",
            Self::Off { .. } => "off",
        }
    }

    /// Why it is not live, in words, when there is more to say than the word.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Stale { why, .. } | Self::Absent { why } | Self::Off { why } => Some(why),
            Self::Denied { rule } => Some(rule),
            _ => None,
        }
    }
}

/// The freshness of every kind.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Freshnesses([Freshness; Kind::COUNT]);

impl Freshnesses {
    pub fn get(&self, kind: Kind) -> &Freshness {
        &self.0[kind as usize]
    }

    /// Returns whether anything changed.
    pub fn set(&mut self, kind: Kind, freshness: Freshness) -> bool {
        let slot = &mut self.0[kind as usize];
        let changed = *slot != freshness;
        *slot = freshness;
        changed
    }

    pub fn is_live(&self, kind: Kind) -> bool {
        self.get(kind).is_live()
    }

    /// Those of `needed` that are not live, for a verdict to name.
    pub fn missing(&self, needed: &[Kind]) -> Vec<Kind> {
        needed
            .iter()
            .copied()
            .filter(|&k| !self.is_live(k))
            .collect()
    }
}
