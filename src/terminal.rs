//! The terminal: taken by a guard, lent to a shell, given back whatever happens, a panic included.
//! Must not read keys: the loop owns the event stream, and drops it while the terminal is lent, or
//! it would eat the shell's input.
//!
//! As few modes as possible are switched on, since each is one more thing that a killed process leaves
//! behind: raw mode, the alternate screen, bracketed paste (pasted text is never taken for keys), focus
//! events (a hidden window needs no frames), the mouse only when asked for.
//!
//! Suspending raises SIGTSTP with `signal-hook`, the crate that is in the tree for the keyboard already
//! and whose `raise` needs no `unsafe` here. It stops this thread before it returns. SIGTSTP and not
//! SIGSTOP: without a shell that could continue the process, the kernel drops the former, and the
//! screen simply comes back; the latter would freeze for ever.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Context as _, bail};
use crossterm::cursor::Show;
use crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use crossterm::queue;
use crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Size;
use rustix::termios::LocalModes;

mod panic;
mod signals;

pub use panic::install_hooks;
pub use signals::{Signal, Signals, signals};

/// One frame goes to the terminal in one write.
const FRAME_BYTES: usize = 64 * 1024;

/// The modes that are on, for whoever has to switch them off: the guard, the panic hook.
static MODES: AtomicU8 = AtomicU8::new(0);

const RAW: u8 = 1;
const SCREEN: u8 = 1 << 1;
const PASTE: u8 = 1 << 2;
const FOCUS: u8 = 1 << 3;
const MOUSE: u8 = 1 << 4;

thread_local! {
    /// Whether this is the thread that draws. A panic elsewhere ends a task, not the screen.
    static DRAWS: Cell<bool> = const { Cell::new(false) };
}

/// What is taken beside the screen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// The mouse is taken from the terminal, whose own selection then needs a modifier key.
    pub mouse: bool,
}

/// How a terminal is lent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loan {
    /// Line by line with echo, as programs expect it: an editor, a pager, a question.
    Cooked,
    /// Every byte as it is typed: a shell in a pod.
    Raw,
}

/// The screen while wsdash has it. Dropping it gives the terminal back.
#[derive(Debug)]
pub struct Terminal {
    inner: ratatui::Terminal<CrosstermBackend<BufWriter<File>>>,
    options: Options,
}

/// The terminal while somebody else has it; dropping it takes the terminal back.
#[derive(Debug)]
#[must_use = "the terminal is lent as long as this lives"]
pub struct Lent<'a> {
    terminal: Option<&'a mut Terminal>,
}

/// Refuses, with the way out, when there is no terminal to draw on.
pub fn require() -> anyhow::Result<()> {
    if !io::stdin().is_terminal() || !io::stdout().is_terminal() {
        bail!(
            "the dashboard needs a terminal; `wsdash get workspaces` prints the same facts \
             (-o json for programs)"
        );
    }
    if std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
        bail!(
            "the dashboard cannot draw on this terminal (TERM=dumb); `wsdash get workspaces` prints \
             the same facts"
        );
    }
    Ok(())
}

impl Terminal {
    /// Takes the terminal. Fails before anything is changed when there is none. The calling thread is
    /// the one whose panic gives the terminal back: call it where the loop runs.
    pub fn enter(options: Options) -> anyhow::Result<Self> {
        require()?;
        // NO_COLOR is the theme's business: crossterm would drop bold and reverse with the colours
        crossterm::style::force_color_output(true);
        let out = output().context("opening the terminal; is it still there?")?;
        let backend = CrosstermBackend::new(BufWriter::with_capacity(FRAME_BYTES, out));
        let inner = ratatui::Terminal::new(backend)
            .context("asking the terminal for its size; try another terminal")?;
        DRAWS.set(true);
        let mut terminal = Self { inner, options };
        terminal.take()?;
        Ok(terminal)
    }

