//! The cells of a row: what is known now, how old it is, and what is not known. `–` does not
//! apply, `?` and `no data` are not known, `~` is the last that was.

mod object;

use ratatui::text::{Line, Span};

use super::look::{Look, Role};
use super::text;
use crate::app::Model;
use crate::app::listing::RowId;
use crate::domain::board::Verdict;
use crate::domain::finding::{Finding, Severity};
use crate::domain::findings::{Case, ago, explain, human_duration};
use crate::domain::inventory::{Unit, beside};
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::metric::{Disk, Forecast, MetricsState};
use crate::domain::quantity::Quantity;
use crate::domain::snapshot::Snapshot;

/// One cell; it may be wider than `width`, the table cuts it.
pub(super) fn cell(
    model: &Model,
    look: &Look,
    row: &RowId,
    column: &'static str,
    width: u16,
) -> Line<'static> {
    let brush = Brush { model, look };
    match row {
        RowId::Workspace(key) => brush.workspace(key, column, width),
        RowId::Object(kind, key) => brush.object(*kind, key, column, width),
        RowId::Finding(unit, code, subject) => {
            let found = model.board.of(unit).iter();
            let mut found = found.filter(|f| f.code == *code && f.subject.key == *subject);
            found
                .next()
                .map_or_else(|| brush.dash(), |f| brush.finding(unit, f, column))
        }
        RowId::Job(id) => brush.job(id, column),
    }
}

/// What paints cells.
#[derive(Clone, Copy)]
pub(super) struct Brush<'a> {
    pub(super) model: &'a Model,
    pub(super) look: &'a Look,
}

