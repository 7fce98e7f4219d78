//! Rights that a plan needs, from which the smallest Role is printed.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator as _;

use crate::domain::key::Kind;

/// One right of role-based access control. Reads as `create pods/exec in coditect-app`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Right {
    pub verb: String,
    /// API group; empty is the core group.
    pub group: String,
    /// Plural, with its subresource: `pods/exec`.
    pub resource: String,
    /// `None` is a resource without namespaces.
    pub namespace: Option<String>,
}

impl Right {
    pub fn new(verb: &str, group: &str, resource: &str, namespace: Option<&str>) -> Self {
        Self {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// A right on a watched kind; the namespace counts only where the kind has one.
    pub fn on(verb: &str, kind: Kind, namespace: &str) -> Self {
        Self::new(
            verb,
            kind.group(),
            kind.resource(),
            kind.namespaced().then_some(namespace),
        )
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (resource, sub) = self
            .resource
            .split_once('/')
            .unwrap_or((&self.resource, ""));
        write!(f, "{} {resource}", self.verb)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        if !sub.is_empty() {
            write!(f, "/{sub}")?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " in {namespace}"),
            None => Ok(()),
        }
    }
}

/// What every action needs: a lease of the workspace, and Events that tell of it.
pub fn record(namespace: &str) -> Vec<Right> {
    let leases = ["create", "get", "update", "delete"];
    let mut rights: Vec<Right> = leases
        .iter()
        .map(|verb| Right::new(verb, "coordination.k8s.io", "leases", Some(namespace)))
        .collect();
    rights.push(Right::new(
        "create",
        "events.k8s.io",
        "events",
        Some(namespace),
    ));
    rights
}

/// What reading alone needs, of every watched kind, and metrics.
pub fn read(namespace: &str) -> Vec<Right> {
    let mut rights: Vec<Right> = Kind::iter()
        .flat_map(|kind| ["get", "list", "watch"].map(|verb| Right::on(verb, kind, namespace)))
        .collect();
    for verb in ["get", "list"] {
        rights.push(Right::new(verb, "metrics.k8s.io", "pods", Some(namespace)));
    }
    rights.push(Right::new("get", "", "pods/log", Some(namespace)));
    rights
}

/// Commands in containers: servers from 1.35 ask for `create` as well (websocket).
pub fn exec(namespace: &str) -> Vec<Right> {
    ["get", "create"]
        .iter()
        .map(|verb| Right::new(verb, "", "pods/exec", Some(namespace)))
        .collect()
}
