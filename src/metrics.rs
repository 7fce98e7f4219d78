//! Where figures come from: a Prometheus by URL, or one found in the cluster and reached through
//! the API server's service proxy, or metrics.k8s.io for CPU and memory. A handful of queries for
//! a whole namespace, never one a row. Must not use `app` or `ui`, and must not invent a number: a
//! query that fails makes samples old, not zero.

mod answer;
mod discover;
mod endpoint;
mod fallback;
mod poll;
mod queries;
mod range;

pub use discover::{Found, discover};
pub use endpoint::Endpoint;
pub use poll::{Poll, Settings};
pub use range::{Measure, Series, Wanted, range};

use crate::cluster::fault::{Fault, FaultKind};

/// Where figures come from now: what is configured, chosen, or found.
pub async fn locate(settings: &Settings, candidate: Option<&str>) -> Result<Found, Fault> {
    let metrics = &settings.config.metrics;
    if let Some(address) = &metrics.prometheus {
        let credential = settings.config.credential(address);
        return Endpoint::url(address, credential)
            .map(Found::One)
            .map_err(|error| {
                Fault::new(
                    FaultKind::BadTarget,
                    format!("{error:#}"),
                    "check [metrics] in the configuration",
                )
            });
    }
    let client = &settings.client;
    match candidate.and_then(|c| discover::of_candidate(client, c, metrics.service.scheme)) {
        Some(endpoint) => Ok(Found::One(endpoint)),
        None => discover(client, &metrics.service).await,
    }
}
