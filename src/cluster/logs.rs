//! The log of a container as a stream of lines.
//!
//! Bytes are split into lines here because a container may write anything: invalid UTF-8 is
//! replaced, an endless line is cut, and neither ends the stream. Escape sequences are left in the
//! text; who draws it removes them.

use std::time::Duration;

use futures::{AsyncBufRead, AsyncBufReadExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, LogParams};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::cluster::exec::PodTarget;
use crate::cluster::fault::{Fault, FaultKind, within};

/// Batches under way to a reader that is slower than the log: it holds the server back, not memory.
const BATCHES: usize = 16;
/// A longer line is cut, in bytes.
const LONGEST: usize = 64 * 1024;
/// How long a log that is not followed may take to begin.
const LIMIT: Duration = Duration::from_secs(30);

/// Which part of a log.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRequest {
    /// Needed when the pod has several.
    pub container: Option<String>,
    /// Go on until the container ends.
    pub follow: bool,
    /// Of the container before its last restart.
    pub previous: bool,
    /// Only the last lines.
    pub tail: Option<u32>,
    /// Only what was written then or later. To go on after a lost connection, a nanosecond after
    /// the last line.
    pub since: Option<Timestamp>,
}

/// One line, without its line break.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the container runtime read it.
    pub at: Option<Timestamp>,
    pub text: String,
    /// The line was longer than what is kept of it.
    pub is_cut: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogEvent {
    /// Lines in their order; as many as arrived together.
    Lines(Vec<LogLine>),
    /// The log is complete: the container has ended, or was not followed. Nothing comes after.
    Ended,
    /// The log could not be read (on). Nothing comes after.
    Failed(Fault),
}

/// A log that is being read. Dropping it ends the reading.
pub struct LogStream {
    events: mpsc::Receiver<LogEvent>,
    _task: AbortOnDropHandle<()>,
}

impl LogStream {
    /// The next event; `None` after the last one and after `cancel`. Safe to cancel.
    pub async fn next(&mut self) -> Option<LogEvent> {
        self.events.recv().await
    }
}

/// Starts to read a log. Ends by itself, by `cancel`, or when the stream is dropped.
pub fn stream(
    client: Client,
    target: PodTarget,
    request: LogRequest,
    cancel: CancellationToken,
) -> LogStream {
    let (sender, events) = mpsc::channel(BATCHES);
    let task = tokio::spawn(async move {
        tokio::select! {
            () = cancel.cancelled() => {}
            () = read(client, target, request, sender) => {}
        }
    });
    LogStream {
        events,
        _task: AbortOnDropHandle::new(task),
    }
}

async fn read(
    client: Client,
    target: PodTarget,
    request: LogRequest,
    events: mpsc::Sender<LogEvent>,
) {
    let what = format!("reading the log of {target}");
    let pods: Api<Pod> = Api::namespaced(client, &target.namespace);
    let params = LogParams {
        container: request.container,
        follow: request.follow,
        previous: request.previous,
        tail_lines: request.tail.map(i64::from),
        since_time: request.since.map(whole_second_before),
        timestamps: true,
        ..LogParams::default()
    };
    let opening = pods.log_stream(&target.pod, &params);
    // a quiet container that is followed answers with its first line, whenever that is
    let opened = if request.follow {
        opening.await.map_err(|error| Fault::of(&error, &what))
    } else {
        within(LIMIT, &what, opening).await
    };
    let last = match opened {
        Ok(bytes) => pump(bytes, &events, request.since, &what).await,
        Err(fault) => Some(LogEvent::Failed(fault)),
    };
    if let Some(last) = last {
        // nobody reads any more: then nobody needs to know
        let _ = events.send(last).await;
    }
}

/// The server knows whole seconds only, and kube rounds to the nearest, which may lose lines.
fn whole_second_before(at: Timestamp) -> Timestamp {
    Timestamp::from_second(
        at.as_nanosecond()
            .div_euclid(1_000_000_000)
            .try_into()
            .unwrap_or(0),
    )
    .unwrap_or(at)
}

/// The kubelet writes why it has no log into the log, without a time stamp.
fn is_gone(line: &LogLine) -> bool {
    line.at.is_none()
        && line
            .text
            .starts_with("unable to retrieve container logs for ")
}

