//! The persistence verification test with the real binary against the simulated cluster and, when
//! `WSDASH_E2E_KUBECONFIG` names its kubeconfig, a real one: every result class that can be
//! brought about, and after each nothing of the test is left.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not run"
)]

#[expect(
    dead_code,
    reason = "the stage is shared with other tests, which use more of it"
)]
#[path = "actions/stage.rs"]
mod stage;

#[expect(
    dead_code,
    reason = "the kit is shared with other tests, which use more of it"
)]
#[path = "actions/kit.rs"]
mod kit;

#[path = "actions/line.rs"]
mod line;

#[path = "actions/role.rs"]
mod role;

#[path = "actions/run.rs"]
mod run;

#[path = "verify/interrupted.rs"]
mod interrupted;

use std::process::Child;
use std::time::{Duration, Instant};

use kit::{configure, sh, sums, work};
use role::only_under_its_role;
use rstest::rstest;
use serde_json::{Value, json};
use stage::{MERGE, Stage, stages};
use tokio::sync::RwLock;

const POD: &str = "ide-0";
const FIRST: &str = "workspace-ide-0";
const VERIFY: [&str; 5] = ["verify", POD, "--yes", "-o", "json"];

/// Waits are short where a test waits for a failure.
const SHORT: &str = "[actions]\nrestart_wait = \"12s\"\n[actions.verify]\n\
                     termination_slack = \"6s\"\n";

/// A fault is one of the whole cluster: whoever sets one is alone, the others wait.
static FAULTS: RwLock<()> = RwLock::const_new(());

/// Runs the test of one workspace: exit code, its result, standard error.
async fn verify(stage: &Stage, more: &[&str]) -> (i32, Value, String) {
    let args = [&VERIFY, more].concat();
    let (code, out, err) = stage.wsdash(&args).await;
    (code, result(stage, &out, &err), err)
}

fn result(stage: &Stage, out: &str, err: &str) -> Value {
    let document: Value = serde_json::from_str(out)
        .unwrap_or_else(|error| panic!("{}: {error}: {out}{err}", stage.name));
    let results = document["results"].as_array().unwrap();
    assert_eq!(results.len(), 1, "{document:#}");
    results[0].clone()
}

/// Starts it, and answers once its journal says that a step was begun.
async fn started(stage: &Stage, step: &str) -> Child {
    run::started(stage, &VERIFY, "started", step).await
}

async fn ended(stage: &Stage, child: Child) -> (i32, Value, String) {
    let (code, out, err) = run::ended(child).await;
    (code, result(stage, &out, &err), err)
}

async fn pod_uid(stage: &Stage, pod: &str) -> Value {
    let path = stage.path("/api/v1", &format!("pods/{pod}"));
    stage.get(&path).await["metadata"]["uid"].clone()
}

/// Nothing of any test is on the disks, and nothing in the cluster.
async fn is_clean(stage: &Stage, replicas: i64, claims: &[(String, String)]) {
    stage.ready(replicas).await;
    for ordinal in 0..replicas {
        let script = "[ ! -e /workspace/.wsdash-persist ] && \
                      [ ! -e /home/theia/.theia/.wsdash-persist ] && echo clean";
        assert_eq!(sh(stage, &format!("ide-{ordinal}"), script).await, "clean");
    }
    stage.inspect(claims).await;
    let nodes = stage.items("/api/v1/nodes").await;
    assert!(
        nodes
            .iter()
            .all(|node| node["spec"]["unschedulable"] != json!(true))
    );
}

/// Patches the set's pod template.
async fn change_template(stage: &Stage, spec: Value) {
    let path = stage.path("/apis/apps/v1", "statefulsets/ide");
    let patch = json!({"spec": {"template": {"spec": spec}}});
    let (code, body) = stage.call_as("PATCH", &path, &patch, MERGE).await;
    assert_eq!(code, 200, "{body}");
}

