//! A row in sentences: what is wrong, the evidence with age and source, the next steps, then every
//! object that belongs to it.

use ratatui::text::{Line, Span};

use super::cells::{Brush, severity};
use super::look::{Look, Role};
use super::text;
use crate::app::Model;
use crate::app::command::Id;
use crate::app::listing::RowId;
use crate::domain::board::Verdict;
use crate::domain::claim::Claim;
use crate::domain::finding::{Finding, Severity};
use crate::domain::findings::{ago, explain, human_duration};
use crate::domain::inventory::{Unit, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::ownership::{self, Hints};
use crate::domain::quantity::{Quantity, human_bytes};
use crate::domain::workspace::Origin;

pub(super) fn lines(model: &Model, look: &Look, row: &RowId, width: u16) -> Vec<Line<'static>> {
    let writer = Writer { model, look, width };
    match row {
        RowId::Workspace(key) => writer.workspace(key),
        RowId::Object(kind, key) => {
            let mut lines = Vec::new();
            for unit in model.facts().homes(*kind, key) {
                for finding in model.board.of(&unit) {
                    if finding.subject.kind == *kind && finding.subject.key == *key {
                        lines.extend(writer.finding(&unit, finding));
                    }
                }
            }
            lines.extend(writer.object(*kind, key));
            lines
        }
        RowId::Finding(unit, code, subject) => {
            let found = model.board.of(unit).iter();
            let mut found = found.filter(|f| f.code == *code && f.subject.key == *subject);
            let mut lines = found.next().map_or_else(
                || vec![Line::raw("this finding has gone away")],
                |finding| writer.finding(unit, finding),
            );
            if let Unit::Workspace(key) = unit {
                lines.push(Line::raw(""));
                lines.extend(writer.workspace_objects(key));
            }
            lines
        }
        RowId::Job(id) => writer.job(id),
    }
}

/// All findings of a row, in full.
pub(super) fn findings(model: &Model, look: &Look, row: &RowId, width: u16) -> Vec<Line<'static>> {
    let writer = Writer { model, look, width };
    let units = match row {
        RowId::Workspace(key) => vec![Unit::Workspace(key.clone())],
        RowId::Object(kind, key) => model.facts().homes(*kind, key),
        RowId::Finding(unit, ..) => vec![unit.clone()],
        RowId::Job(_) => Vec::new(),
    };
    let mut lines: Vec<Line<'static>> = units
        .iter()
        .flat_map(|unit| model.board.of(unit).iter().map(move |f| (unit, f)))
        .flat_map(|(unit, finding)| writer.finding(unit, finding))
        .collect();
    if lines.is_empty() {
        lines.push(Line::styled("nothing is wrong here", look.style(Role::Ok)));
    }
    lines
}

struct Writer<'a> {
    model: &'a Model,
    look: &'a Look,
    width: u16,
}

