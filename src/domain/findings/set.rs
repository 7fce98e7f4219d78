//! Sets that do not become what they should be.

use jiff::{SignedDuration, Timestamp};

use super::words::{ago, says};
use super::{Case, finding, pod};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::inventory::beside;
use crate::domain::key::Kind;
use crate::domain::workload::Set;

/// As in kubernetes-mixin (`KubeStatefulSetReplicasMismatch`).
const CONVERGES_WITHIN: SignedDuration = SignedDuration::from_mins(15);

/// Looking at more ordinals than this for one verdict would be felt.
const LOOKED_AT: usize = 10_000;

pub(super) fn judge(case: &mut Case<'_>, set: &Set, found: &mut Vec<Finding>) {
    if set.ready >= set.replicas || set.meta.deleted.is_some() || !case.is_live(Kind::Pod) {
        return;
    }
    let oldest = behind(case, set).map(|(_, since)| since).min();
    if let Some(since) = oldest
        && case.has_lasted(since, CONVERGES_WITHIN)
    {
        let code = Code::SetNotConverged;
        let since = Some(since);
        found.push(finding(code, Severity::Soon, Kind::Set, &set.meta, since));
    }
}

/// Ordinals that are not ready, and at least since when.
fn behind(case: &Case<'_>, set: &Set) -> impl Iterator<Item = (u32, Timestamp)> {
    let inventory = case.inventory;
    set.ordinals().take(LOOKED_AT).filter_map(move |ordinal| {
        let key = beside(&set.meta.key, &set.pod_name(ordinal).into());
        match inventory.pods.get(&key) {
            Some(pod) if pod.ready => None,
            Some(pod) => Some((ordinal, pod::unready_since(pod))),
            None => {
                let workspace = inventory.workspace(&key)?;
                Some((ordinal, pod::missing_since(case, workspace, set)))
            }
        }
    })
}

/// The newest refusal to make a pod or a claim: quota, admission, account.
pub(super) fn why_not_created(explanation: Explanation, case: &Case<'_>, set: &Set) -> Explanation {
    let window = case.policy.event_window;
    let newest = case
        .inventory
        .events_of(Kind::Set, &set.meta.key)
        .filter(|e| e.warning && case.now.duration_since(e.last) <= window)
        .max_by_key(|e| e.last);
    match newest {
        Some(event) => explanation.event(case, event),
        None => explanation,
    }
}

pub(super) fn explain(case: &Case<'_>, finding: &Finding) -> Explanation {
    let key = &finding.subject.key;
    let Some(set) = case.inventory.sets.get(key) else {
        return says(format!("set {key} is gone"), "it is judged again");
    };
    let since = finding
        .since
        .map_or_else(String::new, |at| format!(" for {}", ago(case.now, at)));
    let mut explanation = says(
        format!(
            "set {key} has {} of {} pods ready{since}",
            set.ready, set.replicas
        ),
        "all of its pods are ready",
    );
    if set.observed_generation < set.generation {
        let text = format!(
            "its controller has seen generation {} of {}",
            set.observed_generation, set.generation
        );
        explanation = explanation.fact(case, Kind::Set, text, None);
    }
    if set.current_revision != set.update_revision {
        let text = format!(
            "{} of {} are of the new revision",
            set.updated, set.replicas
        );
        explanation = explanation.fact(case, Kind::Set, text, None);
    }
    let mut behind: Vec<(u32, Timestamp)> = behind(case, set).collect();
    behind.sort_by_key(|(_, since)| *since);
    for (ordinal, since) in behind.iter().take(5) {
        let pod = beside(key, &set.pod_name(*ordinal).into());
        let status = case
            .inventory
            .pods
            .get(&pod)
            .map_or("missing", |p| p.status());
        let text = format!("{}: {status} for {}", pod.name, ago(case.now, *since));
        explanation = explanation.fact(case, Kind::Pod, text, Some(*since));
    }
    explanation = why_not_created(explanation, case, set);
    if !set.parallel
        && let Some(first) = behind.iter().map(|(ordinal, _)| ordinal).min()
    {
        let name = set.pod_name(*first);
        explanation = explanation.advice(format!(
            "mend {name} first: with OrderedReady the later ones wait for it"
        ));
    }
    explanation
        .advice("mend its pods one by one; each has its own finding")
        .step("events", "read what the set's controller says")
        .advice("never delete the claims of a pod to make it start")
        .runbook(finding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    #[rstest]
    #[case::for_a_while(14, false)]
    #[case::too_long(16, true)]
    fn a_set_may_take_a_while_to_converge(#[case] minutes: i64, #[case] expected: bool) {
        let pod = pod("ide-0")
            .claim("workspace-ide-0")
            .unready(minutes_ago(minutes));
        let found = codes(healthy_but(rows![set("ide", 1).ready(0), pod]));
        assert_eq!(
            found.contains(&Code::SetNotConverged),
            expected,
            "{found:?}"
        );
    }

    #[test]
    fn a_set_whose_pods_are_ready_has_converged() {
        assert_eq!(codes(healthy_but(rows![set("ide", 1)])), []);
    }

    #[test]
    fn the_words_name_the_first_pod_to_mend_and_the_refusal() {
        let refusal = event(
            Kind::Set,
            "ide",
            "FailedCreate",
            "exceeded quota: q",
            minutes_ago(2),
        );
        let mut inventory = world(healthy_but(rows![
            set("ide", 3).ready(0).ordered(),
            pod("ide-0").claim("workspace-ide-0").unready(hours_ago(3)),
            refusal,
        ]));
        let words = explained(&mut inventory, Code::SetNotConverged);
        assert!(
            words.steps[0].text.starts_with("mend ide-0 first"),
            "{words:?}"
        );
        let refused = "FailedCreate: exceeded quota: q";
        assert!(
            words.evidence.iter().any(|e| e.text == refused),
            "{words:?}"
        );
    }
}
