//! Connecting, with real files and real sockets: every way in which it can fail ends as one
//! sentence that says what to do, and no secret ever shows.
//!
//! The tests of exec, logs and access reviews need a real cluster and say so when they do not run.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot be set up has failed"
)]

#[path = "connect/against_cluster.rs"]
mod against_cluster;
#[path = "connect/exec.rs"]
mod exec;
#[path = "connect/server.rs"]
mod server;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::get;
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;
use wsdash::cluster::connect::{Connection, Environment, Interaction, Scope, Target, connect_in};
use wsdash::cluster::fault::{Fault, FaultKind};

/// Must never be seen in any error.
const SECRET: &str = "hunter2-Correct-Horse-9";

/// A folder with a kubeconfig in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// An executable shell script.
    fn script(&self, name: &str, body: &str) -> PathBuf {
        let path = self.write(name, &format!("#!/bin/sh\n{body}\n"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A kubeconfig with one context `lab`; `cluster` and `user` are YAML flow mappings.
    fn kubeconfig(&self, cluster: &str, user: &str) -> Target {
        let path = self.write("config", &kubeconfig("lab", cluster, user));
        Target {
            kubeconfig: Some(path),
            ..Target::default()
        }
    }
}

fn kubeconfig(context: &str, cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {context}\n\
         clusters:\n- {{name: c-{context}, cluster: {cluster}}}\n\
         users:\n- {{name: u-{context}, user: {user}}}\n\
         contexts:\n- {{name: {context}, context: {{cluster: c-{context}, user: u-{context}, namespace: ns-{context}}}}}\n"
    )
}

fn at(address: impl std::fmt::Display) -> String {
    format!("{{server: 'http://{address}'}}")
}

async fn connect(target: &Target) -> Result<Connection, Fault> {
    connect_in(target, Interaction::Never, &Environment::default()).await
}

async fn fault_of_connecting(target: &Target) -> Fault {
    checked(connect(target).await.unwrap_err())
}

async fn fault_of_probing(target: &Target) -> Fault {
    checked(connect(target).await.unwrap().probe().await.unwrap_err())
}

/// What every fault must keep: one sentence, a next step, no secret.
fn checked(fault: Fault) -> Fault {
    let texts = [
        fault.to_string(),
        format!("{fault:?}"),
        format!("{:?}", anyhow::Error::from(fault.clone())),
    ];
    for text in &texts {
        assert!(!text.contains("hunter2"), "{text}");
    }
    assert!(!fault.next.is_empty(), "{fault}");
    assert!(!fault.to_string().contains('\n'), "{fault}");
    assert!(std::error::Error::source(&fault).is_none());
    fault
}

#[tokio::test]
async fn a_missing_kubeconfig_is_named() {
    let home = Home::new();
    let target = Target {
        kubeconfig: Some(home.path("nowhere")),
        ..Target::default()
    };
    let fault = fault_of_connecting(&target).await;
    assert_eq!(fault.kind, FaultKind::MissingKubeconfig);
    assert!(fault.sentence.contains("nowhere"), "{fault}");

    let environment = Environment {
        home: Some(home.0.path().to_owned()),
        ..Environment::default()
    };
    let fault = connect_in(&Target::default(), Interaction::Never, &environment)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::MissingKubeconfig);
    assert!(fault.sentence.contains(".kube/config"), "{fault}");
}

#[rstest]
#[case("apiVersion: v1\nkind: Config\nclusters:\n- name: [unclosed\n", "line")]
#[case(
    "apiVersion: v1\nusers:\n- name: a\n  user: {token: [hunter2-Correct-Horse-9]}\n",
    "line"
)]
#[case("apiVersion: v1\nclusters: hunter2-Correct-Horse-9\n", "line 2")]
#[tokio::test]
async fn a_broken_kubeconfig_is_named_with_its_line_and_not_quoted(
    #[case] text: &str,
    #[case] place: &str,
) {
    let home = Home::new();
    let target = Target {
        kubeconfig: Some(home.write("config", text)),
        ..Target::default()
    };
    let fault = fault_of_connecting(&target).await;
    assert_eq!(fault.kind, FaultKind::BrokenKubeconfig);
    assert!(fault.sentence.contains("config"), "{fault}");
    assert!(fault.sentence.contains(place), "{fault}");
}

