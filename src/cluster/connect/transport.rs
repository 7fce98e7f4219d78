//! The outermost layer of a client: adds the current token, limits the wait for an answer, and
//! says failures to reach the server as a [`Fault`] that names the server and the proxy.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, RETRY_AFTER};
use http::{Request, Response, StatusCode, Uri};
use kube::client::Body;
use kube::{Client, Config};
use serde_json::{Value, json};
use tower_service::Service;

use super::credentials::Credentials;
use crate::cluster::fault::{Fault, FaultKind, seconds};

/// For the few words of a refusal.
const ADVICE_LIMIT: Duration = Duration::from_secs(5);

/// The other end, as it may be shown: without user and password.
#[derive(Clone)]
pub(super) struct Endpoint {
    pub(super) server: String,
    proxy: Option<String>,
}

impl Endpoint {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            server: shown(&config.cluster_url),
            proxy: config.proxy_url.as_ref().map(shown),
        }
    }

    fn failed(&self, error: &kube::Error) -> Fault {
        let mut fault = Fault::of(error, "");
        let way = match &self.proxy {
            Some(proxy) => format!("{} through the proxy {proxy}", self.server),
            None => self.server.clone(),
        };
        match fault.kind {
            FaultKind::Refused | FaultKind::Unreachable | FaultKind::Dns
                if self.proxy.is_some() =>
            {
                fault.kind = FaultKind::Proxy;
                "check that the proxy is up, and proxy-url or HTTPS_PROXY"
                    .clone_into(&mut fault.next);
            }
            // these come from a plugin or a file and name it themselves
            FaultKind::PluginFailed
            | FaultKind::PluginTimeout
            | FaultKind::PluginPrompt
            | FaultKind::BrokenKubeconfig => return fault,
            _ => {}
        }
        fault.during(&format!("cannot reach {way}"))
    }

    fn late(&self, limit: Duration) -> Fault {
        Fault::new(
            FaultKind::Timeout,
            format!("{} gave no answer within {}", self.server, seconds(limit)),
            "the server or the network is slow or hangs: try again, or raise --request-timeout",
        )
    }
}

fn shown(uri: &Uri) -> String {
    let authority = uri
        .authority()
        .map(http::uri::Authority::as_str)
        .unwrap_or_default();
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    let path = uri.path().trim_end_matches('/');
    format!("{}://{host}{path}", uri.scheme_str().unwrap_or("https"))
}

#[derive(Clone)]
pub(super) struct Transport {
    inner: Client,
    credentials: Option<Arc<Credentials>>,
    endpoint: Arc<Endpoint>,
    limit: Option<Duration>,
}

impl Transport {
    pub(super) fn new(
        inner: Client,
        credentials: Option<Arc<Credentials>>,
        endpoint: Endpoint,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            inner,
            credentials,
            endpoint: Arc::new(endpoint),
            limit,
        }
    }

    async fn answer(self, request: Request<Body>) -> Result<Response<Body>, Fault> {
        // the server may send the head of a stream only with its first line
        let limit = self.limit.filter(|_| !is_stream(request.uri()));
        let Some(credentials) = &self.credentials else {
            return self.send(request, limit).await;
        };
        let (header, generation) = credentials.header().await?;
        let (mut parts, body) = request.into_parts();
        parts.headers.insert(AUTHORIZATION, header);
        let again = body.try_clone().map(|body| {
            let mut request = Request::new(body);
            request.method_mut().clone_from(&parts.method);
            request.uri_mut().clone_from(&parts.uri);
            request.headers_mut().clone_from(&parts.headers);
            *request.extensions_mut() = parts.extensions.clone();
            request
        });
        let response = self.send(Request::from_parts(parts, body), limit).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        // a refused request was not carried out, so sending it again is safe for every verb
        let Some(mut request) = again else {
            return Ok(response);
        };
        match credentials.after_refusal(generation).await? {
            Some(header) => {
                request.headers_mut().insert(AUTHORIZATION, header);
                self.send(request, limit).await
            }
            None => Ok(response),
        }
    }

    async fn send(
        &self,
        request: Request<Body>,
        limit: Option<Duration>,
    ) -> Result<Response<Body>, Fault> {
        let sent = self.inner.send(request);
        let answer = match limit {
            Some(limit) => tokio::time::timeout(limit, sent)
                .await
                .map_err(|_elapsed| self.endpoint.late(limit))?,
            None => sent.await,
        };
        let response = answer.map_err(|error| self.endpoint.failed(&error))?;
        Ok(with_advice(response).await)
    }
}

/// A server that is too busy says in a header when to come back, often with no more than a line of
/// text (`apiserver/pkg/server/filters/priority-and-fairness.go`), and kube reads bodies alone. So
/// the advice is put where a Status has it.
async fn with_advice(response: Response<Body>) -> Response<Body> {
    let is_busy = matches!(
        response.status(),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
    );
    let header = response.headers().get(RETRY_AFTER);
    let seconds = header.and_then(|value| value.to_str().ok()?.trim().parse::<u32>().ok());
    let Some(seconds) = seconds.filter(|seconds| is_busy && *seconds > 0) else {
        return response;
    };
    let (mut parts, body) = response.into_parts();
    let read = tokio::time::timeout(ADVICE_LIMIT, body.collect_bytes()).await;
    let bytes = read.ok().and_then(Result::ok).unwrap_or_default();
    let status = serde_json::from_slice(&bytes).ok();
    let mut status = status
        .filter(|status: &Value| status["kind"] == "Status")
        .unwrap_or_else(|| {
            let text = String::from_utf8_lossy(&bytes);
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": text.trim(), "code": parts.status.as_u16()})
        });
    if status["details"]["retryAfterSeconds"].as_u64().unwrap_or(0) == 0 {
        if !status["details"].is_object() {
            status["details"] = json!({});
        }
        status["details"]["retryAfterSeconds"] = json!(seconds);
    }
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(status.to_string().into_bytes()))
}

fn is_stream(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| {
        query
            .split('&')
            .any(|pair| matches!(pair, "watch=true" | "watch=1" | "follow=true" | "follow=1"))
    })
}

impl Service<Request<Body>> for Transport {
    type Response = Response<Body>;
    type Error = Fault;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Fault>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Fault>> {
        // the inner client queues by itself
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().answer(request))
    }
}
