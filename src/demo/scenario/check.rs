//! Whether what a scenario names is there, in itself or in what it is based on.

use std::collections::BTreeSet;

use super::super::resource::Kind;
use super::read::{Fault, near};
use super::timeline::{Action, Check};
use super::{Name, Scenario, Set};
use crate::domain::finding::Code;

/// What the world of a scenario has, by the names that a scenario uses.
#[derive(Default)]
struct Known {
    zones: BTreeSet<String>,
    nodes: BTreeSet<String>,
    classes: BTreeSet<String>,
    namespaces: BTreeSet<String>,
    sets: BTreeSet<String>,
    budgets: BTreeSet<String>,
    pods: BTreeSet<String>,
    claims: BTreeSet<String>,
}

impl Known {
    fn of(whole: &Scenario) -> Self {
        let mut known = Self::default();
        for node in &whole.node {
            known.zones.insert(node.zone.clone());
            let names = (0..node.count).map(|n| super::build::node_name(&node.zone, n));
            known.nodes.extend(names);
        }
        known.classes = whole.class.iter().map(|c| c.name.clone()).collect();
        for set in &whole.set {
            let path = format!("{}/{}", set.namespace, set.name);
            known.namespaces.insert(set.namespace.clone());
            if set.max_unavailable.is_some() {
                known.budgets.insert(path.clone());
            }
            for ordinal in 0..most(whole, set, &path) {
                known.pods.insert(format!("{path}-{ordinal}"));
                for volume in &set.volume {
                    let claim = format!("{}-{}-{ordinal}", volume.name, set.name);
                    known.claims.insert(format!("{}/{claim}", set.namespace));
                }
            }
            known.sets.insert(path);
        }
        known
    }
}

/// Replicas that a set has at some time.
fn most(whole: &Scenario, set: &Set, path: &str) -> u32 {
    let scaled = whole.timeline.iter().filter_map(|e| match &e.action {
        Action::Scale { set, replicas } if **set == path => Some(*replicas),
        _ => None,
    });
    scaled.fold(set.replicas + set.parked, u32::max)
}

fn known_as(what: &str, name: &Name, known: &BTreeSet<String>) -> Result<(), Fault> {
    if known.contains(&**name) {
        return Ok(());
    }
    let hint = near(name, known.iter().map(String::as_str))
        .map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    Err(Fault {
        message: format!("there is no {what} {:?}{hint}", **name),
        at: name.at(),
    })
}

/// Checks what `own` names; `whole` is it with its bases.
pub(super) fn references(own: &Scenario, whole: &Scenario) -> Result<(), Fault> {
    let known = Known::of(whole);
    for set in &own.set {
        set_references(set, &known)?;
    }
    for entry in &own.timeline {
        action_references(&entry.action, &known)?;
    }
    let Some(drill) = &own.drill else {
        return Ok(());
    };
    let subjects: BTreeSet<String> = known.pods.union(&known.sets).cloned().collect();
    known_as("workspace or set", &drill.subject, &subjects)?;
    if let Some(code) = &drill.runbook
        && code.parse::<Code>().is_err()
    {
        let codes: BTreeSet<String> = <Code as strum::IntoEnumIterator>::iter()
            .map(|c| c.to_string())
            .collect();
        known_as("runbook", code, &codes)?;
    }
    check_references(&drill.mended, &known)
}

fn set_references(set: &Set, known: &Known) -> Result<(), Fault> {
    if let Some(zone) = &set.zone {
        known_as("zone", zone, &known.zones)?;
    }
    for volume in &set.volume {
        known_as("class", &volume.class, &known.classes)?;
    }
    let templates: BTreeSet<String> = set.volume.iter().map(|v| v.name.clone()).collect();
    for workspace in &set.workspace {
        if let Some(volume) = &workspace.volume {
            known_as("volume", volume, &templates)?;
        }
        let end = set.replicas + set.parked;
        if *workspace.ordinal >= end {
            return Err(Fault {
                message: format!(
                    "{} has no ordinal {}; its ordinals end before {end}",
                    set.name, *workspace.ordinal
                ),
                at: workspace.ordinal.at(),
            });
        }
    }
    Ok(())
}

fn action_references(action: &Action, known: &Known) -> Result<(), Fault> {
    match action {
        Action::NodeDown { node } | Action::NodeUp { node } => known_as("node", node, &known.nodes),
        Action::ZoneGone { zone } => known_as("zone", zone, &known.zones),
        Action::NodeOfPodDown { pod } | Action::DeletePod { pod } | Action::Behave { pod, .. } => {
            known_as("pod", pod, &known.pods)
        }
        Action::DeleteClaim { claim }
        | Action::Resize { claim, .. }
        | Action::Snapshot { claim, .. }
        | Action::Grow { claim, .. }
        | Action::ReadOnly { claim, .. } => known_as("claim", claim, &known.claims),
        Action::DeleteSet { set } | Action::Scale { set, .. } | Action::Rollout { set, .. } => {
            known_as("set", set, &known.sets)
        }
        Action::Unscrape { target } | Action::Scrape { target } => {
            let targets: BTreeSet<String> = known.pods.union(&known.nodes).cloned().collect();
            known_as("node or pod", target, &targets)
        }
        Action::Apply { object } => {
            let text = |key: &str| object.get(key).and_then(toml::Value::as_str).unwrap_or("");
            if Kind::of_kind(text("apiVersion"), text("kind")).is_some() {
                return Ok(());
            }
            Err(Fault {
                message: format!(
                    "the simulated cluster serves no {:?} of {:?}",
                    text("kind"),
                    text("apiVersion")
                ),
                at: object.at(),
            })
        }
        Action::SnapshotError { .. }
        | Action::SnapshotControllerDown { .. }
        | Action::ExpandError { .. }
        | Action::ProvisionError { .. }
        | Action::ApiFault { .. }
        | Action::TokenExpired { .. }
        | Action::ApiMissing { .. }
        | Action::PrometheusDown { .. } => Ok(()),
    }
}

fn check_references(check: &Check, known: &Known) -> Result<(), Fault> {
    match check {
        Check::PodReady { pod } => known_as("pod", pod, &known.pods),
        Check::DiskFree { claim, .. }
        | Check::SnapshotYounger { claim, .. }
        | Check::BackedUp { claim, .. }
        | Check::ClaimSize { claim, .. }
        | Check::DataSafe { claim } => known_as("claim", claim, &known.claims),
        Check::NoClaims { namespace, prefix } => {
            known_as("namespace", namespace, &known.namespaces)?;
            let path = format!("{}/{}", **namespace, **prefix);
            if known.claims.iter().any(|claim| claim.starts_with(&path)) {
                return Ok(());
            }
            Err(Fault {
                message: format!("there is no claim whose name begins with {:?}", **prefix),
                at: prefix.at(),
            })
        }
        Check::BudgetAllows { budget } => known_as("budget", budget, &known.budgets),
        Check::Time { .. } => Ok(()),
    }
}