#[rstest]
#[case("{}", "{}", "address of the server is missing")]
#[case("{server: 'ftp://a'}", "{}", "no http or https address")]
#[case(
    "{server: 'https://a', certificate-authority: /no/such/ca}",
    "{}",
    "/no/such/ca"
)]
#[case(
    "{server: 'https://a', certificate-authority-data: '%%%'}",
    "{}",
    "not base64"
)]
#[case(
    "{server: 'https://a', certificate-authority-data: aGVsbG8=}",
    "{}",
    "no certificate"
)]
#[case(
    "{server: 'https://a'}",
    "{client-certificate: /no/such/cert, client-key: /no/such/key}",
    "client certificate"
)]
#[case(
    "{server: 'https://a'}",
    "{tokenFile: /no/such/token}",
    "/no/such/token"
)]
#[case(
    "{server: 'https://a'}",
    "{auth-provider: {name: gcp}}",
    "removed in 1.26"
)]
#[case(
    "{server: 'https://a'}",
    "{exec: {apiVersion: v1}}",
    "without a command"
)]
#[case(
    "{server: 'https://a'}",
    "{token: \"hunter2\\nCorrect\"}",
    "cannot be sent"
)]
#[tokio::test]
async fn what_a_kubeconfig_lacks_is_named(
    #[case] cluster: &str,
    #[case] user: &str,
    #[case] named: &str,
) {
    let home = Home::new();
    let fault = fault_of_connecting(&home.kubeconfig(cluster, user)).await;
    assert_eq!(fault.kind, FaultKind::BrokenKubeconfig, "{fault}");
    assert!(fault.sentence.contains(named), "{fault}");
}

#[tokio::test]
async fn an_unknown_context_lists_the_nearest() {
    let home = Home::new();
    let target = Target {
        context: Some("lab1".to_owned()),
        ..home.kubeconfig("{server: 'https://a'}", "{}")
    };
    let fault = fault_of_connecting(&target).await;
    assert_eq!(fault.kind, FaultKind::UnknownContext);
    assert!(fault.next.contains("lab"), "{fault}");
}

#[tokio::test]
async fn groups_without_a_user_to_impersonate_are_refused() {
    let home = Home::new();
    let target = Target {
        as_groups: vec!["viewers".to_owned()],
        ..home.kubeconfig("{server: 'https://a'}", "{}")
    };
    assert_eq!(
        fault_of_connecting(&target).await.kind,
        FaultKind::BadTarget
    );
}

#[tokio::test]
async fn the_files_of_kubeconfig_are_merged_and_the_first_wins() {
    let home = Home::new();
    let first = home.write(
        "first",
        &kubeconfig("one", "{server: 'https://one.test'}", "{}"),
    );
    let second = home.write(
        "second",
        &kubeconfig("two", "{server: 'https://two.test'}", "{}"),
    );
    let list = std::env::join_paths([first, home.path("absent"), second]).unwrap();
    let environment = Environment {
        kubeconfig: Some(list),
        ..Environment::default()
    };
    let connection = connect_in(&Target::default(), Interaction::Never, &environment)
        .await
        .unwrap();
    assert_eq!(connection.context, "one");
    assert_eq!(connection.namespace, Scope::One("ns-one".to_owned()));

    let target = Target {
        context: Some("two".to_owned()),
        all_namespaces: true,
        ..Target::default()
    };
    let connection = connect_in(&target, Interaction::Never, &environment)
        .await
        .unwrap();
    assert_eq!(connection.server, "https://two.test");
    assert_eq!(connection.cluster, "c-two");
    assert_eq!(connection.user, "u-two");
    assert_eq!(connection.namespace, Scope::All);
}

