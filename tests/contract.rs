//! One set of rules for the simulated cluster and for a real one. The simulation is always asked; a real
//! cluster when `WSDASH_E2E_KUBECONFIG` names its kubeconfig. Where the two differ, the simulation is wrong.

#![expect(
    clippy::similar_names,
    reason = "node, code and body are what they are"
)]

#[path = "contract/discovery.rs"]
mod discovery;
#[path = "contract/list.rs"]
mod list;
#[path = "contract/notation.rs"]
mod notation;
#[path = "contract/quota.rs"]
mod quota;
#[path = "contract/set.rs"]
mod set_life;
#[path = "contract/storage.rs"]
mod storage;
#[path = "contract/target.rs"]
mod target;

use serde_json::{Value, json};
use target::{Target, targets};

const MERGE: &str = "application/merge-patch+json";

/// Runs a rule against every target, each time in a namespace of its own.
async fn each<F>(rule: &str, check: F)
where
    F: AsyncFn(&Target, &str),
{
    for target in targets(rule).await {
        let namespace = target.namespace(rule).await;
        check(&target, &namespace).await;
        target
            .call(
                "DELETE",
                &format!("/api/v1/namespaces/{namespace}"),
                &Value::Null,
            )
            .await;
    }
}

fn set(image: &str, replicas: i64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ide"}, "spec": {
        "serviceName": "ide", "replicas": replicas, "podManagementPolicy": "Parallel", "selector": {"matchLabels": {"app": "ide"}},
        "template": {"metadata": {"labels": {"app": "ide"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [{
            "name": "main", "image": image, "imagePullPolicy": "IfNotPresent",
            "command": ["sh", "-c", "echo started; sleep 3600"], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}]}},
        "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}}}}]}})
}

async fn ready_set(target: &Target, namespace: &str, replicas: i64) {
    let (code, body) = target
        .call(
            "POST",
            &format!("/apis/apps/v1/namespaces/{namespace}/statefulsets"),
            &set(&target.image, replicas),
        )
        .await;
    assert_eq!(code, 201, "{body}");
    let path = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/ide");
    target
        .until("the set is ready", &path, |_, s| {
            s["status"]["readyReplicas"] == json!(replicas)
        })
        .await;
}

#[tokio::test]
async fn pages_add_up_to_the_whole_list_and_a_watch_goes_on_where_it_ends() {
    each("pages", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        for name in ["a", "b", "c", "d"] {
            let object = json!({"metadata": {"name": name, "labels": {"rule": "pages"}}});
            assert_eq!(target.call("POST", &path, &object).await.0, 201);
        }
        let mut names = Vec::new();
        let mut token = String::new();
        loop {
            let page = format!("{path}?labelSelector=rule%3Dpages&limit=3&continue={token}");
            let (code, body) = target.call("GET", &page, &Value::Null).await;
            assert_eq!(code, 200, "{body}");
            assert!(body["items"].as_array().unwrap().len() <= 3);
            names.extend(
                body["items"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|o| o["metadata"]["name"].as_str().unwrap().to_owned()),
            );
            token = body["metadata"]["continue"]
                .as_str()
                .unwrap_or("")
                .to_owned();
            if token.is_empty() {
                break;
            }
        }
        assert_eq!(names, ["a", "b", "c", "d"], "{}", target.name);

        let (_, list) = target
            .call(
                "GET",
                &format!("{path}?labelSelector=rule%3Dpages"),
                &Value::Null,
            )
            .await;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        target
            .call_as(
                "PATCH",
                &format!("{path}/a"),
                &json!({"data": {"x": "1"}}),
                MERGE,
            )
            .await;
        target
            .call_as(
                "PATCH",
                &format!("{path}/b"),
                &json!({"metadata": {"labels": {"rule": "other"}}}),
                MERGE,
            )
            .await;
        target
            .call("DELETE", &format!("{path}/c"), &Value::Null)
            .await;
        let watch = format!(
            "{path}?watch=1&labelSelector=rule%3Dpages&resourceVersion={version}&timeoutSeconds=2"
        );
        let events: Vec<(String, String)> = target
            .lines(&watch)
            .await
            .iter()
            .map(|e| {
                (
                    e["type"].as_str().unwrap().to_owned(),
                    e["object"]["metadata"]["name"]
                        .as_str()
                        .unwrap_or("")
                        .to_owned(),
                )
            })
            .collect();
        let expected = [("MODIFIED", "a"), ("DELETED", "b"), ("DELETED", "c")]
            .map(|(t, n)| (t.to_owned(), n.to_owned()));
        assert_eq!(events, expected, "{}", target.name);
    })
    .await;
}

