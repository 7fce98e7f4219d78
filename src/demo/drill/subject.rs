//! What a drill is about, and which objects belong to it: the set, the pods, claims, volumes, snapshots, and the
//! nodes that its pods run or ran on.

use std::collections::BTreeSet;

use crate::demo::object::{Fields, Object};
use crate::demo::resource::{Key, Kind};
use crate::demo::world::World;

#[derive(Debug)]
pub(super) struct Subject {
    namespace: String,
    set: String,
    /// One workspace of the set; all of them when `None`.
    pod: Option<String>,
    nodes: BTreeSet<String>,
}

fn is_ordinal(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Subject {
    /// `namespace/set` or `namespace/pod`.
    pub(super) fn parse(text: &str) -> Self {
        let (namespace, name) = text.split_once('/').unwrap_or(("", text));
        let (set, pod) = match name.rsplit_once('-') {
            Some((set, ordinal)) if is_ordinal(ordinal) => (set, Some(name.to_owned())),
            _ => (name, None),
        };
        Self {
            namespace: namespace.to_owned(),
            set: set.to_owned(),
            pod,
            nodes: BTreeSet::new(),
        }
    }

    /// Remembers where its pods run.
    pub(super) fn follow(&mut self, world: &World) {
        for pod in world.store.list(Kind::Pod, &self.namespace) {
            let node = pod.text("spec/nodeName");
            if !node.is_empty() && !self.nodes.contains(node) && self.is_pod(pod.name()) {
                self.nodes.insert(node.to_owned());
            }
        }
    }

    fn is_pod(&self, name: &str) -> bool {
        match &self.pod {
            Some(pod) => name == pod,
            None => (name.strip_prefix(&self.set))
                .and_then(|rest| rest.strip_prefix('-'))
                .is_some_and(is_ordinal),
        }
    }

    /// `<template>-<pod>`.
    fn is_claim(&self, namespace: &str, name: &str) -> bool {
        namespace == self.namespace
            && name
                .match_indices('-')
                .any(|(dash, _)| name.get(dash + 1..).is_some_and(|pod| self.is_pod(pod)))
    }

    fn is_volume(&self, volume: &Object) -> bool {
        let claim = volume.at("spec/claimRef");
        self.is_claim(claim.text("namespace"), claim.text("name"))
    }

    /// The object belongs to other workspaces than this. What workspaces share in its namespace (budgets, quotas,
    /// jobs) is nobody's alone, and neither are classes and roles.
    pub(super) fn is_elsewhere(&self, world: &World, key: &Key, object: &Object) -> bool {
        let here = key.namespace == self.namespace;
        match key.kind {
            Kind::Event | Kind::Lease => false,
            Kind::Namespace => key.name != self.namespace,
            Kind::StatefulSet => !here || key.name != self.set,
            Kind::Pod => !here || !self.is_pod(&key.name),
            Kind::Claim => !self.is_claim(&key.namespace, &key.name),
            Kind::Volume => !self.is_volume(object),
            Kind::Node => !self.nodes.contains(&key.name),
            Kind::Snapshot => {
                let claim = object.text("spec/source/persistentVolumeClaimName");
                !claim.is_empty() && !self.is_claim(&key.namespace, claim)
            }
            Kind::SnapshotContent => {
                let handle = object.text("spec/source/volumeHandle");
                (world.store.list(Kind::Volume, ""))
                    .find(|v| v.text("spec/csi/volumeHandle") == handle)
                    .is_some_and(|v| !self.is_volume(v))
            }
            _ => key.kind.resource().namespaced && !here,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_not_taken_for_its_neighbour() {
        let one = Subject::parse("app/ide-1");
        assert!(one.is_pod("ide-1") && !one.is_pod("ide-11") && !one.is_pod("ide-2"));
        assert!(one.is_claim("app", "home-dir-ide-1"));
        for (namespace, claim) in [
            ("app", "home-ide-11"),
            ("app", "home-my-ide-2"),
            ("other", "home-ide-1"),
        ] {
            assert!(!one.is_claim(namespace, claim), "{namespace}/{claim}");
        }
        let all = Subject::parse("app/ide");
        assert!(all.is_pod("ide-0") && all.is_pod("ide-17"));
        assert!(!all.is_pod("ide-dev-3") && !all.is_pod("ide"));
    }
}
