//! The API server's face: real HTTP on a loopback socket. Translates requests into calls on the world.
//! Must not decide anything about objects; that is the world's and its controllers' business.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::clock::Clock;
use super::drill;
use super::failure::Failure;
use super::prom;
use super::world::{Actor, World};

mod access;
mod discovery;
mod exec;
mod log;
mod path;
mod protobuf;
mod read;
mod subresource;
mod table;
mod watch;
mod write;

pub(crate) use access::User;
pub(crate) use path::{Query, Target};

/// What the simulated server says it is.
pub(crate) const VERSION: &str = "v1.34.4";
/// Largest body of a request, the limit of a real server.
const BODY: usize = 3 * 1024 * 1024;

/// What every request needs.
#[derive(Debug)]
pub(crate) struct Shared {
    world: Mutex<World>,
    pub(crate) clock: Clock,
    pub(crate) cancel: CancellationToken,
    requests: std::sync::atomic::AtomicU64,
    /// By users that roles bind: which right each request needed.
    used: Mutex<BTreeSet<Used>>,
}

/// A right that a request was made with.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Used {
    pub user: String,
    pub verb: String,
    pub group: String,
    /// With its subresource.
    pub resource: String,
}

impl Shared {
    pub(crate) fn new(world: World, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            world: Mutex::new(world),
            clock,
            cancel: CancellationToken::new(),
            requests: std::sync::atomic::AtomicU64::new(0),
            used: Mutex::default(),
        })
    }

    /// All that have come, whatever was answered.
    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// The rights that a user made requests with.
    pub(crate) fn used(&self, user: &str) -> Vec<Used> {
        let used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.iter()
            .filter(|one| one.user == user)
            .cloned()
            .collect()
    }

    pub(crate) fn forget_uses(&self) {
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        all.clear();
    }

    fn note(&self, user: &User, what: &access::Attributes<'_>) {
        if user.is_master() {
            return;
        }
        let used = Used {
            user: user.name.clone(),
            verb: what.verb.to_owned(),
            group: what.group.to_owned(),
            resource: what.resource.clone(),
        };
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(used);
    }

    /// The world, moved on to the present.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(self.clock.now());
        world
    }

    /// The world, moved on to `at` and no further.
    pub(crate) fn world_at(&self, at: jiff::Timestamp) -> MutexGuard<'_, World> {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance(at);
        world
    }
}

/// An answer before it is bytes.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) code: u16,
    pub(crate) body: Value,
    pub(crate) content_type: &'static str,
}

impl Reply {
    pub(crate) fn ok(body: Value) -> Self {
        Self {
            code: 200,
            body,
            content_type: "application/json",
        }
    }

    pub(crate) fn created(body: Value) -> Self {
        Self {
            code: 201,
            ..Self::ok(body)
        }
    }
}

/// A request with its body read.
pub(crate) struct Call<'a> {
    pub(crate) method: &'a Method,
    pub(crate) target: &'a Target,
    pub(crate) query: &'a Query,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) body: &'a Bytes,
}

impl Call<'_> {
    /// The body as JSON; YAML is taken too.
    pub(crate) fn json(&self) -> Result<Value, Failure> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        let kind = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        if kind.contains("protobuf") {
            if let Some(object) = protobuf::decode(self.body) {
                return Ok(object);
            }
            return Err(Failure::new(
                415,
                "UnsupportedMediaType",
                format!(
                    "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml: {kind}"
                ),
            ));
        }
        serde_json::from_slice(self.body)
            .ok()
            .or_else(|| {
                let text = std::str::from_utf8(self.body).ok()?;
                kind.contains("yaml").then(|| serde_saphyr::from_str(text).ok()).flatten()
            })
            .ok_or_else(|| Failure::bad_request("the object provided is unrecognized (must be of type JSON): couldn't get version/kind; json parse error"))
    }

    pub(crate) fn dry_run(&self) -> bool {
        self.query.get("dryRun") == Some("All")
    }
}

pub(crate) fn router(shared: Arc<Shared>) -> axum::Router {
    axum::Router::new().fallback(serve).with_state(shared)
}

