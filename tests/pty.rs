//! The terminal, in a real one: what is taken is given back, whatever ends the program.
//!
//! `wsdash::terminal` is tested through a small program: this test program itself, started again in a
//! pseudo terminal (`child`).

mod pty {
    pub(crate) mod child;
    pub(crate) mod harness;
}

use pty::harness::{CEILING, ENTER, Ended, Start, ctrl, paste};

/// This test program as the program in the terminal.
fn child() -> Start {
    Start::new(std::env::current_exe().expect("the path of this program"))
        .args([
            "--exact",
            "child_program",
            "--nocapture",
            "--include-ignored",
        ])
        .env("WSDASH_TEST_CHILD", "1")
}

#[test]
#[ignore = "the program that the other tests start in a terminal"]
fn child_program() {
    if std::env::var_os("WSDASH_TEST_CHILD").is_some() {
        pty::child::run();
    }
}

#[test]
fn the_terminal_is_taken_and_given_back() {
    let mut session = child().start();
    session.wait_for("ready 80x24");
    assert!(session.look(vt100::Screen::alternate_screen));
    assert!(session.look(vt100::Screen::bracketed_paste));
    assert!(session.look(vt100::Screen::hide_cursor));
    let mouse = session.look(vt100::Screen::mouse_protocol_mode);
    assert_eq!(
        mouse,
        vt100::MouseProtocolMode::None,
        "nobody asked for the mouse"
    );
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
    session.assert_restored();
    assert!(
        session.screen().contains("running 1 test"),
        "the screen before is back"
    );
}

#[test]
fn the_mouse_is_taken_only_when_asked_for_and_given_back() {
    let mut session = child().env("CHILD_MOUSE", "1").start();
    session.wait_for("ready");
    let mouse = session.look(vt100::Screen::mouse_protocol_mode);
    assert_ne!(mouse, vt100::MouseProtocolMode::None);
    session.send("q");
    session.exit();
    session.assert_restored();
}

#[test]
fn the_window_may_shrink_to_one_cell_and_grow_again() {
    let mut session = child().start();
    session.wait_for("ready 80x24");
    session.resize(1, 1);
    session.wait_until("one cell", |screen| screen.contents().trim() == "r");
    session.resize(100, 30);
    session.wait_for("ready 100x30");
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
}

#[test]
fn a_panic_gives_the_terminal_back_before_it_reports() {
    let mut session = child().env("CHILD_MOUSE", "1").start();
    session.wait_for("ready");
    session.send("p");
    assert_eq!(session.exit(), Ended::Code(101));
    session.assert_restored();
    let screen = session.screen();
    assert!(screen.contains("the child panics"), "{screen}");
}

#[test]
fn a_panic_in_a_task_leaves_the_screen_alone() {
    let mut session = child().start();
    session.wait_for("ready");
    session.send("t");
    session.wait_for("a task ended");
    assert!(session.look(vt100::Screen::alternate_screen));
    assert!(
        !session.screen().contains("panicked"),
        "{}",
        session.screen()
    );
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
    let all = String::from_utf8_lossy(&session.bytes()).into_owned();
    assert!(!all.contains("the task panics"), "{all}");
    session.assert_restored();
}

#[test]
fn a_lent_terminal_shows_the_screen_before_and_passes_every_byte() {
    let mut session = child().start();
    session.wait_for("ready");
    session.send("l");
    session.wait_for("lent");
    assert!(!session.look(vt100::Screen::alternate_screen));
    assert!(!session.look(vt100::Screen::bracketed_paste));
    assert!(!session.look(vt100::Screen::hide_cursor));
    // ctrl-c is a byte for the shell in the pod, not a signal here
    session.send(format!("ab{}.", ctrl('c')));
    session.wait_for("bytes [97, 98, 3]");
    assert!(session.look(vt100::Screen::alternate_screen));
    session.send("k");
    session.wait_for("key k");
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
    session.assert_restored();
}

