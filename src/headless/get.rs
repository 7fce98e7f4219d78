//! `wsdash get` and `wsdash check`: one look, or one look after another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kube::Client;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::items::{CheckItem, Items, Known};
use super::picture::{Live, Picture};
use super::print::{self, Id, Line, Table};
use super::{FAILED, UNKNOWN, put, target, warn};
use crate::cli::{Format, Get, Kind, TextFormat};
use crate::cluster::connect::{Connection, Interaction, connect};
use crate::cluster::fault::{Fault, FaultKind};
use crate::cluster::object;
use crate::config::{Config, Loaded};
use crate::domain::finding::Severity;
use crate::domain::key::{Kind as Watched, ObjectKey};

/// Changes that come together are printed together.
const PAUSE: Duration = Duration::from_millis(500);
/// What labels choose is believed this long while nothing appears.
const LABELS_KEPT: Duration = Duration::from_secs(30);

async fn reach(loaded: &Loaded) -> Result<Connection> {
    let connection = connect(&target(&loaded.config), Interaction::Allowed).await?;
    // One question with an answer of its own, so that a wrong token is one sentence and not six.
    connection.probe().await?;
    Ok(connection)
}

pub(super) async fn list(loaded: &Loaded, get: &Get) -> Result<u8> {
    let connection = match reach(loaded).await {
        Ok(connection) => connection,
        Err(error) => {
            warn(&format!("{error:#}"))?;
            return Ok(UNKNOWN);
        }
    };
    let config = Arc::new(loaded.config.clone());
    let chosen = match &get.selector {
        None => None,
        Some(selector) => match Chosen::read(&connection, get.kind, selector).await {
            Ok(chosen) => Some(chosen),
            Err(fault) => {
                warn(&fault.to_string())?;
                // A selector that makes no sense is the user's; the rest could not be read.
                let is_wrong = fault.kind == FaultKind::Invalid;
                return Ok(if is_wrong { FAILED } else { UNKNOWN });
            }
        },
    };
    if get.watch {
        return follow(&connection, &config, get, chosen).await;
    }
    let picture = Picture::take(&connection, &config).await;
    let table = select(&picture, get, chosen.as_ref())?;
    let text = match get.format {
        Format::Table => table.text(!get.no_headers, false),
        Format::Wide => table.text(!get.no_headers, true),
        Format::Csv => table.csv(!get.no_headers),
        Format::Name => table.names(),
        Format::Json => serde_json::to_string_pretty(&print::document(&picture, get.kind, &table))?,
        Format::Yaml => serde_saphyr::to_string(&print::document(&picture, get.kind, &table))?,
    };
    if !text.is_empty() {
        put(text.trim_end())?;
    }
    tell_gaps(&picture, get)?;
    let is_missing = tell_missing(&picture, get, &table)?;
    Ok(if !print::is_complete(&picture, get.kind, get.format) {
        UNKNOWN
    } else if is_missing {
        FAILED
    } else {
        0
    })
}

/// What could not be read, on standard error.
fn tell_gaps(picture: &Picture, get: &Get) -> Result<()> {
    for (kind, why) in picture.gaps() {
        warn(&format!("{}: {why}", kind.short()))?;
    }
    if let Some(why) = picture.metrics_gap()
        && (print::shows_figures(get.kind) || get.kind == Kind::Pods)
    {
        warn(&format!("figures: {why}"))?;
    }
    Ok(())
}

/// Names that were asked for and are not there; whether there are any.
fn tell_missing(picture: &Picture, get: &Get, table: &Table) -> Result<bool> {
    let freshness = picture.inventory.freshness();
    let is_known = print::needed(get.kind)
        .iter()
        .all(|k| freshness.is_live(*k));
    let (kind, place) = (get.kind, &picture.place);
    let mut any = false;
    for name in get.names.iter().filter(|n| !table.has(n)) {
        any = true;
        warn(&if is_known {
            format!("no {kind} named {name} in {place}")
        } else {
            format!("whether there are {kind} named {name} in {place} is not known")
        })?;
    }
    Ok(any)
}

fn select(picture: &Picture, get: &Get, chosen: Option<&Chosen>) -> Result<Table> {
    let mut table = print::table(picture, get.kind, &get.names);
    if let Some(chosen) = chosen {
        table.rows.retain(|row| chosen.has(picture, get.kind, row));
    }
    if let Some(column) = &get.sort {
        table.sort(column)?;
    }
    Ok(table)
}

/// Objects that carry the labels asked for. The server chooses: rows keep no labels.
struct Chosen {
    pods: HashSet<ObjectKey>,
    claims: HashSet<ObjectKey>,
    own: HashSet<ObjectKey>,
}

