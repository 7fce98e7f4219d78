//! Objects are the same rows whether they are read in JSON or in protobuf.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use wsdash::cluster::rows;
use wsdash::domain::key::Kind;
use wsdash::domain::policy::Policy;

use super::target::Target;
use super::{each, ready_set};

const JSON: &str = "application/json";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

fn folder(kind: Kind) -> String {
    match kind.group() {
        "" => format!("/api/v1/{}", kind.resource()),
        group => format!("/apis/{group}/v1/{}", kind.resource()),
    }
}

fn path(kind: Kind, object: &Value) -> String {
    let name = object["metadata"]["name"].as_str().unwrap();
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) => {
            let folder = folder(kind);
            let (version, resource) = folder.rsplit_once('/').unwrap();
            format!("{version}/namespaces/{namespace}/{resource}/{name}")
        }
        None => format!("{}/{name}", folder(kind)),
    }
}

/// One of each kind that a set does not bring along.
async fn furnish(target: &Target, namespace: &str) {
    let pod = json!({"metadata": {"labels": {"app": "none"}}, "spec": {"nodeSelector": {"no": "node"},
        "containers": [{"name": "main", "image": target.image}],
        "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "data-ide-0"}}]}});
    let selector = json!({"matchLabels": {"app": "none"}});
    let mut once = pod.clone();
    once["spec"]["restartPolicy"] = json!("Never");
    let job = json!({"template": once, "suspend": true});
    let objects = [
        (
            "apis/apps/v1",
            "deployments",
            json!({"replicas": 0, "selector": selector, "template": pod}),
        ),
        (
            "apis/apps/v1",
            "daemonsets",
            json!({"selector": selector, "template": pod}),
        ),
        ("apis/batch/v1", "jobs", job.clone()),
        (
            "apis/batch/v1",
            "cronjobs",
            json!({"schedule": "0 2 * * *", "suspend": true,
            "jobTemplate": {"spec": job}}),
        ),
        (
            "apis/policy/v1",
            "poddisruptionbudgets",
            json!({"minAvailable": 1,
            "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["ide"]}]}}),
        ),
        (
            "api/v1",
            "resourcequotas",
            json!({"hard": {"requests.storage": "100Gi", "pods": "50"}}),
        ),
    ];
    for (version, resource, spec) in objects {
        let path = format!("/{version}/namespaces/{namespace}/{resource}");
        let object = json!({"metadata": {"name": "one"}, "spec": spec});
        let (code, body) = target.call("POST", &path, &object).await;
        assert_eq!(code, 201, "{body}");
    }
    let quota = format!("/api/v1/namespaces/{namespace}/resourcequotas/one");
    target
        .until("the quota is counted", &quota, |_, q| {
            q["status"]["used"].is_object()
        })
        .await;
}

/// Reads one object both ways; `None` when it has changed in between or is gone.
async fn compare(target: &Target, kind: Kind, path: &str) -> Option<()> {
    let (before, json) = target.sent_as(path, JSON).await;
    let (code, protobuf) = target.sent_as(path, PROTOBUF).await;
    let (after, again) = target.sent_as(path, JSON).await;
    if (before, after) != (200, 200) || json != again {
        return None;
    }
    assert_eq!(code, 200, "{path}");
    let policy = Policy::default();
    let expected = rows::read(kind, &json, &policy).unwrap();
    assert_eq!(
        rows::read_protobuf(kind, &protobuf, &policy).unwrap(),
        expected,
        "{path}"
    );
    Some(())
}

#[tokio::test]
async fn an_object_is_the_same_row_in_both_notations() {
    each("notation", async |target, namespace| {
        let (code, _) = target.sent_as("/api/v1/nodes", PROTOBUF).await;
        if code == 406 {
            // the simulation has no protobuf, and says so as servers do of custom resources
            assert_eq!(target.name, "simulated");
            return;
        }
        ready_set(target, namespace, 1).await;
        furnish(target, namespace).await;
        for kind in Kind::iter() {
            let list = target.call("GET", &folder(kind), &Value::Null).await.1;
            let objects = list["items"].as_array().unwrap();
            if kind.group() == "snapshot.storage.k8s.io" {
                let (code, _) = target.sent_as(&folder(kind), PROTOBUF).await;
                assert_eq!(code, 406, "{kind:?}");
                continue;
            }
            let mut same = 0;
            for object in objects {
                same += usize::from(compare(target, kind, &path(kind, object)).await.is_some());
            }
            assert!(
                same > 0,
                "{kind:?}: none of {} could be compared",
                objects.len()
            );
        }
    })
    .await;
}
