//! Rows as text: one table for every form of output, so that all of them say the same.

use serde::Serialize;
use serde_json::Value;

mod table;

pub(super) use table::{Id, Line, Table, padded};

use super::items::{self, ClaimItem, DiskItem, Document, Items, PodItem};
use super::picture::Picture;
use crate::app::field::natural;
use crate::cli::{Format, Kind as What};
use crate::cluster::watch::KINDS;
use crate::domain::board::Verdict;
use crate::domain::findings::human_duration;
use crate::domain::freshness::Freshness;
use crate::domain::inventory::Unit;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::{Quantity, human_bytes};
use crate::domain::workspace::Workspace;

/// What does not apply, and what is not known.
const NONE: &str = "-";
const UNKNOWN: &str = "unknown";

/// Kinds of which nothing may be missing: whatever is not live there hides rows.
pub(super) const fn needed(what: What) -> &'static [Kind] {
    match what {
        What::Workspaces | What::Findings => &crate::domain::board::NEEDED,
        What::Sets => &[Kind::Set],
        What::Pods => &[Kind::Pod],
        What::Claims => &[Kind::Claim],
        What::Snapshots => &[Kind::Snapshot],
        What::Volumes => &[Kind::Volume],
        What::Events => &[Kind::Event],
    }
}

/// Kinds that say something in the rows, or make them, where the cluster has such an API at all.
const fn wanted(what: What) -> &'static [Kind] {
    match what {
        // Every rule reads some of them.
        What::Findings => &KINDS,
        What::Workspaces | What::Claims => &[Kind::Snapshot],
        _ => &[],
    }
}

/// Whether the rows, and everything that is in them, are known.
pub(super) fn is_complete(picture: &Picture, what: What, format: Format) -> bool {
    let freshness = picture.inventory.freshness();
    let is_known = |kind: &Kind| {
        matches!(
            freshness.get(*kind),
            Freshness::Live | Freshness::Absent { .. } | Freshness::Off { .. }
        )
    };
    // The names of objects are all there, whatever is known about them.
    let names_alone = format == Format::Name && what != What::Findings;
    needed(what).iter().all(|kind| freshness.is_live(*kind))
        && (names_alone
            || wanted(what).iter().all(is_known)
                && (!shows_figures(what) || picture.metrics_gap().is_none()))
}

/// Whether rows have figures that a verdict rests on.
pub(super) const fn shows_figures(what: What) -> bool {
    matches!(what, What::Workspaces | What::Claims | What::Findings)
}

const WORKSPACES: &[&str] = &[
    "NAMESPACE",
    "WORKSPACE",
    "STATE",
    "DISK",
    "FULL-IN",
    "CPU",
    "MEM",
    "SNAPSHOT",
    "POD",
    "AGE",
    "USER",
    "ORIGIN",
    "CLAIMS",
    "NODE",
    "ZONE",
];

const CLAIMS: &[&str] = &[
    "NAMESPACE",
    "CLAIM",
    "STATUS",
    "SIZE",
    "DISK",
    "FULL-IN",
    "SNAPSHOT",
    "AGE",
    "CLASS",
    "USED-BY",
    "VOLUME",
];

/// Columns, and how many of them the narrow table shows.
const fn columns(what: What) -> (&'static [&'static str], usize) {
    match what {
        What::Workspaces => (WORKSPACES, 10),
        What::Sets => (&["NAMESPACE", "SET", "READY", "AGE", "TEMPLATES"], 4),
        What::Pods => (
            &[
                "NAMESPACE",
                "POD",
                "READY",
                "STATUS",
                "RESTARTS",
                "CPU",
                "MEM",
                "AGE",
                "NODE",
            ],
            8,
        ),
        What::Claims => (CLAIMS, 8),
        What::Snapshots => (
            &[
                "NAMESPACE",
                "SNAPSHOT",
                "CLAIM",
                "READY",
                "SIZE",
                "TAKEN",
                "CONTENT",
            ],
            6,
        ),
        What::Volumes => (
            &[
                "VOLUME", "STATUS", "SIZE", "RECLAIM", "CLAIM", "AGE", "HANDLE", "ATTACHED",
            ],
            6,
        ),
        What::Findings => (&["SEVERITY", "FINDING", "NAMESPACE", "SUBJECT", "WHAT"], 5),
        What::Events => (
            &[
                "NAMESPACE",
                "LAST",
                "TYPE",
                "REASON",
                "OBJECT",
                "COUNT",
                "MESSAGE",
            ],
            7,
        ),
    }
}

