//! Connecting, rights, logs and exec against a real cluster, in namespaces of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use rstest::rstest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use wsdash::cluster::access::{Access, Rule, Verdict};
use wsdash::cluster::connect::{Connection, Interaction, Target};
use wsdash::cluster::discovery::{self, Availability};
use wsdash::cluster::exec::{ExecEnd, ExecRequest, PodTarget, WindowSize, exec, run};
use wsdash::cluster::fault::{Fault, FaultKind};
use wsdash::cluster::logs::{LogEvent, LogLine, LogRequest, stream};

use super::Home;

const KUBECONFIG: &str = "WSDASH_E2E_KUBECONFIG";
const LIMIT: Duration = Duration::from_secs(60);

/// The cluster, or `None` after saying loudly that the test does not run.
fn cluster(test: &str) -> Option<Target> {
    let Some(path) = std::env::var_os(KUBECONFIG) else {
        // not through print!, which the test harness keeps to itself
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: {test}: {KUBECONFIG} is not set"
        );
        return None;
    };
    Some(Target {
        kubeconfig: Some(PathBuf::from(path)),
        run: "tests".to_owned(),
        ..Target::default()
    })
}

async fn connect(target: &Target) -> Connection {
    wsdash::cluster::connect::connect(target, Interaction::Never)
        .await
        .unwrap()
}

/// A namespace of a test with one pod in it; deleted in the end, also after a failure.
struct Stage {
    connection: Connection,
    namespace: String,
}

impl Stage {
    async fn new(target: &Target) -> Self {
        let connection = connect(target).await;
        let namespaces: Api<Namespace> = Api::all(connection.client.clone());
        let namespace = json!({"metadata": {"generateName": "wsdash-connect-"}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let made = namespaces
            .create(&PostParams::default(), &namespace)
            .await
            .unwrap();
        Self {
            connection,
            namespace: made.metadata.name.unwrap(),
        }
    }

    /// Starts a pod that runs `script` and waits until it runs, or has ended.
    async fn pod(&self, script: &str, restart: &str) -> PodTarget {
        let pods: Api<Pod> = Api::namespaced(self.connection.client.clone(), &self.namespace);
        let pod: Pod = serde_json::from_value(json!({
            "metadata": {"name": "p"},
            "spec": {
                "restartPolicy": restart,
                "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "main", "image": "localhost/workspace:test",
                    "imagePullPolicy": "Never", "command": ["sh", "-c", script],
                    "volumeMounts": [{"name": "kept", "mountPath": "/kept"}]}],
                "volumes": [{"name": "kept", "emptyDir": {}}],
            },
        }))
        .unwrap();
        // the service account appears a moment after the namespace
        let deadline = Instant::now() + LIMIT;
        while let Err(error) = pods.create(&PostParams::default(), &pod).await {
            assert!(Instant::now() < deadline, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.until("the pod runs", |status| {
            matches!(status["phase"].as_str(), Some("Running" | "Succeeded"))
        })
        .await;
        PodTarget::new(&self.namespace, "p")
    }

    async fn until(&self, what: &str, holds: impl Fn(&Value) -> bool) {
        let pods: Api<Pod> = Api::namespaced(self.connection.client.clone(), &self.namespace);
        let deadline = Instant::now() + LIMIT;
        loop {
            let pod = serde_json::to_value(pods.get("p").await.unwrap()).unwrap();
            if holds(&pod["status"]) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "waited a minute until {what}: {}",
                pod["status"]
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let (namespace, limit) = (self.namespace.clone(), LIMIT);
        let target = Target {
            kubeconfig: std::env::var_os(KUBECONFIG).map(PathBuf::from),
            ..Target::default()
        };
        // the runtime of the test may be unwinding
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let namespaces: Api<Namespace> = Api::all(connect(&target).await.client);
                let params = DeleteParams::background();
                let deletion = namespaces.delete(&namespace, &params);
                let _ = tokio::time::timeout(limit, deletion).await;
            });
        });
        let _ = thread.join();
    }
}

