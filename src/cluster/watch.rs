//! One task a kind: list page by page, then watch with bookmarks, for ever. What it learns goes
//! out as [`Change`]s; what goes wrong becomes the kind's freshness and never ends the task.
//! Must not keep rows and must not judge.

mod course;
pub(crate) mod pace;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::core::{
    ObjectList, Request,
    params::{ListParams, WatchParams},
};
use strum::EnumCount as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use course::Course;
use stream::Event;

use super::fault::{Fault, FaultKind, within};
use super::feed::Health;
use super::rows::{self, Object, Shared};
use crate::domain::freshness::Freshness;
use crate::domain::inventory::{Change, Row};
use crate::domain::key::{Kind, Text};
use crate::domain::policy::Policy;

/// Everything that is read. What the first screen needs comes first.
pub const KINDS: [Kind; Kind::COUNT] = [
    Kind::Set,
    Kind::Pod,
    Kind::Claim,
    Kind::Snapshot,
    Kind::Volume,
    Kind::Node,
    Kind::Event,
    Kind::Attachment,
    Kind::StorageClass,
    Kind::SnapshotClass,
    Kind::Content,
    Kind::Budget,
    Kind::Quota,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::CronJob,
];

/// The first page is small: something to see comes soon.
const FIRST_PAGE: u32 = 100;
/// A server that streams what there is does not pause for so long in the middle of it; one that
/// never heard of this goes on with changes and never says that it was all.
const LOAD_SILENCE: Duration = Duration::from_secs(15);
/// So many events at the most are passed on together: an object is kilobytes until it is a row.
const TOGETHER: usize = 64;
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// A server sends a bookmark about once a minute; a stream that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// A watch that ends sooner did not serve, and the next one waits.
const SERVED: Duration = Duration::from_secs(10);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// While the heartbeat says that nobody answers.
const LOST_WAIT: Duration = Duration::from_secs(20);
/// For what was there and is not any more.
const SOON: Duration = Duration::from_secs(2);

/// A kind that this cluster has not, or does not show, is asked for again so often.
const ABSENT_WAIT: Duration = Duration::from_secs(30);
const DENIED_WAIT: Duration = Duration::from_secs(60);

/// What to watch and whom to tell.
#[derive(Clone)]
pub struct Watch {
    pub client: Client,
    pub kind: Kind,
    /// `None` = all namespaces.
    pub namespace: Option<String>,
    pub policy: Arc<Policy>,
    pub changes: mpsc::Sender<Change>,
    pub cancel: CancellationToken,
    pub reading: Reading,
    /// What the heartbeat knows; none when the watch stands alone.
    pub(crate) health: Option<watch::Receiver<Health>>,
}

/// How a server is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Stream what there is rather than list it: half the work for the server, in one request. A
    /// stream is never compressed, so over a slow line pages of a list are better.
    pub stream: bool,
    /// Objects in one page of a list.
    pub page: u32,
    /// Between two heartbeats.
    pub beat: Duration,
}

impl Default for Reading {
    fn default() -> Self {
        Self {
            stream: true,
            page: 500,
            beat: Duration::from_secs(5),
        }
    }
}

impl Watch {
    /// Runs until it is cancelled or nobody listens.
    pub async fn run(self) {
        let cancel = self.cancel.clone();
        tokio::select! {
            () = cancel.cancelled() => {}
            _ = self.follow() => {}
        }
    }

    /// Reads once: the kind is complete afterwards, or its freshness says why not.
    pub async fn list_once(&self) -> Option<()> {
        let mut course = Course::new(None, self.reading.stream);
        loop {
            let done = self.load(&mut course, false).await?;
            match done {
                Ok(()) if course.version.is_some() => return Some(()),
                // It cannot stream.
                Ok(()) => {}
                Err(fault) => return self.tell_fault(&fault, None).await,
            }
        }
    }

