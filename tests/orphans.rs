//! Claims that nothing needs, with the real binary against the simulated cluster and, when
//! `WSDASH_E2E_KUBECONFIG` names its kubeconfig, a real one: what is deleted comes back byte for
//! byte, and what anything needs is never deleted, however late the need shows.

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

#[path = "orphans/interrupted.rs"]
mod interrupted;

#[path = "orphans/late.rs"]
mod late;

use std::time::{Duration, Instant};

use kit::{LENIENT, configure, delete_set, look, sums, work};
use role::only_under_its_role;
use run::{ended, started};
use serde_json::{Value, json};
use stage::{MERGE, Stage, simulated_stage, stages};

const CLAIM: &str = "workspace-ide-0";
const DELETE: [&str; 4] = ["orphans", CLAIM, "--delete", "--yes"];

async fn scale_to_nothing(stage: &Stage) {
    stage.scale(0).await;
    let pods = stage.path("/api/v1", "pods");
    stage
        .until("its pods are gone", &pods, |_, pods| {
            pods["items"].as_array().is_some_and(Vec::is_empty)
        })
        .await;
}

/// What one look says of each claim.
async fn listed(stage: &Stage) -> Vec<Value> {
    let args = ["orphans", "--all", "-o", "json"];
    let (code, out, err) = stage.wsdash(&args).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
    let document: Value = serde_json::from_str(&out).unwrap();
    document["claims"].as_array().unwrap().clone()
}

fn of<'a>(claims: &'a [Value], name: &str) -> &'a Value {
    let found = claims.iter().find(|claim| claim["name"] == name);
    found.unwrap_or_else(|| panic!("no {name} in {claims:#?}"))
}

/// Undoes the deletion and looks that nothing of it is left.
async fn undone(stage: &Stage, volume_name: &str) {
    let id = stage.newest("orphans").await;
    let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
    is_back(stage, volume_name).await;
}

/// The claim is bound to the volume it had, and nothing of the deletion is left.
async fn is_back(stage: &Stage, volume_name: &str) {
    let back = stage.claim(CLAIM).await;
    assert_eq!(back["spec"]["volumeName"], volume_name, "{back:#}");
    assert_eq!(back["status"]["phase"], "Bound", "{back:#}");
    let volume = stage.volume(volume_name).await;
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Delete");
    let annotations = volume["metadata"]["annotations"].to_string();
    assert!(!annotations.contains("kept-by"), "{annotations}");
    assert_eq!(stage.items(&stage.snapshots()).await, Vec::<Value>::new());
}

