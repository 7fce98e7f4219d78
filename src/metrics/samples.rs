//! From the answers of a round to samples of claims and pods. Whatever is missing, no number or
//! impossible is not known; nothing is filled in.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use prometheus_http_query::response::Data;

use super::answer;
use super::queries::Query;
use crate::domain::key::ObjectKey;
use crate::domain::metric::{Disk, Forecast, Source, Usage};

/// A forecast beyond this says nothing, in seconds.
const FARTHEST: f64 = 5.0 * 365.0 * 86_400.0;

/// The values of one query by claim or pod, and when they were asked for.
type Values = HashMap<ObjectKey, (Timestamp, f64)>;

/// What a round was answered.
#[derive(Default)]
pub(super) struct Answers(HashMap<Query, Values>);

impl Answers {
    pub(super) fn insert(&mut self, query: Query, data: Data) {
        let keyed = answer::vector(data)
            .into_iter()
            .filter_map(|(labels, at, value)| {
                let name = labels
                    .get("persistentvolumeclaim")
                    .or_else(|| labels.get("pod"))?;
                let namespace = labels.get("namespace")?;
                Some((
                    ObjectKey::new(namespace.as_str(), name.as_str()),
                    (at, value),
                ))
            });
        self.0.insert(query, keyed.collect());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time of the round, as Prometheus counts it.
    pub(super) fn at(&self) -> Option<Timestamp> {
        let times = self.0.values().flat_map(|values| values.values());
        times.map(|(at, _)| *at).max()
    }

    fn take(&mut self, query: Query) -> Values {
        self.0.remove(&query).unwrap_or_default()
    }

    /// Bytes a second by which free space shrinks, when that was asked.
    pub(super) fn shrinking(&mut self) -> HashMap<ObjectKey, f64> {
        let values = self.take(Query::Shrinking).into_iter();
        values.map(|(key, (_, rate))| (key, rate)).collect()
    }

    /// A figure read longer than `stale_after` before the round is not fresh.
    pub(super) fn disks(
        &mut self,
        shrinking: &HashMap<ObjectKey, f64>,
        stale_after: SignedDuration,
    ) -> Vec<(ObjectKey, Disk)> {
        let available = self.take(Query::Available);
        let capacity = self.take(Query::Capacity);
        let used = self.take(Query::Used);
        let inodes = self.take(Query::Inodes);
        let read_at = self.take(Query::ReadAt);
        let disk = |key: &ObjectKey, (asked, available): (Timestamp, f64)| {
            let (_, capacity) = *capacity.get(key)?;
            if capacity <= 0.0 || available < 0.0 {
                return None;
            }
            let at = read_at.get(key).and_then(|(_, at)| answer::moment(*at));
            let at = at.unwrap_or(asked);
            Some(Disk {
                capacity,
                available,
                used: used
                    .get(key)
                    .map_or(capacity - available, |(_, used)| *used),
                inodes: inodes.get(key).map(|(_, share)| *share),
                full_in: forecast(available, shrinking.get(key).copied()),
                at,
                source: Source::Prometheus,
                fresh: asked.duration_since(at) <= stale_after,
            })
        };
        available
            .into_iter()
            .filter_map(|(key, value)| Some((key.clone(), disk(&key, value)?)))
            .collect()
    }

    pub(super) fn usages(&mut self) -> Vec<(ObjectKey, Usage)> {
        let (cpu, memory) = (self.take(Query::Cpu), self.take(Query::Memory));
        let (throttled, restarts) = (self.take(Query::Throttled), self.take(Query::Restarts));
        let of = |values: &Values, key: &ObjectKey| values.get(key).map(|(_, value)| *value);
        let mut at: HashMap<&ObjectKey, Timestamp> = HashMap::new();
        for (key, (when, _)) in cpu.iter().chain(&memory) {
            at.insert(key, *when);
        }
        at.into_iter()
            .map(|(key, at)| {
                let usage = Usage {
                    cpu: of(&cpu, key),
                    memory: of(&memory, key),
                    throttled: of(&throttled, key),
                    restarts: of(&restarts, key),
                    at,
                    source: Source::Prometheus,
                    fresh: true,
                };
                (key.clone(), usage)
            })
            .collect()
    }
}

/// When the disk is full at this rate. Without a rate, which is asked only where the past allows
/// it, nothing can be said.
fn forecast(available: f64, shrinking: Option<f64>) -> Forecast {
    match shrinking {
        None => Forecast::Unknown,
        Some(rate) if rate > 0.0 && available / rate < FARTHEST => Forecast::In(
            SignedDuration::try_from_secs_f64(available / rate).unwrap_or(SignedDuration::MAX),
        ),
        Some(_) => Forecast::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_http_query::response::PromqlResult;
    use proptest::prelude::*;

    const ASKED: i64 = 1_700_000_000;

    fn vector(name: &str, value: &str) -> Data {
        let json = format!(
            r#"{{"resultType":"vector","result":[
                {{"metric":{{"namespace":"ns","{name}":"a"}},"value":[{ASKED},"{value}"]}}]}}"#
        );
        let result: PromqlResult = serde_json::from_str(&json).unwrap();
        result.into_inner().0
    }

    fn disks(values: &[(Query, &str)]) -> Vec<Disk> {
        let mut answers = Answers::default();
        for (query, value) in values {
            answers.insert(*query, vector("persistentvolumeclaim", value));
        }
        let shrinking = answers.shrinking();
        let disks = answers.disks(&shrinking, SignedDuration::from_mins(5));
        disks.into_iter().map(|(_, disk)| disk).collect()
    }

    const WHOLE: [(Query, &str); 2] = [(Query::Available, "7200"), (Query::Capacity, "10000")];

    #[test]
    fn a_disk_needs_both_its_size_and_what_is_left() {
        assert_eq!(disks(&WHOLE).len(), 1);
        assert_eq!(disks(&WHOLE[..1]), []);
        assert_eq!(disks(&WHOLE[1..]), []);
    }

    #[test]
    fn what_cannot_be_is_not_known() {
        let with = |available, capacity| {
            disks(&[(Query::Available, available), (Query::Capacity, capacity)])
        };
        assert_eq!(with("0", "0"), []);
        assert_eq!(with("-1", "10"), []);
        assert_eq!(with("NaN", "10"), []);
        assert_eq!(with("1", "+Inf"), []);
        assert_eq!(with("0", "10").len(), 1);
    }

    #[test]
    fn unknown_inodes_are_not_zero() {
        assert_eq!(disks(&WHOLE)[0].inodes, None);
        let [a, b] = WHOLE;
        assert_eq!(disks(&[a, b, (Query::Inodes, "NaN")])[0].inodes, None);
        assert_eq!(disks(&[a, b, (Query::Inodes, "0.5")])[0].inodes, Some(0.5));
    }

    #[test]
    fn a_figure_that_was_read_long_before_the_round_is_not_fresh() {
        let [a, b] = WHOLE;
        let read = |seconds_ago: i64| {
            let at = (ASKED - seconds_ago).to_string();
            disks(&[a, b, (Query::ReadAt, &at)]).remove(0)
        };
        assert!(read(299).fresh);
        let old = read(301);
        assert!(!old.fresh);
        assert_eq!(old.at.as_second(), ASKED - 301);
    }

    #[test]
    fn what_is_left_over_the_rate_is_the_time() {
        let [a, b] = WHOLE;
        let full_in = |rate| disks(&[a, b, (Query::Shrinking, rate)])[0].full_in;
        assert_eq!(full_in("2"), Forecast::In(SignedDuration::from_hours(1)));
        assert_eq!(full_in("0"), Forecast::Never);
        assert_eq!(full_in("-3"), Forecast::Never);
        assert_eq!(full_in("0.00001"), Forecast::Never);
        assert_eq!(full_in("NaN"), Forecast::Unknown);
        assert_eq!(disks(&WHOLE)[0].full_in, Forecast::Unknown);
    }

    #[test]
    fn a_pod_with_only_its_memory_known_has_no_cpu_of_zero() {
        let mut answers = Answers::default();
        answers.insert(Query::Memory, vector("pod", "1024"));
        answers.insert(Query::Cpu, vector("pod", "NaN"));
        let usages = answers.usages();
        assert_eq!(usages.len(), 1);
        assert_eq!(usages[0].1.memory, Some(1024.0));
        assert_eq!(usages[0].1.cpu, None);
        assert_eq!(usages[0].1.restarts, None);
    }

    proptest! {
        #[test]
        fn no_forecast_overflows(available in 0.0..f64::MAX, rate in proptest::num::f64::ANY) {
            if let Forecast::In(left) = forecast(available, Some(rate)) {
                prop_assert!(left.as_secs_f64() <= FARTHEST && !left.is_negative());
            }
        }
    }
}
