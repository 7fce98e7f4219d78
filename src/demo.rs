//! A simulated Kubernetes cluster in this process: an API server and a Prometheus with real HTTP on loopback,
//! controllers with the real rules, disks that hold what is written, and a clock that can run fast.
//!
//! It is reached as any cluster is: through a kubeconfig. Must not know the product's client, model or screens.

#![expect(
    clippy::too_many_lines,
    reason = "long functions here are tables: one arm for each kind, command or query function"
)]
#![expect(
    clippy::similar_names,
    reason = "target and taken, rule and rules say what they are"
)]
#![expect(
    clippy::format_collect,
    reason = "a few short lines of a simulated shell, never a hot path"
)]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

mod admission;
mod apply;
mod clock;
mod controllers;
mod disk;
mod drill;
mod failure;
mod faults;
mod history;
mod http;
mod object;
pub(crate) mod patch;
mod prom;
mod resource;
mod sandbox;
mod scenario;
mod schema;
mod seed;
mod selector;
mod shell;
mod store;
mod tree;
mod world;

pub use clock::Clock;
pub use drill::{Harm, Verdict};
pub use faults::{Behaviour, DriverCall};
pub use http::Used;
pub use scenario::{Drill, Name, Placed, Scenario, list as scenarios};

/// How the world's own life is looked after at the least, in real time.
const TICK: Duration = Duration::from_millis(500);

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    /// Name of a shipped scenario, or path of a `.toml` file.
    pub scenario: String,
    /// Simulated seconds per real second.
    pub speed: f64,
    pub seed: u64,
    /// The simulated time at which it starts; now when `None`.
    pub start: Option<Timestamp>,
    /// Port of the API server on 127.0.0.1; 0 = any that is free.
    pub port: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            scenario: "morning".to_owned(),
            speed: 1.0,
            seed: 1,
            start: None,
            port: 0,
        }
    }
}

/// A simulated cluster that runs until it is shut down or dropped.
#[derive(Debug)]
pub struct Running {
    shared: Arc<http::Shared>,
    api: SocketAddr,
    prometheus: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
    drill: Option<Drill>,
}

/// Builds the world of a scenario and serves it on free ports of 127.0.0.1.
pub async fn start(options: Options) -> Result<Running> {
    anyhow::ensure!(
        options.speed.is_finite() && options.speed > 0.0 && options.speed <= 100_000.0,
        "the speed of the demo must be above 0 and at most 100000, not {}",
        options.speed
    );
    let scenario = scenario::load(&options.scenario)?;
    let begin = options.start.unwrap_or_else(Timestamp::now);
    let (seed, drill) = (options.seed, scenario.drill.clone());
    let world = tokio::task::spawn_blocking(move || scenario::build::world(&scenario, begin, seed))
        .await
        .context("building the simulated world")??;
    let shared = http::Shared::new(world, Clock::new(begin, options.speed));
    let mut tasks = Vec::new();
    let api = http::router(Arc::clone(&shared));
    let api = serve(&shared, api, options.port, &mut tasks).await?;
    let prometheus = prom::router(Arc::clone(&shared));
    let prometheus = serve(&shared, prometheus, 0, &mut tasks).await?;
    tasks.push(tokio::spawn(live(Arc::clone(&shared))));
    Ok(Running {
        shared,
        api,
        prometheus,
        tasks,
        drill,
    })
}

async fn serve(
    shared: &Arc<http::Shared>,
    router: axum::Router,
    port: u16,
    tasks: &mut Vec<JoinHandle<()>>,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("opening port {port} of 127.0.0.1 for the demo; is it taken?"))?;
    let address = listener.local_addr().context("the demo's own address")?;
    let stop = shared.cancel.clone().cancelled_owned();
    tasks.push(tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router)
            .with_graceful_shutdown(stop)
            .await
        {
            tracing::error!(%error, "the demo's server ended");
        }
    }));
    Ok(address)
}

