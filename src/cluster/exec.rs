//! Runs a command in a container over the API server's websocket.
//!
//! The message loop is our own (`exec/stream.rs`): kube 5's never reaches EOF when the connection
//! drops, cannot tell a dead peer, and ends before the last output when the status overtakes it.
//! Everything is bounded: a reader that is slow holds the remote command back.
//!
//! This module moves bytes; it must not touch the local terminal.

mod stream;

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::AttachParams;
use kube::{Client, Resource as _};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::fault::{Fault, FaultKind};

/// Between the caller and the message loop, in bytes.
const STDIN_BUFFER: usize = 64 * 1024;
/// Messages of output that wait for a slow reader; the server sends at most 32 KiB in one.
const OUTPUT_MESSAGES: usize = 16;
/// What [`run`] keeps of an output, in bytes.
const LARGEST_OUTPUT: usize = 8 * 1024 * 1024;

/// A pod by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PodTarget {
    pub namespace: String,
    pub pod: String,
}

impl PodTarget {
    pub fn new(namespace: impl Into<String>, pod: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            pod: pod.into(),
        }
    }
}

impl fmt::Display for PodTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.pod)
    }
}

/// Size of a terminal in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowSize {
    pub width: u16,
    pub height: u16,
}

/// What to run and how.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExecRequest {
    pub command: Vec<String>,
    /// Needed when the pod has several.
    pub container: Option<String>,
    /// With a terminal: standard error then comes with standard output.
    pub tty: bool,
    pub stdin: bool,
    /// The first size of the terminal.
    pub size: Option<WindowSize>,
}

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecEnd {
    /// The command ended with this exit code.
    Exited(i32),
    /// The server could not run the command, or could not run it to its end.
    Failed(Fault),
    /// The connection broke: nobody knows whether the command still runs.
    Lost(Fault),
}

/// A command under way. Dropping it ends the session; the remote command may go on without it.
pub struct Session {
    /// Shutting it down, or dropping it, is end of file for the command. `None` without `stdin`.
    pub stdin: Option<DuplexStream>,
    pub stdout: Option<ExecOutput>,
    /// `None` with a terminal.
    pub stderr: Option<ExecOutput>,
    size: watch::Sender<Option<WindowSize>>,
    task: AbortOnDropHandle<ExecEnd>,
}

impl Session {
    /// Where to send new sizes of the terminal; only the newest counts.
    pub fn resizer(&self) -> watch::Sender<Option<WindowSize>> {
        self.size.clone()
    }

    /// Waits for the end. Output that was not taken is thrown away and a stdin that was not taken
    /// is closed. Output that was taken must be read meanwhile: the command may wait for that.
    pub async fn finish(mut self) -> ExecEnd {
        self.stdin = None;
        self.stdout = None;
        self.stderr = None;
        self.task.await.unwrap_or_else(|_cause| {
            ExecEnd::Lost(Fault::new(
                FaultKind::Other,
                "the session was interrupted",
                "start it again",
            ))
        })
    }
}

/// Standard output or error of a command. End of file comes with the end of the session, however
/// it ended: see [`Session::finish`] for the reason.
pub struct ExecOutput {
    messages: mpsc::Receiver<Bytes>,
    current: Bytes,
}

