//! Scenarios: worlds and incidents as data, from `config/demo/*.toml`. Errors name the line and the nearest key.

pub(crate) mod backup;
pub(crate) mod build;
pub(crate) mod timeline;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::faults::Behaviour;
use timeline::Entry;

/// A whole scenario file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Scenario {
    /// One line for `--list`.
    pub title: String,
    /// Another scenario that this one adds to.
    #[serde(default)]
    pub base: Option<String>,
    #[serde(default)]
    pub drill: Option<Drill>,
    #[serde(default)]
    pub node: Vec<Node>,
    #[serde(default)]
    pub class: Vec<Class>,
    #[serde(default)]
    pub set: Vec<Set>,
    #[serde(default)]
    pub timeline: Vec<Entry>,
}

/// What a drill asks for.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Drill {
    /// The page as it came in.
    pub page: String,
    /// What has to be true in the end, for people.
    pub goal: String,
    /// The object that the drill is about: `namespace/name`.
    pub subject: String,
    /// What must hold for the incident to be mended.
    pub mended: timeline::Check,
    /// The runbook that leads through it.
    pub runbook: String,
    /// What the runbook would have done, in one or two sentences.
    pub advice: String,
    /// Simulated minutes after which the drill is over.
    pub minutes: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Node {
    pub zone: String,
    pub count: u32,
    #[serde(default = "node_cpu")]
    pub cpu: String,
    #[serde(default = "node_memory")]
    pub memory: String,
}

fn node_cpu() -> String {
    "16".to_owned()
}

fn node_memory() -> String {
    "64Gi".to_owned()
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Class {
    pub name: String,
    /// `type` of the disk: pd-standard, pd-balanced, pd-ssd.
    pub disk: String,
    #[serde(default)]
    pub default: bool,
    #[serde(default = "yes")]
    pub expandable: bool,
    #[serde(default)]
    pub immediate: bool,
    #[serde(default)]
    pub retain: bool,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Set {
    pub name: String,
    pub namespace: String,
    pub replicas: u32,
    #[serde(default)]
    pub tier: String,
    #[serde(default)]
    pub ordered: bool,
    #[serde(default)]
    pub zone: Option<String>,
    pub cpu: String,
    pub memory: String,
    #[serde(default = "grace")]
    pub grace: u32,
    /// Names of the users, in the order of the ordinals; `nobody` leaves one out.
    #[serde(default)]
    pub users: Vec<String>,
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
    /// Starts with more replicas, which leaves parked claims behind.
    #[serde(default)]
    pub parked: u32,
}

fn grace() -> u32 {
    120
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Volume {
    pub name: String,
    pub path: String,
    pub size: String,
    pub class: String,
    /// Share in use at the start, from 0 to 1; single disks vary around it.
    pub fill: f64,
    /// Growth per day, as a quantity.
    #[serde(default)]
    pub grows: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workspace {
    pub ordinal: u32,
    #[serde(default)]
    pub volume: Option<String>,
    #[serde(default)]
    pub fill: Option<f64>,
    #[serde(default)]
    pub grows: Option<String>,
    /// Share of the inodes in use.
    #[serde(default)]
    pub inodes: Option<f64>,
    #[serde(default)]
    pub behaviour: Option<Behaviour>,
    /// No backup was taken for this many hours.
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
    let mut scenario = parse(name, &text)?;
    if let Some(base) = scenario.base.take() {
        if base == name {
            bail!("scenario {name} is based on itself; name another one as `base`");
        }
        let mut whole = load(&base).with_context(|| format!("base of scenario {name}"))?;
        for node in scenario.node {
            whole.node.retain(|n| n.zone != node.zone);
            if node.count > 0 {
                whole.node.push(node);
            }
        }
        whole.class.extend(scenario.class);
        for set in scenario.set {
            whole
                .set
                .retain(|s| s.name != set.name || s.namespace != set.namespace);
            whole.set.push(set);
        }
        whole.timeline.extend(scenario.timeline);
        whole.title = scenario.title;
        whole.drill = scenario.drill;
        return Ok(whole);
    }
    Ok(scenario)
}

/// Reads a scenario; `name` is for the error alone.
pub(crate) fn parse(name: &str, text: &str) -> Result<Scenario> {
    toml::from_str(text).map_err(|error| {
        let line = error
            .span()
            .and_then(|span| text.get(..span.start))
            .map_or(1, |before| before.matches('\n').count() + 1);
        let mut message = format!("scenario {name}, line {line}: {}", error.message());
        if let Some(near) = nearest(error.message()) {
            message.push_str(&near);
        }
        anyhow::anyhow!(message)
    })
}

/// Which of the fields that an error of serde lists was meant by the unknown one.
fn nearest(message: &str) -> Option<String> {
    let rest = message.strip_prefix("unknown field `")?;
    let (wrong, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected")?;
    let best = known
        .split('`')
        .skip(1)
        .step_by(2)
        .min_by_key(|k| distance(wrong, k))?;
    Some(format!("; did you mean `{best}`?"))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut last = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0);
            let left = row.get(j).copied().unwrap_or(0);
            let best = (last + usize::from(x != *y)).min(above + 1).min(left + 1);
            last = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shipped_scenario_loads_and_has_what_its_kind_needs() {
        for (name, _) in SHIPPED {
            let scenario = load(name).unwrap();
            assert!(!scenario.set.is_empty(), "{name}");
            assert_eq!(scenario.drill.is_some(), *name != "morning", "{name}");
        }
    }

    #[test]
    fn an_error_names_the_line_and_the_nearest_key() {
        let error = parse("x", "title = \"a\"\ntimline = 3\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line 2"), "{error}");
        assert!(error.contains("did you mean `timeline`?"), "{error}");
    }
}
