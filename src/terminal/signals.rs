//! Signals as values for the loop. Must not act on them: the loop ends its jobs, drops the terminal and
//! exits with [`Signal::exit_code`].

use anyhow::Context as _;
use tokio::signal::unix::{self, SignalKind};

/// A signal from outside. (ctrl-c and ctrl-z are keys while the terminal is raw.)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: end now.
    Terminate,
    /// SIGHUP: the terminal is gone.
    Hangup,
    /// SIGINT.
    Interrupt,
    /// SIGQUIT.
    Quit,
    /// SIGCONT: somebody continued the process, the shell may have changed the terminal meanwhile:
    /// call [`super::Terminal::resume`]. Comes after an own suspend as well, where it does no harm.
    Continue,
}

impl Signal {
    /// 128 + n for the signals that end the process.
    pub fn exit_code(self) -> Option<u8> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let number = match self {
            Self::Terminate => SIGTERM,
            Self::Hangup => SIGHUP,
            Self::Interrupt => SIGINT,
            Self::Quit => SIGQUIT,
            Self::Continue => return None,
        };
        u8::try_from(128 + number).ok()
    }
}

/// The signals that have come and that will come. From its making on they no longer end the process.
#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    hangup: unix::Signal,
    interrupt: unix::Signal,
    quit: unix::Signal,
    cont: unix::Signal,
}

/// Starts to listen. Needs a tokio runtime.
pub fn signals() -> anyhow::Result<Signals> {
    let listen = |kind| unix::signal(kind).context("listening for signals");
    Ok(Signals {
        terminate: listen(SignalKind::terminate())?,
        hangup: listen(SignalKind::hangup())?,
        interrupt: listen(SignalKind::interrupt())?,
        quit: listen(SignalKind::quit())?,
        cont: listen(SignalKind::from_raw(signal_hook::consts::SIGCONT))?,
    })
}

impl Signals {
    /// Waits for the next signal. Dropping the future loses none.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            biased;
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.quit.recv() => Signal::Quit,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.cont.recv() => Signal::Continue,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_signal_arrives_as_a_value_with_the_exit_code_of_the_shell() {
        let mut signals = signals().unwrap();
        signal_hook::low_level::raise(signal_hook::consts::SIGHUP).unwrap();
        let limit = std::time::Duration::from_secs(60);
        let came = tokio::time::timeout(limit, signals.next()).await.unwrap();
        assert_eq!(came, Signal::Hangup);
        assert_eq!(came.exit_code(), Some(129));
        assert_eq!(Signal::Terminate.exit_code(), Some(143));
        assert_eq!(Signal::Interrupt.exit_code(), Some(130));
        assert_eq!(Signal::Continue.exit_code(), None);
    }
}
