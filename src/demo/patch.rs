//! The patches of the API: JSON merge (RFC 7386), JSON patch (RFC 6902) and strategic merge.

use serde_json::{Map, Value};

pub(crate) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(map) = target {
        for (key, value) in changes {
            if value.is_null() {
                map.remove(key);
            } else {
                merge(map.entry(key.as_str()).or_insert(Value::Null), value);
            }
        }
    }
}

/// The key that elements of a list are told apart by; lists without one are replaced as a whole.
pub(crate) fn merge_key(field: &str, elements: &[Value]) -> Option<&'static str> {
    let candidates: &[&str] = match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "volumeDevices" => &["devicePath"],
        "conditions" | "addresses" => &["type"],
        "ownerReferences" => &["uid"],
        "ports" => &["containerPort", "port"],
        "hostAliases" => &["ip"],
        "topologySpreadConstraints" => &["topologyKey"],
        _ => &[],
    };
    candidates.iter().copied().find(|key| {
        elements
            .iter()
            .all(|e| e.get(key).is_some() || e.get("$patch").is_some())
    })
}

/// Lists of plain values that are merged as sets.
fn is_set(field: &str) -> bool {
    field == "finalizers"
}

pub(crate) fn strategic(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if changes.get("$patch").and_then(Value::as_str) == Some("replace") {
        let mut whole = changes.clone();
        whole.remove("$patch");
        *target = Value::Object(whole);
        return;
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(map) = target else {
        return;
    };
    if let Some(keep) = changes.get("$retainKeys").and_then(Value::as_array) {
        map.retain(|key, _| keep.iter().any(|k| k.as_str() == Some(key)));
    }
    for (key, value) in changes {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let (Some(Value::Array(list)), Some(gone)) = (map.get_mut(field), value.as_array()) {
                list.retain(|v| !gone.contains(v));
            }
            continue;
        }
        if key.starts_with('$') {
            continue;
        }
        match value {
            Value::Null => {
                map.remove(key);
            }
            Value::Array(elements) => merge_list(map, key, elements),
            other => strategic(map.entry(key.as_str()).or_insert(Value::Null), other),
        }
    }
}

fn merge_list(map: &mut Map<String, Value>, field: &str, elements: &[Value]) {
    let Some(Value::Array(old)) = map.get_mut(field) else {
        let kept: Vec<Value> = elements
            .iter()
            .filter(|e| e.get("$patch").is_none())
            .cloned()
            .collect();
        map.insert(field.to_owned(), Value::Array(kept));
        return;
    };
    if is_set(field) {
        for element in elements {
            if !old.contains(element) {
                old.push(element.clone());
            }
        }
        return;
    }
    if elements
        .iter()
        .any(|e| e.get("$patch").and_then(Value::as_str) == Some("replace"))
    {
        *old = elements
            .iter()
            .filter(|e| e.get("$patch").is_none())
            .cloned()
            .collect();
        return;
    }
    let Some(key) = merge_key(field, elements) else {
        *old = elements.to_vec();
        return;
    };
    for element in elements {
        let at = old.iter().position(|o| o.get(key) == element.get(key));
        let delete = element.get("$patch").and_then(Value::as_str) == Some("delete");
        match (at, delete) {
            (Some(i), true) => {
                old.remove(i);
            }
            (None, true) => {}
            (Some(i), false) => {
                if let Some(slot) = old.get_mut(i) {
                    strategic(slot, element);
                }
            }
            (None, false) => old.push(element.clone()),
        }
    }
}