#[tokio::test]
async fn a_connection_knows_the_server_and_the_user() {
    let Some(target) = cluster("a_connection_knows_the_server_and_the_user") else {
        return;
    };
    let connection = connect(&target).await;
    assert!(connection.probe().await.unwrap().starts_with("v1."));
    let target = Target {
        as_user: Some("ann".to_owned()),
        as_groups: vec!["viewers".to_owned()],
        ..target
    };
    let identity = Access::new(connect(&target).await.client)
        .identity()
        .await
        .unwrap();
    assert_eq!(identity.user, "ann");
    assert!(
        identity.groups.contains(&"viewers".to_owned()),
        "{identity:?}"
    );
}

#[tokio::test]
async fn a_token_that_the_server_does_not_know_is_unauthorized() {
    let Some(target) = cluster("a_token_that_the_server_does_not_know_is_unauthorized") else {
        return;
    };
    let home = Home::new();
    let text = std::fs::read_to_string(target.kubeconfig.unwrap()).unwrap();
    let mut config: Value = serde_saphyr::from_str(&text).unwrap();
    for user in config["users"].as_array_mut().unwrap() {
        user["user"] = json!({"token": "hunter2-expired"});
    }
    let target = Target {
        kubeconfig: Some(home.write("config", &config.to_string())),
        ..Target::default()
    };
    let fault = super::checked(connect(&target).await.probe().await.unwrap_err());
    assert_eq!(fault.kind, FaultKind::Unauthorized);
}

#[tokio::test]
async fn a_right_is_allowed_or_denied_and_the_denied_call_names_it() {
    let Some(target) = cluster("a_right_is_allowed_or_denied_and_the_denied_call_names_it") else {
        return;
    };
    let rules = [
        Rule::new("list", "", "pods").in_namespace("default"),
        Rule::new("create", "", "pods/exec").in_namespace("default"),
    ];
    let access = Access::new(connect(&target).await.client);
    assert_eq!(
        access.check(&rules).await,
        [Verdict::Allowed, Verdict::Allowed]
    );

    let nobody = Target {
        as_user: Some("nobody-in-particular".to_owned()),
        ..target
    };
    let client = connect(&nobody).await.client;
    let verdicts = Access::new(client.clone()).check(&rules).await;
    assert!(
        verdicts
            .iter()
            .all(|verdict| matches!(verdict, Verdict::Denied { .. })),
        "{verdicts:?}"
    );

    let pods: Api<Pod> = Api::namespaced(client.clone(), "default");
    let error = pods.list(&ListParams::default()).await.unwrap_err();
    let fault = Fault::of(&error, "listing pods");
    assert_eq!(fault.kind, FaultKind::Forbidden);
    assert_eq!(fault.rule.unwrap().to_string(), "list pods in default");

    let target = PodTarget::new("default", "any");
    let fault = run(&client, &target, None, &["sh"], b"", LIMIT)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Forbidden, "{fault}");
    let rule = fault.rule.unwrap();
    assert_eq!(
        (rule.resource.as_str(), rule.subresource.as_str()),
        ("pods", "exec")
    );
}

#[tokio::test]
async fn an_api_that_is_not_installed_is_absent() {
    let Some(target) = cluster("an_api_that_is_not_installed_is_absent") else {
        return;
    };
    let client = connect(&target).await.client;
    let nothing = discovery::OptionalApi {
        group: "nothing.wsdash.dev",
        resource: "nothings",
    };
    let apis = [discovery::POD_DISRUPTION_BUDGETS, nothing];
    let found = discovery::probe(&client, &apis).await;
    let version = "v1".to_owned();
    assert_eq!(
        found,
        [Availability::Present { version }, Availability::Absent]
    );
}

#[tokio::test]
async fn a_command_ends_with_its_code_and_both_outputs() {
    let Some(target) = cluster("a_command_ends_with_its_code_and_both_outputs") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let client = stage.connection.client.clone();
    let pod = stage.pod("sleep 3600", "Never").await;

    let script = "cat; echo err >&2; exit 7";
    let output = run(
        &client,
        &pod,
        Some("main"),
        &["sh", "-c", script],
        b"in\xff\n",
        LIMIT,
    )
    .await
    .unwrap();
    assert_eq!(output.stdout, b"in\xff\n");
    assert_eq!(output.stderr, b"err\n");
    assert_eq!(output.code, 7);

    let fault = run(&client, &pod, None, &["no-such-shell"], b"", LIMIT)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::NoCommand, "{fault}");

    let fault = run(&client, &pod, Some("other"), &["sh"], b"", LIMIT)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::Invalid, "{fault}");

    let nobody = PodTarget::new(&stage.namespace, "gone");
    let fault = run(&client, &nobody, None, &["sh"], b"", LIMIT)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound, "{fault}");
}

