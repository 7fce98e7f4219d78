//! Values over time, for charts. A point that is missing is a gap.

use std::collections::HashMap;
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
    let step = step_of(wanted.back);
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

fn step_of(back: Duration) -> Duration {
    Duration::from_secs((back.as_secs() / POINTS).max(15))
}

/// One point a step, with gaps where nothing was answered. A sample belongs to the nearest step:
/// some stores move the steps of a question to round times.
fn points(data: Data, (start, end): (i64, i64), step: Duration) -> Vec<(Timestamp, Option<f64>)> {
    let Data::Matrix(matrix) = data else {
        return Vec::new();
    };
    let step = i64::try_from(step.as_secs()).unwrap_or(15).max(1);
    let mut known: HashMap<i64, f64> = HashMap::new();
    for sample in matrix.iter().flat_map(RangeVector::samples) {
        if sample.value().is_finite()
            && let Some(at) = answer::moment(sample.timestamp())
        {
            let slot = (at.as_second() - start + step / 2).div_euclid(step);
            known.insert(slot, sample.value());
        }
    }
    if known.is_empty() {
        return Vec::new();
    }
    (0..=(end - start) / step)
        .filter_map(|slot| {
            let at = Timestamp::from_second(start + slot * step).ok()?;
            Some((at, known.get(&slot).copied()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_http_query::response::PromqlResult;
    use proptest::prelude::*;

    fn matrix(values: &str) -> Data {
        let json = format!(
            r#"{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}"#
        );
        let result: PromqlResult = serde_json::from_str(&json).unwrap();
        result.into_inner().0
    }

    proptest! {
        #[test]
        fn a_chart_has_the_same_few_points_wherever_a_store_puts_its_steps(
            shift in -20_i64..20, missing in 0_i64..240, back in 3600_i64..8 * 86_400,
        ) {
            let (start, end) = (1_700_000_000, 1_700_000_000 + back);
            let step = step_of(Duration::from_secs(u64::try_from(back).unwrap_or(0)));
            let seconds = i64::try_from(step.as_secs()).unwrap_or(1);
            let shift = shift.clamp(-seconds / 2 + 1, seconds / 2 - 1);
            let values: Vec<String> = (0..=back / seconds)
                .filter(|slot| *slot != missing)
                .map(|slot| format!("[{}, \"{slot}\"]", start + slot * seconds + shift))
                .collect();
            let points = points(matrix(&values.join(",")), (start, end), step);
            prop_assert!(points.len() <= 300, "{} points", points.len());
            for (slot, (_, value)) in (0..).zip(&points) {
                #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
                let expected = (slot != missing).then_some(slot as f64);
                prop_assert_eq!(*value, expected);
            }
        }
    }

    #[test]
    fn a_point_that_is_no_number_is_a_gap() {
        let data = matrix(r#"[100,"NaN"],[130,"+Inf"],[160,"3"]"#);
        let points = points(data, (100, 160), Duration::from_secs(30));
        let values: Vec<Option<f64>> = points.into_iter().map(|p| p.1).collect();
        assert_eq!(values, [None, None, Some(3.0)]);
    }

    #[test]
    fn a_missing_point_is_a_gap() {
        let data = matrix(r#"[100,"1"],[160,"3"]"#);
        let points = points(data, (100, 160), Duration::from_secs(30));
        let values: Vec<Option<f64>> = points.into_iter().map(|p| p.1).collect();
        assert_eq!(values, [Some(1.0), None, Some(3.0)]);
    }
}
