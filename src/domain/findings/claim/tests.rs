use super::*;
use crate::domain::build::*;
use crate::domain::inventory::Row;
use rstest::rstest;

const CLAIM: &str = "workspace-ide-0";

/// The workspace with this claim in the place of its own, and with these rows.
fn with(claim: Claim, rows: Vec<Row>) -> Vec<Row> {
    healthy_but(std::iter::once(claim.into()).chain(rows).collect())
}

/// The same without a pod, as a parked ordinal.
fn parked(claim: Claim) -> Vec<Row> {
    with(claim, rows![set("ide", 0)])
        .into_iter()
        .filter(|r| r.kind() != Kind::Pod)
        .collect()
}

fn ending() -> Pod {
    pod("ide-0").claim(CLAIM).running().deleted(seconds_ago(5))
}

#[test]
fn a_claim_deleted_in_use_is_the_first_of_all_findings() {
    let mut rows = with(claim(CLAIM).deleted(seconds_ago(1)), rows![]);
    rows.push(claim("workspace-ide-1").lost().into());
    rows.push(set("ide", 2).into());
    let found = found_with(&mut world(rows), &no_metrics());
    assert_eq!(found[0].1.code, Code::ClaimTerminatingInUse);
    assert_eq!(found[0].1.severity, Severity::DataAtRisk);
    assert!(found.iter().all(|(_, f)| f.code != Code::ClaimTerminating));
}

#[rstest]
#[case::by_hand(claim(CLAIM).deleted(minutes_ago(1)), &[Code::ClaimTerminatingInUse])]
#[case::with_its_set(claim(CLAIM).deleted(minutes_ago(1)).owned_by("StatefulSet", "ide"), &[])]
fn a_claim_that_its_owner_takes_along_may_end_with_its_pod(
    #[case] claim: Claim,
    #[case] expected: &[Code],
) {
    assert_eq!(codes(with(claim, rows![ending()])), expected);
}

#[test]
fn an_owner_does_not_excuse_a_deletion_under_a_pod_that_goes_on() {
    let claim = claim(CLAIM)
        .deleted(minutes_ago(1))
        .owned_by("StatefulSet", "ide");
    assert_eq!(codes(with(claim, rows![])), [Code::ClaimTerminatingInUse]);
}

#[rstest]
#[case::young(4, &[])]
#[case::old(6, &[Code::ClaimTerminating])]
fn an_unused_claim_may_take_its_time_to_end(#[case] minutes: i64, #[case] expected: &[Code]) {
    let rows = parked(claim(CLAIM).deleted(minutes_ago(minutes)));
    assert_eq!(codes(rows), expected);
}

#[test]
fn an_ending_claim_is_not_unused_while_pods_are_not_known() {
    let mut inventory = world(parked(claim(CLAIM).deleted(minutes_ago(6))));
    set_freshness(&mut inventory, Kind::Pod, denied());
    assert_eq!(codes_of(&mut inventory), []);
}

#[test]
fn a_lost_claim_is_data_at_risk() {
    let found = found_with(&mut world(parked(claim(CLAIM).lost())), &no_metrics());
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].1.rank(), (Severity::DataAtRisk, Code::ClaimLost));
}

/// Pods that are as young as their claim.
fn starting(seconds: i64) -> Pod {
    pod("ide-0").claim(CLAIM).pending(seconds_ago(seconds))
}

#[rstest]
#[case::young(claim(CLAIM).pending(seconds_ago(119)), rows![starting(119)], &[])]
#[case::too_long(claim(CLAIM).pending(seconds_ago(121)), rows![starting(121)],
    &[Code::PodNotReady, Code::ClaimPending])]
#[case::counted_from_its_first_pod(claim(CLAIM).pending(hours_ago(5)), rows![starting(60)], &[])]
#[case::a_pod_that_nobody_takes(claim(CLAIM).pending(minutes_ago(9)),
    rows![starting(540).unscheduled("no cpu", minutes_ago(9))], &[Code::Unschedulable])]
#[case::a_pod_that_nobody_takes_and_a_refusal(claim(CLAIM).pending(minutes_ago(9)),
    rows![starting(540).unscheduled("no cpu", minutes_ago(9)),
        event(Kind::Claim, CLAIM, "ProvisioningFailed", "quota", minutes_ago(1))],
    &[Code::Unschedulable, Code::ClaimPending])]
#[case::bound_at_once_by_its_class(claim(CLAIM).class("now").pending(minutes_ago(9)),
    rows![storage_class("now", false), starting(60)], &[Code::ClaimPending])]
