//! One watch as a stream of what happened: in protobuf where the server has it, which is a fraction
//! of the work for it, and in JSON elsewhere. Must not decide what to do about anything.

use std::io;
use std::pin::Pin;

use futures::{Stream, StreamExt as _, stream};
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::core::WatchEvent;
use kube::{Client, Error};

use super::PAGE_LIMIT;
use crate::cluster::fault::{Fault, FaultKind, within};
use crate::cluster::rows::{self, Metadata, Object, Watched};
use crate::domain::key::Kind;

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const PROTOBUF_WATCH: HeaderValue =
    HeaderValue::from_static("application/vnd.kubernetes.protobuf;stream=watch");
/// Since 1.37 servers compress watches in a way that clients cannot read everywhere.
const PLAIN: HeaderValue = HeaderValue::from_static("identity");
/// Of the bookmark that ends what there is (KEP-3157).
const ALL_SENT: &str = "k8s.io/initial-events-end";
/// A server stores no object of more than a few MB; what says that it is longer is no frame.
const LONGEST: usize = 64 << 20;
/// What is kept to read into while nothing happens.
const SMALL: usize = 32 << 10;

/// One thing that happened.
pub(super) enum Event {
    Put(Object),
    Gone(Object),
    /// A bookmark: up to this version nothing was left out, and whether it ends what there is.
    Mark {
        version: String,
        is_all: bool,
    },
    Failed(Fault),
}

impl Event {
    fn mark(version: String, mut notes: impl Iterator<Item = impl AsRef<str>>) -> Self {
        let is_all = notes.any(|name| name.as_ref() == ALL_SENT);
        Self::Mark { version, is_all }
    }
}

pub(super) type Events = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// Begins a watch. `protobuf` is whether to try that first, and afterwards whether it was had.
pub(super) async fn open(
    client: &Client,
    kind: Kind,
    request: &Request<Vec<u8>>,
    protobuf: &mut bool,
    what: &str,
) -> Result<Events, Fault> {
    if *protobuf && rows::has_protobuf(kind) {
        let answer = client.send(asked_for_protobuf(request));
        let answer = within(PAGE_LIMIT, what, answer).await?;
        if is_protobuf(&answer) {
            return Ok(read(kind, answer, what.to_owned()));
        }
        // What is wrong is told in JSON, and whoever does not know protobuf is not asked again.
        let status = answer.status();
        *protobuf = !(status.is_success() || status == StatusCode::NOT_ACCEPTABLE);
    }
    let events = client.request_events::<Object>(request.clone());
    let events = within(PAGE_LIMIT, what, events).await?;
    let what = what.to_owned();
    Ok(Box::pin(events.map(move |event| match event {
        Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => Event::Put(object),
        Ok(WatchEvent::Deleted(object)) => Event::Gone(object),
        Ok(WatchEvent::Bookmark(mark)) => Event::mark(
            mark.metadata.resource_version,
            mark.metadata.annotations.keys(),
        ),
        Ok(WatchEvent::Error(status)) => Event::Failed(Fault::of_status(&status, &what)),
        Err(error) => Event::Failed(Fault::of(&error, &what)),
    })))
}

fn asked_for_protobuf(request: &Request<Vec<u8>>) -> Request<Body> {
    let mut request = request.clone().map(Body::from);
    request.headers_mut().insert(ACCEPT, PROTOBUF_WATCH);
    request.headers_mut().insert(ACCEPT_ENCODING, PLAIN);
    request
}

fn is_protobuf(answer: &Response<Body>) -> bool {
    let content = answer.headers().get(CONTENT_TYPE);
    let is_it = |content: &HeaderValue| content.as_bytes().starts_with(PROTOBUF.as_bytes());
    answer.status().is_success() && content.is_some_and(is_it)
}

fn read(kind: Kind, answer: Response<Body>, what: String) -> Events {
    let frames = Frames {
        body: answer.into_body().into_data_stream(),
        buffer: Vec::new(),
        start: 0,
    };
    let state = (frames, what);
    Box::pin(stream::unfold(
        state,
        move |(mut frames, what)| async move {
            let event = match frames.next().await? {
                Ok(frame) => event(kind, frame, &what),
                Err(error) => Event::Failed(Fault::of(&Error::ReadEvents(error), &what)),
            };
            Some((event, (frames, what)))
        },
    ))
}

