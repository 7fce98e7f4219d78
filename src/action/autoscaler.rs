//! Who scales sets by itself. KEDA scales through an autoscaler of this kind, too.

use serde_json::Value;

use super::right::Right;
use crate::domain::key::{Kind, ObjectKey};

/// What is known of the autoscalers of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Autoscalers {
    /// Not asked for, denied or absent.
    #[default]
    Unknown,
    /// All of the namespace.
    Known(Vec<Autoscaler>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Autoscaler {
    pub key: ObjectKey,
    pub target_kind: String,
    pub target_name: String,
}

impl Autoscalers {
    /// From the items of a list, `autoscaling/v2`.
    pub fn of(items: &[Value]) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let one = |item: &Value| {
            let (meta, target) = (&item["metadata"], &item["spec"]["scaleTargetRef"]);
            Autoscaler {
                key: ObjectKey::new(text(&meta["namespace"]), text(&meta["name"])),
                target_kind: text(&target["kind"]),
                target_name: text(&target["name"]),
            }
        };
        Self::Known(items.iter().map(one).collect())
    }

    /// The one that scales a set; an error where that is not known.
    pub fn of_set(&self, set: &ObjectKey) -> Result<Option<&Autoscaler>, Unknown> {
        let Self::Known(all) = self else {
            return Err(Unknown);
        };
        Ok(all.iter().find(|one| {
            one.key.namespace == set.namespace
                && one.target_kind == Kind::Set.object()
                && one.target_name == *set.name
        }))
    }
}

/// Whether a set is scaled by itself is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unknown;

pub fn right(namespace: &str) -> Right {
    Right::new(
        "list",
        "autoscaling",
        "horizontalpodautoscalers",
        Some(namespace),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_targets_the_set_scales_it() {
        let item = |name: &str, kind: &str, target: &str| {
            json!({"metadata": {"namespace": "ns", "name": name},
                "spec": {"scaleTargetRef": {"kind": kind, "name": target}}})
        };
        let all = Autoscalers::of(&[
            item("a", "Deployment", "ide"),
            item("b", "StatefulSet", "other"),
            item("keda-hpa-ide", "StatefulSet", "ide"),
        ]);
        let of = |namespace: &str, name: &str| {
            let found = all.of_set(&ObjectKey::new(namespace, name)).unwrap();
            found.map(|one| one.key.name.to_string())
        };
        assert_eq!(of("ns", "ide").as_deref(), Some("keda-hpa-ide"));
        assert_eq!(of("another", "ide"), None);
        assert_eq!(of("ns", "nobody"), None);
        let unknown = Autoscalers::default();
        let unknown = unknown.of_set(&ObjectKey::new("ns", "ide"));
        assert_eq!(unknown, Err(Unknown));
    }
}
