//! A Prometheus over the simulated world: its HTTP API, directly and through the API server's service proxy.
//! A query that it does not understand is an error in Prometheus' own form, never an invented number.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::Response;
use http::Method;
use serde_json::{Value as Json, json};

use super::failure::Failure;
use super::http::{Query, Reply, Shared, Target, User, fail, respond};
use super::object::{Fields, stamp};
use super::resource::Kind;
use super::world::{World, list_of};

pub(crate) mod alert;
mod eval;
mod parse;
pub(super) mod pattern;
mod series;
#[cfg(test)]
mod tests;

use eval::{Evaluator, Value};

/// The proxy path of the simulated Prometheus, whose rest is a path of its API.
pub(crate) fn proxied(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/v1/namespaces/monitoring/services/")?;
    let (service, rest) = rest.split_once("/proxy")?;
    let service = service.strip_prefix("http:").unwrap_or(service);
    matches!(
        service,
        "prometheus" | "prometheus:9090" | "prometheus:http"
    )
    .then_some(rest)
}

pub(crate) fn proxy(
    shared: &Arc<Shared>,
    user: &User,
    parts: &http::request::Parts,
    rest: &str,
    body: &Bytes,
) -> Response {
    let world = shared.world();
    if let Err(failure) = user.may_proxy(&world, &parts.method, parts.uri.path()) {
        return fail(&failure);
    }
    if world.faults.prometheus_down {
        let failure = Failure::new(
            503,
            "ServiceUnavailable",
            "no endpoints available for service \"prometheus\"",
        );
        return fail(&failure);
    }
    answer(
        &world,
        &parts.method,
        rest,
        parts.uri.query().unwrap_or(""),
        body,
    )
}

pub(crate) fn router(shared: Arc<Shared>) -> axum::Router {
    axum::Router::new().fallback(direct).with_state(shared)
}

async fn direct(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, 1 << 20).await else {
        return fail(&Failure::bad_request(
            "the body of the request is too large",
        ));
    };
    let world = shared.world();
    if world.faults.prometheus_down {
        return respond(&Reply {
            code: 503,
            ..Reply::ok(
                json!({"status": "error", "errorType": "unavailable", "error": "Service Unavailable"}),
            )
        });
    }
    answer(
        &world,
        &parts.method,
        parts.uri.path(),
        parts.uri.query().unwrap_or(""),
        &body,
    )
}

fn refuse(code: u16, kind: &str, why: &str) -> Reply {
    Reply {
        code,
        ..Reply::ok(json!({"status": "error", "errorType": kind, "error": why}))
    }
}

fn answer(world: &World, method: &Method, path: &str, query: &str, body: &Bytes) -> Response {
    let form = if *method == Method::POST {
        String::from_utf8_lossy(body).into_owned()
    } else {
        String::new()
    };
    let query = Query::parse(&format!("{query}&{form}"));
    let reply = match path {
        "/api/v1/query" => instant(world, &query),
        "/api/v1/query_range" => range(world, &query),
        "/api/v1/series" => all_series(world, &query),
        "/api/v1/labels" | "/api/v1/label/__name__/values" => {
            let names = if path.ends_with("values") {
                series::NAMES.to_vec()
            } else {
                vec![
                    "__name__",
                    "container",
                    "instance",
                    "job",
                    "namespace",
                    "node",
                    "persistentvolumeclaim",
                    "pod",
                ]
            };
            Ok(json!(names))
        }
        "/api/v1/alerts" => Ok(json!({"alerts": world.alerts.list()})),
        "/api/v1/rules" => Ok(json!({"groups": world.alerts.groups()})),
        "/api/v1/targets" => Ok(json!({"activeTargets": [], "droppedTargets": []})),
        "/api/v1/status/buildinfo" => Ok(json!({"version": "3.5.0", "revision": "simulated"})),
        "/-/healthy" | "/-/ready" => Ok(json!("Prometheus Server is Ready.")),
        _ => return respond(&refuse(404, "not_found", "no such endpoint")),
    };
    respond(&match reply {
        Ok(data) => Reply::ok(json!({"status": "success", "data": data})),
        Err(why) => refuse(400, "bad_data", &why),
    })
}

type Answer = Result<Json, String>;

fn moment(text: &str) -> Result<f64, String> {
    text.parse()
        .ok()
        .or_else(|| {
            Some(
                text.parse::<jiff::Timestamp>()
                    .ok()?
                    .as_duration()
                    .as_secs_f64(),
            )
        })
        .ok_or_else(|| {
            format!("invalid parameter \"time\": cannot parse {text:?} to a valid timestamp")
        })
}

fn parsed(query: &Query) -> Result<parse::Expr, String> {
    let text = query.get("query").unwrap_or("");
    parse::parse(text).map_err(|why| format!("invalid parameter \"query\": parse error: {why}"))
}

fn number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        value.to_string()
    }
}

fn instant(world: &World, query: &Query) -> Answer {
    let at = query
        .get("time")
        .map_or_else(|| Ok(world.now.as_duration().as_secs_f64()), moment)?;
    Ok(match Evaluator::new(world).run(&parsed(query)?, at)? {
        Value::Scalar(n) => json!({"resultType": "scalar", "result": [at, number(n)]}),
        Value::Text(t) => json!({"resultType": "string", "result": [at, t]}),
        Value::Vector(all) => {
            json!({"resultType": "vector", "result": all.iter().map(|(l, v, _)| json!({"metric": l, "value": [at, number(*v)]})).collect::<Vec<_>>()})
        }
        Value::Matrix(all) => {
            json!({"resultType": "matrix", "result": all.iter().map(|(l, points)| json!({"metric": l,
            "values": points.iter().map(|(t, v)| json!([t, number(*v)])).collect::<Vec<_>>()})).collect::<Vec<_>>()})
        }
    })
}

