//! Key scripts: what the keys do to the model, and what they ask for.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;

use super::build::{gone, key, model, model_of, press, settle_all, some_rows, type_text};
use super::detail::{Fetched, Tab};
use super::listing::RowId;
use super::modal::Modal;
use super::model::{Focus, View};
use super::{Effect, Model, Msg, update};
use crate::domain::build::{minutes_ago, pod, put};
use crate::domain::inventory::Change;
use crate::domain::key::Kind;

fn names(model: &Model) -> Vec<&str> {
    model.listing().rows.iter().map(RowId::name).collect()
}

fn selected(model: &Model) -> &str {
    model.selected().map_or("nothing", RowId::name)
}

#[test]
fn what_needs_somebody_comes_first() {
    let model = model();
    assert_eq!(names(&model), ["ide-1", "ide-0", "ide-2"]);
    assert_eq!(selected(&model), "ide-1");
}

#[test]
fn the_selection_stays_on_its_object_while_rows_move_around_it() {
    let mut model = model();
    press(&mut model, "j");
    assert_eq!(selected(&model), "ide-0");
    // ide-2 becomes the worst: it comes above, and the cursor stays.
    put(
        &mut model.inventory,
        pod("ide-2")
            .waits("CrashLoopBackOff")
            .unready(minutes_ago(30)),
    );
    settle_all(&mut model);
    assert_eq!(selected(&model), "ide-0");
}

#[test]
fn a_row_that_goes_hands_the_cursor_to_the_one_in_its_place() {
    let mut model = model_of(some_rows());
    press(&mut model, "5 j");
    let before = selected(&model).to_owned();
    let RowId::Object(Kind::Pod, pod) = model.selected().cloned().unwrap() else {
        panic!("a pod is selected");
    };
    gone(&mut model, Kind::Pod, pod);
    assert_ne!(selected(&model), before);
    assert!(names(&model).contains(&selected(&model)));
}

#[rstest]
#[case("ana", &["ide-0"])]
#[case("!ana", &["ide-1", "ide-2"])]
#[case("user=ben", &["ide-1"])]
#[case("user!=ben", &["ide-0", "ide-2"])]
#[case("state=bad", &["ide-1"])]
#[case("state=parked", &["ide-2"])]
#[case("id1", &["ide-1"])]
#[case("nobody", &[])]
fn the_filter_line_narrows_while_it_is_typed(#[case] text: &str, #[case] expected: &[&str]) {
    let mut model = model();
    press(&mut model, "/");
    type_text(&mut model, text);
    let found: BTreeSet<&str> = names(&model).into_iter().collect();
    assert_eq!(found, expected.iter().copied().collect());
    press(&mut model, "esc");
    assert_eq!(names(&model).len(), 3, "esc gives the old filter back");
}

#[test]
fn escape_goes_out_one_thing_at_a_time() {
    let mut model = model();
    press(&mut model, "3 /");
    type_text(&mut model, "ide-0");
    press(&mut model, "enter enter");
    assert_eq!(model.focus, Focus::Detail);
    press(&mut model, "esc");
    assert_eq!(model.focus, Focus::Table);
    assert_eq!(names(&model).len(), 2);
    press(&mut model, "esc");
    assert_eq!(names(&model).len(), 6, "the filter is dropped");
    press(&mut model, "esc");
    assert_eq!(model.view, View::Workspaces);
    press(&mut model, "esc");
    assert_eq!(model.quit, None, "esc never quits");
}

#[test]
fn a_set_opens_its_workspaces_and_a_finding_opens_its_own() {
    let mut model = model();
    press(&mut model, "6 enter");
    assert_eq!(model.view, View::Workspaces);
    assert_eq!(names(&model).len(), 3);
    press(&mut model, "esc 2 enter");
    assert_eq!(model.view, View::Workspaces);
    assert_eq!(selected(&model), "ide-1");
    assert_eq!(model.focus, Focus::Detail);
}

#[test]
fn views_open_by_digit_and_by_every_name_that_people_know() {
    let mut model = model();
    for (line, view) in [
        ("pvc", View::Claims),
        ("sts", View::Sets),
        ("ev", View::Events),
        ("ws", View::Workspaces),
    ] {
        press(&mut model, ":");
        type_text(&mut model, line);
        press(&mut model, "enter");
        assert_eq!(model.view, view, "{line}");
    }
    press(&mut model, "9");
    assert_eq!(model.view, View::Jobs);
}

