//! CPU and memory against their limits, and restarts within the hour. Only a fresh reading
//! makes a finding; a stale one does not take it back.

use jiff::Timestamp;

use super::words::{ago, says};
use super::{Case, finding, pod_of};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::Kind;
use crate::domain::pod::Pod;
use crate::domain::policy::Policy;
use crate::domain::quantity::human_bytes;

/// What the metrics say of one pod; none = not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Cores, as an average of some minutes.
    pub(super) cpu: Option<f64>,
    /// Bytes of the working set: what the kernel kills for.
    pub(super) memory: Option<f64>,
    /// Share of throttled CPU periods, 0..1.
    pub(super) throttled: Option<f64>,
    /// Restarts of its containers within the hour.
    pub(super) restarts: Option<f64>,
    pub(super) at: Timestamp,
    pub(super) fresh: bool,
    pub(super) source: &'static str,
}

fn usage_of(case: &Case<'_>, pod: &Pod) -> Option<Usage> {
    let usage = case.metrics.usage(&pod.meta.key)?;
    Some(Usage {
        cpu: usage.cpu,
        memory: usage.memory,
        throttled: usage.throttled,
        restarts: usage.restarts,
        at: usage.at,
        fresh: usage.fresh && case.metrics.is_live(),
        source: usage.source.into(),
    })
}

pub(super) fn judge(case: &Case<'_>, pod: &Pod, found: &mut Vec<Finding>) {
    if pod.meta.deleted.is_some() {
        return;
    }
    let Some(usage) = usage_of(case, pod) else {
        return;
    };
    for (code, severity) in levels(&usage, pod, case.policy) {
        if !usage.fresh && !case.found_before(code, &pod.meta) {
            continue;
        }
        // Rows alone may have told it already, or tell worse.
        let told = |f: &Finding| f.code == code || f.code == Code::CrashLoop;
        if code != Code::Restarting || !found.iter().any(told) {
            found.push(finding(code, severity, Kind::Pod, &pod.meta, None));
        }
    }
}

fn levels(
    usage: &Usage,
    pod: &Pod,
    policy: &Policy,
) -> impl Iterator<Item = (Code, Severity)> + use<> {
    let memory = share(usage.memory, pod.memory_limit).is_some_and(|s| s >= policy.memory_critical);
    let throttled = usage.throttled.is_some_and(|t| t >= policy.throttling);
    // Being held back for a moment is what a limit is for; at the limit all the time hurts.
    let at_limit = share(usage.cpu, pod.cpu_limit).is_some_and(|s| s >= policy.cpu_critical);
    let restarts = usage
        .restarts
        .is_some_and(|r| r.round() >= f64::from(policy.restarts));
    let cpu = if at_limit {
        Severity::Soon
    } else {
        Severity::Note
    };
    [
        restarts.then_some((Code::Restarting, Severity::Soon)),
        memory.then_some((Code::MemoryHigh, Severity::Soon)),
        throttled.then_some((Code::CpuThrottled, cpu)),
    ]
    .into_iter()
    .flatten()
}

fn share(used: Option<f64>, limit: Option<crate::domain::quantity::Quantity>) -> Option<f64> {
    let limit = limit?.as_f64();
    (limit > 0.0).then_some(used? / limit)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(
        || "?".to_owned(),
        |s| format!("{:.0} %", (s * 100.0).floor()),
    )
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(pod) = pod_of(case, key) else {
        return says(format!("pod {key} is gone"), "it is judged again");
    };
    let Some(usage) = usage_of(case, pod) else {
        return says(
            format!("what {key} uses is not known any more"),
            "it is read again",
        )
        .runbook(finding);
    };
    let policy = case.policy;
    let as_of = if usage.fresh {
        String::new()
    } else {
        format!(" (as of {} ago)", ago(case.now, usage.at))
    };
    let explanation = if finding.code == Code::MemoryHigh {
        let limit = pod
            .memory_limit
            .map_or(0.0, crate::domain::quantity::Quantity::as_f64);
        let used = usage.memory.unwrap_or_default();
        let share = percent(share(usage.memory, pod.memory_limit));
        says(
            format!("{key} uses {share} of its memory limit; beyond it it is killed"),
            format!(
                "less than {} is used",
                percent(Some(policy.memory_critical))
            ),
        )
        .reading(
            format!(
                "memory: {} of {}{as_of}",
                human_bytes(used),
                human_bytes(limit)
            ),
            usage.at,
            usage.source,
        )
        .advice("have the user save and end what is not needed")
        .advice("raise the limit where the set is defined: that rolls every session")
    } else {
        let share = percent(share(usage.cpu, pod.cpu_limit));
        says(
            format!(
                "{key} was held back in {} of its CPU periods",
                percent(usage.throttled)
            ),
            format!("less than {} of them", percent(Some(policy.throttling))),
        )
        .reading(
            format!("CPU: {share} of its limit{as_of}"),
            usage.at,
            usage.source,
        )
        .step("shell", "see with its user which process it is")
    };
    explanation.runbook(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use crate::domain::quantity::Quantity;
    use rstest::rstest;

    fn limited() -> Pod {
        let mut pod = pod("ide-0").running();
        pod.cpu_limit = Some(Quantity::parse("2").unwrap());
        pod.memory_limit = Some(Quantity::parse("1000").unwrap());
        pod
    }

    fn reading(cpu: f64, memory: f64, throttled: f64, restarts: f64) -> Usage {
        Usage {
            cpu: Some(cpu),
            memory: Some(memory),
            throttled: Some(throttled),
            restarts: Some(restarts),
            fresh: true,
            ..Usage::default()
        }
    }

    #[rstest]
    #[case::idle(reading(0.1, 500.0, 0.0, 0.0), &[])]
    #[case::memory_below(reading(0.1, 949.0, 0.0, 0.0), &[])]
    #[case::memory(reading(0.1, 950.0, 0.0, 0.0), &[(Code::MemoryHigh, Severity::Soon)])]
    #[case::busy_and_not_held_back(reading(2.0, 0.0, 0.2, 0.0), &[])]
    #[case::held_back(reading(1.0, 0.0, 0.25, 0.0), &[(Code::CpuThrottled, Severity::Note)])]
    #[case::held_back_at_its_limit(
        reading(1.8, 0.0, 0.25, 0.0), &[(Code::CpuThrottled, Severity::Soon)])]
    #[case::extrapolated_restarts(
        reading(0.0, 0.0, 0.0, 2.9), &[(Code::Restarting, Severity::Soon)])]
    #[case::fewer_restarts(reading(0.0, 0.0, 0.0, 2.1), &[])]
    #[case::no_numbers(reading(f64::NAN, f64::NAN, f64::NAN, f64::NAN), &[])]
    #[case::nothing_known(Usage { fresh: true, ..Usage::default() }, &[])]
    fn use_is_measured_against_the_limits_of_the_pod(
        #[case] usage: Usage,
        #[case] expected: &[(Code, Severity)],
    ) {
        let found: Vec<_> = levels(&usage, &limited(), &Policy::default()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn without_a_limit_no_share_is_known() {
        let pod = pod("ide-0").running();
        let usage = reading(99.0, 1e12, 0.0, 0.0);
        assert_eq!(levels(&usage, &pod, &Policy::default()).count(), 0);
    }
}
