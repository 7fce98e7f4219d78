//! Reading and changing Kubernetes objects that are held as JSON.
//! Must not know any kind in particular.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// A Kubernetes object, exactly as it goes over the wire.
pub(crate) type Object = Value;

static NULL: Value = Value::Null;

/// RFC 3339 with seconds, the form of `metav1.Time`.
pub(crate) fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// RFC 3339 with microseconds, the form of `metav1.MicroTime`.
pub(crate) fn micro_stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// Whole and part seconds from `earlier` to `later`; negative when the order is the other way.
pub(crate) fn seconds_between(earlier: Timestamp, later: Timestamp) -> f64 {
    later.duration_since(earlier).as_secs_f64()
}

/// Access by a path such as `spec/containers/0/name`. Keys that hold a slash (labels, annotations) have own methods.
pub(crate) trait Fields {
    /// The value at `path`, `null` when there is none.
    fn at(&self, path: &str) -> &Value;
    fn at_mut(&mut self, path: &str) -> Option<&mut Value>;
    /// Sets `path`, making the objects on the way.
    fn put(&mut self, path: &str, value: impl Into<Value>);
    fn unset(&mut self, path: &str) -> Option<Value>;

    fn text(&self, path: &str) -> &str {
        self.at(path).as_str().unwrap_or("")
    }
    fn int(&self, path: &str) -> Option<i64> {
        self.at(path).as_i64()
    }
    fn flag(&self, path: &str) -> bool {
        self.at(path).as_bool().unwrap_or(false)
    }
    fn items(&self, path: &str) -> &[Value] {
        self.at(path).as_array().map_or(&[], Vec::as_slice)
    }
    fn map(&self, path: &str) -> Option<&Map<String, Value>> {
        self.at(path).as_object()
    }
    fn time(&self, path: &str) -> Option<Timestamp> {
        self.text(path).parse().ok()
    }
    fn name(&self) -> &str {
        self.text("metadata/name")
    }
    fn namespace(&self) -> &str {
        self.text("metadata/namespace")
    }
    fn uid(&self) -> &str {
        self.text("metadata/uid")
    }
    fn version(&self) -> &str {
        self.text("metadata/resourceVersion")
    }
    fn terminating(&self) -> bool {
        !self.text("metadata/deletionTimestamp").is_empty()
    }
    fn label(&self, key: &str) -> Option<&str> {
        self.map("metadata/labels")?.get(key)?.as_str()
    }
    fn annotation(&self, key: &str) -> Option<&str> {
        self.map("metadata/annotations")?.get(key)?.as_str()
    }
    fn set_annotation(&mut self, key: &str, value: &str) {
        self.entry("metadata/annotations")
            .insert(key.to_owned(), json!(value));
    }
    fn set_label(&mut self, key: &str, value: &str) {
        self.entry("metadata/labels")
            .insert(key.to_owned(), json!(value));
    }
    /// The JSON object at `path`, made when it is missing.
    fn entry(&mut self, path: &str) -> &mut Map<String, Value>;

    fn has_finalizer(&self, name: &str) -> bool {
        self.items("metadata/finalizers")
            .iter()
            .any(|f| f.as_str() == Some(name))
    }
    fn add_finalizer(&mut self, name: &str) {
        if self.has_finalizer(name) {
            return;
        }
        let mut all = self.items("metadata/finalizers").to_vec();
        all.push(json!(name));
        self.put("metadata/finalizers", all);
    }
    fn remove_finalizer(&mut self, name: &str) {
        let all: Vec<Value> = self
            .items("metadata/finalizers")
            .iter()
            .filter(|f| f.as_str() != Some(name))
            .cloned()
            .collect();
        if all.is_empty() {
            self.unset("metadata/finalizers");
        } else {
            self.put("metadata/finalizers", all);
        }
    }
    /// The owner reference with `controller: true`.
    fn controller(&self) -> Option<&Value> {
        self.items("metadata/ownerReferences")
            .iter()
            .find(|o| o.flag("controller"))
    }
    fn controlled_by(&self, uid: &str) -> bool {
        self.controller().is_some_and(|o| o.text("uid") == uid)
    }
    fn condition(&self, kind: &str) -> Option<&Value> {
        self.items("status/conditions")
            .iter()
            .find(|c| c.text("type") == kind)
    }
    fn condition_is(&self, kind: &str, status: &str) -> bool {
        self.condition(kind)
            .is_some_and(|c| c.text("status") == status)
    }
    /// Sets a condition; the transition time moves only when the status does.
    fn set_condition(&mut self, kind: &str, status: &str, why: (&str, &str), now: Timestamp) {
        let mut all = self.items("status/conditions").to_vec();
        let old = all.iter().position(|c| c.text("type") == kind);
        let since = old
            .and_then(|i| all.get(i))
            .filter(|c| c.text("status") == status)
            .map_or_else(|| json!(stamp(now)), |c| c.at("lastTransitionTime").clone());
        let mut condition = json!({"type": kind, "status": status, "lastTransitionTime": since});
        if !why.0.is_empty() {
            condition.put("reason", why.0);
        }
        if !why.1.is_empty() {
            condition.put("message", why.1);
        }
        match old.and_then(|i| all.get_mut(i)) {
            Some(slot) => {
                if let Some(probe) = slot.get("lastProbeTime") {
                    condition.put("lastProbeTime", probe.clone());
                }
                *slot = condition;
            }
            None => all.push(condition),
        }
        self.put("status/conditions", all);
    }
    fn drop_conditions(&mut self, kinds: &[&str]) {
        let all: Vec<Value> = self
            .items("status/conditions")
            .iter()
            .filter(|c| !kinds.contains(&c.text("type")))
            .cloned()
            .collect();
        if all.is_empty() {
            self.unset("status/conditions");
        } else {
            self.put("status/conditions", all);
        }
    }
}

