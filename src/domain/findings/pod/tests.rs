use super::*;
use crate::domain::build::*;
use crate::domain::freshness::Freshness;
use crate::domain::inventory::Row;
use rstest::rstest;

/// The workspace's pod with its claim.
fn ide() -> Pod {
    pod("ide-0").claim("workspace-ide-0")
}

#[rstest]
#[case::healthy(ide().running(), None)]
#[case::starting(ide().pending(seconds_ago(119)), None)]
#[case::pending_too_long(ide().pending(seconds_ago(121)), Some(Code::PodNotReady))]
#[case::unready_for_a_moment(ide().unready(seconds_ago(119)), None)]
#[case::unready_too_long(ide().unready(seconds_ago(121)), Some(Code::PodNotReady))]
#[case::ending(ide().running().deleted(seconds_ago(59)), None)]
#[case::ending_within_its_grace(ide().running().deleted(now() + SignedDuration::from_secs(30)), None)]
#[case::ends_too_long(ide().running().deleted(seconds_ago(61)), Some(Code::PodTerminating))]
#[case::back_off(ide().waits("CrashLoopBackOff").restarted(1), Some(Code::CrashLoop))]
#[case::between_crashes(
    ide().unready(seconds_ago(3)).restarted(3).exited("Error", 1, seconds_ago(4)), Some(Code::CrashLoop))]
#[case::a_first_crash(
    ide().unready(seconds_ago(3)).restarted(1).exited("Error", 1, seconds_ago(4)), None)]
#[case::ended_well_before(
    ide().unready(seconds_ago(3)).restarted(9).exited("Completed", 0, seconds_ago(4)), None)]
#[case::crashes_of_long_ago(
    ide().unready(seconds_ago(3)).restarted(9).exited("Error", 1, hours_ago(2)), None)]
#[case::image_back_off(ide().waits("ImagePullBackOff"), Some(Code::ImagePull))]
#[case::image_error(ide().waits("ErrImagePull"), Some(Code::ImagePull))]
#[case::image_name(ide().waits("InvalidImageName"), Some(Code::ImagePull))]
#[case::creating(ide().pending(seconds_ago(30)).waits("ContainerCreating"), None)]
#[case::not_placed_yet(ide().pending(seconds_ago(119)).unscheduled("no cpu", seconds_ago(119)), None)]
#[case::not_placed(ide().unscheduled("no cpu", seconds_ago(121)), Some(Code::Unschedulable))]
#[case::failed(ide().phase(Phase::Failed), Some(Code::PodFailed))]
#[case::completed(ide().phase(Phase::Succeeded), None)]
#[case::killed_for_memory(
    ide().running().restarted(1).exited("OOMKilled", 137, minutes_ago(59)), Some(Code::OutOfMemory))]
#[case::killed_for_memory_long_ago(
    ide().running().restarted(1).exited("OOMKilled", 137, minutes_ago(61)), None)]
#[case::restarts_in_its_first_hour(
    ide().created(minutes_ago(50)).running().restarted(3), Some(Code::Restarting))]
#[case::restarts_over_its_life(ide().running().restarted(30), None)]
fn one_code_says_why_a_pod_does_not_serve(#[case] pod: Pod, #[case] expected: Option<Code>) {
    let expected: Vec<Code> = expected.into_iter().collect();
    assert_eq!(codes(healthy_but(rows![pod])), expected);
}

#[test]
fn a_kill_of_the_past_does_not_hide_that_a_pod_is_not_ready() {
    let pod = ide()
        .unready(minutes_ago(5))
        .restarted(1)
        .exited("OOMKilled", 137, minutes_ago(50));
    assert_eq!(
        codes(healthy_but(rows![pod])),
        [Code::PodNotReady, Code::OutOfMemory]
    );
}

/// The workspace without its pod; its claim is a month old.
fn without_pod() -> Vec<Row> {
    healthy()
        .into_iter()
        .filter(|r| r.kind() != Kind::Pod)
        .collect()
}

#[test]
fn a_pod_that_its_set_should_have_is_missing() {
    assert_eq!(codes(without_pod()), [Code::PodMissing]);
}

