//! Looks for a Prometheus in the cluster, by the labels that the usual installations set. One is
//! taken, several are asked about: the first of a list is nobody's choice.

use std::time::Duration;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};

use super::endpoint::Endpoint;
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::config::{Scheme, Service as Chosen};

const LIMIT: Duration = Duration::from_secs(15);

/// What the API server is asked for: it has thousands of Services, and few of them carry these.
const SELECTORS: [&str; 3] = [
    "app.kubernetes.io/name in (prometheus,thanos,thanos-query,victoria-metrics-single,vmsingle)",
    "app in (kube-prometheus-stack-prometheus,prometheus,prometheus-server,\
     prometheus-operator-prometheus,rancher-monitoring-prometheus,prometheus-prometheus,\
     stack-prometheus,thanos-query)",
    "operated-prometheus=true",
];

/// Labels of a Prometheus or of something that answers like one.
const LABELS: [&str; 14] = [
    "app.kubernetes.io/name=prometheus",
    "app=kube-prometheus-stack-prometheus",
    "app=prometheus,component=server",
    "app=prometheus-server",
    "app=prometheus-operator-prometheus",
    "app=rancher-monitoring-prometheus",
    "app=prometheus-prometheus",
    "app=stack-prometheus",
    "operated-prometheus=true",
    "app.kubernetes.io/name=thanos-query",
    "app.kubernetes.io/name=thanos,app.kubernetes.io/component=query",
    "app=thanos-query",
    "app.kubernetes.io/name=victoria-metrics-single",
    "app.kubernetes.io/name=vmsingle",
];

/// What was found.
#[derive(Clone)]
pub enum Found {
    One(Endpoint),
    /// Names to choose from, as `namespace/service:port`.
    Several(Vec<String>),
    Nothing,
    /// The right that is missing.
    Denied(String),
}

impl Found {
    /// Whom to ask, or why nobody can be asked.
    pub(super) fn endpoint(self) -> Result<Endpoint, String> {
        match self {
            Self::One(endpoint) => Ok(endpoint),
            Self::Several(names) => Err(format!(
                "several Prometheus services were found: {}",
                names.join(", ")
            )),
            Self::Nothing => Err("no Prometheus was found".to_owned()),
            Self::Denied(rule) => Err(format!("missing: {rule}")),
        }
    }
}

/// Looks for a Service, where and how the configuration says. Who may not list those of every
/// namespace looks into `scope`.
pub async fn discover(
    client: &Client,
    chosen: &Chosen,
    scope: Option<&str>,
) -> Result<Found, Fault> {
    if let (Some(namespace), Some(name)) = (&chosen.namespace, &chosen.name) {
        let port = match &chosen.port {
            Some(port) => port.clone(),
            None => port_of(client, namespace, name).await?,
        };
        let endpoint = endpoint(client, namespace, name, &port, chosen.scheme);
        return Ok(Found::One(endpoint));
    }
    let listed = match list(client, chosen, chosen.namespace.as_deref()).await {
        Err(fault) if is_forbidden(&fault) && chosen.namespace.is_none() && scope.is_some() => {
            match list(client, chosen, scope).await {
                Ok(services) if !services.is_empty() => Ok(services),
                _ => Err(fault),
            }
        }
        listed => listed,
    };
    match listed {
        Ok(services) => Ok(choose(client, &services, chosen)),
        Err(fault) if is_forbidden(&fault) => {
            let rule = fault.rule.map(|rule| rule.to_string());
            Ok(Found::Denied(
                rule.unwrap_or_else(|| "list services".into()),
            ))
        }
        Err(fault) => Err(fault),
    }
}

fn is_forbidden(fault: &Fault) -> bool {
    fault.kind == FaultKind::Forbidden
}

/// Services that carry the labels, or the wanted name.
async fn list(
    client: &Client,
    chosen: &Chosen,
    namespace: Option<&str>,
) -> Result<Vec<Service>, Fault> {
    let api: Api<Service> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let all = ListParams::default().limit(500);
    let asked: Vec<ListParams> = match &chosen.name {
        Some(name) => vec![all.fields(&format!("metadata.name={name}"))],
        None => SELECTORS.map(|labels| all.clone().labels(labels)).into(),
    };
    let what = "looking for a Prometheus";
    let answers = try_join_all(asked.into_iter().map(|params| {
        let api = api.clone();
        async move { within(LIMIT, what, api.list(&params)).await }
    }));
    Ok(answers.await?.into_iter().flatten().collect())
}

