//! A call as it goes to the server: method, path, conditions, body. What a dialog shows, what is
//! copied as a command and what `cluster::perform` sends are this one thing. Sends nothing.

use serde_json::{Value, json};

use super::call::{Call, Identity, PatchType, Stdin, Target};
use super::condition::{Condition, Observed, Read};
use super::plan::{Do, Step};
use crate::domain::key::{Kind, ObjectKey};

/// Who changed a field, for the server's records.
const MANAGER: &str = "wsdash";
/// A body longer than this many characters is shown by its beginning.
const SHOWN: usize = 600;

/// A request over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub struct Wire {
    pub method: &'static str,
    pub path: String,
    /// With its question mark; empty = none.
    pub query: String,
    pub content: &'static str,
    pub body: Value,
}

/// The objects of a kind in a namespace (empty: all, or a kind without namespaces).
pub fn path(kind: Kind, namespace: &str) -> String {
    let version = if kind.group().is_empty() {
        "/api/v1".to_owned()
    } else {
        format!("/apis/{}/v1", kind.group())
    };
    if kind.namespaced() && !namespace.is_empty() {
        format!("{version}/namespaces/{namespace}/{}", kind.resource())
    } else {
        format!("{version}/{}", kind.resource())
    }
}

fn object_path(kind: Kind, key: &ObjectKey) -> String {
    format!("{}/{}", path(kind, &key.namespace), key.name)
}

impl Call {
    /// As it is sent to an object of this uid. With `dry` the server judges it and changes nothing.
    /// `None` = a command, which is no single request.
    pub fn wire(&self, uid: &str, dry: bool) -> Option<Wire> {
        let query = if dry {
            format!("?fieldManager={MANAGER}&dryRun=All")
        } else {
            format!("?fieldManager={MANAGER}")
        };
        let of = |target: &Target| object_path(target.kind, &target.key);
        Some(match self {
            Self::Create {
                kind,
                namespace,
                manifest,
            } => Wire {
                method: "POST",
                path: path(*kind, namespace),
                query,
                content: "application/json",
                body: manifest.clone(),
            },
            Self::Patch {
                target,
                patch_type,
                patch,
                subresource,
            } => {
                let sub = subresource.as_deref();
                let (content, body) = conditional(target, uid, *patch_type, patch, sub);
                Wire {
                    method: "PATCH",
                    path: sub.map_or_else(|| of(target), |sub| format!("{}/{sub}", of(target))),
                    query,
                    content,
                    body,
                }
            }
            Self::Scale { set, replicas } => {
                let patch = json!({"spec": {"replicas": replicas}});
                let merge = PatchType::Merge;
                let (content, body) = conditional(set, uid, merge, &patch, Some("scale"));
                Wire {
                    method: "PATCH",
                    path: format!("{}/scale", of(set)),
                    query,
                    content,
                    body,
                }
            }
            Self::Delete {
                target,
                propagation,
            } => {
                let mut body = json!({
                    "kind": "DeleteOptions", "apiVersion": "v1",
                    "preconditions": preconditions(target, uid),
                    "propagationPolicy": propagation,
                });
                if dry {
                    body["dryRun"] = json!(["All"]);
                }
                Wire {
                    method: "DELETE",
                    path: of(target),
                    query: String::new(),
                    content: "application/json",
                    body,
                }
            }
            Self::Evict { pod } => Wire {
                method: "POST",
                path: format!("{}/eviction", of(pod)),
                query,
                content: "application/json",
                body: eviction(pod, uid, dry),
            },
            Self::Exec { .. } => return None,
        })
    }

    /// For people: method and path, under which conditions, and what is sent.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Self::Exec {
            pod,
            container,
            command,
            stdin,
            ..
        } = self
        {
            let path = object_path(pod.kind, &pod.key);
            lines.push(format!("GET {path}/exec?container={container}"));
            lines.extend(conditions(pod, false));
            lines.push(cut(&format!("run {}", command.join(" "))));
            if *stdin != Stdin::None {
                lines.push(format!("input of {} bytes", stdin.bytes().len()));
            }
            return lines;
        }
        let Some(wire) = self.wire("", false) else {
            return lines;
        };
        lines.push(format!("{} {}", wire.method, wire.path));
        let is_scale = wire.path.ends_with("/scale");
        lines.extend(
            self.target()
                .and_then(|target| conditions(target, !is_scale)),
        );
        let sent = match self {
            Self::Delete { propagation, .. } => Some(json!({"propagationPolicy": propagation})),
            Self::Patch { patch, .. } => Some(patch.clone()),
            Self::Scale { replicas, .. } => Some(json!({"spec": {"replicas": replicas}})),
            Self::Create { manifest, .. } => Some(manifest.clone()),
            Self::Evict { .. } | Self::Exec { .. } => None,
        };
        lines.extend(sent.map(|body| cut(&format!("with {body}"))));
        lines
    }
}

fn preconditions(target: &Target, uid: &str) -> Value {
    let mut expected = json!({"uid": uid});
    if let Some(version) = &target.version {
        expected["resourceVersion"] = json!(version);
    }
    expected
}

fn eviction(pod: &Target, uid: &str, dry: bool) -> Value {
    let mut options = json!({"preconditions": {"uid": uid}});
    if dry {
        options["dryRun"] = json!(["All"]);
    }
    json!({
        "apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": &*pod.key.name, "namespace": &*pod.key.namespace},
        "deleteOptions": options,
    })
}

