//! A cluster, a namespace with a set of workspaces in it, and the real binary with a state folder
//! of its own.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use wsdash::demo;

/// Nothing that a test waits for takes longer than this, even on a slow computer.
const CEILING: Duration = Duration::from_secs(120);
pub(crate) const MERGE: &str = "application/merge-patch+json";

pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) namespace: String,
    /// As it is asked for: the simulated provider makes disks of whole GiB, the real one does not.
    pub(crate) size: &'static str,
    image: &'static str,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) client: kube::Client,
    /// State folder and kubeconfig.
    pub(crate) folder: TempDir,
    running: Option<demo::Running>,
}

async fn client(kubeconfig: &str) -> kube::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    let config = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(config, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    kube::Client::try_from(config).unwrap()
}

/// The real cluster when it is named, else the simulated one: a run with each is a run of each,
/// and not of one of them twice. With a namespace of its own in which a set `ide` of `replicas`
/// workspaces is ready.
pub(crate) async fn stages(rule: &str, replicas: i64) -> Vec<Stage> {
    stages_at(rule, replicas, 2.0).await
}

/// With this pace of the simulated cluster: at 1 ages of its objects are those of the computer's
/// clock.
pub(crate) async fn stages_at(rule: &str, replicas: i64, speed: f64) -> Vec<Stage> {
    let mut stage = if let Some(stage) = real().await {
        stage
    } else {
        eprintln!("{rule}: NOT run on a real cluster, WSDASH_E2E_KUBECONFIG is not set");
        simulated(speed).await
    };
    stage.furnish(rule, replicas).await;
    vec![stage]
}

/// Only the simulated cluster, with what is in it from the beginning.
pub(crate) async fn simulated_stage(namespace: &str) -> Stage {
    let mut stage = simulated(1.0).await;
    namespace.clone_into(&mut stage.namespace);
    stage
}

async fn simulated(speed: f64) -> Stage {
    let options = demo::Options {
        speed,
        ..demo::Options::default()
    };
    let running = demo::start(options).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let kubeconfig = folder.path().join("kubeconfig");
    std::fs::write(&kubeconfig, running.kubeconfig()).unwrap();
    Stage {
        name: "simulated",
        namespace: String::new(),
        size: "2Gi",
        image: "example.com/workspace:test",
        client: client(&running.kubeconfig()).await,
        kubeconfig,
        folder,
        running: Some(running),
    }
}

async fn real() -> Option<Stage> {
    let kubeconfig = PathBuf::from(std::env::var_os("WSDASH_E2E_KUBECONFIG")?);
    let text = std::fs::read_to_string(&kubeconfig).unwrap();
    Some(Stage {
        name: "real",
        namespace: String::new(),
        size: "600Mi",
        image: "localhost/workspace:test",
        client: client(&text).await,
        kubeconfig,
        folder: tempfile::tempdir().unwrap(),
        running: None,
    })
}

impl Stage {
    async fn furnish(&mut self, rule: &str, replicas: i64) {
        self.namespace = format!("act-{rule}-{}", std::process::id());
        let namespace = json!({"metadata": {"name": self.namespace}});
        let (code, body) = self.call("POST", "/api/v1/namespaces", &namespace).await;
        assert_eq!(code, 201, "{body}");
        let account = self.path("/api/v1", "serviceaccounts/default");
        self.until("the namespace has its account", &account, |code, _| {
            code == 200
        })
        .await;
        self.apply_set(replicas).await;
        self.ready(replicas).await;
    }

    pub(crate) async fn apply_set(&self, replicas: i64) {
        let sets = self.path("/apis/apps/v1", "statefulsets");
        let (code, body) = self.call("POST", &sets, &self.set(replicas)).await;
        assert_eq!(code, 201, "{body}");
    }

    pub(crate) async fn scale(&self, replicas: i64) {
        let path = self.path("/apis/apps/v1", "statefulsets/ide/scale");
        let patch = json!({"spec": {"replicas": replicas}});
        assert_eq!(self.call_as("PATCH", &path, &patch, MERGE).await.0, 200);
    }

    /// The set as it stands there.
    pub(crate) async fn current_set(&self) -> Value {
        let path = self.path("/apis/apps/v1", "statefulsets/ide");
        self.get(&path).await
    }