#[tokio::test]
async fn a_terminal_has_the_size_that_it_is_told() {
    let Some(target) = cluster("a_terminal_has_the_size_that_it_is_told") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let pod = stage.pod("sleep 3600", "Never").await;
    let request = ExecRequest {
        command: vec!["sh".to_owned()],
        tty: true,
        stdin: true,
        size: Some(WindowSize {
            width: 91,
            height: 33,
        }),
        ..ExecRequest::default()
    };
    let mut session = exec(&stage.connection.client, &pod, request).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    let resizer = session.resizer();
    let (sizes, mut wanted) = tokio::sync::watch::channel(String::new());
    let reader = tokio::spawn(async move {
        let mut part = [0; 4096];
        while let Ok(length @ 1..) = stdout.read(&mut part).await {
            let text = String::from_utf8_lossy(&part[..length]).into_owned();
            sizes.send_modify(|seen| seen.push_str(&text));
        }
    });
    let ask = async {
        // the kernel tells the shell of a new size some time after us
        for size in ["33 91", "50 132"] {
            loop {
                stdin.write_all(b"stty size\n").await.unwrap();
                let answer = wanted.wait_for(|seen| seen.contains(size));
                if tokio::time::timeout(Duration::from_millis(500), answer)
                    .await
                    .is_ok()
                {
                    break;
                }
            }
            resizer.send_replace(Some(WindowSize {
                width: 132,
                height: 50,
            }));
        }
        stdin.write_all(b"exit 5\n").await.unwrap();
    };
    tokio::time::timeout(LIMIT, ask).await.unwrap();
    assert_eq!(session.finish().await, ExecEnd::Exited(5));
    reader.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_megabytes_go_in_and_come_out_unchanged() {
    const SIZE: usize = 100_000_000;
    let Some(target) = cluster("a_hundred_megabytes_go_in_and_come_out_unchanged") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let pod = stage.pod("sleep 3600", "Never").await;
    let request = ExecRequest {
        command: vec!["cat".to_owned()],
        stdin: true,
        ..ExecRequest::default()
    };
    let mut session = exec(&stage.connection.client, &pod, request).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    // every byte value, with a period that divides no message size
    let byte = |at: usize| (at % 65_521).to_le_bytes()[0];
    let writer = tokio::spawn(async move {
        let mut at = 0;
        while at < SIZE {
            let length = 50_000.min(SIZE - at);
            let part: Vec<u8> = (at..at + length).map(byte).collect();
            stdin.write_all(&part).await.unwrap();
            at += length;
        }
        stdin.shutdown().await.unwrap();
    });
    let reader = tokio::spawn(async move {
        let (mut at, mut part) = (0, vec![0; 64 * 1024]);
        while let Ok(length @ 1..) = stdout.read(&mut part).await {
            for (offset, got) in part[..length].iter().enumerate() {
                assert_eq!(*got, byte(at + offset), "byte {}", at + offset);
            }
            at += length;
        }
        at
    });
    assert_eq!(session.finish().await, ExecEnd::Exited(0));
    writer.await.unwrap();
    assert_eq!(reader.await.unwrap(), SIZE);
}

#[tokio::test]
async fn neither_a_slow_command_nor_a_slow_reader_is_taken_for_a_dead_connection() {
    const SIZE: usize = 5_000_000;
    // fits into the buffers on the way, so that the server is done and gone before it is read
    const OUTPUT: usize = 1_000_000;
    // longer than an idle connection may stay without an answer
    const SLOW: Duration = Duration::from_secs(15);
    let Some(target) =
        cluster("neither_a_slow_command_nor_a_slow_reader_is_taken_for_a_dead_connection")
    else {
        return;
    };
    let stage = Stage::new(&target).await;
    let client = stage.connection.client.clone();
    let pod = stage.pod("sleep 3600", "Never").await;

    let input = vec![1; SIZE];
    let command = ["sh", "-c", "sleep 15; wc -c"];
    let slow_command = run(&client, &pod, None, &command, &input, LIMIT);

    let slow_reader = async {
        let request = ExecRequest {
            command: ["head", "-c", "1000000", "/dev/zero"]
                .map(str::to_owned)
                .to_vec(),
            ..ExecRequest::default()
        };
        let mut session = exec(&client, &pod, request).await.unwrap();
        let mut stdout = session.stdout.take().unwrap();
        let reader = tokio::spawn(async move {
            tokio::time::sleep(SLOW).await;
            let mut all = Vec::new();
            stdout.read_to_end(&mut all).await.unwrap();
            all.len()
        });
        (session.finish().await, reader.await.unwrap())
    };
    let (counted, read) = tokio::join!(slow_command, slow_reader);
    let counted = String::from_utf8(counted.unwrap().stdout).unwrap();
    assert_eq!(counted.trim(), SIZE.to_string());
    assert_eq!(read, (ExecEnd::Exited(0), OUTPUT));
}

/// Passes bytes on to the API server until it is told to freeze or to cut.
struct Relay {
    target: Target,
    is_frozen: Arc<AtomicBool>,
    cut: CancellationToken,
    _home: Home,
}

impl Relay {
    async fn new(target: &Target) -> Self {
        let text = std::fs::read_to_string(target.kubeconfig.as_ref().unwrap()).unwrap();
        let mut config: Value = serde_saphyr::from_str(&text).unwrap();
        let server = &mut config["clusters"][0]["cluster"]["server"];
        let address = server
            .as_str()
            .unwrap()
            .trim_start_matches("https://")
            .to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        *server = json!(format!("https://{}", listener.local_addr().unwrap()));
        let home = Home::new();
        let relay = Self {
            target: Target {
                kubeconfig: Some(home.write("config", &config.to_string())),
                ..Target::default()
            },
            is_frozen: Arc::default(),
            cut: CancellationToken::new(),
            _home: home,
        };
        let (is_frozen, cut) = (relay.is_frozen.clone(), relay.cut.clone());
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&address).await.unwrap();
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                for (mut from, mut to) in [(from_client, to_server), (from_server, to_client)] {
                    let (is_frozen, cut) = (is_frozen.clone(), cut.clone());
                    tokio::spawn(cut.run_until_cancelled_owned(async move {
                        let mut part = vec![0; 64 * 1024];
                        while let Ok(length @ 1..) = from.read(&mut part).await {
                            if is_frozen.load(Ordering::SeqCst) {
                                std::future::pending::<()>().await;
                            }
                            to.write_all(&part[..length]).await.unwrap();
                        }
                    }));
                }
            }
        });
        relay
    }
}