#[tokio::test]
async fn a_list_of_files_that_do_not_exist_is_a_missing_kubeconfig() {
    let environment = Environment {
        kubeconfig: Some(OsString::from("/no/such/a:/no/such/b")),
        ..Environment::default()
    };
    let fault = connect_in(&Target::default(), Interaction::Never, &environment)
        .await
        .unwrap_err();
    assert_eq!(fault.kind, FaultKind::MissingKubeconfig);
}

#[tokio::test]
async fn a_refused_port_says_who_refuses() {
    let port = server::unused_port();
    let home = Home::new();
    let target = home.kubeconfig(&at(format!("127.0.0.1:{port}")), "{}");
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::Refused);
    assert!(fault.sentence.contains(&port.to_string()), "{fault}");
}

#[tokio::test]
async fn a_name_that_does_not_resolve_is_told_from_a_dead_server() {
    let home = Home::new();
    let target = home.kubeconfig("{server: 'https://no-such-host.invalid:6443'}", "{}");
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::Dns, "{fault}");
}

#[tokio::test]
async fn a_certificate_of_a_foreign_authority_is_told_from_other_tls_trouble() {
    let served = server::Tls::new(&["127.0.0.1"]);
    let other = server::Tls::new(&["127.0.0.1"]);
    let address = served.serve(version("ignored")).await;
    let home = Home::new();
    let trusted = home.write("ca.pem", &served.authority);
    let foreign = home.write("foreign.pem", &other.authority);
    let cluster = |ca: &Path, url: &str| {
        let ca = ca.display();
        format!("{{server: '{url}', certificate-authority: {ca}}}")
    };
    let url = format!("https://{address}");

    let target = home.kubeconfig(&cluster(&trusted, &url), "{}");
    let answer = connect(&target).await.unwrap().probe().await;
    assert_eq!(answer.unwrap(), "v1.34.0");

    let target = home.kubeconfig(&cluster(&foreign, &url), "{}");
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::WrongCa, "{fault}");

    let by_name = format!("https://localhost:{}", address.port());
    let target = home.kubeconfig(&cluster(&trusted, &by_name), "{}");
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::Tls, "{fault}");
    assert!(fault.sentence.contains("another name"), "{fault}");
}

#[tokio::test]
async fn a_server_without_tls_is_named_as_such() {
    let address = server::serve(version("ignored")).await;
    let home = Home::new();
    let target = home.kubeconfig(&format!("{{server: 'https://{address}'}}"), "{}");
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::Tls, "{fault}");
    assert!(fault.sentence.contains("does not speak TLS"), "{fault}");
}

#[rstest]
#[case(401, "Unauthorized", FaultKind::Unauthorized)]
#[case(403, "Forbidden", FaultKind::Forbidden)]
#[case(429, "TooManyRequests", FaultKind::TooManyRequests)]
#[case(503, "ServiceUnavailable", FaultKind::ServerError)]
#[tokio::test]
async fn a_refusal_is_told_and_asked_for_once(
    #[case] code: u16,
    #[case] reason: &'static str,
    #[case] kind: FaultKind,
) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let router = Router::new().fallback(move || {
        counted.fetch_add(1, Ordering::SeqCst);
        let message = format!("because of Bearer {SECRET}");
        let status = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure",
            "code": code, "reason": reason, "message": message});
        async move { (StatusCode::from_u16(code).unwrap(), axum::Json(status)) }
    });
    let address = server::serve(router).await;
    let home = Home::new();
    let target = home.kubeconfig(&at(address), &format!("{{token: {SECRET}}}"));
    assert_eq!(fault_of_probing(&target).await.kind, kind);
    assert_eq!(
        calls.load(Ordering::SeqCst),
        1,
        "nothing is retried in secret"
    );
}

#[rstest]
#[case("<html>please log in</html>", 200, FaultKind::Garbage)]
#[case("<html>bad gateway hunter2</html>", 502, FaultKind::ServerError)]
#[case("{\"major\": 7", 200, FaultKind::Garbage)]
#[tokio::test]
async fn an_answer_that_is_none_is_not_shown(
    #[case] body: &'static str,
    #[case] code: u16,
    #[case] kind: FaultKind,
) {
    let answer = move || async move { (StatusCode::from_u16(code).unwrap(), body) };
    let address = server::serve(Router::new().fallback(answer)).await;
    let home = Home::new();
    let fault = fault_of_probing(&home.kubeconfig(&at(address), "{}")).await;
    assert_eq!(fault.kind, kind);
    assert!(!fault.to_string().contains("html"), "{fault}");
}

