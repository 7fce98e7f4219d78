//! A table of cells, however it is printed: lined up for people, as CSV, name by name, or one row
//! after another as they change. Must not know what the cells mean.

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use crate::app::field::natural;
use crate::domain::finding::Code;
use crate::domain::inventory::Unit;
use crate::domain::key::{Kind, ObjectKey};

/// Columns that change by themselves as time passes.
const AGES: [&str; 2] = ["AGE", "LAST"];

#[derive(Clone)]
pub(in crate::headless) struct Table {
    pub(super) columns: &'static [&'static str],
    /// Columns that only `-o wide` shows stand behind this many.
    pub(super) narrow: usize,
    pub(in crate::headless) rows: Vec<Line>,
}

/// What tells a row from all others of its table: one subject may have several findings.
pub(in crate::headless) type Id = (ObjectKey, Option<(Unit, Code, Kind)>);

/// One row: as cells, and whole.
#[derive(Clone)]
pub(in crate::headless) struct Line {
    pub(in crate::headless) key: ObjectKey,
    /// Of a finding: where it was found, which, and its subject's kind.
    pub(super) of: Option<(Unit, Code, Kind)>,
    pub(super) cells: Vec<String>,
    pub(in crate::headless) item: Value,
}

impl Line {
    pub(in crate::headless) fn id(&self) -> Id {
        (self.key.clone(), self.of.clone())
    }

    /// Whether it says something else than `old`. That a figure was read again and is the same is
    /// no change.
    pub(in crate::headless) fn differs(&self, old: &Self) -> bool {
        !alike(&self.item, &old.item)
    }

    /// As many cells as there are widths.
    pub(in crate::headless) fn text(&self, widths: &[usize]) -> String {
        padded(&self.cells, widths)
    }

    /// RFC 4180: every cell with a comma, quote or line break is quoted.
    pub(in crate::headless) fn csv(&self) -> String {
        let quote = |cell: &String| {
            if cell.contains([',', '"', '\n', '\r']) {
                format!("\"{}\"", cell.replace('"', "\"\""))
            } else {
                cell.clone()
            }
        };
        self.cells.iter().map(quote).collect::<Vec<_>>().join(",")
    }
}