/// The rows of one kind: what needs somebody first, then by name.
pub(super) fn table(picture: &Picture, what: What, names: &[String]) -> Table {
    let print = Print {
        picture,
        items: Items(picture),
    };
    let mut rows = match what {
        What::Workspaces => print.workspaces(),
        What::Findings => print.findings(),
        What::Sets => print.sets(),
        What::Pods => print.pods(),
        What::Claims => print.claims(),
        What::Snapshots => print.snapshots(),
        What::Volumes => print.volumes(),
        What::Events => print.events(),
    };
    match what {
        What::Workspaces | What::Findings => {}
        What::Events => rows.reverse(),
        _ => rows.sort_by(|a, b| {
            let (a, b) = (&a.key, &b.key);
            natural(&a.namespace, &b.namespace).then_with(|| natural(&a.name, &b.name))
        }),
    }
    rows.retain(|r| names.is_empty() || names.iter().any(|n| **n == *r.key.name));
    let (columns, narrow) = columns(what);
    Table {
        columns,
        narrow,
        rows,
    }
}

/// The document of `-o json` and `-o yaml`.
pub(super) fn document<'a>(picture: &Picture, what: What, table: &'a Table) -> Document<&'a Value> {
    let items = Items(picture);
    Document {
        kind: what.to_string(),
        at: picture.at,
        context: picture.context.clone(),
        namespace: picture.namespace.clone(),
        freshness: items.freshness(),
        metrics: items.metrics(),
        items: table.rows.iter().map(|row| &row.item).collect(),
    }
}

#[derive(Clone, Copy)]
struct Print<'a> {
    picture: &'a Picture,
    items: Items<'a>,
}

fn line(key: &ObjectKey, item: &impl Serialize, cells: Vec<String>) -> Line {
    Line {
        key: key.clone(),
        of: None,
        cells,
        // Own types of texts, numbers and lists: they always have a JSON form.
        item: serde_json::to_value(item).unwrap_or(Value::Null),
    }
}

/// Namespace and name, then the rest.
fn named(key: &ObjectKey, cells: Vec<String>) -> Vec<String> {
    let mut all = vec![key.namespace.to_string(), key.name.to_string()];
    all.extend(cells);
    all
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or(NONE).to_owned()
}

fn size(quantity: Option<Quantity>) -> String {
    quantity.map_or_else(|| UNKNOWN.to_owned(), Quantity::canonical)
}

fn percent(share: f64) -> String {
    format!("{:.0}%", (share * 100.0).floor())
}

fn share(used: Option<f64>, limit: Option<f64>) -> String {
    match (used, limit.filter(|l| *l > 0.0)) {
        (Some(used), Some(limit)) => percent(used / limit),
        (Some(_), None) => NONE.to_owned(),
        (None, _) => UNKNOWN.to_owned(),
    }
}

fn disk(disk: Option<&DiskItem>) -> String {
    match disk {
        Some(disk) if disk.fresh => percent(disk.used_share),
        Some(disk) => format!("~{}", percent(disk.used_share)),
        None => UNKNOWN.to_owned(),
    }
}

fn full_in(seconds: Option<i64>) -> String {
    seconds.map_or_else(
        || NONE.to_owned(),
        |s| human_duration(jiff::SignedDuration::from_secs(s)),
    )
}

