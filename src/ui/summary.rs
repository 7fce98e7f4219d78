//! A row in sentences: what is wrong, the evidence with age and source, the next steps, then every
//! object that belongs to it.

mod object;

use ratatui::text::{Line, Span};

use super::cells::{Brush, severity};
use super::look::{Look, Role};
use super::text;
use crate::app::Model;
use crate::app::command::Id;
use crate::app::listing::RowId;
use crate::domain::board::Verdict;
use crate::domain::finding::{Finding, Severity};
use crate::domain::findings::{ago, explain};
use crate::domain::inventory::{Unit, beside};
use crate::domain::key::{Kind, ObjectKey, Text};
use crate::domain::workspace::{Origin, Slot};

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
        lines = match row {
            RowId::Workspace(key) => writer.nothing_found(key),
            _ => vec![Line::styled("nothing is wrong here", look.style(Role::Ok))],
        };
    }
    lines
}

struct Writer<'a> {
    model: &'a Model,
    look: &'a Look,
    width: u16,
}

impl Writer<'_> {
    /// Each step with its times, its calls and its answer, and how to go on or back.
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
        lines.push(self.pair(
            "began",
            row.started().strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
        ));
        for step in row.steps() {
            let role = match step.word {
                "done" | "found" => Role::Ok,
                "failed" | "unknown" => Role::Bad,
                "begun" => Role::Accent,
                _ => Role::Dim,
            };
            let text = format!("{:<8} {}", step.word, step.title);
            lines.extend(self.wrapped(&text, role, 0));
            let times = step.times(model.now);
            if !times.is_empty() {
                lines.extend(self.wrapped(&times, Role::Text, 9));
            }
            for call in &step.calls {
                lines.extend(self.wrapped(call, Role::Dim, 9));
            }
            if !step.answer.is_empty() {
                lines.extend(self.wrapped(&step.answer, Role::Text, 9));
            }
        }
        if let Some((_, End::Failed { why, next })) = &row.job.end {
            lines.extend(self.wrapped(&format!("failed: {why}; {next}"), Role::Bad, 0));
        }
        if !row.running && !row.job.is_done() && row.job.undone_by.is_none() {
            lines.extend(self.step(Some("resume"), "go on"));
        }
        if !row.running && row.job.has_way_back() {
            lines.extend(self.step(Some("undo"), "take back what was done"));
        }
        for note in &row.job.notes {
            lines.extend(self.wrapped(&format!("note: {note}"), Role::Warn, 0));
        }
        lines
    }

    fn workspace(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        if self.model.inventory.workspace(key).is_none() {
            return vec![Line::raw("this workspace is gone")];
        }
        let mut lines = vec![self.who(key)];
        let unit = Unit::Workspace(key.clone());
        let found = self.model.board.of(&unit);
        if found.is_empty() {
            lines.extend(self.nothing_found(key));
        } else {
            lines.extend(self.unknown(key));
        }
        for finding in found {
            lines.extend(self.finding(&unit, finding));
        }
        lines.push(Line::raw(""));
        lines.extend(self.workspace_objects(key));
        lines
    }

    /// What is said of a workspace of which no finding tells: no more than is known.
    fn nothing_found(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let unknown = self.unknown(key);
        let Some(workspace) = self.model.inventory.workspace(key) else {
            return unknown;
        };
        if !unknown.is_empty() {
            return unknown;
        }
        let is_measured = |slot: &Slot| {
            let disk = self.model.metrics.disk(&beside(key, &slot.claim));
            disk.is_some_and(|disk| disk.fresh)
        };
        let (mark, text, role) = match workspace.origin {
            Origin::Parked => (
                "○ ",
                "parked: its claims are kept, no replica runs",
                Role::Dim,
            ),
            Origin::Leftover => ("○ ", "its set is gone, its claims are kept", Role::Dim),
            Origin::Live | Origin::Unpersisted if workspace.claims.iter().all(is_measured) => {
                ("✓ ", "nothing is wrong", Role::Ok)
            }
            Origin::Live | Origin::Unpersisted => (
                "✓ ",
                "nothing is wrong in what is known; not all of its disks are measured",
                Role::Ok,
            ),
        };
        let mark = if self.look.ascii { "" } else { mark };
        self.wrapped(&format!("{mark}{text}"), role, 0)
    }

    /// What must be known for a verdict, and is not.
    fn unknown(&self, key: &ObjectKey) -> Vec<Line<'static>> {
        let inventory = &self.model.inventory;
        let Some(workspace) = inventory.workspace(key) else {
            return Vec::new();
        };
        let verdict = self.model.board.verdict(inventory, workspace);
        let Verdict::Unknown { missing, .. } = verdict else {
            return Vec::new();
        };
        let say = |kind: Kind| {
            let freshness = inventory.freshness().get(kind);
            let why = freshness
                .why()
                .map_or_else(String::new, |w| format!(": {w}"));
            format!("? {} are {}{why}", kind.short(), freshness.word())
        };
        let texts = missing.into_iter().map(say);
        texts
            .flat_map(|text| self.wrapped(&text, Role::Unknown, 0))
            .collect()
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
}