/// Equal but for the times at which facts were looked at.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len()
                && a.iter()
                    .all(|(key, a)| key == "at" || b.get(key).is_some_and(|b| alike(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (a, b) => a == b,
    }
}

impl Table {
    /// By a column; a minus before its name turns the order round.
    pub(in crate::headless) fn sort(&mut self, wanted: &str) -> anyhow::Result<()> {
        let (wanted, descending) = match wanted.strip_prefix('-') {
            Some(rest) => (rest, true),
            None => (wanted, false),
        };
        let at = self
            .columns
            .iter()
            .position(|c| c.eq_ignore_ascii_case(wanted));
        let Some(at) = at else {
            let names = self.columns.join(", ").to_lowercase();
            anyhow::bail!("--sort: there is no column `{wanted}`; there are {names}");
        };
        self.rows.sort_by(|a, b| {
            let order = natural(&a.cells[at], &b.cells[at]);
            if descending { order.reverse() } else { order }
        });
        Ok(())
    }

    pub(in crate::headless) fn has(&self, name: &str) -> bool {
        self.rows.iter().any(|r| *r.key.name == *name)
    }

    /// Columns that are shown.
    fn shown(&self, wide: bool) -> usize {
        if wide {
            self.columns.len()
        } else {
            self.narrow
        }
    }

    /// The cells of a row as a person reads them, ages aside.
    pub(in crate::headless) fn looks_alike(&self, a: &Line, b: &Line, wide: bool) -> bool {
        let columns = self.columns.iter().take(self.shown(wide));
        let mut cells = columns.zip(a.cells.iter().zip(&b.cells));
        cells.all(|(column, (a, b))| AGES.contains(column) || a == b)
    }

    pub(in crate::headless) fn names(&self) -> String {
        let names = self.rows.iter().map(|r| &*r.key.name);
        names.collect::<Vec<_>>().join("\n")
    }

    pub(in crate::headless) fn header(&self, wide: bool) -> Vec<String> {
        let columns = self.columns.iter().take(self.shown(wide));
        columns.map(|c| (*c).to_owned()).collect()
    }

    /// How wide each column must be, its header included.
    pub(in crate::headless) fn widths(&self, wide: bool) -> Vec<usize> {
        let width = |(at, column): (usize, &&str)| {
            let cells = self.rows.iter().filter_map(|r| r.cells.get(at));
            cells
                .map(|cell| safe(cell).width())
                .chain([column.width()])
                .max()
                .unwrap_or(0)
        };
        let columns = self.columns.iter().take(self.shown(wide)).enumerate();
        columns.map(width).collect()
    }

    pub(in crate::headless) fn text(&self, headers: bool, wide: bool) -> String {
        let widths = self.widths(wide);
        let header = headers.then(|| padded(&self.header(wide), &widths));
        let rows = self.rows.iter().map(|row| row.text(&widths));
        header
            .into_iter()
            .chain(rows)
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(in crate::headless) fn csv_header(&self) -> String {
        self.columns.join(",").to_lowercase()
    }

    pub(in crate::headless) fn csv(&self, headers: bool) -> String {
        let header = headers.then(|| self.csv_header());
        let rows = self.rows.iter().map(Line::csv);
        header
            .into_iter()
            .chain(rows)
            .collect::<Vec<_>>()
            .join("\n")
    }
}

pub(in crate::headless) fn padded(cells: &[String], widths: &[usize]) -> String {
    let pad = |(cell, width): (&String, &usize)| {
        let cell = safe(cell);
        let room = width.saturating_sub(cell.width());
        format!("{cell}{}", " ".repeat(room))
    };
    let cells: Vec<String> = cells.iter().zip(widths).map(pad).collect();
    cells.join("  ").trim_end().to_owned()
}

/// Texts of the cluster may hold anything, and a terminal obeys what it is sent.
fn safe(cell: &str) -> String {
    cell.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, what: &str) -> Line {
        Line {
            key: ObjectKey::new("", name),
            of: None,
            cells: vec![name.to_owned(), what.to_owned()],
            item: serde_json::json!({"name": name, "disk": {"at": what, "used": 1}}),
        }
    }

    fn sample() -> Table {
        Table {
            columns: &["NAME", "AGE"],
            narrow: 1,
            rows: vec![row("ide-0", "full, \"97 %\""), row("ide-10", "ok")],
        }
    }

    #[test]
    fn columns_line_up_and_wide_shows_the_rest() {
        assert_eq!(sample().text(true, false), "NAME\nide-0\nide-10");
        assert_eq!(
            sample().text(true, true),
            "NAME    AGE\nide-0   full, \"97 %\"\nide-10  ok"
        );
    }

    #[test]
    fn commas_and_quotes_survive_csv() {
        assert_eq!(
            sample().csv(false),
            "ide-0,\"full, \"\"97 %\"\"\"\nide-10,ok"
        );
    }

    #[test]
    fn a_terminal_is_sent_no_command_of_the_cluster() {
        let mut table = sample();
        table.rows = vec![row("ide-0\u{1b}]0;mine\u{7}", "two\nlines")];
        assert_eq!(table.text(false, true), "ide-0 ]0;mine   two lines");
    }

    #[test]
    fn time_that_passes_is_no_change() {
        let (old, new) = (row("ide-0", "5s"), row("ide-0", "6s"));
        assert!(!new.differs(&old) && sample().looks_alike(&old, &new, true));
        let mut new = new;
        new.item["disk"]["used"] = 2.into();
        assert!(new.differs(&old));
        new.cells[0] = "ide-1".into();
        assert!(!sample().looks_alike(&old, &new, true));
    }
}