impl Print<'_> {
    fn age(self, at: jiff::Timestamp) -> String {
        human_duration(self.picture.at.duration_since(at))
    }

    fn snapshot_age(self, newest: Option<jiff::Timestamp>) -> String {
        match newest {
            Some(at) => self.age(at),
            None if self.picture.inventory.freshness().is_live(Kind::Snapshot) => "none".into(),
            None => UNKNOWN.into(),
        }
    }

    fn workspaces(self) -> Vec<Line> {
        let picture = self.picture;
        let mut all: Vec<&Workspace> = picture.inventory.workspaces().collect();
        all.sort_by(|a, b| {
            let rank = |w: &Workspace| picture.board.rank(&w.key);
            let (x, y) = (rank(a), rank(b));
            (x.is_none(), x)
                .cmp(&(y.is_none(), y))
                .then_with(|| natural(&a.key.namespace, &b.key.namespace))
                .then_with(|| natural(&a.key.name, &b.key.name))
        });
        all.into_iter().map(|w| self.workspace(w)).collect()
    }

    fn workspace(self, workspace: &Workspace) -> Line {
        let inventory = &self.picture.inventory;
        let item = self.items.workspace(workspace);
        let state = match self.picture.board.verdict(inventory, workspace) {
            Verdict::Hurt(finding) => finding.code.word().to_owned(),
            Verdict::Unknown { missing, .. } => {
                let kinds: Vec<&str> = missing.iter().map(|k| k.short()).collect();
                format!("unknown ({})", kinds.join(", "))
            }
            Verdict::Parked => "parked".to_owned(),
            Verdict::Fine => "ok".to_owned(),
        };
        let worst = (item.claims.iter())
            .filter_map(|c| c.disk.as_ref())
            .max_by(|a, b| a.used_share.total_cmp(&b.used_share));
        let soonest = item
            .claims
            .iter()
            .filter_map(|c| c.disk.as_ref()?.full_in_seconds)
            .min();
        let usage = item.pod.as_ref().map(|p| p.usage.as_ref());
        let (cpu, memory) = match usage {
            None => (NONE.to_owned(), NONE.to_owned()),
            Some(usage) => (
                share(
                    usage.and_then(|u| u.cpu_cores),
                    usage.and_then(|u| u.cpu_limit_cores),
                ),
                share(
                    usage.and_then(|u| u.memory_bytes),
                    usage.and_then(|u| u.memory_limit_bytes),
                ),
            ),
        };
        let status = match &item.pod {
            Some(pod) => pod.status.clone(),
            None if inventory.freshness().is_live(Kind::Pod) => "none".to_owned(),
            None => UNKNOWN.to_owned(),
        };
        let born = item.claims.iter().filter_map(|c| c.created).min();
        let born = born.or(item.pod.as_ref().map(|p| p.created));
        let claims: Vec<&str> = item.claims.iter().map(|c| c.name.as_str()).collect();
        let cells = vec![
            state,
            disk(worst),
            full_in(soonest),
            cpu,
            memory,
            self.snapshot_age(item.claims.iter().filter_map(|c| c.newest_snapshot).max()),
            status,
            born.map_or_else(|| UNKNOWN.to_owned(), |at| self.age(at)),
            or_none(item.user.as_deref()),
            item.origin.clone(),
            claims.join(","),
            or_none(item.node.as_deref()),
            or_none(item.zone.as_deref()),
        ];
        line(&workspace.key, &item, named(&workspace.key, cells))
    }

    fn findings(self) -> Vec<Line> {
        let mut all: Vec<_> = self.picture.board.all().collect();
        all.sort_by_cached_key(|(unit, finding)| {
            (finding.rank(), (*unit).clone(), finding.subject.key.clone())
        });
        let print = |(unit, finding): (&Unit, &crate::domain::finding::Finding)| {
            let item = self.items.finding(unit, finding);
            let cells = vec![
                item.severity.clone(),
                item.code.to_owned(),
                item.namespace.clone(),
                format!("{}/{}", item.subject_kind, item.subject),
                item.sentence.clone(),
            ];
            Line {
                of: Some((unit.clone(), finding.code, finding.subject.kind)),
                ..line(&finding.subject.key, &item, cells)
            }
        };
        all.into_iter().map(print).collect()
    }

    fn sets(self) -> Vec<Line> {
        (self.picture.inventory.sets.values())
            .map(|set| {
                let item = items::set(set);
                let cells = vec![
                    format!("{}/{}", set.ready, set.replicas),
                    self.age(set.meta.created),
                    (item.templates.iter())
                        .map(|template| template.name.as_str())
                        .collect::<Vec<_>>()
                        .join(","),
                ];
                line(&set.meta.key, &item, named(&set.meta.key, cells))
            })
            .collect()
    }

    fn pods(self) -> Vec<Line> {
        (self.picture.inventory.pods.values())
            .map(|pod| {
                let (ready, all) = pod.ready_containers();
                let item: PodItem = self.items.pod(pod);
                let usage = item.usage.as_ref();
                let cells = vec![
                    format!("{ready}/{all}"),
                    item.status.clone(),
                    item.restarts.to_string(),
                    usage
                        .and_then(|u| u.cpu_cores)
                        .map_or_else(|| UNKNOWN.to_owned(), |c| format!("{:.0}m", c * 1000.0)),
                    usage
                        .and_then(|u| u.memory_bytes)
                        .map_or_else(|| UNKNOWN.to_owned(), human_bytes),
                    self.age(pod.meta.created),
                    or_none(item.node.as_deref()),
                ];
                line(&pod.meta.key, &item, named(&pod.meta.key, cells))
            })
            .collect()
    }

    fn claims(self) -> Vec<Line> {
        (self.picture.inventory.claims.values())
            .map(|claim| {
                let item: ClaimItem = self.items.claim(claim);
                let cells = vec![
                    item.status.clone(),
                    size(claim.capacity),
                    disk(item.disk.as_ref()),
                    full_in(item.disk.as_ref().and_then(|d| d.full_in_seconds)),
                    self.snapshot_age(item.newest_snapshot),
                    self.age(claim.meta.created),
                    or_none(item.class.as_deref()),
                    if item.used_by.is_empty() {
                        NONE.to_owned()
                    } else {
                        item.used_by.join(",")
                    },
                    or_none(item.volume.as_deref()),
                ];
                line(&claim.meta.key, &item, named(&claim.meta.key, cells))
            })
            .collect()
    }

    fn snapshots(self) -> Vec<Line> {
        (self.picture.inventory.snapshots.values())
            .map(|snapshot| {
                let ready = match (snapshot.ready, &snapshot.error) {
                    (Some(true), _) => "yes".to_owned(),
                    (_, Some((error, _))) => format!("failed: {error}"),
                    (Some(false), None) => "no".to_owned(),
                    (None, None) => UNKNOWN.to_owned(),
                };
                let cells = vec![
                    or_none(snapshot.claim.as_deref()),
                    ready,
                    size(snapshot.size),
                    self.age(snapshot.point_in_time()),
                    or_none(snapshot.content.as_deref()),
                ];
                let item = items::snapshot(snapshot);
                line(&snapshot.meta.key, &item, named(&snapshot.meta.key, cells))
            })
            .collect()
    }

    fn volumes(self) -> Vec<Line> {
        (self.picture.inventory.volumes.values())
            .map(|volume| {
                let item = self.items.volume(volume);
                let cells = vec![
                    item.name.clone(),
                    item.status.clone(),
                    size(volume.capacity),
                    item.reclaim.clone(),
                    or_none(item.claim.as_deref()),
                    self.age(volume.meta.created),
                    or_none(item.handle.as_deref()),
                    if item.attached_to.is_empty() {
                        NONE.to_owned()
                    } else {
                        item.attached_to.join(",")
                    },
                ];
                line(&volume.meta.key, &item, cells)
            })
            .collect()
    }

    /// Oldest first, as they happened.
    fn events(self) -> Vec<Line> {
        let mut all: Vec<_> = self.picture.inventory.events.values().collect();
        all.sort_by_key(|event| std::cmp::Reverse(event.last));
        all.into_iter()
            .map(|event| {
                let item = items::event(event);
                let cells = vec![
                    item.namespace.clone(),
                    self.age(event.last),
                    (if item.warning { "Warning" } else { "Normal" }).to_owned(),
                    item.reason.clone(),
                    item.object.clone(),
                    item.count.to_string(),
                    item.message.replace('\n', " "),
                ];
                line(&event.meta.key, &item, cells)
            })
            .collect()
    }
}