fn range(world: &World, query: &Query) -> Answer {
    let need = |name: &str| {
        query
            .get(name)
            .ok_or_else(|| format!("invalid parameter {name:?}: missing"))
            .and_then(moment)
    };
    let (start, end) = (need("start")?, need("end")?);
    let step = query.get("step").and_then(|s| s.parse().ok().or_else(|| parse::duration(s))).filter(|s: &f64| *s > 0.0).ok_or("invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer")?;
    if (end - start) / step > 11_000.0 {
        return Err("exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)".to_owned());
    }
    let expr = parsed(query)?;
    let evaluator = Evaluator::new(world);
    let mut all: BTreeMap<series::Labels, Vec<Json>> = BTreeMap::new();
    let mut t = start;
    while t <= end {
        match evaluator.run(&expr, t)? {
            Value::Vector(found) => {
                for (labels, value, _) in found {
                    all.entry(labels).or_default().push(json!([t, number(value)]));
                }
            }
            Value::Scalar(n) => all.entry(series::Labels::new()).or_default().push(json!([t, number(n)])),
            _ => return Err("invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector".to_owned()),
        }
        t += step;
    }
    Ok(
        json!({"resultType": "matrix", "result": all.into_iter().map(|(l, values)| json!({"metric": l, "values": values})).collect::<Vec<_>>()}),
    )
}

fn all_series(world: &World, query: &Query) -> Answer {
    let mut all = Vec::new();
    for text in query.all("match[]") {
        let parse::Expr::Selector { matchers, .. } = parse::parse(text)? else {
            return Err(format!(
                "invalid parameter \"match[]\": {text:?} is no selector"
            ));
        };
        all.extend(
            Evaluator::new(world)
                .select(&matchers)?
                .into_iter()
                .map(|s| json!(s.labels)),
        );
    }
    Ok(json!(all))
}

/// `metrics.k8s.io`: CPU and memory of the last window.
pub(crate) fn resource_metrics(world: &World, target: &Target) -> Result<Reply, Failure> {
    let at = world.now.as_duration().as_secs_f64();
    let run = |text: &str| match parse::parse(text).and_then(|e| Evaluator::new(world).run(&e, at))
    {
        Ok(Value::Vector(all)) => all,
        _ => Vec::new(),
    };
    let mut pods: BTreeMap<(String, String), BTreeMap<String, Usage>> = BTreeMap::new();
    let mut nodes: BTreeMap<String, Usage> = BTreeMap::new();
    for node in world.store.list(Kind::Node, "") {
        if !world.faults.nodes_down.contains_key(node.name()) {
            nodes.insert(node.name().to_owned(), SYSTEM);
        }
    }
    let of = |l: &series::Labels, key: &str| l.get(key).cloned().unwrap_or_default();
    for (is_memory, text) in [
        (false, "rate(container_cpu_usage_seconds_total[2m])"),
        (true, "container_memory_working_set_bytes"),
    ] {
        for (l, v, _) in run(text) {
            let used = Usage {
                cores: if is_memory { 0.0 } else { v },
                bytes: if is_memory { v } else { 0.0 },
            };
            let containers = pods
                .entry((of(&l, "namespace"), of(&l, "pod")))
                .or_default();
            containers.entry(of(&l, "container")).or_default().add(used);
            if let Some(node) = nodes.get_mut(&of(&l, "node")) {
                node.add(used);
            }
        }
    }
    let (kind, now) = (target.kind.resource().kind, stamp(world.now));
    let entry = |name: &str| {
        json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": name, "creationTimestamp": now}, "timestamp": now, "window": "30s"})
    };
    let items: Vec<Json> = if target.kind == Kind::NodeMetrics {
        let all = nodes.into_iter().map(|(name, used)| {
            let mut item = entry(&name);
            item.put("usage", used.to_json());
            item
        });
        all.collect()
    } else {
        let all = pods
            .into_iter()
            .filter(|((ns, _), _)| target.namespace.is_empty() || *ns == target.namespace)
            .map(|((ns, pod), containers)| {
                let mut item = entry(&pod);
                item.put("metadata/namespace", ns);
                let list: Vec<Json> = containers
                    .into_iter()
                    .map(|(name, used)| json!({"name": name, "usage": used.to_json()}))
                    .collect();
                item.put("containers", list);
                item
            });
        all.collect()
    };
    if target.name.is_empty() {
        return Ok(Reply::ok(list_of(target.kind, items, &json!({}))));
    }
    items
        .into_iter()
        .find(|item| item.name() == target.name)
        .map(Reply::ok)
        .ok_or_else(|| Failure::not_found(target.kind, &target.name))
}

/// What a node's own daemons use.
const SYSTEM: Usage = Usage {
    cores: 0.12,
    bytes: 900.0 * 1024.0 * 1024.0,
};

#[derive(Clone, Copy, Default)]
struct Usage {
    cores: f64,
    bytes: f64,
}

impl Usage {
    fn add(&mut self, other: Self) {
        self.cores += other.cores;
        self.bytes += other.bytes;
    }

    fn to_json(self) -> Json {
        json!({"cpu": format!("{:.0}n", self.cores * 1e9), "memory": format!("{:.0}Ki", self.bytes / 1024.0)})
    }
}
