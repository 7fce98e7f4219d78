//! Where figures come from: a Prometheus by URL, or one found in the cluster and reached through
//! the API server's service proxy, or metrics.k8s.io for CPU and memory. A handful of queries for
//! a whole namespace, never one a row. Must not use `app` or `ui`, and must not invent a number: a
//! query that fails makes samples old, not zero.

mod answer;
mod discover;
mod endpoint;
mod fallback;
mod figures;
mod past;
mod poll;
mod queries;
mod range;
mod samples;

pub use discover::{Found, discover};
pub use endpoint::Endpoint;
pub use figures::figures;
pub use past::{look_back, once};
pub use poll::{Poll, Settings};
pub use range::{Measure, Series, Wanted, range};

use crate::cluster::fault::{Fault, FaultKind};

/// Where figures come from now: what is known, configured, chosen, or found.
pub async fn locate(settings: &Settings, candidate: Option<&str>) -> Result<Found, Fault> {
    if let Some(endpoint) = settings.endpoint() {
        return Ok(Found::One(endpoint));
    }
    let (metrics, client) = (&settings.config.metrics, &settings.client);
    let candidate =
        candidate.and_then(|c| discover::of_candidate(client, c, metrics.service.scheme));
    let found = if let Some(address) = &metrics.prometheus {
        let credential = settings.config.credential(address);
        let endpoint = Endpoint::url(address, credential).map_err(|error| {
            Fault::new(
                FaultKind::BadTarget,
                format!("{error:#}"),
                "check [metrics] in the configuration",
            )
        })?;
        Found::One(endpoint)
    } else if let Some(endpoint) = candidate {
        Found::One(endpoint)
    } else {
        discover(client, &metrics.service, settings.namespace.as_deref()).await?
    };
    if let Found::One(endpoint) = &found {
        tracing::info!(prometheus = endpoint.name(), "figures come from here");
        settings.remember_endpoint(endpoint.clone());
    }
    Ok(found)
}