    async fn follow(mut self) -> Option<()> {
        let mut course = Course::new(self.health.take(), self.reading.stream);
        self.tell(Change::Begin { kind: self.kind }).await?;
        loop {
            let done = match &course.version {
                None => self.load(&mut course, true).await?,
                Some(_) => self.watch(&mut course, true).await?,
            };
            if let Err(fault) = done {
                self.rest(&fault, &mut course).await?;
            }
        }
    }

    /// Reads everything that there is; a stream may go on with what changes.
    async fn load(&self, course: &mut Course, go_on: bool) -> Option<Result<(), Fault>> {
        if !course.streams {
            let asked = Timestamp::now();
            let listed = self.list(&mut course.shared).await?;
            return Some(listed.map(|version| course.listed(asked, version)));
        }
        let done = self.watch(course, go_on).await?;
        match done {
            // A server that cannot, or lets us list but not watch, or something on the way that
            // spoils streams: the list tells.
            Err(fault)
                if course.version.is_none()
                    && matches!(
                        fault.kind,
                        FaultKind::Invalid
                            | FaultKind::Forbidden
                            | FaultKind::Gone
                            | FaultKind::Garbage
                            | FaultKind::Other
                    ) =>
            {
                tracing::info!(kind = self.kind.resource(), %fault, "lists instead of a stream");
                course.streams = false;
                course.loading = None;
                Some(Ok(()))
            }
            done => Some(done),
        }
    }

