//! How findings speak: ages, sizes, evidence with its source, and the steps that many share.

use jiff::{SignedDuration, Timestamp};

use super::Case;
use crate::domain::claim::Claim;
use crate::domain::event::Event;
use crate::domain::finding::{Evidence, Explanation, Finding, Step};
use crate::domain::freshness::Freshness;
use crate::domain::growth::suggested_size;
use crate::domain::key::Kind;
use crate::domain::quantity::{Quantity, human_bytes};

/// A duration in its largest fitting unit, as kubectl does: `42s`, `38m`, `26h`, `12d`.
pub fn human_duration(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m", seconds / 60),
        7_200..=172_799 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// How long ago that was: `38m`.
pub fn ago(now: Timestamp, at: Timestamp) -> String {
    human_duration(now.duration_since(at))
}

pub(super) fn says(sentence: impl Into<String>, clears: impl Into<String>) -> Explanation {
    Explanation {
        sentence: sentence.into(),
        evidence: Vec::new(),
        clears: clears.into(),
        steps: Vec::new(),
    }
}

impl Explanation {
    /// A fact that a row of this kind tells. If the kind is not live, the fact says as of when.
    pub(super) fn fact(
        mut self,
        case: &Case<'_>,
        kind: Kind,
        text: impl Into<String>,
        at: Option<Timestamp>,
    ) -> Self {
        let mut text = text.into();
        if let Some(note) = as_of(case, kind) {
            text.push_str(&note);
        }
        self.evidence.push(Evidence {
            text,
            at,
            source: kind.resource(),
        });
        self
    }

    pub(super) fn event(self, case: &Case<'_>, event: &Event) -> Self {
        let times = if event.count > 1 {
            format!(" ({} times)", event.count)
        } else {
            String::new()
        };
        let text = format!("{}: {}{times}", event.reason, one_line(&event.message));
        self.fact(case, Kind::Event, text, Some(event.last))
    }

    /// A measured value, with its own time and source.
    pub(super) fn reading(
        mut self,
        text: impl Into<String>,
        at: Timestamp,
        source: &'static str,
    ) -> Self {
        self.evidence.push(Evidence {
            text: text.into(),
            at: Some(at),
            source,
        });
        self
    }

    /// A step that a command of wsdash does.
    pub(super) fn step(mut self, command: &'static str, text: impl Into<String>) -> Self {
        self.steps.push(Step {
            command: Some(command),
            text: text.into(),
        });
        self
    }

    /// A step that is done elsewhere, or something to leave alone.
    pub(super) fn advice(mut self, text: impl Into<String>) -> Self {
        self.steps.push(Step {
            command: None,
            text: text.into(),
        });
        self
    }

    pub(super) fn runbook(self, finding: &Finding) -> Self {
        self.step("runbook", format!("runbook {}", finding.code))
    }

    /// The way back of a claim: its newest ready snapshot, or why nothing can be said of it.
    pub(super) fn backup(self, case: &Case<'_>, claim: &Claim) -> Self {
        let key = &claim.meta.key;
        let newest = case.inventory.newest_ready_snapshot(key);
        let live = case.is_live(Kind::Snapshot);
        let (text, at) = match newest {
            Some(snapshot) => {
                let at = snapshot.point_in_time();
                let late = if case.now.duration_since(at) > case.policy.snapshot_max_age {
                    let policy = human_duration(case.policy.snapshot_max_age);
                    format!(", older than the policy of {policy}")
                } else {
                    String::new()
                };
                let age = ago(case.now, at);
                let name = &snapshot.meta.key.name;
                (
                    format!(
                        "newest ready snapshot of {} is {age} old ({name}){late}",
                        key.name
                    ),
                    Some(at),
                )
            }
            None if live => (
                format!("no ready snapshot of {}: there is no way back", key.name),
                None,
            ),
            None => (
                format!(
                    "whether {} has a snapshot is not known: {}",
                    key.name,
                    why_not(case, Kind::Snapshot)
                ),
                None,
            ),
        };
        self.fact(case, Kind::Snapshot, text, at)
    }

    /// What stands of the volume's fate when its claim goes.
    pub(super) fn fate(self, case: &Case<'_>, claim: &Claim) -> Self {
        use crate::domain::volume::Reclaim;
        let Some(name) = &claim.volume else {
            return self;
        };
        let text = match case.inventory.volume_of(claim).map(|v| v.reclaim) {
            Some(Reclaim::Retain) => {
                format!("volume {name} is Retain: its disk stays when the claim goes")
            }
            Some(_) => format!("volume {name} is Delete: its disk goes with the claim"),
            None => format!(
                "whether volume {name} outlives its claim is not known: {}",
                why_not(case, Kind::Volume)
            ),
        };
        self.fact(case, Kind::Volume, text, None)
    }
}

/// ` (as of 4m ago: connection refused)` when the kind is not live.
fn as_of(case: &Case<'_>, kind: Kind) -> Option<String> {
    match case.freshness().get(kind) {
        Freshness::Stale { since, why } => {
            Some(format!(" (as of {} ago: {why})", ago(case.now, *since)))
        }
        // Live needs no note; where nothing at all is known the sentence says so itself.
        _ => None,
    }
}

/// An amount of a quota's resource: sizes in bytes, all else as counts.
pub(super) fn human_amount(resource: &str, amount: Quantity) -> String {
    let sizes = ["storage", "memory", "hugepages"];
    if sizes.iter().any(|s| resource.contains(s)) && !resource.ends_with("claims") {
        amount.human()
    } else if amount.millis() % 1000 == 0 {
        amount.value().to_string()
    } else {
        amount.canonical()
    }
}

/// Why nothing can be said of a kind.
pub(super) fn why_not(case: &Case<'_>, kind: Kind) -> String {
    let freshness = case.freshness().get(kind);
    match freshness {
        Freshness::Live => format!("no such {}", kind.object()),
        Freshness::Denied { rule } => format!("not allowed to {rule}"),
        _ => match freshness.why() {
            Some(why) => format!("{} are {} ({why})", kind.resource(), freshness.word()),
            None => format!("{} are {}", kind.resource(), freshness.word()),
        },
    }
}

/// The first line of a message, cut where it stops being read.
pub(super) fn one_line(message: &str) -> String {
    const LIMIT: usize = 200;
    let line = message.lines().next().unwrap_or_default().trim();
    match line.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or(line)),
        None => line.to_owned(),
    }
}