#[test]
fn a_command_that_is_none_names_the_nearest() {
    let mut model = model();
    press(&mut model, ":");
    type_text(&mut model, "clams");
    press(&mut model, "enter");
    let notice = model.notice.clone().unwrap();
    assert!(
        notice.text.contains("did you mean claims"),
        "{}",
        notice.text
    );
}

#[test]
fn tab_completes_and_the_history_comes_back() {
    let mut model = model();
    press(&mut model, ":");
    type_text(&mut model, "sn");
    press(&mut model, "tab enter");
    assert_eq!(model.view, View::Snapshots);
    press(&mut model, "1 : up enter");
    assert_eq!(model.view, View::Snapshots);
}

#[test]
fn pasted_line_breaks_confirm_nothing() {
    let mut model = model();
    press(&mut model, ":");
    update(&mut model, Msg::Paste("quit\n".into()));
    assert_eq!(model.quit, None);
    assert!(matches!(model.modal, Some(Modal::CommandLine(_))));
    press(&mut model, "esc");
    update(&mut model, Msg::Paste("5\n:quit\n".into()));
    assert_eq!((model.view, model.quit), (View::Workspaces, None));
}

#[test]
fn yaml_is_fetched_once_the_cursor_rests_and_an_answer_for_another_row_is_thrown_away() {
    let mut model = model();
    let effects = press(&mut model, "y");
    let of = model.selected().cloned().unwrap();
    assert!(
        matches!(
            &effects[..],
            [Effect::FetchYaml {
                kind: Kind::Pod,
                ..
            }]
        ),
        "{effects:?}"
    );
    press(&mut model, "esc j");
    let late = Msg::Yaml {
        of,
        result: Ok("a: 1".into()),
    };
    update(&mut model, late);
    assert!(!matches!(model.detail.yaml, Fetched::Here { .. }));
    assert_eq!(model.detail.tab, Tab::Yaml);
}

#[test]
fn running_through_rows_fetches_nothing() {
    let mut model = model();
    press(&mut model, "y esc");
    let effects = press(&mut model, "j j k j");
    assert_eq!(effects, []);
}

#[test]
fn logs_end_when_nobody_looks() {
    let mut model = model();
    let effects = press(&mut model, "l");
    assert!(matches!(&effects[..], [Effect::FollowLogs { of }] if !of.previous));
    let effects = press(&mut model, "p");
    assert!(matches!(&effects[..], [Effect::FollowLogs { of }] if of.previous));
    assert_eq!(press(&mut model, "d"), [Effect::StopLogs]);
}

#[test]
fn a_disabled_command_says_why_and_does_nothing() {
    let mut model = model();
    model.place.read_only = Some("this context is read-only".into());
    assert_eq!(press(&mut model, "s"), []);
    assert!(model.notice.clone().unwrap().text.contains("read-only"));
    model.place.read_only = None;
    let rule = (
        "shell",
        Some("the missing right is create pods/exec".into()),
    );
    update(&mut model, Msg::Disabled(vec![rule]));
    assert_eq!(press(&mut model, "s"), []);
    assert!(model.notice.clone().unwrap().text.contains("pods/exec"));
}

#[test]
fn a_shell_goes_to_the_pod_under_the_cursor() {
    let mut model = model();
    let effects = press(&mut model, "s");
    assert!(
        matches!(&effects[..], [Effect::Shell { pod, .. }] if &*pod.name == "ide-1"),
        "{effects:?}"
    );
}

fn proposal(model: &mut Model, typed_name: Option<&str>) {
    let request = crate::action::Request::Evict {
        workspaces: Vec::new(),
    };
    let proposal = planned(model, request, typed_name);
    update(model, Msg::Proposed(Ok(Box::new(proposal))));
}

