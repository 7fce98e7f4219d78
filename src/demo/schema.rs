//! Which fields an object may have: what the typed form of its kind keeps of it.

use k8s_openapi::api::{apps, batch, core, policy, storage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::object::Object;
use super::resource::Kind;

/// Paths of fields that the kind does not have; an error when a value has the wrong type.
pub(crate) fn unknown_fields(kind: Kind, object: &Object) -> Result<Vec<String>, String> {
    match kind {
        Kind::Pod => check::<core::v1::Pod>(object),
        Kind::Claim => check::<core::v1::PersistentVolumeClaim>(object),
        Kind::Volume => check::<core::v1::PersistentVolume>(object),
        Kind::StatefulSet => check::<apps::v1::StatefulSet>(object),
        Kind::Deployment => check::<apps::v1::Deployment>(object),
        Kind::Job => check::<batch::v1::Job>(object),
        Kind::DisruptionBudget => check::<policy::v1::PodDisruptionBudget>(object),
        Kind::StorageClass => check::<storage::v1::StorageClass>(object),
        Kind::Service => check::<core::v1::Service>(object),
        _ => Ok(Vec::new()),
    }
}

fn check<T: DeserializeOwned + Serialize>(object: &Object) -> Result<Vec<String>, String> {
    let typed: T = serde_json::from_value(object.clone()).map_err(|error| error.to_string())?;
    let kept = serde_json::to_value(typed).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    compare(object, &kept, "", &mut unknown);
    Ok(unknown)
}

fn compare(given: &Value, kept: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (key, value) in given {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                match kept.get(key) {
                    Some(other) => compare(value, other, &path, unknown),
                    None if value.is_null() || matches!(key.as_str(), "apiVersion" | "kind") => {}
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (i, (a, b)) in given.iter().zip(kept).enumerate() {
                compare(a, b, &format!("{path}[{i}]"), unknown);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_misspelt_field_is_found_and_a_wrong_type_is_an_error() {
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "a", "imgae": "x"}]}});
        assert_eq!(
            unknown_fields(Kind::Pod, &pod).unwrap(),
            ["spec.containers[0].imgae"]
        );
        let bad = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": "none"}});
        assert!(unknown_fields(Kind::Pod, &bad).is_err());
    }
}
