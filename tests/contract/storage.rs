//! Volumes: the stages of growing, what of a volume never changes, and what a failed snapshot says.

use serde_json::{Value, json};

use super::{MERGE, each, ready_set};

#[tokio::test]
async fn a_claim_tells_each_stage_of_its_growing() {
    each("stages", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let claims = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
        let path = format!("{claims}/data-ide-0");
        let (_, before) = target.call("GET", &path, &Value::Null).await;
        let version = before["metadata"]["resourceVersion"].as_str().unwrap();
        let ask = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
        assert_eq!(target.call_as("PATCH", &path, &ask, MERGE).await.0, 200);
        target.until("it has grown", &path, |_, c| c["status"]["capacity"]["storage"] == "2Gi").await;
        let watch = format!("{claims}?watch=1&fieldSelector=metadata.name%3Ddata-ide-0&resourceVersion={version}&timeoutSeconds=2");
        let mut stages: Vec<(String, Vec<String>, String)> = Vec::new();
        for event in target.lines(&watch).await {
            let status = &event["object"]["status"];
            let text = |value: &Value| value.as_str().unwrap_or("").to_owned();
            let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
            let stage = (
                text(&status["allocatedResourceStatuses"]["storage"]),
                conditions.iter().map(|c| text(&c["type"])).collect(),
                text(&status["capacity"]["storage"]),
            );
            if stages.last() != Some(&stage) {
                stages.push(stage);
            }
        }
        let stage = |name: &str, conditions: &[&str], size: &str| {
            (name.to_owned(), conditions.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>(), size.to_owned())
        };
        let node = ["Resizing", "FileSystemResizePending"];
        let expected = [
            stage("", &[], "1Gi"),
            stage("ControllerResizeInProgress", &["Resizing"], "1Gi"),
            stage("NodeResizePending", &node, "1Gi"),
            stage("NodeResizeInProgress", &node, "1Gi"),
            stage("", &[], "2Gi"),
        ];
        assert_eq!(stages, expected, "{}", target.name);
    })
    .await;
}

#[tokio::test]
async fn where_the_bytes_of_a_volume_are_never_changes() {
    each("immutable", async |target, namespace| {
        let name = format!("{namespace}-v");
        let affinity = |zone: &str| json!({"required": {"nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": [zone]}]}]}});
        let volume = json!({"metadata": {"name": name}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
            "storageClassName": "contract-none", "csi": {"driver": "none.example.com", "volumeHandle": "h1"}}});
        assert_eq!(target.call("POST", "/api/v1/persistentvolumes", &volume).await.0, 201);
        let path = format!("/api/v1/persistentvolumes/{name}");
        let patch = async |spec: Value| {
            let (code, body) = target.call_as("PATCH", &path, &json!({"spec": spec}), MERGE).await;
            (code, body["message"].as_str().unwrap_or("").to_owned())
        };
        let (code, text) = patch(json!({"csi": {"volumeHandle": "h2"}})).await;
        let start = format!("PersistentVolume \"{name}\" is invalid: spec.persistentvolumesource: Forbidden: spec.persistentvolumesource is immutable after creation");
        assert_eq!(code, 422, "{}: {text}", target.name);
        assert!(text.starts_with(&start), "{}: {text}", target.name);
        let (code, text) = patch(json!({"volumeMode": "Block"})).await;
        assert_eq!((code, text), (422, format!("PersistentVolume \"{name}\" is invalid: volumeMode: Invalid value: \"Block\": field is immutable")), "{}", target.name);

        assert_eq!(patch(json!({"nodeAffinity": affinity("a")})).await.0, 200, "{}: it may be set once", target.name);
        let fixed = "field is immutable, except for updating from beta label to GA";
        for (to, shown) in [
            (affinity("b"), "{\"Required\":{\"NodeSelectorTerms\":[{\"MatchExpressions\":[{\"Key\":\"zone\",\"Operator\":\"In\",\"Values\":[\"b\"]}],\"MatchFields\":null}]}}"),
            (Value::Null, "null"),
        ] {
            let (code, text) = patch(json!({"nodeAffinity": to})).await;
            assert_eq!((code, text), (422, format!("PersistentVolume \"{name}\" is invalid: nodeAffinity: Invalid value: {shown}: {fixed}")), "{}", target.name);
        }
        let rest = json!({"capacity": {"storage": "2Gi"}, "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "contract-other"});
        assert_eq!(patch(rest).await.0, 200, "{}: the rest may", target.name);

        let attachments = "/apis/storage.k8s.io/v1/volumeattachments";
        let attachment = json!({"metadata": {"name": name}, "spec": {"attacher": "none.example.com", "nodeName": "n1",
            "source": {"persistentVolumeName": name}}});
        assert_eq!(target.call("POST", attachments, &attachment).await.0, 201);
        let one = format!("{attachments}/{name}");
        let (code, body) = target.call_as("PATCH", &one, &json!({"spec": {"nodeName": "n2"}}), MERGE).await;
        let text = format!("VolumeAttachment.storage.k8s.io \"{name}\" is invalid: spec: Invalid value: {{\"Attacher\":\"none.example.com\",\"Source\":{{\"PersistentVolumeName\":\"{name}\",\"InlineVolumeSpec\":null}},\"NodeName\":\"n2\"}}: field is immutable");
        let kept = |text: &str| text.split('{').next().unwrap_or("").to_owned();
        assert_eq!((code, kept(body["message"].as_str().unwrap())), (422, kept(&text)), "{}", target.name);
        assert!(body["message"].as_str().unwrap().ends_with(": field is immutable"), "{}", target.name);
        target.call("DELETE", &one, &Value::Null).await;
        target.call("DELETE", &path, &Value::Null).await;
        target.until("the volume is gone", &path, |code, _| code == 404).await;
    })
    .await;
}

