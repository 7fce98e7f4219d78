//! Exec and attach by websocket: `v5.channel.k8s.io`, and `v4` for older clients. One thread runs the shell of
//! a session; it ends with the socket, with the pod and with the server.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::super::drill;
use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::Kind;
use super::super::shell::{self, Files, Host, Interpreter, Terminal, Typed};
use super::super::world::World;
use super::{Query, Shared, Target, fail};

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// v5: the rest of the message names a channel that the client has closed.
const CLOSE: u8 = 255;
/// Messages under way to either side; a slow reader slows the command.
const QUEUE: usize = 16;
/// Bytes of one message.
const CHUNK: usize = 32 * 1024;
/// How often a waiting command looks whether it is to end.
const LOOK: Duration = Duration::from_millis(100);

struct Session {
    shared: Arc<Shared>,
    uid: String,
    container: String,
    tty: bool,
    stdin: bool,
    input: Receiver<Vec<u8>>,
    /// What came while nobody read.
    early: VecDeque<Vec<u8>>,
    terminal: Terminal,
    interrupted: bool,
    output: mpsc::Sender<Vec<u8>>,
}

impl Host for Session {
    fn files(&mut self, act: &mut dyn FnMut(&mut Files<'_>)) -> bool {
        if self.shared.cancel.is_cancelled() {
            return false;
        }
        let mut world = self.shared.world();
        let running = world
            .sandboxes
            .get(&self.uid)
            .and_then(|s| s.containers.get(&self.container))
            .is_some_and(super::super::sandbox::Container::is_running);
        running && shell::with_files(&mut world, &self.uid, &self.container, act)
    }

    fn read(&mut self) -> Typed {
        loop {
            if let Some(typed) = self.terminal.take() {
                return typed;
            }
            if !self.stdin {
                return Typed::End;
            }
            let next = match self.early.pop_front() {
                Some(bytes) => Ok(bytes),
                None => self.input.recv_timeout(LOOK),
            };
            match next {
                Ok(bytes) if bytes.is_empty() => self.stdin = false,
                Ok(bytes) if self.tty => self.press(&bytes),
                Ok(bytes) => return Typed::Bytes(bytes),
                Err(RecvTimeoutError::Timeout) if self.files(&mut |_| {}) => {}
                Err(_) => self.stdin = false,
            }
        }
    }

    fn is_terminal(&self) -> bool {
        self.tty && self.stdin
    }

    fn was_interrupted(&mut self) -> bool {
        std::mem::take(&mut self.interrupted)
    }

    fn write(&mut self, error: bool, bytes: &[u8]) -> bool {
        let channel = if error && !self.tty { STDERR } else { STDOUT };
        let translated;
        let bytes = if self.tty {
            translated = bytes.iter().fold(Vec::new(), |mut out, byte| {
                if *byte == b'\n' {
                    out.push(b'\r');
                }
                out.push(*byte);
                out
            });
            &translated
        } else {
            bytes
        };
        bytes.chunks(CHUNK).all(|part| {
            let mut message = Vec::with_capacity(part.len() + 1);
            message.push(channel);
            message.extend_from_slice(part);
            self.output.blocking_send(message).is_ok()
        })
    }

    fn sleep(&mut self, seconds: f64) -> bool {
        let until = self.shared.clock.now() + super::super::clock::seconds(seconds);
        while self.shared.clock.now() < until {
            let wait = LOOK.min(self.shared.clock.real(seconds));
            if self.early.len() < QUEUE {
                match self.input.recv_timeout(wait) {
                    Ok(bytes) if self.tty && !bytes.is_empty() => self.press(&bytes),
                    Ok(bytes) => self.early.push_back(bytes),
                    Err(RecvTimeoutError::Timeout) => {}
                    // A closed socket ends the wait.
                    Err(RecvTimeoutError::Disconnected) => return false,
                }
            } else {
                std::thread::park_timeout(wait);
            }
            if self.terminal.take_interrupt() {
                self.interrupted = true;
                return false;
            }
            if self.output.is_closed() || !self.files(&mut |_| {}) {
                return false;
            }
        }
        true
    }
}

impl Session {
    /// Keys of the terminal, with their echo.
    fn press(&mut self, bytes: &[u8]) {
        let echo = self.terminal.press(bytes);
        if !echo.is_empty() {
            self.write(false, &echo);
        }
    }
}

fn check(world: &World, target: &Target, query: &Query) -> Result<(Arc<Object>, String), Failure> {
    let pod = world
        .read(&target.key())
        .ok_or_else(|| Failure::not_found(Kind::Pod, &target.name))?;
    let all: Vec<&str> = pod
        .items("spec/containers")
        .iter()
        .map(|c| c.text("name"))
        .collect();
    let name = match query.get("container").filter(|c| !c.is_empty()) {
        Some(name) if all.contains(&name) => name,
        Some(name) => {
            return Err(Failure::bad_request(format!(
                "container {name} is not valid for pod {}",
                pod.name()
            )));
        }
        None => all.first().copied().unwrap_or(""),
    };
    if matches!(pod.text("status/phase"), "Succeeded" | "Failed") {
        return Err(Failure::new(
            500,
            "InternalError",
            format!(
                "cannot exec into a container in a completed pod; current phase is {}",
                pod.text("status/phase")
            ),
        ));
    }
    let running = world
        .sandboxes
        .get(pod.uid())
        .and_then(|s| s.containers.get(name))
        .is_some_and(super::super::sandbox::Container::is_running);
    let node = pod.text("spec/nodeName");
    if world.faults.nodes_down.contains_key(node) {
        return Err(Failure::new(
            500,
            "InternalError",
            format!("error dialing backend: dial tcp {node}:10250: i/o timeout"),
        ));
    }
    if !running {
        return Err(Failure::new(
            500,
            "InternalError",
            format!("unable to upgrade connection: container not found ({name:?})"),
        ));
    }
    Ok((Arc::clone(&pod), name.to_owned()))
}

pub(crate) async fn upgrade(
    shared: Arc<Shared>,
    parts: &mut http::request::Parts,
    target: &Target,
    query: &Query,
) -> Response {
    let checked = check(&shared.world(), target, query);
    let (pod, container) = match checked {
        Ok(found) => found,
        Err(failure) => return fail(&failure),
    };
    drill::acted(&mut shared.world());
    let words: Vec<String> = query
        .all("command")
        .into_iter()
        .map(str::to_owned)
        .collect();
    if words.is_empty() && target.sub == "exec" {
        return fail(&Failure::bad_request(
            "you must specify at least 1 command for the container",
        ));
    }
    let upgrade = match WebSocketUpgrade::from_request_parts(parts, &()).await {
        Ok(upgrade) => upgrade.protocols(["v5.channel.k8s.io", "v4.channel.k8s.io"]),
        Err(rejection) => return rejection.into_response(),
    };
    let (tty, stdin) = (query.flag("tty"), query.flag("stdin"));
    upgrade.on_upgrade(move |socket| session(socket, shared, pod, container, words, (tty, stdin)))
}

async fn session(
    mut socket: WebSocket,
    shared: Arc<Shared>,
    pod: Arc<Object>,
    container: String,
    words: Vec<String>,
    (tty, stdin): (bool, bool),
) {
    let (to_shell, input) = sync_channel(QUEUE);
    let (output, mut from_shell) = mpsc::channel(QUEUE);
    let cancel = shared.cancel.clone();
    let worker = tokio::task::spawn_blocking(move || {
        let spec = pod
            .items("spec/containers")
            .iter()
            .find(|c| c.text("name") == container)
            .cloned()
            .unwrap_or(Value::Null);
        let mut shell = Interpreter::new(shell::environment(&pod, &spec), spec.text("workingDir"));
        let mut host = Session {
            shared,
            uid: pod.uid().to_owned(),
            container,
            tty,
            stdin,
            input,
            early: VecDeque::new(),
            terminal: Terminal::default(),
            interrupted: false,
            output,
        };
        let program = words.first().is_some_and(|word| shell::is_program(word));
        let end = if program {
            status(shell.run_command(&words, &mut host), &words)
        } else {
            not_there(&words)
        };
        let mut message = vec![STATUS];
        message.extend_from_slice(end.to_string().as_bytes());
        drop(host.output.blocking_send(message));
    });
    let mut input = Some(to_shell);
    let mut waiting: VecDeque<Vec<u8>> = VecDeque::new();
    loop {
        deliver(&mut input, &mut waiting);
        let full = waiting.len() >= QUEUE;
        tokio::select! {
            message = from_shell.recv() => match message {
                Some(bytes) => {
                    let last = bytes.first() == Some(&STATUS);
                    if socket.send(Message::Binary(Bytes::from(bytes))).await.is_err() || last {
                        break;
                    }
                }
                None => break,
            },
            message = socket.recv(), if !full => match message {
                Some(Ok(Message::Binary(bytes))) => take(&bytes, &mut waiting),
                Some(Ok(Message::Text(text))) => take(text.as_bytes(), &mut waiting),
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(_)) => {}
            },
            () = tokio::time::sleep(LOOK / 10), if !waiting.is_empty() => {}
            () = cancel.cancelled() => break,
        }
    }
    drop(input);
    drop(from_shell);
    let bye = axum::extract::ws::CloseFrame {
        code: axum::extract::ws::close_code::NORMAL,
        reason: axum::extract::ws::Utf8Bytes::from_static(""),
    };
    drop(socket.send(Message::Close(Some(bye))).await);
    // A client that still writes would be cut off before it has read the status.
    let drained = async { while let Some(Ok(_)) = socket.recv().await {} };
    drop(tokio::time::timeout(Duration::from_secs(2), drained).await);
    drop(worker);
}

