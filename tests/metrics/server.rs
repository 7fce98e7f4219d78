//! Small servers on loopback that answer like a Prometheus, or like an API server with one behind.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// One request as it came in.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    /// The parameters, from the address or the body, as they were encoded.
    pub(super) form: String,
}

/// What was asked so far.
pub(super) type Log = Arc<Mutex<Vec<Seen>>>;

/// Serves until the test ends; every request is logged before it is answered.
pub(super) async fn serve<A, F>(answer: A) -> (SocketAddr, Log)
where
    A: Fn(Seen) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send,
{
    let log = Log::default();
    let logged = Arc::clone(&log);
    let router = Router::new().fallback(move |request: Request| {
        let (logged, answer) = (Arc::clone(&logged), answer.clone());
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let seen = Seen {
                path: parts.uri.path().to_owned(),
                headers: parts.headers,
                form: format!(
                    "{}{}",
                    parts.uri.query().unwrap_or_default(),
                    String::from_utf8_lossy(&body)
                ),
            };
            logged.lock().unwrap().push(seen.clone());
            answer(seen).await
        }
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (address, log)
}

pub(super) fn json(code: u16, body: &Value) -> Response {
    (StatusCode::from_u16(code).unwrap(), axum::Json(body)).into_response()
}

pub(super) fn text(code: u16, body: &'static str) -> Response {
    (StatusCode::from_u16(code).unwrap(), Body::from(body)).into_response()
}

/// A vector with one value for the claim or the pod `n/x`.
pub(super) fn vector(label: &str, value: &str) -> Value {
    let now = jiff::Timestamp::now().as_second();
    json!({"status": "success", "data": {"resultType": "vector", "result": [
        {"metric": {"namespace": "n", label: "x"}, "value": [now, value]}]}})
}

pub(super) fn nothing() -> Value {
    json!({"status": "success", "data": {"resultType": "vector", "result": []}})
}

/// The answer of a healthy Prometheus that knows one claim and one pod, both `n/x`: 10 GB of which
/// 4 GB are available and shrink by 1 kB a second.
pub(super) fn healthy(form: &str) -> Value {
    let now = jiff::Timestamp::now().as_second().to_string();
    let claim = "persistentvolumeclaim";
    let known = [
        // functions first: what they are about is asked for by itself as well
        ("deriv", claim, "1000"),
        ("count_over_time", claim, "100"),
        ("changes", claim, "0"),
        ("timestamp", claim, now.as_str()),
        ("inodes", claim, "0.25"),
        ("available_bytes", claim, "4000000000"),
        ("capacity_bytes", claim, "10000000000"),
        ("used_bytes", claim, "6000000000"),
        ("throttled", "pod", "0.1"),
        ("cpu_usage", "pod", "0.5"),
        ("working_set", "pod", "1000000000"),
        ("restarts", "pod", "2"),
    ];
    let found = known.iter().find(|(word, _, _)| form.contains(word));
    let (_, label, value) = found.unwrap_or_else(|| panic!("not a query of ours: {form}"));
    vector(label, value)
}

/// The list of Services with the labels of a Prometheus.
pub(super) fn services(names: &[&str]) -> Value {
    let items: Vec<Value> = names
        .iter()
        .map(|name| {
            json!({"metadata": {"name": name, "namespace": "monitoring",
                    "labels": {"app.kubernetes.io/name": "prometheus"}},
                "spec": {"ports": [{"name": "web", "port": 9090}]}})
        })
        .collect();
    json!({"kind": "ServiceList", "apiVersion": "v1", "metadata": {}, "items": items})
}

/// What an API server answers instead.
pub(super) fn status(code: u16, reason: &str, message: &str) -> Response {
    json(
        code,
        &json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
            "reason": reason, "message": message}),
    )
}
