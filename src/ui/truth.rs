//! The truth line: what of the screen is true, and as of when. What is not as it should be keeps
//! its room longest; what is well gives way first.

use ratatui::text::{Line, Span};
use strum::IntoEnumIterator as _;

use super::header::thousands;
use super::look::{Look, Role};
use super::text;
use crate::app::model::{Link, Model};
use crate::domain::board::NEEDED;
use crate::domain::findings::ago;
use crate::domain::freshness::Freshness;
use crate::domain::key::Kind;
use crate::domain::metric::{MetricsState, Source};

/// Kinds whose freshness is always told; of others only what is wrong.
const ALWAYS: [Kind; 3] = [Kind::Pod, Kind::Claim, Kind::Snapshot];

/// One thing that the line says: at length, and in short.
struct Piece {
    long: String,
    short: String,
    role: Role,
    weight: Weight,
}

/// What goes first when there is no room comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    Always,
    Well,
    Other,
    Remark,
}

/// At most `room` wide.
pub(super) fn line(model: &Model, look: &Look, room: u16) -> Line<'static> {
    let line = match &model.link {
        Link::Connecting { since } => {
            let text = format!("connecting, {} …", ago(model.now, *since));
            Line::styled(text, look.style(Role::Unknown))
        }
        Link::Failed { why, retry_at, .. } => {
            let again = retry(model, *retry_at, ", retrying in ");
            let why = text::clean(why);
            let text = first_that_fits(
                [format!("{why}{again}"), format!("not connected{again}")],
                room,
            );
            Line::styled(text, look.style(Role::Bad))
        }
        Link::Lost {
            since,
            why,
            retry_at,
            ..
        } => Line::styled(
            lost(model, (*since, why, *retry_at), room),
            look.style(Role::Bad),
        ),
        Link::Up => join(look, pieces(model), room),
    };
    text::fit_line(line, room)
}

fn first_that_fits<const N: usize>(texts: [String; N], room: u16) -> String {
    let fits = |text: &String| text::width(text) <= usize::from(room);
    let mut texts = texts.into_iter();
    let mut text = texts.next().unwrap_or_default();
    for shorter in texts {
        if fits(&text) {
            break;
        }
        text = shorter;
    }
    text
}

/// Since when, why, when again, and as of when the screen is.
fn lost(
    model: &Model,
    (since, why, retry_at): (jiff::Timestamp, &str, Option<jiff::Timestamp>),
    room: u16,
) -> String {
    let age = ago(model.now, since);
    let as_of = clock(since);
    let again = retry(model, retry_at, ", retrying in ");
    let soon = retry(model, retry_at, ", retry ");
    let tail = format!("{again} · screen as of {as_of}");
    // The reason takes what is left, if that is enough to be read.
    let used = text::width(&format!("API lost {age} ago (){tail}"));
    let left = room.saturating_sub(u16::try_from(used).unwrap_or(room));
    let why = if left >= 12 {
        format!(" ({})", text::fit(why, left))
    } else {
        String::new()
    };
    first_that_fits(
        [
            format!("API lost {age} ago{why}{tail}"),
            format!("API lost {age}{soon} · as of {as_of}"),
            format!("API lost {age} · as of {as_of}"),
            format!("API lost {age}"),
        ],
        room,
    )
}

fn is_needed(kind: Kind) -> bool {
    ALWAYS.contains(&kind) || NEEDED.contains(&kind)
}

/// What is to be said of one kind; nothing of one that is well, or not missed.
fn piece(model: &Model, kind: Kind, freshness: &Freshness) -> Option<Piece> {
    let needed = is_needed(kind);
    let (long, short) = (kind.short(), brief(kind));
    let two = |text: &dyn Fn(&str) -> String| (text(long), text(short));
    let ((long, short), role) = match freshness {
        Freshness::Never if needed => (two(&|name| format!("{name} …")), Role::Unknown),
        Freshness::Syncing { seen, .. } => {
            let seen = thousands(*seen);
            (two(&|name| format!("{name} {seen}…")), Role::Unknown)
        }
        Freshness::Stale { since, .. } => {
            let age = ago(model.now, *since);
            (two(&|name| format!("{name} stale {age}")), Role::Bad)
        }
        Freshness::Absent { .. } if needed => {
            (two(&|name| format!("no {name} API")), Role::Unknown)
        }
        Freshness::Denied { rule } if needed => {
            let long = format!("{long} denied ({})", short_rule(rule));
            ((long, format!("{short} denied")), Role::Warn)
        }
        Freshness::Denied { .. } => (two(&|name| format!("{name} denied")), Role::Warn),
        Freshness::Live | Freshness::Off { .. } | Freshness::Never | Freshness::Absent { .. } => {
            return None;
        }
    };
    let weight = if needed {
        Weight::Always
    } else {
        Weight::Other
    };
    Some(Piece {
        long,
        short,
        role,
        weight,
    })
}

