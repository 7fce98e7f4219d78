//! A terminal for the tests: starts a program in a pseudo terminal, types, and reads the screen as a
//! terminal would show it. Every wait is for a condition and has a ceiling; when it is reached the
//! test fails with the screen in its message. Must not know anything about wsdash's views.
//!
//! ```ignore
//! let mut session = Session::wsdash(["--namespace", "team"]).size(80, 24).start();
//! session.wait_for("workspaces");
//! session.send("?");
//! session.wait_until_stable();
//! session.send("q");
//! assert_eq!(session.exit(), Ended::Code(0));
//! ```
#![expect(
    dead_code,
    unreachable_pub,
    reason = "several test programs include it, each uses another part"
)]
#![expect(
    clippy::panic,
    reason = "a condition that does not come is a failed test"
)]

use std::ffi::{OsStr, OsString};
use std::io::{Read as _, Write};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{ChildKiller, CommandBuilder, MasterPty, PtySize, native_pty_system};

/// How long a condition may take; only a failing test waits so long.
pub const CEILING: Duration = Duration::from_secs(60);
/// A screen that has not changed for so long is taken as stable.
pub const QUIET: Duration = Duration::from_millis(150);

pub const ENTER: &str = "\r";
pub const ESCAPE: &str = "\x1b";
pub const TAB: &str = "\t";
pub const BACKSPACE: &str = "\x7f";
pub const UP: &str = "\x1b[A";
pub const DOWN: &str = "\x1b[B";
pub const RIGHT: &str = "\x1b[C";
pub const LEFT: &str = "\x1b[D";
pub const PAGE_UP: &str = "\x1b[5~";
pub const PAGE_DOWN: &str = "\x1b[6~";

/// The bytes of a letter with control.
pub fn ctrl(letter: char) -> String {
    char::from(letter.to_ascii_uppercase() as u8 & 0x1f).to_string()
}

/// Text as a terminal sends it when it is pasted.
pub fn paste(text: &str) -> String {
    format!("\x1b[200~{text}\x1b[201~")
}

/// A program that is to be started.
#[derive(Debug)]
pub struct Start {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: PathBuf,
    columns: u16,
    rows: u16,
}

impl Start {
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self {
            program: program.as_ref().to_owned(),
            args: Vec::new(),
            // nothing of the machine's own settings: a test must mean the same everywhere
            env: vec![
                ("PATH".into(), std::env::var_os("PATH").unwrap_or_default()),
                ("TERM".into(), "xterm-256color".into()),
                ("LANG".into(), "C.UTF-8".into()),
            ],
            folder: std::env::temp_dir(),
            columns: 80,
            rows: 24,
        }
    }

    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args
            .extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets a variable. The environment is otherwise empty but for PATH, TERM, LANG and a HOME of
    /// its own, an empty folder.
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.retain(|(known, _)| known != name.as_ref());
        self.env
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    pub fn size(mut self, columns: u16, rows: u16) -> Self {
        (self.columns, self.rows) = (columns, rows);
        self
    }

    pub fn start(self) -> Session {
        let pair = native_pty_system()
            .openpty(size_of(self.columns, self.rows))
            .expect("opening a pseudo terminal");
        let mut command = CommandBuilder::new(&self.program);
        command.args(&self.args);
        command.env_clear();
        let home = tempfile::tempdir().expect("making a home folder");
        command.env("HOME", home.path());
        for (name, value) in &self.env {
            command.env(name, value);
        }
        command.cwd(&self.folder);
        let mut child = pair
            .slave
            .spawn_command(command)
            .unwrap_or_else(|error| panic!("starting {}: {error:#}", self.program.display()));
        // the last slave must be the child's, or its end would not be seen
        drop(pair.slave);

        let writer: Writer = Arc::new(Mutex::new(
            pair.master.take_writer().expect("writing to the terminal"),
        ));
        let mut output = pair
            .master
            .try_clone_reader()
            .expect("reading the terminal");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                parser: parser(self.columns, self.rows),
                bytes: Vec::new(),
                changed: Instant::now(),
                ended: false,
            }),
            changed: Condvar::new(),
        });
        let reader = std::thread::spawn({
            let shared = Arc::clone(&shared);
            let writer = Arc::clone(&writer);
            move || {
                let mut buffer = vec![0; 64 * 1024];
                // Linux ends a terminal with an error, not with zero bytes
                while let Ok(count @ 1..) = output.read(&mut buffer) {
                    let answers = shared.read(&buffer[..count]);
                    if !answers.is_empty() {
                        let _ = lock(&writer).write_all(&answers);
                    }
                }
                shared.end();
            }
        });
        let process = child.process_id();
        let killer = child.clone_killer();
        let (tell, ended) = mpsc::sync_channel(1);
        let waiter = std::thread::spawn(move || {
            let _ = tell.send(child.wait());
        });
        Session {
            master: pair.master,
            writer,
            shared,
            process,
            killer,
            ended,
            result: None,
            threads: vec![reader, waiter],
            home,
        }
    }
}

