//! Whose claim is it? Every claim gets one class with its evidence, and only proof makes it one
//! that nothing needs. Must not delete, ask or remember: rows in, verdict out.
//!
//! The first test that fits decides, and tests for a need come before those for missing
//! knowledge: a row that shows a need is believed even when it is old, a row that is missing
//! proves nothing unless its kind is live.

mod inactive;
mod released;
mod sighting;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use inactive::{Hints, Inactive, Sign, SignOf};
pub use released::{Released, released};
pub use sighting::{Sighting, Sightings};

use super::claim::{Claim, ClaimPhase};
use super::findings::human_duration;
use super::freshness::Freshness;
use super::inventory::{Inventory, beside};
use super::key::{Kind, ObjectKey};
use super::volume::VolumePhase;
use super::workload::split_ordinal;

/// Kinds of which every object must be known before a claim can be one that nothing needs.
pub const NEEDED: [Kind; 11] = [
    Kind::Set,
    Kind::Pod,
    Kind::Claim,
    Kind::Volume,
    Kind::Attachment,
    Kind::Snapshot,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
];

/// Finalizers of a claim that something is being copied from.
const COPIED_FROM: [&str; 2] = [
    "snapshot.storage.kubernetes.io/pvc-as-source-protection",
    "provisioner.storage.kubernetes.io/cloning-protection",
];
/// Conditions of a claim whose disk is being changed. Names: `core/v1` `types.go`.
const CHANGING: [&str; 5] = [
    "Resizing",
    "FileSystemResizePending",
    "ControllerResizeError",
    "NodeResizeError",
    "ModifyingVolume",
];

/// What a claim is, in the order in which it is asked.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    serde::Deserialize,
    strum::Display,
    strum::EnumIter,
    strum::EnumString,
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Class {
    /// Being deleted already.
    Terminating,
    /// Pending or lost: there is no disk to judge.
    NotBound,
    /// A pod names it, in whatever phase.
    InUse,
    /// Its volume is attached to a node, which may be dead or not.
    Attached,
    /// A live set makes it, with this ordinal in range.
    Expected,
    /// Somebody owns it, and decides.
    Owned,
    /// A pod template names it, even with no pod.
    TemplateRef,
    /// Something is being copied from it, or its disk is being changed.
    SnapOrCloneSource,
    /// Somebody put a hold on it.
    Held,
    /// Not everything that must be known is known.
    Unknown,
    /// Its set lives, without this ordinal.
    Parked,
    /// It cannot be told whose it was.
    Ambiguous,
    /// Its set is gone, and nothing needs it.
    Orphan,
}

impl Class {
    /// Whether it may become one that can be deleted.
    pub const fn is_candidate(self) -> bool {
        matches!(self, Self::Parked | Self::Orphan)
    }
}

/// When a claim that nothing needs may be deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct OrphanSettings {
    /// Not used for this long, by all evidence. Zero = its use is not asked for.
    pub inactive: SignedDuration,
    /// Seen as such this often.
    pub observations: u32,
    /// The first and the last of these are this far apart.
    pub apart: SignedDuration,
    /// Whether parked claims count as well.
    pub parked: bool,
    /// Claims in one run at most.
    pub cap: u32,
    /// The volume and the snapshot of a deleted claim are kept this long.
    pub keep: SignedDuration,
}

/// Something that was seen, for or against a class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    pub says: String,
    /// The object that says so, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<(Kind, ObjectKey)>,
}

impl Evidence {
    fn plain(says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            object: None,
        }
    }

    fn of(kind: Kind, key: &ObjectKey, says: impl Into<String>) -> Self {
        Self {
            says: says.into(),
            object: Some((kind, key.clone())),
        }
    }
}

/// The verdict on one claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    pub class: Class,
    pub evidence: Vec<Evidence>,
    pub inactive: Inactive,
    /// Why it may not be deleted, a sentence each. Empty = it may, by a plan that looks again.
    pub blockers: Vec<String>,
}

impl Verdict {
    pub fn is_deletable(&self) -> bool {
        self.blockers.is_empty()
    }
}

