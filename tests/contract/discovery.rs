//! What the server says that it has, and objects without their bodies.

#![expect(clippy::unwrap_used, reason = "a test fails by a panic")]

use serde_json::{Value, json};

use super::target::Target;
use super::{MERGE, each};

async fn get(target: &Target, path: &str, accept: &str) -> Value {
    let (code, body) = target.sent_as(path, accept).await;
    assert_eq!(code, 200, "{}: {path}", target.name);
    serde_json::from_slice(&body).unwrap()
}

fn names(list: &Value, field: &str) -> Vec<String> {
    let all = list.as_array().unwrap().iter();
    all.map(|one| one[field].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn plain_and_aggregated_discovery_name_the_same() {
    each("discovery", async |target, _| {
        const AGGREGATED: &str =
            "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
        let core = get(target, "/api", "application/json").await;
        assert_eq!(
            (&core["kind"], &core["versions"]),
            (&json!("APIVersions"), &json!(["v1"]))
        );
        let plain = get(target, "/apis", "application/json").await;
        assert_eq!(plain["kind"], "APIGroupList");
        let groups = names(&plain["groups"], "name");
        let aggregated = get(target, "/apis", AGGREGATED).await;
        assert_eq!(
            aggregated["kind"], "APIGroupDiscoveryList",
            "{}",
            target.name
        );
        for name in [
            "apps",
            "policy",
            "storage.k8s.io",
            "snapshot.storage.k8s.io",
        ] {
            assert!(groups.iter().any(|g| g == name), "{}: {name}", target.name);
            let group = get(target, &format!("/apis/{name}"), "application/json").await;
            let preferred = group["preferredVersion"]["groupVersion"].as_str().unwrap();
            let list = get(target, &format!("/apis/{preferred}"), "application/json").await;
            assert_eq!(
                (&list["kind"], &list["groupVersion"]),
                (&json!("APIResourceList"), &json!(preferred))
            );
            let whole = aggregated["items"].as_array().unwrap().iter();
            let whole = whole
                .clone()
                .find(|g| g["metadata"]["name"] == name)
                .unwrap();
            for resource in whole["versions"][0]["resources"].as_array().unwrap() {
                let plural = resource["resource"].as_str().unwrap();
                let plain = list["resources"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .find(|r| r["name"] == plural);
                let plain = plain.unwrap_or_else(|| panic!("{}: {plural}", target.name));
                assert_eq!(plain["kind"], resource["responseKind"]["kind"]);
                assert_eq!(
                    plain["verbs"], resource["verbs"],
                    "{}: {plural}",
                    target.name
                );
                assert_eq!(plain["namespaced"], resource["scope"] == "Namespaced");
            }
        }
        let list = get(target, "/api/v1", "application/json").await;
        let names = names(&list["resources"], "name");
        for name in [
            "pods",
            "pods/eviction",
            "pods/exec",
            "pods/log",
            "persistentvolumeclaims",
        ] {
            assert!(names.iter().any(|n| n == name), "{}: {name}", target.name);
        }
        let (code, _) = target
            .call("GET", "/apis/none.example.com/v1", &Value::Null)
            .await;
        assert_eq!(code, 404);
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_for_metadata_alone_gets_no_body() {
    each("metadata", async |target, namespace| {
        let path = format!("/api/v1/namespaces/{namespace}/configmaps");
        let object =
            json!({"metadata": {"name": "a", "labels": {"rule": "meta"}}, "data": {"x": "1"}});
        assert_eq!(target.call("POST", &path, &object).await.0, 201);
        let one = get(
            target,
            &format!("{path}/a"),
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        )
        .await;
        assert_eq!(
            (&one["kind"], &one["apiVersion"]),
            (&json!("PartialObjectMetadata"), &json!("meta.k8s.io/v1"))
        );
        assert_eq!(
            (&one["metadata"]["labels"]["rule"], &one["data"]),
            (&json!("meta"), &Value::Null),
            "{}",
            target.name
        );
        let list = get(
            target,
            &format!("{path}?labelSelector=rule%3Dmeta"),
            "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        )
        .await;
        assert_eq!(list["kind"], "PartialObjectMetadataList", "{}", target.name);
        assert_eq!(
            (
                &list["items"][0]["metadata"]["name"],
                &list["items"][0]["data"]
            ),
            (&json!("a"), &Value::Null)
        );
        let version = list["metadata"]["resourceVersion"].as_str().unwrap();
        target
            .call_as(
                "PATCH",
                &format!("{path}/a"),
                &json!({"data": {"x": "2"}}),
                MERGE,
            )
            .await;
        let watch = format!(
            "{path}?watch=1&labelSelector=rule%3Dmeta&resourceVersion={version}&timeoutSeconds=1"
        );
        let event = get(
            target,
            &watch,
            "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        )
        .await;
        assert_eq!(
            (&event["type"], &event["object"]["kind"]),
            (&json!("MODIFIED"), &json!("PartialObjectMetadata")),
            "{}",
            target.name
        );
        assert_eq!(event["object"]["data"], Value::Null);
    })
    .await;
}
