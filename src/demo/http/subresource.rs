//! Scale, eviction, binding and the finalizing of namespaces.

use http::Method;
use serde_json::{Value, json};

use super::super::controllers::{disruption, scheduler};
use super::super::failure::Failure;
use super::super::object::{Fields, Object};
use super::super::patch;
use super::super::resource::Kind;
use super::super::selector::Labels;
use super::super::world::World;
use super::{Call, Reply, success, write};

pub(crate) fn answer(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    match (call.target.sub.as_str(), call.method) {
        ("scale", _) => scale(world, call),
        ("eviction", &Method::POST) => evict(world, call),
        ("binding", &Method::POST) => {
            let body = call.json()?;
            let key = call.target.key();
            let pod = world
                .read(&key)
                .ok_or_else(|| Failure::not_found(Kind::Pod, &key.name))?;
            scheduler::bind(world, &key, &pod, body.text("target/name"));
            Ok(Reply::created(success(&json!({}))))
        }
        ("finalize", &Method::PUT) => {
            let body = call.json()?;
            let key = call.target.key();
            world.update(&key, |n| {
                n.put("spec/finalizers", body.at("spec/finalizers").clone());
            });
            Ok(Reply::ok(body))
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn scale_of(object: &Object) -> Value {
    let selector = Labels::of(object.at("spec/selector"))
        .map(|l| l.print())
        .unwrap_or_default();
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {"name": object.name(), "namespace": object.namespace(), "uid": object.uid(),
            "resourceVersion": object.version(), "creationTimestamp": object.at("metadata/creationTimestamp")},
        "spec": {"replicas": object.int("spec/replicas").unwrap_or(1)},
        "status": {"replicas": object.int("status/replicas").unwrap_or(0), "selector": selector},
    })
}

fn scale(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let key = call.target.key();
    let before = world
        .read(&key)
        .ok_or_else(|| Failure::not_found(key.kind, &key.name))?;
    let mut wanted = scale_of(&before);
    match *call.method {
        Method::GET => return Ok(Reply::ok(wanted)),
        Method::PUT => wanted = call.json()?,
        Method::PATCH => {
            let body = call.json()?;
            if body.is_array() {
                patch::json(&mut wanted, &body).map_err(Failure::bad_request)?;
            } else {
                patch::merge(&mut wanted, &body);
            }
        }
        _ => return Err(Failure::method_not_allowed()),
    }
    let stated = wanted.version();
    if !stated.is_empty() && stated != before.version() {
        return Err(Failure::modified(key.kind, &key.name));
    }
    let replicas = wanted.int("spec/replicas").unwrap_or(0);
    if replicas < 0 {
        let text = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        return Err(Failure::invalid(
            key.kind,
            &key.name,
            &[("spec.replicas", "FieldValueInvalid", text)],
        ));
    }
    if call.dry_run() {
        wanted.put("spec/replicas", replicas);
        return Ok(Reply::ok(wanted));
    }
    world.update(&key, |o| o.put("spec/replicas", replicas));
    let after = world.read(&key).unwrap_or(before);
    Ok(Reply::ok(scale_of(&after)))
}

fn evict(world: &mut World, call: &Call<'_>) -> Result<Reply, Failure> {
    let body = call.json()?;
    let key = call.target.key();
    let mut options = write::options(call, body.at("deleteOptions"));
    options.dry_run |= call.dry_run();
    disruption::evict(world, &key, &options)?;
    Ok(Reply::created(
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    ))
}
