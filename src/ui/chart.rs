//! Charts of disk, CPU and memory. A gap is a gap; the forecast is dotted up to the line that must
//! not be crossed.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Chart, Dataset, GraphType};

use super::detail::why_not;
use super::look::{Look, Role};
use super::text;
use crate::app::Model;
use crate::app::detail::{Fetched, Line as Series, Measure, Range};
use crate::domain::key::ObjectKey;
use crate::domain::metric::Forecast;
use crate::domain::quantity::human_bytes;

/// A chart lower than this says nothing.
const LOWEST: u16 = 5;

pub(super) fn draw(model: &Model, look: &Look, frame: &mut Frame<'_>, area: Rect) {
    if let Some(line) = why_not(look, model, &model.detail.chart) {
        let wrapped = text::wrap(&line.to_string(), area.width);
        for (y, part) in (area.y..area.bottom()).zip(wrapped) {
            let part = Line::styled(part, line.style);
            frame.buffer_mut().set_line(area.x, y, &part, area.width);
        }
        return;
    }
    let Fetched::Here { what, .. } = &model.detail.chart else {
        return;
    };
    let shown: Vec<&Series> = what.lines.iter().collect();
    if shown.is_empty() {
        let line = Line::styled("no data for this range", look.style(Role::Dim));
        frame
            .buffer_mut()
            .set_line(area.x, area.y, &line, area.width);
        return;
    }
    let count = u16::try_from(shown.len())
        .unwrap_or(1)
        .min(area.height / LOWEST)
        .max(1);
    let height = area.height / count;
    for (i, series) in (0..count).zip(shown) {
        let place = Rect {
            y: area.y + i * height,
            height,
            ..area
        };
        draw_series(model, look, frame, place, (series, what.range));
    }
}

/// One series, ready to be drawn: seconds before now, and values.
struct Plot {
    /// Each run of points without a gap is a line of its own.
    runs: Vec<Vec<(f64, f64)>>,
    forecast: Vec<(f64, f64)>,
    ceiling: Vec<(f64, f64)>,
    x: [f64; 2],
    top: f64,
    last: Option<f64>,
}

impl Plot {
    #[expect(clippy::cast_precision_loss, reason = "seconds of some days")]
    fn new(model: &Model, series: &Series, range: Range) -> Self {
        let seconds = range.seconds() as f64;
        let mut runs: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
        for (at, value) in &series.points {
            match (value, runs.last_mut()) {
                (Some(value), Some(run)) => {
                    run.push((-model.now.duration_since(*at).as_secs_f64(), *value));
                }
                _ => runs.push(Vec::new()),
            }
        }
        runs.retain(|run| !run.is_empty());
        let last = runs.iter().flatten().last().copied();
        let forecast = forecast(model, series, last, seconds);
        let x = [-seconds, forecast.last().map_or(0.0, |(x, _)| *x)];
        let highest = runs.iter().flatten().map(|(_, y)| *y).fold(0.0, f64::max);
        // The ceiling is shown when it is near enough to matter.
        let near = series
            .ceiling
            .filter(|c| series.measure == Measure::DiskBytes || highest > c * 0.3);
        Self {
            runs,
            forecast,
            ceiling: near.map_or_else(Vec::new, |c| x.map(|x| (x, c)).to_vec()),
            x,
            top: near
                .unwrap_or(highest * 1.2)
                .max(highest * 1.05)
                .max(f64::MIN_POSITIVE),
            last: last.map(|(_, y)| y),
        }
    }

    fn sets(&self, look: &Look) -> Vec<Dataset<'_>> {
        let marker = if look.ascii {
            Marker::Custom('*')
        } else {
            Marker::Braille
        };
        let dots = if look.ascii {
            Marker::Custom('.')
        } else {
            Marker::Dot
        };
        let mut sets = vec![set(look, marker, Role::Bad, &self.ceiling)];
        sets.extend((self.runs.iter()).map(|run| set(look, marker, Role::Chart, run)));
        let forecast = set(look, dots, Role::Forecast, &self.forecast);
        sets.push(forecast.graph_type(GraphType::Scatter));
        sets
    }
}

fn set<'a>(look: &Look, marker: Marker, role: Role, data: &'a [(f64, f64)]) -> Dataset<'a> {
    Dataset::default()
        .marker(marker)
        .graph_type(GraphType::Line)
        .style(look.style(role))
        .data(data)
}

fn draw_series(
    model: &Model,
    look: &Look,
    frame: &mut Frame<'_>,
    area: Rect,
    (series, range): (&Series, Range),
) {
    let print = |value: f64| match series.measure {
        Measure::Cores => format!("{value:.2}"),
        Measure::DiskBytes | Measure::MemoryBytes => human_bytes(value),
    };
    let plot = Plot::new(model, series, range);
    let label = range.label();
    let now = plot.last.map_or_else(|| "no data".into(), print);
    let of = series
        .ceiling
        .map_or_else(String::new, |c| format!(" of {}", print(c)));
    let title = format!("{}: {now}{of}, last {label}", series.name);
    let title = Span::styled(text::fit(&title, area.width), look.style(Role::Header));
    frame
        .buffer_mut()
        .set_span(area.x, area.y, &title, area.width);
    let place = Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    };
    let end = if plot.forecast.is_empty() {
        "now"
    } else {
        "forecast"
    };
    let axis = |bounds: [f64; 2], labels: [String; 2]| {
        Axis::default()
            .bounds(bounds)
            .labels(labels.map(Span::raw))
            .style(look.style(Role::Border))
    };
    let chart = Chart::new(plot.sets(look))
        .x_axis(axis(plot.x, [format!("-{label}"), end.to_owned()]))
        .y_axis(axis([0.0, plot.top], ["0".to_owned(), print(plot.top)]));
    frame.render_widget(chart, place);
}

/// Dots from the last reading to the moment when the disk is full, if that is in sight.
fn forecast(
    model: &Model,
    series: &Series,
    last: Option<(f64, f64)>,
    seconds: f64,
) -> Vec<(f64, f64)> {
    if series.measure != Measure::DiskBytes {
        return Vec::new();
    }
    let claim = series.name.as_str();
    let namespace = model
        .selected()
        .and_then(|_| model.workspace_of_selection())
        .map(|w| w.namespace);
    let Some(namespace) = namespace else {
        return Vec::new();
    };
    let disk = model.metrics.disk(&ObjectKey::new(namespace, claim));
    let (Some(Forecast::In(left)), Some(ceiling), Some((x, y))) =
        (disk.map(|d| d.full_in), series.ceiling, last)
    else {
        return Vec::new();
    };
    let left = left.as_secs_f64();
    // Further away than half of what is shown the line would say nothing about now.
    let shown = left.min(seconds / 2.0);
    let slope = (ceiling - y) / left.max(1.0);
    (1..=24_u8)
        .map(|i| shown * f64::from(i) / 24.0)
        .map(|dx| (x + dx, y + slope * dx))
        .collect()
}
