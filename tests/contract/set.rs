//! Sets: order, availability, revisions, and what becomes of their claims.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails by a panic, and tells one story from its beginning to its end"
)]

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::target::Target;
use super::{MERGE, each, ready_set, set};

const WAIT: i64 = 4;

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap().parse().unwrap()
}

/// Names of the pods that went, in the order in which they did.
async fn gone(target: &Target, pods: &str, version: &Value) -> Vec<String> {
    let version = version.as_str().unwrap();
    let watch = format!("{pods}?watch=1&resourceVersion={version}&timeoutSeconds=1");
    let events = target.lines(&watch).await;
    let deleted = events.iter().filter(|e| e["type"] == "DELETED");
    deleted
        .map(|e| e["object"]["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn an_ordered_set_makes_one_after_the_other_and_each_only_when_the_last_is_available() {
    each("ordered", async |target, namespace| {
        let sets = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let mut object = set(&target.image, 2);
        object["spec"]["podManagementPolicy"] = json!("OrderedReady");
        object["spec"]["minReadySeconds"] = json!(WAIT);
        assert_eq!(target.call("POST", &sets, &object).await.0, 201);
        let path = format!("{sets}/ide");
        let status = target
            .until("one is ready", &path, |_, s| {
                s["status"]["readyReplicas"] == 1
            })
            .await;
        assert_eq!(
            (
                &status["status"]["replicas"],
                &status["status"]["availableReplicas"]
            ),
            (&json!(1), &json!(0)),
            "{}",
            target.name
        );
        let (_, first) = target
            .call("GET", &format!("{pods}/ide-0"), &Value::Null)
            .await;
        target
            .until("both are available", &path, |_, s| {
                s["status"]["availableReplicas"] == 2
            })
            .await;
        let ready = first["status"]["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|c| c["type"] == "Ready")
            .unwrap();
        assert_eq!(ready["status"], "True");
        let (_, second) = target
            .call("GET", &format!("{pods}/ide-1"), &Value::Null)
            .await;
        let waited = time(&second["metadata"]["creationTimestamp"])
            .duration_since(time(&ready["lastTransitionTime"]));
        assert!(
            waited >= SignedDuration::from_secs(WAIT),
            "{}: {waited:?}",
            target.name
        );

        let (_, list) = target.call("GET", &pods, &Value::Null).await;
        target
            .call_as(
                "PATCH",
                &format!("{path}/scale"),
                &json!({"spec": {"replicas": 0}}),
                MERGE,
            )
            .await;
        target
            .until("all are gone", &pods, |_, list| {
                list["items"].as_array().unwrap().is_empty()
            })
            .await;
        let order = gone(target, &pods, &list["metadata"]["resourceVersion"]).await;
        assert_eq!(order, ["ide-1", "ide-0"], "{}", target.name);
    })
    .await;
}

#[tokio::test]
async fn a_partition_keeps_the_lower_ordinals_at_the_old_revision() {
    each("partition", async |target, namespace| {
        ready_set(target, namespace, 2).await;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/ide");
        let pods = format!("/api/v1/namespaces/{namespace}/pods");
        let hash = async |name: &str| {
            let (_, pod) = target
                .call("GET", &format!("{pods}/{name}"), &Value::Null)
                .await;
            pod["metadata"]["labels"]["controller-revision-hash"].clone()
        };
        let change = |partition: i64, note: Value| {
            json!({"spec": {
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}},
            "template": {"metadata": {"annotations": {"note": note}}}}})
        };
        target
            .call_as("PATCH", &path, &change(1, json!("new")), MERGE)
            .await;
        let status = target
            .until("the upper pod is new", &path, |_, s| {
                let s = &s["status"];
                s["updateRevision"] != s["currentRevision"]
                    && s["updatedReplicas"] == 1
                    && s["readyReplicas"] == 2
            })
            .await;
        let (old, new) = (
            &status["status"]["currentRevision"],
            &status["status"]["updateRevision"],
        );
        assert_eq!(
            (&hash("ide-0").await, &hash("ide-1").await),
            (old, new),
            "{}",
            target.name
        );
        let (_, pod) = target
            .call("DELETE", &format!("{pods}/ide-0"), &Value::Null)
            .await;
        let uid = &pod["metadata"]["uid"];
        target
            .until("the lower pod is back", &format!("{pods}/ide-0"), |_, p| {
                p["metadata"]["uid"].is_string()
                    && p["metadata"]["uid"] != *uid
                    && p["status"]["phase"] == "Running"
            })
            .await;
        assert_eq!(
            &hash("ide-0").await,
            old,
            "{}: below the partition nothing is new",
            target.name
        );

        target
            .call_as("PATCH", &path, &change(0, json!("new")), MERGE)
            .await;
        target
            .until("all are new", &path, |_, s| {
                s["status"]["currentRevision"] == *new && s["status"]["readyReplicas"] == 2
            })
            .await;
        assert_eq!(&hash("ide-0").await, new);
        target
            .call_as("PATCH", &path, &change(0, Value::Null), MERGE)
            .await;
        target
            .until("the old template has its old name", &path, |_, s| {
                s["status"]["updateRevision"] == *old
            })
            .await;
        let revisions = format!("/apis/apps/v1/namespaces/{namespace}/controllerrevisions");
        let (_, list) = target.call("GET", &revisions, &Value::Null).await;
        let mut numbers: Vec<(bool, i64)> = list["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| {
                (
                    r["metadata"]["name"] == *old,
                    r["revision"].as_i64().unwrap(),
                )
            })
            .collect();
        numbers.sort_unstable();
        assert_eq!(
            numbers,
            [(false, 2), (true, 3)],
            "{}: a rollback is the newest revision",
            target.name
        );
    })
    .await;
}