#[rstest]
#[case::cut(false, Duration::from_secs(5))]
#[case::frozen(true, Duration::from_secs(30))]
#[tokio::test]
async fn a_shell_whose_connection_dies_is_told_within_seconds(
    #[case] freezes: bool,
    #[case] limit: Duration,
) {
    let Some(target) = cluster("a_shell_whose_connection_dies_is_told_within_seconds") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let pod = stage.pod("sleep 3600", "Never").await;
    let relay = Relay::new(&target).await;
    let request = ExecRequest {
        command: vec!["sh".to_owned()],
        tty: true,
        stdin: true,
        ..ExecRequest::default()
    };
    let client = connect(&relay.target).await.client;
    let mut session = exec(&client, &pod, request).await.unwrap();
    let mut stdin = session.stdin.take().unwrap();
    let mut stdout = session.stdout.take().unwrap();
    stdin.write_all(b"echo re''ady\n").await.unwrap();
    let mut seen = String::new();
    while !seen.contains("ready") {
        let mut part = [0; 256];
        let length = stdout.read(&mut part).await.unwrap();
        assert!(length > 0, "{seen}");
        seen.push_str(&String::from_utf8_lossy(&part[..length]));
    }

    let died = Instant::now();
    if freezes {
        relay.is_frozen.store(true, Ordering::SeqCst);
    } else {
        relay.cut.cancel();
    }
    let _ = stdin.write_all(b"anybody?\n").await;
    let end = session.finish().await;
    assert!(matches!(end, ExecEnd::Lost(_)), "{end:?}");
    assert!(died.elapsed() < limit, "{:?}", died.elapsed());
    let rest = tokio::time::timeout(LIMIT, stdout.read_to_string(&mut seen)).await;
    rest.expect("the output ends, too").unwrap();
}