#[test]
fn suspending_stops_the_process_and_the_shell_brings_it_back_whole() {
    let exe = std::env::current_exe().expect("the path of this program");
    let mut session = Start::new("bash")
        .args(["--norc", "--noprofile", "-i"])
        .env("PS1", "shell> ")
        .env("WSDASH_TEST_CHILD", "1")
        .start();
    session.wait_for("shell>");
    session.send(format!(
        "{} --exact child_program --nocapture --include-ignored{ENTER}",
        exe.display()
    ));
    session.wait_for("ready");
    session.send(ctrl('z'));
    session.wait_for("Stopped");
    session.wait_until("the main screen", |screen| !screen.alternate_screen());
    // the shell echoes and runs commands: it has the terminal
    session.send(format!("echo $((6 * 7))th{ENTER}"));
    session.wait_for("42th");
    session.send(format!("fg{ENTER}"));
    session.wait_until("the screen again", |screen| {
        screen.alternate_screen() && screen.contents().contains("ready")
    });
    session.send("k");
    session.wait_for("key k");
    session.send("q");
    session.wait_until("the shell again", |screen| !screen.alternate_screen());
    session.send(format!("exit 7{ENTER}"));
    assert_eq!(session.exit(), Ended::Code(7));
    session.assert_restored();
}

#[test]
fn signals_end_the_program_with_the_terminal_restored() {
    for (name, code) in [("TERM", 143), ("INT", 130), ("HUP", 129), ("QUIT", 131)] {
        let mut session = child().start();
        session.wait_for("ready");
        session.signal(name);
        assert_eq!(session.exit(), Ended::Code(code), "{name}");
        session.assert_restored();
    }
}

#[test]
fn a_process_that_others_stop_and_continue_repaints() {
    let mut session = child().start();
    session.wait_for("ready");
    session.signal("STOP");
    session.signal("CONT");
    session.wait_for("continued");
    session.send("k");
    session.wait_for("key k");
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
}

#[test]
fn no_color_keeps_bold_and_reverse() {
    let mut session = child().env("NO_COLOR", "1").start();
    session.wait_for("ready");
    let (bold, inverse) = session.look(|screen| {
        let cell = |row, column| screen.cell(row, column).expect("a cell").clone();
        (cell(1, 0).bold(), cell(2, 0).inverse())
    });
    assert!(bold && inverse, "bold {bold}, reverse {inverse}");
    session.send("q");
    session.exit();
}

#[test]
fn pasted_text_is_not_typed() {
    let mut session = child().start();
    session.wait_for("ready");
    session.send(paste("q\rq"));
    session.wait_for("pasted 3");
    session.send("q");
    assert_eq!(session.exit(), Ended::Code(0));
}

#[test]
fn the_harness_answers_what_a_terminal_is_asked() {
    // the question is asked with the cursor in row 3, column 5
    let script = r#"stty raw -echo; printf '\033[3;5H\033[6n'; IFS= read -r -d R a;
        printf '\033[c'; IFS= read -r -d c b; stty sane; printf '\r\n%q %q\r\n' "$a" "$b""#;
    let mut session = Start::new("bash").args(["-c", script]).start();
    assert_eq!(session.exit(), Ended::Code(0));
    let screen = session.screen();
    assert!(screen.contains(r"\E[3;5'"), "{screen}");
    assert!(screen.contains(r"\E[?62;22'"), "{screen}");
}

#[test]
fn the_harness_reports_the_screen_when_a_text_does_not_come() {
    let mut session = Start::new("sh").args(["-c", "echo something else"]).start();
    assert_eq!(session.exit(), Ended::Code(0));
    let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        session.wait_within(CEILING, "never", |screen| {
            screen.contents().contains("never")
        });
    }));
    let message = *waited.unwrap_err().downcast::<String>().expect("a text");
    assert!(message.contains("something else"), "{message}");
    assert!(message.contains("has ended"), "{message}");
}