/// The resize step with its consequences, as far as they are known.
pub(super) fn resize_step(explanation: Explanation, case: &Case<'_>, claim: &Claim) -> Explanation {
    let Some(size) = claim.capacity.or(claim.request) else {
        return explanation;
    };
    let target = suggested_size(size, case.metrics.disk(&claim.meta.key));
    let class = claim.storage_class.as_deref().unwrap_or("of no class");
    let can = match case.inventory.storage_class_of(claim) {
        Some(row) if row.expandable => format!("class {class} can"),
        Some(_) => {
            return explanation.advice(format!(
                "class {class} cannot grow a volume: restore a snapshot into a larger claim"
            ));
        }
        None => format!(
            "whether class {class} can is not known: {}",
            why_not(case, Kind::StorageClass)
        ),
    };
    let left = quota_left(case, claim);
    let quota = match left {
        Some(left) if left < target.as_f64() - size.as_f64() => {
            format!(", but the quota leaves only {}", human_bytes(left))
        }
        Some(left) => format!(", quota leaves {}", human_bytes(left)),
        None => String::new(),
    };
    explanation.step(
        "resize",
        format!("resize to {} ({can}{quota})", target.canonical()),
    )
}

/// Bytes that the quotas of a namespace leave to new requests of a claim's class, if any does.
fn quota_left(case: &Case<'_>, claim: &Claim) -> Option<f64> {
    let of_class = claim
        .storage_class
        .as_ref()
        .map(|class| format!("{class}.storageclass.storage.k8s.io/requests.storage"));
    let limits = |name: &str| name == "requests.storage" || of_class.as_deref() == Some(name);
    case.inventory
        .quotas
        .values()
        .filter(|q| q.meta.key.namespace == claim.meta.key.namespace)
        .flat_map(|q| {
            let hard = q.hard.iter().filter(|(name, _)| limits(name));
            hard.filter_map(|(name, hard)| {
                let (_, used) = q.used.iter().find(|(used, _)| used == name)?;
                Some(hard.as_f64() - used.as_f64())
            })
        })
        .min_by(f64::total_cmp)
        .map(|left| left.max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(-5, "0s")]
    #[case(0, "0s")]
    #[case(119, "119s")]
    #[case(120, "2m")]
    #[case(38 * 60, "38m")]
    #[case(7_199, "119m")]
    #[case(26 * 3600, "26h")]
    #[case(12 * 86_400 + 5, "12d")]
    fn a_duration_is_told_in_its_largest_fitting_unit(#[case] seconds: i64, #[case] text: &str) {
        assert_eq!(human_duration(SignedDuration::from_secs(seconds)), text);
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(one_line(&"é".repeat(500)).chars().count(), 201);
        assert_eq!(one_line("first\nsecond"), "first");
        assert_eq!(one_line(""), "");
    }
}
