//! The message loop of an exec session: Kubernetes' channel protocol v5 (v4 on old servers).
//!
//! Every binary message begins with the number of its channel. The end of the session is the
//! `Status` on channel 3, then the server's closing; the end of the connection without a status is
//! a loss. A peer that answers no ping is lost, too, so that a dead network shows within seconds.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{Sink, SinkExt as _, Stream, StreamExt as _};
use kube::core::Status;
use tokio::io::{AsyncReadExt as _, DuplexStream};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_tungstenite::tungstenite::{Bytes, Error as WebsocketError, Message};

use super::{ExecEnd, WindowSize};
use crate::cluster::fault::{Fault, FaultKind, safe_line};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// v5 only: the channel whose number follows has ended.
const CLOSE: u8 = 255;

const PING_EVERY: Duration = Duration::from_secs(3);
/// A peer that lets a ping wait so long is gone.
const PATIENCE: Duration = Duration::from_secs(10);
/// The server answers pings in turn with stdin, and a command may be slow to read that. kubectl
/// gives up after 61 s.
const BUSY_PATIENCE: Duration = Duration::from_secs(120);
/// So much stdin cannot keep the server busy: it fits into the pipe of the container. In bytes.
const LITTLE_STDIN: usize = 16 * 1024;
/// How long the rest of the output may take to begin after the status.
const AFTER_STATUS: Duration = Duration::from_secs(2);
/// Stdin is sent in messages of at most this size, in bytes.
const STDIN_MESSAGE: usize = 32 * 1024;

/// Our ends of a session.
pub(super) struct Ends {
    pub(super) stdin: Option<DuplexStream>,
    pub(super) stdout: Option<mpsc::Sender<Bytes>>,
    pub(super) stderr: Option<mpsc::Sender<Bytes>>,
    pub(super) sizes: watch::Receiver<Option<WindowSize>>,
    /// For sentences: `running a command in a/b`.
    pub(super) what: String,
}

/// What the writing half knows of the peer's silence.
#[derive(Default)]
struct Pulse {
    /// The oldest ping without an answer.
    pinged: Option<Instant>,
    /// A message that the connection does not take.
    sending: Option<Instant>,
    /// Stdin sent since the last answer, in bytes.
    stdin: usize,
    /// Since when we wait for a message; `None` while a slow reader of the output holds us up.
    listening: Option<Instant>,
    /// The peer cannot be told that stdin ended.
    cannot_close: bool,
}

type Shared = Arc<Mutex<Pulse>>;

fn lock(pulse: &Shared) -> MutexGuard<'_, Pulse> {
    pulse.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries a session to its end.
pub(super) async fn carry<S>(socket: S, can_close: bool, ends: Ends) -> ExecEnd
where
    S: Stream<Item = Result<Message, WebsocketError>> + Sink<Message, Error = WebsocketError>,
{
    let (sink, messages) = socket.split();
    let pulse = Shared::default();
    let writer = write(sink, can_close, ends.stdin, ends.sizes, pulse.clone());
    let reader = Reader {
        stdout: ends.stdout,
        stderr: ends.stderr,
        what: ends.what,
        pulse,
    };
    tokio::select! {
        end = reader.read(messages) => end,
        // a connection that cannot be written to may still hold output: reading decides
        never = writer => match never {},
    }
}

enum Never {}

