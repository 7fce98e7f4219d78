//! Looks for a Prometheus in the cluster, by the labels that the usual installations set. One is
//! taken, several are asked about: the first of a list is nobody's choice.

use std::time::Duration;

use k8s_openapi::api::core::v1::Service;
use kube::Client;
use kube::api::{Api, ListParams};

use super::endpoint::Endpoint;
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::config::{Scheme, Service as Chosen};

const LIMIT: Duration = Duration::from_secs(15);

/// Labels of a Prometheus or of something that answers like one, most usual first.
const LABELS: [&str; 12] = [
    "app.kubernetes.io/name=prometheus,app.kubernetes.io/component=server",
    "app.kubernetes.io/name=prometheus",
    "app=kube-prometheus-stack-prometheus",
    "app=prometheus,component=server",
    "app=prometheus-server",
    "app=prometheus-operator-prometheus",
    "app=rancher-monitoring-prometheus",
    "app=prometheus-prometheus",
    "app=stack-prometheus",
    "app.kubernetes.io/name=thanos-query",
    "app=thanos-query",
    "app.kubernetes.io/name=victoria-metrics-single",
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

/// Looks for a Service, where and how the configuration says.
pub async fn discover(client: &Client, chosen: &Chosen) -> Result<Found, Fault> {
    if let (Some(namespace), Some(name)) = (&chosen.namespace, &chosen.name) {
        let port = chosen.port.as_deref().unwrap_or("9090");
        return Ok(Found::One(endpoint(
            client,
            namespace,
            name,
            port,
            chosen.scheme,
        )));
    }
    let api: Api<Service> = match &chosen.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let what = "looking for a Prometheus";
    let listed = within(LIMIT, what, api.list(&ListParams::default().limit(2000))).await;
    let services = match listed {
        Ok(services) => services,
        Err(fault) if fault.kind == FaultKind::Forbidden => {
            let rule = fault
                .rule
                .map_or_else(|| "list services".to_owned(), |r| r.to_string());
            return Ok(Found::Denied(rule));
        }
        Err(fault) => return Err(fault),
    };
    let mut found: Vec<(String, String, String)> = Vec::new();
    for label in LABELS {
        for service in &services {
            let fits = match &chosen.name {
                Some(name) => service.metadata.name.as_ref() == Some(name),
                None => has(service, label),
            };
            let (Some(namespace), Some(name)) =
                (&service.metadata.namespace, &service.metadata.name)
            else {
                continue;
            };
            let known = found.iter().any(|(ns, n, _)| ns == namespace && n == name);
            if fits
                && !known
                && let Some(port) = port(service, chosen.port.as_deref())
            {
                found.push((namespace.clone(), name.clone(), port));
            }
        }
    }
    // `prometheus-operated` is the headless face of the Service beside it.
    if found.len() > 1 {
        found.retain(|(_, name, _)| name != "prometheus-operated");
    }
    Ok(match found.as_slice() {
        [] => Found::Nothing,
        [(namespace, name, port)] => {
            Found::One(endpoint(client, namespace, name, port, chosen.scheme))
        }
        many => Found::Several(
            many.iter()
                .map(|(ns, n, p)| format!("{ns}/{n}:{p}"))
                .collect(),
        ),
    })
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
