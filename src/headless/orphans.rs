//! `wsdash orphans`: every claim with its class and the proof, the volumes that are kept, and,
//! with `--delete`, the deletion of those that nothing needs. Every look is written down: a claim
//! must be seen as an orphan more than once.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::act::Session;
use super::picture::{self, Picture};
use super::{UNKNOWN, say, target, warn};
use crate::action::request::{ActionName, Request};
use crate::cli::{OrphansArgs, TextFormat};
use crate::cluster::connect::{Interaction, connect};
use crate::cluster::perform::Folder;
use crate::cluster::sightings;
use crate::config::Loaded;
use crate::domain::findings::human_duration;
use crate::domain::inventory::Inventory;
use crate::domain::key::ObjectKey;
use crate::domain::metric::{Metrics, MetricsChange};
use crate::domain::ownership::{self, Class, Hints, Released, Sightings, Verdict};
use crate::domain::quantity::human_bytes;
use crate::metrics;

pub(super) async fn run(loaded: &Loaded, args: &OrphansArgs) -> Result<u8> {
    if args.delete && !args.names.is_empty() {
        let session = Session::open(loaded, ActionName::Orphans).await?;
        let claims = session.keys(&args.names)?;
        let request = Request::Orphans { claims };
        return Box::pin(session.perform(&request, &args.action)).await;
    }
    let list = List::take(loaded).await?;
    if args.delete {
        return delete(loaded, args, &list).await;
    }
    let chosen: Vec<&Line> = list
        .lines
        .iter()
        .filter(|line| {
            let named = args.names.iter().any(|name| line.is_called(name));
            named || (args.names.is_empty() && (args.all || line.verdict.class.is_candidate()))
        })
        .collect();
    if let Some(name) = args
        .names
        .iter()
        .find(|name| !chosen.iter().any(|line| line.is_called(name)))
    {
        anyhow::bail!("there is no claim {name}; `wsdash orphans --all` lists them");
    }
    match args.action.text.format {
        TextFormat::Json => say(&serde_json::to_string_pretty(&list.document(&chosen))?)?,
        TextFormat::Text => say(list.text(&chosen).trim_end())?,
    }
    for (kind, why) in &list.gaps {
        warn(&format!("{kind}: {why}"))?;
    }
    let is_unknown = |line: &&Line| line.verdict.class == Class::Unknown;
    Ok(if list.lines.iter().any(|line| is_unknown(&line)) {
        UNKNOWN
    } else {
        0
    })
}

/// Deletes what can be deleted, those that lie longest first.
async fn delete(loaded: &Loaded, args: &OrphansArgs, list: &List) -> Result<u8> {
    let mut free: Vec<&Line> = list
        .lines
        .iter()
        .filter(|line| line.verdict.is_deletable())
        .collect();
    free.sort_by_key(|line| (line.verdict.inactive.since, &line.key));
    let Some(first) = free.first() else {
        say("no claim can be deleted; `wsdash orphans` says why")?;
        return Ok(0);
    };
    // rights and leases are of one namespace
    let namespace = &first.key.namespace;
    let claims: Vec<ObjectKey> = free
        .iter()
        .filter(|line| line.key.namespace == *namespace)
        .take(loaded.config.orphans.cap as usize)
        .map(|line| line.key.clone())
        .collect();
    let left = free.len() - claims.len();
    if left > 0 {
        warn(&format!(
            "{left} more can be deleted in a later run: one run takes {} of one namespace",
            loaded.config.orphans.cap
        ))?;
    }
    let session = Session::open(loaded, ActionName::Orphans).await?;
    let request = Request::Orphans { claims };
    Box::pin(session.perform(&request, &args.action)).await
}

struct Line {
    key: ObjectKey,
    verdict: Verdict,
    seen: Option<ownership::Sighting>,
    bytes: Option<u64>,
}

impl Line {
    fn is_called(&self, name: &str) -> bool {
        *self.key.name == *name || self.key.to_string() == name
    }
}

struct List {
    at: Timestamp,
    place: String,
    lines: Vec<Line>,
    released: Vec<Released>,
    gaps: Vec<(&'static str, String)>,
}

impl List {
    async fn take(loaded: &Loaded) -> Result<Self> {
        let connection = connect(&target(&loaded.config), Interaction::Allowed).await?;
        connection.probe().await?;
        let config = Arc::new(loaded.config.clone());
        let settings = picture::settings(&connection, &config);
        let (mut picture, past) = tokio::join!(
            Picture::take(&connection, &config),
            metrics::look_back(&settings, None)
        );
        picture.metrics.apply(MetricsChange::Past(past));
        let path = Folder::of_user()?.sightings();
        let seen = sightings::record(&path, &picture.inventory, picture.at)?;
        let settings = loaded.config.settings().orphans;
        let lines = lines(
            &picture.inventory,
            &picture.metrics,
            &seen,
            &settings,
            picture.at,
        );
        let namespace = picture.namespace.as_deref();
        Ok(Self {
            at: picture.at,
            place: picture.place.clone(),
            lines,
            released: ownership::released(&picture.inventory, namespace),
            gaps: picture
                .gaps()
                .into_iter()
                .filter(|(kind, _)| ownership::NEEDED.contains(kind))
                .map(|(kind, why)| (kind.short(), why))
                .collect(),
        })
    }