#[tokio::test]
async fn a_streaming_list_ends_with_its_bookmark() {
    each("streaming", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        target.call("POST", &path, &json!({"metadata": {"name": "a", "labels": {"rule": "stream"}}})).await;
        let watch = format!("{path}?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=rule%3Dstream&timeoutSeconds=2");
        let events = target.lines(&watch).await;
        assert_eq!(events[0]["type"], "ADDED", "{}", target.name);
        assert_eq!(events[1]["type"], "BOOKMARK");
        assert_eq!(events[1]["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    })
    .await;
}

#[tokio::test]
async fn preconditions_and_old_versions_are_refused_with_the_words_that_say_so() {
    each("preconditions", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let (_, made) = target.call("POST", &path, &json!({"metadata": {"name": "a"}})).await;
        let uid = made["metadata"]["uid"].as_str().unwrap();
        let (code, body) = target.call("POST", &path, &json!({"metadata": {"name": "a"}})).await;
        assert_eq!((code, body["reason"].as_str(), body["message"].as_str()), (409, Some("AlreadyExists"), Some("configmaps \"a\" already exists")));

        let wrong = json!({"preconditions": {"uid": "00000000-0000-4000-8000-000000000000"}});
        let (code, body) = target.call("DELETE", &format!("{path}/a"), &wrong).await;
        let text = format!("Operation cannot be fulfilled on ConfigMap \"a\": the UID in the precondition (00000000-0000-4000-8000-000000000000) does not match the UID in record ({uid}). The object might have been deleted and then recreated");
        assert_eq!((code, body["message"].as_str()), (409, Some(text.as_str())), "{}", target.name);
        let wrong = json!({"preconditions": {"uid": uid, "resourceVersion": "1"}});
        let (code, body) = target.call("DELETE", &format!("{path}/a"), &wrong).await;
        let version = made["metadata"]["resourceVersion"].as_str().unwrap();
        let text = format!("Operation cannot be fulfilled on ConfigMap \"a\": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The object might have been modified");
        assert_eq!((code, body["message"].as_str()), (409, Some(text.as_str())), "{}", target.name);

        let mut stale = made.clone();
        target.call_as("PATCH", &format!("{path}/a"), &json!({"data": {"x": "1"}}), MERGE).await;
        stale["data"] = json!({"x": "2"});
        let (code, body) = target.call("PUT", &format!("{path}/a"), &stale).await;
        assert_eq!(code, 409);
        assert_eq!(body["message"], "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the latest version and try again");

        let (code, body) = target.call("GET", &format!("{path}/none"), &Value::Null).await;
        assert_eq!((code, body["message"].as_str()), (404, Some("configmaps \"none\" not found")));
        let dry = format!("{path}/a?dryRun=All");
        assert_eq!(target.call("DELETE", &dry, &Value::Null).await.0, 200);
        assert_eq!(target.call("GET", &format!("{path}/a"), &Value::Null).await.0, 200);
    })
    .await;
}

#[tokio::test]
async fn an_object_with_a_finalizer_waits_for_it() {
    each("finalizers", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let object = json!({"metadata": {"name": "a", "finalizers": ["wsdash.dev/contract"]}});
        assert_eq!(target.call("POST", &path, &object).await.0, 201);
        target
            .call("DELETE", &format!("{path}/a"), &Value::Null)
            .await;
        let (code, body) = target.call("GET", &format!("{path}/a"), &Value::Null).await;
        assert_eq!(code, 200);
        assert!(
            body["metadata"]["deletionTimestamp"].is_string(),
            "{}",
            target.name
        );
        target
            .call_as(
                "PATCH",
                &format!("{path}/a"),
                &json!({"metadata": {"finalizers": null}}),
                MERGE,
            )
            .await;
        target
            .until("it is gone", &format!("{path}/a"), |code, _| code == 404)
            .await;
    })
    .await;
}

#[tokio::test]
async fn a_set_keeps_identities_and_claims_and_scales_from_the_top() {
    each("set", async |target, namespace| {
        ready_set(target, namespace, 2).await;
        let base = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/ide");
        let core = format!("/api/v1/namespaces/{namespace}");
        let (_, claim) = target.call("GET", &format!("{core}/persistentvolumeclaims/data-ide-1"), &Value::Null).await;
        assert_eq!(claim["status"]["phase"], "Bound");
        assert_eq!(claim["metadata"]["labels"]["app"], "ide");
        assert!(claim["metadata"]["finalizers"].as_array().unwrap().contains(&json!("kubernetes.io/pvc-protection")));
        let (_, pod) = target.call("GET", &format!("{core}/pods/ide-0"), &Value::Null).await;
        assert_eq!(pod["metadata"]["labels"]["statefulset.kubernetes.io/pod-name"], "ide-0");
        assert_eq!(pod["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "0");
        assert_eq!(pod["status"]["podIPs"][0]["ip"], pod["status"]["podIP"], "{}", target.name);
        assert_eq!(pod["status"]["hostIPs"][0]["ip"], pod["status"]["hostIP"]);
        assert!(pod["status"]["podIP"].is_string());
        assert_eq!(pod["status"]["qosClass"], "BestEffort", "nothing is asked for");
        let uid = pod["metadata"]["uid"].clone();

        target.call("DELETE", &format!("{core}/pods/ide-0"), &Value::Null).await;
        target.until("the pod is back with another uid", &format!("{core}/pods/ide-0"), |_, p| {
            p["metadata"]["uid"].is_string() && p["metadata"]["uid"] != uid && p["status"]["phase"] == "Running"
        }).await;

        target.call_as("PATCH", &format!("{base}/scale"), &json!({"spec": {"replicas": 1}}), MERGE).await;
        target.until("the highest pod is gone", &format!("{core}/pods/ide-1"), |code, _| code == 404).await;
        let (code, _) = target.call("GET", &format!("{core}/persistentvolumeclaims/data-ide-1"), &Value::Null).await;
        assert_eq!(code, 200, "the claim of a parked ordinal stays");

        let (code, body) = target.call_as("PATCH", &base, &json!({"spec": {"serviceName": "other"}}), MERGE).await;
        assert_eq!(code, 422);
        let text = "StatefulSet.apps \"ide\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        assert_eq!(body["message"], text, "{}", target.name);

        target.call("DELETE", &base, &json!({"propagationPolicy": "Orphan"})).await;
        target.until("the set is gone", &base, |code, _| code == 404).await;
        let (code, pod) = target.call("GET", &format!("{core}/pods/ide-0"), &Value::Null).await;
        assert_eq!(code, 200, "an orphaned pod lives on");
        assert!(pod["metadata"]["ownerReferences"].is_null());
        let uid = pod["metadata"]["uid"].clone();
        target.call("POST", &format!("/apis/apps/v1/namespaces/{namespace}/statefulsets"), &set(&target.image, 1)).await;
        target.until("the new set adopts it", &format!("{core}/pods/ide-0"), |_, p| p["metadata"]["ownerReferences"].is_array()).await;
        let (_, pod) = target.call("GET", &format!("{core}/pods/ide-0"), &Value::Null).await;
        assert_eq!(pod["metadata"]["uid"], uid);
    })
    .await;
}

#[tokio::test]
async fn a_claim_grows_online_never_shrinks_and_waits_while_it_is_used() {
    each("claim", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let core = format!("/api/v1/namespaces/{namespace}");
        let path = format!("{core}/persistentvolumeclaims/data-ide-0");
        let ask = |size: &str| json!({"spec": {"resources": {"requests": {"storage": size}}}});
        let before = target.exec(namespace, "ide-0", &["sh", "-c", "stat -f -c %b /data"]).await.0;
        let (code, body) = target.call_as("PATCH", &path, &ask("2Gi"), MERGE).await;
        assert_eq!(code, 200, "{body}");
        target.until("the capacity is recorded", &path, |_, c| c["status"]["capacity"]["storage"] == "2Gi").await;
        let after = target.exec(namespace, "ide-0", &["sh", "-c", "stat -f -c %b /data"]).await.0;
        let number = |text: &str| text.trim().parse::<i64>().unwrap();
        assert!(number(&after) > number(&before) * 18 / 10, "{}: the file system grew from {before} to {after}", target.name);

        let (code, body) = target.call_as("PATCH", &path, &ask("1Gi"), MERGE).await;
        assert_eq!(code, 422, "{body}");
        let text = body["message"].as_str().unwrap();
        assert!(text.contains("spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"), "{}: {text}", target.name);

        target.call("DELETE", &path, &Value::Null).await;
        let (code, claim) = target.call("GET", &path, &Value::Null).await;
        assert_eq!(code, 200);
        assert!(claim["metadata"]["deletionTimestamp"].is_string(), "a claim in use only terminates");
        assert_eq!(claim["status"]["phase"], "Bound");
        target.call("DELETE", &format!("/apis/apps/v1/namespaces/{namespace}/statefulsets/ide"), &Value::Null).await;
        target.until("the claim goes with its pod", &path, |code, _| code == 404).await;
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_brings_back_what_was_written() {
    each("snapshot", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let (_, code) = target.exec(namespace, "ide-0", &["sh", "-c", "mkdir -p /data/work && echo precious > /data/work/file && sync"]).await;
        assert_eq!(code, 0);
        let snapshots = format!("/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots");
        let object = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": "one"},
            "spec": {"source": {"persistentVolumeClaimName": "data-ide-0"}}});
        let (code, body) = target.call("POST", &snapshots, &object).await;
        assert_eq!(code, 201, "{body}");
        let snapshot = target.until("the snapshot is ready", &format!("{snapshots}/one"), |_, s| s["status"]["readyToUse"] == true).await;
        let name = snapshot["status"]["boundVolumeSnapshotContentName"].as_str().unwrap();
        let (_, content) = target.call("GET", &format!("/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents/{name}"), &Value::Null).await;
        assert_eq!(content["spec"]["volumeSnapshotRef"]["uid"], snapshot["metadata"]["uid"], "both point at each other");
        let (_, claim) = target.call("GET", &format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/data-ide-0"), &Value::Null).await;
        let (_, volume) = target.call("GET", &format!("/api/v1/persistentvolumes/{}", claim["spec"]["volumeName"].as_str().unwrap()), &Value::Null).await;
        assert_eq!(content["spec"]["source"]["volumeHandle"], volume["spec"]["csi"]["volumeHandle"]);

        target.exec(namespace, "ide-0", &["rm", "-rf", "/data/work"]).await;
        let claim = json!({"metadata": {"name": "restored"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
            "dataSourceRef": {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "one"}}});
        assert_eq!(target.call("POST", &format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims"), &claim).await.0, 201);
        let pod = json!({"metadata": {"name": "check"}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [{"name": "main", "image": target.image,
            "imagePullPolicy": "IfNotPresent", "command": ["sleep", "3600"], "volumeMounts": [{"name": "data", "mountPath": "/data"}]}],
            "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "restored"}}]}});
        assert_eq!(target.call("POST", &format!("/api/v1/namespaces/{namespace}/pods"), &pod).await.0, 201);
        target.until("the check runs", &format!("/api/v1/namespaces/{namespace}/pods/check"), |_, p| p["status"]["phase"] == "Running").await;
        let (text, code) = target.exec(namespace, "check", &["cat", "/data/work/file"]).await;
        assert_eq!((text.as_str(), code), ("precious\n", 0), "{}", target.name);
    })
    .await;
}

#[tokio::test]
async fn a_budget_refuses_an_eviction_and_says_why() {
    each("budget", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let budgets = format!("/apis/policy/v1/namespaces/{namespace}/poddisruptionbudgets");
        let budget = json!({"metadata": {"name": "keep"}, "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "ide"}}}});
        assert_eq!(target.call("POST", &budgets, &budget).await.0, 201);
        target.until("the budget has counted", &format!("{budgets}/keep"), |_, b| b["status"]["currentHealthy"] == 1).await;
        let path = format!("/api/v1/namespaces/{namespace}/pods/ide-0/eviction");
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "ide-0", "namespace": namespace}});
        let (code, body) = target.call("POST", &path, &eviction).await;
        assert_eq!((code, body["reason"].as_str()), (429, Some("TooManyRequests")), "{body}");
        assert_eq!(body["message"], "Cannot evict pod as it would violate the pod's disruption budget.");
        assert_eq!(body["details"]["causes"][0]["message"], "The disruption budget keep needs 1 healthy pods and has 1 currently", "{}", target.name);
        target.call("DELETE", &format!("{budgets}/keep"), &Value::Null).await;
        target.until("the budget is gone", &format!("{budgets}/keep"), |code, _| code == 404).await;
        let (code, body) = target.call("POST", &path, &eviction).await;
        assert_eq!((code, body["status"].as_str()), (201, Some("Success")), "{body}");
    })
    .await;
}

#[tokio::test]
async fn a_command_brings_its_output_and_its_exit_code_and_the_log_is_there() {
    each("exec", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let script = "echo one; echo two > /data/f; cat /data/f | wc -l; x=$(cat /data/f); [ \"$x\" = two ] && echo same; exit 7";
        let (text, code) = target.exec(namespace, "ide-0", &["sh", "-c", script]).await;
        assert_eq!((text.as_str(), code), ("one\n1\nsame\n", 7), "{}", target.name);
        let (text, _) = target.exec(namespace, "ide-0", &["sh", "-c", "printf abc > /data/h; sha256sum /data/h; chmod 0640 /data/h; touch -d @1000000000 /data/h; stat -c '%a %Y %s' /data/h; ln -s h /data/l; readlink /data/l; test -e /data/none; echo $?"]).await;
        assert_eq!(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  /data/h\n640 1000000000 3\nh\n1\n", "{}", target.name);
        let log = target.text(&format!("/api/v1/namespaces/{namespace}/pods/ide-0/log")).await;
        assert_eq!(log, "started\n", "{}", target.name);
        let (code, body) = target.call("GET", &format!("/api/v1/namespaces/{namespace}/pods/ide-0/log?previous=true"), &Value::Null).await;
        assert_eq!(code, 400);
        assert_eq!(body["message"], "previous terminated container \"main\" in pod \"ide-0\" not found", "{}", target.name);
    })
    .await;
}
