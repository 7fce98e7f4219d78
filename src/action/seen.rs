//! What a plan is computed from.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::autoscaler::Autoscalers;
use super::plan::{Place, RunId};
use super::refusal::{Refusal, RefusalKind};
use crate::domain::inventory::Inventory;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::Metrics;
pub use crate::domain::ownership::OrphanSettings;
use crate::domain::ownership::Sightings;
use crate::domain::policy::Policy;
use crate::domain::workspace::Workspace;

/// Everything that planning may look at.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub inventory: &'a Inventory,
    pub metrics: &'a Metrics,
    pub policy: &'a Policy,
    pub settings: &'a Settings,
    /// Whole objects, read at most-recent: resourceVersions, labels, manifests to keep. Empty
    /// in a preview from rows; calls then carry uids but no resourceVersion.
    pub objects: &'a Objects,
    /// Read for what scales a set or takes it away.
    pub autoscalers: &'a Autoscalers,
    /// How often claims were seen as such that nothing needs.
    pub sightings: &'a Sightings,
    pub place: &'a Place,
    /// Names of what the plan makes are derived from it, so that they can be found again.
    pub run: &'a RunId,
    /// Who acts, for annotations and events: `ann@desk`.
    pub by: &'a str,
    /// 256 random bits in hexadecimal, drawn for this run.
    pub nonce: &'a str,
    pub now: Timestamp,
}

impl<'a> Seen<'a> {
    /// The workspace of that name; refuses when there is none.
    pub fn workspace(&self, key: &ObjectKey) -> Result<&'a Workspace, Refusal> {
        self.inventory.workspace(key).ok_or_else(|| {
            Refusal::new(
                RefusalKind::NotFound,
                format!("there is no workspace {key}"),
                "`wsdash get workspaces` lists them",
            )
        })
    }

    /// Refuses unless every one of `kinds` is live: what is not known is never assumed.
    pub fn needs(&self, kinds: &[Kind]) -> Result<(), Refusal> {
        let missing = self.inventory.freshness().missing(kinds);
        if missing.is_empty() {
            return Ok(());
        }
        let words: Vec<String> = missing
            .iter()
            .map(|&kind| {
                let freshness = self.inventory.freshness().get(kind);
                match freshness.why() {
                    Some(why) => format!("{} ({why})", kind.short()),
                    None => format!("{} ({})", kind.short(), freshness.word()),
                }
            })
            .collect();
        Err(Refusal::new(
            RefusalKind::NotKnown,
            format!(
                "not everything that the proof needs is known: {}",
                words.join(", ")
            ),
            "wait until they are read, or ask for the right to read them",
        ))
    }
}

/// How actions are carried out and what they may do; filled in from the configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub snapshot_wait: SignedDuration,
    pub resize_wait: SignedDuration,
    pub restart_wait: SignedDuration,
    /// Between two snapshots of one disk, by CSI driver.
    pub snapshot_interval: BTreeMap<String, SignedDuration>,
    pub activity_annotation: Option<String>,
    pub session_annotation: Option<String>,
    /// 0 = none.
    pub session_port: u16,
    pub orphans: OrphanSettings,
    pub verify: VerifySettings,
}

/// The persistence verification test.
#[derive(Clone, Debug, PartialEq)]
pub struct VerifySettings {
    pub session_idle: SignedDuration,
    pub payload_bytes: u32,
    pub attach_within: SignedDuration,
    pub startup_within: SignedDuration,
    pub termination_slack: SignedDuration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            snapshot_wait: SignedDuration::from_mins(30),
            resize_wait: SignedDuration::from_mins(15),
            restart_wait: SignedDuration::from_mins(10),
            // https://cloud.google.com/compute/docs/disks/snapshots: one in ten minutes
            snapshot_interval: BTreeMap::from([(
                "pd.csi.storage.gke.io".to_owned(),
                SignedDuration::from_mins(10),
            )]),
            activity_annotation: None,
            session_annotation: None,
            session_port: 80,
            orphans: OrphanSettings {
                inactive: SignedDuration::from_hours(90 * 24),
                observations: 2,
                apart: SignedDuration::from_hours(6),
                parked: false,
                cap: 5,
                keep: SignedDuration::from_hours(30 * 24),
            },
            verify: VerifySettings {
                session_idle: SignedDuration::from_mins(30),
                payload_bytes: 1024 * 1024,
                attach_within: SignedDuration::from_secs(180),
                startup_within: SignedDuration::from_secs(120),
                termination_slack: SignedDuration::from_secs(60),
            },
        }
    }
}

/// Whole objects by kind and key, as the server sent them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Objects(BTreeMap<(Kind, ObjectKey), Value>);

impl Objects {
    pub fn insert(&mut self, kind: Kind, key: ObjectKey, object: Value) {
        self.0.insert((kind, key), object);
    }

    pub fn get(&self, kind: Kind, key: &ObjectKey) -> Option<&Value> {
        self.0.get(&(kind, key.clone()))
    }

    pub fn of(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Value)> {
        self.0
            .iter()
            .filter(move |((k, _), _)| *k == kind)
            .map(|((_, key), object)| (key, object))
    }

    /// A text inside of an object, by JSON pointer.
    pub fn text(&self, kind: Kind, key: &ObjectKey, pointer: &str) -> Option<&str> {
        self.get(kind, key)?.pointer(pointer)?.as_str()
    }

    pub fn version(&self, kind: Kind, key: &ObjectKey) -> Option<String> {
        self.text(kind, key, "/metadata/resourceVersion")
            .map(str::to_owned)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
