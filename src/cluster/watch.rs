//! One task a kind: list page by page, then watch with bookmarks, for ever. What it learns goes
//! out as [`Change`]s; what goes wrong becomes the kind's freshness and never ends the task.
//! Must not keep rows and must not judge.

pub(crate) mod pace;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::core::{
    ObjectList, Request, WatchEvent,
    params::{ListParams, WatchParams},
};
use strum::EnumCount as _;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use pace::Pace;

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
const PAGE: u32 = 500;
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// A server sends a bookmark about once a minute; a stream that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);
/// A watch that ends sooner did not serve, and the next one waits.
const SERVED: Duration = Duration::from_secs(10);
/// After so many answers that are no watch, everything is listed anew.
const REFUSALS: u32 = 6;
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
    /// What the heartbeat knows; none when the watch stands alone.
    pub(crate) health: Option<watch::Receiver<Health>>,
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

    /// Lists once: the kind is complete afterwards, or its freshness says why not.
    pub async fn list_once(&self) -> Option<()> {
        match self.list(&mut Shared::default()).await? {
            Ok(_) => Some(()),
            Err(fault) => self.tell_fault(&fault, None).await,
        }
    }

    async fn follow(mut self) -> Option<()> {
        let mut course = Course {
            health: self.health.take(),
            ..Course::default()
        };
        self.tell(Change::Begin { kind: self.kind }).await?;
        loop {
            let done = match &course.version {
                None => {
                    let asked = Timestamp::now();
                    let listed = self.list(&mut course.shared).await?;
                    listed.map(|version| course.listed(asked, version))
                }
                Some(_) => self.watch(&mut course).await?,
            };
            if let Err(fault) = done {
                self.rest(&fault, &mut course).await?;
            }
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
        let mut params = ListParams::default().limit(FIRST_PAGE);
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
            self.tell(Change::Page {
                kind: self.kind,
                rows: found,
                remaining,
            })
            .await?;
            if let Some(next) = page.metadata.continue_.filter(|c| !c.is_empty()) {
                params = ListParams::default().limit(PAGE).continue_token(&next);
            } else {
                self.tell(Change::Done { kind: self.kind }).await?;
                return Some(Ok(page.metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// Follows one watch to its end, which is no fault when it served for a while.
    async fn watch(&self, course: &mut Course) -> Option<Result<(), Fault>> {
        let what = format!("watching {}", self.kind.resource());
        let version = course.version.clone().unwrap_or_default();
        let request = match Request::new(self.path()).watch(&WatchParams::default(), &version) {
            Ok(request) => request,
            Err(error) => return Some(Err(Fault::of_error(&error, &what))),
        };
        let started = within(
            PAGE_LIMIT,
            &what,
            self.client.request_events::<Object>(request),
        );
        let events = match started.await {
            Ok(events) => events,
            Err(fault) => return Some(Err(fault)),
        };
        let began = Instant::now();
        course.live();
        self.tell_live().await?;
        let mut events = std::pin::pin!(events.ready_chunks(256));
        let mut heard = began;
        let mut told_lost = false;
        loop {
            let next = tokio::select! {
                chunk = events.next() => Next::Heard(chunk),
                () = tokio::time::sleep_until(heard + SILENCE) => Next::Silent,
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
            let passed = self.take(chunk, course, &what).await?;
            course.heard();
            if passed.is_err() {
                return Some(passed);
            }
        }
    }

    /// Passes on what came together, in its order.
    async fn take(
        &self,
        chunk: Vec<kube::Result<WatchEvent<Object>>>,
        course: &mut Course,
        what: &str,
    ) -> Option<Result<(), Fault>> {
        let Course {
            version, shared, ..
        } = course;
        let (mut puts, mut gone, mut fault) = (Vec::<Row>::new(), Vec::new(), None);
        let mut version_of = |seen: &str| {
            if !seen.is_empty() {
                *version = Some(seen.to_owned());
            }
        };
        for event in chunk {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    version_of(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    gone.retain(|g| *g != key);
                    puts.push(self.row(object, shared));
                }
                Ok(WatchEvent::Deleted(object)) => {
                    version_of(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    puts.retain(|p| p.meta().key != key);
                    gone.push(key);
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    version_of(&mark.metadata.resource_version);
                }
                Ok(WatchEvent::Error(status)) => fault = Some(Fault::of_status(&status, what)),
                Err(error) => fault = Some(Fault::of(&error, what)),
            }
        }
        if !(puts.is_empty() && gone.is_empty()) {
            self.tell(Change::Update {
                kind: self.kind,
                puts,
                gone,
            })
            .await?;
        }
        Some(fault.map_or(Ok(()), Err))
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
    Heard(Option<Vec<kube::Result<WatchEvent<Object>>>>),
    Silent,
    Beat(Health),
}

/// Where one task is.
#[derive(Default)]
struct Course {
    health: Option<watch::Receiver<Health>>,
    pace: Pace,
    shared: Shared,
    /// From where the next watch goes on; none: a list is due.
    version: Option<String>,
    /// When something was heard last.
    heard: Option<Timestamp>,
    /// Whether the stream is open, as far as is known.
    open: bool,
    /// Since when it is not live any more.
    stale: Option<Timestamp>,
    was_live: bool,
    /// Answers in a row that were no watch.
    refused: u32,
}

impl Course {
    fn heard(&mut self) {
        self.heard = Some(Timestamp::now());
    }

    /// Everything is there as of `asked`.
    fn listed(&mut self, asked: Timestamp, version: String) {
        self.version = Some(version);
        self.heard = Some(asked);
        self.was_live = true;
        self.stale = None;
    }

    fn live(&mut self) {
        self.heard();
        self.open = true;
        self.was_live = true;
        self.stale = None;
    }

    fn works(&mut self) {
        self.pace.reset();
        self.refused = 0;
    }

    fn is_lost(&self) -> bool {
        (self.health.as_ref()).is_some_and(|health| health.borrow().lost.is_some())
    }

    /// The last moment at which the rows were surely those of the server. While a stream is open,
    /// silence means that nothing happened, as long as the server answers otherwise.
    fn known_good(&self) -> Option<Timestamp> {
        let heard = self.heard?;
        let answered = self.health.as_ref().map(|h| h.borrow().known_good);
        Some(
            answered
                .filter(|_| self.open)
                .map_or(heard, |a| a.max(heard)),
        )
    }

    /// Decides whether the next watch can go on where this one stopped.
    fn distrust(&mut self, fault: &Fault) {
        self.open = false;
        let relist = match fault.kind {
            FaultKind::Gone | FaultKind::NotFound | FaultKind::Forbidden | FaultKind::Invalid => {
                true
            }
            // A version that the server does not know, for instance of before a restored backup,
            // is refused in several ways.
            FaultKind::ServerError | FaultKind::Garbage | FaultKind::Other => {
                self.refused += 1;
                self.refused >= REFUSALS
            }
            _ => false,
        };
        if relist {
            self.version = None;
            self.refused = 0;
        }
    }
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