#[tokio::test]
async fn bytes_that_are_not_http_are_garbage() {
    let address = server::serve_bytes(b"SSH-2.0-OpenSSH_9.6\r\n").await;
    let home = Home::new();
    let fault = fault_of_probing(&home.kubeconfig(&at(address), "{}")).await;
    assert_eq!(fault.kind, FaultKind::Garbage, "{fault}");
}

#[tokio::test]
async fn a_connection_that_is_cut_at_once_is_told() {
    let address = server::serve_bytes(b"").await;
    let home = Home::new();
    let fault = fault_of_probing(&home.kubeconfig(&at(address), "{}")).await;
    assert_eq!(fault.kind, FaultKind::Disconnected, "{fault}");
}

#[tokio::test]
async fn a_server_that_hangs_ends_at_the_request_timeout() {
    let router = Router::new().fallback(std::future::pending::<&'static str>);
    let address = server::serve(router).await;
    let home = Home::new();
    let target = Target {
        request_timeout: Some(Duration::from_millis(300)),
        ..home.kubeconfig(&at(address), "{}")
    };
    let fault = fault_of_probing(&target).await;
    assert_eq!(fault.kind, FaultKind::Timeout, "{fault}");
    assert!(fault.sentence.contains("0.3 s"), "{fault}");
}

/// A server that accepts `token` alone, or everybody if that is `ignored`.
fn version(token: &'static str) -> Router {
    let answer = move |headers: HeaderMap| async move {
        let sent = headers.get("authorization");
        let sent = sent.and_then(|value| value.to_str().ok());
        if token != "ignored" && sent != Some(&format!("Bearer {token}")) {
            return StatusCode::UNAUTHORIZED.into_response();
        }
        let version = json!({"major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "",
            "gitTreeState": "", "buildDate": "", "goVersion": "", "compiler": "", "platform": ""});
        axum::Json(version).into_response()
    };
    Router::new().route("/version", get(answer))
}

#[tokio::test]
async fn a_token_file_is_read_without_its_line_break() {
    let address = server::serve(version("good")).await;
    let home = Home::new();
    home.write("token", "good\n");
    let target = home.kubeconfig(&at(address), "{tokenFile: token}");
    connect(&target).await.unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn a_rotated_token_file_is_read_when_the_server_refuses_the_old_token() {
    let address = server::serve(version("good")).await;
    let home = Home::new();
    home.write("token", "old");
    let target = home.kubeconfig(&at(address), "{tokenFile: token}");
    let connection = connect(&target).await.unwrap();
    home.write("token", "good");
    connection.probe().await.unwrap();
}

#[tokio::test]
async fn a_refused_token_that_cannot_be_bettered_is_refused_to_the_caller() {
    let address = server::serve(version("good")).await;
    let home = Home::new();
    home.write("token", "old");
    let fault = fault_of_probing(&home.kubeconfig(&at(address), "{tokenFile: token}")).await;
    assert_eq!(fault.kind, FaultKind::Unauthorized);
}

/// A user with an exec plugin whose arguments and environment hold the secret.
fn plugin_user(plugin: &Path, mode: &str) -> String {
    format!(
        "{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {}, interactiveMode: {mode}, \
         args: [--password, {SECRET}], env: [{{name: AWS_SECRET_ACCESS_KEY, value: {SECRET}}}]}}}}",
        plugin.display()
    )
}

const REMOTE: &str = "{server: 'https://a'}";

#[tokio::test]
async fn a_plugin_runs_once_and_its_revoked_token_is_renewed_without_a_new_connection() {
    let address = server::serve(version("good")).await;
    let home = Home::new();
    let runs = home.path("runs");
    let plugin = home.script(
        "plugin",
        &format!(
            "echo run >> {runs}\n\
             if [ $(wc -l < {runs}) = 1 ]; then t=stale; else t=good; fi\n\
             echo '{{\"kind\":\"ExecCredential\",\"status\":{{\"token\":\"'$t'\"}}}}'",
            runs = runs.display()
        ),
    );
    let target = home.kubeconfig(&at(address), &plugin_user(&plugin, "IfAvailable"));
    let connection = connect(&target).await.unwrap();
    let count = || fs::read_to_string(&runs).unwrap().lines().count();
    assert_eq!(count(), 1, "one run for a connection");
    let probes: Vec<_> = (0..8).map(|_| connection.probe()).collect();
    for answer in futures::future::join_all(probes).await {
        assert_eq!(answer.unwrap(), "v1.34.0");
    }
    assert_eq!(count(), 2, "one renewal for all requests");
}

#[tokio::test]
async fn a_client_certificate_of_a_plugin_says_how_long_it_is_valid() {
    let home = Home::new();
    let issued = server::Tls::new(&["client"]);
    let pem = |text: &str| text.replace('\n', "\\n");
    let status = format!(
        r#"{{"status":{{"clientCertificateData":"{}","clientKeyData":"{}","expirationTimestamp":"2031-01-02T03:04:05Z"}}}}"#,
        pem(&issued.certificate),
        pem(&issued.key)
    );
    let answer = home.write("answer", &status);
    let plugin = home.script("plugin", &format!("cat {}", answer.display()));
    let connection = connect(&home.kubeconfig(REMOTE, &plugin_user(&plugin, "Never")))
        .await
        .unwrap();
    assert_eq!(
        connection.valid_until,
        Some("2031-01-02T03:04:05Z".parse().unwrap())
    );
}

#[tokio::test]
async fn a_plugin_that_fails_is_quoted_without_its_secrets() {
    let home = Home::new();
    let plugin = home.script(
        "get-token",
        "echo \"stdout $AWS_SECRET_ACCESS_KEY\"\necho noise >&2\n\
         echo \"denied for $AWS_SECRET_ACCESS_KEY $2: session expired\" >&2\nexit 3",
    );
    let fault =
        fault_of_connecting(&home.kubeconfig(REMOTE, &plugin_user(&plugin, "IfAvailable"))).await;
    assert_eq!(fault.kind, FaultKind::PluginFailed);
    assert!(fault.sentence.contains("get-token"), "{fault}");
    assert!(fault.sentence.contains("exit code 3"), "{fault}");
    assert!(fault.sentence.contains("session expired"), "{fault}");
}

#[rstest]
#[case("Always", "exit 0")]
#[case(
    "IfAvailable",
    "printf 'Enter password: ' >&2\nread answer || { echo 'cannot read password: EOF' >&2; exit 1; }"
)]
#[tokio::test]
async fn a_plugin_that_wants_to_prompt_is_not_given_the_terminal(
    #[case] mode: &str,
    #[case] body: &str,
) {
    let home = Home::new();
    let plugin = home.script("asks", body);
    let fault = fault_of_connecting(&home.kubeconfig(REMOTE, &plugin_user(&plugin, mode))).await;
    assert_eq!(fault.kind, FaultKind::PluginPrompt, "{fault}");
    assert!(fault.next.contains("log in once in a shell"), "{fault}");
}