/// Lets the world go on while nobody asks it anything.
async fn live(shared: Arc<http::Shared>) {
    loop {
        let wait = {
            let world = shared.world();
            world.next_due().map_or(TICK, |due| {
                shared.clock.real(object::seconds_between(world.now, due))
            })
        };
        tokio::select! {
            () = tokio::time::sleep(wait.clamp(Duration::from_millis(20), TICK)) => {}
            () = shared.cancel.cancelled() => return,
        }
    }
}

impl Running {
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api)
    }

    pub fn prometheus_url(&self) -> String {
        format!("http://{}", self.prometheus)
    }

    /// A kubeconfig with the contexts `demo` (may do everything) and `demo-viewer` (may only look).
    pub fn kubeconfig(&self) -> String {
        let url = self.api_url();
        let namespace = "coditect-app";
        format!(
            "apiVersion: v1\nkind: Config\nclusters:\n- name: demo\n  cluster:\n    server: {url}\nusers:\n- name: demo\n  user:\n    token: demo\n- name: demo-viewer\n  user:\n    token: demo\n    as: viewer\n    as-groups: [viewers]\ncontexts:\n- name: demo\n  context: {{cluster: demo, user: demo, namespace: {namespace}}}\n- name: demo-viewer\n  context: {{cluster: demo, user: demo-viewer, namespace: {namespace}}}\ncurrent-context: demo\n"
        )
    }

    /// The clock of the simulated world; ages of its objects are to be counted from it.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Has a call of the CSI driver answer an error from now on, or (`None`) work again.
    pub fn break_driver(&self, call: DriverCall, error: Option<&str>) {
        let mut world = self.shared.world();
        world.faults.set_driver(call, error.map(str::to_owned));
    }

    /// Has `CreateSnapshot` take so many seconds of the simulated clock longer.
    pub fn slow_snapshots(&self, seconds: f64) {
        self.shared.world().faults.snapshot_delay = seconds;
    }

    /// Has the API server answer nothing but 503 and cut its watches, or be well again.
    pub fn set_down(&self, is_down: bool) {
        let mut world = self.shared.world();
        world.faults.api.down = is_down;
        world.faults.api.cut_watches = is_down;
    }

    /// Requests that the API server has had, whatever it answered.
    pub fn requests(&self) -> u64 {
        self.shared.requests()
    }

    /// The rights that the requests of a user needed, of one that roles bind.
    pub fn used(&self, user: &str) -> Vec<Used> {
        self.shared.used(user)
    }

    /// From here on only new requests are told by [`Self::used`].
    pub fn forget_uses(&self) {
        self.shared.forget_uses();
    }

    /// What the drill asks for, when the scenario is one.
    pub fn drill(&self) -> Option<&Drill> {
        self.drill.as_ref()
    }

    /// How the drill goes, or went.
    pub fn verdict(&self) -> Option<Verdict> {
        verdict(&self.shared)
    }

    /// Waits until the drill is mended or its time is up; for ever when there is none.
    pub fn judged(&self) -> impl Future<Output = Verdict> + Send + 'static {
        let shared = Arc::clone(&self.shared);
        async move {
            loop {
                if let Some(verdict) = verdict(&shared).filter(|verdict| verdict.over) {
                    return verdict;
                }
                tokio::time::sleep(TICK).await;
            }
        }
    }

    /// The state of the world at `at` or later, as one number; equal for equal runs.
    pub fn fingerprint(&self, at: Timestamp) -> u64 {
        self.shared.world_at(at).fingerprint()
    }

    /// How many things of each sort the world keeps.
    pub fn footprint(&self) -> BTreeMap<&'static str, usize> {
        self.shared.world().footprint()
    }

    /// Ends the servers and every session.
    pub async fn shutdown(mut self) {
        self.shared.cancel.cancel();
        for task in self.tasks.drain(..) {
            let abort = task.abort_handle();
            if tokio::time::timeout(Duration::from_secs(2), task)
                .await
                .is_err()
            {
                abort.abort();
            }
        }
    }
}

fn verdict(shared: &http::Shared) -> Option<Verdict> {
    let world = shared.world();
    Some(world.judge.as_ref()?.verdict(&world))
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.cancel.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}