/// Rolls out a template whose container starts with this script and has this readiness probe.
async fn starts_with(stage: &Stage, script: &str, probe: &Value) {
    let mut container = stage.set(1)["spec"]["template"]["spec"]["containers"][0].clone();
    container["command"] = json!(["sh", "-c", script]);
    container["readinessProbe"] = probe.clone();
    let old = pod_uid(stage, POD).await;
    change_template(stage, json!({"containers": [container]})).await;
    let set = stage.path("/apis/apps/v1", "statefulsets/ide");
    stage
        .until("the new template is rolled out", &set, |_, set| {
            let status = &set["status"];
            status["currentRevision"] == status["updateRevision"]
                && status["updatedReplicas"] == 1
                && status["readyReplicas"] == 1
                && status["observedGeneration"] == set["metadata"]["generation"]
        })
        .await;
    assert_ne!(pod_uid(stage, POD).await, old);
}

#[tokio::test]
async fn what_persists_passes_and_the_test_leaves_nothing_behind() {
    let _quiet = FAULTS.read().await;
    for stage in stages("pass", 2).await {
        let claims = stage.claims().await;
        let before = work(&stage, POD).await;
        let (old, other) = (pod_uid(&stage, POD).await, pod_uid(&stage, "ide-1").await);
        let (code, out, err) = stage.wsdash(&["verify", POD, "--dry-run"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("evict would be accepted"), "{out}");
        assert_eq!(pod_uid(&stage, POD).await, old);

        let (code, report, err) = verify(&stage, &[]).await;
        assert_eq!(code, 0, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "PASS", "{report:#}");
        assert_eq!(report["claims"].as_array().unwrap().len(), 2);
        for claim in report["claims"].as_array().unwrap() {
            assert_eq!(claim["class"], "PASS", "{report:#}");
            assert_eq!(claim["after"]["sum"], claim["sha256"], "{report:#}");
            assert_eq!(claim["after"]["mode"], "640 981173106", "{report:#}");
        }
        assert_eq!(report["podBefore"], old);
        assert_ne!(report["podAfter"], old);
        assert!(report["seconds"]["ready"].as_i64().unwrap() <= report["budget"].as_i64().unwrap());
        assert_eq!(pod_uid(&stage, "ide-1").await, other);
        assert_eq!(sums(&stage, POD).await, before);
        let history = stage.job("verify").await;
        assert_eq!(history["verification"]["class"], "PASS");
        let (_, out, _) = stage.wsdash(&["jobs"]).await;
        assert!(out.contains("persists: PASS"), "{out}");
        let events = stage.path("/apis/events.k8s.io/v1", "events");
        let events = stage.items(&events).await;
        let passed = |e: &&Value| e["reason"] == "WsdashPersistenceTestPassed";
        // the pod that was evicted, and both claims
        assert_eq!(events.iter().filter(passed).count(), 3, "{}", stage.name);

        let (code, out, err) = stage.wsdash(&["verify", "ide-1", POD, "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(out.matches(" PASS passed").count(), 2, "{out}");
        is_clean(&stage, 2, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_full_disk_is_a_write_failure_and_the_session_goes_on() {
    let _quiet = FAULTS.read().await;
    for stage in stages("full", 1).await {
        let claims = stage.claims().await;
        let old = pod_uid(&stage, POD).await;
        let fill = "cd /home/theia/.theia; free=$(stat -f -c %a .); \
                    dd if=/dev/zero of=big bs=4096 count=$((free - 1000)) && sync";
        sh(&stage, POD, fill).await;
        let (code, report, err) = verify(&stage, &[]).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F1", "{report:#}");
        assert!(
            report["says"].as_str().unwrap().contains("no space left"),
            "{report:#}"
        );
        assert_eq!(pod_uid(&stage, POD).await, old);
        sh(&stage, POD, "rm /home/theia/.theia/big && echo").await;
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

fn budget() -> Value {
    json!({"metadata": {"name": "none"}, "spec": {"maxUnavailable": 0,
        "selector": {"matchLabels": {"app": "ide"}}}})
}

#[tokio::test]
async fn a_budget_stops_the_eviction_before_and_in_the_middle_and_is_never_passed_by() {
    let _quiet = FAULTS.read().await;
    for stage in stages("budget", 1).await {
        let claims = stage.claims().await;
        let old = pod_uid(&stage, POD).await;
        let budgets = stage.path("/apis/policy/v1", "poddisruptionbudgets");
        let child = started(&stage, &format!("write-{FIRST}")).await;
        assert_eq!(stage.call("POST", &budgets, &budget()).await.0, 201);
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F2", "{report:#}");
        assert_eq!(report["leftovers"], json!([]), "{report:#}");
        assert_eq!(stage.job("verify").await["state"], "undone");
        is_clean(&stage, 1, &claims).await;

        let is_counted = |_: u16, budget: &Value| budget["status"]["expectedPods"] == 1;
        stage
            .until(
                "the budget is counted",
                &format!("{budgets}/none"),
                is_counted,
            )
            .await;
        stage.forget_journals();
        let (code, report, err) = verify(&stage, &["--force"]).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F2", "{report:#}");
        assert_eq!(report["job"], Value::Null);
        assert!(err.contains("disruption budget"), "{err}");
        assert_eq!(stage.journal(), Vec::<Value>::new());
        assert_eq!(pod_uid(&stage, POD).await, old);
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_volume_that_is_not_mounted_is_named_and_resume_finds_the_work_when_it_is() {
    let _alone = FAULTS.write().await;
    for stage in stages("mount", 1).await {
        let claims = stage.claims().await;
        configure(&stage, SHORT);
        let child = started(&stage, &format!("write-{FIRST}")).await;
        // a volume that stays staged is only published anew
        let calls = ["NodeStageVolume", "NodePublishVolume"];
        let Some(faults) = stage.broken(&calls, "the disk is not there") else {
            ended(&stage, child).await;
            stage.end().await;
            return;
        };
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{report:#}{err}");
        assert_eq!(report["class"], "F6", "{report:#}{err}");
        assert!(
            report["says"].as_str().unwrap().contains("FailedMount"),
            "{report:#}"
        );
        assert_eq!(report["leftovers"].as_array().unwrap().len(), 2);
        assert!(report["next"].as_str().unwrap().contains("resume"));
        drop(faults);
        stage.ready(1).await;
        let id = report["job"].as_str().unwrap();
        let args = ["resume", id, "--yes", "-o", "json"];
        let (code, out, err) = stage.wsdash(&args).await;
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(result(&stage, &out, &err)["class"], "PASS", "{out}");
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_claim_that_is_swapped_behind_its_back_is_data_loss() {
    let _quiet = FAULTS.read().await;
    for stage in stages("swap", 1).await {
        let before = stage.claims().await;
        let child = started(&stage, &format!("write-{FIRST}")).await;
        // it goes with its pod, and the set makes an empty one of the same name
        let path = stage.path("/api/v1", &format!("persistentvolumeclaims/{FIRST}"));
        assert_eq!(stage.call("DELETE", &path, &Value::Null).await.0, 200);
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F8", "{}: {report:#}", stage.name);
        let claims = report["claims"].as_array().unwrap();
        let of = |name: &str| claims.iter().find(|c| c["claim"]["name"] == name);
        assert_eq!(of(FIRST).unwrap()["class"], "F8", "{report:#}");
        assert_eq!(of("theia-config-ide-0").unwrap()["class"], "PASS");
        let now = stage.claims().await;
        assert_ne!(now, before);
        is_clean(&stage, 1, &now).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn without_the_right_to_look_nothing_is_known_and_nothing_is_done() {
    let _quiet = FAULTS.read().await;
    for stage in stages("noexec", 1).await {
        let claims = stage.claims().await;
        let old = pod_uid(&stage, POD).await;
        let user = format!("blind-{}", stage.namespace);
        let rbac = "/apis/rbac.authorization.k8s.io/v1";
        let rules = json!([{"apiGroups": ["", "apps", "policy", "storage.k8s.io",
                "coordination.k8s.io", "events.k8s.io", "snapshot.storage.k8s.io"],
            "resources": ["pods", "persistentvolumeclaims", "persistentvolumes", "nodes", "events",
                "statefulsets", "poddisruptionbudgets", "leases", "volumesnapshots",
                "pods/eviction"],
            "verbs": ["*"]}]);
        let role = json!({"metadata": {"name": user}, "rules": rules});
        let path = format!("{rbac}/clusterroles");
        assert_eq!(stage.call("POST", &path, &role).await.0, 201);
        let binding = json!({"metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole",
                "name": user},
            "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io",
                "name": user}]});
        let bindings = format!("{rbac}/clusterrolebindings");
        assert_eq!(stage.call("POST", &bindings, &binding).await.0, 201);
        let deadline = Instant::now() + Duration::from_secs(30);
        let (code, report) = loop {
            let (code, report, _) = verify(&stage, &["--as", &user]).await;
            // the authorizer learns of the binding a moment later
            if report["class"] == "F12" || Instant::now() > deadline {
                break (code, report);
            }
        };
        assert_eq!(report["class"], "F12", "{}: {report:#}", stage.name);
        assert_eq!(code, 3, "{report:#}");
        assert!(report["says"].as_str().unwrap().contains("pods/exec"));
        assert_eq!(pod_uid(&stage, POD).await, old);
        stage
            .call("DELETE", &format!("{bindings}/{user}"), &Value::Null)
            .await;
        stage
            .call("DELETE", &format!("{path}/{user}"), &Value::Null)
            .await;
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn somebody_who_works_is_not_thrown_out_and_what_cannot_be_told_is_not_nobody() {
    let _quiet = FAULTS.read().await;
    for stage in stages("busy", 1).await {
        let claims = stage.claims().await;
        let old = pod_uid(&stage, POD).await;
        configure(&stage, "[workspaces]\nsession_port = 0\n");
        let (code, report, _) = verify(&stage, &[]).await;
        assert_eq!((code, &report["class"]), (1, &json!("F0")), "{report:#}");
        configure(
            &stage,
            "[workspaces]\nactivity_annotation = \"example.com/active\"\n",
        );
        let (_, report, _) = verify(&stage, &[]).await;
        assert_eq!(report["class"], "F0", "{report:#}");
        let path = stage.path("/api/v1", &format!("pods/{POD}"));
        let now = jiff::Timestamp::now().to_string();
        let active = json!({"metadata": {"annotations": {"example.com/active": now}}});
        assert_eq!(stage.call_as("PATCH", &path, &active, MERGE).await.0, 200);
        let (_, report, err) = verify(&stage, &[]).await;
        assert_eq!(report["class"], "F0", "{report:#}");
        assert!(err.contains("somebody works"), "{err}");
        assert_eq!(pod_uid(&stage, POD).await, old);
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[rstest]
#[case::wiped("rm -rf /workspace/.wsdash-persist", "F9")]
#[case::altered(
    "for f in /workspace/.wsdash-persist/*/payload; do echo x >> $f; done",
    "F10"
)]
#[case::opened("chmod -R 777 /workspace/.wsdash-persist", "F10")]
#[case::brought_back(
    "for d in /workspace/.wsdash-persist/*; do echo gone > $d/tombstone; done",
    "F11"
)]
#[tokio::test]
async fn what_a_start_does_to_the_disk_is_found(#[case] script: &str, #[case] class: &str) {
    let _quiet = FAULTS.read().await;
    let rule = format!("start-{}-{}", class.to_lowercase(), script.len());
    for stage in stages(&rule, 1).await {
        let claims = stage.claims().await;
        let command = format!("ls /workspace/.wsdash-persist && {{ {script}; }}; sleep 36000");
        starts_with(&stage, &command, &Value::Null).await;
        let (code, report, err) = verify(&stage, &[]).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], class, "{}: {report:#}", stage.name);
        assert_eq!(report["leftovers"], json!([]), "{report:#}");
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_pod_that_does_not_end_is_waited_for_no_longer_than_its_grace_and_resume_goes_on() {
    let _quiet = FAULTS.read().await;
    for stage in stages("hang", 1).await {
        let claims = stage.claims().await;
        configure(&stage, SHORT);
        let path = stage.path("/api/v1", &format!("pods/{POD}"));
        let hold = json!({"metadata": {"finalizers": ["example.com/hold"]}});
        assert_eq!(stage.call_as("PATCH", &path, &hold, MERGE).await.0, 200);
        let (code, report, err) = verify(&stage, &[]).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F3", "{}: {report:#}", stage.name);
        assert_eq!(report["leftovers"].as_array().unwrap().len(), 2);
        let free = json!({"metadata": {"finalizers": null}});
        assert_eq!(stage.call_as("PATCH", &path, &free, MERGE).await.0, 200);
        let id = report["job"].as_str().unwrap();
        let args = ["resume", id, "--yes", "-o", "json"];
        let (code, out, err) = stage.wsdash(&args).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(result(&stage, &out, &err)["class"], "PASS", "{out}");
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_pod_that_gets_no_node_is_told_from_one_that_is_not_made() {
    let _quiet = FAULTS.read().await;
    for stage in stages("nonode", 1).await {
        let claims = stage.claims().await;
        configure(&stage, SHORT);
        let child = started(&stage, "evict").await;
        change_template(&stage, json!({"nodeSelector": {"no-such": "node"}})).await;
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F5", "{}: {report:#}", stage.name);
        assert_eq!(report["leftovers"].as_array().unwrap().len(), 2);
        // mended: the undo waits for the pod and removes what was written
        let id = report["job"].as_str().unwrap().to_owned();
        change_template(&stage, json!({"nodeSelector": null})).await;
        let pod = stage.path("/api/v1", &format!("pods/{POD}"));
        stage.call("DELETE", &pod, &Value::Null).await;
        let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        is_clean(&stage, 1, &claims).await;

        stage.forget_journals();
        let child = started(&stage, "evict").await;
        let set = stage.path("/apis/apps/v1", "statefulsets/ide/scale");
        let scale = |n: u32| json!({"spec": {"replicas": n}});
        assert_eq!(stage.call_as("PATCH", &set, &scale(0), MERGE).await.0, 200);
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F4", "{}: {report:#}", stage.name);
        assert_eq!(stage.call_as("PATCH", &set, &scale(1), MERGE).await.0, 200);
        let id = report["job"].as_str().unwrap();
        let args = ["resume", id, "--yes", "-o", "json"];
        let (code, out, err) = stage.wsdash(&args).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_pod_that_is_not_ready_has_its_data_looked_at_all_the_same() {
    let _quiet = FAULTS.read().await;
    for stage in stages("unready", 1).await {
        let claims = stage.claims().await;
        configure(&stage, SHORT);
        let probe = json!({"exec": {"command": ["test", "-e", "/tmp/ready"]}, "periodSeconds": 1});
        let command = "[ -e /workspace/.wsdash-persist ] || touch /tmp/ready; sleep 36000";
        starts_with(&stage, command, &probe).await;
        let (code, report, err) = verify(&stage, &[]).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F7", "{}: {report:#}", stage.name);
        for claim in report["claims"].as_array().unwrap() {
            assert_eq!(claim["class"], "PASS", "{report:#}");
        }
        sh(&stage, POD, "touch /tmp/ready && echo").await;
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn other_pods_that_were_disturbed_are_told() {
    let _quiet = FAULTS.read().await;
    for stage in stages("blast", 2).await {
        let claims = stage.claims().await;
        let child = started(&stage, "evict").await;
        let other = stage.path("/api/v1", "pods/ide-1");
        assert_eq!(stage.call("DELETE", &other, &Value::Null).await.0, 200);
        let (code, report, err) = ended(&stage, child).await;
        assert_eq!(code, 1, "{}: {report:#}{err}", stage.name);
        assert_eq!(report["class"], "F14", "{}: {report:#}", stage.name);
        is_clean(&stage, 2, &claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn on_another_node_the_same_work_is_there_and_its_own_takes_pods_again() {
    let _quiet = FAULTS.read().await;
    for stage in stages("other", 1).await {
        let claims = stage.claims().await;
        let path = stage.path("/api/v1", &format!("pods/{POD}"));
        let before = stage.get(&path).await["spec"]["nodeName"].clone();
        let (code, report, err) = verify(&stage, &["--other-node"]).await;
        if stage.items("/api/v1/nodes").await.len() == 1 {
            assert_eq!((code, &report["class"]), (1, &json!("F0")), "{report:#}");
            assert!(err.contains("no other node"), "{err}");
        } else {
            assert_eq!(code, 0, "{}: {report:#}{err}", stage.name);
            assert_eq!(report["class"], "PASS", "{report:#}");
            assert_ne!(report["nodeAfter"], before, "{report:#}");
            let args = ["verify", POD, "--other-node", "--yes"];
            only_under_its_role(&stage, &["verify", "--other-node"], &args).await;
        }
        is_clean(&stage, 1, &claims).await;
        stage.end().await;
    }
}
