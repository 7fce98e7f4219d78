//! A plan: the exact steps of an action, what they can cost and how they are taken back.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::call::{Call, Probe};
use super::condition::Condition;
use super::guard::Guard;
use super::request::{ActionName, Request};
use super::right::Right;
use super::seen::Seen;
use crate::domain::key::{Kind, Meta, ObjectKey};

/// The id of one run of one action: `s-20261121-064312-3f9a`. Fit for a label and a file name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunId {
    /// `salt` tells two runs of the same second apart.
    pub fn new(action: ActionName, now: Timestamp, salt: u16) -> Self {
        let time = now.strftime("%Y%m%d-%H%M%S");
        Self(format!("{action}-{time}-{salt:04x}"))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn action(&self) -> Option<ActionName> {
        self.0.split_once('-')?.0.parse().ok()
    }

    /// When it was made, for sorting by time whatever the action: `20261121-064312-3f9a`.
    pub fn time_part(&self) -> String {
        self.0
            .split_once('-')
            .map_or_else(|| self.0.clone(), |(_, time)| time.to_owned())
    }

    /// When it was made, to the second.
    pub fn made(&self) -> Option<Timestamp> {
        let time = self.time_part();
        let (seconds, _) = time.rsplit_once('-')?;
        let time = jiff::civil::DateTime::strptime("%Y%m%d-%H%M%S", seconds).ok()?;
        Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    }

    /// The part that tells runs apart, for names of objects: `064312-3f9a`.
    pub fn short(&self) -> String {
        let parts: Vec<&str> = self.0.rsplitn(3, '-').collect();
        match parts.as_slice() {
            [salt, time, _] => format!("{time}-{salt}"),
            _ => self.0.clone(),
        }
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a plan is carried out. A journal of another context is never resumed here.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub context: String,
    /// Address of the API server.
    pub server: String,
    pub namespace: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub id: RunId,
    pub action: ActionName,
    pub request: Request,
    pub place: Place,
    pub by: String,
    pub made: Timestamp,
    /// One line: `snapshot coditect-ide-7 (2 claims)`.
    pub title: String,
    /// What it touches, by uid: when one of these is another object at the moment of
    /// performing, the plan is refused.
    pub subjects: Vec<Subject>,
    pub steps: Vec<Step>,
    /// What can be lost, a sentence each; empty = nothing.
    pub losses: Vec<String>,
    /// How to get back what the action changes, the newest first.
    pub way_back: Vec<String>,
    /// What else the person should know, such as template drift.
    pub notes: Vec<String>,
    /// Must be typed before it may run.
    pub typed_name: Option<String>,
    pub rights: Vec<Right>,
    /// A Lease each is held while it runs, so that two runs never work on the same.
    pub locks: Vec<ObjectKey>,
    /// Of an undo: what the job that it takes back was to capture. A step that still names one
    /// needs what nobody knows.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub inherited: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    pub kind: Kind,
    pub key: ObjectKey,
    pub uid: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

impl Subject {
    /// An object whatever its state is.
    pub fn new(kind: Kind, meta: &Meta) -> Self {
        Self {
            kind,
            key: meta.key.clone(),
            uid: meta.uid.to_string(),
            version: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Unique in the plan, without blanks.
    pub id: String,
    /// For people: `snapshot claim workspace-ide-7`.
    pub title: String,
    #[serde(flatten)]
    pub what: Do,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captures: Vec<Capture>,
    #[serde(default)]
    pub on_failure: OnFailure,
    /// What takes the step back, in this order. Each must be right whether or not the step
    /// happened: its probe is looked at first, and what is already so is left alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub undo: Vec<Step>,
    /// JSON pointers into the manifest that it creates: what lies there is somebody's own text,
    /// byte for byte, even where it looks like the name of a captured value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verbatim: Vec<String>,
    /// A command that only looks at what must be so for the next call: it is old, and repeated,
    /// whenever a [`Do::Reread`] in its place would be.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub looks: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Do {
    Call {
        call: Call,
        probe: Probe,
    },
    /// Reads until the condition is met or fails; nothing is changed.
    Wait {
        until: Condition,
        /// Seconds; then the job stops, and can be resumed.
        ceiling: u32,
    },
    /// Lists and reads anew at most-recent, then judges. After a crash it is repeated unless a
    /// call behind it was made.
    Reread {
        kinds: Vec<Kind>,
        objects: Vec<(Kind, ObjectKey)>,
        guard: Guard,
    },
}

/// A value that later steps need; journaled with the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Capture {
    /// Used as `${name}`.
    pub name: String,
    pub from: Source,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// In the object that a call answered with (or that its probe found).
    Answer { pointer: String },
    /// In an object that is read for it, after the step.
    Object {
        kind: Kind,
        key: ObjectKey,
        pointer: String,
    },
    /// One text if the step succeeded, another if it failed and may fail.
    Outcome { done: String, failed: String },
    /// Standard output of a command, trimmed; at most 64 KiB.
    Stdout,
    /// Exit code of a command.
    Exit,
}

impl Capture {
    pub fn answer(name: &str, pointer: &str) -> Self {
        Self {
            name: name.to_owned(),
            from: Source::Answer {
                pointer: pointer.to_owned(),
            },
        }
    }

    pub fn object(name: &str, kind: Kind, key: ObjectKey, pointer: &str) -> Self {
        Self {
            name: name.to_owned(),
            from: Source::Object {
                kind,
                key,
                pointer: pointer.to_owned(),
            },
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnFailure {
    /// The job ends as failed; it can be resumed or undone.
    #[default]
    Stop,
    /// It is reported, and the next step follows.
    Continue,
}

impl Step {
    pub fn call(id: impl Into<String>, title: impl Into<String>, call: Call, probe: Probe) -> Self {
        Self::new(id, title, Do::Call { call, probe })
    }

    pub fn wait(
        id: impl Into<String>,
        title: impl Into<String>,
        until: Condition,
        ceiling: u32,
    ) -> Self {
        Self::new(id, title, Do::Wait { until, ceiling })
    }

    pub fn new(id: impl Into<String>, title: impl Into<String>, what: Do) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            what,
            captures: Vec::new(),
            on_failure: OnFailure::Stop,
            undo: Vec::new(),
            verbatim: Vec::new(),
            looks: false,
        }
    }

    #[must_use]
    pub fn capture(mut self, capture: Capture) -> Self {
        self.captures.push(capture);
        self
    }

    #[must_use]
    pub fn undone_by(mut self, step: Self) -> Self {
        self.undo.push(step);
        self
    }

    #[must_use]
    pub fn verbatim(mut self, pointers: &[&str]) -> Self {
        self.verbatim = pointers.iter().map(|p| (*p).to_owned()).collect();
        self
    }

    #[must_use]
    pub const fn tolerated(mut self) -> Self {
        self.on_failure = OnFailure::Continue;
        self
    }

    #[must_use]
    pub const fn looking(mut self) -> Self {
        self.looks = true;
        self
    }

    /// The object that it is about must have this version: nobody touched it since.
    #[must_use]
    pub fn at(mut self, seen: &str) -> Self {
        if let Do::Call { call, .. } = &mut self.what
            && let Some(target) = call.target_mut()
        {
            target.version = Some(seen.to_owned());
        }
        self
    }

    /// Without a version that only a look can tell, for the server's dry run.
    #[must_use]
    pub fn of_any_version(mut self) -> Self {
        if let Do::Call { call, .. } = &mut self.what
            && let Some(target) = call.target_mut()
        {
            target.version.take_if(|version| version.contains("${"));
        }
        self
    }

    /// Whether it only looks at what must be so for the next call.
    pub const fn is_look(&self) -> bool {
        self.looks || matches!(self.what, Do::Reread { .. })
    }

    /// Whether it changes something in the cluster or in a container.
    pub const fn mutates(&self) -> bool {
        matches!(self.what, Do::Call { .. })
    }

    /// The step with every `${name}` that is known put in. All other text stays as it is.
    #[must_use]
    pub fn filled(&self, captured: &BTreeMap<String, String>) -> Self {
        let Ok(mut value) = serde_json::to_value(self) else {
            return self.clone();
        };
        fill(&mut value, captured);
        let mut filled = serde_json::from_value(value).unwrap_or_else(|_| self.clone());
        filled.keep_verbatim(self);
        filled
    }

    /// Has `of`'s own text again, wherever that is verbatim.
    fn keep_verbatim(&mut self, of: &Self) {
        if let (Some(manifest), Some(of_manifest)) = (self.manifest_mut(), of.manifest()) {
            for pointer in &of.verbatim {
                let place = manifest.pointer_mut(pointer);
                if let (Some(place), Some(text)) = (place, of_manifest.pointer(pointer)) {
                    place.clone_from(text);
                }
            }
        }
        for (undo, of_undo) in self.undo.iter_mut().zip(&of.undo) {
            undo.keep_verbatim(of_undo);
        }
    }

    /// Of what it creates.
    pub const fn manifest(&self) -> Option<&Value> {
        match &self.what {
            Do::Call {
                call: Call::Create { manifest, .. },
                ..
            } => Some(manifest),
            _ => None,
        }
    }

    const fn manifest_mut(&mut self) -> Option<&mut Value> {
        match &mut self.what {
            Do::Call {
                call: Call::Create { manifest, .. },
                ..
            } => Some(manifest),
            _ => None,
        }
    }

    /// Which of `names`, those that the plan captures, it needs and nobody captured yet.
    pub fn missing(&self, names: &BTreeSet<String>) -> Vec<String> {
        let mut bare = self.clone();
        bare.undo.clear();
        if let Some(manifest) = bare.manifest_mut() {
            for pointer in &self.verbatim {
                if let Some(place) = manifest.pointer_mut(pointer) {
                    place.take();
                }
            }
        }
        let text = serde_json::to_string(&bare).unwrap_or_default();
        let is_missing = |name: &&String| text.contains(&format!("${{{name}}}"));
        names.iter().filter(is_missing).cloned().collect()
    }

    /// Names that it and its undo steps capture.
    fn captures_into(&self, names: &mut BTreeSet<String>) {
        names.extend(self.captures.iter().map(|capture| capture.name.clone()));
        for undo in &self.undo {
            undo.captures_into(names);
        }
    }
}

fn fill(value: &mut Value, captured: &BTreeMap<String, String>) {
    match value {
        Value::String(text) if text.contains("${") => *text = put_in(text, captured),
        Value::Array(items) => items.iter_mut().for_each(|v| fill(v, captured)),
        Value::Object(fields) => fields.values_mut().for_each(|v| fill(v, captured)),
        _ => {}
    }
}

/// In one pass: what a captured value says is never read as a name itself.
fn put_in(text: &str, captured: &BTreeMap<String, String>) -> String {
    let mut made = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        made.push_str(before);
        let known = after
            .split_once('}')
            .and_then(|(name, tail)| Some((captured.get(name)?, tail)));
        if let Some((value, tail)) = known {
            made.push_str(value);
            rest = tail;
        } else {
            made.push_str("${");
            rest = after;
        }
    }
    made.push_str(rest);
    made
}

impl Plan {
    /// A plan without steps, to be filled.
    pub fn new(seen: &Seen<'_>, action: ActionName, request: Request) -> Self {
        let mut place = seen.place.clone();
        if let Some(namespace) = request.namespace() {
            namespace.clone_into(&mut place.namespace);
        }
        Self {
            id: seen.run.clone(),
            action,
            request,
            place,
            by: seen.by.to_owned(),
            made: seen.now,
            title: String::new(),
            subjects: Vec::new(),
            steps: Vec::new(),
            losses: Vec::new(),
            way_back: Vec::new(),
            notes: Vec::new(),
            typed_name: None,
            rights: Vec::new(),
            locks: Vec::new(),
            inherited: BTreeSet::new(),
        }
    }

    /// Every name that `${name}` can stand for in its steps; any other text that looks so is
    /// somebody's own.
    pub fn names(&self) -> BTreeSet<String> {
        let mut names = self.inherited.clone();
        for step in &self.steps {
            step.captures_into(&mut names);
        }
        names
    }

    /// Whether `other`, made a moment later, would do the same to the same objects. Versions may
    /// differ: they do whenever a controller writes a status.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let subjects = |plan: &Self| -> Vec<(Kind, ObjectKey, String)> {
            plan.subjects
                .iter()
                .map(|s| (s.kind, s.key.clone(), s.uid.clone()))
                .collect()
        };
        self.action == other.action
            && subjects(self) == subjects(other)
            && self.steps.len() == other.steps.len()
            && self.first_other(other).is_none()
    }

    /// The first step that does something else than its counterpart.
    fn first_other(&self, other: &Self) -> Option<&Step> {
        let deed = |step: &Step| {
            let mut value = serde_json::to_value(&step.what).unwrap_or_default();
            forget_versions(&mut value);
            (step.id.clone(), value)
        };
        let mut steps = self.steps.iter().zip(&other.steps);
        let (step, _) = steps.find(|(a, b)| deed(a) != deed(b))?;
        Some(step)
    }
}

impl Plan {
    /// What its steps will capture when all goes well, as far as that is known before.
    pub fn likely(&self) -> BTreeMap<String, String> {
        let captures = self.steps.iter().flat_map(|step| &step.captures);
        captures
            .filter_map(|capture| match &capture.from {
                Source::Outcome { done, .. } => Some((capture.name.clone(), done.clone())),
                _ => None,
            })
            .collect()
    }

    /// The namespace of its subjects; that of the place when they have none.
    pub fn namespace(&self) -> &str {
        self.subjects
            .iter()
            .map(|subject| &*subject.key.namespace)
            .find(|namespace| !namespace.is_empty())
            .unwrap_or(&self.place.namespace)
    }

    /// In words, what is different in `other`, a plan of the same request.
    pub fn difference(&self, other: &Self) -> String {
        for subject in &self.subjects {
            let now = other
                .subjects
                .iter()
                .find(|s| (s.kind, &s.key) == (subject.kind, &subject.key));
            let name = format!("{} {}", subject.kind.object(), subject.key);
            match now {
                None => return format!("{name} is no longer part of it"),
                Some(now) if now.uid != subject.uid => {
                    return format!("{name} is another object now");
                }
                Some(_) => {}
            }
        }
        let is_new = |subject: &&Subject| !self.subjects.iter().any(|s| s.uid == subject.uid);
        if let Some(new) = other.subjects.iter().find(is_new) {
            return format!("{} {} is new", new.kind.object(), new.key);
        }
        match self.first_other(other) {
            Some(step) => format!("the step `{}` would be another", step.title),
            None => "its steps would be others".to_owned(),
        }
    }
}

fn forget_versions(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_versions),
        Value::Object(fields) => {
            fields.remove("version");
            fields.remove("resourceVersion");
            fields.values_mut().for_each(forget_versions);
        }
        _ => {}
    }
}
