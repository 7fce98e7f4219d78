//! Create, replace, patch and delete.

use std::sync::Arc;

use http::{Method, header};
use serde_json::{Value, json};

use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::resource::{Key, Kind};
use super::super::world::{DeleteOptions, World, list_of};
use super::super::{admission, apply, patch};
use super::read::{Filter, Form, shape};
use super::{Call, Reply, success, table};

pub(crate) fn answer(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    match (call.method, call.target.name.is_empty()) {
        (&Method::POST, true) => create(world, call),
        (&Method::PUT, false) => put(world, call),
        (&Method::PATCH, false) => patch(world, call),
        (&Method::DELETE, false) => delete(world, call),
        (&Method::DELETE, true) => delete_all(world, call),
        _ => Err(Failure::method_not_allowed()),
    }
}

fn reply(world: &World, call: &Call<'_>, object: &Arc<Object>, made: bool) -> Reply {
    let form = Form::of(call.headers).unwrap_or(Form::Whole);
    let body = if form == Form::Table {
        table::of(
            call.target.kind,
            std::slice::from_ref(object),
            world.now,
            &json!({}),
            true,
        )
    } else {
        shape(object, form, call.target)
    };
    if made {
        Reply::created(body)
    } else {
        Reply::ok(body)
    }
}

/// Fields of `events.k8s.io/v1` under their core names.
fn core_event(event: &mut Object) {
    for (modern, core) in [
        ("regarding", "involvedObject"),
        ("note", "message"),
        ("reportingController", "reportingComponent"),
    ] {
        if let Some(value) = event.unset(modern) {
            event.put(core, value);
        }
    }
}

fn create(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let kind = call.target.kind;
    let mut object = call.json()?;
    if !object.is_object() {
        return Err(Failure::bad_request(
            "the body of the request holds no object",
        ));
    }
    if !object.text("kind").is_empty() && object.text("kind") != kind.resource().kind {
        return Err(Failure::bad_request(format!(
            "the object provided is unrecognized: kind {} does not match the resource {}",
            object.text("kind"),
            kind.resource().plural
        )));
    }
    if kind.resource().namespaced {
        let stated = object.namespace();
        if !stated.is_empty() && stated != call.target.namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        object.put("metadata/namespace", call.target.namespace.as_str());
    }
    if call.target.modern_event {
        core_event(&mut object);
    }
    check_fields(call, &object)?;
    if kind.resource().has_status() && !matches!(kind, Kind::Namespace | Kind::Node) {
        object.unset("status");
    }
    if kind == Kind::Event {
        let name = object.name().to_owned();
        let key = Key::new(kind, &call.target.namespace, &name);
        let made = world.create(kind, object, call.dry_run())?;
        world.look_after(&key, 3600.0);
        return Ok(reply(world, call, &made, true));
    }
    let made = world.create(kind, object, call.dry_run())?;
    Ok(reply(world, call, &made, true))
}

/// `fieldValidation=Strict`: fields that no such object has are refused.
fn check_fields(call: &Call<'_>, object: &Object) -> Result<(), Failure> {
    if call.query.get("fieldValidation") != Some("Strict") {
        return Ok(());
    }
    let unknown =
        super::super::schema::unknown_fields(call.target.kind, object).map_err(|why| {
            Failure::bad_request(format!(
                "{} in version {:?} cannot be handled as a {}: {why}",
                call.target.kind.resource().kind,
                call.target.kind.resource().version,
                call.target.kind.resource().kind
            ))
        })?;
    if unknown.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = unknown
        .iter()
        .map(|f| format!("unknown field {f:?}"))
        .collect();
    Err(Failure::bad_request(format!(
        "strict decoding error: {}",
        texts.join(", ")
    )))
}

/// Carries out a change of an object that is there; `wanted` is the whole new object.
fn commit(
    world: &mut World,
    call: &Call<'_>,
    before: &Arc<Object>,
    mut wanted: Object,
) -> Result<Arc<Object>, Failure> {
    let key = call.target.key();
    let stated = wanted.version();
    if !stated.is_empty() && stated != before.version() {
        return Err(Failure::modified(key.kind, &key.name));
    }
    let uid = wanted.uid();
    if !uid.is_empty() && uid != before.uid() {
        return Err(Failure::conflict(
            key.kind,
            &key.name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                before.uid()
            ),
        ));
    }
    if wanted.name() != key.name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({}) does not match the name on the URL ({})",
            wanted.name(),
            key.name
        )));
    }
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "namespace",
    ] {
        let path = format!("metadata/{field}");
        let old = before.at(&path).clone();
        if old.is_null() {
            wanted.unset(&path);
        } else {
            wanted.put(&path, old);
        }
    }
    if wanted.at(apply::ENTRIES).is_null() && !before.at(apply::ENTRIES).is_null() {
        wanted.put(apply::ENTRIES, before.at(apply::ENTRIES).clone());
    }
    wanted.put("kind", key.kind.resource().kind);
    wanted.put("apiVersion", key.kind.api_version());
    if call.target.sub == "status" {
        let mut whole = (**before).clone();
        whole.put("status", wanted.at("status").clone());
        wanted = whole;
    } else {
        admission::complete(world, key.kind, &mut wanted);
        if key.kind.resource().has_status() {
            let old = before.at("status").clone();
            if old.is_null() {
                wanted.unset("status");
            } else {
                wanted.put("status", old);
            }
        }
        admission::update(world, &key, before, &wanted)?;
    }
    if call.dry_run() {
        return Ok(Arc::new(wanted));
    }
    world.replace(&key, before, wanted);
    // A last finalizer that went takes the object with it.
    Ok(world.read(&key).unwrap_or_else(|| Arc::clone(before)))
}

