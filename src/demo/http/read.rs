//! Get and list: pages, revisions, selectors, the forms that clients ask for.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::Kind;
use super::super::selector::{FieldRules, Labels};
use super::super::world::{World, list_of};
use super::{Call, Query, Reply, Target, table};

/// In which form the client wants objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    Table,
    Metadata,
}

impl Form {
    /// What is asked for; all of it is sent in JSON.
    pub(crate) fn of(headers: &http::HeaderMap) -> Result<Self, Failure> {
        let accept = headers
            .get(http::header::ACCEPT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("");
        let is_json = |kind| accept.contains(kind);
        if !accept.is_empty() && !["json", "yaml", "*/*", "application/*"].iter().any(is_json) {
            let why = "only the following media types are accepted: application/json";
            return Err(Failure::new(406, "NotAcceptable", why));
        }
        Ok(if accept.contains("as=Table") {
            Self::Table
        } else if accept.contains("as=PartialObjectMetadata") {
            Self::Metadata
        } else {
            Self::Whole
        })
    }
}

/// Picks objects by namespace and selectors.
#[derive(Debug)]
pub(crate) struct Filter {
    namespace: String,
    name: String,
    labels: Labels,
    fields: FieldRules,
}

impl Filter {
    pub(crate) fn of(target: &Target, query: &Query) -> Result<Self, Failure> {
        Ok(Self {
            namespace: target.namespace.clone(),
            name: target.name.clone(),
            labels: Labels::parse(query.get("labelSelector").unwrap_or(""))?,
            fields: FieldRules::parse(target.kind, query.get("fieldSelector").unwrap_or(""))?,
        })
    }

    pub(crate) fn picks(&self, object: &Object) -> bool {
        (self.namespace.is_empty() || object.namespace() == self.namespace)
            && (self.name.is_empty() || object.name() == self.name)
            && self.labels.matches(object)
            && self.fields.matches(object)
    }
}

/// The object in the form and the API that were asked for.
pub(crate) fn shape(object: &Object, form: Form, target: &Target) -> Value {
    if form == Form::Metadata {
        return json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.at("metadata")});
    }
    if target.modern_event {
        return modern_event(object);
    }
    object.clone()
}

/// An Event as `events.k8s.io/v1` shows it.
fn modern_event(event: &Object) -> Value {
    let mut out = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": event.at("metadata"),
        "eventTime": event.at("eventTime"), "reportingController": event.at("reportingComponent"),
        "reportingInstance": event.at("reportingInstance"), "action": event.at("action"), "reason": event.at("reason"),
        "regarding": event.at("involvedObject"), "note": event.at("message"), "type": event.at("type"),
        "deprecatedSource": event.at("source"), "deprecatedFirstTimestamp": event.at("firstTimestamp"),
        "deprecatedLastTimestamp": event.at("lastTimestamp"), "deprecatedCount": event.at("count"),
    });
    if out.at("action").is_null() {
        out.unset("action");
    }
    out
}

pub(crate) fn answer(world: &World, call: &Call<'_>) -> Result<Reply, Failure> {
    let form = Form::of(call.headers)?;
    if matches!(call.target.kind, Kind::PodMetrics | Kind::NodeMetrics) {
        return super::super::prom::resource_metrics(world, call.target);
    }
    if call.target.name.is_empty() {
        return list(world, call, form);
    }
    let object = world
        .read(&call.target.key())
        .ok_or_else(|| Failure::not_found(call.target.kind, &call.target.name))?;
    if form == Form::Table {
        let meta = json!({"resourceVersion": object.version()});
        return Ok(Reply::ok(table::of(
            call.target.kind,
            &[object],
            world.now,
            &meta,
            true,
        )));
    }
    Ok(Reply::ok(shape(&object, form, call.target)))
}

fn list(world: &World, call: &Call<'_>, form: Form) -> Result<Reply, Failure> {
    let filter = Filter::of(call.target, call.query)?;
    let kind = call.target.kind;
    let (revision, after) = position(world, call.query)?;
    let gone = |_| {
        Failure::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
        )
    };
    let limit = call
        .query
        .number("limit")
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| *n > 0);
    let mut picked: Vec<Arc<Object>> = Vec::new();
    let mut rest = 0_usize;
    let mut take = |object: &Arc<Object>| {
        if !filter.picks(object) {
            return;
        }
        if limit.is_some_and(|l| picked.len() >= l) {
            rest += 1;
        } else {
            picked.push(Arc::clone(object));
        }
    };
    if revision == world.store.revision() && after.is_none() {
        for object in world.store.list(kind, &call.target.namespace) {
            take(object);
        }
    } else {
        for (place, object) in world.store.list_at(kind, revision).map_err(gone)? {
            if after.as_ref().is_none_or(|a| place > *a) {
                take(&object);
            }
        }
    }
    let mut metadata = json!({"resourceVersion": revision.to_string()});
    if rest > 0
        && let Some(last) = picked.last()
    {
        metadata.put(
            "continue",
            format!("{revision}:{}/{}", last.namespace(), last.name()),
        );
        metadata.put("remainingItemCount", rest);
    }
    let body = match form {
        Form::Table => table::of(
            kind,
            &picked,
            world.now,
            &metadata,
            call.query.get("includeObject") != Some("None"),
        ),
        Form::Metadata => {
            json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
            "items": picked.iter().map(|o| shape(o, form, call.target)).collect::<Vec<_>>()})
        }
        Form::Whole => {
            let items = picked.iter().map(|o| shape(o, form, call.target)).collect();
            let mut body = list_of(kind, items, &metadata);
            if call.target.modern_event {
                body.put("apiVersion", "events.k8s.io/v1");
            }
            body
        }
    };
    Ok(Reply::ok(body))
}

type Place = (String, String);

/// The revision to list at, and the place to go on from.
fn position(world: &World, query: &Query) -> Result<(u64, Option<Place>), Failure> {
    let current = world.store.revision();
    if let Some(token) = query.get("continue").filter(|t| !t.is_empty()) {
        let parsed = token.split_once(':').and_then(|(revision, place)| {
            let (namespace, name) = place.split_once('/')?;
            Some((
                revision.parse().ok()?,
                Some((namespace.to_owned(), name.to_owned())),
            ))
        });
        return parsed.ok_or_else(|| {
            Failure::bad_request("continue key is not valid: encoded token is malformed")
        });
    }
    let wanted = query.get("resourceVersion").unwrap_or("");
    if wanted.is_empty() || wanted == "0" {
        return Ok((current, None));
    }
    let revision: u64 = wanted.parse().map_err(|error| {
        Failure::bad_request(format!("invalid resource version {wanted:?}: {error}"))
    })?;
    if revision > current {
        let mut failure = Failure::new(
            504,
            "Timeout",
            format!("Too large resource version: {revision}, current: {current}"),
        );
        failure.details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
        return Err(failure);
    }
    if query.get("resourceVersionMatch") == Some("Exact") {
        return Ok((revision, None));
    }
    Ok((current, None))
}