    /// Says what is wrong and waits, but no longer than until the server answers again.
    async fn rest(&self, fault: &Fault, course: &mut Course) -> Option<()> {
        let good = course.known_good();
        let since = (course.stale).or(good).unwrap_or_else(Timestamp::now);
        course.stale = Some(since);
        self.tell_fault(fault, Some(since)).await?;
        course.distrust(fault);
        let is_lost = course.is_lost();
        let asked = fault.retry_after.unwrap_or_default();
        let pause = match fault.kind {
            // What was there may be back soon: a server that starts denies and lacks much.
            FaultKind::NotFound if course.was_live => course.pace.pause(SOON, ABSENT_WAIT),
            FaultKind::NotFound => course.pace.pause(ABSENT_WAIT, ABSENT_WAIT),
            FaultKind::Forbidden if course.was_live => course.pace.pause(SOON, DENIED_WAIT),
            FaultKind::Forbidden => course.pace.pause(DENIED_WAIT, DENIED_WAIT),
            // The heartbeat asks for all; this is for the case that it is wrong.
            _ if is_lost => course.pace.pause(LOST_WAIT, LOST_WAIT),
            _ => course.pace.pause(FIRST_WAIT, LONGEST_WAIT),
        };
        let pause = pause.max(asked.min(LOST_WAIT));
        let back = async {
            match &mut course.health {
                Some(health) if is_lost => {
                    // The heartbeat ends with the feed, and this task with it.
                    if health.wait_for(|h| h.lost.is_none()).await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = back => {}
        }
        Some(())
    }

    fn row(&self, object: Object, shared: &mut Shared) -> Row {
        let mut row = rows::row(self.kind, object, &self.policy);
        shared.row(&mut row);
        row
    }

    fn path(&self) -> String {
        let version = if self.kind.group().is_empty() {
            "/api/v1".to_owned()
        } else {
            format!("/apis/{}/v1", self.kind.group())
        };
        match &self.namespace {
            Some(namespace) if self.kind.namespaced() => {
                format!("{version}/namespaces/{namespace}/{}", self.kind.resource())
            }
            _ => format!("{version}/{}", self.kind.resource()),
        }
    }

    fn what(&self) -> String {
        format!("listing {}", self.kind.resource())
    }

    /// Answers the resource version that the list is of. `None`: nobody listens any more.
    async fn list(&self, shared: &mut Shared) -> Option<Result<String, Fault>> {
        let mut params = ListParams::default().limit(FIRST_PAGE.min(self.reading.page));
        let mut begun = false;
        loop {
            let request = match Request::new(self.path()).list(&params) {
                Ok(request) => request,
                Err(error) => return Some(Err(Fault::of_error(&error, &self.what()))),
            };
            let answer = self.client.request::<ObjectList<Object>>(request);
            let page = match within(PAGE_LIMIT, &self.what(), answer).await {
                Ok(page) => page,
                Err(fault) => return Some(Err(fault)),
            };
            // Not before: a kind that is denied stays denied while it is asked for again.
            if !std::mem::replace(&mut begun, true) {
                self.tell(Change::Begin { kind: self.kind }).await?;
            }
            let remaining = page
                .metadata
                .remaining_item_count
                .and_then(|n| u64::try_from(n).ok());
            let found = page
                .items
                .into_iter()
                .map(|object| self.row(object, shared))
                .collect();
            self.page(found, remaining).await?;
            if let Some(next) = page.metadata.continue_.filter(|c| !c.is_empty()) {
                params = ListParams::default()
                    .limit(self.reading.page)
                    .continue_token(&next);
            } else {
                self.tell(Change::Done { kind: self.kind }).await?;
                return Some(Ok(page.metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// Follows one watch to its end, which is no fault when it served for a while. Without a version
    /// to start from, what there is comes first; whoever does not want to `go_on` leaves then.
    async fn watch(&self, course: &mut Course, go_on: bool) -> Option<Result<(), Fault>> {
        let what = format!("watching {}", self.kind.resource());
        let params = match course.version {
            None => WatchParams::streaming_lists(),
            Some(_) => WatchParams::default(),
        };
        let asked = Timestamp::now();
        let version = course.version.clone().unwrap_or_default();
        let request = match Request::new(self.path()).watch(&params, &version) {
            Ok(request) => request,
            Err(error) => return Some(Err(Fault::of_error(&error, &what))),
        };
        let opened = stream::open(
            &self.client,
            self.kind,
            &request,
            &mut course.protobuf,
            &what,
        );
        let events = match opened.await {
            Ok(events) => events,
            Err(fault) => return Some(Err(fault)),
        };
        let began = Instant::now();
        if course.version.is_none() {
            course.loading = Some(asked);
            self.tell(Change::Begin { kind: self.kind }).await?;
        } else {
            course.live();
            self.tell_live().await?;
        }
        let mut events = events.ready_chunks(TOGETHER);
        let mut heard = began;
        let mut told_lost = false;
        loop {
            let silence = if course.loading.is_some() {
                LOAD_SILENCE
            } else {
                SILENCE
            };
            let next = tokio::select! {
                chunk = events.next() => Next::Heard(chunk),
                () = tokio::time::sleep_until(heard + silence) => Next::Silent,
                // A server that hangs keeps its connections: nothing comes, and nothing breaks.
                news = changed(&mut course.health, told_lost) => Next::Beat(news),
            };
            let served = began.elapsed() >= SERVED;
            if served {
                course.works();
            }
            let chunk = match next {
                Next::Heard(Some(chunk)) => chunk,
                Next::Heard(None) if served => return Some(Ok(())),
                Next::Heard(None) => return Some(Err(ended_at_once(&what))),
                Next::Silent if course.loading.take().is_some() => {
                    course.streams = false;
                    return Some(Ok(()));
                }
                Next::Silent => return Some(Err(Fault::timeout(&what, SILENCE))),
                // Nobody knows whether this stream outlived the outage: something on the way may
                // have dropped it without a word. One that starts where this one stopped is whole.
                Next::Beat(Health { lost: None, .. }) => return Some(Ok(())),
                Next::Beat(Health {
                    lost: Some(why),
                    known_good,
                }) => {
                    told_lost = true;
                    let since = course.known_good().unwrap_or(known_good);
                    course.stale = Some(since);
                    self.tell_stale(since, why).await?;
                    continue;
                }
            };
            heard = Instant::now();
            let passed = self.take(chunk, course).await?;
            course.heard();
            if passed.is_err() || (!go_on && course.version.is_some()) {
                return Some(passed);
            }
        }
    }

    /// Passes on what came together, in its order.
    async fn take(&self, chunk: Vec<Event>, course: &mut Course) -> Option<Result<(), Fault>> {
        let (mut puts, mut gone, mut fault) = (Vec::<Row>::new(), Vec::new(), None);
        for event in chunk {
            match event {
                Event::Put(object) => {
                    course.seen(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    gone.retain(|g| *g != key);
                    puts.push(self.row(object, &mut course.shared));
                }
                Event::Gone(object) => {
                    course.seen(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    puts.retain(|p| p.meta().key != key);
                    gone.push(key);
                }
                Event::Mark { version, is_all } => {
                    if let Some(asked) = course.loading.take_if(|_| is_all) {
                        self.page(std::mem::take(&mut puts), None).await?;
                        self.tell(Change::Done { kind: self.kind }).await?;
                        course.listed(asked, version);
                        course.live();
                    } else {
                        course.seen(&version);
                    }
                }
                Event::Failed(why) => fault = Some(why),
            }
        }
        if course.loading.is_some() {
            self.page(puts, None).await?;
        } else if !(puts.is_empty() && gone.is_empty()) {
            self.tell(Change::Update {
                kind: self.kind,
                puts,
                gone,
            })
            .await?;
        }
        Some(fault.map_or(Ok(()), Err))
    }

    async fn page(&self, rows: Vec<Row>, remaining: Option<u64>) -> Option<()> {
        let kind = self.kind;
        self.tell(Change::Page {
            kind,
            rows,
            remaining,
        })
        .await
    }

    async fn tell_live(&self) -> Option<()> {
        self.tell(Change::Freshness {
            kind: self.kind,
            freshness: Freshness::Live,
        })
        .await
    }

    async fn tell_stale(&self, since: Timestamp, why: Text) -> Option<()> {
        self.tell(Change::Freshness {
            kind: self.kind,
            freshness: Freshness::Stale { since, why },
        })
        .await
    }

    async fn tell_fault(&self, fault: &Fault, since: Option<Timestamp>) -> Option<()> {
        tracing::warn!(kind = self.kind.resource(), %fault, "reading stopped");
        let freshness = match fault.kind {
            FaultKind::Forbidden => {
                let rule = match &fault.rule {
                    Some(rule) => rule.to_string(),
                    None => format!("list {}", self.kind.resource()),
                };
                Freshness::Denied { rule: rule.into() }
            }
            FaultKind::NotFound => Freshness::Absent {
                why: format!(
                    "the API server does not serve {}.{}",
                    self.kind.resource(),
                    self.kind.group()
                )
                .into(),
            },
            _ => Freshness::Stale {
                since: since.unwrap_or_else(Timestamp::now),
                why: fault.sentence.as_str().into(),
            },
        };
        self.tell(Change::Freshness {
            kind: self.kind,
            freshness,
        })
        .await
    }

    async fn tell(&self, change: Change) -> Option<()> {
        self.changes.send(change).await.ok()
    }
}

/// What may happen while a watch is open.
enum Next {
    Heard(Option<Vec<Event>>),
    Silent,
    Beat(Health),
}

fn ended_at_once(what: &str) -> Fault {
    Fault::new(
        FaultKind::Disconnected,
        format!("{what}: the server ended it at once"),
        "it is tried again by itself; look at what is between here and the API server",
    )
}

/// Waits until the heartbeat knows another thing than `told`: lost, or there again.
async fn changed(health: &mut Option<watch::Receiver<Health>>, told: bool) -> Health {
    if let Some(health) = health
        && let Ok(now) = health.wait_for(|h| h.lost.is_some() != told).await
    {
        return now.clone();
    }
    // Without a heartbeat, or after it has ended with the feed.
    std::future::pending().await
}
