//! Sessions in a pod: much data, a full-screen program, a line that breaks.

use std::io::{Read as _, Write as _};
use std::process::Stdio;

use crate::place::{Place, ctl, eventually};
use crate::{alone, quiet};

const MEGABYTES: usize = 100;

fn noise() -> Vec<u8> {
    let words = MEGABYTES * 1024 * 1024 / 4;
    (0..u32::try_from(words).unwrap())
        .flat_map(|n| {
            n.wrapping_mul(2_654_435_761)
                .rotate_left(n % 31)
                .to_le_bytes()
        })
        .collect()
}

#[test]
fn a_hundred_megabytes_go_there_and_come_back_whole() {
    let _quiet = quiet();
    let Some(place) = Place::new("bytes") else {
        return;
    };
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let bytes = noise();
    let mut child = place
        .command(&[
            "exec",
            "ide-0",
            "-i",
            "--",
            "sh",
            "-c",
            "cat >/workspace/blob && wc -c </workspace/blob",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(&bytes).unwrap();
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let there = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert_eq!(there, bytes.len().to_string());
    let output = place
        .command(&["exec", "ide-0", "--", "cat", "/workspace/blob"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout == bytes, "{} bytes", output.stdout.len());
}

#[test]
fn a_full_screen_program_runs_in_a_shell_and_the_dashboard_is_whole_again() {
    let _quiet = quiet();
    let Some(place) = Place::new("vi") else {
        return;
    };
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let mut screen = place.dashboard(100, 30);
    screen.wait_for("ide-0");
    screen.wait_for("pods claims snapshots live");
    screen.send("s");
    screen.wait_for("$ ");
    screen.send("stty size\r");
    screen.wait_for("30 100");
    screen.resize(110, 33);
    // The size and the keys go by channels of their own, and a kubelet applies a size when it gets
    // to it: the question is asked until the answer is the new one.
    screen.send("until stty size | grep 33.110; do sleep 1; done\r");
    screen.wait_for("33 110");
    screen.send("vi /workspace/note\r");
    screen.wait_until("vi fills the screen", |screen| {
        let lines: Vec<String> = screen.rows(0, 110).collect();
        lines.iter().filter(|line| line.starts_with('~')).count() > 20
    });
    screen.send("ihello from vi");
    screen.wait_for("hello from vi");
    screen.send("\u{1b}");
    screen.wait_until_stable();
    screen.send(":wq\r");
    screen.wait_gone("~");
    screen.send("exit\r");
    screen.wait_for("WORKSPACE");
    screen.wait_for("ide-0");
    assert!(!screen.screen().contains("hello from vi"));
    let written = place.kubectl(&["exec", "ide-0", "--", "cat", "/workspace/note"]);
    assert_eq!(written, "hello from vi\n");
    screen.send("\u{3}");
    screen.exit();
    screen.assert_restored();
}

#[test]
fn a_line_that_breaks_ends_the_session_with_a_reason() {
    let _alone = alone();
    let Some(place) = Place::new("line") else {
        return;
    };
    if ctl(&["status"]).is_none() {
        eprintln!("NOT RUN: a broken line needs WSDASH_E2E_CTL");
        return;
    }
    place.apply_example(1);
    eventually("the pod is ready", || place.ready_pod("ide-0"));
    let mut child = place
        .command(&["exec", "ide-0", "--", "sh", "-c", "echo begun; sleep 600"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begun = [0; 6];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut begun)
        .unwrap();
    assert_eq!(&begun, b"begun\n");
    ctl(&["kill", "kube-apiserver"]).expect("killed");
    let mended = Mended;
    let output = child.wait_with_output().unwrap();
    drop(mended);
    assert!(!output.status.success(), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("wsdash: ") && said.contains("ide-0"),
        "{said}"
    );
    eventually("the server is back", || {
        let output = place.command(&["get", "pods", "-o", "name"]).output();
        output.unwrap().status.success().then_some(())
    });
}

/// Starts the server again, also when the test fails.
struct Mended;

impl Drop for Mended {
    fn drop(&mut self) {
        ctl(&["start", "kube-apiserver"]);
    }
}