#[tokio::test]
async fn a_plugin_that_hangs_is_ended_with_its_children() {
    let home = Home::new();
    let pid = home.path("pid");
    let plugin = home.script(
        "hangs",
        &format!("sleep 600 &\necho $! > {}\nwait", pid.display()),
    );
    let target = Target {
        plugin_timeout: Some(Duration::from_secs(2)),
        ..home.kubeconfig(REMOTE, &plugin_user(&plugin, "IfAvailable"))
    };
    let started = Instant::now();
    let fault = fault_of_connecting(&target).await;
    assert_eq!(fault.kind, FaultKind::PluginTimeout);
    assert!(started.elapsed() < Duration::from_secs(60));
    let child = fs::read_to_string(&pid).unwrap();
    let child = PathBuf::from(format!("/proc/{}/stat", child.trim()));
    server::until("the child of the plugin has ended", || {
        // a zombie has ended, too: nobody may be there to reap it
        fs::read_to_string(&child).map_or(true, |stat| stat.contains(") Z "))
    })
    .await;
}

#[tokio::test]
async fn a_plugin_that_is_not_installed_says_how_to_install_it() {
    let home = Home::new();
    let user = "{exec: {apiVersion: v1, command: no-such-plugin-here, \
                installHint: 'apt install it', interactiveMode: Never}}";
    let fault = fault_of_connecting(&home.kubeconfig(REMOTE, user)).await;
    assert_eq!(fault.kind, FaultKind::PluginFailed);
    assert_eq!(fault.next, "apt install it");
}