/// Reads which port a Service has; without the right to read it, the usual one is meant.
async fn port_of(client: &Client, namespace: &str, name: &str) -> Result<String, Fault> {
    let api: Api<Service> = Api::namespaced(client.clone(), namespace);
    let what = format!("reading service {namespace}/{name}");
    let usual = || "9090".to_owned();
    match within(LIMIT, &what, api.get(name)).await {
        Ok(service) => Ok(port(&service, None).unwrap_or_else(usual)),
        Err(fault) if is_forbidden(&fault) => Ok(usual()),
        Err(fault) => Err(fault.with_next("check [metrics.service] in the configuration")),
    }
}

/// One is taken, several are asked about.
fn choose(client: &Client, services: &[Service], chosen: &Chosen) -> Found {
    let mut found: Vec<(&str, &str, String)> = services
        .iter()
        .filter(|service| chosen.name.is_some() || LABELS.iter().any(|label| has(service, label)))
        .filter_map(|service| {
            let (namespace, name) = (&service.metadata.namespace, &service.metadata.name);
            let port = port(service, chosen.port.as_deref())?;
            Some((namespace.as_deref()?, name.as_deref()?, port))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    // The operator's headless Service is another face of the one beside it.
    let beside = |namespace: &str| found.iter().filter(|(ns, _, _)| *ns == namespace).count() > 1;
    let faces: Vec<&str> = found
        .iter()
        .filter(|(ns, name, _)| *name == "prometheus-operated" && beside(ns))
        .map(|(ns, _, _)| *ns)
        .collect();
    found.retain(|(ns, name, _)| *name != "prometheus-operated" || !faces.contains(ns));
    match found.as_slice() {
        [] => Found::Nothing,
        [(namespace, name, port)] => {
            Found::One(endpoint(client, namespace, name, port, chosen.scheme))
        }
        many => Found::Several(
            many.iter()
                .map(|(ns, n, p)| format!("{ns}/{n}:{p}"))
                .collect(),
        ),
    }
}

/// The endpoint of a candidate that was chosen by its name.
pub(super) fn of_candidate(client: &Client, candidate: &str, scheme: Scheme) -> Option<Endpoint> {
    let (namespace, rest) = candidate.split_once('/')?;
    let (name, port) = rest.rsplit_once(':')?;
    Some(endpoint(client, namespace, name, port, scheme))
}

fn endpoint(client: &Client, namespace: &str, name: &str, port: &str, scheme: Scheme) -> Endpoint {
    let scheme = match scheme {
        Scheme::Http => "http",
        Scheme::Https => "https",
    };
    Endpoint::service(
        client.clone(),
        namespace,
        &format!("{scheme}:{name}:{port}"),
    )
}

fn has(service: &Service, selector: &str) -> bool {
    let labels = service.metadata.labels.as_ref();
    selector.split(',').all(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        labels.and_then(|l| l.get(key)).is_some_and(|v| v == value)
    })
}

/// The port of the web interface: the one that is wanted, one of the usual names, 9090, or the only
/// one.
fn port(service: &Service, wanted: Option<&str>) -> Option<String> {
    let ports = service.spec.as_ref()?.ports.as_ref()?;
    let named = |names: &[&str]| {
        ports
            .iter()
            .find(|p| p.name.as_deref().is_some_and(|n| names.contains(&n)))
    };
    let chosen = match wanted {
        Some(wanted) => ports
            .iter()
            .find(|p| p.name.as_deref() == Some(wanted) || p.port.to_string() == wanted),
        None => ports
            .iter()
            .find(|p| p.port == 9090)
            .or_else(|| named(&["web", "http-web", "http", "http-metrics"]))
            .or_else(|| (ports.len() == 1).then(|| &ports[0])),
    };
    chosen.map(|p| p.port.to_string())
}
