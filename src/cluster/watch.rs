//! One task a kind: list page by page, then watch with bookmarks, for ever. What it learns goes
//! out as [`Change`]s; what goes wrong becomes the kind's freshness and never ends the task.
//! Must not keep rows and must not judge.

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
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

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
        let mut health = self.health.take();
        let mut wait = FIRST_WAIT;
        let mut shared = Shared::default();
        loop {
            let mut fault = match self.list(&mut shared).await? {
                Ok(mut version) => loop {
                    match self
                        .watch(&mut version, &mut wait, (&mut health, &mut shared))
                        .await?
                    {
                        Ok(()) => {}
                        Err(fault) if fault.kind == FaultKind::Gone => break Some(fault),
                        Err(fault) => self.rest(&fault, &mut wait, &mut health).await?,
                    }
                },
                Err(fault) => Some(fault),
            };
            if let Some(fault) = fault.take_if(|fault| fault.kind != FaultKind::Gone) {
                self.rest(&fault, &mut wait, &mut health).await?;
            }
        }
    }

    /// Says what is wrong and waits, but no longer than until the server answers again.
    async fn rest(
        &self,
        fault: &Fault,
        wait: &mut Duration,
        health: &mut Option<watch::Receiver<Health>>,
    ) -> Option<()> {
        let since = health.as_ref().map(|h| h.borrow().known_good);
        self.tell_fault(fault, since).await?;
        let pause = match fault.kind {
            FaultKind::NotFound => ABSENT_WAIT,
            FaultKind::Forbidden => DENIED_WAIT,
            _ => fault
                .retry_after
                .unwrap_or(*wait)
                .clamp(*wait, 4 * LONGEST_WAIT),
        };
        *wait = (*wait * 2).min(LONGEST_WAIT);
        let was_lost = health.as_ref().is_some_and(|h| h.borrow().lost.is_some());
        let back = async {
            match health {
                Some(health) if was_lost => {
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
        self.tell(Change::Begin { kind: self.kind }).await?;
        let mut params = ListParams::default().limit(FIRST_PAGE);
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

    /// Follows one watch to its end.
    async fn watch(
        &self,
        version: &mut String,
        wait: &mut Duration,
        (health, shared): (&mut Option<watch::Receiver<Health>>, &mut Shared),
    ) -> Option<Result<(), Fault>> {
        let what = format!("watching {}", self.kind.resource());
        let request = match Request::new(self.path()).watch(&WatchParams::default(), version) {
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
        self.tell_live().await?;
        let mut events = std::pin::pin!(events.ready_chunks(256));
        let mut heard = Instant::now();
        let mut told_lost = false;
        loop {
            let chunk = tokio::select! {
                chunk = events.next() => match chunk {
                    None => return Some(Ok(())),
                    Some(chunk) => chunk,
                },
                () = tokio::time::sleep_until(heard + SILENCE) => {
                    return Some(Err(Fault::timeout(&what, SILENCE)));
                }
                // A server that hangs keeps its connections: nothing comes, and nothing breaks.
                news = changed(health, told_lost) => {
                    told_lost = news.lost.is_some();
                    match news.lost {
                        Some(why) => self.tell_stale(news.known_good, why).await?,
                        None => self.tell_live().await?,
                    }
                    continue;
                }
            };
            heard = Instant::now();
            *wait = FIRST_WAIT;
            if let Err(fault) = self.take(chunk, version, &what, shared).await? {
                return Some(Err(fault));
            }
        }
    }

    /// Passes on what came together, in its order.
    async fn take(
        &self,
        chunk: Vec<kube::Result<WatchEvent<Object>>>,
        version: &mut String,
        what: &str,
        shared: &mut Shared,
    ) -> Option<Result<(), Fault>> {
        let (mut puts, mut gone, mut fault) = (Vec::<Row>::new(), Vec::new(), None);
        for event in chunk {
            match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    version.clone_from(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    gone.retain(|g| *g != key);
                    puts.push(self.row(object, shared));
                }
                Ok(WatchEvent::Deleted(object)) => {
                    version.clone_from(&object.metadata.resource_version);
                    let key = rows::key(&object.metadata);
                    puts.retain(|p| p.meta().key != key);
                    gone.push(key);
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    version.clone_from(&mark.metadata.resource_version);
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