async fn log(stage: &Stage, pod: &PodTarget, request: LogRequest) -> (Vec<LogLine>, LogEvent) {
    let client = stage.connection.client.clone();
    let mut log = stream(client, pod.clone(), request, CancellationToken::new());
    let mut lines = Vec::new();
    let read = async {
        loop {
            match log.next().await.unwrap() {
                LogEvent::Lines(more) => lines.extend(more),
                end => return end,
            }
        }
    };
    let end = tokio::time::timeout(LIMIT, read).await.unwrap();
    (lines, end)
}

fn texts(lines: &[LogLine]) -> Vec<&str> {
    lines.iter().map(|line| line.text.as_str()).collect()
}

#[tokio::test]
async fn a_log_is_followed_to_the_end_of_its_container_whatever_is_in_it() {
    let Some(target) = cluster("a_log_is_followed_to_the_end_of_its_container_whatever_is_in_it")
    else {
        return;
    };
    let stage = Stage::new(&target).await;
    let script = "echo one; printf 'bad \\377\\376 bytes\\n'; echo; sleep 2; echo last";
    let pod = stage.pod(script, "Never").await;
    let follow = LogRequest {
        follow: true,
        ..LogRequest::default()
    };
    let (lines, end) = log(&stage, &pod, follow).await;
    assert_eq!(end, LogEvent::Ended);
    assert_eq!(
        texts(&lines),
        ["one", "bad \u{fffd}\u{fffd} bytes", "", "last"]
    );
    assert!(lines.iter().all(|line| line.at.is_some()), "{lines:?}");

    let tail = LogRequest {
        tail: Some(1),
        ..LogRequest::default()
    };
    let (lines, _) = log(&stage, &pod, tail).await;
    assert_eq!(texts(&lines), ["last"]);

    let since = LogRequest {
        since: lines[0].at,
        ..LogRequest::default()
    };
    assert_eq!(texts(&log(&stage, &pod, since).await.0), ["last"]);

    let other = LogRequest {
        container: Some("other".to_owned()),
        ..LogRequest::default()
    };
    let (_, end) = log(&stage, &pod, other).await;
    assert!(
        matches!(&end, LogEvent::Failed(fault) if fault.sentence.contains("other")),
        "{end:?}"
    );
}

#[tokio::test]
async fn the_log_before_the_last_restart_is_there() {
    let Some(target) = cluster("the_log_before_the_last_restart_is_there") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let script = "[ -e /kept/it ] && sleep 3600; echo life; touch /kept/it; exit 1";
    let pod = stage.pod(script, "OnFailure").await;
    stage
        .until("it was restarted", |status| {
            status["containerStatuses"][0]["restartCount"].as_u64() >= Some(1)
        })
        .await;
    let previous = LogRequest {
        previous: true,
        ..LogRequest::default()
    };
    let (lines, end) = log(&stage, &pod, previous).await;
    assert_eq!(end, LogEvent::Ended);
    assert_eq!(texts(&lines), ["life"]);
}

#[tokio::test]
async fn following_ends_when_it_is_cancelled() {
    let Some(target) = cluster("following_ends_when_it_is_cancelled") else {
        return;
    };
    let stage = Stage::new(&target).await;
    let pod = stage.pod("echo one; sleep 3600", "Never").await;
    let cancel = CancellationToken::new();
    let request = LogRequest {
        follow: true,
        ..LogRequest::default()
    };
    let mut log = stream(
        stage.connection.client.clone(),
        pod,
        request,
        cancel.clone(),
    );
    let first = tokio::time::timeout(LIMIT, log.next()).await.unwrap();
    assert!(matches!(first, Some(LogEvent::Lines(_))), "{first:?}");
    cancel.cancel();
    assert_eq!(tokio::time::timeout(LIMIT, log.next()).await.unwrap(), None);
}