/// Classifies one claim. `None` = there is no such claim. Costs a handful of look-ups.
pub fn classify(inventory: &Inventory, key: &ObjectKey) -> Option<(Class, Vec<Evidence>)> {
    let claim = inventory.claims.get(key)?;
    let tests = [
        ended,
        unbound,
        used,
        attached,
        expected,
        owned,
        referred_to,
        copied,
        held,
        unknown,
        whose,
    ];
    tests
        .iter()
        .find_map(|test| test(inventory, claim))
        .or_else(|| {
            Some((
                Class::Ambiguous,
                vec![Evidence::plain("nothing is known of it")],
            ))
        })
}

/// Classifies, and says whether the claim may be deleted: the class, how long it has not been
/// used, how often it was seen so, and whether its disk is surely its own.
pub fn judge(
    inventory: &Inventory,
    key: &ObjectKey,
    settings: &OrphanSettings,
    hints: &Hints,
    sighting: Option<&Sighting>,
    now: Timestamp,
) -> Option<Verdict> {
    let claim = inventory.claims.get(key)?;
    let (class, evidence) = classify(inventory, key)?;
    let inactive = inactive::since(inventory, claim, hints);
    let mut blockers = Vec::new();
    match class {
        Class::Orphan => {}
        Class::Parked if settings.parked => {}
        Class::Parked => blockers.push(
            "it is parked: its set lives, and the policy leaves such claims alone".to_owned(),
        ),
        class => blockers.push(format!("it is {class}: {}", first(&evidence))),
    }
    if class.is_candidate() {
        blockers.extend(too_young(&inactive, settings, now));
        blockers.extend(too_seldom(class, sighting, settings));
        blockers.extend(unproven_disk(inventory, claim));
    }
    Some(Verdict {
        class,
        evidence,
        inactive,
        blockers,
    })
}

fn first(evidence: &[Evidence]) -> &str {
    evidence.first().map_or("", |line| &line.says)
}

fn too_young(inactive: &Inactive, settings: &OrphanSettings, now: Timestamp) -> Option<String> {
    if settings.inactive <= SignedDuration::ZERO {
        return None;
    }
    let Some(since) = inactive.since else {
        return Some(format!(
            "since when it is not used is not known: it has no Unused condition and no activity \
             annotation, and {}",
            inactive.history
        ));
    };
    let age = now.duration_since(since);
    (age < settings.inactive).then(|| {
        format!(
            "it was used {} ago, and the policy asks for {}",
            human_duration(age.max(SignedDuration::ZERO)),
            human_duration(settings.inactive)
        )
    })
}

fn too_seldom(
    class: Class,
    sighting: Option<&Sighting>,
    settings: &OrphanSettings,
) -> Option<String> {
    let sighting = sighting.filter(|s| s.class == class);
    let count = sighting.map_or(0, |s| s.count);
    if count < settings.observations {
        return Some(format!(
            "it was seen so {count} times, and the policy asks for {}",
            settings.observations
        ));
    }
    let apart = sighting.map_or(SignedDuration::ZERO, Sighting::span);
    (apart < settings.apart).then(|| {
        format!(
            "it was seen so over {} only, and the policy asks for {}",
            human_duration(apart),
            human_duration(settings.apart)
        )
    })
}

/// Without the disk's own name no snapshot can be proven to be of it.
fn unproven_disk(inventory: &Inventory, claim: &Claim) -> Option<String> {
    let snapshots = inventory.freshness().get(Kind::Snapshot);
    if matches!(snapshots, Freshness::Absent { .. }) {
        return Some("this cluster has no volume snapshots, so there is no way back".to_owned());
    }
    let Some(volume) = inventory.volume_of(claim) else {
        return Some("its volume is not there".to_owned());
    };
    let name = &volume.meta.key.name;
    if volume.phase != VolumePhase::Bound || volume.meta.deleted.is_some() {
        return Some(format!("its volume {name} is {}", volume.phase));
    }
    let serves = volume.claim.as_ref();
    if !serves.is_some_and(|c| c.key == claim.meta.key && c.uid.as_ref() == Some(&claim.meta.uid)) {
        return Some(format!("its volume {name} names another claim"));
    }
    (volume.handle.is_none() || volume.driver.is_none())
        .then(|| format!("its volume {name} is not of a CSI driver, so it cannot be snapshotted"))
}