#[tokio::test]
async fn a_retention_policy_takes_claims_with_the_pod_and_with_the_set() {
    each("retention", async |target, namespace| {
        let sets = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
        let claims = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
        let mut object = set(&target.image, 2);
        object["spec"]["persistentVolumeClaimRetentionPolicy"] =
            json!({"whenDeleted": "Delete", "whenScaled": "Delete"});
        assert_eq!(target.call("POST", &sets, &object).await.0, 201);
        let path = format!("{sets}/ide");
        target
            .until("the set is ready", &path, |_, s| {
                s["status"]["readyReplicas"] == 2
            })
            .await;
        let owned = |claim: &Value, kind: &str| {
            let owners = claim["metadata"]["ownerReferences"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            owners.iter().any(|o| o["kind"] == kind)
        };
        let claim = target
            .until(
                "the set owns its claim",
                &format!("{claims}/data-ide-0"),
                |_, c| owned(c, "StatefulSet"),
            )
            .await;
        assert_eq!(
            claim["metadata"]["ownerReferences"]
                .as_array()
                .unwrap()
                .len(),
            1,
            "{}",
            target.name
        );
        target
            .call_as(
                "PATCH",
                &format!("{path}/scale"),
                &json!({"spec": {"replicas": 1}}),
                MERGE,
            )
            .await;
        target
            .until(
                "the claim goes with its ordinal",
                &format!("{claims}/data-ide-1"),
                |code, _| code == 404,
            )
            .await;
        let (code, claim) = target
            .call("GET", &format!("{claims}/data-ide-0"), &Value::Null)
            .await;
        assert_eq!(
            (code, claim["metadata"]["deletionTimestamp"].is_null()),
            (200, true),
            "{}",
            target.name
        );

        let keep =
            json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Retain"}}});
        target.call_as("PATCH", &path, &keep, MERGE).await;
        target
            .until(
                "the claim is nobody's",
                &format!("{claims}/data-ide-0"),
                |_, c| !owned(c, "StatefulSet"),
            )
            .await;
        let take =
            json!({"spec": {"persistentVolumeClaimRetentionPolicy": {"whenDeleted": "Delete"}}});
        target.call_as("PATCH", &path, &take, MERGE).await;
        target
            .until(
                "the claim is the set's again",
                &format!("{claims}/data-ide-0"),
                |_, c| owned(c, "StatefulSet"),
            )
            .await;
        target.call("DELETE", &path, &Value::Null).await;
        target
            .until(
                "the claim goes with the set",
                &format!("{claims}/data-ide-0"),
                |code, _| code == 404,
            )
            .await;
    })
    .await;
}
