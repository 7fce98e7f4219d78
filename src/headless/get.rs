//! `wsdash get` and `wsdash check`: one look, or one look after another.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use kube::Client;
use serde_json::json;

use super::items::{CheckItem, Items, Known};
use super::picture::{Live, Picture};
use super::print::{self, Line, Table};
use super::{UNKNOWN, say, target, warn};
use crate::cli::{Format, Get, Kind, TextFormat};
use crate::cluster::connect::{Connection, Interaction, connect};
use crate::cluster::object;
use crate::config::{Config, Loaded};
use crate::domain::finding::Severity;
use crate::domain::key::{Kind as Watched, ObjectKey};

/// Changes that come together are printed together.
const PAUSE: Duration = Duration::from_millis(500);

async fn reach(loaded: &Loaded) -> Result<Connection> {
    let connection = connect(&target(&loaded.config), Interaction::Allowed).await?;
    // One question with an answer of its own, so that a wrong token is one sentence and not six.
    connection.probe().await?;
    Ok(connection)
}

pub(super) async fn list(loaded: &Loaded, get: &Get) -> Result<u8> {
    let connection = reach(loaded).await?;
    let config = Arc::new(loaded.config.clone());
    let chosen = match &get.selector {
        Some(selector) => Some(Chosen::read(&connection, get.kind, selector).await?),
        None => None,
    };
    if get.watch {
        return follow(&connection, &config, get, chosen.as_ref()).await;
    }
    let picture = Picture::take(&connection, &config).await;
    let table = select(&picture, get, chosen.as_ref())?;
    if let Some(missing) = get.names.iter().find(|n| !table.has(n)) {
        bail!("no {} named {missing} in {}", get.kind, picture.place);
    }
    let text = match get.format {
        Format::Table => table.text(!get.no_headers, false),
        Format::Wide => table.text(!get.no_headers, true),
        Format::Csv => table.csv(!get.no_headers),
        Format::Name => table.names(),
        Format::Json => serde_json::to_string_pretty(&print::document(&picture, get.kind, &table))?,
        Format::Yaml => serde_saphyr::to_string(&print::document(&picture, get.kind, &table))?,
    };
    say(text.trim_end())?;
    for (kind, why) in picture.gaps() {
        warn(&format!("{}: {why}", kind.short()))?;
    }
    if let Some(why) = picture.metrics_gap()
        && needs_figures(get.kind)
    {
        warn(&format!("figures: {why}"))?;
    }
    let freshness = picture.inventory.freshness();
    let complete = print::needed(get.kind)
        .iter()
        .all(|k| freshness.is_live(*k));
    Ok(if complete { 0 } else { UNKNOWN })
}

const fn needs_figures(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Workspaces | Kind::Claims | Kind::Findings | Kind::Pods
    )
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
    async fn read(connection: &Connection, kind: Kind, selector: &str) -> Result<Self> {
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

/// Goes on printing what changes, until the reader goes away or somebody interrupts.
async fn follow(
    connection: &Connection,
    config: &Arc<Config>,
    get: &Get,
    chosen: Option<&Chosen>,
) -> Result<u8> {
    let mut live = Live::start(connection, config);
    let mut known: HashMap<ObjectKey, Line> = HashMap::new();
    let mut told: Option<(std::collections::BTreeMap<String, Known>, Known)> = None;
    let mut printer = Printer { get, first: true };
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
        let table = select(picture, get, chosen)?;
        let mut gone: HashMap<ObjectKey, Line> = std::mem::take(&mut known);
        for row in &table.rows {
            match gone.remove(&row.key) {
                None => printer.row("ADDED", &table, row)?,
                Some(old) if old.item != row.item => printer.row("MODIFIED", &table, row)?,
                Some(_) => {}
            }
            known.insert(row.key.clone(), row.clone());
        }
        for row in gone.values() {
            printer.row("DELETED", &table, row)?;
        }
        printer.first = false;
    }
}

struct Printer<'a> {
    get: &'a Get,
    first: bool,
}

impl Printer<'_> {
    fn is_json(&self) -> bool {
        matches!(self.get.format, Format::Json | Format::Yaml)
    }

    fn freshness(
        &self,
        (freshness, metrics): &(std::collections::BTreeMap<String, Known>, Known),
    ) -> Result<()> {
        if self.is_json() {
            let line = json!({"type": "FRESHNESS", "freshness": freshness, "metrics": metrics});
            return say(&line.to_string());
        }
        for (resource, known) in freshness {
            if !matches!(
                known.state.as_str(),
                "live" | "absent" | "syncing" | "never"
            ) {
                let why = known.why.as_deref().unwrap_or_default();
                warn(&format!("{resource}: {} {why}", known.state))?;
            }
        }
        Ok(())
    }

    fn row(&self, change: &str, table: &Table, row: &Line) -> Result<()> {
        match self.get.format {
            Format::Json | Format::Yaml => {
                let kind = self.get.kind.to_string();
                say(&json!({"type": change, "kind": kind, "item": row.item}).to_string())
            }
            Format::Name => say(&row.key.name),
            format => {
                let text = table.row_text(row, format == Format::Wide);
                say(&if self.first {
                    text
                } else {
                    format!("{change}  {text}")
                })
            }
        }
    }
}

pub(super) async fn check(loaded: &Loaded, format: TextFormat) -> Result<u8> {
    let connection = match reach(loaded).await {
        Ok(connection) => connection,
        Err(error) => {
            say(&format!("UNKNOWN - {error:#}"))?;
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
        say(&serde_json::to_string_pretty(&CheckItem {
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
    say(&line)?;
    Ok(code)
}