impl Chosen {
    async fn read(connection: &Connection, kind: Kind, selector: &str) -> Result<Self, Fault> {
        let namespace = connection.namespace.namespace();
        let client: &Client = &connection.client;
        let names = async |kind: Watched| object::names(client, kind, namespace, selector).await;
        let own = match kind {
            Kind::Workspaces | Kind::Findings => None,
            Kind::Sets => Some(Watched::Set),
            Kind::Pods => Some(Watched::Pod),
            Kind::Claims => Some(Watched::Claim),
            Kind::Snapshots => Some(Watched::Snapshot),
            Kind::Volumes => Some(Watched::Volume),
            Kind::Events => Some(Watched::Event),
        };
        Ok(match own {
            Some(kind) => Self {
                pods: HashSet::new(),
                claims: HashSet::new(),
                own: names(kind).await?,
            },
            None => Self {
                pods: names(Watched::Pod).await?,
                claims: names(Watched::Claim).await?,
                own: HashSet::new(),
            },
        })
    }

    fn has(&self, picture: &Picture, kind: Kind, row: &Line) -> bool {
        let any = |key: &ObjectKey| self.pods.contains(key) || self.claims.contains(key);
        match kind {
            Kind::Workspaces => {
                let workspace = picture.inventory.workspace(&row.key);
                any(&row.key)
                    || workspace.is_some_and(|w| {
                        let mut claims = w.claims.iter();
                        claims.any(|s| any(&crate::domain::inventory::beside(&row.key, &s.claim)))
                    })
            }
            Kind::Findings => any(&row.key),
            _ => self.own.contains(&row.key),
        }
    }
}

/// What the labels choose, asked again when rows appear that were not there, and now and then:
/// labels may change while everything else stays.
struct Selection {
    chosen: Chosen,
    seen: HashSet<Id>,
    at: Option<Instant>,
}

impl Selection {
    fn new(chosen: Chosen) -> Self {
        Self {
            chosen,
            seen: HashSet::new(),
            at: None,
        }
    }

    async fn renew(&mut self, connection: &Connection, picture: &Picture, get: &Get) -> Result<()> {
        let Some(selector) = &get.selector else {
            return Ok(());
        };
        let rows = print::table(picture, get.kind, &get.names).rows;
        let now: HashSet<Id> = rows.iter().map(Line::id).collect();
        let is_old = self.at.is_none_or(|at| at.elapsed() >= LABELS_KEPT);
        if now.is_subset(&self.seen) && !is_old {
            return Ok(());
        }
        self.at = Some(Instant::now());
        match Chosen::read(connection, get.kind, selector).await {
            Ok(chosen) => {
                self.chosen = chosen;
                self.seen = now;
                Ok(())
            }
            // What was chosen before is still the best that is known.
            Err(fault) => warn(&format!("labels are as of before: {fault}")),
        }
    }
}

/// Goes on printing what changes, until the reader goes away or somebody interrupts.
async fn follow(
    connection: &Connection,
    config: &Arc<Config>,
    get: &Get,
    chosen: Option<Chosen>,
) -> Result<u8> {
    let mut live = Live::start(connection, config);
    let mut selection = chosen.map(Selection::new);
    let mut known: HashMap<Id, Line> = HashMap::new();
    let mut told: Option<(BTreeMap<String, Known>, Known)> = None;
    let mut printer = Printer::new(get);
    let mut interrupts = crate::terminal::signals()?;
    loop {
        tokio::select! {
            () = live.changed(PAUSE) => {}
            signal = interrupts.next() => {
                if let Some(code) = signal.exit_code() {
                    return Ok(code);
                }
                continue;
            }
        }
        let picture = live.picture();
        let freshness = (Items(picture).freshness(), Items(picture).metrics());
        if told.as_ref() != Some(&freshness) {
            printer.freshness(&freshness)?;
            told = Some(freshness);
        }
        // Until the lists are there, "gone" means nothing.
        let state = picture.inventory.freshness();
        if !print::needed(get.kind)
            .iter()
            .all(|k| state.get(*k).was_complete())
        {
            continue;
        }
        if let Some(selection) = &mut selection {
            selection.renew(connection, picture, get).await?;
        }
        let table = select(picture, get, selection.as_ref().map(|s| &s.chosen))?;
        printer.begin(&table)?;
        let mut gone: HashMap<Id, Line> = std::mem::take(&mut known);
        for row in &table.rows {
            let id = row.id();
            match gone.remove(&id) {
                None => printer.row("ADDED", row)?,
                Some(old) if printer.tells(&table, &old, row) => printer.row("MODIFIED", row)?,
                Some(_) => {}
            }
            known.insert(id, row.clone());
        }
        for row in gone.values() {
            printer.row("DELETED", row)?;
        }
    }
}

/// Prints rows as they change.
struct Printer<'a> {
    get: &'a Get,
    /// Of the first table; none before it.
    widths: Option<Vec<usize>>,
}

/// As wide as the longest word of the column.
const EVENT: usize = "MODIFIED".len();

impl<'a> Printer<'a> {
    const fn new(get: &'a Get) -> Self {
        Self { get, widths: None }
    }