fn a_claim_may_wait_for_its_volume_for_a_while(
    #[case] claim: Claim,
    #[case] rows: Vec<Row>,
    #[case] expected: &[Code],
) {
    assert_eq!(codes(with(claim, rows)), expected);
}

#[rstest]
#[case::waits_for_its_first_pod("fast", &[])]
#[case::bound_at_once("now", &[Code::ClaimPending])]
#[case::class_not_known("gone", &[])]
fn a_claim_without_a_pod_is_pending_only_if_its_class_needs_none(
    #[case] class: &str,
    #[case] expected: &[Code],
) {
    let mut rows = parked(claim(CLAIM).class(class).pending(minutes_ago(9)));
    rows.push(storage_class("now", false).into());
    assert_eq!(codes(rows), expected);
}

fn without_claim(pod: Pod) -> Vec<Row> {
    rows![set("ide", 1), node("n1"), pod]
}

#[test]
fn a_claim_that_a_pod_waits_for_is_missing() {
    let found = codes(without_claim(starting(121)));
    assert_eq!(found, [Code::PodNotReady, Code::ClaimMissing]);
    assert_eq!(codes(without_claim(starting(119))), []);
}

#[test]
fn no_claim_is_missing_while_claims_are_not_known() {
    let mut inventory = world(without_claim(starting(121)));
    set_freshness(&mut inventory, Kind::Claim, denied());
    assert_eq!(codes_of(&mut inventory), [Code::PodNotReady]);
}

#[test]
fn claims_of_a_set_that_is_gone_cost() {
    let rows = || rows![claim(CLAIM), snapshot("s1", CLAIM, hours_ago(50))];
    let mut inventory = world(rows());
    assert_eq!(codes_of(&mut inventory), [Code::ClaimsWithoutSet]);
    let words = explained(&mut inventory, Code::ClaimsWithoutSet);
    let sentence = "1 claims (100.0 GiB) are left of set ide, which is gone";
    assert_eq!(words.sentence, sentence);
    put(&mut inventory, set("ide", 1));
    assert!(!codes_of(&mut inventory).contains(&Code::ClaimsWithoutSet));
}

#[test]
fn claims_that_are_held_are_kept_on_purpose() {
    let mut held = claim(CLAIM);
    held.held = true;
    assert_eq!(codes(rows![held, snapshot("s1", CLAIM, hours_ago(50))]), []);
}

#[test]
fn a_claim_of_no_workspace_is_judged_by_itself_and_only_once() {
    let mut inventory = world(rows![claim("data").lost()]);
    assert_eq!(codes_of(&mut inventory), [Code::ClaimLost]);
    // A set that comes later takes a claim over, and with it the finding.
    let mut inventory = world(rows![claim("w-ide-0").lost()]);
    assert_eq!(codes_of(&mut inventory), [Code::ClaimLost]);
    put(&mut inventory, set("ide", 0).templates(&["w"]));
    assert_eq!(codes_of(&mut inventory), [Code::ClaimLost]);
}

#[test]
fn the_words_of_a_claim_deleted_in_use_forbid_the_restart_first() {
    let mut inventory = world(with(claim(CLAIM).deleted(minutes_ago(38)), rows![]));
    let words = explained(&mut inventory, Code::ClaimTerminatingInUse);
    assert!(
        words
            .sentence
            .contains("deleted 38m ago while a pod uses it"),
        "{}",
        words.sentence
    );
    assert!(
        words.steps[0].text.starts_with("keep the pod running"),
        "{:?}",
        words.steps
    );
    let texts: Vec<&str> = words.evidence.iter().map(|e| &*e.text).collect();
    assert!(texts.contains(&"pod ide-0 uses it (Running)"), "{texts:?}");
    assert!(
        texts
            .iter()
            .any(|t| t.starts_with("newest ready snapshot of workspace-ide-0")),
        "{texts:?}"
    );
    assert!(texts.iter().any(|t| t.contains("is Delete")), "{texts:?}");
}

#[test]
fn a_backup_that_may_not_be_read_is_not_told_to_be_absent() {
    let mut rows = with(claim(CLAIM).deleted(minutes_ago(38)), rows![]);
    rows.retain(|r| r.kind() != Kind::Snapshot);
    let mut inventory = world(rows);
    set_freshness(&mut inventory, Kind::Snapshot, denied());
    let words = explained(&mut inventory, Code::ClaimTerminatingInUse);
    let text = "whether workspace-ide-0 has a snapshot is not known: not allowed to list things";
    assert!(words.evidence.iter().any(|e| e.text == text), "{words:?}");
}
