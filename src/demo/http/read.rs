//! Get and list: pages, revisions, selectors, the forms that clients ask for.

use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::{Deserialize, Serialize};
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
        let Some(place) = &after else {
            return Failure::expired("The resourceVersion for the provided list is too old.");
        };
        let mut failure = Failure::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        );
        failure.go_on = Some(Token::of(INCONSISTENT, place).print());
        failure
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
        let place = (last.namespace().to_owned(), last.name().to_owned());
        let at = i64::try_from(revision).unwrap_or(INCONSISTENT);
        metadata.put("continue", Token::of(at, &place).print());
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

/// What a `continue` token holds.
#[derive(Debug, Deserialize, Serialize)]
struct Token {
    v: String,
    rv: i64,
    start: String,
}

/// The revision of a token that goes on with whatever is there now.
const INCONSISTENT: i64 = -1;

impl Token {
    fn of(rv: i64, (namespace, name): &Place) -> Self {
        Self {
            v: "meta.k8s.io/v1".to_owned(),
            rv,
            start: format!("{namespace}/{name}\0"),
        }
    }

    /// In base64 as URLs have it, without padding.
    fn print(&self) -> String {
        let bytes = serde_json::to_vec(self).map(ByteString);
        let text = bytes.and_then(serde_json::to_value).unwrap_or_default();
        let text = text.as_str().unwrap_or("").trim_end_matches('=');
        text.replace('+', "-").replace('/', "_")
    }

    fn parse(token: &str) -> Result<(Self, Place), Failure> {
        let refuse = |why| {
            let text = format!("invalid continue token: continue key is not valid: {why}");
            Failure::bad_request(text)
        };
        let mut text = token.replace('-', "+").replace('_', "/");
        text.extend(std::iter::repeat_n('=', (4 - text.len() % 4) % 4));
        let Ok(ByteString(bytes)) = serde_json::from_value(json!(text)) else {
            return Err(refuse("illegal base64 data"));
        };
        let Ok(token) = serde_json::from_slice::<Self>(&bytes) else {
            return Err(refuse("encoded token is malformed"));
        };
        let place = token.start.trim_end_matches('\0').split_once('/');
        let (namespace, name) = place.ok_or_else(|| refuse("encoded start key is malformed"))?;
        let place = (namespace.to_owned(), name.to_owned());
        Ok((token, place))
    }
}

/// The revision that a client names.
pub(crate) fn version(text: &str) -> Result<u64, String> {
    text.parse().ok().ok_or_else(|| {
        format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
    })
}

/// The revision to list at, and the place to go on from.
fn position(world: &World, query: &Query) -> Result<(u64, Option<Place>), Failure> {
    let current = world.store.revision();
    if let Some(token) = query.get("continue").filter(|t| !t.is_empty()) {
        let (token, place) = Token::parse(token)?;
        let revision = u64::try_from(token.rv).unwrap_or(current);
        return Ok((revision, Some(place)));
    }
    let wanted = query.get("resourceVersion").unwrap_or("");
    if wanted.is_empty() || wanted == "0" {
        return Ok((current, None));
    }
    let revision = version(wanted)
        .map_err(|why| Failure::bad_request(format!("invalid resource version: {why}")))?;
    if revision > current {
        let mut failure = Failure::new(
            504,
            "Timeout",
            format!("Timeout: Too large resource version: {revision}, current: {current}"),
        );
        failure.details = json!({"causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}], "retryAfterSeconds": 1});
        return Err(failure);
    }
    if query.get("resourceVersionMatch") == Some("Exact") {
        return Ok((revision, None));
    }
    Ok((current, None))
}