/// Reads to the end; `None` if nobody listens any more.
async fn pump(
    bytes: impl AsyncBufRead,
    events: &mpsc::Sender<LogEvent>,
    since: Option<Timestamp>,
    what: &str,
) -> Option<LogEvent> {
    let mut bytes = std::pin::pin!(bytes);
    let mut splitter = Splitter::default();
    loop {
        let (mut lines, read) = match bytes.fill_buf().await {
            Ok([]) => (splitter.finish().into_iter().collect(), 0),
            Ok(chunk) => (splitter.split(chunk), chunk.len()),
            Err(error) => return Some(LogEvent::Failed(Fault::of_error(&error, what))),
        };
        bytes.as_mut().consume(read);
        if lines.iter().any(is_gone) {
            return Some(LogEvent::Failed(Fault::new(
                FaultKind::NotFound,
                format!("{what}: the node no longer has it"),
                "look at the log of the container that runs now",
            )));
        }
        lines.retain(|line| line.at >= since || line.at.is_none());
        if !lines.is_empty() {
            events.send(LogEvent::Lines(lines)).await.ok()?;
        }
        if read == 0 {
            return Some(LogEvent::Ended);
        }
    }
}

/// Cuts bytes into lines, whatever pieces they arrive in.
#[derive(Default)]
struct Splitter {
    /// The line that is not complete yet, at most [`LONGEST`].
    pending: Vec<u8>,
    is_cut: bool,
}

impl Splitter {
    fn split(&mut self, mut bytes: &[u8]) -> Vec<LogLine> {
        let mut lines = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = bytes.split_at(end);
            self.push(line);
            lines.push(self.take());
            bytes = rest.get(1..).unwrap_or_default();
        }
        self.push(bytes);
        lines
    }

    /// What follows the last line break.
    fn finish(&mut self) -> Option<LogLine> {
        (!self.pending.is_empty()).then(|| self.take())
    }

    fn push(&mut self, bytes: &[u8]) {
        let room = LONGEST - self.pending.len().min(LONGEST);
        self.is_cut |= bytes.len() > room;
        self.pending.extend(bytes.iter().take(room));
    }

    fn take(&mut self) -> LogLine {
        let bytes = self.pending.strip_suffix(b"\r").unwrap_or(&self.pending);
        let text = String::from_utf8_lossy(bytes);
        let (at, text) = match text.split_once(' ') {
            Some((stamp, rest)) => match stamp.parse::<Timestamp>() {
                Ok(at) => (Some(at), rest.to_owned()),
                Err(_) => (None, text.into_owned()),
            },
            // an empty line is a stamp alone
            None => match text.parse::<Timestamp>() {
                Ok(at) => (Some(at), String::new()),
                Err(_) => (None, text.into_owned()),
            },
        };
        self.pending.clear();
        LogLine {
            at,
            text,
            is_cut: std::mem::take(&mut self.is_cut),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        let mut splitter = Splitter::default();
        let mut lines: Vec<LogLine> = chunks
            .iter()
            .flat_map(|chunk| splitter.split(chunk))
            .collect();
        lines.extend(splitter.finish());
        lines.into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn bytes_that_are_no_text_do_not_end_the_log() {
        assert_eq!(
            texts(&[b"a\xff\xfeb\nnext\n"]),
            ["a\u{fffd}\u{fffd}b", "next"]
        );
    }

    #[test]
    fn a_character_split_between_two_reads_is_whole() {
        assert_eq!(texts(&[b"\xc3", b"\xbc\r\n\nend"]), ["ü", "", "end"]);
    }

    #[test]
    fn the_stamp_is_taken_off() {
        let mut splitter = Splitter::default();
        let lines =
            splitter.split(b"2026-11-20T01:02:03.123456789Z hello world\n2026-11-20T01:02:04Z \n");
        assert_eq!(lines[0].text, "hello world");
        assert_eq!(
            lines[0].at,
            Some("2026-11-20T01:02:03.123456789Z".parse().unwrap())
        );
        assert_eq!(lines[1].text, "");
    }

    #[test]
    fn an_endless_line_is_cut_and_the_next_one_is_whole() {
        let mut splitter = Splitter::default();
        let long = vec![b'x'; LONGEST + 10];
        assert!(splitter.split(&long).is_empty());
        let lines = splitter.split(b"yy\nnext\n");
        assert_eq!((lines[0].text.len(), lines[0].is_cut), (LONGEST, true));
        assert_eq!((lines[1].text.as_str(), lines[1].is_cut), ("next", false));
    }

    #[test]
    fn a_time_becomes_the_whole_second_before_it() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let second = whole_second_before(at("2026-11-20T01:02:03.999Z"));
        assert_eq!(second, at("2026-11-20T01:02:03Z"));
        assert_eq!(whole_second_before(second), second);
    }

    proptest! {
        #[test]
        fn pieces_make_the_same_lines_as_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..300) {
            let at = at.min(bytes.len());
            let (left, right) = bytes.split_at(at);
            prop_assert_eq!(texts(&[&bytes]), texts(&[left, right]));
        }
    }
}