/// A patch with what it expects of its object.
fn conditional(
    target: &Target,
    uid: &str,
    patch_type: PatchType,
    patch: &Value,
    sub: Option<&str>,
) -> (&'static str, Value) {
    match patch_type {
        PatchType::Merge => {
            let mut body = patch.clone();
            // a scale has no uid of its own that a patch could name
            if sub.is_none() {
                body["metadata"]["uid"] = json!(uid);
            }
            if let Some(version) = &target.version {
                body["metadata"]["resourceVersion"] = json!(version);
            }
            ("application/merge-patch+json", body)
        }
        PatchType::Json => {
            let test =
                |path: &str, value: &str| json!({"op": "test", "path": path, "value": value});
            let mut operations = vec![test("/metadata/uid", uid)];
            if let Some(version) = &target.version {
                operations.push(test("/metadata/resourceVersion", version));
            }
            operations.extend(patch.as_array().into_iter().flatten().cloned());
            ("application/json-patch+json", Value::Array(operations))
        }
    }
}

/// `is_sent`: the server compares, at the moment of the call; else it is read just before.
fn conditions(target: &Target, is_sent: bool) -> Option<String> {
    let who = match &target.identity {
        Identity::Uid(uid) => format!("uid {uid}"),
        Identity::Ours(run) => format!("label of run {run}"),
        Identity::Named => return None,
    };
    let version = target.version.as_ref();
    let version = version.map_or_else(String::new, |v| format!(" and resourceVersion {v}"));
    let when = if is_sent { "" } else { ", read just before" };
    Some(format!("only if {who}{version}{when}"))
}

fn cut(text: &str) -> String {
    let total = text.chars().count();
    if total <= SHOWN {
        return text.to_owned();
    }
    let shown: String = text.chars().take(SHOWN).collect();
    format!("{shown}… ({total} characters; `-o json` has them all)")
}

impl Step {
    /// What it asks of the server, for people.
    pub fn calls(&self) -> Vec<String> {
        match &self.what {
            Do::Call { call, .. } => call.lines(),
            Do::Wait { until, ceiling } => {
                let mut lines = reads(until);
                lines.push(format!("again and again, for at most {ceiling} s"));
                lines
            }
            Do::Reread { kinds, objects, .. } => {
                let lists = kinds
                    .iter()
                    .map(|kind| format!("GET all {}", kind.resource()));
                let objects = objects.iter();
                lists
                    .chain(objects.map(|(kind, key)| format!("GET {}", object_path(*kind, key))))
                    .collect()
            }
        }
    }
}

/// What is read first for a condition; what was read may name more.
fn reads(until: &Condition) -> Vec<String> {
    let line = |read: Read| match read {
        Read::Object(kind, key) => format!("GET {}", object_path(kind, &key)),
        Read::Events { namespace, uid } => {
            format!("GET {} of uid {uid}", path(Kind::Event, &namespace))
        }
        Read::Attachments => format!("GET {}", path(Kind::Attachment, "")),
        Read::Pods { namespace } => format!("GET {}", path(Kind::Pod, &namespace)),
        Read::FileSystem(measure) => {
            let pod = object_path(Kind::Pod, &measure.pod);
            format!("GET {pod}/exec: stat -f {}", measure.mount)
        }
        Read::Sample(claim) => format!("the newest sample of the size of {}", claim.name),
    };
    let first = until.reads(&Observed::default());
    first.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Propagation;

    fn claim() -> Target {
        Target::new(Kind::Claim, ObjectKey::new("team", "work-0"), "u-1").at(Some("77".into()))
    }

    #[test]
    fn a_call_is_shown_with_its_path_its_conditions_and_its_body() {
        let delete = Call::Delete {
            target: claim(),
            propagation: Propagation::Background,
        };
        assert_eq!(
            delete.lines(),
            [
                "DELETE /api/v1/namespaces/team/persistentvolumeclaims/work-0",
                "only if uid u-1 and resourceVersion 77",
                r#"with {"propagationPolicy":"Background"}"#,
            ]
        );
        let set = Target::new(Kind::Set, ObjectKey::new("team", "work"), "u-2");
        let scale = Call::Scale { set, replicas: 2 };
        assert_eq!(
            scale.lines(),
            [
                "PATCH /apis/apps/v1/namespaces/team/statefulsets/work/scale",
                "only if uid u-2, read just before",
                r#"with {"spec":{"replicas":2}}"#,
            ]
        );
    }

    /// Whatever is sent to an object that was meant fails when it is another one.
    #[test]
    fn every_condition_that_is_shown_is_sent() {
        let patch = |patch_type, patch| Call::Patch {
            target: claim(),
            patch_type,
            patch,
            subresource: None,
        };
        let delete = Call::Delete {
            target: claim(),
            propagation: Propagation::Background,
        };
        let calls = [
            patch(PatchType::Merge, json!({"spec": {"a": 1}})),
            patch(
                PatchType::Json,
                json!([{"op": "remove", "path": "/spec/a"}]),
            ),
            delete,
        ];
        for call in calls {
            for dry in [false, true] {
                let wire = call.wire("u-1", dry).unwrap();
                let body = wire.body.to_string();
                assert!(
                    body.contains("\"u-1\"") && body.contains("\"77\""),
                    "{body}"
                );
                let is_dry = wire.query.contains("dryRun") || body.contains("dryRun");
                assert_eq!(is_dry, dry, "{wire:?}");
            }
        }
    }

    #[test]
    fn a_long_body_says_that_it_is_longer() {
        let manifest = json!({"metadata": {"name": "x".repeat(5000)}});
        let create = Call::Create {
            kind: Kind::Set,
            namespace: "team".into(),
            manifest,
        };
        let lines = create.lines();
        assert!(lines[1].contains("characters; `-o json`"), "{}", lines[1]);
        assert!(lines[1].chars().count() < SHOWN + 60);
    }
}
