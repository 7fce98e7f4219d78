//! Restores with the real binary against the simulated cluster and, when `WSDASH_E2E_KUBECONFIG`
//! names its kubeconfig, a real one: checksums of real files before and after, beside the
//! workspace and in place, killed anywhere, undone and purged.

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

#[path = "restore/meanwhile.rs"]
mod meanwhile;

use kit::{spoil, spoilt, sums};
use line::Line;
use role::only_under_its_role;
use run::{ended, id, killed_at, killed_at_every_step, started, stride};
use serde_json::{Value, json};
use stage::{Stage, stages};

const IN_PLACE: [&str; 4] = ["restore", "ide-0", "--in-place", "--yes"];

/// Volumes whose claim was in the stage's namespace: name, phase, policy, mark.
async fn volumes(stage: &Stage) -> Vec<(String, String, String, bool)> {
    let all = stage.items("/api/v1/persistentvolumes").await;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    all.iter()
        .filter(|v| v["spec"]["claimRef"]["namespace"] == json!(stage.namespace))
        .map(|v| {
            (
                text(&v["metadata"]["name"]),
                text(&v["status"]["phase"]),
                text(&v["spec"]["persistentVolumeReclaimPolicy"]),
                !v["metadata"]["annotations"]["wsdash.dev/kept-by"].is_null(),
            )
        })
        .collect()
}

/// Every claim of the set is bound to a volume that goes with it, as it was before.
async fn is_whole(stage: &Stage, replicas: i64) {
    stage.ready(replicas).await;
    stage.inspect(&stage.claims().await).await;
    for claim in stage
        .items(&stage.path("/api/v1", "persistentvolumeclaims"))
        .await
    {
        assert_eq!(claim["status"]["phase"], "Bound", "{claim:#}");
    }
}

async fn undo(stage: &Stage, action: &str) {
    let id = stage.newest(action).await;
    let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
}

/// Gives up what a restore keeps, and looks that its disks are gone.
async fn purge(stage: &Stage) {
    let id = stage.newest("restore").await;
    let (code, out, err) = stage.wsdash(&["purge", &id, "--yes"]).await;
    assert_eq!(code, 0, "{}: {out}{err}", stage.name);
    nothing_is_kept(stage).await;
}

async fn nothing_is_kept(stage: &Stage) {
    let left = volumes(stage).await;
    assert!(
        left.iter()
            .all(|(_, phase, _, kept)| phase == "Bound" && !kept),
        "{left:#?}"
    );
}

/// A pod that mounts what was restored beside the workspace as the workspace mounts its claims.
async fn mounted(stage: &Stage, name: &str) {
    let mut spec = stage.set(1)["spec"]["template"]["spec"].take();
    let path = stage.path("/api/v1", "persistentvolumeclaims");
    let claims = stage.items(&path).await;
    let names = || claims.iter().filter_map(|c| c["metadata"]["name"].as_str());
    let volumes = ["workspace", "theia-config"].map(|template| {
        let is_it = |name: &&str| name.starts_with(template) && name.ends_with("-restored");
        let claim = names().find(is_it).unwrap();
        json!({"name": template, "persistentVolumeClaim": {"claimName": claim}})
    });
    spec["volumes"] = json!(volumes);
    let pod = json!({"metadata": {"name": name}, "spec": spec});
    let pods = stage.path("/api/v1", "pods");
    assert_eq!(stage.call("POST", &pods, &pod).await.0, 201);
    let path = format!("{pods}/{name}");
    stage
        .until("the reader runs", &path, |_, pod| {
            pod["status"]["phase"] == "Running"
        })
        .await;
}

