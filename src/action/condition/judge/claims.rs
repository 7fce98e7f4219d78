//! Conditions of claims that come and go with their volumes.

use serde_json::{Value, json};

use super::{Look, failed, gone, look, met, pending};
use crate::action::call::{Identity, Target};
use crate::action::condition::{Observed, Read, Standing};
use crate::domain::key::{Kind, ObjectKey};

pub(super) fn absent(seen: &Observed, kind: Kind, key: &ObjectKey) -> Standing {
    let name = format!("{} {key}", kind.object());
    match seen.values.get(&Read::Object(kind, key.clone())) {
        None => failed(
            format!("{name} cannot be read"),
            "ask for the right to read it, then resume",
        ),
        Some(Value::Null) => met(format!("no {name} is there")),
        Some(object) if object["metadata"]["deletionTimestamp"].is_null() => {
            pending(format!("{name} is still there"))
        }
        Some(_) => pending(format!("{name} is ending")),
    }
}

/// A pod that came after the last look is told of also when the claim is gone: pods that are not
/// scheduled yet do not protect it, and a set makes an empty one in its place.
pub(super) fn deleted(seen: &Observed, claim: &Target) -> Standing {
    let stands = gone(seen, claim);
    if matches!(stands, Standing::Failed { .. }) {
        return stands;
    }
    let kept = "nothing is lost: the volume and a snapshot are kept";
    let namespace = claim.key.namespace.to_string();
    let pods = seen.values.get(&Read::Pods { namespace });
    let user = pods
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|pod| names(pod, &claim.key.name))
        .and_then(|pod| pod["metadata"]["name"].as_str());
    match user {
        Some(pod) => failed(
            format!(
                "pod {pod} began to use claim {} while it was being deleted",
                claim.key
            ),
            format!("{kept}; scale its set down or end that pod, then undo this job"),
        ),
        None if matches!(look(seen, claim), Look::Another) => failed(
            format!(
                "a new claim {} was made while the old one was deleted",
                claim.key
            ),
            format!("{kept}; free the name, then undo this job"),
        ),
        None => stands,
    }
}

/// Whether a pod names a claim, by itself or as an ephemeral volume.
fn names(pod: &Value, claim: &str) -> bool {
    let own = pod["metadata"]["name"].as_str().unwrap_or_default();
    let volumes = pod["spec"]["volumes"].as_array();
    volumes.into_iter().flatten().any(|volume| {
        let rest = claim.strip_prefix(own).and_then(|c| c.strip_prefix('-'));
        let ephemeral = volume["ephemeral"].is_object() && rest == volume["name"].as_str();
        ephemeral || volume["persistentVolumeClaim"]["claimName"] == json!(claim)
    })
}

pub(super) fn without(object: &Value, finalizer: &str) -> Standing {
    let finalizers = object["metadata"]["finalizers"].as_array();
    let holds = |one: &Value| one.as_str() == Some(finalizer);
    if finalizers.is_some_and(|all| all.iter().any(holds)) {
        pending(format!("{finalizer} still holds it"))
    } else {
        met("nothing holds it")
    }
}

pub(super) fn rebindable(seen: &Observed, claim: &Target, volume: &Target) -> Standing {
    match look(seen, claim) {
        Look::It(object) if object["metadata"]["deletionTimestamp"].is_null() => {
            return met(format!("claim {} is there", claim.key));
        }
        Look::It(_) => return gone(seen, claim),
        Look::Unknown(why) => {
            return failed(
                format!("claim {} cannot be read: {why}", claim.key),
                "ask for the right to read it, then resume",
            );
        }
        // whether one that has taken the name is in the way is judged by the look that follows
        Look::Gone | Look::Another => {}
    }
    let uid = match &claim.identity {
        Identity::Uid(uid) | Identity::Ours(uid) => uid.as_str(),
        Identity::Named => "",
    };
    match look(seen, volume) {
        Look::It(object)
            if object["status"]["phase"] == json!("Bound")
                && object["spec"]["claimRef"]["uid"] == json!(uid) =>
        {
            pending(format!("volume {} is not released yet", volume.key))
        }
        Look::It(_) => met(format!("volume {} is there", volume.key)),
        Look::Unknown(why) => failed(
            format!("volume {} cannot be read: {why}", volume.key),
            "ask for the right to read it, then resume",
        ),
        Look::Gone | Look::Another => failed(
            format!("volume {} is gone", volume.key),
            "restore the snapshot of it",
        ),
    }
}