async fn write(
    mut sink: impl Sink<Message, Error = WebsocketError> + Unpin,
    can_close: bool,
    mut stdin: Option<DuplexStream>,
    mut sizes: watch::Receiver<Option<WindowSize>>,
    pulse: Shared,
) -> Never {
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = vec![0; STDIN_MESSAGE];
    let mut sizes_are_open = true;
    sizes.mark_changed();
    loop {
        let message = tokio::select! {
            // a resize before the keys that were typed after it
            biased;
            changed = sizes.changed(), if sizes_are_open => {
                sizes_are_open = changed.is_ok();
                let size = *sizes.borrow_and_update();
                let Some(size) = size.filter(|_| sizes_are_open) else { continue };
                resize(size)
            }
            _ = pings.tick() => {
                let mut pulse = lock(&pulse);
                // a ping to a peer that is done and gone resets the connection, and with it goes
                // the output that waits in our buffers: ping only where nothing can wait there
                if pulse.listening.is_none_or(|since| since.elapsed() < PING_EVERY / 2) {
                    continue;
                }
                pulse.pinged.get_or_insert_with(Instant::now);
                Message::Ping(Bytes::new())
            }
            read = read_some(&mut stdin, &mut buffer) => match read {
                Some(bytes) => {
                    lock(&pulse).stdin += bytes.len();
                    framed(STDIN, bytes)
                }
                None if can_close => {
                    stdin = None;
                    Message::binary(vec![CLOSE, STDIN])
                }
                None => {
                    stdin = None;
                    lock(&pulse).cannot_close = true;
                    continue;
                }
            },
        };
        lock(&pulse).sending = Some(Instant::now());
        let sent = sink.send(message).await;
        lock(&pulse).sending = None;
        if sent.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Some bytes, or `None` at the end; never ready without a stdin.
async fn read_some<'a>(stdin: &mut Option<DuplexStream>, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
    match stdin {
        Some(stdin) => match stdin.read(buffer).await {
            Ok(length @ 1..) => buffer.get(..length),
            _ => None,
        },
        None => std::future::pending().await,
    }
}

fn framed(channel: u8, bytes: &[u8]) -> Message {
    let mut message = Vec::with_capacity(bytes.len() + 1);
    message.push(channel);
    message.extend_from_slice(bytes);
    Message::binary(message)
}

fn resize(size: WindowSize) -> Message {
    let size = serde_json::json!({"Width": size.width, "Height": size.height});
    framed(RESIZE, size.to_string().as_bytes())
}

struct Reader {
    stdout: Option<mpsc::Sender<Bytes>>,
    stderr: Option<mpsc::Sender<Bytes>>,
    what: String,
    pulse: Shared,
}

impl Reader {
    async fn read(
        mut self,
        mut messages: impl Stream<Item = Result<Message, WebsocketError>> + Unpin,
    ) -> ExecEnd {
        let mut end = None;
        // silence counts only while we listen: a slow reader of the output is no dead peer
        let mut heard = Instant::now();
        loop {
            let deadline = match end {
                Some(_) => heard + AFTER_STATUS,
                None => Instant::now() + Duration::from_millis(500),
            };
            lock(&self.pulse).listening.get_or_insert(heard);
            let message = tokio::select! {
                biased;
                message = messages.next() => message,
                () = sleep_until(deadline) => match end {
                    Some(end) => return end,
                    None => match self.given_up(heard) {
                        Some(lost) => return lost,
                        None => continue,
                    },
                },
            };
            lock(&self.pulse).listening = None;
            match message {
                Some(Ok(Message::Binary(bytes))) => {
                    if let Some(status) = self.deliver(bytes).await {
                        end = Some(status);
                    }
                }
                Some(Ok(Message::Pong(_))) => {
                    let mut pulse = lock(&self.pulse);
                    pulse.pinged = None;
                    pulse.stdin = 0;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => {
                    return end.unwrap_or_else(|| self.lost("the connection broke"));
                }
            }
            heard = Instant::now();
        }
    }

    /// Hands a message on; the end, if it is the status.
    async fn deliver(&mut self, bytes: Bytes) -> Option<ExecEnd> {
        let channel = *bytes.first()?;
        let content = bytes.slice(1..);
        match channel {
            // the server opens each channel with an empty message
            STDOUT if !content.is_empty() => hand_on(&mut self.stdout, content).await,
            STDERR if !content.is_empty() => hand_on(&mut self.stderr, content).await,
            STATUS if !content.is_empty() => return Some(self.end(&content)),
            CLOSE => match content.first() {
                Some(&STDOUT) => self.stdout = None,
                Some(&STDERR) => self.stderr = None,
                _ => {}
            },
            _ => {}
        }
        None
    }

    fn end(&self, content: &[u8]) -> ExecEnd {
        let Ok(status) = serde_json::from_slice::<Status>(content) else {
            return ExecEnd::Failed(Fault::new(
                FaultKind::Garbage,
                format!(
                    "{}: the server ended the session with something that is no status",
                    self.what
                ),
                "look at what the command did before running it again",
            ));
        };
        if status.is_success() {
            return ExecEnd::Exited(0);
        }
        let code = status
            .details
            .iter()
            .flat_map(|details| &details.causes)
            .find(|cause| cause.reason == "ExitCode")
            .and_then(|cause| cause.message.parse().ok());
        match code {
            Some(code) if status.reason == "NonZeroExitCode" => ExecEnd::Exited(code),
            _ if is_missing_command(&status.message) => ExecEnd::Failed(Fault::new(
                FaultKind::NoCommand,
                format!("{}: the container has no such command", self.what),
                "choose a command that its image has",
            )),
            _ => {
                let mut fault = Fault::of_status(&status, &self.what);
                if !status.message.is_empty() {
                    fault.sentence = format!("{}: {}", self.what, safe_line(&status.message));
                }
                ExecEnd::Failed(fault)
            }
        }
    }

    fn given_up(&self, heard: Instant) -> Option<ExecEnd> {
        let pulse = lock(&self.pulse);
        if pulse.cannot_close {
            return Some(ExecEnd::Failed(Fault::new(
                FaultKind::NoWebsocket,
                format!(
                    "{}: this server cannot be told that the input has ended",
                    self.what
                ),
                "use kubectl, or a server of Kubernetes 1.30 or later",
            )));
        }
        let patience = if pulse.stdin > LITTLE_STDIN {
            BUSY_PATIENCE
        } else {
            PATIENCE
        };
        let is_silent = |since: Option<Instant>, patience: Duration| {
            since.is_some_and(|since| since.max(heard).elapsed() > patience)
        };
        (is_silent(pulse.pinged, patience) || is_silent(pulse.sending, BUSY_PATIENCE))
            .then(|| self.lost("the other side no longer answers"))
    }

    fn lost(&self, how: &str) -> ExecEnd {
        ExecEnd::Lost(Fault::new(
            FaultKind::Disconnected,
            format!("{}: {how} before the command ended", self.what),
            "it may still run: look before you run it again",
        ))
    }
}

async fn hand_on(to: &mut Option<mpsc::Sender<Bytes>>, content: Bytes) {
    if let Some(sender) = to
        && sender.send(content).await.is_err()
    {
        // nobody wants it
        *to = None;
    }
}

/// What container runtimes say of a command that is not in the image.
fn is_missing_command(message: &str) -> bool {
    message.contains("executable file not found")
        || (message.contains("unable to start container process")
            && message.contains("no such file or directory"))
}