#[tokio::test]
async fn beside_the_workspace_the_data_is_read_and_nothing_else_is_touched() {
    for stage in stages("beside", 1).await {
        let claims = stage.claims().await;
        let before = spoilt(&stage, "ide-0").await;
        let spoilt = sums(&stage, "ide-0").await;
        let (code, out, err) = stage.wsdash(&["restore", "ide-0", "--dry-run"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert_eq!(stage.claims().await, claims);

        let (code, out, err) = stage.wsdash(&["restore", "ide-0", "--yes"]).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        assert!(out.contains("src"), "the listing is shown: {out}");
        assert_eq!(stage.claims().await.len(), 4);
        assert_eq!(sums(&stage, "ide-0").await, spoilt);
        // every byte that was: what came back is the work, not what spoilt it
        mounted(&stage, "reader").await;
        assert_eq!(sums(&stage, "reader").await, before, "{}", stage.name);
        let pod = stage.path("/api/v1", "pods/reader");
        assert_eq!(stage.call("DELETE", &pod, &Value::Null).await.0, 200);
        stage
            .until("the reader is gone", &pod, |code, _| code == 404)
            .await;
        undo(&stage, "restore").await;
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn in_place_the_highest_ordinal_has_every_byte_again_and_undo_swaps_back() {
    for stage in stages("inplace", 1).await {
        let before = spoilt(&stage, "ide-0").await;
        let spoilt = sums(&stage, "ide-0").await;
        let old = stage.volume_of("workspace-ide-0").await;
        let (code, out, err) = stage.wsdash(&IN_PLACE).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        let new = stage.volume_of("workspace-ide-0").await;
        assert_ne!(old, new);
        let all = volumes(&stage).await;
        let of = |name: &str| all.iter().find(|(n, ..)| n == name).unwrap().clone();
        assert_eq!(
            of(&old),
            (old.clone(), "Released".into(), "Retain".into(), true)
        );
        assert_eq!(
            of(&new),
            (new.clone(), "Bound".into(), "Delete".into(), false)
        );

        undo(&stage, "restore").await;
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, spoilt, "{}", stage.name);
        assert_eq!(stage.volume_of("workspace-ide-0").await, old);
        let all = volumes(&stage).await;
        let of = |name: &str| all.iter().find(|(n, ..)| n == name).unwrap().clone();
        assert_eq!(
            of(&old),
            (old.clone(), "Bound".into(), "Delete".into(), false)
        );
        assert_eq!(
            of(&new),
            (new.clone(), "Released".into(), "Retain".into(), true)
        );
        purge(&stage).await;
        assert_eq!(sums(&stage, "ide-0").await, spoilt, "{}", stage.name);
        stage.end().await;
    }
}

#[tokio::test]
async fn in_place_works_for_the_lowest_and_the_middle_ordinal_and_leaves_the_others_alone() {
    for stage in stages("middle", 3).await {
        for pod in ["ide-0", "ide-1"] {
            let before = spoilt(&stage, pod).await;
            let others: Vec<Value> = stage
                .items(&stage.path("/api/v1", "pods"))
                .await
                .into_iter()
                .filter(|p| p["metadata"]["name"] != json!(pod))
                .map(|p| p["metadata"]["uid"].clone())
                .collect();
            let args = ["restore", pod, "--in-place", "--yes"];
            let (code, out, err) = stage.wsdash(&args).await;
            assert_eq!(code, 0, "{} {pod}: {out}{err}", stage.name);
            is_whole(&stage, 3).await;
            assert_eq!(sums(&stage, pod).await, before, "{} {pod}", stage.name);
            let after = stage.items(&stage.path("/api/v1", "pods")).await;
            for uid in &others {
                let same = |p: &Value| p["metadata"]["uid"] == *uid;
                assert!(
                    after.iter().any(same),
                    "{} {pod}: {uid} is gone",
                    stage.name
                );
            }
            let set = stage
                .get(&stage.path("/apis/apps/v1", "statefulsets/ide"))
                .await;
            assert_eq!(set["spec"]["replicas"], 3);
            assert!(
                set["spec"]["ordinals"]["start"].as_i64().unwrap_or(0) == 0,
                "{set:#}"
            );
            if pod == "ide-1" {
                undo(&stage, "restore").await;
                is_whole(&stage, 3).await;
            }
            purge(&stage).await;
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_point_in_time_that_is_not_there_is_refused_with_those_that_are() {
    for stage in stages("point", 1).await {
        let claims = stage.claims().await;
        let (code, _, err) = stage.wsdash(&["restore", "ide-0", "--yes"]).await;
        assert_eq!(code, 1);
        assert!(err.contains("no ready snapshot"), "{err}");
        spoilt(&stage, "ide-0").await;
        let args = ["restore", "ide-0", "--from", "nothing", "--yes"];
        let (code, _, err) = stage.wsdash(&args).await;
        assert_eq!(code, 1);
        assert!(err.contains("--from: ide-0-"), "{err}");
        let long_ago = ["restore", "ide-0", "--at", "2020-01-01T00:00:00Z", "--yes"];
        let (code, _, err) = stage.wsdash(&long_ago).await;
        assert_eq!(code, 1);
        assert!(err.contains("no complete set"), "{err}");
        stage.inspect(&claims).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_restore_in_place_that_is_killed_at_every_step_is_resumed_to_its_end() {
    for stage in stages("kill-res", 1).await {
        let before = spoilt(&stage, "ide-0").await;
        stage.forget_journals();
        killed_at_every_step(&stage, &IN_PLACE).await;
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        let id = id(&stage);
        killed_at_every_step(&stage, &["purge", &id, "--yes"]).await;
        nothing_is_kept(&stage).await;
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.end().await;
    }
}

#[tokio::test]
async fn its_undo_that_is_killed_at_every_step_is_resumed_to_its_end() {
    for stage in stages("kill-undo", 1).await {
        spoilt(&stage, "ide-0").await;
        let spoilt = sums(&stage, "ide-0").await;
        let old = stage.volume_of("workspace-ide-0").await;
        stage.forget_journals();
        let (code, out, err) = stage.wsdash(&IN_PLACE).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        let id = id(&stage);
        killed_at_every_step(&stage, &["undo", &id, "--yes"]).await;
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, spoilt, "{}", stage.name);
        assert_eq!(stage.volume_of("workspace-ide-0").await, old);
        purge(&stage).await;
        assert_eq!(sums(&stage, "ide-0").await, spoilt, "{}", stage.name);
        stage.end().await;
    }
}

#[tokio::test]
async fn a_restore_in_place_that_is_killed_anywhere_is_taken_back_without_loss() {
    for stage in stages("kill-back", 1).await {
        let before = spoilt(&stage, "ide-0").await;
        let spoilt = sums(&stage, "ide-0").await;
        assert_ne!(before, spoilt);
        let old = stage.volume_of("workspace-ide-0").await;
        let mut lines = 3;
        loop {
            let cut = killed_at(&stage, &IN_PLACE, lines).await;
            let id = id(&stage);
            let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
            let nothing = err.contains("changed nothing");
            assert!(code == 0 || nothing, "{} {lines}: {out}{err}", stage.name);
            if nothing {
                // its lease stands until it is over; its own resume takes it up at once
                let (code, out, err) = stage.wsdash(&["resume", &id, "--yes"]).await;
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
                let (code, out, err) = stage.wsdash(&["undo", &id, "--yes"]).await;
                assert_eq!(code, 0, "{} {lines}: {out}{err}", stage.name);
            }
            is_whole(&stage, 1).await;
            assert_eq!(
                sums(&stage, "ide-0").await,
                spoilt,
                "{} {lines}",
                stage.name
            );
            assert_eq!(stage.volume_of("workspace-ide-0").await, old);
            let (code, out, err) = stage.wsdash(&["purge", &id, "--yes"]).await;
            let nothing = err.contains("nothing is kept");
            assert!(code == 0 || nothing, "{} {lines}: {out}{err}", stage.name);
            if !cut {
                break;
            }
            lines += stride(17);
        }
        stage.end().await;
    }
}

#[tokio::test]
async fn a_set_that_is_scaled_by_itself_is_not_swapped() {
    for stage in stages("rhpa", 1).await {
        spoilt(&stage, "ide-0").await;
        let scaler = json!({"metadata": {"name": "keda-hpa-ide"}, "spec": {"maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "ide"},
            "metrics": [{"type": "Resource", "resource": {"name": "cpu",
                "target": {"type": "Utilization", "averageUtilization": 50}}}]}});
        let path = stage.path("/apis/autoscaling/v2", "horizontalpodautoscalers");
        let (code, body) = stage.call("POST", &path, &scaler).await;
        assert_eq!(code, 201, "{body}");
        stage.forget_journals();
        let (code, out, err) = stage.wsdash(&IN_PLACE).await;
        assert_eq!(code, 1, "{}: {out}{err}", stage.name);
        let says = "is scaled by autoscaler keda-hpa-ide";
        assert!(err.contains(says), "{}: {err}", stage.name);
        assert_eq!(stage.journal(), Vec::<Value>::new());
        stage.end().await;
    }
}

#[tokio::test]
async fn it_is_done_under_exactly_its_role_and_under_no_less() {
    for stage in stages("rrole", 1).await {
        let before = spoilt(&stage, "ide-0").await;
        let role = ["restore", "--in-place"];
        only_under_its_role(&stage, &role, &IN_PLACE).await;
        is_whole(&stage, 1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        let id = stage.newest("restore").await;
        let role = ["restore", "--in-place", "--undo"];
        only_under_its_role(&stage, &role, &["undo", &id, "--yes"]).await;
        is_whole(&stage, 1).await;
        only_under_its_role(&stage, &["purge"], &["purge", &id, "--yes"]).await;
        nothing_is_kept(&stage).await;
        stage.end().await;
    }
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_costs_nothing() {
    for mut stage in stages("rcut", 1).await {
        let before = spoilt(&stage, "ide-0").await;
        let line = Line::before(&mut stage).await;
        let steps = [
            "block",
            "delete-workspace-ide-0",
            "create-workspace-ide-0",
            "back",
        ];
        for step in steps {
            spoil(&stage, "ide-0").await;
            let child = started(&stage, &IN_PLACE, "started", step).await;
            line.cut_for_a_while().await;
            let (code, out, err) = ended(child).await;
            assert_eq!(code, 0, "{} {step}: {out}{err}", stage.name);
            assert_eq!(sums(&stage, "ide-0").await, before, "{} {step}", stage.name);
            stage.wait_out_late_leases().await;
            purge(&stage).await;
        }
        is_whole(&stage, 1).await;
        stage.end().await;
    }
}
