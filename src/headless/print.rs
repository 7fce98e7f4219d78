//! Rows as text: one table for every form of output, so that all of them say the same.

use serde_json::{Value, json};
use strum::IntoEnumIterator as _;
use unicode_width::UnicodeWidthStr as _;

use super::picture::Picture;
use crate::cli::Kind as What;
use crate::domain::board::Verdict;
use crate::domain::findings::{self, Case, human_duration};
use crate::domain::inventory::Unit;
use crate::domain::key::{Kind, ObjectKey};
use crate::domain::quantity::Quantity;
use crate::domain::workspace::Workspace;

/// What does not apply, and what is not known.
const NONE: &str = "-";
const UNKNOWN: &str = "unknown";

pub(super) struct Table {
    columns: &'static [&'static str],
    /// Columns that only `-o wide` shows stand behind this many.
    narrow: usize,
    rows: Vec<Line>,
}

struct Line {
    name: String,
    cells: Vec<String>,
}

/// Kinds without which a list is not complete.
pub(super) const fn needed(what: What) -> &'static [Kind] {
    match what {
        What::Workspaces | What::Findings => &[Kind::Set, Kind::Pod, Kind::Claim],
        What::Sets => &[Kind::Set],
        What::Pods => &[Kind::Pod],
        What::Claims => &[Kind::Claim],
        What::Snapshots => &[Kind::Snapshot],
        What::Volumes => &[Kind::Volume],
        What::Events => &[Kind::Event],
    }
}

const fn columns(what: What) -> (&'static [&'static str], usize) {
    match what {
        What::Workspaces => (
            &[
                "NAMESPACE",
                "WORKSPACE",
                "STATE",
                "SNAPSHOT",
                "POD",
                "AGE",
                "USER",
                "ORIGIN",
                "CLAIMS",
                "NODE",
            ],
            6,
        ),
        What::Sets => (&["NAMESPACE", "SET", "READY", "AGE", "TEMPLATES"], 4),
        What::Pods => (
            &[
                "NAMESPACE",
                "POD",
                "READY",
                "STATUS",
                "RESTARTS",
                "AGE",
                "NODE",
            ],
            6,
        ),
        What::Claims => (
            &[
                "NAMESPACE",
                "CLAIM",
                "STATUS",
                "SIZE",
                "CLASS",
                "AGE",
                "VOLUME",
            ],
            6,
        ),
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
                "VOLUME", "STATUS", "SIZE", "RECLAIM", "CLAIM", "AGE", "HANDLE",
            ],
            6,
        ),
        What::Findings => (&["SEVERITY", "FINDING", "NAMESPACE", "SUBJECT", "WHAT"], 5),
        What::Events => (&[], 0),
    }
}

/// The rows of one kind, sorted: what needs somebody first, then by name.
#[expect(
    clippy::too_many_lines,
    reason = "one arm a kind, each a list of cells"
)]
pub(super) fn table(picture: &Picture, what: What, names: &[String]) -> Table {
    let inventory = &picture.inventory;
    let age = |created: jiff::Timestamp| human_duration(picture.at.duration_since(created));
    let mut rows: Vec<Line> = match what {
        What::Workspaces => workspaces(picture),
        What::Findings => all_findings(picture),
        What::Sets => (inventory.sets.values())
            .map(|s| {
                let templates: Vec<&str> = s.templates.iter().map(|t| &*t.name).collect();
                let ready = format!("{}/{}", s.ready, s.replicas);
                line(
                    &s.meta.key,
                    vec![ready, age(s.meta.created), templates.join(",")],
                )
            })
            .collect(),
        What::Pods => (inventory.pods.values())
            .map(|p| {
                let (ready, all) = p.ready_containers();
                let cells = vec![
                    format!("{ready}/{all}"),
                    p.status().to_owned(),
                    p.restarts.to_string(),
                    age(p.meta.created),
                    or_none(p.node.as_deref()),
                ];
                line(&p.meta.key, cells)
            })
            .collect(),
        What::Claims => (inventory.claims.values())
            .map(|c| {
                let cells = vec![
                    c.status().to_owned(),
                    size(c.capacity),
                    or_none(c.storage_class.as_deref()),
                    age(c.meta.created),
                    or_none(c.volume.as_deref()),
                ];
                line(&c.meta.key, cells)
            })
            .collect(),
        What::Snapshots => (inventory.snapshots.values())
            .map(|s| {
                let ready = match (s.ready, &s.error) {
                    (Some(true), _) => "yes".to_owned(),
                    (_, Some((error, _))) => format!("failed: {error}"),
                    (Some(false), None) => "no".to_owned(),
                    (None, None) => UNKNOWN.to_owned(),
                };
                let cells = vec![
                    or_none(s.claim.as_deref()),
                    ready,
                    size(s.size),
                    age(s.point_in_time()),
                    or_none(s.content.as_deref()),
                ];
                line(&s.meta.key, cells)
            })
            .collect(),
        What::Volumes => (inventory.volumes.values())
            .map(|v| Line {
                name: v.meta.key.name.to_string(),
                cells: vec![
                    v.meta.key.name.to_string(),
                    v.phase.to_string(),
                    size(v.capacity),
                    v.reclaim.to_string(),
                    v.claim
                        .as_ref()
                        .map_or_else(|| NONE.to_owned(), |c| c.key.to_string()),
                    age(v.meta.created),
                    or_none(v.handle.as_deref()),
                ],
            })
            .collect(),
        What::Events => Vec::new(),
    };
    if !matches!(what, What::Workspaces | What::Findings) {
        rows.sort_by(|a, b| a.cells.cmp(&b.cells));
    }
    rows.retain(|r| names.is_empty() || names.contains(&r.name));
    let (columns, narrow) = columns(what);
    Table {
        columns,
        narrow,
        rows,
    }
}