    fn document(&self, chosen: &[&Line]) -> Value {
        let claims: Vec<Value> = chosen
            .iter()
            .map(|line| {
                let verdict = &line.verdict;
                let evidence: Vec<Value> = verdict
                    .evidence
                    .iter()
                    .map(|e| match &e.object {
                        Some((kind, key)) => json!({"says": e.says, "kind": kind.object(),
                            "namespace": &*key.namespace, "name": &*key.name}),
                        None => json!({"says": e.says}),
                    })
                    .collect();
                json!({
                    "namespace": &*line.key.namespace, "name": &*line.key.name,
                    "class": verdict.class, "evidence": evidence,
                    "deletable": verdict.is_deletable(), "blockers": verdict.blockers,
                    "inactiveSince": verdict.inactive.since, "signs": verdict.inactive.signs,
                    "history": verdict.inactive.history,
                    "seen": line.seen, "bytes": line.bytes,
                })
            })
            .collect();
        let gaps: Vec<Value> = self
            .gaps
            .iter()
            .map(|(kind, why)| json!({"kind": kind, "why": why}))
            .collect();
        json!({"at": self.at, "place": self.place, "claims": claims,
            "released": self.released, "gaps": gaps})
    }

    fn text(&self, chosen: &[&Line]) -> String {
        let mut text = String::new();
        for line in chosen {
            let size = line.bytes.map_or_else(|| "?".to_owned(), human);
            let since = line.verdict.inactive.since.map_or_else(
                || "inactive since: not known".to_owned(),
                |since| {
                    let age = human_duration(self.at.duration_since(since));
                    format!("inactive for {age}")
                },
            );
            let _ = writeln!(
                text,
                "{}  {}  {size}  {since}",
                line.key, line.verdict.class
            );
            for evidence in &line.verdict.evidence {
                let _ = writeln!(text, "    {}", evidence.says);
            }
            for sign in &line.verdict.inactive.signs {
                let _ = writeln!(text, "    {}: {}", sign.of, sign.at);
            }
            if line.verdict.class.is_candidate() {
                let _ = writeln!(text, "    {}", line.verdict.inactive.history);
            }
            if line.verdict.is_deletable() {
                let _ = writeln!(text, "    can be deleted");
            }
            for blocker in &line.verdict.blockers {
                let _ = writeln!(text, "    not deleted: {blocker}");
            }
        }
        if chosen.is_empty() {
            let _ = writeln!(text, "no claim is left over in {}", self.place);
        }
        for volume in &self.released {
            let claim = volume.claim.as_ref().map_or_else(
                || "nobody knows whose".to_owned(),
                |claim| format!("of claim {claim}"),
            );
            let size = volume.bytes.map_or_else(|| "?".to_owned(), human);
            let cost = volume.monthly_cost.map_or_else(
                || "cost not known".to_owned(),
                |cost| format!("about {cost:.2} USD a month"),
            );
            let kept = volume
                .kept_by
                .as_ref()
                .map_or_else(String::new, |run| format!(", kept for the undo of {run}"));
            let _ = writeln!(
                text,
                "volume {} is released and kept: {claim}, {size}, {cost}{kept}",
                volume.volume
            );
        }
        text
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are printed")]
fn human(bytes: u64) -> String {
    human_bytes(bytes as f64)
}

fn lines(
    inventory: &Inventory,
    metrics: &Metrics,
    seen: &Sightings,
    settings: &ownership::OrphanSettings,
    now: Timestamp,
) -> Vec<Line> {
    let mut lines: Vec<Line> = inventory
        .claims
        .values()
        .filter_map(|claim| {
            let key = &claim.meta.key;
            let sighting = seen.get(&claim.meta.uid);
            let hints = Hints::of(metrics, inventory, claim);
            let verdict = ownership::judge(inventory, key, settings, &hints, sighting, now)?;
            Some(Line {
                key: key.clone(),
                verdict,
                seen: sighting.copied(),
                bytes: claim.capacity.and_then(|c| u64::try_from(c.value()).ok()),
            })
        })
        .collect();
    lines.sort_by(|a, b| (b.verdict.class, &a.key).cmp(&(a.verdict.class, &b.key)));
    lines
}
