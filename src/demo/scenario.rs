//! Scenarios: worlds and incidents as data, from `config/demo/*.toml`. Errors name the line and the nearest key.

pub(crate) mod backup;
pub(crate) mod build;
mod check;
pub(crate) mod read;
#[cfg(test)]
mod reference;
pub(crate) mod timeline;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::faults::Behaviour;
use read::{Fault, parse};
pub use read::{Name, Placed};
use timeline::Entry;

/// A whole scenario file.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// One line for `wsdash demo --list`.
    pub title: String,
    /// Another scenario that this one adds to: a shipped one by name, or the path of a file. Sets of the same name
    /// and nodes of the same zone take the place of those there; the timelines are played together.
    #[serde(default)]
    pub base: Option<Name>,
    /// Makes it a drill, which is judged.
    #[serde(default)]
    pub drill: Option<Drill>,
    /// Nodes, by zone.
    #[serde(default)]
    pub node: Vec<Node>,
    /// Storage classes.
    #[serde(default)]
    pub class: Vec<Class>,
    /// Sets of workspaces.
    #[serde(default)]
    pub set: Vec<Set>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub timeline: Vec<Entry>,
}

/// What a drill asks for.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drill {
    /// The page as it came in.
    pub page: String,
    /// What has to be true in the end, for people.
    pub goal: String,
    /// What the drill is about: `namespace/pod` for one workspace, `namespace/set` for all of a set. Whoever touches
    /// another workspace does harm.
    pub subject: Name,
    /// What must hold for the incident to be mended; see the checks below.
    pub mended: timeline::Check,
    /// The runbook that leads through it, when there is one.
    #[serde(default)]
    pub runbook: Option<Name>,
    /// What the runbook would have done, in one or two sentences.
    pub advice: String,
    /// Simulated minutes after which the drill is over.
    pub minutes: u32,
}

/// Nodes of one zone.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Node {
    /// Name of the zone.
    pub zone: String,
    /// How many; 0 takes the nodes of the base away.
    pub count: u32,
    /// CPU of each.
    #[serde(default = "node_cpu", deserialize_with = "read::quantity")]
    pub cpu: String,
    /// Memory of each.
    #[serde(default = "node_memory", deserialize_with = "read::quantity")]
    pub memory: String,
}

fn node_cpu() -> String {
    "16".to_owned()
}

fn node_memory() -> String {
    "64Gi".to_owned()
}

/// A storage class.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Class {
    /// Its name.
    pub name: String,
    /// `type` of the disk: pd-standard, pd-balanced, pd-ssd.
    pub disk: String,
    /// It is the class of claims that name none.
    #[serde(default)]
    pub default: bool,
    /// Claims can grow.
    #[serde(default = "yes")]
    pub expandable: bool,
    /// Volumes are made before a pod wants them.
    #[serde(default)]
    pub immediate: bool,
    /// Volumes stay when their claim is deleted.
    #[serde(default)]
    pub retain: bool,
}

fn yes() -> bool {
    true
}

/// A set of workspaces.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Set {
    /// Name of the StatefulSet.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// How many workspaces.
    pub replicas: u32,
    /// The label `tier` of everything it has.
    #[serde(default)]
    pub tier: String,
    /// Its pods start one after the other (`OrderedReady`).
    #[serde(default)]
    pub ordered: bool,
    /// Its pods run in this zone alone.
    #[serde(default)]
    pub zone: Option<Name>,
    /// CPU limit of a workspace.
    #[serde(deserialize_with = "read::quantity")]
    pub cpu: String,
    /// Memory limit of a workspace.
    #[serde(deserialize_with = "read::quantity")]
    pub memory: String,
    /// Grace of a pod, in seconds.
    #[serde(default = "grace")]
    pub grace: u32,
    /// Names of the users, in the order of the ordinals; `nobody` leaves one out.
    #[serde(default)]
    pub users: Vec<String>,
    /// Its claim templates.
    pub volume: Vec<Volume>,
    /// Hours between the backups; 0 for none.
    #[serde(default)]
    pub backup_hours: u32,
    /// No more than this many disruptions: the PodDisruptionBudget.
    #[serde(default)]
    pub max_unavailable: Option<u32>,
    /// What is special about single ordinals.
    #[serde(default)]
    pub workspace: Vec<Workspace>,
    /// So many replicas more at first, which leaves parked claims behind.
    #[serde(default)]
    pub parked: u32,
}

fn grace() -> u32 {
    120
}

