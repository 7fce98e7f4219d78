//! What is taken back late or out of order, with the real binary against the simulated cluster and,
//! when `WSDASH_E2E_KUBECONFIG` names its kubeconfig, a real one: what another job keeps stays, and
//! what became of a set since then stays, too.

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

#[path = "actions/kit.rs"]
mod kit;

#[expect(
    dead_code,
    reason = "runs are followed by other tests, too, which use more of it"
)]
#[path = "actions/run.rs"]
mod run;

use kit::{LENIENT, configure, delete_set, look, spoil, spoilt, sums, work};
use run::{ended, id, killed_at_every_step, started};
use serde_json::{Value, json};
use stage::{MERGE, Stage, stages};

const APPS: &str = "/apis/apps/v1";
const CLAIM: &str = "workspace-ide-0";
const DELETE: [&str; 4] = ["orphans", CLAIM, "--delete", "--yes"];
const IN_PLACE: [&str; 4] = ["restore", "ide-0", "--in-place", "--yes"];

async fn done(stage: &Stage, args: &[&str]) -> String {
    let (code, out, err) = stage.wsdash(args).await;
    assert_eq!(code, 0, "{} {args:?}: {out}{err}", stage.name);
    out
}

/// Why it is not done; nothing is changed by it.
async fn refused(stage: &Stage, args: &[&str]) -> String {
    let before = (pods(stage).await, stage.claims().await);
    let (code, out, err) = stage.wsdash(args).await;
    assert_eq!(code, 1, "{} {args:?}: {out}{err}", stage.name);
    assert!(err.contains("refused:"), "{} {args:?}: {err}", stage.name);
    assert_eq!((pods(stage).await, stage.claims().await), before);
    err
}

/// Uids of the pods by name.
async fn pods(stage: &Stage) -> Vec<(String, String)> {
    let all = stage.items(&stage.path("/api/v1", "pods")).await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut all: Vec<(String, String)> = all
        .iter()
        .map(|pod| {
            (
                text(&pod["metadata"]["name"]),
                text(&pod["metadata"]["uid"]),
            )
        })
        .collect();
    all.sort();
    all
}

/// Phase, policy and keeper of a volume.
async fn state(stage: &Stage, volume: &str) -> (String, String, Option<String>) {
    let volume = stage.volume(volume).await;
    let text = |pointer: &str| volume.pointer(pointer).and_then(Value::as_str);
    let keeper = text("/metadata/annotations/wsdash.dev~1kept-by");
    (
        text("/status/phase").unwrap().to_owned(),
        text("/spec/persistentVolumeReclaimPolicy")
            .unwrap()
            .to_owned(),
        keeper.map(str::to_owned),
    )
}

