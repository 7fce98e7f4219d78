//! A need that comes after the last look and before the deletion: no precondition sees it. The claim
//! goes or waits for its end, and what is on its disk is kept, told of, and comes back.

use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use serde_json::{Value, json};

use super::kit::{LENIENT, configure, delete_set, look, sums, work};
use super::run::{ended, started};
use super::stage::{Stage, signal, stages_at};
use super::{CLAIM, DELETE, scale_to_nothing, undone};

const CEILING: Duration = Duration::from_secs(120);
/// A run goes on for so long before it is looked at again.
const SLICE: Duration = Duration::from_micros(200);

/// Returns when it stands still, or has ended.
fn stop(child: &Child) {
    signal(child, Signal::STOP);
    let options = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    waitid(WaitId::Pid(Pid::from_child(child)), options).unwrap();
}

/// Whether it stands still between its last look and its deletion; else it is past both.
#[expect(
    clippy::disallowed_methods,
    reason = "it looks again and again, up to a ceiling, and a timer's tick is too long"
)]
fn stands_between(stage: &Stage, child: &Child) -> bool {
    let (look, delete) = (format!("look-{CLAIM}"), format!("delete-{CLAIM}"));
    let deadline = Instant::now() + CEILING;
    loop {
        stop(child);
        let journal = stage.journal();
        let has = |entry: &str, step: &str| {
            let mut lines = journal.iter();
            lines.any(|line| line["entry"] == entry && line["id"] == step)
        };
        // the line is on the disk before the call is made
        if has("started", &delete) {
            return false;
        }
        if has("answered", &look) {
            return true;
        }
        assert!(Instant::now() < deadline, "{journal:#?}");
        signal(child, Signal::CONT);
        std::thread::sleep(SLICE);
    }
}

/// A deletion that has looked for the last time and asked for nothing yet. One that was too quick is
/// taken back and begun anew.
async fn halted(stage: &Stage) -> Child {
    let name = stage.volume_of(CLAIM).await;
    for _ in 0..30 {
        let child = started(stage, &DELETE, "started", &format!("look-{CLAIM}")).await;
        if tokio::task::block_in_place(|| stands_between(stage, &child)) {
            return child;
        }
        signal(&child, Signal::CONT);
        let (code, out, err) = ended(child).await;
        assert_eq!(code, 0, "{}: {out}{err}", stage.name);
        undone(stage, &name).await;
        look(stage).await;
    }
    panic!("{}: it never stood still in between", stage.name);
}

/// Lets it go on. It says what came and how to get everything back; the disk is kept.
async fn says_so(stage: &Stage, child: Child, user: &str, volume_name: &str) {
    signal(&child, Signal::CONT);
    let (code, out, err) = ended(child).await;
    assert_eq!(code, 1, "{}: {out}{err}", stage.name);
    let said = format!("{out}{err}");
    let user = format!("pod {user} began to use claim");
    assert!(said.contains(&user), "{}: {said}", stage.name);
    assert!(said.contains("nothing is lost"), "{}: {said}", stage.name);
    let kept = stage.volume(volume_name).await;
    assert_eq!(kept["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    assert_eq!(stage.items(&stage.snapshots()).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_comes_after_the_last_look_is_told_and_nothing_is_lost() {
    for stage in stages_at("olastpod", 1, 1.0).await {
        configure(&stage, LENIENT);
        let before = work(&stage, "ide-0").await;
        delete_set(&stage).await;
        look(&stage).await;
        let name = stage.volume_of(CLAIM).await;

        let child = halted(&stage).await;
        // nobody schedules it, so it does not protect the claim
        let pod = json!({"metadata": {"name": "late"}, "spec": {
            "nodeSelector": {"no-such": "node"},
            "containers": [{"name": "main", "image": "example.com/none:1"}],
            "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": CLAIM}}]}});
        let pods = stage.path("/api/v1", "pods");
        assert_eq!(stage.call("POST", &pods, &pod).await.0, 201);
        says_so(&stage, child, "late", &name).await;

        let late = stage.path("/api/v1", "pods/late");
        assert_eq!(stage.call("DELETE", &late, &Value::Null).await.0, 200);
        let is_gone = |code, _: &Value| code == 404;
        stage.until("the late pod is gone", &late, is_gone).await;
        undone(&stage, &name).await;
        stage.apply_set(1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_set_that_comes_back_after_the_last_look_is_told_and_nothing_is_lost() {
    for stage in stages_at("olastset", 1, 1.0).await {
        configure(&stage, LENIENT);
        let before = work(&stage, "ide-0").await;
        delete_set(&stage).await;
        look(&stage).await;

        let child = halted(&stage).await;
        let orphan = stage.claim(CLAIM).await;
        let name = stage.volume_of(CLAIM).await;
        stage.apply_set(1).await;
        let pod = stage.path("/api/v1", "pods/ide-0");
        stage
            .until("its pod has a node", &pod, |_, pod| {
                pod["spec"]["nodeName"].is_string()
            })
            .await;
        says_so(&stage, child, "ide-0", &name).await;
        // the pod protects it
        let ending = stage.claim(CLAIM).await;
        assert_eq!(ending["metadata"]["uid"], orphan["metadata"]["uid"]);
        assert!(ending["metadata"]["deletionTimestamp"].is_string());

        scale_to_nothing(&stage).await;
        undone(&stage, &name).await;
        stage.scale(1).await;
        stage.ready(1).await;
        assert_eq!(sums(&stage, "ide-0").await, before, "{}", stage.name);
        stage.inspect(&stage.claims().await).await;
        stage.end().await;
    }
}
