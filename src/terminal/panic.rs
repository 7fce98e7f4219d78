//! What happens in a panic: log first, then restore the terminal, then report. Must not panic.

use std::backtrace::Backtrace;
use std::io::Write as _;
use std::sync::atomic::Ordering;

use color_eyre::config::{HookBuilder, Theme};

use super::{DRAWS, MODES, restore};

/// Installs the hooks for panics and for the final report. Call it first in `main`; with `colour` the
/// report is coloured.
///
/// A panic on the thread that draws restores the terminal and prints the report. A panic on another
/// thread while the screen is up is only logged: it ends one task, whose owner sees that it ended, and a
/// report in the middle of the screen would help nobody.
pub fn install_hooks(colour: bool) -> anyhow::Result<()> {
    let mut builder = HookBuilder::default().display_env_section(false);
    if !colour {
        builder = builder.theme(Theme::new());
    }
    let (panic_hook, eyre_hook) = builder
        .try_into_hooks()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    eyre_hook
        .install()
        .map_err(|error| anyhow::anyhow!("{error:#}"))?;
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, backtrace = %Backtrace::force_capture(), "panic");
        let screen_is_up = MODES.load(Ordering::SeqCst) != 0;
        // the thread may be ending, its locals gone: then it does not draw
        let draws = DRAWS.try_with(std::cell::Cell::get).unwrap_or(false);
        if screen_is_up && !draws {
            return;
        }
        let _ = restore(0);
        // not eprintln: that panics when nobody listens any more
        let _ = writeln!(std::io::stderr(), "{}", panic_hook.panic_report(panic));
    }));
    Ok(())
}
