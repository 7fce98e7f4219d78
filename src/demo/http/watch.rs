//! Watches: changes as a stream of JSON lines, with bookmarks, time-outs, 410 and streaming lists.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::store::Change;
use super::super::world::World;
use super::read::{Filter, Form, shape, version};
use super::{Query, Shared, Target, fail, table};

/// A real server sends bookmarks about once a minute, and one this long before the watch ends.
const BOOKMARK: Duration = Duration::from_secs(30);
const LAST: Duration = Duration::from_secs(2);

struct Watch {
    shared: Arc<Shared>,
    target: Target,
    filter: Filter,
    form: Form,
    bookmarks: bool,
    cursor: u64,
    pending: VecDeque<Value>,
    until: Instant,
    over: bool,
    wake: tokio::sync::watch::Receiver<u64>,
}

pub(crate) fn answer(
    shared: &Arc<Shared>,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Response {
    match begin(shared, target, query, headers) {
        Ok(watch) => {
            let stream = futures::stream::unfold(watch, |mut watch| async move {
                let bytes = watch.next().await?;
                Some((Ok::<_, std::convert::Infallible>(bytes), watch))
            });
            let mut response = Response::new(Body::from_stream(stream));
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                http::HeaderValue::from_static("application/json"),
            );
            response
        }
        Err(failure) => fail(&failure),
    }
}

fn begin(
    shared: &Arc<Shared>,
    target: &Target,
    query: &Query,
    headers: &HeaderMap,
) -> Result<Watch, Failure> {
    let filter = Filter::of(target, query)?;
    let world = shared.world();
    let timeout = query
        .number("timeoutSeconds")
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| *n > 0)
        .unwrap_or(1800);
    let mut watch = Watch {
        shared: Arc::clone(shared),
        target: target.clone(),
        filter,
        form: Form::of(headers)?,
        bookmarks: query.flag("allowWatchBookmarks"),
        cursor: world.store.revision(),
        pending: VecDeque::new(),
        until: Instant::now() + Duration::from_secs(timeout),
        over: false,
        wake: world.subscribe(),
    };
    let wanted = query.get("resourceVersion").unwrap_or("");
    let streaming = query.flag("sendInitialEvents");
    if streaming && query.get("resourceVersionMatch") != Some("NotOlderThan") {
        return Err(Failure::new(
            422,
            "Invalid",
            "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ));
    }
    if streaming || wanted.is_empty() || wanted == "0" {
        for object in world.store.list(target.kind, &target.namespace) {
            if watch.filter.picks(object) {
                let event = watch.event("ADDED", object, &world);
                watch.pending.push_back(event);
            }
        }
        if streaming {
            let mut bookmark = watch.bookmark();
            if let Some(object) = bookmark.at_mut("object") {
                object.set_annotation("k8s.io/initial-events-end", "true");
            }
            watch.pending.push_back(bookmark);
        }
    } else {
        watch.cursor = version(wanted).map_err(|why| Failure::new(500, "", why))?;
    }
    drop(world);
    Ok(watch)
}

impl Watch {
    fn event(&self, kind: &str, object: &Arc<Object>, world: &World) -> Value {
        let object = if self.form == Form::Table {
            let meta = json!({"resourceVersion": object.version()});
            table::of(
                self.target.kind,
                std::slice::from_ref(object),
                world.now,
                &meta,
                true,
            )
        } else {
            shape(object, self.form, &self.target)
        };
        json!({"type": kind, "object": object})
    }

    fn bookmark(&self) -> Value {
        let kind = self.target.kind;
        json!({"type": "BOOKMARK", "object": {"kind": kind.resource().kind, "apiVersion": kind.api_version(),
            "metadata": {"resourceVersion": self.cursor.to_string(), "creationTimestamp": null}}})
    }

    /// What a change looks like through the filter.
    fn seen(&self, change: &Change) -> Option<&'static str> {
        let before = change.before.as_ref().is_some_and(|b| self.filter.picks(b));
        let now = !change.removed && self.filter.picks(&change.now);
        match (before, now) {
            (false, true) => Some("ADDED"),
            (true, true) => Some("MODIFIED"),
            (true, false) => Some("DELETED"),
            (false, false) => None,
        }
    }

    fn collect(&mut self) {
        let shared = Arc::clone(&self.shared);
        let world = shared.world();
        if world.faults.api.cut_watches || world.faults.api.token_expired {
            self.over = true;
            return;
        }
        if let Ok(changes) = world.store.changes(self.target.kind, self.cursor) {
            for change in changes {
                if let Some(kind) = self.seen(&change) {
                    let event = self.event(kind, &change.now, &world);
                    self.pending.push_back(event);
                }
            }
            self.cursor = self.cursor.max(world.store.revision());
        } else {
            let failure = Failure::expired(format!(
                "too old resource version: {} ({})",
                self.cursor,
                world.store.revision()
            ));
            self.pending
                .push_back(json!({"type": "ERROR", "object": failure.to_status()}));
            self.over = true;
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        let mut quiet = Instant::now() + BOOKMARK;
        if let Some(last) = self.until.checked_sub(LAST)
            && last > Instant::now()
        {
            quiet = quiet.min(last);
        }
        loop {
            if !self.pending.is_empty() {
                let mut out = Vec::new();
                for event in self.pending.drain(..) {
                    out.extend_from_slice(event.to_string().as_bytes());
                    out.push(b'\n');
                }
                return Some(Bytes::from(out));
            }
            if self.over || Instant::now() >= self.until {
                return None;
            }
            self.wake.mark_unchanged();
            self.collect();
            if !self.pending.is_empty() || self.over {
                continue;
            }
            if self.bookmarks && Instant::now() >= quiet {
                let bookmark = self.bookmark();
                self.pending.push_back(bookmark);
                continue;
            }
            let next = quiet.min(self.until);
            tokio::select! {
                changed = self.wake.changed() => if changed.is_err() { return None },
                () = tokio::time::sleep_until(next.into()) => {}
                () = self.shared.cancel.cancelled() => return None,
            }
        }
    }
}
