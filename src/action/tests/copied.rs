//! Plans as scripts of kubectl.

use std::process::Command;

use super::*;

/// What a shell says of a script that it only reads.
fn read_by_a_shell(script: &str) -> String {
    let output = Command::new("sh").args(["-n", "-c", script]).output();
    String::from_utf8(output.unwrap().stderr).unwrap()
}

fn plans() -> Vec<Plan> {
    let verify = Request::Verify {
        workspace: key("ide-0"),
        force: false,
        other_node: false,
    };
    let desk = desk_with_class(healthy());
    let mut plans: Vec<Plan> = [
        of_ide_0(),
        evict_ide_0(),
        resize(Growth::ByPercent(20)),
        verify,
    ]
    .iter()
    .map(|request| desk.plan(request).unwrap())
    .collect();
    let results: Vec<_> = plans[0].steps.iter().map(|_| Some(done())).collect();
    let job = Job::replay(&records(&plans[0], &results), false).unwrap();
    let undo = Request::Undo {
        job: plans[0].id.to_string(),
    };
    plans.push(desk.plan_of(&undo, &[job]).unwrap());
    plans
}

#[test]
fn a_shell_understands_every_plan() {
    for plan in plans() {
        let script = kubectl::lines(&plan).join("\n");
        assert_eq!(read_by_a_shell(&script), "", "{script}");
        assert!(script.starts_with("# "), "{script}");
    }
}

/// Half of it that is pasted into a shell is half of a group, which a shell does not run.
#[test]
fn a_part_of_a_plan_is_nothing_to_a_shell() {
    for plan in plans() {
        let lines = kubectl::lines(&plan);
        for count in 2..lines.len() {
            let script = lines[..count].join("\n");
            assert_ne!(read_by_a_shell(&script), "", "{script}");
        }
    }
}

/// What is computed, or judged by several looks, is not passed over in silence.
#[test]
fn what_kubectl_cannot_do_stops_the_script_or_asks() {
    let plans = plans();
    let script = |action| {
        let plan = plans.iter().find(|plan| plan.action == action).unwrap();
        kubectl::lines(plan)
    };
    let verify = script(ActionName::Verify);
    let first = verify
        .iter()
        .find(|line| line.starts_with("echo "))
        .unwrap();
    assert!(first.ends_with("exit 1"), "{first}");
    let resize = script(ActionName::Resize);
    assert!(
        resize.iter().any(|line| line.starts_with("ask ")),
        "{resize:#?}"
    );
}