#[tokio::test]
async fn a_snapshot_that_cannot_be_says_why() {
    each("nosnapshot", async |target, namespace| {
        ready_set(target, namespace, 1).await;
        let snapshots = format!("/apis/snapshot.storage.k8s.io/v1/namespaces/{namespace}/volumesnapshots");
        let ask = async |name: &str, source: Value, class: Value| {
            let object = json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshot", "metadata": {"name": name},
                "spec": {"source": source, "volumeSnapshotClassName": class}});
            target.call("POST", &snapshots, &object).await
        };
        let classes = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotclasses";
        let (_, classes) = target.call("GET", classes, &Value::Null).await;
        let known = classes["items"][0]["metadata"]["name"].clone();
        let waiting = json!({"metadata": {"name": "waits"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}});
        let claims = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims");
        assert_eq!(target.call("POST", &claims, &waiting).await.0, 201);
        let unbound = "the PVC waits is not yet bound to a PV, will not attempt to take a snapshot";
        let absent = "failed to retrieve PVC none from the lister: \"persistentvolumeclaim \\\"none\\\" not found\"";
        let default = "Failed to set default snapshot class with error";
        let create = "Failed to create snapshot content with error";
        for (name, claim, class, expected) in [
            ("no-class", "data-ide-0", json!("none"), "Failed to get snapshot class with error volumesnapshotclass.snapshot.storage.k8s.io \"none\" not found".to_owned()),
            ("no-claim", "none", Value::Null, format!("{default} {absent}")),
            ("unbound", "waits", Value::Null, format!("{default} {unbound}")),
            ("no-claim-of-class", "none", known.clone(), format!("{create} snapshot controller failed to update no-claim-of-class on API server: cannot get claim from snapshot")),
            ("unbound-of-class", "waits", known.clone(), format!("{create} failed to get input parameters to create snapshot unbound-of-class: \"{unbound}\"")),
        ] {
            assert_eq!(ask(name, json!({"persistentVolumeClaimName": claim}), class.clone()).await.0, 201);
            let path = format!("{snapshots}/{name}");
            let found = target.until("the snapshot says why", &path, |_, s| s["status"]["error"]["message"].is_string()).await;
            assert_eq!(found["status"]["error"]["message"], expected, "{}: {name}", target.name);
            let ready = if class == known { json!(false) } else { Value::Null };
            assert_eq!(found["status"]["readyToUse"], ready, "{}: {name}", target.name);
        }
        let (code, body) = ask("no-source", json!({}), Value::Null).await;
        let text = "VolumeSnapshot.snapshot.storage.k8s.io \"no-source\" is invalid: spec.source: Invalid value: \"object\": exactly one of volumeSnapshotContentName and persistentVolumeClaimName must be set";
        assert_eq!((code, body["message"].as_str()), (422, Some(text)), "{}", target.name);
        let path = format!("{snapshots}/no-class");
        let other = json!({"spec": {"source": {"persistentVolumeClaimName": "other"}}});
        let (code, body) = target.call_as("PATCH", &path, &other, MERGE).await;
        let text = "VolumeSnapshot.snapshot.storage.k8s.io \"no-class\" is invalid: spec.source.persistentVolumeClaimName: Invalid value: \"string\": persistentVolumeClaimName is immutable";
        assert_eq!((code, body["message"].as_str()), (422, Some(text)), "{}", target.name);
    })
    .await;
}
