//! One whole object, read when somebody looks at it, as YAML. Secrets never get into the text:
//! the data of Secrets, values of variables that sound secret, and copies of earlier manifests.

use std::collections::HashSet;
use std::time::Duration;

use kube::Client;
use kube::core::params::ListParams;
use kube::core::{ObjectList, Request};
use serde_json::Value;

use super::fault::{Fault, within};
use super::rows::{self, Object};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::pod::Pod;
use crate::domain::policy::Policy;

const LIMIT: Duration = Duration::from_secs(15);
const PAGE: u32 = 500;
/// What stands in the place of a secret.
const HIDDEN: &str = "(hidden)";
/// Annotations that hold a whole manifest.
const COPIES: [&str; 2] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "objectset.rio.cattle.io/applied",
];
/// A variable whose name has one of these is taken for a secret.
const SECRETIVE: [&str; 8] = [
    "password",
    "passwd",
    "secret",
    "token",
    "credential",
    "private",
    "apikey",
    "api_key",
];

/// The path of an object, or of its list when the name is empty.
pub fn path(kind: Kind, key: &ObjectKey) -> String {
    let version = if kind.group().is_empty() {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{}/v1", kind.group())
    };
    if kind.namespaced() {
        format!(
            "{version}/namespaces/{}/{}/{}",
            key.namespace,
            kind.resource(),
            key.name
        )
    } else {
        format!("{version}/{}/{}", kind.resource(), key.name)
    }
}

/// Reads an object and prints it without managed fields and without secrets.
pub async fn yaml(client: &Client, kind: Kind, key: &ObjectKey) -> Result<String, Fault> {
    let what = format!("reading {} {key}", kind.object());
    let request = http::Request::get(path(kind, key))
        .body(Vec::new())
        .map_err(|error| Fault::of_error(&error, &what))?;
    let answer = within(LIMIT, &what, client.request::<Value>(request));
    let mut object = answer.await?;
    clean(&mut object);
    serde_saphyr::to_string(&object).map_err(|error| Fault::of_error(&error, &what))
}

/// Reads a pod as a row.
pub async fn pod(client: &Client, key: &ObjectKey, policy: &Policy) -> Result<Pod, Fault> {
    let what = format!("reading pod {key}");
    let request = http::Request::get(path(Kind::Pod, key))
        .body(Vec::new())
        .map_err(|error| Fault::of_error(&error, &what))?;
    let answer = within(LIMIT, &what, client.request::<Object>(request));
    Ok(rows::pod(answer.await?, policy))
}

/// The objects of a kind that carry these labels; the server chooses.
pub async fn names(
    client: &Client,
    kind: Kind,
    namespace: Option<&str>,
    selector: &str,
) -> Result<HashSet<ObjectKey>, Fault> {
    let what = format!("listing {} with {selector}", kind.resource());
    let list = match namespace {
        Some(namespace) if kind.namespaced() => path(kind, &ObjectKey::new(namespace, "")),
        _ => everywhere(kind),
    };
    let list = list.trim_end_matches('/').to_owned();
    let mut names = HashSet::new();
    let mut params = ListParams::default().labels(selector).limit(PAGE);
    loop {
        let request = Request::new(list.clone())
            .list_metadata(&params)
            .map_err(|error| Fault::of_error(&error, &what))?;
        let answer = client.request::<ObjectList<Object>>(request);
        let page = within(LIMIT, &what, answer).await?;
        names.extend(page.items.iter().map(|object| rows::key(&object.metadata)));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(names),
        }
    }
}

/// The list of a kind over all namespaces.
fn everywhere(kind: Kind) -> String {
    if kind.group().is_empty() {
        format!("/api/v1/{}", kind.resource())
    } else {
        format!("/apis/{}/v1/{}", kind.group(), kind.resource())
    }
}

/// Takes out what nobody reads and what nobody may.
fn clean(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(notes) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            for copy in COPIES {
                if let Some(text) = notes.get_mut(copy) {
                    *text = HIDDEN.into();
                }
            }
        }
    }
    if object.get("kind").and_then(Value::as_str) == Some("Secret") {
        for field in ["data", "stringData"] {
            let values = object.get_mut(field).and_then(Value::as_object_mut);
            for value in values.into_iter().flat_map(serde_json::Map::values_mut) {
                *value = HIDDEN.into();
            }
        }
    }
    hide_variables(object);
}

/// `env` lists anywhere: of pods, of templates, of init containers.
fn hide_variables(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(hide_variables),
        Value::Object(fields) => {
            for (name, field) in fields {
                if name == "env"
                    && let Some(variables) = field.as_array_mut()
                {
                    variables.iter_mut().for_each(hide_variable);
                }
                hide_variables(field);
            }
        }
        _ => {}
    }
}

fn hide_variable(variable: &mut Value) {
    let name = variable.get("name").and_then(Value::as_str);
    let name = name.unwrap_or_default().to_ascii_lowercase();
    let sounds_secret = SECRETIVE.iter().any(|word| name.contains(word)) || name.ends_with("key");
    if sounds_secret
        && let Some(value) = variable.get_mut("value")
        && value.as_str().is_some_and(|text| !text.is_empty())
    {
        *value = HIDDEN.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_secret_is_printed() {
        let mut pod = json!({
            "kind": "Pod",
            "metadata": {
                "managedFields": [{"manager": "kubelet"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "hunter2", "note": "kept"},
            },
            "spec": {"containers": [{"env": [
                {"name": "DB_PASSWORD", "value": "hunter2"},
                {"name": "SSH_KEY", "value": "hunter2"},
                {"name": "LANG", "value": "C.UTF-8"},
                {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "api", "key": "token"}}},
            ]}]},
        });
        clean(&mut pod);
        let text = pod.to_string();
        assert!(
            !text.contains("hunter2") && !text.contains("managedFields"),
            "{text}"
        );
        assert!(text.contains("C.UTF-8") && text.contains("secretKeyRef") && text.contains("kept"));

        let mut secret = json!({"kind": "Secret", "data": {"a": "aHVudGVyMg=="}});
        clean(&mut secret);
        assert!(!secret.to_string().contains("aHVudGVyMg"));
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let key = ObjectKey::new("ns", "n");
        assert_eq!(
            path(Kind::Claim, &key),
            "/api/v1/namespaces/ns/persistentvolumeclaims/n"
        );
        assert_eq!(
            path(Kind::Set, &key),
            "/apis/apps/v1/namespaces/ns/statefulsets/n"
        );
        assert_eq!(path(Kind::Volume, &key), "/api/v1/persistentvolumes/n");
    }
}
