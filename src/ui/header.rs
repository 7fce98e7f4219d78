//! The first two lines (where we are, what of it is known, the views) and the last one (what can
//! be done).

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use strum::IntoEnumIterator as _;

use super::look::{Look, Role};
use super::text;
use crate::app::command;
use crate::app::listing;
use crate::app::model::{Level, Link, Model, View};
use crate::domain::board::NEEDED;
use crate::domain::findings::ago;
use crate::domain::freshness::Freshness;
use crate::domain::key::Kind;
use crate::domain::metric::MetricsState;

/// Kinds whose freshness the truth line always tells; others only when something is wrong.
const ALWAYS: [Kind; 3] = [Kind::Pod, Kind::Claim, Kind::Snapshot];

pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let place = place(model, look);
    let wide = u16::try_from(place.width()).unwrap_or(u16::MAX);
    frame
        .buffer_mut()
        .set_line(area.x, area.y, &place, area.width);
    let room = area.width.saturating_sub(wide + 2);
    let truth = text::fit_line(truth(model, look), room);
    let truth_wide = u16::try_from(truth.width()).unwrap_or(room);
    let x = area.right().saturating_sub(truth_wide);
    frame.buffer_mut().set_line(x, area.y, &truth, truth_wide);
    if area.height > 1 {
        let tabs = text::fit_line(tabs(model, look, area.width), area.width);
        frame
            .buffer_mut()
            .set_line(area.x, area.y + 1, &tabs, area.width);
    }
}

fn place(model: &Model, look: &Look) -> Line<'static> {
    let place = &model.place;
    // Before a connection stands nobody knows where it leads.
    let unknown = place.cluster.is_empty() && model.link != Link::Up;
    let everywhere = if unknown { "…" } else { "all namespaces" };
    let namespace = place.namespace.as_deref().unwrap_or(everywhere);
    let context = place.label.as_deref().unwrap_or(&place.context);
    let colour = place.colour.as_ref().and_then(|c| c.parse::<Color>().ok());
    let style = match colour.filter(|_| look.colour) {
        Some(colour) => Style::new()
            .fg(colour)
            .add_modifier(Modifier::BOLD | Modifier::REVERSED),
        None => Style::new().add_modifier(Modifier::BOLD),
    };
    let (mark, role) = match place.read_only {
        _ if unknown => ("", Role::Dim),
        Some(_) => ("RO", Role::Warn),
        None => ("RW", Role::Dim),
    };
    Line::from(vec![
        Span::raw(" "),
        Span::styled("wsdash", look.style(Role::Accent)),
        Span::raw("  "),
        Span::styled(text::fit(namespace, 30), look.style(Role::Header)),
        Span::raw(" @ "),
        Span::styled(text::fit(context, 24), style),
        Span::raw(" "),
        Span::styled(mark, look.style(role)),
        Span::raw(" "),
    ])
}

/// What of the screen is true, and as of when.
fn truth(model: &Model, look: &Look) -> Line<'static> {
    let bad = look.style(Role::Bad);
    match &model.link {
        Link::Connecting { since } => {
            let text = format!("connecting, {} …", ago(model.now, *since));
            return Line::styled(text, look.style(Role::Unknown));
        }
        Link::Failed { why, retry_at, .. } => {
            let again = retry(model, *retry_at);
            let text = format!("{}{again}", text::clean(why));
            return Line::styled(text, bad);
        }
        Link::Lost {
            since,
            why,
            retry_at,
            ..
        } => {
            let text = format!(
                "API lost {} ago ({}){} · screen as of {}",
                ago(model.now, *since),
                text::clean(why),
                retry(model, *retry_at),
                clock(*since),
            );
            return Line::styled(text, bad);
        }
        Link::Up => {}
    }
    let freshness = model.inventory.freshness();
    let mut spans: Vec<Span<'static>> = Vec::new();
    let mut live: Vec<&str> = Vec::new();
    let mut rest: Vec<Span<'static>> = Vec::new();
    for kind in Kind::iter() {
        let always = ALWAYS.contains(&kind);
        let name = kind.short();
        let (text, role) = match freshness.get(kind) {
            Freshness::Live if always => {
                live.push(name);
                continue;
            }
            Freshness::Never if always => (format!("{name} …"), Role::Unknown),
            Freshness::Syncing { seen, .. } => {
                (format!("{name} {}…", thousands(*seen)), Role::Unknown)
            }
            Freshness::Stale { since, .. } => (
                format!("{name} stale {}", ago(model.now, *since)),
                Role::Bad,
            ),
            Freshness::Absent { .. } if always => (format!("no {name} API"), Role::Unknown),
            Freshness::Denied { rule } if always => {
                (format!("{name} denied ({})", short_rule(rule)), Role::Warn)
            }
            Freshness::Denied { .. } => (format!("{name} denied"), Role::Warn),
            Freshness::Live
            | Freshness::Off { .. }
            | Freshness::Never
            | Freshness::Absent { .. } => continue,
        };
        rest.push(Span::styled(text, look.style(role)));
    }
    if !live.is_empty() {
        let text = format!("{} live", live.join(" "));
        spans.push(Span::styled(text, look.style(Role::Ok)));
    }
    spans.extend(rest);
    spans.push(metrics(model, look));
    let mut line = Vec::new();
    for (i, span) in spans.into_iter().enumerate() {
        if i > 0 {
            line.push(Span::styled(
                look.glyph(" · ", " | "),
                look.style(Role::Dim),
            ));
        }
        line.push(span);
    }
    Line::from(line)
}

