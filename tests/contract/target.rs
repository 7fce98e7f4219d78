//! A cluster under test, and plain calls on it.

#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by a panic, and says aloud what it did not ask"
)]

use std::time::Duration;

use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams};
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use wsdash::demo;

/// Nothing that a rule waits for takes longer than this, even on a slow computer.
const CEILING: Duration = Duration::from_secs(120);

pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) image: String,
    client: kube::Client,
    _running: Option<demo::Running>,
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

/// The simulated cluster, and the real one when it is named.
pub(crate) async fn targets(rule: &str) -> Vec<Target> {
    let running = demo::start(demo::Options {
        speed: 8.0,
        ..demo::Options::default()
    })
    .await
    .unwrap();
    let mut all = vec![Target {
        name: "simulated",
        image: "example.com/workspace:test".to_owned(),
        client: client(&running.kubeconfig()).await,
        _running: Some(running),
    }];
    match std::env::var("WSDASH_E2E_KUBECONFIG") {
        Ok(path) => all.push(Target {
            name: "real",
            image: "localhost/workspace:test".to_owned(),
            client: client(&std::fs::read_to_string(path).unwrap()).await,
            _running: None,
        }),
        Err(_) => eprintln!(
            "contract {rule}: NOT asked of a real cluster, WSDASH_E2E_KUBECONFIG is not set"
        ),
    }
    all
}

impl Target {
    pub(crate) async fn namespace(&self, rule: &str) -> String {
        let name = format!("contract-{rule}-{}", std::process::id());
        let (code, body) = self
            .call(
                "POST",
                "/api/v1/namespaces",
                &json!({"metadata": {"name": name}}),
            )
            .await;
        assert_eq!(code, 201, "{body}");
        self.until(
            "the namespace has its account",
            &format!("/api/v1/namespaces/{name}/serviceaccounts/default"),
            |code, _| code == 200,
        )
        .await;
        name
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
        let (code, bytes) = self.raw(method, path, body, kind).await;
        (code, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    pub(crate) async fn text(&self, path: &str) -> String {
        String::from_utf8(
            self.raw("GET", path, &Value::Null, "application/json")
                .await
                .1,
        )
        .unwrap()
    }

    /// A watch read to its end.
    pub(crate) async fn lines(&self, path: &str) -> Vec<Value> {
        let text = self.text(path).await;
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    }

    async fn raw(&self, method: &str, path: &str, body: &Value, kind: &str) -> (u16, Vec<u8>) {
        let bytes = if body.is_null() {
            Vec::new()
        } else {
            body.to_string().into_bytes()
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Body::from(bytes))
            .unwrap();
        self.send(request).await
    }

    /// What is at `path` in that notation.
    pub(crate) async fn sent_as(&self, path: &str, accept: &str) -> (u16, Vec<u8>) {
        let request = http::Request::get(path).header("accept", accept);
        self.send(request.body(Body::empty()).unwrap()).await
    }

    async fn send(&self, request: http::Request<Body>) -> (u16, Vec<u8>) {
        let response = tokio::time::timeout(CEILING, self.client.send(request))
            .await
            .unwrap()
            .unwrap();
        let code = response.status().as_u16();
        (
            code,
            response
                .into_body()
                .collect()
                .await
                .unwrap()
                .to_bytes()
                .to_vec(),
        )
    }

    /// Waits until what is at `path` fulfils the condition.
    pub(crate) async fn until(
        &self,
        what: &str,
        path: &str,
        condition: impl Fn(u16, &Value) -> bool,
    ) -> Value {
        let deadline = tokio::time::Instant::now() + CEILING;
        loop {
            let (code, body) = self.call("GET", path, &Value::Null).await;
            if condition(code, &body) {
                return body;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{}: {what} is still not so: {code} {body:#}",
                self.name
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Standard output and exit code of a command.
    pub(crate) async fn exec(&self, namespace: &str, pod: &str, command: &[&str]) -> (String, i64) {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), namespace);
        let mut process = pods
            .exec(
                pod,
                command.iter().copied(),
                &AttachParams::default().stderr(false),
            )
            .await
            .unwrap();
        let status = process.take_status().unwrap();
        let mut out = process.stdout().unwrap();
        let reader = tokio::spawn(async move {
            let mut text = Vec::new();
            let mut buffer = [0; 4096];
            // kube's pipe has no end of its own; the status says when nothing more comes.
            while let Ok(Ok(n)) =
                tokio::time::timeout(Duration::from_secs(1), out.read(&mut buffer)).await
            {
                if n == 0 {
                    break;
                }
                text.extend_from_slice(&buffer[..n]);
            }
            text
        });
        let status = tokio::time::timeout(CEILING, status)
            .await
            .unwrap()
            .unwrap();
        let text = String::from_utf8(reader.await.unwrap()).unwrap();
        if status.status.as_deref() == Some("Success") {
            return (text, 0);
        }
        let causes = status.details.and_then(|d| d.causes).unwrap_or_default();
        let code = causes
            .iter()
            .find(|c| c.reason.as_deref() == Some("ExitCode"))
            .and_then(|c| c.message.clone());
        (text, code.and_then(|c| c.parse().ok()).unwrap_or(-1))
    }
}