/// JSON patch; the error says which operation failed.
pub(crate) fn json(target: &mut Value, patch: &Value) -> Result<(), String> {
    let operations = patch
        .as_array()
        .ok_or("a JSON patch is a list of operations")?;
    for operation in operations {
        let text = |field: &str| operation.get(field).and_then(Value::as_str);
        let path = text("path").ok_or("an operation of the JSON patch has no path")?;
        let value = operation.get("value").cloned().unwrap_or(Value::Null);
        match text("op").unwrap_or("") {
            "add" => add(target, path, value)?,
            "remove" => drop(take(target, path)?),
            "replace" => {
                take(target, path)?;
                add(target, path, value)?;
            }
            "test" => {
                // what is absent is null, as the server's own library has it
                let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
                let none = target.pointer(parent).map(|_| &Value::Null);
                if target.pointer(path).or(none) != Some(&value) {
                    return Err(format!("testing path {path} value failed"));
                }
            }
            "move" => {
                let moved = take(target, text("from").unwrap_or(""))?;
                add(target, path, moved)?;
            }
            "copy" => {
                let copied = target
                    .pointer(text("from").unwrap_or(""))
                    .cloned()
                    .ok_or_else(|| format!("copy: {path} has no source"))?;
                add(target, path, copied)?;
            }
            other => return Err(format!("unknown operation {other:?}")),
        }
    }
    Ok(())
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

fn add(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let Some((parent, last)) = path.rsplit_once('/') else {
        *target = value;
        return Ok(());
    };
    let missing =
        || format!("add operation does not apply: doc is missing path: {path:?}: missing value");
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(map) => {
            map.insert(unescape(last), value);
        }
        Value::Array(list) if last == "-" => list.push(value),
        Value::Array(list) => {
            let at: usize = last.parse().map_err(|error| format!("{path}: {error}"))?;
            if at > list.len() {
                return Err(format!(
                    "add operation does not apply: index {at} is beyond the list at {parent}"
                ));
            }
            list.insert(at, value);
        }
        _ => return Err(missing()),
    }
    Ok(())
}

fn take(target: &mut Value, path: &str) -> Result<Value, String> {
    let missing =
        || format!("remove operation does not apply: doc is missing path: {path:?}: missing value");
    let (parent, last) = path.rsplit_once('/').ok_or_else(missing)?;
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(map) => map.remove(&unescape(last)).ok_or_else(missing),
        Value::Array(list) => match last.parse::<usize>() {
            Ok(at) if at < list.len() => Ok(list.remove(at)),
            _ => Err(missing()),
        },
        _ => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_strategic_patch_merges_containers_by_name_and_replaces_plain_lists() {
        let mut o = json!({"spec": {"containers": [{"name": "a", "image": "1"}, {"name": "b", "image": "1"}], "tolerations": [{"key": "x"}]}});
        strategic(
            &mut o,
            &json!({"spec": {"containers": [{"name": "b", "image": "2"}, {"name": "a", "$patch": "delete"}], "tolerations": [{"key": "y"}]}}),
        );
        assert_eq!(
            o,
            json!({"spec": {"containers": [{"name": "b", "image": "2"}], "tolerations": [{"key": "y"}]}})
        );
    }

    #[test]
    fn a_merge_patch_removes_what_is_null() {
        let mut o = json!({"a": {"b": 1, "c": 2}});
        merge(&mut o, &json!({"a": {"b": null, "d": 3}}));
        assert_eq!(o, json!({"a": {"c": 2, "d": 3}}));
    }

    #[test]
    fn a_json_patch_stops_at_a_failed_test() {
        let mut o = json!({"metadata": {"annotations": {"a/b": "1"}}, "l": [1, 3]});
        let patch = json!([{"op": "test", "path": "/metadata/annotations/a~1b", "value": "1"}, {"op": "add", "path": "/l/1", "value": 2}]);
        json(&mut o, &patch).unwrap();
        assert_eq!(o["l"], json!([1, 2, 3]));
        assert!(json(&mut o, &json!([{"op": "test", "path": "/l/0", "value": 9}])).is_err());
        let is_none = |path: &str| json!([{"op": "test", "path": path, "value": null}]);
        assert_eq!(json(&mut o, &is_none("/metadata/labels")), Ok(()));
        assert!(json(&mut o, &is_none("/metadata/annotations")).is_err());
        assert!(json(&mut o, &is_none("/metadata/labels/a")).is_err());
    }
}
