//! Quotas, and the end of a namespace.

use serde_json::{Value, json};

use super::{MERGE, each, ready_set, set};

#[tokio::test]
async fn a_quota_refuses_what_is_beyond_it_and_counts() {
    each("quota", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let core = format!("/api/v1/namespaces/{namespace}");
        let quota = json!({"metadata": {"name": "q"}, "spec": {"hard":
            {"persistentvolumeclaims": "2", "requests.storage": "2Gi", "limits.memory": "1Gi"}}});
        assert_eq!(target.call("POST", &format!("{core}/resourcequotas"), &quota).await.0, 201);
        target.until("the quota has counted", &format!("{core}/resourcequotas/q"), |_, q| {
            q["status"]["used"] == json!({"persistentvolumeclaims": "1", "requests.storage": "1Gi", "limits.memory": "0"})
        }).await;
        let claims = format!("{core}/persistentvolumeclaims");
        let claim = |name: &str, size: &str| json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": size}}}});
        let (code, body) = target.call("POST", &claims, &claim("big", "1500Mi")).await;
        let text = "persistentvolumeclaims \"big\" is forbidden: exceeded quota: q, requested: requests.storage=1500Mi, used: requests.storage=1Gi, limited: requests.storage=2Gi";
        assert_eq!((code, body["reason"].as_str(), body["message"].as_str()), (403, Some("Forbidden"), Some(text)), "{}", target.name);
        assert_eq!(target.call("POST", &claims, &claim("fits", "1Gi")).await.0, 201);
        target.until("the claim is counted", &format!("{core}/resourcequotas/q"), |_, q| q["status"]["used"]["persistentvolumeclaims"] == "2").await;
        let (code, body) = target.call("POST", &claims, &claim("more", "1Gi")).await;
        let text = "persistentvolumeclaims \"more\" is forbidden: exceeded quota: q, requested: persistentvolumeclaims=1,requests.storage=1Gi, used: persistentvolumeclaims=2,requests.storage=2Gi, limited: persistentvolumeclaims=2,requests.storage=2Gi";
        assert_eq!((code, body["message"].as_str()), (403, Some(text)), "{}", target.name);
        let grow = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
        let (code, body) = target.call_as("PATCH", &format!("{claims}/data-ide-0"), &grow, MERGE).await;
        let text = "persistentvolumeclaims \"data-ide-0\" is forbidden: exceeded quota: q, requested: requests.storage=1Gi, used: requests.storage=2Gi, limited: requests.storage=2Gi";
        assert_eq!((code, body["message"].as_str()), (403, Some(text)), "{}", target.name);
        let pod = json!({"metadata": {"name": "a"}, "spec": {"containers": [{"name": "main", "image": target.image}]}});
        let (code, body) = target.call("POST", &format!("{core}/pods"), &pod).await;
        let text = "pods \"a\" is forbidden: failed quota: q: must specify limits.memory for: main";
        assert_eq!((code, body["message"].as_str()), (403, Some(text)), "{}", target.name);

        let events = format!("{core}/events?fieldSelector=reason%3DFailedCreate,involvedObject.name%3Dide");
        let mut wider = set(&target.image, 3);
        wider["spec"]["template"]["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "64Mi"}});
        let sets = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
        let change = json!({"spec": {"replicas": 3, "template": wider["spec"]["template"]}});
        target.call_as("PATCH", &format!("{sets}/ide"), &change, MERGE).await;
        let text = "exceeded quota: q, requested: persistentvolumeclaims=1,requests.storage=1Gi, used: persistentvolumeclaims=2,requests.storage=2Gi, limited: persistentvolumeclaims=2,requests.storage=2Gi";
        target.until("the set says that it cannot", &events, |_, list| {
            list["items"].as_array().unwrap().iter().any(|e| e["message"].as_str().unwrap().contains(text))
        }).await;
    })
    .await;
}

#[tokio::test]
async fn a_namespace_ends_when_all_in_it_has_and_takes_nothing_new_meanwhile() {
    each("end", async |target, _| {
        let name = format!("contract-ending-{}", std::process::id());
        let path = format!("/api/v1/namespaces/{name}");
        let made = target.call("POST", "/api/v1/namespaces", &json!({"metadata": {"name": name}})).await;
        assert_eq!(made.0, 201);
        let maps = format!("{path}/configmaps");
        let kept = json!({"metadata": {"name": "kept", "finalizers": ["wsdash.dev/contract"]}});
        assert_eq!(target.call("POST", &maps, &kept).await.0, 201);
        assert_eq!(target.call("POST", &maps, &json!({"metadata": {"name": "free"}})).await.0, 201);
        target.call("DELETE", &path, &Value::Null).await;
        let condition = |n: &Value, kind: &str| {
            let all = n["status"]["conditions"].as_array().cloned().unwrap_or_default();
            all.into_iter().find(|c| c["type"] == kind).unwrap_or_default()
        };
        let ending = target.until("the namespace says what it waits for", &path, |_, n| {
            condition(n, "NamespaceFinalizersRemaining")["status"] == "True"
        }).await;
        assert_eq!(ending["status"]["phase"], "Terminating", "{}", target.name);
        let text = "Some content in the namespace has finalizers remaining: wsdash.dev/contract in 1 resource instances";
        assert_eq!(condition(&ending, "NamespaceFinalizersRemaining")["message"], text, "{}", target.name);
        let rest = condition(&ending, "NamespaceContentRemaining");
        assert_eq!((&rest["status"], &rest["reason"]), (&json!("True"), &json!("SomeResourcesRemain")), "{}", target.name);
        assert_eq!(rest["message"], "Some resources are remaining: configmaps. has 1 resource instances", "{}", target.name);
        let (code, body) = target.call("POST", &maps, &json!({"metadata": {"name": "new"}})).await;
        let text = format!("configmaps \"new\" is forbidden: unable to create new content in namespace {name} because it is being terminated");
        assert_eq!((code, body["message"].as_str()), (403, Some(text.as_str())), "{}", target.name);
        assert_eq!(body["details"]["causes"][0]["reason"], "NamespaceTerminating");
        assert_eq!(target.call("GET", &format!("{maps}/free"), &Value::Null).await.0, 404, "{}", target.name);
        target.call_as("PATCH", &format!("{maps}/kept"), &json!({"metadata": {"finalizers": null}}), MERGE).await;
        target.until("the namespace is gone", &path, |code, _| code == 404).await;
    })
    .await;
}
