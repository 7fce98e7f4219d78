//! A plan as commands of kubectl, to be copied. For reading and for the day without wsdash: kubectl
//! knows neither the preconditions of a patch nor the looks in between, which stand as comments.

use serde_json::Value;

use super::call::{Call, PatchType, Target};
use super::plan::{Do, Plan};
use crate::domain::key::ObjectKey;

/// One command or comment a line.
pub fn lines(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| match &step.what {
            Do::Call { call, .. } => format!(
                "kubectl --context {} {}",
                quoted(&plan.place.context),
                command(call)
            ),
            Do::Wait { .. } | Do::Reread { .. } => format!("# {}", step.title),
        })
        .collect()
}

fn command(call: &Call) -> String {
    match call {
        Call::Create {
            namespace,
            manifest,
            ..
        } => {
            let scope = if namespace.is_empty() {
                String::new()
            } else {
                format!("-n {} ", quoted(namespace))
            };
            format!("{scope}create -f - <<<{}", quoted(&manifest.to_string()))
        }
        Call::Patch {
            target,
            patch_type,
            patch,
            subresource,
        } => {
            let kind = match patch_type {
                PatchType::Merge => "merge",
                PatchType::Json => "json",
            };
            let sub = subresource
                .as_ref()
                .map_or_else(String::new, |sub| format!(" --subresource={sub}"));
            format!(
                "{} --type={kind}{sub} -p {}",
                on("patch", target),
                quoted(&with_version(patch, target).to_string())
            )
        }
        Call::Delete {
            target,
            propagation,
        } => {
            let cascade = format!("{propagation:?}").to_lowercase();
            format!("{} --cascade={cascade} --wait=false", on("delete", target))
        }
        // kubectl has no command for one pod; this is the call behind `drain`
        Call::Evict { pod } => {
            let ObjectKey { namespace, name } = &pod.key;
            let body = serde_json::json!({"apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": &**name, "namespace": &**namespace}});
            format!(
                "create --raw /api/v1/namespaces/{namespace}/pods/{name}/eviction -f - <<<{}",
                quoted(&body.to_string())
            )
        }
        Call::Scale { set, replicas } => format!("{} --replicas={replicas}", on("scale", set)),
        Call::Exec {
            pod,
            container,
            command,
            ..
        } => {
            let words: Vec<String> = command.iter().map(|word| quoted(word)).collect();
            format!(
                "-n {} exec {} -c {} -- {}",
                quoted(&pod.key.namespace),
                quoted(&pod.key.name),
                quoted(container),
                words.join(" ")
            )
        }
    }
}

fn on(verb: &str, target: &Target) -> String {
    let object = format!("{}/{}", target.kind.resource(), target.key.name);
    if target.kind.namespaced() {
        format!(
            "-n {} {verb} {}",
            quoted(&target.key.namespace),
            quoted(&object)
        )
    } else {
        format!("{verb} {}", quoted(&object))
    }
}

/// The version that the patch expects, which the API takes as a precondition.
fn with_version(patch: &Value, target: &Target) -> Value {
    let mut patch = patch.clone();
    if let (Some(version), true) = (&target.version, patch.is_object()) {
        patch["metadata"]["resourceVersion"] = Value::from(version.as_str());
    }
    patch
}

/// For a POSIX shell: plain words stay, all else is put in single quotes.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::key::Kind;

    #[test]
    fn commands_are_safe_to_paste() {
        let pod = Target::new(Kind::Pod, ObjectKey::new("team", "ide-0"), "u");
        let exec = Call::Exec {
            pod: pod.clone(),
            container: "main".into(),
            command: vec!["sh".into(), "-c".into(), "echo 'a'; rm $x".into()],
            stdin: super::super::Stdin::None,
            limit: 1,
            expect: super::super::Expect::Any,
        };
        assert_eq!(
            command(&exec),
            r"-n team exec ide-0 -c main -- sh -c 'echo '\''a'\''; rm $x'"
        );
        let delete = Call::Delete {
            target: pod,
            propagation: super::super::Propagation::Background,
        };
        assert_eq!(
            command(&delete),
            "-n team delete pods/ide-0 --cascade=background --wait=false"
        );
    }
}