type Found = Option<(Class, Vec<Evidence>)>;

/// The class, if anything speaks for it.
fn some(class: Class, evidence: impl IntoIterator<Item = Evidence>) -> Found {
    let evidence: Vec<Evidence> = evidence.into_iter().collect();
    (!evidence.is_empty()).then_some((class, evidence))
}

fn ended(_: &Inventory, claim: &Claim) -> Found {
    claim.meta.deleted?;
    let held_by = claim.finalizers.join(", ");
    some(
        Class::Terminating,
        [Evidence::plain(if held_by.is_empty() {
            "its deletion was asked for".to_owned()
        } else {
            format!("its deletion was asked for and waits for {held_by}")
        })],
    )
}

fn unbound(_: &Inventory, claim: &Claim) -> Found {
    if claim.phase == ClaimPhase::Bound && claim.volume.is_some() {
        return None;
    }
    some(
        Class::NotBound,
        [Evidence::plain(format!(
            "it is {}, bound to no volume",
            claim.phase
        ))],
    )
}

/// Pods in any phase: protection of the claim looks at completed ones, too
/// (`pvc_protection_controller.go`, `podUsesPVC`).
fn used(inventory: &Inventory, claim: &Claim) -> Found {
    let pods = inventory.pods_of_claim(&claim.meta.key);
    let lines = pods.map(|pod| {
        let key = &pod.meta.key;
        Evidence::of(
            Kind::Pod,
            key,
            format!("pod {} ({}) names it", key.name, pod.status()),
        )
    });
    some(Class::InUse, lines)
}

/// Whatever state the attachment is in: one that is on its way to a node is none that is gone.
fn attached(inventory: &Inventory, claim: &Claim) -> Found {
    let volume = claim.volume.as_deref()?;
    let lines = inventory.attachments_of(volume).map(|attachment| {
        let word = if attachment.attached {
            "attached to"
        } else {
            "on its way to or from"
        };
        Evidence::of(
            Kind::Attachment,
            &attachment.meta.key,
            format!("its volume {volume} is {word} node {}", attachment.node),
        )
    });
    some(Class::Attached, lines)
}

fn expected(inventory: &Inventory, claim: &Claim) -> Found {
    let makers = inventory.makers_of(&claim.meta.key);
    let lines = makers
        .into_iter()
        .filter(|maker| maker.set.ordinals().contains(&maker.ordinal))
        .map(|maker| {
            let set = &maker.set.meta.key;
            let says = format!(
                "set {} makes it, ordinal {} of [{}, {})",
                set.name,
                maker.ordinal,
                maker.set.ordinals().start,
                maker.set.ordinals().end
            );
            Evidence::of(Kind::Set, set, says)
        });
    some(Class::Expected, lines)
}

fn owned(inventory: &Inventory, claim: &Claim) -> Found {
    let lines = claim.owners.iter().map(|owner| {
        let key = beside(&claim.meta.key, &owner.name);
        let live = match &*owner.kind {
            "StatefulSet" => inventory.sets.get(&key).map(|set| &set.meta.uid),
            "Pod" => inventory.pods.get(&key).map(|pod| &pod.meta.uid),
            _ => None,
        };
        let stale = live.is_some_and(|uid| *uid != owner.uid);
        let note = if stale {
            ", but with another uid: garbage collection will delete the claim"
        } else {
            ""
        };
        let says = format!("{} {} owns it{note}", owner.kind, owner.name);
        match Kind::of_object(&owner.kind) {
            Some(kind) => Evidence::of(kind, &key, says),
            None => Evidence::plain(says),
        }
    });
    some(Class::Owned, lines)
}