fn pieces(model: &Model) -> Vec<Piece> {
    let freshness = model.inventory.freshness();
    let is_well = |kind: &Kind| freshness.is_live(*kind) && ALWAYS.contains(kind);
    let live: Vec<Kind> = Kind::iter().filter(is_well).collect();
    let is_loading = |kind| matches!(freshness.get(kind), Freshness::Syncing { .. });
    let loading = Kind::iter().any(|kind| is_needed(kind) && is_loading(kind));
    let mut rest: Vec<Piece> = Kind::iter()
        .filter_map(|kind| piece(model, kind, freshness.get(kind)))
        .collect();
    let mut pieces = Vec::new();
    if !live.is_empty() {
        let names = |name: fn(Kind) -> &'static str| {
            let names: Vec<&str> = live.iter().map(|kind| name(*kind)).collect();
            format!("{} live", names.join(" "))
        };
        pieces.push(Piece {
            long: names(Kind::short),
            short: names(brief),
            role: Role::Ok,
            weight: Weight::Well,
        });
    }
    rest.sort_by_key(|piece| piece.weight);
    pieces.extend(rest);
    let (text, role) = metrics(model);
    // Before the kinds that the screen can do without.
    let at = pieces.iter().position(|p| p.weight == Weight::Other);
    let metrics = Piece {
        long: text.clone(),
        short: text,
        role,
        weight: Weight::Always,
    };
    pieces.insert(at.unwrap_or(pieces.len()), metrics);
    if loading {
        let text = "loading, rows are not all there yet".to_owned();
        pieces.push(Piece {
            long: text.clone(),
            short: text,
            role: Role::Unknown,
            weight: Weight::Remark,
        });
    }
    pieces
}

/// The words that fit, the heaviest last to go; how many things are not said is.
fn join(look: &Look, mut pieces: Vec<Piece>, room: u16) -> Line<'static> {
    let joint = look.glyph(" · ", " | ");
    let wide = |pieces: &[Piece], hidden: usize| -> usize {
        let texts = pieces.iter().map(|p| text::width(&p.long) + 3);
        texts.sum::<usize>() + if hidden > 0 { 4 } else { 0 }
    };
    let room = usize::from(room) + 3;
    if wide(&pieces, 0) > room {
        pieces.retain(|p| p.weight != Weight::Remark);
    }
    if wide(&pieces, 0) > room {
        for piece in &mut pieces {
            piece.long = std::mem::take(&mut piece.short);
        }
    }
    let mut hidden = 0;
    for weight in [Weight::Other, Weight::Well] {
        while wide(&pieces, hidden) > room {
            let Some(at) = pieces.iter().rposition(|p| p.weight == weight) else {
                break;
            };
            pieces.remove(at);
            hidden += usize::from(weight == Weight::Other);
        }
    }
    let mut spans = Vec::new();
    for piece in pieces {
        if !spans.is_empty() {
            spans.push(Span::styled(joint, look.style(Role::Dim)));
        }
        spans.push(Span::styled(piece.long, look.style(piece.role)));
    }
    if hidden > 0 {
        spans.push(Span::styled(
            format!(" +{hidden}"),
            look.style(Role::Unknown),
        ));
    }
    Line::from(spans)
}

const fn brief(kind: Kind) -> &'static str {
    match kind {
        Kind::Snapshot => "snaps",
        kind => kind.short(),
    }
}

fn metrics(model: &Model) -> (String, Role) {
    match model.metrics.state() {
        MetricsState::Never => ("metrics …".to_owned(), Role::Unknown),
        MetricsState::Live {
            at,
            source,
            partial,
        } => {
            let name = match source {
                Source::Prometheus => "prom",
                Source::MetricsServer => "metrics-server",
                Source::Df => "df",
            };
            let role = if partial.is_some() {
                Role::Warn
            } else {
                Role::Ok
            };
            let part = if partial.is_some() { " partial" } else { "" };
            (format!("{name}{part} {}", ago(model.now, *at)), role)
        }
        MetricsState::Stale { since, .. } => {
            (format!("prom lost {}", ago(model.now, *since)), Role::Bad)
        }
        MetricsState::Off { .. } => ("no metrics".to_owned(), Role::Dim),
        MetricsState::Denied { .. } => ("metrics denied".to_owned(), Role::Warn),
        MetricsState::Choose { candidates } => (
            format!("M: choose of {} prometheus", candidates.len()),
            Role::Warn,
        ),
    }
}

fn short_rule(rule: &str) -> String {
    // "list volumesnapshots.snapshot.storage.k8s.io in …": verb and resource are enough here.
    let mut words = rule.split_whitespace();
    let (verb, resource) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let resource = resource.split('.').next().unwrap_or_default();
    text::fit(&format!("{verb} {resource}"), 40)
}

fn retry(model: &Model, at: Option<jiff::Timestamp>, words: &str) -> String {
    match at.map(|at| at.duration_since(model.now).as_secs()) {
        Some(seconds @ 1..) => format!("{words}{seconds}s"),
        Some(_) => ", retrying".into(),
        None => String::new(),
    }
}

/// The time of day in the zone of the reader's terminal would need the system; UTC does not.
fn clock(at: jiff::Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}
