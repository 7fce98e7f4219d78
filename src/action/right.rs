//! Rights that a plan needs, from which the smallest Role is printed.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::IntoEnumIterator as _;

use super::request::{ActionName, Request};
use super::{delete_claims, evict, purge, resize, restore, snapshot, template, verify};
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

/// A form of an action that needs more than its usual one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// A restore in place of the workspace.
    pub in_place: bool,
    /// A test whose pod comes back on another node.
    pub other_node: bool,
}

impl Form {
    pub const fn of(request: &Request) -> Self {
        Self {
            in_place: matches!(request, Request::Restore { in_place: true, .. }),
            other_node: matches!(
                request,
                Request::Verify {
                    other_node: true,
                    ..
                }
            ),
        }
    }
}

/// The smallest rights under which an action can be done. Those of an undo are [`undo`]'s.
pub fn of(action: ActionName, form: Form, namespace: &str) -> Vec<Right> {
    match action {
        ActionName::Snapshot => snapshot::rights(namespace),
        ActionName::Restore if form.in_place => restore::rights(namespace),
        ActionName::Restore => restore::rights_beside(namespace),
        ActionName::Resize => resize::rights(namespace),
        ActionName::Template => template::rights(namespace),
        ActionName::Orphans => delete_claims::rights(namespace),
        ActionName::Verify => {
            let mut rights = verify::rights(namespace);
            if form.other_node {
                rights.push(Right::on("patch", Kind::Node, namespace));
            }
            rights
        }
        ActionName::Evict => evict::rights(namespace),
        ActionName::Purge => purge::rights(namespace),
        ActionName::Undo => record(namespace),
    }
}

/// What taking an action back needs, which is not part of the action's own rights: whoever may do
/// something may be somebody else than who may take it back. `None` = there is no way back.
pub fn undo(action: ActionName, form: Form, namespace: &str) -> Option<Vec<Right>> {
    let mut rights = record(namespace);
    let calls: &[(Kind, &[&str])] = match action {
        ActionName::Snapshot => &[(Kind::Snapshot, &["get", "delete"])],
        ActionName::Orphans => &[
            (Kind::Snapshot, &["get", "delete"]),
            (Kind::Volume, &["get", "patch"]),
            (Kind::Claim, &["get", "create"]),
        ],
        ActionName::Restore if form.in_place => {
            rights.push(scale(namespace));
            // it asks whether somebody works there
            rights.extend(exec(namespace));
            &[
                (Kind::Snapshot, &["get", "delete"]),
                (Kind::Volume, &["get", "patch"]),
                (Kind::Claim, &["get", "create", "delete"]),
                (Kind::Pod, &["get", "delete"]),
                (Kind::Set, &["get", "patch", "create", "delete"]),
            ]
        }
        ActionName::Restore => &[
            (Kind::Claim, &["get", "delete"]),
            (Kind::Pod, &["get", "delete"]),
        ],
        ActionName::Template => &[(Kind::Set, &["get", "create", "delete"])],
        ActionName::Verify => {
            rights.extend(exec(namespace));
            if form.other_node {
                &[(Kind::Pod, &["get"]), (Kind::Node, &["get", "patch"])]
            } else {
                &[(Kind::Pod, &["get"])]
            }
        }
        ActionName::Resize | ActionName::Evict | ActionName::Purge | ActionName::Undo => {
            return None;
        }
    };
    for (kind, verbs) in calls {
        rights.extend(verbs.iter().map(|verb| Right::on(verb, *kind, namespace)));
    }
    Some(rights)
}

/// The command that prints the Role of what is asked for, or of taking it back.
pub fn command(request: &Request, takes_back: bool) -> String {
    let form = Form::of(request);
    let mut text = format!("wsdash rbac {}", request.action());
    for (is_so, flag) in [
        (form.in_place, " --in-place"),
        (form.other_node, " --other-node"),
        (takes_back, " --undo"),
    ] {
        if is_so {
            text.push_str(flag);
        }
    }
    text
}

/// Replicas of a set.
pub fn scale(namespace: &str) -> Right {
    Right::new("patch", "apps", "statefulsets/scale", Some(namespace))
}