fn metrics(model: &Model, look: &Look) -> Span<'static> {
    let (text, role) = match model.metrics.state() {
        MetricsState::Never => ("metrics …".to_owned(), Role::Unknown),
        MetricsState::Live {
            at,
            source,
            partial,
        } => {
            let name = match source {
                crate::domain::metric::Source::Prometheus => "prom",
                crate::domain::metric::Source::MetricsServer => "metrics-server",
                crate::domain::metric::Source::Df => "df",
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
    };
    Span::styled(text, look.style(role))
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

fn retry(model: &Model, at: Option<jiff::Timestamp>) -> String {
    match at.map(|at| at.duration_since(model.now).as_secs()) {
        Some(seconds @ 1..) => format!(", retrying in {seconds}s"),
        Some(_) => ", retrying".into(),
        None => String::new(),
    }
}

/// The time of day in the zone of the reader's terminal would need the system; UTC does not.
fn clock(at: jiff::Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

pub(super) fn thousands(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn tabs(model: &Model, look: &Look, width: u16) -> Line<'static> {
    let facts = model.facts();
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for view in View::iter() {
        let known = match view.kind() {
            Some(kind) => model.inventory.freshness().get(kind).was_complete(),
            None if view == View::Jobs => true,
            None => {
                let freshness = model.inventory.freshness();
                (NEEDED.into_iter()).all(|kind| freshness.get(kind).was_complete())
            }
        };
        let count = listing::total(view, &facts);
        let count = match (known, count) {
            (_, 0) if view == View::Jobs => String::new(),
            (true, count) => format!(" {}", thousands(count)),
            (false, 0) => " ?".into(),
            (false, count) => format!(" {}…", thousands(count)),
        };
        let text = format!("{} {view}{count}", view.digit());
        let wide = text::width(&text) + 2;
        if used + wide + 1 > usize::from(width) {
            spans.push(Span::raw(look.glyph("»", ">")));
            break;
        }
        used += wide;
        let style = if view == model.view {
            look.style(Role::Accent)
                .add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        } else {
            look.style(Role::Dim)
        };
        spans.push(Span::styled(text, style));
        spans.push(Span::raw("  "));
    }
    Line::from(spans)
}

pub(super) fn draw_footer(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    let line = match &model.notice {
        Some(notice) => {
            let role = match notice.level {
                Level::Good => Role::Ok,
                Level::Warn => Role::Warn,
                Level::Bad => Role::Bad,
            };
            let text = text::fit(&notice.text, area.width.saturating_sub(1));
            Line::from(vec![Span::raw(" "), Span::styled(text, look.style(role))])
        }
        None if model.jobs.values().any(|row| row.running) => running(model, look),
        None => hints(model, look),
    };
    let line = text::fit_line(line, area.width);
    frame
        .buffer_mut()
        .set_line(area.x, area.y, &line, area.width);
}

/// What runs, wherever one looks.
fn running(model: &Model, look: &Look) -> Line<'static> {
    let mut spans = vec![Span::styled(" jobs ", look.style(Role::Accent))];
    for row in model.jobs.values().filter(|row| row.running) {
        let took = crate::domain::findings::human_duration(row.took(model.now));
        let mark = look.glyph("◐", "*");
        let text = format!("{mark} {}: {}, {took}  ", row.job.plan.title, row.step());
        spans.push(Span::raw(text::clean(&text).into_owned()));
    }
    Line::from(spans)
}

fn hints(model: &Model, look: &Look) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let filter = &model.listing().filter;
    if !filter.is_empty() {
        let text = format!("/{} ", filter.text);
        spans.push(Span::styled(
            text::clean(&text).into_owned(),
            look.style(Role::Warn),
        ));
        spans.push(Span::raw(" "));
    }
    if model.listing().only_hurt {
        spans.push(Span::styled("only findings ", look.style(Role::Warn)));
    }
    let marks = model.listing().marks.len();
    if marks > 0 {
        spans.push(Span::styled(
            format!("{marks} marked "),
            look.style(Role::Marked),
        ));
    }
    for (key, word) in command::footer(model) {
        spans.push(Span::styled(key, look.style(Role::Accent)));
        spans.push(Span::raw(format!(" {word}  ")));
    }
    Line::from(spans)
}