    pub(crate) async fn claim(&self, name: &str) -> Value {
        let path = self.path("/api/v1", &format!("persistentvolumeclaims/{name}"));
        self.get(&path).await
    }

    /// Name of the volume that a claim is bound to.
    pub(crate) async fn volume_of(&self, claim: &str) -> String {
        let claim = self.claim(claim).await;
        claim["spec"]["volumeName"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn volume(&self, name: &str) -> Value {
        let path = format!("/api/v1/persistentvolumes/{name}");
        self.get(&path).await
    }

    pub(crate) async fn ready(&self, replicas: i64) {
        let path = self.path("/apis/apps/v1", "statefulsets/ide");
        self.until("the set is ready", &path, |_, set| {
            set["status"]["readyReplicas"] == json!(replicas)
        })
        .await;
    }

    pub(crate) fn set(&self, replicas: i64) -> Value {
        let size = if self.name == "real" { "400Mi" } else { "1Gi" };
        let template = |name: &str| {
            json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": size}}}})
        };
        json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "ide"}, "spec": {
            "serviceName": "ide", "replicas": replicas, "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": {"app": "ide"}},
            "template": {"metadata": {"labels": {"app": "ide"}}, "spec": {
                "terminationGracePeriodSeconds": 1, "containers": [{
                    "name": "main", "image": self.image, "imagePullPolicy": "IfNotPresent",
                    "command": ["sh", "-c", "sleep ${time-36000}"],
                    "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"},
                        {"name": "theia-config", "mountPath": "/home/theia/.theia"}]}]}},
            "volumeClaimTemplates": [template("workspace"), template("theia-config")]}})
    }

    /// A path in the stage's namespace.
    pub(crate) fn path(&self, version: &str, rest: &str) -> String {
        format!("{version}/namespaces/{}/{rest}", self.namespace)
    }

    pub(crate) fn snapshots(&self) -> String {
        self.path("/apis/snapshot.storage.k8s.io/v1", "volumesnapshots")
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_as(method, path, body, "application/json").await
    }

    pub(crate) async fn call_as(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        kind: &str,
    ) -> (u16, Value) {
        let headers = [("content-type", kind)];
        self.call_with(method, path, body, &headers).await
    }

    pub(crate) async fn call_with(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        headers: &[(&str, &str)],
    ) -> (u16, Value) {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(bytes)).unwrap();
        let response = tokio::time::timeout(CEILING, self.client.send(request))
            .await
            .unwrap()
            .unwrap();
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        let (code, body) = self.call("GET", path, &Value::Null).await;
        assert_eq!(code, 200, "{path}: {body}");
        body
    }

    pub(crate) async fn items(&self, path: &str) -> Vec<Value> {
        self.get(path).await["items"].as_array().unwrap().clone()
    }

    /// Waits until what is at `path` fulfils the condition.
    pub(crate) async fn until(
        &self,
        what: &str,
        path: &str,
        condition: impl Fn(u16, &Value) -> bool,
    ) -> Value {
        let deadline = Instant::now() + CEILING;
        loop {
            let (code, body) = self.call("GET", path, &Value::Null).await;
            if condition(code, &body) {
                return body;
            }
            assert!(
                Instant::now() < deadline,
                "{}: {what} is still not so: {code} {body:#}",
                self.name
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The binary, to be run in the stage's namespace.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wsdash"));
        command
            .args(["-n", &self.namespace])
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("XDG_STATE_HOME", self.folder.path())
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("USER", "tester")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// The simulated cluster, if it is one.
    pub(crate) fn simulated(&self) -> Option<&demo::Running> {
        self.running.as_ref()
    }

    pub(crate) fn prometheus_url(&self) -> String {
        let real = || std::env::var("WSDASH_CLUSTER_PROMETHEUS").unwrap();
        let running = self.running.as_ref();
        running.map_or_else(real, demo::Running::prometheus_url)
    }

    /// Has calls of the storage driver answer an error until it is dropped; `None`, said aloud,
    /// where nothing can. A fault is one of the whole cluster: whoever sets one is alone.
    pub(crate) fn broken(&self, calls: &[&str], error: &str) -> Option<Broken<'_>> {
        if self.running.is_none() && std::env::var_os("WSDASH_E2E_CTL").is_none() {
            eprintln!("{calls:?}: NOT run, WSDASH_E2E_CTL does not name the tool that sets faults");
            return None;
        }
        let broken = Broken {
            stage: self,
            calls: calls.iter().map(|call| (*call).to_owned()).collect(),
        };
        broken.answer(error);
        Some(broken)
    }

    /// Has the storage driver take long over each snapshot, as `broken` does.
    pub(crate) fn slow_snapshots(&self) -> Option<Broken<'_>> {
        let Some(running) = &self.running else {
            return self.broken(&["CreateSnapshot"], "delay=20s");
        };
        running.slow_snapshots(20.0);
        let (stage, calls) = (self, Vec::new());
        Some(Broken { stage, calls })
    }

    /// The rights (group, resource, verb) that requests of a user needed; only the simulated
    /// cluster tells.
    pub(crate) fn used(&self, user: &str) -> Option<Vec<(String, String, String)>> {
        let used = self.running.as_ref()?.used(user).into_iter();
        Some(
            used.map(|one| (one.group, one.resource, one.verb))
                .collect(),
        )
    }

    /// From here on only new requests are told by [`Self::used`].
    pub(crate) fn forget_uses(&self) {
        if let Some(running) = &self.running {
            running.forget_uses();
        }
    }

    /// Runs it to its end: exit code, standard output, standard error.
    pub(crate) async fn wsdash(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = self.command(args);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap())
            .await
            .unwrap();
        said(&output)
    }

    pub(crate) fn spawn(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// The newest job of an action, as its journal tells it.
    pub(crate) async fn job(&self, action: &str) -> Value {
        let (code, out, err) = self.wsdash(&["jobs", "-o", "json"]).await;
        assert_eq!(code, 0, "{err}");
        let jobs: Value = serde_json::from_str(&out).unwrap();
        let found = jobs
            .as_array()
            .unwrap()
            .iter()
            .find(|job| job["action"] == json!(action));
        found
            .unwrap_or_else(|| panic!("no job {action} in {jobs:#}"))
            .clone()
    }

    /// The id of the newest job of an action.
    pub(crate) async fn newest(&self, action: &str) -> String {
        self.job(action).await["id"].as_str().unwrap().to_owned()
    }

    /// The lines of the only journal, as far as they are whole.
    pub(crate) fn journal(&self) -> Vec<Value> {
        self.journals()
            .pop()
            .map(|(_, lines)| lines)
            .unwrap_or_default()
    }

    /// The lines of every journal by file name.
    pub(crate) fn journals(&self) -> Vec<(String, Vec<Value>)> {
        let folder = self.folder.path().join("wsdash/jobs");
        let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
        files
            .map(|file| {
                let text = std::fs::read_to_string(file.path()).unwrap_or_default();
                let lines = text.lines();
                let lines = lines.filter_map(|line| serde_json::from_str(line).ok());
                let name = file.file_name().to_string_lossy().into_owned();
                (name, lines.collect())
            })
            .collect()
    }

    pub(crate) fn forget_journals(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("wsdash/jobs"));
    }

    /// A line that was cut may deliver a renewal late, which makes a lease of nobody. It holds
    /// nobody up once it has expired, as every lease does whose holder is gone.
    pub(crate) async fn wait_out_late_leases(&self) {
        let leases = self.path("/apis/coordination.k8s.io/v1", "leases");
        let good_for = jiff::SignedDuration::from_secs(30);
        let started = std::time::Instant::now();
        loop {
            let left = self.items(&leases).await;
            let is_good = |lease: &Value| {
                let renewed: jiff::Timestamp = lease["spec"]["renewTime"]
                    .as_str()
                    .unwrap()
                    .parse()
                    .unwrap();
                renewed + good_for > jiff::Timestamp::now()
            };
            if !left.iter().any(is_good) {
                return;
            }
            assert!(
                started.elapsed().as_secs() < 60,
                "it is renewed by somebody: {left:?}"
            );
        }
    }

    /// What must hold after every test: no lease, no helper, and every claim bound to the volume
    /// it had.
    pub(crate) async fn inspect(&self, claims: &[(String, String)]) {
        self.inspect_but_leases(claims).await;
        let leases = self.path("/apis/coordination.k8s.io/v1", "leases");
        assert_eq!(
            self.items(&leases).await,
            Vec::<Value>::new(),
            "{}",
            self.name
        );
    }

    pub(crate) async fn inspect_but_leases(&self, claims: &[(String, String)]) {
        let pods = self.items(&self.path("/api/v1", "pods")).await;
        let strangers: Vec<&Value> = pods
            .iter()
            .map(|pod| &pod["metadata"]["name"])
            .filter(|name| !name.as_str().unwrap().starts_with("ide-"))
            .collect();
        assert_eq!(strangers, Vec::<&Value>::new(), "{}", self.name);
        assert_eq!(self.claims().await, claims, "{}", self.name);
        for (claim, volume) in claims.iter().filter(|(_, volume)| !volume.is_empty()) {
            let path = format!("/api/v1/persistentvolumes/{volume}");
            self.until(
                "the volume is bound and nobody's mark is on it",
                &path,
                |_, volume| {
                    let marks = volume["metadata"]["annotations"].as_object();
                    volume["status"]["phase"] == json!("Bound")
                        && volume["spec"]["claimRef"]["uid"] == json!(claim)
                        && volume["spec"]["persistentVolumeReclaimPolicy"] == json!("Delete")
                        && !marks
                            .is_some_and(|marks| marks.keys().any(|mark| mark.contains("wsdash")))
                },
            )
            .await;
        }
    }

    /// Uid and volume of every claim, by name.
    pub(crate) async fn claims(&self) -> Vec<(String, String)> {
        let claims = self
            .items(&self.path("/api/v1", "persistentvolumeclaims"))
            .await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut all: Vec<(String, String)> = claims
            .iter()
            .map(|c| (text(&c["metadata"]["uid"]), text(&c["spec"]["volumeName"])))
            .collect();
        all.sort();
        all
    }

    pub(crate) async fn end(self) {
        let path = format!("/api/v1/namespaces/{}", self.namespace);
        let (code, body) = self.call("DELETE", &path, &Value::Null).await;
        assert_eq!(code, 200, "{body}");
    }
}