pub(crate) fn respond(reply: &Reply) -> Response {
    let code = StatusCode::from_u16(reply.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::new(Body::from(reply.body.to_string()));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        http::HeaderValue::from_static(reply.content_type),
    );
    if let Some(after) = reply
        .body
        .pointer("/details/retryAfterSeconds")
        .and_then(Value::as_u64)
    {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, http::HeaderValue::from(after));
    }
    response
}

pub(crate) fn fail(failure: &Failure) -> Response {
    respond(&Reply {
        code: failure.code,
        ..Reply::ok(failure.to_status())
    })
}

/// The API server's own troubles.
async fn trouble(shared: &Shared) -> Option<Response> {
    let (fault, number) = {
        let world = shared.world();
        let number = shared
            .requests
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        (
            world.faults.api.clone(),
            world.seed.unit(&format!("request{number}")),
        )
    };
    if fault.delay_millis > 0 {
        tokio::time::sleep(Duration::from_millis(fault.delay_millis)).await;
    }
    if fault.down || number < fault.error_share {
        let mut failure = if !fault.down && number < fault.error_share / 2.0 {
            Failure::new(
                429,
                "TooManyRequests",
                "the server has received too many requests and has asked us to try again later",
            )
        } else {
            Failure::new(
                503,
                "ServiceUnavailable",
                "the server is currently unable to handle the request",
            )
        };
        failure.retry_after = Some(1);
        return Some(fail(&failure));
    }
    None
}

async fn serve(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    if let Some(response) = trouble(&shared).await {
        return response;
    }
    let (mut parts, body) = request.into_parts();
    let user = match access::user(&shared.world(), &parts.headers) {
        Ok(user) => user,
        Err(failure) => return fail(&failure),
    };
    let path = parts.uri.path().to_owned();
    let query = Query::parse(parts.uri.query().unwrap_or(""));
    if let Some(response) = discovery::answer(&shared, &path, &parts.headers) {
        return response;
    }
    if let Some(rest) = prom::proxied(&path) {
        let Ok(bytes) = axum::body::to_bytes(body, BODY).await else {
            return fail(&Failure::bad_request(
                "the body of the request is too large",
            ));
        };
        return prom::proxy(&shared, &user, &parts, rest, &bytes);
    }
    let target = match path::parse(&path) {
        Ok(target) if shared.world().serves(target.kind) => target,
        Ok(_) => return fail(&Failure::no_such_path()),
        Err(failure) => match access::review(&shared, &user, &path, body).await {
            Some(response) => return response,
            None => return fail(&failure),
        },
    };
    let checked = access::check(&shared.world(), &user, &parts.method, &target, &query);
    match checked {
        Ok(what) => shared.note(&user, &what),
        Err(failure) => return fail(&failure),
    }
    if matches!(target.sub.as_str(), "exec" | "attach") {
        return exec::upgrade(shared, &mut parts, &target, &query).await;
    }
    if target.sub == "log" {
        return log::answer(&shared, &target, &query);
    }
    if parts.method == Method::GET && query.flag("watch") {
        return watch::answer(&shared, &target, &query, &parts.headers);
    }
    let Ok(body) = axum::body::to_bytes(body, BODY).await else {
        return fail(&Failure::new(
            413,
            "RequestEntityTooLarge",
            "Request entity too large: limit is 3145728",
        ));
    };
    let call = Call {
        method: &parts.method,
        target: &target,
        query: &query,
        headers: &parts.headers,
        body: &body,
    };
    match answer(&shared, &call) {
        Ok(reply) => respond(&reply),
        Err(failure) => fail(&failure),
    }
}

fn answer(shared: &Shared, call: &Call<'_>) -> Result<Reply, Failure> {
    let mut world = shared.world();
    world.actor = Actor::Client;
    let result = if call.method == Method::GET && call.target.sub != "scale" {
        read::answer(&world, call)
    } else if !matches!(call.target.sub.as_str(), "" | "status") {
        subresource::answer(&mut world, call)
    } else {
        write::answer(&mut world, call)
    };
    world.actor = Actor::Controller;
    if call.method != Method::GET && result.is_ok() && !call.dry_run() {
        drill::acted(&mut world);
    }
    // What controllers do at once is done before the answer goes out, as nothing else could be seen by the client.
    world.settle();
    result
}

/// `{"kind": "Status", "status": "Success"}` with details.
pub(crate) fn success(details: &Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
}
