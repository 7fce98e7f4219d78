//! A long look back: which claims had samples, and whether samples were taken all the time.

use std::time::Duration;

use futures::future::join;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, watch};

use super::answer::{self, Answer};
use super::endpoint::Endpoint;
use super::poll::{Poll, Settings};
use super::queries;
use super::{Found, locate};
use crate::cluster::fault::Fault;
use crate::domain::history::{History, Past};
use crate::domain::key::ObjectKey;
use crate::domain::metric::Metrics;

/// One full round of figures.
pub async fn once(settings: Settings) -> Metrics {
    let (changes, mut arriving) = mpsc::channel(4);
    let (_choice, chosen) = watch::channel(None);
    let poll = Poll::new(settings, changes, chosen);
    let mut metrics = Metrics::default();
    let read = async {
        while let Some(change) = arriving.recv().await {
            metrics.apply(change);
        }
    };
    join(poll.take(), read).await;
    metrics
}

/// Looks back as far as the policy for claims that nothing needs asks for.
pub async fn look_back(settings: &Settings, candidate: Option<&str>) -> Past {
    let config = &settings.config;
    if config.orphans.inactive <= SignedDuration::ZERO {
        return Past::NotAsked;
    }
    let failed = |why: String| Past::Failed { why: why.into() };
    if !config.metrics.enabled {
        return failed("metrics.enabled is false".to_owned());
    }
    let found = locate(settings, candidate).await;
    match found
        .map_err(|fault| fault.sentence)
        .and_then(Found::endpoint)
    {
        Ok(endpoint) => of_endpoint(settings, &endpoint).await,
        Err(why) => failed(why),
    }
}

pub(super) async fn of_endpoint(settings: &Settings, endpoint: &Endpoint) -> Past {
    let window = Duration::try_from(settings.config.orphans.inactive).unwrap_or_default();
    // an edge that lies a little further back: clocks differ
    let window = window + queries::STEP;
    let limit = settings.config.metrics.range_timeout;
    let (last, coverage) = (queries::last_samples(window), queries::coverage(window));
    let asked = join(
        endpoint.query(&last, limit),
        endpoint.query(&coverage, limit),
    );
    let (last, coverage) = asked.await;
    read(window, last, coverage).unwrap_or_else(|why| Past::Failed { why: why.into() })
}

/// A partial answer is none: what it lacks would look like a claim that nobody used.
fn read(
    window: Duration,
    last: Result<Answer, Fault>,
    coverage: Result<Answer, Fault>,
) -> Result<Past, String> {
    let whole = |answer: Result<Answer, Fault>| {
        let answer = answer.map_err(|fault| fault.sentence)?;
        match answer.partial {
            Some(why) => Err(why),
            None => Ok(answer::vector(answer.data)),
        }
    };
    let (last, coverage) = (whole(last)?, whole(coverage)?);
    let Some((_, to, points)) = coverage.into_iter().next() else {
        return Err("no samples of kubelets are there".to_owned());
    };
    let back = SignedDuration::try_from(window).map_err(|error| error.to_string())?;
    let from = to.checked_sub(back).map_err(|error| error.to_string())?;
    let last = last.into_iter().filter_map(|(labels, _, at)| {
        let of = |label: &str| labels.get(label).map(String::as_str);
        let key = ObjectKey::new(of("namespace")?, of("persistentvolumeclaim")?);
        Some((key, answer::moment(at)?))
    });
    Ok(Past::Read(History {
        from,
        to,
        covered: points * queries::STEP.as_secs_f64() / window.as_secs_f64(),
        last: last.collect::<std::collections::HashMap<_, Timestamp>>(),
    }))
}