fn referred_to(inventory: &Inventory, claim: &Claim) -> Found {
    let lines = inventory.references_to(&claim.meta.key).map(|(kind, key)| {
        let says = format!(
            "the pod template of {} {} names it",
            kind.object(),
            key.name
        );
        Evidence::of(kind, &key, says)
    });
    some(Class::TemplateRef, lines)
}

fn copied(inventory: &Inventory, claim: &Claim) -> Found {
    let mut lines: Vec<Evidence> = inventory
        .snapshots_of(&claim.meta.key)
        .filter(|snapshot| snapshot.ready != Some(true))
        .map(|snapshot| {
            let key = &snapshot.meta.key;
            let says = format!("snapshot {} of it is not ready", key.name);
            Evidence::of(Kind::Snapshot, key, says)
        })
        .collect();
    let finalizers = claim.finalizers.iter();
    lines.extend(
        finalizers
            .filter(|finalizer| COPIED_FROM.contains(&&***finalizer))
            .map(|finalizer| Evidence::plain(format!("it is being copied from ({finalizer})"))),
    );
    if claim.is_growing() {
        lines.push(Evidence::plain("a resize is under way"));
    }
    let conditions = CHANGING.iter().filter_map(|kind| claim.condition(kind));
    lines.extend(conditions.map(|c| Evidence::plain(format!("it has the condition {}", c.kind))));
    some(Class::SnapOrCloneSource, lines)
}

fn held(_: &Inventory, claim: &Claim) -> Found {
    let says = "a label or annotation holds it";
    claim
        .held
        .then(|| (Class::Held, vec![Evidence::plain(says)]))
}

/// That there are no snapshots at all is knowledge; of every other kind only a whole list is.
fn unknown(inventory: &Inventory, _: &Claim) -> Found {
    let freshness = inventory.freshness();
    let mut missing = freshness.missing(&NEEDED);
    let is_absent = matches!(freshness.get(Kind::Snapshot), Freshness::Absent { .. });
    missing.retain(|kind| *kind != Kind::Snapshot || !is_absent);
    let lines = missing.into_iter().map(|kind| {
        let of = freshness.get(kind);
        let why = of.why().map_or_else(String::new, |why| format!(": {why}"));
        Evidence::plain(format!("{} are {}{why}", kind.short(), of.word()))
    });
    some(Class::Unknown, lines)
}

/// What nobody needs, by whose it was.
fn whose(inventory: &Inventory, claim: &Claim) -> Found {
    let key = &claim.meta.key;
    let makers = inventory.makers_of(key);
    if let Some(maker) = makers.first() {
        let set = &maker.set.meta.key;
        let range = maker.set.ordinals();
        let says = format!(
            "set {} lives and has no ordinal {} now, only [{}, {})",
            set.name, maker.ordinal, range.start, range.end
        );
        return some(Class::Parked, [Evidence::of(Kind::Set, set, says)]);
    }
    if split_ordinal(&key.name).is_none() {
        let says = "its name is none that a set gives, so whose it is cannot be told";
        return some(Class::Ambiguous, [Evidence::plain(says)]);
    }
    let fits = inventory.possible_makers(key);
    let names: Vec<String> = fits
        .iter()
        .map(|(set, template)| format!("template {template} of set {}", set.name))
        .collect();
    match fits.as_slice() {
        [] => some(
            Class::Ambiguous,
            [Evidence::plain(
                "no label and no configured template name tells which set made it",
            )],
        ),
        [(set, template)] if inventory.sets.get(set).is_some() => some(
            Class::Ambiguous,
            [Evidence::of(
                Kind::Set,
                set,
                format!("set {} lives, but has no template {template}", set.name),
            )],
        ),
        [(set, template)] => some(
            Class::Orphan,
            vec![
                Evidence::plain(format!(
                    "it was made by template {template} of set {}, and there is no such set",
                    set.name
                )),
                Evidence::plain(
                    "no pod, attachment, owner or pod template names it, and everything was seen",
                ),
            ],
        ),
        _ => some(
            Class::Ambiguous,
            [Evidence::plain(format!(
                "several sets may have made it: {}",
                names.join(", ")
            ))],
        ),
    }
}

#[cfg(test)]
mod tests;