type Writer = Arc<Mutex<Box<dyn Write + Send>>>;

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    Code(u32),
    /// By a signal that it did not handle.
    Killed(String),
}

/// A program in its terminal. Dropping it kills the program.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    writer: Writer,
    shared: Arc<Shared>,
    process: Option<u32>,
    killer: Box<dyn ChildKiller + Send + Sync>,
    ended: Receiver<std::io::Result<portable_pty::ExitStatus>>,
    result: Option<Ended>,
    threads: Vec<JoinHandle<()>>,
    home: tempfile::TempDir,
}

impl Session {
    /// The program of this repository with these arguments, not yet started.
    pub fn wsdash<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Start {
        Start::new(env!("CARGO_BIN_EXE_wsdash")).args(args)
    }

    /// Types.
    pub fn send(&self, keys: impl AsRef<str>) {
        let mut writer = lock(&self.writer);
        writer
            .write_all(keys.as_ref().as_bytes())
            .and_then(|()| writer.flush())
            .unwrap_or_else(|error| {
                panic!("typing {:?}: {error}\n{}", keys.as_ref(), self.framed())
            });
    }

    /// Changes the size of the window; the program gets SIGWINCH.
    pub fn resize(&self, columns: u16, rows: u16) {
        // the screen first: what the program draws next is meant for the new size
        let mut state = self.shared.lock();
        state
            .parser
            .set_size(at_least_one(rows), at_least_one(columns));
        state.changed = Instant::now();
        drop(state);
        self.master
            .resize(size_of(columns, rows))
            .expect("changing the size of the terminal");
    }

    /// Sends a signal by its name: TERM, HUP, STOP …
    pub fn signal(&self, name: &str) {
        let process = self
            .process
            .expect("the program has no process")
            .to_string();
        let status = std::process::Command::new("kill")
            .args(["-s", name, &process])
            .status()
            .expect("running kill");
        assert!(status.success(), "kill -s {name} {process}: {status}");
    }

    /// The program's home folder, gone with the session.
    pub fn home(&self) -> &std::path::Path {
        self.home.path()
    }

    /// The process, for looking at it from outside.
    pub fn process(&self) -> Option<u32> {
        self.process
    }

    /// The screen as text, lines without blanks at their ends.
    pub fn screen(&self) -> String {
        self.shared.lock().parser.screen().contents()
    }

    /// One line of the screen, from 0.
    pub fn line(&self, row: usize) -> String {
        let state = self.shared.lock();
        let screen = state.parser.screen();
        let columns = screen.size().1.get();
        let line = screen.rows(0, columns).nth(row).unwrap_or_default();
        line.trim_end().to_owned()
    }