/// Hands what came in to the shell as far as it takes it.
fn deliver(input: &mut Option<SyncSender<Vec<u8>>>, waiting: &mut VecDeque<Vec<u8>>) {
    while let (Some(to), Some(bytes)) = (input.as_ref(), waiting.pop_front()) {
        match to.try_send(bytes) {
            Ok(()) => {}
            Err(std::sync::mpsc::TrySendError::Full(bytes)) => {
                waiting.push_front(bytes);
                return;
            }
            Err(std::sync::mpsc::TrySendError::Disconnected(_)) => *input = None,
        }
    }
}

fn take(message: &[u8], waiting: &mut VecDeque<Vec<u8>>) {
    match message.split_first() {
        Some((&STDIN, bytes)) if !bytes.is_empty() => waiting.push_back(bytes.to_vec()),
        // An empty piece says that standard input is closed.
        Some((&CLOSE, [STDIN])) => waiting.push_back(Vec::new()),
        _ => {}
    }
}

/// The last message: how the command ended.
fn status(code: i64, words: &[String]) -> Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": format!("command terminated with non-zero exit code: error executing command {words:?}, exit code {code}"),
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}

/// The last message when the container has no such program.
fn not_there(words: &[String]) -> Value {
    let name = words.first().map_or("", String::as_str);
    json!({"metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
        "message": format!("Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: exec: {name:?}: executable file not found in $PATH: unknown")})
}
