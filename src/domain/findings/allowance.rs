//! What limits others: quotas that are used up, disruption budgets that allow nothing.

use super::words::{human_amount, says};
use super::{Case, finding};
use crate::domain::finding::{Code, Explanation, Finding, Severity};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;
use crate::domain::workload::{Budget, Quota};

/// Resources of a quota that are used up. A limit of zero is a prohibition, not a shortage.
fn used_up(quota: &Quota) -> impl Iterator<Item = (&str, Quantity, Quantity)> {
    quota.hard.iter().filter_map(|(name, hard)| {
        let (_, used) = quota.used.iter().find(|(used, _)| used == name)?;
        (*hard > Quantity::ZERO && used >= hard).then_some((&**name, *used, *hard))
    })
}

pub(super) fn judge_quota(quota: &Quota, found: &mut Vec<Finding>) {
    if used_up(quota).next().is_some() {
        let code = Code::QuotaExceeded;
        found.push(finding(
            code,
            Severity::Soon,
            Kind::Quota,
            &quota.meta,
            None,
        ));
    }
}

pub(super) fn explain_quota(case: &Case<'_>, key: &ObjectKey) -> Explanation {
    let Some(quota) = case.inventory.quotas.get(key) else {
        return says(
            format!("quota {key} is gone since this was found"),
            "it is judged again",
        );
    };
    let worst = used_up(quota).next();
    let sentence = worst.map_or_else(
        || format!("quota {key} was used up and is not any more"),
        |(name, used, hard)| {
            let (used, hard) = (human_amount(name, used), human_amount(name, hard));
            format!("quota {key} is used up: {name} {used} of {hard}; more is refused")
        },
    );
    let mut explanation = says(sentence, "less is used than the quota allows");
    for (name, used, hard) in used_up(quota) {
        let (used, hard) = (human_amount(name, used), human_amount(name, hard));
        let text = format!("{name}: {used} of {hard}");
        explanation = explanation.fact(case, Kind::Quota, text, None);
    }
    explanation
        .advice(
            "see what uses it: claims of sets that are gone, disks left over, parked workspaces",
        )
        .advice("free that first, then have the quota raised")
        .step("runbook", "runbook quota-exceeded")
}

/// A budget that allows nothing although it has pods. By design when all of them are healthy
/// (an eviction is refused, nothing is broken); else some unhealthy pod blocks everybody.
pub(super) fn judge_budget(budget: &Budget, found: &mut Vec<Finding>) {
    if budget.expected_pods <= 0 || budget.disruptions_allowed > 0 {
        return;
    }
    let severity = if budget.current_healthy < budget.desired_healthy {
        Severity::Soon
    } else {
        Severity::Note
    };
    let code = Code::BudgetBlocks;
    found.push(finding(code, severity, Kind::Budget, &budget.meta, None));
}

pub(super) fn explain_budget(case: &Case<'_>, key: &ObjectKey) -> Explanation {
    let Some(budget) = case.inventory.budgets.get(key) else {
        return says(
            format!("budget {key} is gone since this was found"),
            "it is judged again",
        );
    };
    let (healthy, desired) = (budget.current_healthy, budget.desired_healthy);
    let text = format!(
        "{healthy} pods healthy, {desired} needed, {} expected, {} disruptions allowed",
        budget.expected_pods, budget.disruptions_allowed
    );
    let explanation = says(
        format!(
            "budget {key} allows no eviction: {healthy} of at least {desired} pods are healthy"
        ),
        "at least one disruption is allowed",
    )
    .fact(case, Kind::Budget, text, None);
    let explanation = if healthy < desired {
        explanation.advice("mend the pods that are not healthy first")
    } else {
        explanation.advice("by design: evicting or draining waits until the budget is changed")
    };
    explanation
        .advice("never get around it by deleting the pod")
        .step("runbook", "runbook budget-blocks")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::build::*;
    use rstest::rstest;

    #[rstest]
    #[case("99Gi", "100Gi", false)]
    #[case("100Gi", "100Gi", true)]
    #[case("110Gi", "100Gi", true)]
    #[case("0", "0", false)]
    fn a_quota_is_found_once_it_is_used_up(
        #[case] used: &str,
        #[case] hard: &str,
        #[case] found: bool,
    ) {
        let rows = healthy_but(rows![quota("q", "requests.storage", used, hard)]);
        assert_eq!(codes(rows), vec![Code::QuotaExceeded; usize::from(found)]);
    }

    #[test]
    fn a_quota_without_a_count_of_what_is_used_is_not_known() {
        let mut unknown = quota("q", "pods", "9", "9");
        unknown.used.clear();
        assert_eq!(codes(healthy_but(rows![unknown])), []);
    }

    #[test]
    fn the_words_tell_counts_as_counts_and_sizes_as_sizes() {
        let mut inventory = world(rows![quota("q", "count/pods", "1024", "1024")]);
        let words = explained(&mut inventory, Code::QuotaExceeded);
        assert!(
            words.sentence.contains("count/pods 1024 of 1024"),
            "{}",
            words.sentence
        );
        let mut inventory = world(rows![quota("q", "requests.storage", "2Ti", "2Ti")]);
        let words = explained(&mut inventory, Code::QuotaExceeded);
        assert!(
            words.sentence.contains("2.0 TiB of 2.0 TiB"),
            "{}",
            words.sentence
        );
    }

    #[rstest]
    #[case::allows(budget("b", 1, 3, 2), None)]
    #[case::by_design(budget("b", 0, 2, 2), Some(Severity::Note))]
    #[case::an_unhealthy_pod(budget("b", 0, 1, 2), Some(Severity::Soon))]
    #[case::no_pods(budget("b", 0, 0, 0), None)]
    fn a_budget_that_allows_nothing_matters_when_a_pod_is_unhealthy(
        #[case] budget: Budget,
        #[case] expected: Option<Severity>,
    ) {
        let found = found_with(&mut world(healthy_but(rows![budget])), &no_metrics());
        let severities: Vec<Severity> = found.iter().map(|(_, f)| f.severity).collect();
        assert_eq!(severities, expected.into_iter().collect::<Vec<_>>());
    }
}
