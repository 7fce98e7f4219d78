//! What a test of persistence says, from what its steps found.

use rstest::rstest;

use super::*;
use crate::action::journal::End;
use crate::action::verify::{Class, report};

fn plan_of_test() -> Plan {
    let request = Request::Verify {
        workspace: key("ide-0"),
        force: false,
        other_node: false,
    };
    Desk::new(healthy()).plan(&request).unwrap()
}

/// What the scripts print of a claim whose content has this checksum.
fn facts(sum: &str) -> String {
    format!(
        "kind=ef53\nfsid=7\nmounted=\ndir=there\nsum={sum}\nmode=640 981173106\nlink=payload\n\
         tombstone=gone"
    )
}

/// The checksum that the plan expects of its first claim.
fn sum(plan: &Plan) -> String {
    let step = plan.steps.iter().find(|s| s.id.starts_with("sum-"));
    match &step.unwrap().what {
        Do::Call {
            call:
                Call::Exec {
                    expect: Expect::Prints(sum),
                    ..
                },
            ..
        } => sum.clone(),
        other => panic!("{other:?}"),
    }
}

/// A job whose steps all went well, but for those that `but` says otherwise of; `after` is what
/// the new pod reads.
fn class_of(plan: &Plan, after: &str, but: &[(&str, StepResult)]) -> Class {
    let mut records = vec![Entry::Planned {
        plan: Box::new(plan.clone()),
    }];
    let mut end = End::Done;
    for (at, step) in plan.steps.iter().enumerate() {
        let is_it = |(id, _): &&(&str, StepResult)| step.id.starts_with(id);
        let other = but.iter().find(is_it).map(|(_, result)| result.clone());
        let result = other.unwrap_or_else(|| StepResult::Done {
            text: String::new(),
        });
        let text = if step.id.starts_with("before-") {
            facts(&sum(plan))
        } else if step.id.starts_with("after-") {
            after.to_owned()
        } else {
            String::new()
        };
        let named = step.captures.iter().map(|c| (c.name.clone(), text.clone()));
        let captured = named.collect();
        if let StepResult::Failed { why, next } = &result {
            end = End::Failed {
                why: why.clone(),
                next: next.clone(),
            };
        }
        records.push(Entry::Answered {
            step: at,
            id: step.id.clone(),
            result,
            captured,
        });
        if matches!(end, End::Failed { .. }) {
            break;
        }
    }
    records.push(Entry::Ended { end });
    let records: Vec<Record> = records
        .into_iter()
        .map(|entry| Record { at: now(), entry })
        .collect();
    let job = Job::replay(&records, false).unwrap();
    report(&job).unwrap().class
}

#[rstest]
#[case::same("", "", Class::Pass)]
#[case::other_bytes("sum=", "sum=0", Class::F10)]
#[case::no_file("sum=", "none=", Class::F9)]
#[case::no_folder("dir=there", "dir=gone", Class::F9)]
#[case::undeleted("tombstone=gone", "tombstone=back", Class::F11)]
#[case::other_mode("mode=640", "mode=644", Class::F10)]
#[case::other_disk("fsid=7", "fsid=8", Class::F8)]
fn the_class_follows_from_what_the_new_pod_reads(
    #[case] from: &str,
    #[case] to: &str,
    #[case] class: Class,
) {
    let plan = plan_of_test();
    let after = facts(&sum(&plan));
    assert_eq!(class_of(&plan, &after.replacen(from, to, 1), &[]), class);
}

#[test]
fn an_id_that_is_of_the_device_proves_nothing() {
    let plan = plan_of_test();
    let after = facts(&sum(&plan)).replace("kind=ef53", "kind=58465342");
    let after = after.replace("fsid=7", "fsid=8");
    assert_eq!(class_of(&plan, &after, &[]), Class::Pass);
}

fn tolerated(why: &str) -> StepResult {
    StepResult::Tolerated { why: why.into() }
}

fn failed(why: &str) -> StepResult {
    StepResult::Failed {
        why: why.into(),
        next: "look".into(),
    }
}

#[rstest]
#[case("same-", tolerated("claim is not as it was: it is gone"), Class::F8)]
#[case(
    "same-",
    tolerated("reading claim: cannot reach the server"),
    Class::F12
)]
#[case(
    "others",
    tolerated("pod is not as it was: it was restarted"),
    Class::F14
)]
#[case("others", tolerated("listing pods: no right"), Class::F12)]
#[case("ready", tolerated("still not so after 600 s"), Class::F7)]
#[case("clean-", tolerated("the command failed"), Class::F13)]
#[case(
    "is-idle",
    failed("the command printed something else than it should"),
    Class::F0
)]
#[case(
    "is-idle",
    failed("the command ended with code 127: no sh"),
    Class::F12
)]
#[case(
    "room-",
    failed("the command ended with code 1: no space left"),
    Class::F1
)]
#[case("room-", failed("the command ended with code 127: no dd"), Class::F12)]
#[case("write-", failed("the connection broke"), Class::F12)]
#[case(
    "sum-",
    failed("the command printed something else than it should"),
    Class::F10
)]
#[case("evict", failed("the budget allows none"), Class::F2)]
#[case(
    "evict",
    failed("the server did not take it within 120 s: evicting pod: slow down"),
    Class::F12
)]
#[case("ended", failed("still terminating"), Class::F3)]
#[case("made", failed("no pod"), Class::F4)]
#[case("scheduled", failed("no node"), Class::F5)]
#[case("mounted", failed("FailedMount"), Class::F6)]
fn the_class_follows_from_the_step_that_failed(
    #[case] step: &str,
    #[case] result: StepResult,
    #[case] class: Class,
) {
    let plan = plan_of_test();
    let after = facts(&sum(&plan));
    assert_eq!(class_of(&plan, &after, &[(step, result)]), class);
}
