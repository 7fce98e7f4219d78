//! What a person asks for: small enough to type, kept in the journal, planned anew at will.

use serde::{Deserialize, Serialize};

use super::delete_claims;
use super::journal::Job;
use super::{purge, restore, template, undo, verify};
use crate::domain::inventory::Inventory;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;

/// The actions by name.
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
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::EnumIter,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum ActionName {
    Snapshot,
    Restore,
    Resize,
    Template,
    Orphans,
    Verify,
    Evict,
    Purge,
    Undo,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "request")]
pub enum Request {
    /// All claims of each workspace, as one set of snapshots a workspace.
    Snapshot {
        workspaces: Vec<ObjectKey>,
        wait: bool,
    },
    Resize {
        claim: ObjectKey,
        to: Growth,
    },
    /// The templates of a set as large as its largest claims.
    Template {
        set: ObjectKey,
        /// Whoever manages the set has the new sizes already.
        source_fixed: bool,
    },
    /// Ends the sessions: the pods are evicted, with their own grace.
    Evict {
        workspaces: Vec<ObjectKey>,
    },
    /// One claim after another.
    Orphans {
        claims: Vec<ObjectKey>,
    },
    /// Beside the workspace, into claims of other names.
    Restore {
        workspace: ObjectKey,
        /// A snapshot or the id of a set of snapshots; `None` = the newest complete set.
        from: Option<String>,
        in_place: bool,
        /// Only these claims of the workspace; empty = all.
        #[serde(default)]
        claims: Vec<ObjectKey>,
        /// In place: also where it cannot be told whether somebody works there, or whether what
        /// comes back is more than nothing.
        #[serde(default)]
        force: bool,
    },
    Verify {
        workspace: ObjectKey,
        force: bool,
        other_node: bool,
    },
    /// Give up the way back of past jobs: delete the volumes that were kept for them.
    Purge {
        jobs: Vec<String>,
    },
    Undo {
        job: String,
    },
}

/// How large a claim shall be.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Growth {
    To(#[serde(with = "quantity")] Quantity),
    By(#[serde(with = "quantity")] Quantity),
    /// Hundredths of the present request.
    ByPercent(u32),
}

impl Request {
    pub const fn action(&self) -> ActionName {
        match self {
            Self::Snapshot { .. } => ActionName::Snapshot,
            Self::Resize { .. } => ActionName::Resize,
            Self::Template { .. } => ActionName::Template,
            Self::Evict { .. } => ActionName::Evict,
            Self::Orphans { .. } => ActionName::Orphans,
            Self::Restore { .. } => ActionName::Restore,
            Self::Verify { .. } => ActionName::Verify,
            Self::Purge { .. } => ActionName::Purge,
            Self::Undo { .. } => ActionName::Undo,
        }
    }

    /// Whether its jobs keep volumes at the provider until they are purged.
    pub const fn keeps(&self) -> bool {
        matches!(
            self,
            Self::Orphans { .. } | Self::Restore { in_place: true, .. }
        )
    }

    /// The jobs that it is about.
    pub fn jobs(&self) -> &[String] {
        match self {
            Self::Undo { job } => std::slice::from_ref(job),
            Self::Purge { jobs } => jobs,
            _ => &[],
        }
    }

    /// The namespace that its keys name, if it names any.
    pub fn namespace(&self) -> Option<&str> {
        let key = match self {
            Self::Snapshot { workspaces, .. } | Self::Evict { workspaces } => workspaces.first(),
            Self::Orphans { claims } => claims.first(),
            Self::Resize { claim, .. } => Some(claim),
            Self::Template { set, .. } => Some(set),
            Self::Restore { workspace, .. } | Self::Verify { workspace, .. } => Some(workspace),
            Self::Purge { .. } | Self::Undo { .. } => None,
        };
        key.map(|key| &*key.namespace)
    }

    /// Kinds that planning needs as rows, all objects of the namespace.
    pub fn kinds(&self) -> Vec<Kind> {
        match self {
            Self::Snapshot { .. } => vec![
                Kind::Set,
                Kind::Pod,
                Kind::Claim,
                Kind::Snapshot,
                Kind::Attachment,
            ],
            Self::Resize { .. } | Self::Evict { .. } => vec![Kind::Set, Kind::Pod, Kind::Claim],
            Self::Undo { .. } => undo::kinds(),
            Self::Orphans { .. } => delete_claims::kinds(),
            Self::Purge { .. } => purge::kinds(),
            Self::Restore { in_place, .. } => {
                let mut kinds = restore::kinds();
                kinds.extend(in_place.then_some(Kind::Attachment));
                kinds
            }
            Self::Verify { .. } => verify::kinds(),
            Self::Template { .. } => template::kinds(),
        }
    }

    /// Whether planning asks who scales the set.
    pub const fn asks_for_autoscalers(&self) -> bool {
        matches!(
            self,
            Self::Template { .. } | Self::Restore { in_place: true, .. }
        )
    }

    /// Kinds of which planning needs the whole objects: few and small.
    pub fn whole_kinds(&self) -> Vec<Kind> {
        match self {
            Self::Snapshot { .. } => vec![Kind::SnapshotClass],
            Self::Evict { .. } | Self::Verify { .. } => vec![Kind::Budget],
            _ => Vec::new(),
        }
    }

    /// Objects that planning needs whole, as far as the rows tell which.
    pub fn objects(&self, inventory: &Inventory, jobs: &[Job]) -> Vec<(Kind, ObjectKey)> {
        let mut objects = Vec::new();
        match self {
            Self::Snapshot { workspaces, .. } => {
                for key in workspaces {
                    let Some(workspace) = inventory.workspace(key) else {
                        continue;
                    };
                    for (_, claim) in inventory.claims_of(workspace) {
                        objects.push((Kind::Claim, claim.meta.key.clone()));
                        let volume = claim.volume.as_ref().map(ObjectKey::unscoped);
                        objects.extend(volume.map(|key| (Kind::Volume, key)));
                    }
                }
            }
            Self::Resize { claim, .. } => {
                objects.push((Kind::Claim, claim.clone()));
                let class = inventory.claims.get(claim);
                let class = class.and_then(|claim| claim.storage_class.as_ref());
                let class = class.map(ObjectKey::unscoped);
                objects.extend(class.map(|key| (Kind::StorageClass, key)));
            }
            Self::Template { set, .. } => objects.push((Kind::Set, set.clone())),
            Self::Evict { workspaces } => {
                objects.extend(workspaces.iter().map(|key| (Kind::Pod, key.clone())));
            }
            Self::Orphans { claims } => {
                for key in claims {
                    objects.push((Kind::Claim, key.clone()));
                    let volume = inventory.claims.get(key).and_then(|c| c.volume.as_ref());
                    objects.extend(volume.map(|name| (Kind::Volume, ObjectKey::unscoped(name))));
                }
            }
            Self::Purge { .. } => objects = purge::objects(inventory, jobs),
            Self::Restore { workspace, .. } | Self::Verify { workspace, .. } => {
                objects = restore::objects(inventory, workspace);
            }
            Self::Undo { .. } => objects = undo::objects(inventory, jobs),
        }
        objects
    }
}

mod quantity {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::domain::quantity::Quantity;

    pub(super) fn serialize<S: Serializer>(quantity: &Quantity, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&quantity.canonical())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Quantity, D::Error> {
        Quantity::parse(&String::deserialize(d)?).map_err(D::Error::custom)
    }
}
