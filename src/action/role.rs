//! The smallest Role and ClusterRole of a set of rights, as manifests.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::right::Right;

/// `(group, verbs)` → resources.
type Rules = BTreeMap<(String, BTreeSet<String>), BTreeSet<String>>;

/// Manifests, as far as they are needed: one Role a namespace, and a ClusterRole for what has no
/// namespace. `name` is that of all of them.
pub fn manifests(name: &str, rights: &[Right]) -> Vec<Value> {
    let mut places: BTreeMap<Option<&str>, Vec<&Right>> = BTreeMap::new();
    for right in rights {
        places
            .entry(right.namespace.as_deref())
            .or_default()
            .push(right);
    }
    places
        .into_iter()
        .rev()
        .map(|(namespace, rights)| {
            let kind = if namespace.is_some() {
                "Role"
            } else {
                "ClusterRole"
            };
            let mut role = json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": name}, "rules": rules(&rights),
            });
            if let Some(namespace) = namespace {
                role["metadata"]["namespace"] = json!(namespace);
            }
            role
        })
        .collect()
}

fn rules(rights: &[&Right]) -> Vec<Value> {
    let mut verbs: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for right in rights {
        verbs
            .entry((right.group.clone(), right.resource.clone()))
            .or_default()
            .insert(right.verb.clone());
    }
    let mut grouped = Rules::new();
    for ((group, resource), verbs) in verbs {
        grouped.entry((group, verbs)).or_default().insert(resource);
    }
    grouped
        .into_iter()
        .map(|((group, verbs), resources)| {
            json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::Kind;

    #[test]
    fn rights_of_the_same_verbs_share_a_rule_and_cluster_kinds_get_a_cluster_role() {
        let rights = [
            Right::on("list", Kind::Pod, "a"),
            Right::on("get", Kind::Pod, "a"),
            Right::on("get", Kind::Claim, "a"),
            Right::on("list", Kind::Claim, "a"),
            Right::on("list", Kind::Claim, "a"),
            Right::on("get", Kind::Volume, "a"),
        ];
        let made = manifests("wsdash-test", &rights);
        assert_eq!(made.len(), 2);
        assert_eq!(
            made[0]["rules"],
            json!([{"apiGroups": [""], "resources": ["persistentvolumeclaims", "pods"], "verbs": ["get", "list"]}])
        );
        assert_eq!(made[0]["metadata"]["namespace"], "a");
        assert_eq!(made[1]["kind"], "ClusterRole");
        assert_eq!(
            made[1]["rules"],
            json!([{"apiGroups": [""], "resources": ["persistentvolumes"], "verbs": ["get"]}])
        );
    }
}
