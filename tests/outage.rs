//! The API server goes away in the middle of every action at once, and comes back: each waits for it
//! and comes to its end, or says how it goes on and does. The simulated server answers nothing but
//! 503; the process of a real one is killed, by the program that `WSDASH_E2E_CTL` names. Alone,
//! because everybody uses that server.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not run"
)]

#[path = "actions/kit.rs"]
mod kit;

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

use std::process::Child;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http_body_util::BodyExt as _;
use kit::{LENIENT, configure, delete_set, look, spoilt, sums, work};
use kube::client::Body;
use run::{ended, id, started};
use rustix::process::Signal;
use serde_json::Value;
use stage::{Stage, ctl, signal, stages};
use wsdash::demo;

const CLAIM: &str = "workspace-ide-0";
const SERVER: &str = "kube-apiserver";
const CEILING: Duration = Duration::from_secs(180);

/// The servers are away until it is dropped, also when the test fails.
struct Away<'a> {
    /// With how many requests the simulated ones had had.
    simulated: Vec<(&'a demo::Running, u64)>,
}

impl<'a> Away<'a> {
    fn now(stages: &'a [Stage]) -> Self {
        let simulated = stages.iter().filter_map(Stage::simulated);
        let away = Self {
            simulated: simulated
                .map(|server| (server, server.requests()))
                .collect(),
        };
        for (server, _) in &away.simulated {
            server.set_down(true);
        }
        assert!(!away.simulated.is_empty() || ctl(&["kill", SERVER]));
        away
    }

    /// Every simulated server was asked for something in vain; a real one is slow to come back.
    async fn is_noticed(&self) {
        let deadline = Instant::now() + CEILING;
        while self
            .simulated
            .iter()
            .any(|(server, had)| server.requests() == *had)
        {
            assert!(Instant::now() < deadline, "somebody asks for nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Away<'_> {
    fn drop(&mut self) {
        for (server, _) in &self.simulated {
            server.set_down(false);
        }
        let is_started = !self.simulated.is_empty() || ctl(&["start", SERVER]);
        assert!(is_started || std::thread::panicking(), "it is not started");
    }
}

/// A run that stands still in the middle of one of its steps.
struct Halted<'a> {
    stage: &'a Stage,
    step: &'static str,
    child: Child,
}

impl<'a> Halted<'a> {
    async fn at(stage: &'a Stage, line: &str, step: &'static str) -> Self {
        let args: Vec<&str> = line.split(' ').chain(["--yes"]).collect();
        let child = started(stage, &args, "started", step).await;
        signal(&child, Signal::STOP);
        Self { stage, step, child }
    }

    fn go_on(&self) {
        signal(&self.child, Signal::CONT);
    }

    /// It comes to its end, or says how it goes on and does.
    async fn end(self) {
        let Self { stage, step, child } = self;
        let (code, out, err) = ended(child).await;
        if code != 0 {
            let id = id(stage);
            let way = format!("wsdash resume {id}");
            assert!(out.contains(&way), "{step}: {out}{err}");
            eprintln!("{step}: resumed: {out}{err}");
            let (code, out, err) = stage.wsdash(&["resume", &id, "--yes"]).await;
            assert_eq!(code, 0, "{step}: {out}{err}");
        }
        stage.wait_out_late_leases().await;
    }
}

/// The server answers, and its controllers work again.
async fn is_back(stage: &Stage) {
    let deadline = Instant::now() + CEILING;
    loop {
        let request = http::Request::get("/readyz").body(Body::empty()).unwrap();
        if let Ok(answer) = stage.client.send(request).await
            && answer.status().is_success()
            && answer.into_body().collect().await.is_ok()
        {
            return;
        }
        assert!(Instant::now() < deadline, "the server does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn uid(stage: &Stage) -> Value {
    let path = stage.path("/api/v1", "pods/ide-0");
    stage.get(&path).await["metadata"]["uid"].clone()
}

/// The deleted claim is gone; undo binds its volume again, and the set finds every byte.
async fn comes_back(stage: &Stage, volume: &str, before: &str) {
    let path = stage.path("/api/v1", &format!("persistentvolumeclaims/{CLAIM}"));
    let (code, body) = stage.call("GET", &path, &Value::Null).await;
    assert_eq!(code, 404, "{body:#}");
    let (code, out, err) = stage.wsdash(&["undo", &id(stage), "--yes"]).await;
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(stage.volume_of(CLAIM).await, volume);
    stage.apply_set(1).await;
    stage.ready(1).await;
    assert_eq!(sums(stage, "ide-0").await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_goes_away_in_the_middle_of_every_action_costs_nothing() {
    let is_real = std::env::var_os("WSDASH_E2E_KUBECONFIG").is_some();
    if is_real && std::env::var_os("WSDASH_E2E_CTL").is_none() {
        eprintln!("NOT RUN: an outage of a real server needs WSDASH_E2E_CTL");
        return;
    }
    let names = ["osnap", "osize", "oevict", "orest", "oorph", "overify"];
    let stages: Vec<Stage> = join_all(names.map(|name| stages(name, 1)))
        .await
        .into_iter()
        .flatten()
        .collect();
    let [snapshot, resize, evict, restore, orphans, verify] = &stages[..] else {
        panic!("one stage a name");
    };
    let orphaned = async {
        configure(orphans, LENIENT);
        let before = work(orphans, "ide-0").await;
        delete_set(orphans).await;
        look(orphans).await;
        before
    };
    let (restored, orphaned) = tokio::join!(spoilt(restore, "ide-0"), orphaned);
    let evicted = uid(evict).await;
    let kept = orphans.volume_of(CLAIM).await;

    let grow = format!("resize workspace-ide-0 {}", resize.size);
    let halted = [
        (
            snapshot,
            "snapshot ide-0 --wait",
            "snapshot-workspace-ide-0",
        ),
        (resize, &grow, "grow"),
        (evict, "evict ide-0", "evict-ide-0"),
        (
            restore,
            "restore ide-0 --in-place",
            "delete-workspace-ide-0",
        ),
        (
            orphans,
            "orphans workspace-ide-0 --delete",
            "delete-workspace-ide-0",
        ),
        (verify, "verify ide-0", "after-workspace-ide-0"),
    ];
    let halted = halted.map(|(stage, line, step)| Halted::at(stage, line, step));
    let halted = join_all(halted).await;
    let away = Away::now(&stages);
    for one in &halted {
        one.go_on();
    }
    away.is_noticed().await;
    drop(away);
    is_back(snapshot).await;
    join_all(halted.into_iter().map(Halted::end)).await;

    assert_eq!(snapshot.items(&snapshot.snapshots()).await.len(), 2);
    let resized = resize.claim(CLAIM).await;
    assert_eq!(resized["status"]["capacity"]["storage"], resize.size);
    evict.ready(1).await;
    assert_ne!(uid(evict).await, evicted);
    restore.ready(1).await;
    assert_eq!(sums(restore, "ide-0").await, restored);
    assert_eq!(verify.job("verify").await["verification"]["class"], "PASS");

    comes_back(orphans, &kept, &orphaned).await;
    for stage in stages {
        stage.inspect_but_leases(&stage.claims().await).await;
        stage.end().await;
    }
}