#[tokio::test]
async fn what_a_deleted_set_left_is_deleted_and_undo_brings_back_every_byte() {
    for stage in stages("orphan", 1).await {
        configure(&stage, LENIENT);
        let before = work(&stage, "ide-0").await;
        let found = look(&stage).await;
        assert_eq!(of(&found, CLAIM)["class"], "IN_USE", "{found:#?}");
        delete_set(&stage).await;
        let found = look(&stage).await;
        let orphan = of(&found, CLAIM);
        assert_eq!(orphan["class"], "ORPHAN", "{orphan:#}");
        assert_eq!(orphan["deletable"], true, "{orphan:#}");
        let volume_name = stage.volume_of(CLAIM).await;

        let dry = ["orphans", CLAIM, "--delete", "--dry-run"];
        let (code, out, err) = stage.wsdash(&dry).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        for says in [
            "server: delete-workspace-ide-0 would be accepted",
            "deletionPolicy Delete",
        ] {
            assert!(out.contains(says), "{}: {out}", stage.name);
        }
        assert_eq!(stage.items(&stage.snapshots()).await, Vec::<Value>::new());

        let (code, out, err) = stage.wsdash(&["orphans", "--delete", "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("proven to be of the disk"), "{out}");
        assert_eq!(stage.claims().await, Vec::new());
        assert_eq!(stage.items(&stage.snapshots()).await.len(), 2);
        let kept = stage.volume(&volume_name).await;
        assert_eq!(kept["status"]["phase"], "Released");
        assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        let (_, out, _) = stage.wsdash(&["orphans"]).await;
        assert!(out.contains(&volume_name), "{out}");

        undone(&stage, &volume_name).await;
        stage.apply_set(1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_parked_claim_is_left_alone_unless_the_policy_says_otherwise() {
    for stage in stages("parked", 1).await {
        configure(&stage, LENIENT);
        let claims = stage.claims().await;
        scale_to_nothing(&stage).await;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = look(&stage).await;
            let parked = of(&found, CLAIM);
            if parked["class"] == "PARKED" {
                assert_eq!(parked["deletable"], false);
                break;
            }
            assert!(Instant::now() < deadline, "{parked:#}");
        }
        let (code, _, err) = stage.wsdash(&["orphans", CLAIM, "--delete", "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("parked"), "{err}");
        let (code, out, _) = stage.wsdash(&["orphans", "--delete", "--yes"]).await;
        assert_eq!(code, 0);
        assert!(out.contains("no claim can be deleted"), "{out}");
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_parked_claim_goes_where_the_policy_says_so_and_comes_back() {
    for stage in stages("parkedon", 1).await {
        configure(
            &stage,
            &LENIENT.replace("[orphans]", "[orphans]\nparked = true"),
        );
        let before = work(&stage, "ide-0").await;
        scale_to_nothing(&stage).await;
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let found = look(&stage).await;
            let parked = of(&found, CLAIM);
            if parked["deletable"] == true {
                assert_eq!(parked["class"], "PARKED");
                break;
            }
            assert!(Instant::now() < deadline, "{parked:#}");
        }
        let volume_name = stage.volume_of(CLAIM).await;
        let (code, out, err) = stage.wsdash(&DELETE).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        let kept = stage.volume(&volume_name).await;
        assert_eq!(kept["status"]["phase"], "Released");
        assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
        assert_eq!(stage.claims().await.len(), 1, "the other one is not named");
        undone(&stage, &volume_name).await;
        stage.scale(1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

/// The list and the deletion judge by the same history of samples, and say what it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_history_without_samples_is_proof_for_the_list_and_for_the_deletion() {
    let stage = simulated_stage("coditect-app").await;
    let parked = "workspace-coditect-starter-22";
    let policy = "[orphans]\ninactive = \"2h\"\napart = \"1s\"\nparked = true\n";
    configure(&stage, policy);
    let dry = ["orphans", parked, "--delete", "--dry-run"];
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let found = listed(&stage).await;
        let line = of(&found, parked);
        assert!(line["signs"].to_string().contains("history"), "{line:#}");
        // seen twice, a second apart
        if line["deletable"] == true {
            break;
        }
        assert!(Instant::now() < deadline, "{line:#}");
    }
    let (code, out, err) = stage.wsdash(&dry).await;
    assert_eq!(code, 0, "{out}{err}");
    let says = "the metrics history of 3h has no sample of it";
    assert!(out.contains(says), "{out}");

    configure(&stage, &format!("{policy}[metrics]\nenabled = false\n"));
    let found = listed(&stage).await;
    assert_eq!(of(&found, parked)["deletable"], false);
    let (code, _, err) = stage.wsdash(&dry).await;
    assert_eq!(code, 1);
    let says = "the metrics history cannot be read (metrics.enabled is false)";
    assert!(err.contains(says), "{err}");
}

#[tokio::test]
async fn a_set_that_comes_back_while_the_deletion_runs_keeps_its_claims() {
    for stage in stages("reapply", 1).await {
        configure(&stage, LENIENT);
        let before = work(&stage, "ide-0").await;
        let claims = stage.claims().await;
        delete_set(&stage).await;
        look(&stage).await;
        let child = started(&stage, &DELETE, "started", &format!("snapshot-{CLAIM}")).await;
        stage.apply_set(1).await;
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        assert!(err.contains("is not deleted"), "{}: {err}", stage.name);
        stage.ready(1).await;
        undone(&stage, &stage.volume_of(CLAIM).await).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_pod_that_comes_between_the_list_and_the_deletion_keeps_its_claim() {
    for stage in stages("latepod", 1).await {
        configure(&stage, LENIENT);
        let claims = stage.claims().await;
        delete_set(&stage).await;
        look(&stage).await;
        let child = started(&stage, &DELETE, "started", &format!("snapshot-{CLAIM}")).await;
        // nobody can schedule it: it names the claim all the same
        let pod = json!({"metadata": {"name": "ide-late"}, "spec": {
            "nodeSelector": {"no-such": "node"},
            "containers": [{"name": "main", "image": "example.com/none:1"}],
            "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": CLAIM}}]}});
        let pods = stage.path("/api/v1", "pods");
        assert_eq!(stage.call("POST", &pods, &pod).await.0, 201);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        assert!(err.contains("IN_USE"), "{}: {err}", stage.name);
        undone(&stage, &stage.volume_of(CLAIM).await).await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_claim_that_a_cron_job_or_a_hold_names_is_never_offered() {
    for stage in stages("cron", 1).await {
        configure(&stage, LENIENT);
        let claims = stage.claims().await;
        delete_set(&stage).await;
        let pod = json!({"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "example.com/none:1"}],
            "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": CLAIM}}]});
        let cron = json!({"metadata": {"name": "backup"}, "spec": {"schedule": "0 2 * * *",
            "suspend": true, "jobTemplate": {"spec": {"template": {"spec": pod}}}}});
        let path = stage.path("/apis/batch/v1", "cronjobs");
        let (code, body) = stage.call("POST", &path, &cron).await;
        assert_eq!(code, 201, "{body}");
        let other = stage.path("/api/v1", "persistentvolumeclaims/theia-config-ide-0");
        let hold = json!({"metadata": {"labels": {"wsdash.dev/keep": "audit"}}});
        assert_eq!(stage.call_as("PATCH", &other, &hold, MERGE).await.0, 200);
        let found = look(&stage).await;
        assert_eq!(of(&found, CLAIM)["class"], "TEMPLATE_REF", "{found:#?}");
        assert_eq!(of(&found, "theia-config-ide-0")["class"], "HELD");
        for name in [CLAIM, "theia-config-ide-0"] {
            let (code, _, err) = stage.wsdash(&["orphans", name, "--delete", "--yes"]).await;
            assert_eq!(code, 1, "{err}");
        }
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn two_at_once_delete_a_claim_once() {
    for stage in stages("twice", 1).await {
        configure(&stage, LENIENT);
        delete_set(&stage).await;
        look(&stage).await;
        let name = stage.volume_of(CLAIM).await;
        let (first, second) = (stage.spawn(&DELETE), stage.spawn(&DELETE));
        let (first, second) = tokio::join!(ended(first), ended(second));
        let mut codes = [first.0, second.0];
        codes.sort_unstable();
        assert_eq!(codes, [0, 1], "{}: {first:?} {second:?}", stage.name);
        assert_eq!(stage.items(&stage.snapshots()).await.len(), 1);
        let kept = stage.volume(&name).await;
        assert_eq!(kept["status"]["phase"], "Released");
        let id = stage
            .journals()
            .into_iter()
            .find(|(_, lines)| {
                lines
                    .iter()
                    .any(|l| l["entry"] == "ended" && l["end"]["how"] == "done")
            })
            .map(|(file, _)| file.trim_end_matches(".jsonl").to_owned());
        let (code, out, err) = stage.wsdash(&["undo", &id.unwrap(), "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn it_is_done_under_exactly_its_role_and_under_no_less() {
    for stage in stages("orole", 1).await {
        configure(&stage, LENIENT);
        delete_set(&stage).await;
        look(&stage).await;
        let name = stage.volume_of(CLAIM).await;
        let args = ["orphans", CLAIM, "--delete", "--yes"];
        only_under_its_role(&stage, &["orphans"], &args).await;
        let id = stage.newest("orphans").await;
        let undo = ["undo", &id, "--yes"];
        only_under_its_role(&stage, &["orphans", "--undo"], &undo).await;
        is_back(&stage, &name).await;
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn once_is_not_often_enough_and_not_long_enough() {
    for stage in stages("young", 1).await {
        let claims = stage.claims().await;
        delete_set(&stage).await;
        let found = look(&stage).await;
        let orphan = of(&found, CLAIM);
        assert_eq!(orphan["class"], "ORPHAN");
        assert_eq!(orphan["deletable"], false);
        let why = orphan["blockers"].to_string();
        assert!(why.contains("is not known"), "{why}");
        assert!(why.contains("the policy asks for 6h"), "{why}");
        let (code, _, err) = stage.wsdash(&["orphans", CLAIM, "--delete", "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("the policy asks for"), "{err}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}