/// A storage driver that does not do what it should, mended when it goes out of scope.
pub(crate) struct Broken<'a> {
    stage: &'a Stage,
    calls: Vec<String>,
}

impl Broken<'_> {
    fn answer(&self, error: &str) {
        for call in &self.calls {
            match &self.stage.running {
                Some(running) => running.break_driver(call.parse().unwrap(), Some(error)),
                None => assert!(ctl(&["fault", call, error]), "{call}"),
            }
        }
    }
}

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        let Some(running) = &self.stage.running else {
            let is_mended = ctl(&["mend"]);
            assert!(is_mended || std::thread::panicking(), "it is not mended");
            return;
        };
        for call in &self.calls {
            running.break_driver(call.parse().unwrap(), None);
        }
    }
}

/// Runs the tool that breaks and mends the real cluster; `false` when it could not.
pub(crate) fn ctl(words: &[&str]) -> bool {
    let tool = std::env::var_os("WSDASH_E2E_CTL").unwrap();
    Command::new(tool).args(words).status().unwrap().success()
}

impl Drop for Stage {
    /// After a failure, too, nothing stays in a cluster that others use.
    fn drop(&mut self) {
        if self.name != "real" || self.namespace.is_empty() || !std::thread::panicking() {
            return;
        }
        let namespace = self.namespace.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let text = std::env::var("WSDASH_E2E_KUBECONFIG").unwrap();
                let client = client(&std::fs::read_to_string(text).unwrap()).await;
                let path = format!("/api/v1/namespaces/{namespace}");
                let request = http::Request::delete(path).body(Body::empty()).unwrap();
                let _ = tokio::time::timeout(CEILING, client.send(request)).await;
            });
        });
        let _ = thread.join();
    }
}

/// Has a run stand still, or go on.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

pub(crate) fn said(output: &Output) -> (i32, String, String) {
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}
