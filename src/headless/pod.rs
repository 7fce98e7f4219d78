//! `wsdash exec` and `wsdash logs`: what happens inside a workspace's pod, byte by byte.

use std::io::{IsTerminal as _, Write as _};
use std::os::fd::AsFd;

use anyhow::{Context as _, Result, anyhow, bail};
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::{put, target};
use crate::cli::{ExecArgs, LogsArgs};
use crate::cluster::connect::{Connection, Interaction, connect};
use crate::cluster::exec::{ExecEnd, ExecRequest, PodTarget, Session, exec};
use crate::cluster::fault::FaultKind;
use crate::cluster::logs::{self, LogEvent, LogRequest};
use crate::cluster::object;
use crate::config::Loaded;
use crate::domain::key::ObjectKey;
use crate::runtime::shell;

/// The session broke; ssh's own code for that.
const LOST: u8 = 255;

async fn reach(loaded: &Loaded, name: &str) -> Result<(Connection, PodTarget)> {
    let connection = connect(&target(&loaded.config), Interaction::Allowed).await?;
    let pod = match (name.split_once('/'), connection.namespace.namespace()) {
        (Some((namespace, name)), _) => PodTarget::new(namespace, name),
        (None, Some(namespace)) => PodTarget::new(namespace, name),
        (None, None) => bail!("in which namespace {name} is cannot be told with -A; use -n"),
    };
    Ok((connection, pod))
}

/// The container that is named, else the one that mounts the work: a server would take the first.
async fn container(
    loaded: &Loaded,
    connection: &Connection,
    target: &PodTarget,
    named: Option<&str>,
) -> Result<String> {
    if let Some(name) = named {
        return Ok(name.to_owned());
    }
    let key = ObjectKey::new(target.namespace.as_str(), target.pod.as_str());
    let pod = object::pod(&connection.client, &key, &loaded.config.policy()).await;
    let pod = pod.map_err(|fault| match fault.kind {
        FaultKind::Forbidden => anyhow!("{fault}; or name the container with -c"),
        _ => fault.into(),
    })?;
    let chosen = pod.work_container();
    let chosen = chosen.with_context(|| format!("pod {target} has no container"))?;
    Ok(chosen.name.to_string())
}

/// Runs a command as ssh does: bytes pass unchanged, the exit code is the command's.
pub(super) async fn run(loaded: &Loaded, args: &ExecArgs) -> Result<u8> {
    let (connection, pod) = reach(loaded, &args.name).await?;
    if let Some(why) = loaded.config.read_only(&connection.context) {
        bail!("{why}");
    }
    let container = container(loaded, &connection, &pod, args.container.as_deref()).await?;
    let is_shell = args.command.is_empty();
    let tty = (args.tty || is_shell) && std::io::stdin().is_terminal();
    if is_shell && !tty {
        bail!("a shell needs a terminal; name a command behind `--`");
    }
    let request = ExecRequest {
        command: if is_shell {
            shell::command(&loaded.config.actions.shells)
        } else {
            args.command.clone()
        },
        container: Some(container),
        tty,
        stdin: args.stdin || is_shell,
        size: shell::window().filter(|_| tty),
    };
    let session = exec(&connection.client, &pod, request).await?;
    let end = if tty {
        crossterm::terminal::enable_raw_mode().context("preparing the terminal")?;
        let end = shell::converse(session).await;
        crossterm::terminal::disable_raw_mode().context("giving the terminal back")?;
        end?
    } else {
        pipe(session).await?
    };
    match end {
        // A code beyond a byte is cut as a shell cuts it.
        ExecEnd::Exited(code) => Ok(u8::try_from(code & 0xff).unwrap_or(LOST)),
        ExecEnd::Failed(fault) => bail!("{fault}"),
        ExecEnd::Lost(fault) => {
            super::warn(&fault.to_string())?;
            Ok(LOST)
        }
    }
}

/// An own opening of a standard stream, read and written off the loop.
fn stream(of: impl AsFd) -> Result<tokio::fs::File> {
    let fd = of
        .as_fd()
        .try_clone_to_owned()
        .context("opening a standard stream")?;
    Ok(tokio::fs::File::from_std(std::fs::File::from(fd)))
}

async fn pipe(mut session: Session) -> Result<ExecEnd> {
    let (input, output, errors) = (
        session.stdin.take(),
        session.stdout.take(),
        session.stderr.take(),
    );
    let mut keyboard = stream(std::io::stdin())?;
    let (mut out, mut err) = (stream(std::io::stdout())?, stream(std::io::stderr())?);
    // A command that has ended reads no more: what is left of our input is nobody's.
    let feed = tokio::spawn(async move {
        if let Some(mut input) = input {
            let _ = tokio::io::copy(&mut keyboard, &mut input).await;
            let _ = input.shutdown().await;
        }
    });
    let (end, shown, told) = tokio::join!(
        session.finish(),
        copy(output, &mut out),
        copy(errors, &mut err)
    );
    feed.abort();
    shown.and(told)?;
    Ok(end)
}

async fn copy(from: Option<impl AsyncRead + Unpin>, to: &mut tokio::fs::File) -> Result<()> {
    let Some(mut from) = from else {
        return Ok(());
    };
    let mut bytes = vec![0; 64 * 1024];
    loop {
        let length = from
            .read(&mut bytes)
            .await
            .context("reading the command's output")?;
        if length == 0 {
            return to.flush().await.context("writing the output");
        }
        let part = bytes.get(..length).unwrap_or_default();
        match to.write_all(part).await {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            other => other.context("writing the output")?,
        }
    }
}

/// Prints a log, and goes on where that is wanted.
pub(super) async fn log(loaded: &Loaded, args: &LogsArgs) -> Result<u8> {
    let (connection, pod) = reach(loaded, &args.name).await?;
    let container = container(loaded, &connection, &pod, args.container.as_deref()).await?;
    let request = LogRequest {
        container: Some(container),
        follow: args.follow,
        previous: args.previous,
        tail: args.tail,
        since: args.since.map(|age| Timestamp::now() - age),
    };
    let mut stream = logs::stream(
        connection.client.clone(),
        pod,
        request,
        CancellationToken::new(),
    );
    while let Some(event) = stream.next().await {
        match event {
            LogEvent::Lines(lines) => {
                for line in lines {
                    match line.at.filter(|_| args.timestamps) {
                        Some(at) => put(&format!("{at} {}", line.text))?,
                        None => put(&line.text)?,
                    }
                }
                std::io::stdout().flush().context("writing the log")?;
            }
            LogEvent::Ended => return Ok(0),
            LogEvent::Failed(fault) => bail!("{fault}"),
        }
    }
    Ok(0)
}