impl<'a> Brush<'a> {
    fn say(self, text: &str, role: Role) -> Line<'static> {
        Line::styled(text::clean(text).into_owned(), self.look.style(role))
    }

    fn plain(self, text: &str) -> Line<'static> {
        self.say(text, Role::Text)
    }

    fn dash(self) -> Line<'static> {
        self.say(self.look.glyph("–", "-"), Role::Dim)
    }

    fn unknown(self) -> Line<'static> {
        self.say("?", Role::Unknown)
    }

    fn or_dash(self, text: Option<&str>) -> Line<'static> {
        text.map_or_else(|| self.dash(), |text| self.plain(text))
    }

    fn size(self, size: Option<Quantity>) -> Line<'static> {
        size.map_or_else(|| self.dash(), |size| self.plain(&size.human()))
    }

    pub(super) fn age(self, at: jiff::Timestamp) -> Line<'static> {
        self.plain(&human_duration(self.model.now.duration_since(at)))
    }

    /// Whether rows of a kind may be missing because nobody could read them all.
    fn is_known(self, kind: Kind) -> bool {
        self.model.inventory.freshness().get(kind).was_complete()
    }

    fn workspace(self, key: &ObjectKey, column: &str, width: u16) -> Line<'static> {
        let inventory = &self.model.inventory;
        let Some(workspace) = inventory.workspace(key) else {
            return self.dash();
        };
        let pod = inventory.pods.get(key);
        match column {
            "namespace" => self.plain(&key.namespace),
            "name" => self.plain(&key.name),
            "user" => self.or_dash(inventory.user_of(workspace).map(|u| &**u)),
            "state" => self.state(key),
            "disk" => self.worst_disk(key, width),
            "full-in" => {
                let disks = self.disks(key);
                let soonest = disks.into_iter().filter_map(full_in).min();
                soonest.map_or_else(|| self.dash(), |left| self.full_in(left))
            }
            // No pod: nothing to measure.
            "cpu" | "memory" if pod.is_none() => self.dash(),
            "cpu" => self.share(
                self.model.metrics.usage(key).map(|u| (u.cpu, u.fresh)),
                pod.and_then(|p| p.cpu_limit),
                (self.model.policy.cpu_warn, self.model.policy.cpu_critical),
                width,
            ),
            "memory" => self.share(
                self.model.metrics.usage(key).map(|u| (u.memory, u.fresh)),
                pod.and_then(|p| p.memory_limit),
                (
                    self.model.policy.memory_warn,
                    self.model.policy.memory_critical,
                ),
                width,
            ),
            "snapshot" => self.newest_snapshot(key),
            "pod" => match pod {
                Some(pod) => {
                    let (ready, all) = pod.ready_containers();
                    let good = ready == all && pod.meta.deleted.is_none();
                    let role = if good { Role::Text } else { Role::Warn };
                    self.say(&format!("{} {ready}/{all}", pod.status()), role)
                }
                None if self.is_known(Kind::Pod) => self.dash(),
                None => self.unknown(),
            },
            "restarts" => pod.map_or_else(|| self.dash(), |p| self.plain(&p.restarts.to_string())),
            "claims" => {
                let there = workspace.claims.iter().filter(|c| c.exists).count();
                let role = if there < workspace.claims.len() {
                    Role::Bad
                } else {
                    Role::Text
                };
                self.say(&format!("{there}/{}", workspace.claims.len()), role)
            }
            "node" => self.or_dash(pod.and_then(|p| p.node.as_deref())),
            "zone" => {
                let node = pod.and_then(|p| inventory.node(p.node.as_ref()?));
                self.or_dash(node.and_then(|n| n.zone.as_deref()))
            }
            "age" => match self.model.facts().born(key) {
                Some(at) => self.age(at),
                None => self.dash(),
            },
            _ => self.dash(),
        }
    }

    /// Glyph and word; the worst finding, or that nothing can be said.
    pub(super) fn state(self, key: &ObjectKey) -> Line<'static> {
        let inventory = &self.model.inventory;
        let Some(workspace) = inventory.workspace(key) else {
            return self.dash();
        };
        let look = self.look;
        match self.model.board.verdict(inventory, workspace) {
            Verdict::Hurt(finding) => {
                let (glyph, role) = severity(look, finding.severity);
                self.say(&format!("{glyph} {}", finding.code.word()), role)
            }
            Verdict::Unknown {
                last: Some(finding),
                ..
            } => self.say(&format!("? {}", finding.code.word()), Role::Unknown),
            Verdict::Unknown {
                missing,
                last: None,
            } => {
                let names: Vec<&str> = missing.iter().map(|k| k.short()).collect();
                self.say(&format!("? no {}", names.join(", ")), Role::Unknown)
            }
            Verdict::Parked => self.say(&format!("{} parked", look.glyph("○", "o")), Role::Dim),
            Verdict::Fine => self.say(look.glyph("✓", "+"), Role::Ok),
        }
    }

    fn disks(self, workspace: &ObjectKey) -> Vec<&'a Disk> {
        let claims = self.model.inventory.workspace(workspace).into_iter();
        claims
            .flat_map(|w| w.claims.iter())
            .filter_map(|slot| self.model.metrics.disk(&beside(workspace, &slot.claim)))
            .collect()
    }

    fn worst_disk(self, workspace: &ObjectKey, width: u16) -> Line<'static> {
        let worst = self
            .disks(workspace)
            .into_iter()
            .max_by(|a, b| a.share().total_cmp(&b.share()));
        let has_claims = self
            .model
            .inventory
            .workspace(workspace)
            .is_some_and(|w| !w.claims.is_empty());
        match worst {
            Some(disk) => self.disk(disk, width),
            None if has_claims => self.no_data(width),
            None => self.dash(),
        }
    }

    fn no_data(self, width: u16) -> Line<'static> {
        let text = match self.model.metrics.state() {
            MetricsState::Never => "…",
            MetricsState::Off { .. } => "–",
            _ if width < 7 => "?",
            _ => "no data",
        };
        self.say(
            if self.look.ascii && text == "–" {
                "-"
            } else {
                text
            },
            Role::Dim,
        )
    }

    /// Bar and per cent; hatched and dated when it is the last that is known.
    pub(super) fn disk(self, disk: &Disk, width: u16) -> Line<'static> {
        let share = disk.share();
        let policy = &self.model.policy;
        let role = if !disk.fresh {
            Role::Stale
        } else if share >= policy.disk_critical {
            Role::Bad
        } else if share >= policy.disk_warn {
            Role::Warn
        } else {
            Role::Text
        };
        let text = if disk.fresh {
            format!(" {:>3.0}%", (share * 100.0).floor())
        } else {
            format!(
                " ~{:.0}% {}",
                (share * 100.0).floor(),
                ago(self.model.now, disk.at)
            )
        };
        let room = usize::from(width).saturating_sub(text::width(&text));
        let mut spans = vec![Span::styled(
            bar(self.look, share, room.min(10), disk.fresh),
            self.look.style(role),
        )];
        spans.push(Span::styled(text, self.look.style(role)));
        Line::from(spans)
    }

    fn full_in(self, left: jiff::SignedDuration) -> Line<'static> {
        let soon = left < self.model.policy.full_in;
        let text = if left > jiff::SignedDuration::from_hours(99 * 24) {
            ">99d".to_owned()
        } else {
            human_duration(left)
        };
        self.say(&text, if soon { Role::Warn } else { Role::Text })
    }

    fn share(
        self,
        used: Option<(Option<f64>, bool)>,
        limit: Option<Quantity>,
        (warn, critical): (f64, f64),
        width: u16,
    ) -> Line<'static> {
        let Some((Some(used), fresh)) = used else {
            return self.no_data(width);
        };
        let Some(limit) = limit.map(Quantity::as_f64).filter(|l| *l > 0.0) else {
            return self.dash();
        };
        let share = used / limit;
        let role = match share {
            _ if !fresh => Role::Stale,
            s if s >= critical => Role::Bad,
            s if s >= warn => Role::Warn,
            _ => Role::Text,
        };
        let mark = if fresh { "" } else { "~" };
        self.say(&format!("{mark}{:.0}%", share * 100.0), role)
    }

    /// The oldest of the claims' newest ready snapshots: the backup is as old as its oldest part.
    /// Where only some claims have one, it says how many.
    fn newest_snapshot(self, key: &ObjectKey) -> Line<'static> {
        let inventory = &self.model.inventory;
        if !self.is_known(Kind::Snapshot) {
            return self.unknown();
        }
        let slots = inventory.workspace(key).into_iter();
        let claims = slots.flat_map(|w| w.claims.iter()).filter(|s| s.exists);
        let newest: Vec<Option<jiff::Timestamp>> = claims
            .map(|slot| {
                let claim = beside(key, &slot.claim);
                let newest = inventory.newest_ready_snapshot(&claim);
                newest.map(Snapshot::point_in_time)
            })
            .collect();
        let have = newest.iter().flatten().count();
        match newest.iter().flatten().min() {
            None => self.say("none", Role::Dim),
            Some(at) if have == newest.len() => self.snapshot_age(*at),
            Some(at) => {
                let age = human_duration(self.model.now.duration_since(*at));
                self.say(&format!("{age} {have}/{}", newest.len()), Role::Warn)
            }
        }
    }

    fn snapshot_age(self, at: jiff::Timestamp) -> Line<'static> {
        let age = self.model.now.duration_since(at);
        if age > self.model.policy.snapshot_max_age {
            self.say(&format!("{} !", human_duration(age)), Role::Warn)
        } else {
            self.plain(&human_duration(age))
        }
    }

    fn finding(self, unit: &Unit, finding: &Finding, column: &str) -> Line<'static> {
        match column {
            "severity" => {
                let (glyph, role) = severity(self.look, finding.severity);
                self.say(&format!("{glyph} {}", finding.severity), role)
            }
            "code" => self.plain(finding.code.into()),
            "subject" => {
                let kind = finding.subject.kind.object().to_lowercase();
                let kind = match finding.subject.kind {
                    Kind::Claim => "claim",
                    Kind::Set => "set",
                    Kind::Volume => "volume",
                    Kind::Snapshot => "snapshot",
                    _ => &kind,
                };
                self.plain(&format!("{kind}/{}", finding.subject.key.name))
            }
            "namespace" => self.plain(&finding.subject.key.namespace),
            "workspace" => match unit {
                Unit::Workspace(key) => self.plain(&key.name),
                Unit::Object(..) => self.dash(),
            },
            "sentence" => self.plain(&explain(&self.case(unit), finding).sentence),
            "since" => finding.since.map_or_else(|| self.dash(), |at| self.age(at)),
            _ => self.dash(),
        }
    }

    fn job(self, id: &str, column: &str) -> Line<'static> {
        let Some(row) = self.model.jobs.get(id) else {
            return self.dash();
        };
        match column {
            "state" => {
                let (glyph, role) = match row.state() {
                    "done" => (self.look.glyph("✓", "+"), Role::Ok),
                    "running" => (self.look.glyph("◐", "*"), Role::Accent),
                    "failed" | "cut off" => (self.look.glyph("✗", "x"), Role::Bad),
                    _ => (self.look.glyph("·", "."), Role::Dim),
                };
                self.say(&format!("{glyph} {}", row.state()), role)
            }
            "action" => self.plain(&row.job.plan.action.to_string()),
            "subject" => self.plain(&row.subject()),
            "step" => self.plain(&row.step()),
            "took" => self.plain(&human_duration(row.took(self.model.now))),
            "started" => self.age(row.started()),
            _ => self.dash(),
        }
    }

    /// What explanations are made from.
    pub(super) fn case(self, unit: &Unit) -> Case<'a> {
        let model = self.model;
        Case::new(&model.inventory, &model.metrics, &model.policy, model.now)
            .after(model.board.of(unit))
    }
}