    /// Looks at the screen with all its attributes.
    pub fn look<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.shared.lock().parser.screen())
    }

    /// All bytes that the program has written.
    pub fn bytes(&self) -> Vec<u8> {
        self.shared.lock().bytes.clone()
    }

    /// Waits until a text stands on the screen.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.wait_until(&format!("`{text}` on the screen"), |screen| {
            screen.contents().contains(text)
        });
    }

    /// Waits until a text no longer stands on the screen.
    #[track_caller]
    pub fn wait_gone(&self, text: &str) {
        self.wait_until(&format!("no `{text}` on the screen"), |screen| {
            !screen.contents().contains(text)
        });
    }

    /// Waits until the screen fulfils a condition; `what` names it for the message.
    #[track_caller]
    pub fn wait_until(&self, what: &str, fulfilled: impl Fn(&vt100::Screen) -> bool) {
        self.wait_within(CEILING, what, fulfilled);
    }

    /// As [`Self::wait_until`] with another ceiling.
    #[track_caller]
    pub fn wait_within(
        &self,
        ceiling: Duration,
        what: &str,
        fulfilled: impl Fn(&vt100::Screen) -> bool,
    ) {
        let deadline = Instant::now() + ceiling;
        let mut state = self.shared.lock();
        while !fulfilled(state.parser.screen()) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || state.ended {
                let why = if state.ended {
                    "the program has ended".to_owned()
                } else {
                    format!("after {ceiling:?}")
                };
                drop(state);
                panic!("waited for {what}: {why}\n{}", self.framed());
            }
            state = self.shared.wait(state, left);
        }
    }

    /// Waits until the screen has not changed for [`QUIET`]: frames drawn in the middle of a resize
    /// or a load are no frames to compare.
    #[track_caller]
    pub fn wait_until_stable(&self) {
        let deadline = Instant::now() + CEILING;
        let mut state = self.shared.lock();
        loop {
            let still = state.changed + QUIET;
            let now = Instant::now();
            if now >= still || state.ended {
                return;
            }
            if now >= deadline {
                drop(state);
                panic!("the screen does not come to rest\n{}", self.framed());
            }
            state = self.shared.wait(state, still - now);
        }
    }

    /// Waits for the program's end and for its last output.
    #[track_caller]
    pub fn exit(&mut self) -> Ended {
        if let Some(result) = &self.result {
            return result.clone();
        }
        let status = match self.ended.recv_timeout(CEILING) {
            Ok(status) => status.expect("waiting for the program"),
            Err(error) => panic!("the program does not end ({error})\n{}", self.framed()),
        };
        let ended = match status.signal() {
            Some(signal) => Ended::Killed(signal.to_owned()),
            None => Ended::Code(status.exit_code()),
        };
        self.result = Some(ended.clone());
        let deadline = Instant::now() + CEILING;
        let mut state = self.shared.lock();
        while !state.ended && Instant::now() < deadline {
            state = self
                .shared
                .wait(state, deadline.saturating_duration_since(Instant::now()));
        }
        ended
    }

    /// Whether the program is still there.
    pub fn runs(&self) -> bool {
        !self.shared.lock().ended
    }

    /// Asserts that no mode is left behind: main screen, cursor seen, no mouse, no paste marks, and
    /// the line discipline with echo.
    #[track_caller]
    pub fn assert_restored(&self) {
        let state = self.shared.lock();
        let screen = state.parser.screen();
        let focus_left = last(&state.bytes, b"\x1b[?1004h") > last(&state.bytes, b"\x1b[?1004l");
        let left = [
            (screen.alternate_screen(), "the alternate screen"),
            (screen.hide_cursor(), "a hidden cursor"),
            (screen.bracketed_paste(), "bracketed paste"),
            (
                screen.mouse_protocol_mode() != vt100::MouseProtocolMode::None,
                "the mouse",
            ),
            (focus_left, "focus events"),
        ];
        let left: Vec<&str> = left.iter().filter(|l| l.0).map(|l| l.1).collect();
        drop(state);
        assert!(left.is_empty(), "left behind: {left:?}\n{}", self.framed());
        #[cfg(unix)]
        if let Some(settings) = self.master.get_termios() {
            let settings = format!("{:?}", settings.local_flags);
            assert!(
                settings.contains("ECHO") && settings.contains("ICANON"),
                "left behind: raw mode ({settings})"
            );
        }
    }

    fn framed(&self) -> String {
        let state = self.shared.lock();
        let screen = state.parser.screen();
        let (rows, columns) = screen.size();
        let rule = "─".repeat(usize::from(columns.get()));
        let lines: Vec<String> = screen.rows(0, columns.get()).collect();
        format!("{columns}×{rows}\n{rule}\n{}\n{rule}", lines.join("\n"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.killer.kill();
        if self.result.is_none() {
            let _ = self.ended.recv_timeout(CEILING);
        }
        // the reader ends with the last process of the terminal; a lost one must not hang the tests
        for thread in self.threads.drain(..) {
            if thread.is_finished() {
                let _ = thread.join();
            }
        }
    }
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    parser: vt100::Parser<Answers>,
    bytes: Vec<u8>,
    changed: Instant,
    /// Nothing more will come.
    ended: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        match self.changed.wait_timeout(state, at_most) {
            Ok((state, _)) => state,
            Err(poisoned) => poisoned.into_inner().0,
        }
    }

    /// Takes what the program has written; returns what the terminal answers.
    fn read(&self, bytes: &[u8]) -> Vec<u8> {
        let mut state = self.lock();
        state.bytes.extend_from_slice(bytes);
        state.parser.process(bytes);
        state.changed = Instant::now();
        let answers = std::mem::take(&mut state.parser.callbacks_mut().0);
        self.changed.notify_all();
        answers
    }

    fn end(&self) {
        self.lock().ended = true;
        self.changed.notify_all();
    }
}

/// What a terminal says when it is asked.
#[derive(Default)]
struct Answers(Vec<u8>);

impl vt100::Callbacks for Answers {
    fn unhandled_csi(
        &mut self,
        screen: &mut vt100::Screen,
        first: Option<u8>,
        _second: Option<u8>,
        params: &[&[u16]],
        last: char,
    ) {
        match (first, last, params) {
            // where is the cursor
            (None, 'n', [[6]]) => {
                let (row, column) = screen.cursor_position();
                let answer = format!("\x1b[{};{}R", row + 1, column + 1);
                self.0.extend_from_slice(answer.as_bytes());
            }
            // are you well
            (None, 'n', [[5]]) => self.0.extend_from_slice(b"\x1b[0n"),
            // what are you: a VT220 with colours
            (None, 'c', [] | [[0]]) => self.0.extend_from_slice(b"\x1b[?62;22c"),
            _ => {}
        }
    }
}

fn parser(columns: u16, rows: u16) -> vt100::Parser<Answers> {
    vt100::Parser::new_with_callbacks(
        at_least_one(rows),
        at_least_one(columns),
        1000,
        Answers::default(),
    )
}

fn at_least_one(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}

fn size_of(columns: u16, rows: u16) -> PtySize {
    PtySize {
        rows,
        cols: columns,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Where a sequence of bytes stands last.
fn last(bytes: &[u8], sequence: &[u8]) -> Option<usize> {
    bytes
        .windows(sequence.len())
        .rposition(|window| window == sequence)
}