    /// Draws one frame; only what has changed is sent.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.inner
            .draw(paint)
            .context("drawing on the terminal; is it still there?")?;
        Ok(())
    }

    /// Columns and rows.
    pub fn size(&self) -> anyhow::Result<Size> {
        self.inner
            .size()
            .context("asking the terminal for its size")
    }

    /// The next frame is sent whole, over whatever stands on the screen now.
    pub fn repaint(&mut self) -> anyhow::Result<()> {
        // not `clear`: that asks the terminal where its cursor is, and the answer would come in
        // between the keys
        let area = ratatui::layout::Rect::from((ratatui::layout::Position::ORIGIN, self.size()?));
        self.inner.resize(area).context("clearing the terminal")
    }

    /// Puts text on the clipboard of the terminal (OSC 52). Terminals that cannot ignore it.
    pub fn copy(&mut self, text: &str) -> anyhow::Result<()> {
        let out = self.inner.backend_mut();
        queue!(
            out,
            crossterm::clipboard::CopyToClipboard::to_clipboard_from(text)
        )
        .and_then(|()| io::Write::flush(out))
        .context("copying to the terminal's clipboard")
    }

    /// Lends the terminal: the screen as it was before wsdash, until the loan ends. Drop the event
    /// stream first.
    pub fn lend(&mut self, loan: Loan) -> anyhow::Result<Lent<'_>> {
        self.give_back(match loan {
            Loan::Cooked => 0,
            Loan::Raw => RAW,
        })?;
        Ok(Lent {
            terminal: Some(self),
        })
    }

    /// Stops the process as ctrl-z does in other programs, and comes back with the whole screen when
    /// the shell continues it.
    pub fn suspend(&mut self) -> anyhow::Result<()> {
        self.give_back(0)?;
        let stopped = signal_hook::low_level::raise(signal_hook::consts::SIGTSTP);
        self.take()?;
        stopped.context("stopping the process")
    }

    /// Everything again after somebody else stopped and continued the process.
    pub fn resume(&mut self) -> anyhow::Result<()> {
        // crossterm believes in the raw mode that the shell has ended: off, so that on means
        // something. A terminal that is raw stays so: ctrl-c is a key all the time
        if is_cooked() {
            disable_raw_mode().context("preparing the terminal; is it still there?")?;
        }
        self.take()
    }

    fn take(&mut self) -> anyhow::Result<()> {
        self.switch_on()
            .context("preparing the terminal; is it still there?")?;
        self.repaint()
    }

    fn switch_on(&mut self) -> io::Result<()> {
        enable_raw_mode()?;
        MODES.fetch_or(RAW | SCREEN | PASTE | FOCUS, Ordering::SeqCst);
        let out = self.inner.backend_mut();
        queue!(
            out,
            EnterAlternateScreen,
            EnableBracketedPaste,
            EnableFocusChange
        )?;
        if self.options.mouse {
            MODES.fetch_or(MOUSE, Ordering::SeqCst);
            queue!(out, EnableMouseCapture)?;
        }
        io::Write::flush(out)
    }

    fn give_back(&mut self, keep: u8) -> anyhow::Result<()> {
        // what waits in the buffer belongs to our screen, not to the one behind it
        io::Write::flush(self.inner.backend_mut()).context("finishing the frame")?;
        restore(keep).context("giving the terminal back")
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = self.give_back(0) {
            // a terminal that is gone (SIGHUP) cannot be restored, and needs it no more
            tracing::warn!(error = format!("{error:#}"), "the terminal is not restored");
        }
        DRAWS.set(false);
    }
}

impl Lent<'_> {
    /// Ends the loan. Unlike a drop it says when the terminal cannot be had back.
    pub fn take_back(mut self) -> anyhow::Result<()> {
        match self.terminal.take() {
            Some(terminal) => terminal.take(),
            None => Ok(()),
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(terminal) = self.terminal.take()
            && let Err(error) = terminal.take()
        {
            tracing::warn!(
                error = format!("{error:#}"),
                "the terminal is not taken back"
            );
        }
    }
}

/// Switches off all modes that are on but those to `keep`, in the opposite order. Every step is tried
/// though one before it fails; the first failure is returned.
fn restore(keep: u8) -> io::Result<()> {
    let on = MODES.fetch_and(keep, Ordering::SeqCst);
    let off = |mode: u8| on & mode != 0 && keep & mode == 0;
    let mut bytes = Vec::with_capacity(64);
    if off(MOUSE) {
        queue!(bytes, DisableMouseCapture)?;
    }
    if off(FOCUS) {
        queue!(bytes, DisableFocusChange)?;
    }
    if off(PASTE) {
        queue!(bytes, DisableBracketedPaste)?;
    }
    if off(SCREEN) {
        queue!(bytes, LeaveAlternateScreen, Show)?;
    }
    let written = output().and_then(|mut out| out.write_all(&bytes));
    let cooked = if off(RAW) { disable_raw_mode() } else { Ok(()) };
    written.and(cooked)
}

/// Whether the terminal itself makes lines and signals of keys. One that does not answer may.
fn is_cooked() -> bool {
    rustix::termios::tcgetattr(io::stdout()).map_or(true, |modes| {
        modes
            .local_modes
            .intersects(LocalModes::ICANON | LocalModes::ISIG)
    })
}

/// Standard output without the standard library's lock and line buffer: a panic in the middle of a
/// write must be able to write as well.
fn output() -> io::Result<File> {
    io::stdout().as_fd().try_clone_to_owned().map(File::from)
}
