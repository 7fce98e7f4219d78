//! Events as the real components write them: aggregated like client-go does, gone after an hour.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::json;

use super::super::clock::seconds;
use super::super::object::{Fields, Object, micro_stamp, seconds_between, stamp};
use super::super::resource::{Key, Kind};
use super::super::world::World;

/// `--event-ttl` of the real API server.
const TTL_SECONDS: f64 = 3600.0;
/// client-go counts equal events up inside this window.
const SAME_SECONDS: f64 = 600.0;

/// Events that a repetition would be counted on: by subject, reason, message and component.
#[derive(Debug, Default)]
pub(crate) struct Recent(BTreeMap<String, (String, Timestamp)>);

impl Recent {
    pub(crate) fn forget(&mut self, now: Timestamp) {
        self.0
            .retain(|_, (_, at)| seconds_between(*at, now) < SAME_SECONDS);
    }
}

pub(crate) fn record(
    world: &mut World,
    about: &Object,
    kind: &str,
    reason: &str,
    message: &str,
    from: (&str, &str),
) {
    let (component, host) = from;
    let namespace = if about.namespace().is_empty() {
        "default"
    } else {
        about.namespace()
    };
    if world.get(Kind::Namespace, "", namespace).is_none() {
        return;
    }
    let now = world.now;
    let identity = format!("{}|{kind}|{reason}|{message}|{component}", about.uid());
    if let Some((name, at)) = world.events.0.get(&identity).cloned()
        && seconds_between(at, now) < SAME_SECONDS
    {
        let key = Key::new(Kind::Event, namespace, &name);
        let counted = world.update(&key, |e| {
            let count = e.int("count").unwrap_or(1) + 1;
            e.put("count", count);
            e.put("lastTimestamp", stamp(now));
        });
        if counted {
            world.events.0.insert(identity, (name, now));
            return;
        }
    }
    // As client-go does: the time of its writing, so that names order what came in one second.
    let instant = now.as_nanosecond() + i128::from(world.count());
    let name = format!("{}.{instant:x}", about.name());
    let new_style = component == "default-scheduler";
    let mut source = json!({});
    if !new_style {
        source.put("component", component);
        if !host.is_empty() {
            source.put("host", host);
        }
    }
    let mut event = json!({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {
            "name": name, "namespace": namespace, "uid": world.seed.uid(&name),
            "creationTimestamp": stamp(now),
        },
        "involvedObject": {
            "apiVersion": about.text("apiVersion"), "kind": about.text("kind"), "name": about.name(),
            "uid": about.uid(), "resourceVersion": about.version(),
        },
        "type": kind, "reason": reason, "message": message, "source": source,
        "reportingComponent": component, "reportingInstance": host,
        "firstTimestamp": stamp(now), "lastTimestamp": stamp(now), "eventTime": null, "count": 1,
    });
    if !about.namespace().is_empty() {
        event.put("involvedObject/namespace", about.namespace());
    }
    if new_style {
        event.put("firstTimestamp", json!(null));
        event.put("lastTimestamp", json!(null));
        event.put("eventTime", micro_stamp(now));
        event.put("action", "Binding");
        event.put("reportingInstance", "default-scheduler-control-plane");
        event.unset("count");
    }
    let key = Key::new(Kind::Event, namespace, &name);
    world.store.write(&key, event);
    world.events.0.insert(identity, (name, now));
    world.look_after(&key, TTL_SECONDS);
}

/// Removes an event that nobody repeated for an hour.
pub(crate) fn expire(world: &mut World, key: &Key) {
    let Some(event) = world.read(key) else {
        return;
    };
    let last = event
        .time("lastTimestamp")
        .or_else(|| event.time("eventTime"))
        .or_else(|| event.time("metadata/creationTimestamp"))
        .unwrap_or(world.now);
    let due = last + seconds(TTL_SECONDS);
    if due <= world.now {
        world.remove(key);
    } else {
        world.look_again(key, due);
    }
}