fn planned(
    model: &Model,
    request: crate::action::Request,
    typed_name: Option<&str>,
) -> super::job::Proposal {
    use crate::action::{Place, Plan, RunId};
    let plan = Plan {
        id: RunId("evict-1".into()),
        action: request.action(),
        request,
        place: Place {
            context: "gke-prod".into(),
            server: "https://x".into(),
            namespace: "team".into(),
        },
        by: "ann".into(),
        made: model.now,
        title: "a plan".into(),
        subjects: Vec::new(),
        steps: Vec::new(),
        losses: Vec::new(),
        way_back: Vec::new(),
        notes: Vec::new(),
        typed_name: typed_name.map(str::to_owned),
        rights: Vec::new(),
        locks: Vec::new(),
        inherited: [].into(),
    };
    super::job::Proposal::new(plan, Vec::new())
}

#[test]
fn an_action_asks_for_a_plan_of_what_is_marked_or_selected() {
    use crate::action::Request;
    let mut model = model();
    let of = |effects: &[Effect]| match effects {
        [
            Effect::Propose {
                request: Request::Snapshot { workspaces, .. },
            },
        ] => workspaces.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(of(&press(&mut model, "S")), 1);
    assert_eq!(of(&press(&mut model, "g space space S")), 2);
    let effects = press(&mut model, "3 +");
    assert_eq!(effects, [], "a size is asked for first");
    let effects = press(&mut model, "enter");
    assert!(
        matches!(
            &effects[..],
            [Effect::Propose {
                request: Request::Resize { .. }
            }]
        ),
        "{effects:?}"
    );
}

fn asked(effects: &[Effect]) -> crate::action::Request {
    match effects {
        [Effect::Propose { request }] => request.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restore_asks_first_from_when_and_where_to() {
    use crate::action::Request;
    let mut model = model();
    assert_eq!(
        press(&mut model, "R"),
        [],
        "a point in time is asked for first"
    );
    let Some(Modal::ChoosePoint {
        points, in_place, ..
    }) = &model.modal
    else {
        panic!("{:?}", model.modal);
    };
    let newest = points
        .first()
        .expect("snapshots of both claims lie together");
    assert!(newest.complete && newest.claims.len() == 2, "{newest:?}");
    assert!(!in_place, "beside it, unless asked");
    let newest = Some(newest.id.to_string());
    let Request::Restore { from, in_place, .. } = asked(&press(&mut model, "enter")) else {
        panic!("no restore");
    };
    assert_eq!((from, in_place), (newest, false));
    let Request::Restore { in_place, .. } = asked(&press(&mut model, "R tab enter")) else {
        panic!("no restore");
    };
    assert!(in_place);
}

#[test]
fn a_test_of_persistence_asks_whether_somebody_works_unless_told_otherwise() {
    use crate::action::Request;
    let mut model = model();
    for (keys, expected) in [
        ("V enter", (false, false)),
        ("V down enter", (false, true)),
        ("V down down enter", (true, false)),
        ("V down down down enter", (true, true)),
    ] {
        let Request::Verify {
            force, other_node, ..
        } = asked(&press(&mut model, keys))
        else {
            panic!("no test");
        };
        assert_eq!((force, other_node), expected, "{keys}");
    }
}

/// What is asked for next, by name.
fn tested(effects: &[Effect]) -> String {
    match asked(effects) {
        crate::action::Request::Verify { workspace, .. } => workspace.name.to_string(),
        other => panic!("{other:?}"),
    }
}

/// The plan of a test comes, is confirmed, and its job ends like that.
fn verified(model: &mut Model, run: &str, end: &str) -> Vec<Effect> {
    use crate::action::journal::{End, Entry, StepResult};
    use crate::action::{Condition, Job, Record, RunId, Step};
    let request = crate::action::Request::Verify {
        workspace: crate::domain::key::ObjectKey::new("team", "x"),
        force: false,
        other_node: false,
    };
    let mut shown = planned(model, request, None);
    shown.plan.id = RunId(run.into());
    // what a report goes by
    let gone = Condition::Absent {
        kind: Kind::Pod,
        key: crate::domain::key::ObjectKey::new("team", "x"),
    };
    for id in ["evict", "ready"] {
        shown.plan.steps.push(Step::wait(id, id, gone.clone(), 1));
    }
    let mut entries = vec![Entry::Planned {
        plan: Box::new(shown.plan.clone()),
    }];
    for (step, id) in shown
        .plan
        .steps
        .iter()
        .map(|step| step.id.clone())
        .enumerate()
    {
        entries.push(Entry::Answered {
            step,
            id,
            result: StepResult::Done { text: "so".into() },
            captured: [].into(),
        });
    }
    entries.push(Entry::Ended {
        end: match end {
            "passed" => End::Done,
            why => End::Failed {
                why: why.into(),
                next: "look".into(),
            },
        },
    });
    let at = model.now;
    let records = entries.into_iter().map(|entry| Record { at, entry });
    let records: Vec<Record> = records.collect();
    update(model, Msg::Proposed(Ok(Box::new(shown))));
    let effects = press(model, "tab tab enter");
    assert!(matches!(&effects[..], [Effect::Perform { .. }]));
    let job = Job::replay(&records, false).unwrap();
    let result = Ok(Box::new(job));
    let run = run.to_owned();
    update(model, Msg::JobEnded { run, result });
    settle_all(model)
}

#[test]
fn marked_workspaces_are_verified_one_after_another_and_the_first_that_fails_ends_the_round() {
    let mut model = model();
    let first = tested(&press(&mut model, "g space space space V enter"));
    assert_eq!(first, "ide-0");
    let second = tested(&verified(&mut model, "verify-1", "passed"));
    assert_ne!(second, first);
    assert_eq!(verified(&mut model, "verify-2", "it is gone"), []);
    assert_eq!(model.round, None);
    let notice = model.notice.unwrap().text;
    assert!(notice.contains("not verified: "), "{notice}");
}

#[test]
fn a_round_of_tests_goes_on_behind_a_refusal_and_ends_with_a_no() {
    let mut model = model();
    press(&mut model, "g space space space V enter");
    update(
        &mut model,
        Msg::Proposed(Err("somebody works in it".into())),
    );
    assert_eq!(
        settle_all(&mut model),
        [],
        "the reason stands on the screen"
    );
    let request = asked(&press(&mut model, "esc"));
    let shown = planned(&model, request, None);
    assert_eq!(shown.plan.title, "a plan");
    update(&mut model, Msg::Proposed(Ok(Box::new(shown))));
    let Some(Modal::Proposal(shown)) = &model.modal else {
        panic!("no dialog")
    };
    assert_eq!(shown.follows.len(), 1);
    assert_eq!(press(&mut model, "esc"), []);
    assert_eq!(model.round, None);
}

#[test]
fn quitting_asks_each_time_that_something_runs() {
    use crate::action::{Record, journal::Entry};
    let mut model = model();
    let runs = |model: &mut Model, run: &str| {
        let request = crate::action::Request::Evict {
            workspaces: Vec::new(),
        };
        let plan = Box::new(planned(model, request, None).plan);
        let at = model.now;
        let record = Box::new(Record {
            at,
            entry: Entry::Planned { plan },
        });
        let run = run.to_owned();
        update(model, Msg::Journal { run, record });
    };
    let asks = |model: &mut Model| {
        press(model, "ctrl-c");
        model.quit.take().is_none()
    };
    runs(&mut model, "a");
    assert!(asks(&mut model));
    assert!(!asks(&mut model), "said twice, it is meant");
    let later = model.now + jiff::SignedDuration::from_mins(1);
    update(&mut model, Msg::Now(later));
    assert!(asks(&mut model), "a minute later it is another decision");
    runs(&mut model, "b");
    assert!(asks(&mut model), "nobody was told of this one");
}

#[test]
fn the_calls_of_a_plan_are_shown_where_there_is_room_and_on_demand() {
    let mut model = model();
    let shows = |model: &Model| matches!(&model.modal, Some(Modal::Proposal(p)) if p.calls);
    proposal(&mut model, None);
    assert!(!shows(&model));
    press(&mut model, "c");
    assert!(shows(&model));
    press(&mut model, "shift-tab enter");
    assert!(!shows(&model));
    update(&mut model, Msg::Resize(160, 45));
    proposal(&mut model, Some("cc"));
    assert!(shows(&model));
    press(&mut model, "c");
    assert!(shows(&model), "it is part of the name");
    press(&mut model, "shift-tab enter");
    assert!(!shows(&model));
}

#[test]
fn claims_are_deleted_as_marked_or_selected_and_never_without_a_plan() {
    use crate::action::Request;
    let mut model = model();
    let count = |effects: &[Effect]| match asked(effects) {
        Request::Orphans { claims } => claims.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(&press(&mut model, "3 g X")), 1);
    assert_eq!(count(&press(&mut model, "space space X")), 2);
    assert_eq!(
        count(&press(&mut model, "1 g X")),
        2,
        "all of the workspace"
    );
}

#[test]
fn templates_are_mended_from_the_set_and_from_each_of_its_rows() {
    use crate::action::Request;
    let mut model = model();
    for keys in ["6 g T", "1 g T", "3 g T", "5 g T"] {
        match asked(&press(&mut model, keys)) {
            Request::Template { set, source_fixed } => {
                assert_eq!(&*set.name, "ide", "{keys}");
                assert!(!source_fixed, "only who changed the source can say so");
            }
            other => panic!("{keys}: {other:?}"),
        }
    }
    press(&mut model, "9 T");
    let notice = model.notice.as_ref().unwrap();
    assert_eq!(notice.text, "template: the selected row belongs to no set");
}

#[test]
fn a_plan_can_be_copied_as_commands_of_kubectl() {
    let mut model = model();
    proposal(&mut model, None);
    let effects = press(&mut model, "tab tab tab enter");
    assert!(matches!(&effects[..], [Effect::Copy { .. }]), "{effects:?}");
    assert!(matches!(model.modal, Some(Modal::Proposal(_))), "it stays");
}

#[test]
fn going_on_with_a_job_is_asked_as_its_plan_was() {
    use crate::action::journal::{Entry, Job, Record};
    let mut model = model();
    proposal(&mut model, Some("ide-1"));
    let Some(Modal::Proposal(asked)) = model.modal.take() else {
        panic!("no dialog");
    };
    let planned = Record {
        at: model.now,
        entry: Entry::Planned {
            plan: Box::new(asked.plan),
        },
    };
    let row = super::job::JobRow {
        job: Job::replay(&[planned], false).unwrap(),
        running: false,
    };
    update(&mut model, Msg::Jobs(vec![("evict-1".to_owned(), row)]));
    assert_eq!(press(&mut model, "9 n"), [], "a dialog comes first");
    // Cancel has the focus, there is no dry run, and the name must be typed
    assert_eq!(press(&mut model, "tab enter"), []);
    assert!(matches!(model.modal, Some(Modal::Proposal(_))), "it stays");
    let effects = press(&mut model, "i d e - 1 enter");
    assert!(
        matches!(&effects[..], [Effect::Resume { run }] if run == "evict-1"),
        "{effects:?}"
    );
}

#[test]
fn claims_are_looked_at_all_once_and_not_again_at_once() {
    let mut model = model();
    let seen = |effects: Vec<Effect>| match &effects[..] {
        [Effect::Sight { seen }] => seen.len(),
        [] => 0,
        other => panic!("{other:?}"),
    };
    let claims = model.inventory.claims.len();
    assert_eq!(seen(update(&mut model, Msg::Tick)), claims);
    assert_eq!(seen(update(&mut model, Msg::Tick)), 0);
    let later = model.now + jiff::SignedDuration::from_mins(6);
    update(&mut model, Msg::Now(later));
    assert_eq!(seen(update(&mut model, Msg::Tick)), claims);
}

#[test]
fn cancel_has_the_focus_and_a_pasted_line_break_confirms_nothing() {
    let mut model = model();
    proposal(&mut model, None);
    update(&mut model, Msg::Paste("\n\n".into()));
    assert!(matches!(model.modal, Some(Modal::Proposal(_))));
    assert_eq!(press(&mut model, "enter"), []);
    assert_eq!(model.modal, None);
    proposal(&mut model, None);
    let effects = press(&mut model, "tab enter");
    assert!(
        matches!(&effects[..], [Effect::Rehearse { .. }]),
        "{effects:?}"
    );
    let effects = press(&mut model, "tab enter");
    assert!(
        matches!(&effects[..], [Effect::Perform { .. }]),
        "{effects:?}"
    );
}

#[test]
fn where_data_can_be_lost_nothing_happens_before_the_name_is_typed() {
    let mut model = model();
    proposal(&mut model, Some("ide-1"));
    assert_eq!(press(&mut model, "tab tab enter"), []);
    type_text(&mut model, "ide-2");
    assert_eq!(press(&mut model, "enter"), []);
    press(&mut model, "backspace 1");
    let effects = press(&mut model, "enter");
    assert!(
        matches!(&effects[..], [Effect::Perform { .. }]),
        "{effects:?}"
    );
}

#[test]
fn another_namespace_forgets_the_rows_of_this_one() {
    let mut model = model();
    let effects = press(&mut model, "0");
    assert_eq!(effects, [Effect::SwitchNamespace { namespace: None }]);
    assert_eq!(names(&model).len(), 0);
    let effects = press(&mut model, "0");
    let home = Some(crate::domain::build::NS.into());
    assert_eq!(effects, [Effect::SwitchNamespace { namespace: home }]);
}

#[test]
fn a_signal_and_ctrl_c_quit_whatever_lies_over_the_screen() {
    for script in ["?", ":", "/", "o", "a", "r"] {
        let mut model = model();
        press(&mut model, script);
        press(&mut model, "ctrl-c");
        assert_eq!(model.quit.map(|q| q.code), Some(0), "{script}");
    }
    let mut model = model();
    update(&mut model, Msg::Signal(15));
    assert_eq!(model.quit.map(|q| q.code), Some(143));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// After any news the rows are those of a list that was built at once, in the same order.
    #[test]
    fn rows_that_move_one_by_one_end_where_a_fresh_list_has_them(
        news in proptest::collection::vec((0_usize..40, any::<bool>()), 1..40),
        view in 0_usize..4,
        keys in proptest::collection::vec(0_usize..6, 0..10),
    ) {
        let views = ["1", "3", "5", "4"];
        let rows = some_rows();
        let mut model = model_of(rows.clone());
        press(&mut model, views[view]);
        let mut keys = keys.into_iter();
        for (at, put) in news {
            let row = rows[at % rows.len()].clone();
            let kind = row.kind();
            let key = row.meta().key.clone();
            let change = if put {
                Change::Update { kind, puts: vec![row], gone: Vec::new() }
            } else {
                Change::Update { kind, puts: Vec::new(), gone: vec![key] }
            };
            update(&mut model, Msg::Cluster(change));
            settle_all(&mut model);
            if let Some(k) = keys.next() {
                press(&mut model, ["j", "k", "G", "g", "space", "z"][k]);
            }
        }
        let moved = model.listing().rows.clone();
        let mut fresh = super::listing::Listing::new(model.view);
        fresh.only_hurt = model.listing().only_hurt;
        fresh.rebuild(&model.facts());
        prop_assert_eq!(moved, fresh.rows);
        let there = model.selected().is_none_or(|s| model.listing().rows.contains(s));
        prop_assert!(there, "the cursor is on a row that is there");
    }

    /// No key in any state panics, and none but the ways out quits.
    #[test]
    fn no_key_ever_panics(script in proptest::collection::vec(0_usize..60, 1..60)) {
        let all: Vec<&str> = super::command::COMMANDS
            .iter()
            .flat_map(|c| c.keys.iter().copied())
            .filter(|k| *k != "ctrl-c")
            .chain(["x", "enter", "backspace", "delete", "left"])
            .collect();
        let mut model = model();
        for at in script {
            update(&mut model, key(all[at % all.len()]));
            settle_all(&mut model);
        }
        prop_assert!(model.quit.is_none() || model.history.iter().any(|l| l.starts_with('q') || l.starts_with("ex")));
    }
}

#[test]
fn columns_and_order_are_what_somebody_chose() {
    let mut model = model();
    let chosen = ["name".to_owned(), "age".to_owned()];
    model.arrange(View::Claims, Some(&chosen), Some("-name"));
    press(&mut model, "3");
    let ids: Vec<&str> = model.shown_columns().iter().map(|c| c.id).collect();
    assert_eq!(ids, ["name", "age"]);
    assert_eq!(names(&model).first(), Some(&"workspace-ide-2"));
}
