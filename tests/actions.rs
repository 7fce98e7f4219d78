//! Actions with the real binary, against the simulated cluster or, when `WSDASH_E2E_KUBECONFIG`
//! names its kubeconfig, a real one. After every test the cluster is inspected: nothing is lost
//! and nothing is left over.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not run"
)]

#[path = "actions/faults.rs"]
mod faults;
#[path = "actions/interrupted.rs"]
mod interrupted;
#[path = "actions/line.rs"]
mod line;
#[path = "actions/rights.rs"]
mod rights;
#[path = "actions/role.rs"]
mod role;
#[expect(
    dead_code,
    reason = "runs are followed by other tests, too, which use more of it"
)]
#[path = "actions/run.rs"]
mod run;
#[expect(
    dead_code,
    reason = "the stage is shared with other tests, which use more of it"
)]
#[path = "actions/stage.rs"]
mod stage;
#[path = "actions/template.rs"]
mod template;

use serde_json::{Value, json};
use stage::{MERGE, stages};

#[tokio::test]
async fn a_snapshot_takes_every_claim_as_one_set_and_undo_takes_it_back() {
    for stage in stages("snapshot", 2).await {
        let claims = stage.claims().await;
        let (code, out, err) = stage
            .wsdash(&["snapshot", "ide-0", "--wait", "--yes"])
            .await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("proven to be of the disk"), "{out}");
        let made = stage.items(&stage.snapshots()).await;
        let label = |name: &str| -> Vec<String> {
            let mut all: Vec<String> = made
                .iter()
                .map(|s| s["metadata"]["labels"][name].as_str().unwrap().to_owned())
                .collect();
            all.dedup();
            all
        };
        assert_eq!(made.len(), 2, "{out}");
        assert_eq!(label("wsdash.dev/consistency"), ["synced"]);
        assert_eq!(label("wsdash.dev/workspace"), ["ide-0"]);
        assert_eq!(label("wsdash.dev/snapshot-set").len(), 1);
        let id = stage.newest("snapshot").await;
        assert_eq!(label("wsdash.dev/run-id"), std::slice::from_ref(&id));

        let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(stage.items(&stage.snapshots()).await.len(), 0);
        assert_eq!(stage.job("snapshot").await["state"], "undone");
        let (code, _, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("already"), "{err}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_dry_run_asks_the_server_and_changes_nothing() {
    for stage in stages("dry", 1).await {
        let claims = stage.claims().await;
        for args in [
            vec!["snapshot", "ide-0", "--dry-run"],
            vec!["resize", "workspace-ide-0", stage.size, "--dry-run"],
            vec!["evict", "ide-0", "--dry-run"],
        ] {
            let before = stage.items(&stage.path("/api/v1", "pods")).await;
            let (code, out, err) = stage.wsdash(&args).await;
            assert_eq!(code, 0, "{}: {out}{err}", stage.name);
            assert!(out.contains("would be accepted"), "{args:?}: {out}");
            let after = stage.items(&stage.path("/api/v1", "pods")).await;
            assert_eq!(before[0]["metadata"]["uid"], after[0]["metadata"]["uid"]);
            assert_eq!(after[0]["metadata"]["deletionTimestamp"], Value::Null);
        }
        assert_eq!(stage.items(&stage.snapshots()).await.len(), 0);
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn nobody_there_to_be_asked_means_nothing_is_done() {
    for stage in stages("ask", 1).await {
        let (code, _, err) = stage.wsdash(&["evict", "ide-0"]).await;
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("--yes"), "{err}");
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.end().await;
    }
}

#[tokio::test]
async fn a_resize_is_done_when_the_file_system_has_grown() {
    for stage in stages("resize", 1).await {
        let claims = stage.claims().await;
        let (code, out, err) = stage
            .wsdash(&["resize", "workspace-ide-0", stage.size, "--yes"])
            .await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("5/5 the file system has"), "{out}");
        let path = stage.path("/api/v1", "persistentvolumeclaims/workspace-ide-0");
        let claim = stage.get(&path).await;
        assert_eq!(claim["status"]["capacity"]["storage"], stage.size);
        let by = &claim["metadata"]["annotations"]["wsdash.dev/by"];
        assert!(by.as_str().unwrap().starts_with("tester@"), "{by}");

        for (size, words) in [("100Mi", "cannot become smaller"), (stage.size, "asks for")] {
            let args = ["resize", "workspace-ide-0", size, "--yes"];
            let (code, _, err) = stage.wsdash(&args).await;
            assert_ne!(code, 0);
            assert!(err.contains(words), "{}: {err}", stage.name);
        }
        let (_, out, _) = stage
            .wsdash(&["resize", "workspace-ide-0", "+50%", "--dry-run"])
            .await;
        assert!(out.contains("template drift"), "{out}");
        let id = stage.newest("resize").await;
        let (code, _, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("cannot become smaller"), "{err}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_quota_refuses_a_resize_before_anything_is_asked_for() {
    for stage in stages("quota", 1).await {
        let quota =
            json!({"metadata": {"name": "q"}, "spec": {"hard": {"requests.storage": "3Gi"}}});
        let path = stage.path("/api/v1", "resourcequotas");
        assert_eq!(stage.call("POST", &path, &quota).await.0, 201);
        stage
            .until("the quota is counted", &format!("{path}/q"), |_, q| {
                q["status"]["used"]["requests.storage"].is_string()
            })
            .await;
        let (code, _, err) = stage
            .wsdash(&["resize", "workspace-ide-0", "20Gi", "--yes"])
            .await;
        assert_eq!(code, 1, "{}: {err}", stage.name);
        assert!(err.contains("exceeded quota"), "{}: {err}", stage.name);
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.end().await;
    }
}

#[tokio::test]
async fn an_eviction_waits_for_the_successor_and_never_passes_a_budget_by() {
    for stage in stages("evict", 1).await {
        let claims = stage.claims().await;
        let pod = stage.path("/api/v1", "pods/ide-0");
        let before = stage.get(&pod).await["metadata"]["uid"].clone();
        let (code, out, err) = stage.wsdash(&["evict", "ide-0", "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        let after = stage.get(&pod).await["metadata"]["uid"].clone();
        assert_ne!(before, after);

        let budget = json!({"metadata": {"name": "b"}, "spec":
            {"minAvailable": 1, "selector": {"matchLabels": {"app": "ide"}}}});
        let path = stage.path("/apis/policy/v1", "poddisruptionbudgets");
        assert_eq!(stage.call("POST", &path, &budget).await.0, 201);
        stage
            .until("the budget is counted", &format!("{path}/b"), |_, b| {
                b["status"]["expectedPods"] == json!(1)
            })
            .await;
        let (code, _, err) = stage.wsdash(&["evict", "ide-0", "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("disruption budget"), "{}: {err}", stage.name);
        assert_eq!(stage.get(&pod).await["metadata"]["uid"], after);
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn two_runs_never_work_on_one_workspace_at_once() {
    for stage in stages("lease", 1).await {
        let claims = stage.claims().await;
        let holder = json!({"metadata": {"name": "wsdash-ide-0"}, "spec": {
            "holderIdentity": "another-run", "leaseDurationSeconds": 30,
            "renewTime": jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()}});
        let path = stage.path("/apis/coordination.k8s.io/v1", "leases");
        assert_eq!(stage.call("POST", &path, &holder).await.0, 201);
        let (code, _, err) = stage.wsdash(&["evict", "ide-0", "--yes"]).await;
        assert_eq!(code, 1);
        assert!(
            err.contains("another-run works on"),
            "{}: {err}",
            stage.name
        );

        // a holder that died long ago is taken over
        let old = json!({"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}});
        let lease = format!("{path}/wsdash-ide-0");
        assert_eq!(stage.call_as("PATCH", &lease, &old, MERGE).await.0, 200);
        let (code, out, err) = stage.wsdash(&["evict", "ide-0", "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

/// An unknown name is refused by every action with a way to find the right one.
#[tokio::test]
async fn what_is_not_there_is_named() {
    for stage in stages("missing", 1).await {
        let none: &[&[&str]] = &[
            &["snapshot", "nobody-0", "--yes"],
            &["resize", "nothing", "20Gi", "--yes"],
            &["evict", "nobody-0", "--yes"],
            &["resume", "nothing", "--yes"],
            &["undo", "nothing", "--yes"],
        ];
        for args in none {
            let (code, _, err) = stage.wsdash(args).await;
            assert_eq!(code, 1, "{args:?}: {err}");
            assert!(err.contains("there is no"), "{args:?}: {err}");
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_command_goes_into_the_container_that_mounts_the_work() {
    for stage in stages("container", 1).await {
        let mut set = stage.set(1);
        set["metadata"]["name"] = json!("pair");
        for labels in [
            "/spec/selector/matchLabels",
            "/spec/template/metadata/labels",
        ] {
            *set.pointer_mut(labels).unwrap() = json!({"app": "pair"});
        }
        let containers = set.pointer_mut("/spec/template/spec/containers").unwrap();
        let mut first = containers[0].clone();
        first["name"] = json!("sidecar");
        first.as_object_mut().unwrap().remove("volumeMounts");
        containers.as_array_mut().unwrap().insert(0, first);
        let sets = stage.path("/apis/apps/v1", "statefulsets");
        assert_eq!(stage.call("POST", &sets, &set).await.0, 201);
        let path = format!("{sets}/pair");
        stage
            .until("both containers run", &path, |_, set| {
                set["status"]["readyReplicas"] == json!(1)
            })
            .await;
        let write = ["exec", "pair-0", "-c", "main", "--", "sh", "-c"];
        let script = "echo here > /workspace/mark";
        let (code, _, err) = stage.wsdash(&[&write[..], &[script]].concat()).await;
        assert_eq!(code, 0, "{err}");
        let read = ["exec", "pair-0", "--", "cat", "/workspace/mark"];
        let (code, out, err) = stage.wsdash(&read).await;
        assert_eq!((code, out.as_str()), (0, "here\n"), "{}: {err}", stage.name);
        // a server asks for the name where there are several
        let (code, _, err) = stage.wsdash(&["logs", "pair-0"]).await;
        assert_eq!(code, 0, "{}: {err}", stage.name);
        stage.end().await;
    }
}