#[tokio::test]
async fn a_job_that_failed_takes_nothing_from_the_one_that_keeps_the_volume_now() {
    for stage in stages("two-jobs", 1).await {
        configure(&stage, LENIENT);
        let before = work(&stage, "ide-0").await;
        let volume = stage.volume_of(CLAIM).await;
        delete_set(&stage).await;
        look(&stage).await;
        // it keeps the volume, and then finds a pod that names the claim
        let child = started(&stage, &DELETE, "started", &format!("snapshot-{CLAIM}")).await;
        let pod = json!({"metadata": {"name": "ide-late"}, "spec": {
            "nodeSelector": {"no-such": "node"},
            "containers": [{"name": "main", "image": "example.com/none:1"}],
            "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": CLAIM}}]}});
        let late = stage.path("/api/v1", "pods");
        assert_eq!(stage.call("POST", &late, &pod).await.0, 201);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        let first = id(&stage);
        let kept =
            |by: &str, phase: &str| (phase.to_owned(), "Retain".to_owned(), Some(by.to_owned()));
        assert_eq!(state(&stage, &volume).await, kept(&first, "Bound"));

        let late = format!("{late}/ide-late");
        stage.call("DELETE", &late, &Value::Null).await;
        stage
            .until("the pod is gone", &late, |code, _| code == 404)
            .await;
        // the simulated provider takes one snapshot of a disk in ten minutes
        for snapshot in stage.items(&stage.snapshots()).await {
            let name = snapshot["metadata"]["name"].as_str().unwrap();
            let path = format!("{}/{name}", stage.snapshots());
            assert_eq!(stage.call("DELETE", &path, &Value::Null).await.0, 200);
            stage
                .until("it is gone", &path, |code, _| code == 404)
                .await;
        }
        look(&stage).await;
        done(&stage, &DELETE).await;
        let second = stage.newest("orphans").await;
        assert_ne!(first, second);
        assert_eq!(state(&stage, &volume).await, kept(&second, "Released"));

        let err = refused(&stage, &["undo", &first, "--yes"]).await;
        assert!(err.contains(&format!("wsdash undo {second}")), "{err}");
        assert_eq!(state(&stage, &volume).await, kept(&second, "Released"));

        done(&stage, &["undo", &second, "--yes"]).await;
        assert_eq!(state(&stage, &volume).await, kept(&first, "Bound"));
        done(&stage, &["undo", &first, "--yes"]).await;
        let as_before = ("Bound".to_owned(), "Delete".to_owned(), None);
        assert_eq!(state(&stage, &volume).await, as_before);
        let path = stage.path(APPS, "statefulsets");
        assert_eq!(stage.call("POST", &path, &stage.set(1)).await.0, 201);
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn restores_are_taken_back_the_last_first_and_never_in_another_order() {
    for stage in stages("in-order", 1).await {
        spoilt(&stage, "ide-0").await;
        let first_state = sums(&stage, "ide-0").await;
        done(&stage, &IN_PLACE).await;
        let first = stage.newest("restore").await;
        spoil(&stage, "ide-0").await;
        let second_state = sums(&stage, "ide-0").await;
        done(&stage, &IN_PLACE).await;
        let second = stage.newest("restore").await;

        let err = refused(&stage, &["undo", &first, "--yes"]).await;
        assert!(err.contains(&format!("wsdash undo {second}")), "{err}");
        done(&stage, &["undo", &second, "--yes"]).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, second_state, "{}", stage.name);
        done(&stage, &["undo", &first, "--yes"]).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, first_state, "{}", stage.name);
        for id in [&second, &first] {
            done(&stage, &["purge", id, "--yes"]).await;
        }
        assert_eq!(sums(&stage, "ide-0").await, first_state, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_set_that_grew_since_keeps_its_other_workspaces() {
    for stage in stages("grown", 1).await {
        spoilt(&stage, "ide-0").await;
        let spoilt = sums(&stage, "ide-0").await;
        stage.forget_journals();
        done(&stage, &IN_PLACE).await;
        let id = id(&stage);
        stage.scale(3).await;
        stage.ready(3).await;
        let others = pods(&stage).await.split_off(1);
        killed_at_every_step(&stage, &["undo", &id, "--yes"]).await;
        stage.ready(3).await;
        assert_eq!(pods(&stage).await.split_off(1), others, "{}", stage.name);
        let now = stage.current_set().await;
        assert_eq!(now["spec"]["replicas"], 3);
        assert_eq!(now["spec"]["ordinals"]["start"].as_i64().unwrap_or(0), 0);
        assert_eq!(sums(&stage, "ide-0").await, spoilt, "{}", stage.name);
        done(&stage, &["purge", &id, "--yes"]).await;
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_set_that_was_changed_since_gets_its_old_templates_and_nothing_else() {
    for stage in stages("changed", 1).await {
        let path = stage.path(APPS, "statefulsets/ide");
        let size =
            |set: &Value| set["spec"]["volumeClaimTemplates"][0]["spec"]["resources"].clone();
        let old = size(&stage.current_set().await);
        done(&stage, &["resize", CLAIM, stage.size, "--yes"]).await;
        done(&stage, &["template", "ide", "--yes"]).await;
        assert_ne!(size(&stage.current_set().await), old);
        let id = stage.newest("template").await;
        let change = json!({"metadata": {"labels": {"team": "b"}},
            "spec": {"minReadySeconds": 1, "replicas": 2}});
        assert_eq!(stage.call_as("PATCH", &path, &change, MERGE).await.0, 200);
        stage.ready(2).await;
        let before = pods(&stage).await;
        killed_at_every_step(&stage, &["undo", &id, "--yes"]).await;
        stage.ready(2).await;
        let now = stage.current_set().await;
        assert_eq!(size(&now), old, "{now:#}");
        assert_eq!(now["spec"]["minReadySeconds"], 1);
        assert_eq!(now["metadata"]["labels"]["team"], "b");
        assert_eq!(pods(&stage).await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn an_undo_says_which_backup_goes() {
    for stage in stages("backup", 1).await {
        done(&stage, &["snapshot", "ide-0", "--wait", "--yes"]).await;
        let id = stage.newest("snapshot").await;
        let out = done(&stage, &["undo", &id, "--dry-run"]).await;
        let loss = format!("the only backup of claim {CLAIM}");
        assert!(
            out.contains("can be lost: ") && out.contains(&loss),
            "{out}"
        );
        let claims = stage.claims().await;
        done(&stage, &["undo", &id, "--yes"]).await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}
