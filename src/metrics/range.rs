//! Values over time, for charts. A point that is missing is a gap.

use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use prometheus_http_query::response::{Data, RangeVector};

use super::answer;
use super::endpoint::Endpoint;
use super::queries;
use crate::cluster::fault::Fault;
use crate::domain::key::ObjectKey;

/// A chart has not more points than this.
const POINTS: u64 = 240;

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    DiskBytes,
    Cores,
    MemoryBytes,
}

/// One line of a chart.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The claim's name, `cpu` or `memory`.
    pub name: String,
    pub measure: Measure,
    pub points: Vec<(Timestamp, Option<f64>)>,
}

/// What a chart is about.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub claims: Vec<ObjectKey>,
    pub pod: Option<ObjectKey>,
    /// From so long ago until now.
    pub back: Duration,
    pub now: Timestamp,
    pub limit: Duration,
}

/// Asks for every line of a chart. The first fault counts when no line at all was answered.
pub async fn range(endpoint: &Endpoint, wanted: &Wanted) -> Result<Vec<Series>, Fault> {
    let step = Duration::from_secs((wanted.back.as_secs() / POINTS).max(15));
    let mut asked: Vec<(String, Measure, String)> = wanted
        .claims
        .iter()
        .map(|claim| {
            let query = queries::used_of_claim(&claim.namespace, &claim.name);
            (claim.name.to_string(), Measure::DiskBytes, query)
        })
        .collect();
    if let Some(pod) = &wanted.pod {
        let cpu = queries::cpu_of_pod(&pod.namespace, &pod.name, step);
        asked.push(("cpu".into(), Measure::Cores, cpu));
        let memory = queries::memory_of_pod(&pod.namespace, &pod.name);
        asked.push(("memory".into(), Measure::MemoryBytes, memory));
    }
    let end = wanted.now.as_second();
    let start = end - i64::try_from(wanted.back.as_secs()).unwrap_or(0);
    let answers = join_all(asked.into_iter().map(|(name, measure, query)| async move {
        let answer = endpoint
            .query_range(&query, (start, end), step, wanted.limit)
            .await;
        (name, measure, answer)
    }));
    let mut lines = Vec::new();
    let mut fault = None;
    for (name, measure, answer) in answers.await {
        match answer {
            Ok(answer) => lines.push(Series {
                name,
                measure,
                points: points(answer.data, (start, end), step),
            }),
            Err(failed) => fault = Some(failed),
        }
    }
    match fault {
        Some(fault) if lines.is_empty() => Err(fault),
        _ => Ok(lines),
    }
}

/// One point a step, with gaps where nothing was answered.
fn points(data: Data, (start, end): (i64, i64), step: Duration) -> Vec<(Timestamp, Option<f64>)> {
    let Data::Matrix(matrix) = data else {
        return Vec::new();
    };
    let samples: Vec<(i64, f64)> = matrix
        .iter()
        .flat_map(RangeVector::samples)
        .filter(|sample| sample.value().is_finite())
        .filter_map(|sample| {
            Some((
                answer::moment(sample.timestamp())?.as_second(),
                sample.value(),
            ))
        })
        .collect();
    if samples.is_empty() {
        return Vec::new();
    }
    let step = i64::try_from(step.as_secs()).unwrap_or(15).max(1);
    let known: std::collections::HashMap<i64, f64> = samples.into_iter().collect();
    (start..=end)
        .step_by(usize::try_from(step).unwrap_or(1))
        .filter_map(|at| Some((Timestamp::from_second(at).ok()?, known.get(&at).copied())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_point_is_a_gap() {
        let json =
            r#"{"resultType":"matrix","result":[{"metric":{},"values":[[100,"1"],[160,"3"]]}]}"#;
        let data: prometheus_http_query::response::PromqlResult =
            serde_json::from_str(json).unwrap_or_else(|e| panic!("{e}"));
        let points = points(data.into_inner().0, (100, 160), Duration::from_secs(30));
        let values: Vec<Option<f64>> = points.into_iter().map(|p| p.1).collect();
        assert_eq!(values, [Some(1.0), None, Some(3.0)]);
    }
}