#[rstest]
#[case(Kind::Pod)]
#[case(Kind::Set)]
fn nothing_is_missing_while_it_is_not_known(#[case] kind: Kind) {
    let mut inventory = world(without_pod());
    for freshness in [denied(), Freshness::Never] {
        set_freshness(&mut inventory, kind, freshness);
        assert!(!codes_of(&mut inventory).contains(&Code::PodMissing));
    }
}

#[test]
fn a_restart_is_no_finding_before_the_policy_says_so() {
    let mut inventory = world(healthy());
    put(&mut inventory, ide().running().deleted(seconds_ago(20)));
    assert_eq!(codes_of(&mut inventory), []);
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    assert_eq!(codes_of(&mut inventory), [], "gone for 20 seconds");
    put(&mut inventory, ide().pending(seconds_ago(10)));
    assert_eq!(codes_of(&mut inventory), []);
    put(&mut inventory, ide().running());
    assert_eq!(codes_of(&mut inventory), []);
    put(&mut inventory, ide().running().deleted(seconds_ago(121)));
    remove(&mut inventory, Kind::Pod, key("ide-0"));
    assert_eq!(codes_of(&mut inventory), [Code::PodMissing]);
}

#[rstest]
#[case::scaled_up_and_not_seen_by_the_controller(1, 2, &[])]
#[case::seen(2, 2, &[Code::PodMissing])]
fn a_new_ordinal_waits_for_the_controller_to_see_the_set(
    #[case] observed: i64,
    #[case] generation: i64,
    #[case] expected: &[Code],
) {
    let mut bigger = set("ide", 2);
    (bigger.observed_generation, bigger.generation) = (observed, generation);
    assert_eq!(codes(healthy_but(rows![bigger])), expected);
}

#[test]
fn in_order_only_the_first_missing_pod_is_a_finding() {
    let first = codes(rows![set("ide", 4).ordered()]);
    assert_eq!(first, [Code::PodMissing]);
    let all = codes(rows![set("ide", 4)]);
    assert_eq!(all, [Code::PodMissing; 4]);
}

#[rstest]
#[case(ide().waits("CrashLoopBackOff").restarted(7).exited("Error", 1, minutes_ago(1)),
    Code::CrashLoop, "container ide of team/ide-0 crashed 7 times, last with Error (exit code 1)")]
#[case(ide().waits("ImagePullBackOff"),
    Code::ImagePull, "team/ide-0 cannot have its image example.org/ide: ImagePullBackOff")]
#[case(ide().unscheduled("0/3 nodes are available", minutes_ago(38)),
    Code::Unschedulable, "no node takes team/ide-0 since 38m: 0/3 nodes are available")]
#[case(ide().unready(minutes_ago(38)),
    Code::PodNotReady, "team/ide-0 is not ready for 38m: 0 of 1 containers are")]
#[case(ide().running().deleted(minutes_ago(9)),
    Code::PodTerminating, "team/ide-0 should have ended 9m ago, after its grace of 30s")]
fn the_sentence_has_the_number_that_matters(
    #[case] pod: Pod,
    #[case] code: Code,
    #[case] sentence: &str,
) {
    let words = explained(&mut world(healthy_but(rows![pod])), code);
    assert_eq!(words.sentence, sentence);
    assert!(!words.evidence.is_empty() && !words.steps.is_empty());
}

#[test]
fn evidence_says_as_of_when_once_its_kind_is_stale() {
    let mut inventory = world(healthy_but(rows![ide().unready(minutes_ago(38))]));
    let stale = Freshness::Stale {
        since: minutes_ago(4),
        why: "connection refused".into(),
    };
    set_freshness(&mut inventory, Kind::Pod, stale);
    let words = explained(&mut inventory, Code::PodNotReady);
    let text = &words.evidence[0].text;
    assert!(
        text.ends_with("(as of 4m ago: connection refused)"),
        "{text}"
    );
}

#[test]
fn a_pod_that_its_volume_keeps_from_a_node_names_the_zone() {
    let message = "1 node(s) had volume node affinity conflict";
    let rows = healthy_but(rows![ide().unscheduled(message, minutes_ago(5))]);
    let words = explained(&mut world(rows), Code::Unschedulable);
    let zone = "claim workspace-ide-0 lies in zone z1: 1 nodes are there";
    assert!(words.evidence.iter().any(|e| e.text == zone), "{words:?}");
}