/// A claim template of a set.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    /// Name of the template.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
    /// What a claim asks for.
    #[serde(deserialize_with = "read::quantity")]
    pub size: String,
    /// Name of the storage class.
    pub class: Name,
    /// Share in use at the start, from 0 to 1; single disks vary around it.
    #[serde(deserialize_with = "read::share")]
    pub fill: f64,
    /// Growth per day, as a quantity.
    #[serde(default, deserialize_with = "read::quantity_or_none")]
    pub grows: Option<String>,
}

/// What is special about one workspace.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workspace {
    /// Which one.
    pub ordinal: Placed<u32>,
    /// `fill`, `grows` and `inodes` are of this template; of all when it is absent.
    #[serde(default)]
    pub volume: Option<Name>,
    /// Share in use at the start, from 0 to 1.
    #[serde(default, deserialize_with = "read::share_or_none")]
    pub fill: Option<f64>,
    /// Growth per day, as a quantity.
    #[serde(default, deserialize_with = "read::quantity_or_none")]
    pub grows: Option<String>,
    /// Share of the inodes in use, from 0 to 1.
    #[serde(default, deserialize_with = "read::share_or_none")]
    pub inodes: Option<f64>,
    /// How its process misbehaves.
    #[serde(default)]
    pub behaviour: Option<Behaviour>,
    /// Its claims lost the label of the backup job so many hours ago.
    #[serde(default)]
    pub no_backup_hours: Option<u32>,
}

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        /// The scenarios in the binary: name and text.
        const SHIPPED: &[(&str, &str)] = &[$(($name, include_str!(concat!("../../config/demo/", $name, ".toml")))),*];
    };
}

shipped!(
    "morning",
    "disk-full",
    "inodes",
    "multi-attach",
    "resize-stuck",
    "snapshot-failing",
    "backup-stale",
    "claim-deleted",
    "orphans",
    "crash-loop",
    "zone-empty",
    "brown-out",
    "token-expired",
    "image-pull",
    "quota",
    "pdb-blocks",
);

/// Names and titles of the shipped scenarios; drills say so.
pub fn list() -> Result<Vec<(String, Scenario)>> {
    SHIPPED
        .iter()
        .map(|(name, text)| Ok(((*name).to_owned(), parse(name, text)?)))
        .collect()
}

/// A shipped scenario by name, or a file by path; with what it is based on.
pub(crate) fn load(name: &str) -> Result<Scenario> {
    load_above(name, &mut Vec::new())
}

/// `above` are the scenarios that are based on this one.
fn load_above(name: &str, above: &mut Vec<String>) -> Result<Scenario> {
    let text = match SHIPPED.iter().find(|(n, _)| *n == name) {
        Some((_, text)) => (*text).to_owned(),
        None if std::path::Path::new(name).extension().is_some() => {
            std::fs::read_to_string(name).with_context(|| format!("reading scenario {name}"))?
        }
        None => {
            let known: Vec<&str> = SHIPPED.iter().map(|(n, _)| *n).collect();
            bail!(
                "no scenario is called {name:?}; there are {} (or give the path of a .toml file)",
                known.join(", ")
            );
        }
    };
    let own = parse(name, &text)?;
    above.push(name.to_owned());
    let whole = match &own.base {
        Some(base) => {
            if above.iter().any(|n| **n == **base) {
                let fault = Fault {
                    message: format!(
                        "{} is based on itself ({} → {}); name another scenario as `base`",
                        **base,
                        above.join(" → "),
                        **base
                    ),
                    at: base.at(),
                };
                return Err(fault.in_file(name, &text));
            }
            let whole =
                load_above(base, above).with_context(|| format!("base of scenario {name}"))?;
            merge(whole, own.clone())
        }
        None => own.clone(),
    };
    check::references(&own, &whole).map_err(|fault| fault.in_file(name, &text))?;
    Ok(whole)
}

/// `whole` with what a scenario that is based on it says.
fn merge(mut whole: Scenario, own: Scenario) -> Scenario {
    for node in own.node {
        whole.node.retain(|n| n.zone != node.zone);
        if node.count > 0 {
            whole.node.push(node);
        }
    }
    for class in own.class {
        whole.class.retain(|c| c.name != class.name);
        whole.class.push(class);
    }
    for set in own.set {
        whole
            .set
            .retain(|s| s.name != set.name || s.namespace != set.namespace);
        whole.set.push(set);
    }
    whole.timeline.extend(own.timeline);
    whole.title = own.title;
    whole.drill = own.drill;
    whole
}

#[cfg(test)]
mod tests;
