//! A shell in a pod, while the terminal is lent to it. Bytes go through unchanged in both
//! directions, the window's size follows, and the end is told with its exit code.

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Read as _};
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use kube::Client;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cluster::exec::{ExecEnd, ExecRequest, PodTarget, Session, WindowSize, exec};
use crate::domain::key::ObjectKey;

/// How a shell ended, in a sentence.
pub(super) struct Ended {
    pub(super) good: bool,
    pub(super) text: String,
}

/// Runs the first shell that the container has. The terminal must be lent raw meanwhile.
pub(super) async fn run(
    client: &Client,
    pod: &ObjectKey,
    container: Option<&str>,
    shells: &[String],
) -> Result<Ended> {
    let target = PodTarget::new(&*pod.namespace, &*pod.name);
    let request = ExecRequest {
        command: command(shells),
        container: container.map(str::to_owned),
        tty: true,
        stdin: true,
        size: window(),
    };
    let session = match exec(client, &target, request).await {
        Ok(session) => session,
        Err(fault) => {
            return Ok(Ended {
                good: false,
                text: fault.to_string(),
            });
        }
    };
    let end = converse(session).await?;
    Ok(match end {
        ExecEnd::Exited(0) => Ended {
            good: true,
            text: format!("the shell in {target} has ended"),
        },
        ExecEnd::Exited(127) if shells.len() > 1 => Ended {
            good: false,
            text: format!(
                "{target} has none of {} (exit code 127); set actions.shells",
                shells.join(", ")
            ),
        },
        ExecEnd::Exited(code) => Ended {
            good: true,
            text: format!("the shell in {target} has ended with exit code {code}"),
        },
        ExecEnd::Failed(fault) | ExecEnd::Lost(fault) => Ended {
            good: false,
            text: fault.to_string(),
        },
    })
}

/// Looks for the shells inside the container, in their order. With one there is nothing to look for.
pub(crate) fn command(shells: &[String]) -> Vec<String> {
    match shells {
        [] => vec!["sh".into()],
        [one] => one.split_whitespace().map(str::to_owned).collect(),
        many => {
            let mut script = String::from("TERM=${TERM:-xterm-256color}; export TERM; ");
            for shell in many {
                let word: String = shell
                    .chars()
                    .filter(|c| c.is_ascii_alphanumeric() || "/._- ".contains(*c))
                    .collect();
                let name = word.split(' ').next().unwrap_or_default();
                script.push_str("command -v ");
                script.push_str(name);
                script.push_str(" >/dev/null 2>&1 && exec ");
                script.push_str(&word);
                script.push_str("; ");
            }
            script.push_str("exit 127");
            vec!["sh".into(), "-c".into(), script]
        }
    }
}

/// The size of the terminal now.
pub(crate) fn window() -> Option<WindowSize> {
    let (width, height) = crossterm::terminal::size().ok()?;
    Some(WindowSize { width, height })
}

/// Passes bytes between the raw terminal and the session until it has ended.
pub(crate) async fn converse(mut session: Session) -> Result<ExecEnd> {
    let (mut typed, _keyboard) = Keyboard::open()?;
    let mut resized = signal(SignalKind::window_change()).context("listening for new sizes")?;
    let resizer = session.resizer();
    // The window may have changed while the session was opened, before anybody listened.
    let _ = resizer.send(window());
    let (mut input, output) = (session.stdin.take(), session.stdout.take());
    let mut finish = std::pin::pin!(session.finish());
    let out = std::io::stdout().as_fd().try_clone_to_owned();
    let out = std::fs::File::from(out.context("writing to the terminal")?);
    let show = async {
        let mut screen = tokio::fs::File::from_std(out);
        let mut bytes = vec![0; 32 * 1024];
        let Some(mut output) = output else { return };
        while let Ok(length @ 1..) = output.read(&mut bytes).await {
            let part = bytes.get(..length).unwrap_or_default();
            if screen.write_all(part).await.is_err() || screen.flush().await.is_err() {
                return;
            }
        }
    };
    // Apart from each other: a command that does not read must not stop what it writes.
    let feed = async {
        while let Some(keys) = typed.recv().await {
            let Some(into) = &mut input else { return };
            if into.write_all(&keys).await.is_err() {
                return;
            }
        }
    };
    let (mut show, mut feed) = (std::pin::pin!(show), std::pin::pin!(feed));
    let (mut shown, mut fed) = (false, false);
    loop {
        tokio::select! {
            end = &mut finish => {
                // What it wrote last may still be on its way.
                if !shown {
                    show.await;
                }
                return Ok(end);
            }
            () = &mut show, if !shown => shown = true,
            () = &mut feed, if !fed => fed = true,
            _ = resized.recv() => {
                // A session that has ended takes no size.
                let _ = resizer.send(window());
            }
        }
    }
}

/// Reads the terminal in a thread that ends with the shell: a read that is merely waited for would
/// take the next key away from the dashboard.
struct Keyboard {
    /// Closing it ends the thread.
    _stop: PipeWriter,
}

impl Keyboard {
    fn open() -> Result<(mpsc::Receiver<Vec<u8>>, Self)> {
        let tty = File::open("/dev/tty").context("opening the terminal for the shell")?;
        let (stop, guard) = std::io::pipe().context("preparing the terminal for the shell")?;
        let (sender, typed) = mpsc::channel(16);
        std::thread::Builder::new()
            .name("shell-keys".into())
            .spawn(move || read_keys(tty, &stop, &sender))
            .context("starting to read the terminal")?;
        Ok((typed, Self { _stop: guard }))
    }
}

fn read_keys(mut tty: File, stop: &PipeReader, typed: &mpsc::Sender<Vec<u8>>) {
    let mut bytes = [0; 4096];
    loop {
        let mut waiting = [
            PollFd::new(&tty, PollFlags::IN),
            PollFd::new(stop, PollFlags::IN),
        ];
        match poll(&mut waiting, None) {
            Err(Errno::INTR) => continue,
            Err(_) => return,
            Ok(_) if !waiting[1].revents().is_empty() => return,
            Ok(_) => {}
        }
        match tty.read(&mut bytes) {
            Ok(length @ 1..) => {
                let keys = bytes.get(..length).unwrap_or_default().to_vec();
                if typed.blocking_send(keys).is_err() {
                    return;
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Ok(_) | Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_in_the_configuration_cannot_smuggle_in_another_command() {
        let shells = ["zsh -l".to_owned(), "sh; rm -rf /".to_owned()];
        let command = command(&shells);
        let script = command.last().unwrap();
        assert!(script.contains("exec zsh -l;"), "{script}");
        assert!(!script.contains("sh; rm"), "{script}");
    }
}