impl Writer<'_> {
    /// Each step with its time and its answer, and how to go on or back.
    fn job(&self, id: &str) -> Vec<Line<'static>> {
        use crate::action::journal::End;
        let model = self.model;
        let Some(row) = model.jobs.get(id) else {
            return Vec::new();
        };
        let plan = &row.job.plan;
        let mut lines = self.wrapped(&plan.title, Role::Header, 0);
        lines.push(self.pair("job", id));
        lines.push(self.pair("state", row.state()));
        lines.push(self.pair(
            "where",
            format!("{} / {}", plan.place.context, plan.namespace()),
        ));
        lines.push(self.pair("by", &plan.by));
        for (word, title, note, when) in row.steps() {
            let role = match word {
                "done" | "found" => Role::Ok,
                "failed" | "unknown" => Role::Bad,
                "begun" => Role::Accent,
                _ => Role::Dim,
            };
            let age = when.map_or_else(String::new, |at| format!(" {} ago", ago(model.now, at)));
            lines.extend(self.wrapped(&format!("{word:<8} {title}{age}"), role, 0));
            if !note.is_empty() {
                lines.extend(self.wrapped(&note, Role::Text, 9));
            }
        }
        match &row.job.end {
            Some((_, End::Failed { why, next })) => {
                lines.extend(self.wrapped(&format!("failed: {why}; {next}"), Role::Bad, 0));
            }
            Some((_, End::Done)) => lines.extend(self.step(Some("undo"), "take it back")),
            _ => {}
        }
        if !row.running && !row.job.is_done() && row.job.undone_by.is_none() {
            lines.extend(self.step(Some("resume"), "go on"));
            lines.extend(self.step(Some("undo"), "take back what was done"));
        }
        for note in &row.job.notes {
            lines.extend(self.wrapped(&format!("note: {note}"), Role::Warn, 0));
        }
        lines
    }

    fn workspace(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let inventory = &self.model.inventory;
        let Some(workspace) = inventory.workspace(key) else {
            return vec![Line::raw("this workspace is gone")];
        };
        let mut lines = vec![self.who(key)];
        if let Verdict::Unknown { missing, .. } = self.model.board.verdict(inventory, workspace) {
            for kind in missing {
                let freshness = inventory.freshness().get(kind);
                let why = freshness
                    .why()
                    .map_or_else(String::new, |w| format!(": {w}"));
                let text = format!("? {} are {}{why}", kind.short(), freshness.word());
                lines.extend(self.wrapped(&text, Role::Unknown, 0));
            }
        }
        let unit = Unit::Workspace(key.clone());
        let found = self.model.board.of(&unit);
        for finding in found {
            lines.extend(self.finding(&unit, finding));
        }
        if found.is_empty() {
            let (text, role) = match workspace.origin {
                Origin::Parked => ("○ parked: its claims are kept, no replica runs", Role::Dim),
                Origin::Leftover => ("○ its set is gone, its claims are kept", Role::Dim),
                Origin::Live | Origin::Unpersisted => ("✓ nothing is wrong", Role::Ok),
            };
            let text = if self.look.ascii {
                text.get(3..).unwrap_or_default().trim_start()
            } else {
                text
            };
            lines.extend(self.wrapped(text, role, 0));
        }
        lines.push(Line::raw(""));
        lines.extend(self.workspace_objects(key));
        lines
    }

    /// Name, user, tier, node, zone.
    fn who(&self, key: &ObjectKey) -> Line<'static> {
        let inventory = &self.model.inventory;
        let workspace = inventory.workspace(key);
        let node = inventory.pods.get(key).and_then(|p| p.node.as_ref());
        let zone = node
            .and_then(|n| inventory.node(n))
            .and_then(|n| n.zone.as_ref());
        let user = workspace.and_then(|w| inventory.user_of(w));
        let tier = workspace.and_then(|w| inventory.tier_of(w));
        let parts: Vec<String> = [Some(&key.name), user, tier, node, zone]
            .into_iter()
            .flatten()
            .map(|t: &Text| text::clean(t).into_owned())
            .collect();
        let joint = self.look.glyph(" · ", " | ");
        Line::styled(parts.join(joint), self.look.style(Role::Header))
    }

    fn wrapped(&self, text: &str, role: Role, indent: usize) -> Vec<Line<'static>> {
        let room = self
            .width
            .saturating_sub(u16::try_from(indent).unwrap_or(0));
        text::wrap(text, room)
            .into_iter()
            .map(|line| {
                Line::styled(
                    format!("{}{line}", " ".repeat(indent)),
                    self.look.style(role),
                )
            })
            .collect()
    }

    fn finding(&self, unit: &Unit, finding: &Finding) -> Vec<Line<'static>> {
        let (model, look) = (self.model, self.look);
        let brush = Brush { model, look };
        let told = explain(&brush.case(unit), finding);
        let (glyph, role) = severity(look, finding.severity);
        let mut lines = Vec::new();
        let first = format!("{glyph} {}", told.sentence);
        lines.extend(self.wrapped(&first, role, 0));
        for evidence in &told.evidence {
            let source = match evidence.at {
                Some(at) => format!("{}, {} ago", evidence.source, ago(model.now, at)),
                None => evidence.source.to_owned(),
            };
            let mut wrapped = self.wrapped(&evidence.text, Role::Text, 2);
            let fits = |line: &Line<'_>| line.width() + source.len() + 3 <= usize::from(self.width);
            match wrapped.last_mut() {
                Some(last) if fits(last) => {
                    let gap = usize::from(self.width) - last.width() - source.len();
                    last.push_span(Span::raw(" ".repeat(gap)));
                    last.push_span(Span::styled(source, look.style(Role::Dim)));
                }
                _ => wrapped.push(Line::styled(format!("    {source}"), look.style(Role::Dim))),
            }
            lines.append(&mut wrapped);
        }
        for step in &told.steps {
            lines.extend(self.step(step.command, &step.text));
        }
        if finding.severity != Severity::Note && !told.clears.is_empty() {
            let text = format!("goes away when {}", told.clears);
            lines.extend(self.wrapped(&text, Role::Dim, 2));
        }
        lines
    }

    /// A next step; with its key when it is a command of ours.
    fn step(&self, command: Option<&'static str>, what: &str) -> Vec<Line<'static>> {
        let arrow = self.look.glyph("→", ">");
        let key = command
            .and_then(|name| name.parse::<Id>().ok())
            .and_then(|id| self.model.keymap.keys(id).first().copied());
        let head = key.map_or_else(|| format!("  {arrow} "), |key| format!("  {arrow} {key} "));
        let room = self
            .width
            .saturating_sub(u16::try_from(text::width(&head)).unwrap_or(0));
        let mut lines = Vec::new();
        for (i, part) in text::wrap(what, room).into_iter().enumerate() {
            let head = if i == 0 {
                head.clone()
            } else {
                " ".repeat(text::width(&head))
            };
            lines.push(Line::from(vec![
                Span::styled(head, self.look.style(Role::Accent)),
                Span::raw(part),
            ]));
        }
        lines
    }

    fn workspace_objects(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let inventory = &self.model.inventory;
        let mut lines = Vec::new();
        match inventory.pods.get(key) {
            Some(_) => lines.extend(self.object(Kind::Pod, key)),
            None if inventory.freshness().get(Kind::Pod).was_complete() => {
                lines.push(self.pair("pod", "none"));
            }
            None => lines.push(self.pair("pod", "? pods are not known")),
        }
        let Some(workspace) = inventory.workspace(key) else {
            return lines;
        };
        for slot in &workspace.claims {
            let claim = beside(key, &slot.claim);
            if slot.exists {
                lines.extend(self.object(Kind::Claim, &claim));
            } else {
                let text = format!("{} is missing", slot.claim);
                lines.push(self.pair("claim", text));
            }
        }
        lines
    }

    fn pair(&self, name: &str, value: impl AsRef<str>) -> Line<'static> {
        Line::from(vec![
            Span::styled(format!("{name:<10} "), self.look.style(Role::Dim)),
            Span::raw(text::clean(value.as_ref()).into_owned()),
        ])
    }

    fn object(&self, kind: Kind, key: &ObjectKey) -> Vec<Line<'static>> {
        match kind {
            Kind::Pod => self.pod(key),
            Kind::Claim => self.claim(key),
            Kind::Volume => self.volume(key),
            Kind::Snapshot => self.snapshot(key),
            Kind::Set => self.set(key),
            Kind::Event => self.event(key),
            _ => vec![self.pair(kind.object(), key.to_string())],
        }
    }

    fn pod(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(pod) = model.inventory.pods.get(key) else {
            return Vec::new();
        };
        let age = human_duration(model.now.duration_since(pod.meta.created));
        let (ready, all) = pod.ready_containers();
        let node = pod.node.as_deref().unwrap_or("no node");
        let mut lines = vec![self.pair(
            "pod",
            format!(
                "{}, {ready}/{all} ready, {} restarts, {node}, {age} old",
                pod.status(),
                pod.restarts
            ),
        )];
        for container in &pod.containers {
            let state = match (&container.waiting, container.ready) {
                (Some(reason), _) => reason.to_string(),
                (None, true) => "ready".into(),
                (None, false) if container.running_since.is_some() => "running, not ready".into(),
                (None, false) => "not running".into(),
            };
            let exit = container
                .last_exit
                .as_ref()
                .map_or_else(String::new, |exit| {
                    let at = exit
                        .at
                        .map_or_else(String::new, |at| format!(" {} ago", ago(model.now, at)));
                    format!(", last exit {} ({}){at}", exit.code, exit.reason)
                });
            let text = format!("{}: {state}{exit}", container.name);
            lines.push(self.pair("", text));
        }
        if let Some(usage) = model.metrics.usage(key) {
            let of = |limit: Option<Quantity>, unit: &dyn Fn(f64) -> String| {
                limit.map_or_else(
                    || ", no limit".to_owned(),
                    |l| format!(" of {}", unit(l.as_f64())),
                )
            };
            let cores = |value: f64| format!("{value:.2} cores");
            let mut parts = Vec::new();
            if let Some(cpu) = usage.cpu {
                parts.push(format!("cpu {}{}", cores(cpu), of(pod.cpu_limit, &cores)));
            }
            if let Some(memory) = usage.memory {
                parts.push(format!(
                    "memory {}{}",
                    human_bytes(memory),
                    of(pod.memory_limit, &human_bytes)
                ));
            }
            if let Some(throttled) = usage.throttled {
                parts.push(format!("throttled {:.0} %", throttled * 100.0));
            }
            let old = if usage.fresh { "" } else { "last known, " };
            parts.push(format!(
                "({old}{}, {} ago)",
                usage.source,
                ago(model.now, usage.at)
            ));
            lines.push(self.pair("usage", parts.join(" · ")));
        }
        lines
    }

    fn claim(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let inventory = &model.inventory;
        let Some(claim) = inventory.claims.get(key) else {
            return vec![self.pair("claim", format!("{key} is gone"))];
        };
        let size = claim
            .capacity
            .or(claim.request)
            .map_or_else(|| "?".into(), Quantity::human);
        let class = claim.storage_class.as_deref().unwrap_or("no class");
        let mut lines = vec![self.pair(
            "claim",
            format!("{}: {}, {size}, {class}", key.name, claim.status()),
        )];
        if let Some(disk) = model.metrics.disk(key) {
            let old = if disk.fresh { "" } else { "last known, " };
            let inodes = disk
                .inodes
                .map_or_else(String::new, |i| format!(" · inodes {:.0} %", i * 100.0));
            let text = format!(
                "{:.0} % full, {} free of {}{inodes} ({old}{}, {} ago)",
                (disk.share() * 100.0).floor(),
                human_bytes(disk.available),
                human_bytes(disk.capacity),
                disk.source,
                ago(model.now, disk.at)
            );
            lines.push(self.pair("  disk", text));
        }
        if claim.is_resizing() {
            let to = claim.request.map_or_else(String::new, Quantity::human);
            let stage = claim.resize_status.as_deref().unwrap_or("asked for");
            lines.push(self.pair("  resize", format!("to {to}: {stage}")));
        }
        for condition in claim.conditions.iter().filter(|c| c.status) {
            let message = condition.message.as_deref().unwrap_or_default();
            lines.push(self.pair("  condition", format!("{} {message}", condition.kind)));
        }
        if let Some(volume) = inventory.volume_of(claim) {
            let on: Vec<&str> = inventory
                .attachments_of(&volume.meta.key.name)
                .map(|a| &*a.node)
                .collect();
            let on = if on.is_empty() {
                String::new()
            } else {
                format!(", attached to {}", on.join(", "))
            };
            let text = format!(
                "{}, {}, then {}{on}",
                volume.meta.key.name, volume.phase, volume.reclaim
            );
            lines.push(self.pair("  volume", text));
        } else if let Some(volume) = &claim.volume {
            lines.push(self.pair("  volume", format!("{volume} (not seen)")));
        }
        let newest = inventory.newest_ready_snapshot(key);
        let known = inventory.freshness().get(Kind::Snapshot).was_complete();
        let text = match newest {
            Some(s) => format!(
                "{} ago, {}",
                ago(model.now, s.point_in_time()),
                s.meta.key.name
            ),
            None if known => "none".into(),
            None => "? not known".into(),
        };
        lines.push(self.pair("  snapshot", text));
        lines.extend(self.need(claim));
        lines
    }

    /// Who needs the claim, by what evidence, and why it may not be deleted.
    fn need(&self, claim: &Claim) -> Vec<Line<'static>> {
        let model = self.model;
        let key = &claim.meta.key;
        let hints = Hints {
            sample: model.metrics.disk(key).map(|disk| disk.at),
            ..Hints::default()
        };
        let seen = model.sightings.get(&claim.meta.uid);
        let settings = &model.orphans;
        let judged = ownership::judge(&model.inventory, key, settings, &hints, seen, model.now);
        let Some(verdict) = judged else {
            return Vec::new();
        };
        let class = verdict.class;
        let mut says = verdict.evidence.iter().map(|line| line.says.clone());
        let first = says.next().unwrap_or_default();
        let mut lines = vec![self.pair("  need", format!("{class}: {first}"))];
        lines.extend(says.map(|text| self.pair("", text)));
        if !class.is_candidate() {
            return lines;
        }
        match verdict.inactive.since {
            Some(since) => {
                lines.push(self.pair("  unused", format!("for {}", ago(model.now, since))));
            }
            None => lines.push(self.pair("  unused", "? since when is not known")),
        }
        if verdict.is_deletable() {
            lines.push(self.pair("  delete", "X deletes it, after a snapshot"));
        }
        for blocker in verdict.blockers {
            lines.push(self.pair("  keep", blocker));
        }
        lines
    }

    fn volume(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let Some(volume) = self.model.inventory.volumes.get(key) else {
            return Vec::new();
        };
        let or_none = |t: Option<&Text>| t.map_or_else(|| "none".to_owned(), ToString::to_string);
        vec![
            self.pair(
                "volume",
                format!("{}, on release {}", volume.phase, volume.reclaim),
            ),
            self.pair(
                "size",
                volume.capacity.map_or_else(|| "?".into(), Quantity::human),
            ),
            self.pair(
                "claim",
                volume
                    .claim
                    .as_ref()
                    .map_or_else(|| "none".into(), |c| c.key.to_string()),
            ),
            self.pair("class", or_none(volume.storage_class.as_ref())),
            self.pair("driver", or_none(volume.driver.as_ref())),
            self.pair("handle", or_none(volume.handle.as_ref())),
            self.pair("zone", or_none(volume.zone.as_ref())),
        ]
    }

    fn snapshot(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(snapshot) = model.inventory.snapshots.get(key) else {
            return Vec::new();
        };
        let or_none = |t: Option<&Text>| t.map_or_else(|| "none".to_owned(), ToString::to_string);
        let mut lines = vec![
            self.pair("claim", or_none(snapshot.claim.as_ref())),
            self.pair(
                "taken",
                snapshot.taken.map_or_else(
                    || "not yet".into(),
                    |at| format!("{} ago", ago(model.now, at)),
                ),
            ),
            self.pair(
                "size",
                snapshot.size.map_or_else(|| "?".into(), Quantity::human),
            ),
            self.pair("class", or_none(snapshot.class.as_ref())),
            self.pair("content", or_none(snapshot.content.as_ref())),
        ];
        if let Some((why, _)) = &snapshot.error {
            lines.extend(self.wrapped(why, Role::Bad, 0));
        }
        if let Some(level) = &snapshot.consistency {
            lines.push(self.pair("consistent", level));
        }
        lines
    }

    fn set(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let Some(set) = self.model.inventory.sets.get(key) else {
            return Vec::new();
        };
        let mut lines = vec![
            self.pair("ready", format!("{} of {}", set.ready, set.replicas)),
            self.pair(
                "policy",
                if set.parallel {
                    "Parallel"
                } else {
                    "OrderedReady: the first bad ordinal blocks the rest"
                },
            ),
            self.pair(
                "claims",
                format!(
                    "{} when deleted, {} when scaled down",
                    if set.when_deleted_delete {
                        "deleted"
                    } else {
                        "kept"
                    },
                    if set.when_scaled_delete {
                        "deleted"
                    } else {
                        "kept"
                    },
                ),
            ),
        ];
        for template in &set.templates {
            let size = template.request.map_or_else(|| "?".into(), Quantity::human);
            let class = template.storage_class.as_deref().unwrap_or("default class");
            lines.push(self.pair("template", format!("{}: {size}, {class}", template.name)));
        }
        if let Some(owner) = &set.managed_by {
            lines.push(self.pair("managed by", owner));
        }
        lines
    }

    fn event(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let model = self.model;
        let Some(event) = model.inventory.events.get(key) else {
            return Vec::new();
        };
        let mut lines = vec![
            self.pair("reason", &event.reason),
            self.pair("object", format!("{} {}", event.object_kind, event.object)),
            self.pair(
                "seen",
                format!(
                    "{} times, first {} ago, last {} ago",
                    event.count,
                    ago(model.now, event.first),
                    ago(model.now, event.last)
                ),
            ),
            self.pair("from", &event.source),
            Line::raw(""),
        ];
        lines.extend(self.wrapped(&event.message.replace('\n', " "), Role::Text, 0));
        lines
    }
}