fn line(key: &ObjectKey, cells: Vec<String>) -> Line {
    let mut all = vec![key.namespace.to_string(), key.name.to_string()];
    all.extend(cells);
    Line {
        name: key.name.to_string(),
        cells: all,
    }
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or(NONE).to_owned()
}

fn size(quantity: Option<Quantity>) -> String {
    quantity.map_or_else(|| UNKNOWN.to_owned(), Quantity::canonical)
}

fn workspaces(picture: &Picture) -> Vec<Line> {
    let mut all: Vec<&Workspace> = picture.inventory.workspaces().collect();
    let order = |w: &&Workspace| {
        let rank = picture.board.rank(&w.key);
        (
            rank.is_none(),
            rank,
            w.key.namespace.clone(),
            w.set.clone(),
            w.ordinal,
            w.key.name.clone(),
        )
    };
    all.sort_by_cached_key(order);
    all.into_iter().map(|w| workspace(picture, w)).collect()
}

fn workspace(picture: &Picture, workspace: &Workspace) -> Line {
    let inventory = &picture.inventory;
    let pod = inventory.pods.get(&workspace.key);
    let state = match picture.board.verdict(inventory, workspace) {
        Verdict::Hurt(finding) => finding.code.word().to_owned(),
        Verdict::Unknown { missing, .. } => {
            let kinds: Vec<&str> = missing.iter().map(|k| k.short()).collect();
            format!("unknown ({})", kinds.join(", "))
        }
        Verdict::Parked => "parked".to_owned(),
        Verdict::Fine => "ok".to_owned(),
    };
    let newest = inventory
        .claims_of(workspace)
        .filter_map(|(_, c)| inventory.newest_ready_snapshot(&c.meta.key))
        .map(crate::domain::snapshot::Snapshot::point_in_time)
        .max();
    let snapshot = match newest {
        Some(at) => human_duration(picture.at.duration_since(at)),
        None if inventory.freshness().is_live(Kind::Snapshot) => "none".to_owned(),
        None => UNKNOWN.to_owned(),
    };
    let pods_known = inventory.freshness().is_live(Kind::Pod);
    let created = pod.map(|p| p.meta.created).or_else(|| {
        inventory
            .claims_of(workspace)
            .map(|(_, c)| c.meta.created)
            .min()
    });
    let claims: Vec<&str> = workspace.claims.iter().map(|s| &*s.claim).collect();
    let status = match pod {
        Some(pod) => pod.status().to_owned(),
        None if pods_known => "none".to_owned(),
        None => UNKNOWN.to_owned(),
    };
    let cells = vec![
        state,
        snapshot,
        status,
        created.map_or_else(
            || UNKNOWN.to_owned(),
            |at| human_duration(picture.at.duration_since(at)),
        ),
        or_none(inventory.user_of(workspace).map(|u| &**u)),
        workspace.origin.to_string(),
        claims.join(","),
        or_none(pod.and_then(|p| p.node.as_deref())),
    ];
    line(&workspace.key, cells)
}

fn all_findings(picture: &Picture) -> Vec<Line> {
    let case = Case::new(
        &picture.inventory,
        &picture.metrics,
        &picture.policy,
        picture.at,
    );
    let mut all: Vec<_> = picture.board.all().collect();
    let order = |(unit, finding): &(&Unit, &crate::domain::finding::Finding)| {
        (finding.rank(), (*unit).clone(), finding.subject.key.clone())
    };
    all.sort_by_cached_key(order);
    let print = |(_, finding): (&Unit, &crate::domain::finding::Finding)| Line {
        name: finding.subject.key.name.to_string(),
        cells: vec![
            finding.severity.to_string(),
            finding.code.to_string(),
            finding.subject.key.namespace.to_string(),
            format!(
                "{}/{}",
                finding.subject.kind.object(),
                finding.subject.key.name
            ),
            findings::explain(&case, finding).sentence,
        ],
    };
    all.into_iter().map(print).collect()
}