fn put(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let wanted = call.json()?;
    let before = world
        .read(&call.target.key())
        .ok_or_else(|| Failure::not_found(call.target.kind, &call.target.name))?;
    check_fields(call, &wanted)?;
    let object = commit(world, call, &before, wanted)?;
    Ok(reply(world, call, &object, false))
}

fn patch(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let kind = call
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("")
        .to_owned();
    let key = call.target.key();
    let before = world.read(&key);
    let body = call.json()?;
    let is_apply = kind.starts_with("application/apply-patch");
    let Some(before) = before else {
        if is_apply && call.target.sub.is_empty() {
            let mut object = body;
            object.put("metadata/name", key.name.as_str());
            object.put("metadata/namespace", key.namespace.as_str());
            // What is there before is nothing: every field is the applier's.
            let stated = object.clone();
            apply::apply(&mut object, &stated, applier(call))?;
            let made = world.create(key.kind, object, call.dry_run())?;
            return Ok(reply(world, call, &made, true));
        }
        return Err(Failure::not_found(key.kind, &key.name));
    };
    let mut wanted = (*before).clone();
    wanted.unset("metadata/resourceVersion");
    if kind.starts_with("application/json-patch") {
        patch::json(&mut wanted, &body).map_err(|why| {
            Failure::new(
                422,
                "Invalid",
                format!("the server rejected our request due to an error in our request: {why}"),
            )
        })?;
    } else if kind.starts_with("application/merge-patch") {
        patch::merge(&mut wanted, &body);
    } else if kind.starts_with("application/strategic-merge-patch") {
        if key.kind.is_snapshot_api() {
            return Err(Failure::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            ));
        }
        patch::strategic(&mut wanted, &body);
    } else if is_apply {
        apply::apply(&mut wanted, &body, applier(call))?;
    } else {
        return Err(Failure::new(
            415,
            "UnsupportedMediaType",
            "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml",
        ));
    }
    check_fields(call, &wanted)?;
    let object = commit(world, call, &before, wanted)?;
    Ok(reply(world, call, &object, false))
}

/// Who applies, and whether over the heads of others.
fn applier<'a>(call: &'a Call<'_>) -> (&'a str, bool) {
    let manager = call.query.get("fieldManager").unwrap_or("unknown");
    (manager, call.query.flag("force"))
}

pub(crate) fn options(call: &Call<'_>, body: &Value) -> DeleteOptions {
    let orphan = body.at("orphanDependents").as_bool() == Some(true);
    let asked = call
        .query
        .get("propagationPolicy")
        .unwrap_or_else(|| body.text("propagationPolicy"));
    DeleteOptions {
        uid: body.at("preconditions/uid").as_str().map(str::to_owned),
        version: body
            .at("preconditions/resourceVersion")
            .as_str()
            .map(str::to_owned),
        grace: call
            .query
            .number("gracePeriodSeconds")
            .or_else(|| body.int("gracePeriodSeconds")),
        propagation: if orphan { "Orphan" } else { asked }.to_owned(),
        dry_run: call.dry_run()
            || body
                .items("dryRun")
                .iter()
                .any(|d| d.as_str() == Some("All")),
    }
}

fn delete(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let key = call.target.key();
    let body = call.json()?;
    let options = options(call, &body);
    let before = world
        .read(&key)
        .ok_or_else(|| Failure::not_found(key.kind, &key.name))?;
    let gone = world.delete(&key, &options)?;
    if !gone && let Some(object) = world.read(&key) {
        return Ok(reply(world, call, &object, false));
    }
    let resource = key.kind.resource();
    let mut details = json!({"name": key.name, "kind": resource.plural, "uid": before.uid()});
    if !resource.group.is_empty() {
        details.put("group", resource.group);
    }
    Ok(Reply::ok(success(&details)))
}

fn delete_all(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let filter = Filter::of(call.target, call.query)?;
    let body = call.json()?;
    let options = options(call, &body);
    let doomed: Vec<Arc<Object>> = world
        .store
        .list(call.target.kind, &call.target.namespace)
        .filter(|o| filter.picks(o))
        .cloned()
        .collect();
    for object in &doomed {
        let key = Key::new(call.target.kind, object.namespace(), object.name());
        world.delete(&key, &options)?;
    }
    let items = doomed.iter().map(|o| (**o).clone()).collect();
    Ok(Reply::ok(list_of(
        call.target.kind,
        items,
        &json!({"resourceVersion": world.store.revision().to_string()}),
    )))
}