/// The steps of a path. They are so short that looking at each byte beats a search for the next slash.
fn steps(path: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(path);
    std::iter::from_fn(move || {
        let path = rest?;
        let Some(end) = path.bytes().position(|b| b == b'/') else {
            return rest.take();
        };
        let (step, after) = path.split_at(end);
        rest = after.get(1..);
        Some(step)
    })
}

impl Fields for Value {
    fn at(&self, path: &str) -> &Value {
        let mut here = self;
        for step in steps(path) {
            let next = match here {
                Value::Object(map) => map.get(step),
                Value::Array(list) => step.parse::<usize>().ok().and_then(|i| list.get(i)),
                _ => None,
            };
            match next {
                Some(value) => here = value,
                None => return &NULL,
            }
        }
        here
    }

    fn at_mut(&mut self, path: &str) -> Option<&mut Value> {
        let mut here = self;
        for step in steps(path) {
            here = match here {
                Value::Object(map) => map.get_mut(step)?,
                Value::Array(list) => list.get_mut(step.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(here)
    }

    fn put(&mut self, path: &str, value: impl Into<Value>) {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        if let Ok(index) = last.parse::<usize>()
            && let Some(slot) = self
                .at_mut(parent)
                .and_then(Value::as_array_mut)
                .and_then(|list| list.get_mut(index))
        {
            *slot = value.into();
            return;
        }
        self.entry(parent).insert(last.to_owned(), value.into());
    }

    fn unset(&mut self, path: &str) -> Option<Value> {
        let (parent, last) = path.rsplit_once('/').unwrap_or(("", path));
        let holder = if parent.is_empty() {
            Some(self)
        } else {
            self.at_mut(parent)
        };
        let map = holder?.as_object_mut()?;
        map.remove(last)
    }

    fn entry(&mut self, path: &str) -> &mut Map<String, Value> {
        let mut here = self;
        for step in path.split('/').filter(|s| !s.is_empty()) {
            let index = step.parse::<usize>().ok();
            here = match (here, index) {
                (Value::Array(list), Some(i)) => {
                    if list.len() <= i {
                        list.resize(i + 1, json!({}));
                    }
                    &mut list[i]
                }
                (other, _) => {
                    if !other.is_object() {
                        *other = json!({});
                    }
                    // just made an object above
                    match other {
                        Value::Object(map) => map.entry(step).or_insert(Value::Null),
                        unreachable => unreachable,
                    }
                }
            };
        }
        if !here.is_object() {
            *here = json!({});
        }
        match here {
            Value::Object(map) => map,
            _ => unreachable!("made an object one line above"),
        }
    }
}

/// A reference as `involvedObject`, `ownerReferences` and others write it.
pub(crate) fn owner_reference(owner: &Object, controller: bool) -> Value {
    let mut reference = json!({
        "apiVersion": owner.text("apiVersion"), "kind": owner.text("kind"),
        "name": owner.name(), "uid": owner.uid(),
    });
    if controller {
        reference.put("controller", true);
        reference.put("blockOwnerDeletion", true);
    }
    reference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_makes_the_way_and_at_reads_it() {
        let mut o = json!({});
        o.put("a/b/c", 3);
        assert_eq!(o.int("a/b/c"), Some(3));
        o.put("list", json!([{"n": 1}]));
        o.put("list/0/n", 2);
        assert_eq!(o.int("list/0/n"), Some(2));
        assert!(o.at("nothing/here").is_null());
    }

    #[test]
    fn a_condition_keeps_its_transition_time_while_its_status_stays() {
        let mut o = json!({});
        let t0: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let t1: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        o.set_condition("Ready", "True", ("", ""), t0);
        o.set_condition("Ready", "True", ("x", "y"), t1);
        assert_eq!(
            o.condition("Ready").unwrap().text("lastTransitionTime"),
            "2026-01-01T00:00:00Z"
        );
        o.set_condition("Ready", "False", ("x", "y"), t1);
        assert_eq!(
            o.condition("Ready").unwrap().text("lastTransitionTime"),
            "2026-01-01T00:01:00Z"
        );
    }
}
