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
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::fault::{Fault, FaultKind, within};
use super::rows::{self, Object};
use crate::domain::freshness::Freshness;
use crate::domain::inventory::Change;
use crate::domain::key::Kind;
use crate::domain::policy::Policy;

/// Kinds that are read today.
pub const KINDS: [Kind; 6] = [
    Kind::Set,
    Kind::Pod,
    Kind::Claim,
    Kind::Volume,
    Kind::Snapshot,
    Kind::Node,
];

const PAGE: u32 = 500;
const PAGE_LIMIT: Duration = Duration::from_secs(30);
/// A server sends a bookmark about once a minute; a stream that is silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(90);
const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

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
        match self.list().await? {
            Ok(_) => Some(()),
            Err(fault) => self.tell_fault(&fault, None).await,
        }
    }

    async fn follow(&self) -> Option<()> {
        let mut wait = FIRST_WAIT;
        let mut complete_at: Option<Timestamp> = None;
        loop {
            let fault = match self.list().await? {
                Ok(mut version) => loop {
                    match self
                        .watch(&mut version, &mut wait, &mut complete_at)
                        .await?
                    {
                        Ok(()) => {}
                        Err(fault) if fault.kind == FaultKind::Gone => break fault,
                        Err(fault) => {
                            self.tell_fault(&fault, complete_at).await?;
                            tokio::time::sleep(wait).await;
                            wait = (wait * 2).min(LONGEST_WAIT);
                        }
                    }
                },
                Err(fault) => fault,
            };
            if fault.kind != FaultKind::Gone {
                self.tell_fault(&fault, complete_at).await?;
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
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
    async fn list(&self) -> Option<Result<String, Fault>> {
        self.tell(Change::Begin { kind: self.kind }).await?;
        let mut params = ListParams::default().limit(PAGE);
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
                .filter_map(|o| rows::row(self.kind, o, &self.policy))
                .collect();
            self.tell(Change::Page {
                kind: self.kind,
                rows: found,
                remaining,
            })
            .await?;
            if let Some(next) = page.metadata.continue_.filter(|c| !c.is_empty()) {
                params = params.continue_token(&next);
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
        complete_at: &mut Option<Timestamp>,
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
        self.tell(Change::Freshness {
            kind: self.kind,
            freshness: Freshness::Live,
        })
        .await?;
        let mut events = std::pin::pin!(events.ready_chunks(256));
        loop {
            let chunk = match tokio::time::timeout(SILENCE, events.next()).await {
                Err(_) => return Some(Err(Fault::timeout(&what, SILENCE))),
                Ok(None) => return Some(Ok(())),
                Ok(Some(chunk)) => chunk,
            };
            *wait = FIRST_WAIT;
            *complete_at = Some(Timestamp::now());
            let (mut puts, mut gone, mut fault) = (Vec::new(), Vec::new(), None);
            for event in chunk {
                match event {
                    Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                        version.clone_from(&object.metadata.resource_version);
                        let key = rows::key(&object.metadata);
                        gone.retain(|g| *g != key);
                        puts.extend(rows::row(self.kind, object, &self.policy));
                    }
                    Ok(WatchEvent::Deleted(object)) => {
                        version.clone_from(&object.metadata.resource_version);
                        let key = rows::key(&object.metadata);
                        puts.retain(|p: &crate::domain::inventory::Row| p.meta().key != key);
                        gone.push(key);
                    }
                    Ok(WatchEvent::Bookmark(mark)) => {
                        version.clone_from(&mark.metadata.resource_version);
                    }
                    Ok(WatchEvent::Error(status)) => fault = Some(Fault::of_status(&status, &what)),
                    Err(error) => fault = Some(Fault::of(&error, &what)),
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
            if let Some(fault) = fault {
                return Some(Err(fault));
            }
        }
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
                why: fault.sentence.as_str().into(),
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