impl AsyncRead for ExecOutput {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.current.is_empty() {
            match ready!(self.messages.poll_recv(cx)) {
                Some(message) => self.current = message,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.current.len().min(buffer.remaining());
        let part = self.current.split_to(length);
        buffer.put_slice(&part);
        Poll::Ready(Ok(()))
    }
}

/// Starts a command. Returns once the server accepted it, within the request limit of the client.
pub async fn exec(
    client: &Client,
    target: &PodTarget,
    request: ExecRequest,
) -> Result<Session, Fault> {
    let what = format!("running a command in {target}");
    let params = AttachParams {
        container: request.container,
        stdin: request.stdin,
        stdout: true,
        stderr: !request.tty,
        tty: request.tty,
        ..AttachParams::default()
    };
    let path = Pod::url_path(&(), Some(&target.namespace));
    let call = kube::core::Request::new(path)
        .exec(&target.pod, request.command, &params)
        .map_err(|error| Fault::of(&kube::Error::BuildRequest(error), &what))?;
    let connection = client
        .connect(call)
        .await
        .map_err(|error| Fault::of(&error, &what))?;

    let (stdin, to_send) = tokio::io::duplex(STDIN_BUFFER);
    let (stdout_sender, stdout) = output();
    let (stderr_sender, stderr) = output();
    let (size, sizes) = watch::channel(request.size);
    let session = stream::Ends {
        stdin: request.stdin.then_some(to_send),
        stdout: Some(stdout_sender),
        stderr: (!request.tty).then_some(stderr_sender),
        sizes,
        what,
    };
    let can_close = connection.supports_stream_close();
    let task = tokio::spawn(stream::carry(connection.into_stream(), can_close, session));
    Ok(Session {
        stdin: request.stdin.then_some(stdin),
        stdout: Some(stdout),
        stderr: (!request.tty).then_some(stderr),
        size,
        task: AbortOnDropHandle::new(task),
    })
}

fn output() -> (mpsc::Sender<Bytes>, ExecOutput) {
    let (sender, messages) = mpsc::channel(OUTPUT_MESSAGES);
    let current = Bytes::new();
    (sender, ExecOutput { messages, current })
}

/// What a command that was [`run`] left behind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Exit code.
    pub code: i32,
}

/// Runs a command to its end and collects what it prints, at most 8 MiB of each. A command that
/// exits with another code than 0 is no fault. After `limit` the session is given up; the remote
/// command may go on, so give it a limit of its own where that matters.
pub async fn run(
    client: &Client,
    target: &PodTarget,
    container: Option<&str>,
    command: &[&str],
    stdin: &[u8],
    limit: Duration,
) -> Result<Output, Fault> {
    let what = format!(
        "running {} in {target}",
        command.first().unwrap_or(&"nothing")
    );
    let request = ExecRequest {
        command: command.iter().map(ToString::to_string).collect(),
        container: container.map(str::to_owned),
        stdin: !stdin.is_empty(),
        ..ExecRequest::default()
    };
    let work = async {
        let mut session = exec(client, target, request).await?;
        let (input, stdout, stderr) = (
            session.stdin.take(),
            session.stdout.take(),
            session.stderr.take(),
        );
        let (end, (), stdout, stderr) = tokio::join!(
            session.finish(),
            feed(input, stdin),
            collect(stdout),
            collect(stderr)
        );
        match end {
            ExecEnd::Exited(code) => match (stdout, stderr) {
                (Some(stdout), Some(stderr)) => Ok(Output {
                    stdout,
                    stderr,
                    code,
                }),
                _ => Err(Fault::new(
                    FaultKind::Garbage,
                    format!("{what}: it printed more than 8 MiB"),
                    "look at the container: this command should print little",
                )),
            },
            ExecEnd::Failed(fault) | ExecEnd::Lost(fault) => Err(fault),
        }
    };
    tokio::time::timeout(limit, work)
        .await
        .unwrap_or_else(|_elapsed| Err(Fault::timeout(&what, limit)))
}

async fn feed(input: Option<DuplexStream>, bytes: &[u8]) {
    if let Some(mut input) = input {
        // a command may end without reading its input
        let _ = input.write_all(bytes).await;
        let _ = input.shutdown().await;
    }
}

/// Everything, or `None` if it is too much; then the rest is read and thrown away.
async fn collect(output: Option<ExecOutput>) -> Option<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut output) = output else {
        return Some(kept);
    };
    let mut part = vec![0; 64 * 1024];
    let mut is_too_much = false;
    while let Ok(length @ 1..) = output.read(&mut part).await {
        is_too_much |= kept.len() + length > LARGEST_OUTPUT;
        if !is_too_much {
            kept.extend(part.iter().take(length));
        }
    }
    (!is_too_much).then_some(kept)
}
