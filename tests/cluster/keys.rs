//! What costs most, by key: restore, verification of persistence, orphaned claims.

use serde_json::Value;

use crate::place::{Place, eventually};
use crate::pty::Session;
use crate::quiet;

fn perform(screen: &Session, typed: &str) {
    screen.wait_for("[ Perform ]");
    screen.send(typed);
    screen.send("\t\t\r");
}

fn jobs_done(screen: &Session, count: usize) {
    screen.send("9");
    screen.wait_until(&format!("{count} jobs are done"), |screen| {
        screen.contents().matches("✓ done").count() == count
    });
}

/// A claim may go after two looks a second apart, and the gateway says when it was used last.
const LENIENT: &str = "[orphans]\ninactive = \"1s\"\napart = \"1s\"\n[workspaces]\n\
                       activity_annotation = \"example.com/active\"\n";

fn claims(place: &Place) -> Vec<String> {
    let list = place.kubectl_json(&["get", "pvc"]);
    let names = list["items"].as_array().unwrap().iter();
    names
        .map(|claim| claim["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_workspace_is_restored_beside_itself_and_verified_by_key() {
    let _quiet = quiet();
    let Some(place) = Place::new("keys") else {
        return;
    };
    place.apply_example(1);
    let before = eventually("the pod is ready", || place.ready_pod("ide-0"));
    place.exec("ide-0", "echo work >/workspace/file; sync");
    let taken = place
        .command(&["snapshot", "ide-0", "--yes", "--wait"])
        .output()
        .unwrap();
    assert!(taken.status.success(), "{taken:?}");
    let mut screen = place.dashboard(140, 45);
    screen.wait_for("ide-0");
    screen.wait_for("pods claims snapshots live");

    screen.send("R");
    screen.wait_for("beside it, for a look");
    screen.wait_for("all 2 claims");
    screen.send("\r");
    perform(&screen, "");
    jobs_done(&screen, 1);
    assert_eq!(
        claims(&place)
            .iter()
            .filter(|name| name.ends_with("-restored"))
            .count(),
        2
    );

    screen.send("1V");
    screen.wait_for("even if somebody works");
    screen.send("\u{1b}[B\u{1b}[B\r");
    perform(&screen, "ide-0");
    jobs_done(&screen, 2);
    let after = place.ready_pod("ide-0");
    assert!(after.is_some_and(|uid| uid != before), "it has a new pod");
    let file = place.kubectl(&["exec", "ide-0", "--", "ls", "-A", "/workspace"]);
    assert!(file.contains("file") && !file.contains("wsdash"), "{file}");
    screen.send("\u{3}");
    screen.exit();
    place.kubectl(&["delete", "volumesnapshots", "--all"]);
}

#[test]
fn what_a_deleted_set_left_is_deleted_by_key_and_taken_back_by_key() {
    let _quiet = quiet();
    let Some(place) = Place::new("left") else {
        return;
    };
    place.configure(LENIENT);
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let active = "example.com/active=2026-01-01T00:00:00Z";
    place.kubectl(&["annotate", "pvc", "--all", active]);
    place.kubectl(&["delete", "statefulset", "ide"]);
    eventually("nothing is attached any more", || {
        let list = place.kubectl_json(&["get", "volumeattachments"]);
        let claims = place.kubectl_json(&["get", "pvc"]);
        let volumes: Vec<&Value> = claims["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|c| &c["spec"]["volumeName"])
            .collect();
        let mut attached = list["items"].as_array().unwrap().iter();
        (!attached.any(|a| volumes.contains(&&a["spec"]["source"]["persistentVolumeName"])))
            .then_some(())
    });
    let mut screen = place.dashboard(140, 45);
    screen.wait_for("ide-0");
    screen.send("3/theia\r");
    screen.wait_for("ORPHAN");
    // a sample that was under way when the pod ended still tells of use
    screen.wait_until("no sample has come for a while", |screen| {
        let contents = screen.contents();
        let unused = contents
            .lines()
            .find_map(|line| line.split("unused   for ").nth(1));
        let told = unused.and_then(|rest| rest.split_whitespace().next());
        let seconds = told.and_then(|told| told.strip_suffix('s')?.parse::<u32>().ok());
        contents.contains("X delete it") && seconds.is_some_and(|seconds| seconds >= 10)
    });
    screen.send("X");
    perform(&screen, "theia-config-ide-0");
    jobs_done(&screen, 1);
    assert_eq!(claims(&place), ["workspace-ide-0"]);
    screen.send("U");
    // the backup of the moment before the deletion goes with it
    perform(&screen, "theia-config-ide-0");
    screen.wait_for("undone");
    screen.wait_until("the undo is done", |screen| {
        let done = |line: &str| line.contains("✓ done") && line.contains(" undo ");
        screen.contents().lines().any(done)
    });
    eventually("the claim is there again", || {
        claims(&place)
            .contains(&"theia-config-ide-0".to_owned())
            .then_some(())
    });
    screen.send("\u{3}");
    screen.exit();
    place.kubectl(&["delete", "volumesnapshots", "--all"]);
}
