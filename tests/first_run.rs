//! The first minute of somebody who has no cluster: the real program in a terminal, looking at the
//! simulated one.

#[path = "pty/harness.rs"]
mod pty;

use pty::{Ended, Session};

#[test]
fn the_demo_explains_itself_and_shows_what_is_wrong() {
    let mut screen = Session::wsdash(["demo"]).size(160, 45).start();
    screen.wait_for("a simulated cluster, nothing here is real");
    screen.wait_for("disk full");
    screen.send("\x1b");
    screen.wait_gone("nothing here is real");
    screen.send("2");
    screen.wait_for("disk-full");
    screen.send("r");
    screen.wait_for("What it means");
    screen.send("\x1b");
    screen.wait_gone("What it means");
    screen.send("\x03");
    assert_eq!(screen.exit(), Ended::Code(0));
    screen.assert_restored();
}

#[test]
fn a_shell_in_the_demo_is_one_and_the_screen_is_whole_afterwards() {
    let mut screen = Session::wsdash(["demo"]).size(120, 40).start();
    screen.wait_for("disk full");
    // Alone: with a key behind it, it would be alt and that key.
    screen.send("\x1b");
    screen.wait_gone("nothing here is real");
    screen.send("s");
    screen.wait_for("$");
    screen.send("echo $((6*7))-answer\r");
    screen.wait_for("42-answer");
    screen.resize(100, 30);
    screen.send("exit 3\r");
    screen.wait_for("exit code 3");
    screen.wait_for("coditect-pro-0");
    screen.send("\x03");
    assert_eq!(screen.exit(), Ended::Code(0));
}

#[test]
fn a_snapshot_is_taken_by_key() {
    let mut screen = Session::wsdash(["demo", "--speed", "30"])
        .size(120, 40)
        .start();
    screen.wait_for("disk full");
    // Alone: with a key behind it, it would be alt and that key.
    screen.send("\x1b");
    screen.wait_gone("nothing here is real");
    screen.send("S");
    screen.wait_for("[ Perform ]");
    screen.send("\t\t\r");
    screen.send("9");
    screen.wait_for("✓ done");
    screen.send("\x03");
    assert_eq!(screen.exit(), Ended::Code(0));
}

#[test]
fn suspending_gives_the_terminal_back_and_continuing_takes_it_again() {
    let mut screen = Session::wsdash(["demo"]).size(100, 30).start();
    screen.wait_for("disk full");
    screen.send("\x1a");
    screen.wait_gone("disk full");
    screen.signal("CONT");
    screen.wait_for("disk full");
    screen.send("\x03");
    assert_eq!(screen.exit(), Ended::Code(0));
}

#[test]
fn a_drill_states_the_page_and_judges_at_the_end() {
    let list = wsdash::demo::scenarios().unwrap();
    let (name, drill) = list
        .iter()
        .find_map(|(name, scenario)| Some((name.clone(), scenario.drill.clone()?)))
        .unwrap();
    let mut screen = Session::wsdash(["demo", "--drill", &name])
        .size(120, 40)
        .start();
    screen.wait_for("you are on call");
    let word = drill.page.split_whitespace().next().unwrap();
    screen.wait_for(word);
    screen.wait_for("Goal:");
    screen.send("\r");
    screen.wait_gone("you are on call");
    screen.send("\x03");
    screen.wait_for("noticed: not");
    screen.wait_for("not passed");
    assert_eq!(screen.exit(), Ended::Code(0));
}

#[test]
fn the_dashboard_says_that_a_drill_is_over() {
    let mut screen = Session::wsdash(["demo", "--drill", "brown-out", "--speed", "600"])
        .size(120, 40)
        .start();
    screen.wait_for("you are on call");
    screen.send("\r");
    screen.wait_for("the drill is mended and passed");
    screen.send("\x03");
    screen.wait_for("advice:");
    assert_eq!(screen.exit(), Ended::Code(0));
}