/// What is known of every kind, as the JSON schema of the output has it.
pub(super) fn freshness(picture: &Picture) -> Value {
    let of = |kind: Kind| {
        let freshness = picture.inventory.freshness().get(kind);
        (
            kind.resource().to_owned(),
            json!({ "state": freshness.word(), "why": freshness.why() }),
        )
    };
    Value::Object(
        Kind::iter()
            .filter(|k| crate::cluster::watch::KINDS.contains(k))
            .map(of)
            .collect(),
    )
}

/// What is known of the figures, as the JSON schema of the output has it.
pub(super) fn metrics(picture: &Picture) -> Value {
    use crate::domain::metric::MetricsState;
    let state = match picture.metrics.state() {
        MetricsState::Never => "never",
        MetricsState::Live { .. } => "live",
        MetricsState::Stale { .. } => "stale",
        MetricsState::Off { .. } => "off",
        MetricsState::Denied { .. } => "denied",
        MetricsState::Choose { .. } => "choose",
    };
    json!({ "state": state, "why": picture.metrics_gap() })
}

/// The document of `-o json` and `-o yaml`.
pub(super) fn document(picture: &Picture, what: What, table: &Table) -> Value {
    let item = |row: &Line| -> Value {
        let cells = table.columns.iter().zip(&row.cells);
        let cell = |(column, cell): (&&str, &String)| {
            let value = match cell.as_str() {
                NONE | UNKNOWN => Value::Null,
                text => Value::String(text.to_owned()),
            };
            (column.to_lowercase(), value)
        };
        Value::Object(cells.map(cell).collect())
    };
    json!({
        "kind": what.to_string(),
        "at": picture.at.to_string(),
        "place": picture.place,
        "freshness": freshness(picture),
        "metrics": metrics(picture),
        "items": table.rows.iter().map(item).collect::<Vec<_>>(),
    })
}

impl Table {
    pub(super) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|r| r.name == name)
    }

    pub(super) fn names(&self) -> String {
        self.rows
            .iter()
            .map(|r| r.name.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(super) fn text(&self, headers: bool, wide: bool) -> String {
        let shown = if wide {
            self.columns.len()
        } else {
            self.narrow
        };
        let header: Vec<String> = self
            .columns
            .iter()
            .take(shown)
            .map(|c| (*c).to_owned())
            .collect();
        let rows = headers
            .then_some(&header)
            .into_iter()
            .chain(self.rows.iter().map(|r| &r.cells));
        let width = |at: usize| {
            rows.clone()
                .filter_map(|r| r.get(at))
                .map(|c| c.width())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..shown).map(width).collect();
        let print = |row: &Vec<String>| {
            let cells = row.iter().take(shown).zip(&widths);
            let padded =
                cells.map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.width())));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        rows.clone().map(print).collect::<Vec<_>>().join("\n")
    }

    /// RFC 4180: every cell with a comma, quote or line break is quoted.
    pub(super) fn csv(&self, headers: bool) -> String {
        let quote = |cell: &str| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.to_owned()
            }
        };
        let header = headers.then(|| self.columns.join(",").to_lowercase());
        let row = |r: &Line| {
            r.cells
                .iter()
                .map(|c| quote(c))
                .collect::<Vec<_>>()
                .join(",")
        };
        header
            .into_iter()
            .chain(self.rows.iter().map(row))
            .collect::<Vec<_>>()
            .join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Table {
        let row = |name: &str, what: &str| Line {
            name: name.to_owned(),
            cells: vec![name.to_owned(), what.to_owned()],
        };
        Table {
            columns: &["NAME", "WHAT"],
            narrow: 1,
            rows: vec![row("ide-0", "full, \"97 %\""), row("ide-10", "ok")],
        }
    }

    #[test]
    fn columns_line_up_and_wide_shows_the_rest() {
        assert_eq!(sample().text(true, false), "NAME\nide-0\nide-10");
        assert_eq!(
            sample().text(true, true),
            "NAME    WHAT\nide-0   full, \"97 %\"\nide-10  ok"
        );
    }

    #[test]
    fn commas_and_quotes_survive_csv() {
        assert_eq!(
            sample().csv(false),
            "ide-0,\"full, \"\"97 %\"\"\"\nide-10,ok"
        );
    }
}
