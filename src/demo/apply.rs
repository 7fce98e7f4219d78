//! Server-side apply: who applied which fields, what a new configuration takes away, and who is in its way.
//! Ownership by plain updates is not kept: only appliers are in each other's way.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::failure::Failure;
use super::object::{Fields, Object};
use super::patch;

pub(crate) const ENTRIES: &str = "metadata/managedFields";

/// Steps to a field as `FieldsV1` writes them: `f:NAME`, or `k:{"name":"x"}` into a list.
type Path = Vec<String>;

/// Makes the configuration `body` of `manager` part of `live`.
pub(crate) fn apply(live: &mut Object, body: &Object, call: (&str, bool)) -> Result<(), Failure> {
    let (manager, force) = call;
    let mut entries = live.items(ENTRIES).to_vec();
    let wanted = leaves(body);
    let mut causes = Vec::new();
    for entry in entries.iter_mut().filter(|e| e.text("manager") != manager) {
        let owned = decode(entry.at("fieldsV1"));
        let disputed =
            |path: &&Path| owned.contains(*path) && value(live, path) != value(body, path);
        let disputed: BTreeSet<&Path> = wanted.iter().filter(disputed).collect();
        if force {
            let kept: BTreeSet<Path> = owned
                .iter()
                .filter(|p| !disputed.contains(p))
                .cloned()
                .collect();
            entry.put("fieldsV1", encode(&kept));
            continue;
        }
        let other = entry.text("manager");
        causes.extend(disputed.into_iter().map(|path| {
            json!({"reason": "FieldManagerConflict", "message": format!("conflict with {other:?}"), "field": dotted(path)})
        }));
    }
    if !causes.is_empty() {
        return Err(conflict(&causes));
    }
    let mine = entries.iter().find(|e| e.text("manager") == manager);
    let before = mine.map(|e| decode(e.at("fieldsV1"))).unwrap_or_default();
    entries.retain(|e| e.text("manager") != manager);
    let others: BTreeSet<Path> = entries
        .iter()
        .flat_map(|e| decode(e.at("fieldsV1")))
        .collect();
    for path in before.difference(&wanted).filter(|p| !others.contains(*p)) {
        remove(live, path);
    }
    patch::strategic(live, body);
    entries.push(
        json!({"manager": manager, "operation": "Apply", "apiVersion": body.text("apiVersion"),
        "fieldsType": "FieldsV1", "fieldsV1": encode(&wanted)}),
    );
    live.put(ENTRIES, entries);
    Ok(())
}

fn conflict(causes: &[Value]) -> Failure {
    let texts: Vec<String> = causes
        .iter()
        .map(|c| format!("{}: {}", c.text("message"), c.text("field")))
        .collect();
    let count = match texts.len() {
        1 => "1 conflict".to_owned(),
        n => format!("{n} conflicts"),
    };
    let mut failure = Failure::new(
        409,
        "Conflict",
        format!("Apply failed with {count}: {}", texts.join(", ")),
    );
    failure.details = json!({"causes": causes});
    failure
}

/// Every field that a configuration states, save what only names the object.
fn leaves(body: &Object) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let mut stated = body.clone();
    for field in [
        "apiVersion",
        "kind",
        "metadata/name",
        "metadata/namespace",
        ENTRIES,
    ] {
        stated.unset(field);
    }
    collect(&stated, "", &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, field: &str, path: &mut Path, found: &mut BTreeSet<Path>) {
    let mut inside = |step: String, inner: &Value, name: &str, path: &mut Path| {
        path.push(step);
        collect(inner, name, path, found);
        path.pop();
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (name, inner) in map {
                inside(format!("f:{name}"), inner, name, path);
            }
        }
        Value::Array(all) if !all.is_empty() && patch::merge_key(field, all).is_some() => {
            let key = patch::merge_key(field, all).unwrap_or_default();
            for element in all {
                let named = json!({key: element.at(key)});
                inside(format!("k:{named}"), element, "", path);
            }
        }
        // An empty map states nothing.
        Value::Object(_) => {}
        _ => drop(found.insert(path.clone())),
    }
}

fn encode(paths: &BTreeSet<Path>) -> Value {
    let mut root = json!({});
    for path in paths {
        let mut at = &mut root;
        for step in path {
            let Value::Object(map) = at else { break };
            at = map.entry(step.as_str()).or_insert_with(|| json!({}));
        }
    }
    root
}

fn decode(fields: &Value) -> BTreeSet<Path> {
    fn walk(map: &Map<String, Value>, path: &mut Path, found: &mut BTreeSet<Path>) {
        for (step, inner) in map {
            path.push(step.clone());
            match inner.as_object().filter(|m| !m.is_empty()) {
                Some(inner) => walk(inner, path, found),
                None => drop(found.insert(path.clone())),
            }
            path.pop();
        }
    }
    let mut found = BTreeSet::new();
    if let Value::Object(map) = fields {
        walk(map, &mut Vec::new(), &mut found);
    }
    found
}

/// Whether an element of a list is the one that a step names.
fn is_named(element: &Value, step: &str) -> bool {
    let named: Value = step
        .strip_prefix("k:")
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default();
    named.as_object().is_some_and(|keys| {
        keys.iter()
            .all(|(key, value)| element.get(key) == Some(value))
    })
}

fn value<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(object, |at, step| match at {
        Value::Array(all) => all.iter().find(|element| is_named(element, step)),
        _ => at.get(step.strip_prefix("f:")?),
    })
}

/// Takes a field away, and whatever is empty without it.
fn remove(at: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    match at {
        Value::Object(map) => {
            let name = step.strip_prefix("f:").unwrap_or(step);
            let Some(inner) = map.get_mut(name) else {
                return;
            };
            remove(inner, rest);
            if rest.is_empty() || is_empty(inner) {
                map.remove(name);
            }
        }
        Value::Array(all) => {
            for element in all.iter_mut().filter(|element| is_named(element, step)) {
                remove(element, rest);
            }
            all.retain(|element| !is_empty(element));
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.is_empty(),
        Value::Array(all) => all.is_empty(),
        _ => false,
    }
}

/// A path for people: `.spec.template.spec.containers[name="x"].image`.
fn dotted(path: &[String]) -> String {
    path.iter()
        .map(|step| {
            if let Some(name) = step.strip_prefix("f:") {
                return format!(".{name}");
            }
            let inner = step.trim_start_matches("k:{\"").trim_end_matches('}');
            format!("[{}]", inner.replacen("\":", "=", 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_of_a_list_belongs_to_whoever_applied_it() {
        let mut live = json!({"metadata": {"name": "x"}});
        let with = |names: &[&str]| {
            let containers: Vec<Value> = names
                .iter()
                .map(|n| json!({"name": n, "image": format!("image-of-{n}")}))
                .collect();
            json!({"apiVersion": "v1", "spec": {"containers": containers}})
        };
        apply(&mut live, &with(&["a", "b"]), ("one", false)).unwrap();
        apply(&mut live, &with(&["c"]), ("two", false)).unwrap();
        apply(&mut live, &with(&["a"]), ("one", false)).unwrap();
        let names: Vec<&str> = live
            .items("spec/containers")
            .iter()
            .map(|c| c.text("name"))
            .collect();
        assert_eq!(names, ["a", "c"]);
        let mut other = with(&["c"]);
        other.put("spec/containers", json!([{"name": "c", "image": "else"}]));
        let refused = apply(&mut live, &other, ("one", false)).unwrap_err();
        assert!(
            refused
                .message
                .contains("conflict with \"two\": .spec.containers[name=\"c\"].image"),
            "{}",
            refused.message
        );
    }
}