#[rstest]
#[case("echo no json hunter2")]
#[case("echo '{}'")]
#[case("echo '{\"status\":{}}'")]
#[case("echo '{\"status\":{\"token\":\"hunter2\",\"expirationTimestamp\":\"soon hunter2\"}}'")]
#[tokio::test]
async fn a_plugin_that_prints_no_credentials_is_named(#[case] body: &str) {
    let home = Home::new();
    let plugin = home.script("odd", body);
    let fault = fault_of_connecting(&home.kubeconfig(REMOTE, &plugin_user(&plugin, "Never"))).await;
    assert_eq!(fault.kind, FaultKind::PluginFailed);
    assert!(fault.sentence.contains("odd"), "{fault}");
}

#[tokio::test]
async fn requests_carry_who_asks_and_whom_to_impersonate() {
    let seen = Arc::new(Mutex::new(HeaderMap::new()));
    let kept = seen.clone();
    let router = Router::new().fallback(move |headers: HeaderMap| {
        *kept.lock().unwrap() = headers;
        async { StatusCode::NOT_FOUND }
    });
    let address = server::serve(router).await;
    let home = Home::new();
    let target = Target {
        as_user: Some("ann".to_owned()),
        as_groups: vec!["viewers".to_owned()],
        run: "r-1".to_owned(),
        ..home.kubeconfig(&at(address), "{token: abc}")
    };
    let environment = Environment {
        user: "joe".to_owned(),
        host: "desk".to_owned(),
        ..Environment::default()
    };
    let connection = connect_in(&target, Interaction::Never, &environment)
        .await
        .unwrap();
    connection.probe().await.unwrap_err();
    let headers = seen.lock().unwrap().clone();
    let header = |name: &str| {
        let value = headers.get(name).and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        header("user-agent"),
        format!("wsdash/{version} (joe@desk; run=r-1)")
    );
    assert_eq!(header("impersonate-user"), "ann");
    assert_eq!(header("impersonate-group"), "viewers");
    assert_eq!(header("authorization"), "Bearer abc");
    assert_eq!(
        header("accept-encoding"),
        "",
        "loopback is faster uncompressed"
    );
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_without_its_password() {
    let port = server::unused_port();
    let home = Home::new();
    let proxy = format!("http://joe:{SECRET}@127.0.0.1:{port}");
    let cluster = format!("{{server: 'https://10.9.8.7', proxy-url: '{proxy}'}}");
    let fault = fault_of_probing(&home.kubeconfig(&cluster, "{}")).await;
    assert_eq!(fault.kind, FaultKind::Proxy, "{fault}");
    assert!(fault.sentence.contains(&port.to_string()), "{fault}");
}

#[tokio::test]
async fn a_proxy_that_wants_credentials_says_so() {
    let address = server::serve_bytes(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    let home = Home::new();
    let cluster = format!("{{server: 'https://10.9.8.7', proxy-url: 'http://{address}'}}");
    let fault = fault_of_probing(&home.kubeconfig(&cluster, "{}")).await;
    assert_eq!(fault.kind, FaultKind::Proxy, "{fault}");
    assert!(fault.sentence.contains("credentials"), "{fault}");
}
