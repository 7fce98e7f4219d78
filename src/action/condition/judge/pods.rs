//! How far a pod that comes back has come: made, scheduled, its volumes mounted, running.

use serde_json::{Value, json};

use super::{failed, met, pending, pod_word, warning};
use crate::action::call::Target;
use crate::action::condition::{Observed, PodStage, Read, Standing};
use crate::domain::key::{Kind, ObjectKey};

/// What a container waits for before its volumes are mounted.
const BEFORE_MOUNT: [&str; 3] = ["", "ContainerCreating", "PodInitializing"];

pub(super) fn stage(seen: &Observed, key: &ObjectKey, not: &str, stage: PodStage) -> Standing {
    let pod = match seen.values.get(&Read::Object(Kind::Pod, key.clone())) {
        None => {
            return failed(
                format!("pod {key} cannot be read"),
                "ask for the right to get pods, then resume",
            );
        }
        Some(Value::Null) => return pending(format!("pod {key} is gone, no other is made yet")),
        Some(pod) if pod["metadata"]["uid"] == json!(not) => {
            return pending(format!("pod {key} is ending"));
        }
        Some(pod) if !pod["metadata"]["deletionTimestamp"].is_null() => {
            return pending(format!("pod {key} is ending"));
        }
        Some(pod) => pod,
    };
    let has_come = match stage {
        PodStage::Made => true,
        PodStage::Scheduled => pod["spec"]["nodeName"].is_string(),
        PodStage::Mounted => is_mounted(pod),
        PodStage::Running => is_running(pod),
    };
    if has_come {
        let node = pod["spec"]["nodeName"].as_str();
        let place = node.map_or_else(String::new, |node| format!(" on {node}"));
        return met(match stage {
            PodStage::Made => format!("pod {key} is there"),
            PodStage::Scheduled => format!("pod {key} is{place}"),
            PodStage::Mounted => format!("the volumes of pod {key} are mounted{place}"),
            PodStage::Running => format!("pod {key} runs{place}"),
        });
    }
    let target = Target::named(Kind::Pod, key.clone());
    pending(match warning(seen, &target) {
        Some(why) => format!("pod {key}: {}; {why}", pod_word(pod)),
        None => format!("pod {key}: {}", pod_word(pod)),
    })
}

/// The kubelet mounts all volumes before it makes the pod's sandbox, and pulls images and starts
/// init containers only then.
fn is_mounted(pod: &Value) -> bool {
    let has_begun = |container: &Value| {
        let state = &container["state"];
        let waits_for = state["waiting"]["reason"].as_str().unwrap_or_default();
        state["running"].is_object()
            || state["terminated"].is_object()
            || !BEFORE_MOUNT.contains(&waits_for)
    };
    let conditions = pod["status"]["conditions"].as_array();
    let may_start =
        |c: &Value| c["type"] == json!("PodReadyToStartContainers") && c["status"] == json!("True");
    let of = |field: &str| pod["status"][field].as_array().into_iter().flatten();
    conditions.is_some_and(|all| all.iter().any(may_start))
        || of("initContainerStatuses").any(has_begun)
        || of("containerStatuses").any(has_begun)
}

fn is_running(pod: &Value) -> bool {
    let statuses = pod["status"]["containerStatuses"].as_array();
    statuses.is_some_and(|all| {
        !all.is_empty() && all.iter().all(|one| one["state"]["running"].is_object())
    })
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(json!({}), false)]
    #[case(json!({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}), false)]
    #[case(json!({"initContainerStatuses": [{"state": {"waiting": {"reason": "PodInitializing"}}}]}), false)]
    #[case(json!({"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}), true)]
    #[case(json!({"initContainerStatuses": [{"state": {"running": {}}}]}), true)]
    #[case(json!({"conditions": [{"type": "PodReadyToStartContainers", "status": "True"}]}), true)]
    #[case(json!({"conditions": [{"type": "PodReadyToStartContainers", "status": "False"}]}), false)]
    fn volumes_are_mounted_when_more_than_that_has_begun(#[case] status: Value, #[case] is: bool) {
        assert_eq!(is_mounted(&json!({"status": status})), is);
    }

    #[test]
    fn a_pod_that_is_ending_is_not_the_one_that_comes_back() {
        let key = ObjectKey::new("ns", "ide-0");
        let mut seen = Observed::default();
        let pod = json!({"metadata": {"uid": "new", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"nodeName": "n"},
            "status": {"containerStatuses": [{"state": {"running": {}}}]}});
        seen.values
            .insert(Read::Object(Kind::Pod, key.clone()), pod);
        for one in [PodStage::Made, PodStage::Mounted, PodStage::Running] {
            assert!(matches!(
                stage(&seen, &key, "old", one),
                Standing::Pending { .. }
            ));
        }
    }
}
