//! metrics.k8s.io, for CPU and memory where there is no Prometheus: one recent window of each pod.

use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde::Deserialize;

use crate::cluster::fault::{Fault, within};
use crate::domain::key::ObjectKey;
use crate::domain::metric::{Source, Usage};
use crate::domain::quantity::Quantity;

#[derive(Deserialize)]
struct List {
    items: Vec<PodMetrics>,
}

#[derive(Deserialize)]
struct PodMetrics {
    metadata: Metadata,
    timestamp: Option<Timestamp>,
    #[serde(default)]
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct Container {
    usage: Amounts,
}

#[derive(Deserialize)]
struct Amounts {
    cpu: Option<String>,
    memory: Option<String>,
}

/// Reads the usage of every pod of a namespace, or of all.
pub(super) async fn read(
    client: &Client,
    namespace: Option<&str>,
    limit: Duration,
) -> Result<Vec<(ObjectKey, Usage)>, Fault> {
    let what = "reading metrics.k8s.io";
    let base = "/apis/metrics.k8s.io/v1beta1";
    let path = match namespace {
        Some(namespace) => format!("{base}/namespaces/{namespace}/pods"),
        None => format!("{base}/pods"),
    };
    let request = http::Request::get(path)
        .body(Vec::new())
        .map_err(|error| Fault::of_error(&error, what))?;
    let list: List = within(limit, what, client.request(request)).await?;
    Ok(list.items.into_iter().filter_map(usage).collect())
}

/// What nobody says the time of cannot be dated, and is no sample.
fn usage(pod: PodMetrics) -> Option<(ObjectKey, Usage)> {
    let sum = |of: &dyn Fn(&Container) -> Option<&String>| -> Option<f64> {
        let parts: Option<Vec<f64>> = pod
            .containers
            .iter()
            .map(|c| Some(Quantity::parse(of(c)?).ok()?.as_f64()))
            .collect();
        parts.filter(|p| !p.is_empty()).map(|p| p.iter().sum())
    };
    let usage = Usage {
        cpu: sum(&|c| c.usage.cpu.as_ref()),
        memory: sum(&|c| c.usage.memory.as_ref()),
        throttled: None,
        restarts: None,
        at: pod.timestamp?,
        source: Source::MetricsServer,
        fresh: true,
    };
    let key = ObjectKey::new(pod.metadata.namespace, pod.metadata.name);
    Some((key, usage))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_added_up_and_an_unknown_one_makes_the_sum_unknown() {
        let json = r#"{"metadata":{"name":"p","namespace":"n"},"timestamp":"2026-01-01T00:00:00Z",
            "containers":[{"usage":{"cpu":"250m","memory":"1Mi"}},{"usage":{"cpu":"1","memory":null}}]}"#;
        let pod = serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}"));
        let (key, usage) = usage(pod).unwrap();
        assert_eq!(key.to_string(), "n/p");
        assert_eq!(usage.cpu, Some(1.25));
        assert_eq!(usage.memory, None);
    }
}