fn event(kind: Kind, frame: &[u8], what: &str) -> Event {
    match rows::watched(kind, frame) {
        Ok(Watched::Put(object)) => Event::Put(object),
        Ok(Watched::Gone(object)) => Event::Gone(object),
        Ok(Watched::Mark(Metadata {
            resource_version,
            annotations,
            ..
        })) => Event::mark(resource_version, annotations.keys()),
        Ok(Watched::Failed(status)) => Event::Failed(Fault::of_status(&status, what)),
        Err(error) => Event::Failed(
            Fault::new(
                FaultKind::Garbage,
                format!("the server's answer is no protobuf: {error}"),
                "it is asked for in JSON; look at what is between here and the API server",
            )
            .during(what),
        ),
    }
}

/// Frames of a length in four bytes, the highest first, and so many bytes.
struct Frames<S> {
    body: S,
    buffer: Vec<u8>,
    /// What is before has been read.
    start: usize,
}

impl<S, B, E> Frames<S>
where
    S: Stream<Item = Result<B, E>> + Unpin,
    B: AsRef<[u8]>,
    E: std::error::Error + Send + Sync + 'static,
{
    /// `None` at the end, also in the middle of a frame: a watch may end anywhere.
    async fn next(&mut self) -> Option<io::Result<&[u8]>> {
        loop {
            let rest = self.buffer.get(self.start..).unwrap_or_default();
            if let Some((length, rest)) = rest.split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
                if length > LONGEST {
                    let why = format!("a frame of {length} bytes");
                    return Some(Err(io::Error::new(io::ErrorKind::InvalidData, why)));
                }
                if rest.len() >= length {
                    let from = self.start + 4;
                    self.start = from + length;
                    return self.buffer.get(from..self.start).map(Ok);
                }
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            if self.buffer.is_empty() {
                // After the flood of everything that there is, changes are few and small.
                self.buffer.shrink_to(SMALL);
            }
            match self.body.next().await? {
                Ok(bytes) => self.buffer.extend_from_slice(bytes.as_ref()),
                Err(error) if is_end(&error) => return None,
                Err(error) => return Some(Err(io::Error::other(error))),
            }
        }
    }
}

/// Whether a connection that just stopped is behind it, as one does that was idle for long.
fn is_end(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    causes.any(|cause| {
        let io = cause.downcast_ref::<io::Error>();
        io.is_some_and(|io| io.kind() == io::ErrorKind::UnexpectedEof)
            || cause.to_string().contains("unexpected EOF during chunk")
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The frames that are read of these bytes when they come in such pieces, and what went wrong.
    fn frames(bytes: &[u8], piece: usize) -> (Vec<Vec<u8>>, Option<io::Error>) {
        let pieces: Vec<Result<_, io::Error>> = bytes
            .chunks(piece)
            .map(|piece| Ok(piece.to_vec()))
            .collect();
        let mut frames = Frames {
            body: stream::iter(pieces),
            buffer: Vec::new(),
            start: 0,
        };
        let mut all = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            loop {
                match frames.next().await {
                    Some(Ok(frame)) => all.push(frame.to_vec()),
                    Some(Err(error)) => return (all, Some(error)),
                    None => return (all, None),
                }
            }
        })
    }

    fn written(frames: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for frame in frames {
            bytes.extend_from_slice(&u32::try_from(frame.len()).unwrap().to_be_bytes());
            bytes.extend_from_slice(frame);
        }
        bytes
    }

    proptest! {
        #[test]
        fn frames_are_whole_however_they_come_and_a_cut_one_is_the_end(
            sent in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..6),
            piece in 1_usize..50,
            cut in any::<prop::sample::Index>(),
        ) {
            let bytes = written(&sent);
            prop_assert_eq!(frames(&bytes, piece).0, sent.clone());
            let (whole, error) = frames(&bytes[..cut.index(bytes.len() + 1)], piece);
            prop_assert!(error.is_none());
            prop_assert!(sent.starts_with(&whole));
        }
    }

    #[test]
    fn what_is_no_frame_is_not_waited_for() {
        let (none, error) = frames(b"<html><body>hello", 5);
        assert!(none.is_empty());
        assert!(
            error.unwrap().to_string().contains("bytes"),
            "told as it is"
        );
    }
}