const fn full_in(disk: &Disk) -> Option<jiff::SignedDuration> {
    match disk.full_in {
        Forecast::In(left) if disk.fresh => Some(left),
        _ => None,
    }
}

/// The glyph of a severity, which says as much as its colour.
pub(super) const fn severity(look: &Look, severity: Severity) -> (&'static str, Role) {
    match severity {
        Severity::DataAtRisk | Severity::Blocked => (look.glyph("✗", "x"), Role::Bad),
        Severity::Soon => ("!", Role::Warn),
        Severity::Cost => ("$", Role::Dim),
        Severity::Note => (look.glyph("·", "."), Role::Dim),
    }
}

/// A bar of at most `room` cells, in eighths.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of a few cells"
)]
pub(super) fn bar(look: &Look, share: f64, room: usize, fresh: bool) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (share.clamp(0.0, 1.0) * room as f64 * 8.0).round() as usize;
    let (full, part) = (eighths / 8, eighths % 8);
    let mut bar = if look.ascii {
        "#".repeat(full)
    } else if fresh {
        format!("{}{}", "█".repeat(full), EIGHTHS[part])
    } else {
        "▒".repeat(full)
    };
    let used = text::width(&bar);
    bar.extend(std::iter::repeat_n(' ', room.saturating_sub(used)));
    bar
}