    fn is_wide(&self) -> bool {
        self.get.format != Format::Table
    }

    /// Whether the change from `old` is one that its reader sees.
    fn tells(&self, table: &Table, old: &Line, row: &Line) -> bool {
        row.differs(old)
            && match self.get.format {
                Format::Json | Format::Yaml => true,
                Format::Name => false,
                Format::Table | Format::Wide | Format::Csv => {
                    !table.looks_alike(old, row, self.is_wide())
                }
            }
    }

    /// The line with the columns, ahead of the first row.
    fn begin(&mut self, table: &Table) -> Result<()> {
        if self.widths.is_some() || table.rows.is_empty() {
            return Ok(());
        }
        let widths = table.widths(self.is_wide());
        if !self.get.no_headers {
            match self.get.format {
                Format::Table | Format::Wide => {
                    let header = print::padded(&table.header(self.is_wide()), &widths);
                    put(&format!("{:EVENT$}  {header}", "EVENT"))?;
                }
                Format::Csv => put(&format!("event,{}", table.csv_header()))?,
                Format::Json | Format::Yaml | Format::Name => {}
            }
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn freshness(&self, (freshness, metrics): &(BTreeMap<String, Known>, Known)) -> Result<()> {
        if matches!(self.get.format, Format::Json | Format::Yaml) {
            return self.document(
                &json!({"type": "FRESHNESS", "freshness": freshness, "metrics": metrics}),
            );
        }
        let figures = print::shows_figures(self.get.kind).then_some(("figures", metrics));
        let kinds = freshness.iter().map(|(kind, known)| (kind.as_str(), known));
        for (what, known) in kinds.chain(figures) {
            let is_awaited = matches!(known.state.as_str(), "absent" | "syncing" | "never");
            if !is_awaited && (known.state != "live" || known.why.is_some()) {
                let why = known.why.as_deref().unwrap_or_default();
                warn(&format!("{what}: {} {why}", known.state))?;
            }
        }
        Ok(())
    }

    fn row(&self, event: &str, row: &Line) -> Result<()> {
        match self.get.format {
            Format::Json | Format::Yaml => {
                let kind = self.get.kind.to_string();
                self.document(&json!({"type": event, "kind": kind, "item": row.item}))
            }
            Format::Name => put(&row.key.name),
            Format::Csv => put(&format!("{event},{}", row.csv())),
            Format::Table | Format::Wide => {
                let widths = self.widths.as_deref().unwrap_or_default();
                put(&format!("{event:EVENT$}  {}", row.text(widths)))
            }
        }
    }

    /// One line of JSON, or one document of YAML.
    fn document(&self, value: &Value) -> Result<()> {
        if self.get.format == Format::Yaml {
            put("---")?;
            return put(serde_saphyr::to_string(value)?.trim_end());
        }
        put(&value.to_string())
    }
}

pub(super) async fn check(loaded: &Loaded, format: TextFormat) -> Result<u8> {
    let connection = match reach(loaded).await {
        Ok(connection) => connection,
        Err(error) => {
            put(&format!("UNKNOWN - {error:#}"))?;
            return Ok(UNKNOWN);
        }
    };
    let picture = Picture::take(&connection, &Arc::new(loaded.config.clone())).await;
    let worst = picture
        .board
        .all()
        .map(|(_, f)| f.severity.check_code())
        .max()
        .unwrap_or(0);
    // What is not known proves nothing; what is known to be critical is so whatever else is.
    let incomplete = picture.metrics_gap().is_some() || picture.is_incomplete();
    let code = match worst {
        2 => 2,
        _ if incomplete => UNKNOWN,
        worst => worst,
    };
    let word = ["OK", "WARNING", "CRITICAL", "UNKNOWN"][usize::from(code.min(UNKNOWN))];
    let tally = picture.board.tally();
    if format == TextFormat::Json {
        let items = Items(&picture);
        put(&serde_json::to_string_pretty(&CheckItem {
            status: word,
            code,
            workspaces: picture.inventory.workspaces().len(),
            findings: tally.iter().map(|(s, n)| (s.to_string(), *n)).collect(),
            freshness: items.freshness(),
            metrics: items.metrics(),
        })?)?;
        return Ok(code);
    }
    let count = |severity: Severity| tally.get(&severity).copied().unwrap_or(0);
    let mut line = format!(
        "{word} - {} workspaces in {}: {} data at risk, {} blocked, {} soon",
        picture.inventory.workspaces().len(),
        picture.place,
        count(Severity::DataAtRisk),
        count(Severity::Blocked),
        count(Severity::Soon),
    );
    for (kind, why) in picture.gaps() {
        line = format!("{line}; {} not known ({why})", kind.short());
    }
    if let Some(why) = picture.metrics_gap() {
        line = format!("{line}; figures not known ({why})");
    }
    put(&line)?;
    Ok(code)
}
