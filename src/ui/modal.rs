//! What lies over the screen: prompts in the last line, menus and long texts in a box.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, BorderType, Clear};

use super::look::{Look, Role};
use super::{markdown, text};
use crate::action::restore::Point;
use crate::app::column::columns;
use crate::app::command::{self, COMMANDS};
use crate::app::job::{Choice, Proposal};
use crate::app::modal::{Modal, Prompt};
use crate::app::{Model, TESTS};
use crate::domain::findings::ago;
use crate::domain::quantity::human_bytes;

/// Answers the lines that a long text had room for and has, when one is open.
pub(super) fn draw(
    model: &Model,
    look: &Look,
    frame: &mut Frame<'_>,
    screen: Rect,
) -> Option<(u16, usize)> {
    let modal = model.modal.as_ref()?;
    let painter = Painter {
        model,
        look,
        screen,
    };
    let names = |names: &[String]| -> Vec<Line<'static>> {
        let clean = names.iter().map(|n| text::clean(n).into_owned());
        clean.map(Line::raw).collect()
    };
    match modal {
        Modal::CommandLine(prompt) => painter.prompt(frame, ":", prompt),
        Modal::FilterLine(prompt) => painter.prompt(frame, "/", prompt),
        Modal::SortMenu { cursor } => painter.menu(frame, "sort by", painter.sorts(), *cursor),
        Modal::ActionMenu { cursor } => painter.menu(frame, "actions", painter.actions(), *cursor),
        Modal::ChooseMetrics { candidates, cursor } => {
            painter.menu(frame, "which Prometheus?", names(candidates), *cursor);
        }
        Modal::ChooseContainer {
            containers,
            cursor,
            then,
        } => {
            let title = format!("{then}: which container?");
            painter.menu(frame, &title, names(containers), *cursor);
        }
        Modal::ChoosePoint {
            workspace,
            points,
            cursor,
            in_place,
        } => {
            let place = if *in_place {
                "in place, the old volumes kept"
            } else {
                "beside it, for a look"
            };
            let title = format!("restore {}: {place} (tab changes)", workspace.name);
            painter.menu(frame, &title, painter.points(points), *cursor);
        }
        Modal::ChooseTest { workspaces, cursor } => {
            let title = match workspaces.as_slice() {
                [one] => format!("verify {}", one.name),
                several => format!("verify {} workspaces, one after another", several.len()),
            };
            let lines = TESTS.map(|(text, ..)| Line::raw(text)).to_vec();
            painter.menu(frame, &title, lines, *cursor);
        }
        Modal::AskSize { claim, prompt } => {
            let sign = format!("new size of {} (20Gi, +5Gi, +20%): ", claim.name);
            painter.prompt(frame, &sign, prompt);
        }
        Modal::Proposal(proposal) => return Some(painter.proposal(frame, proposal)),
        Modal::Help { .. } | Modal::Runbook { .. } | Modal::Message { .. } => {
            return Some(painter.reading(frame, modal));
        }
    }
    None
}

/// A text wider than this is hard to read.
const WIDEST: u16 = 100;

struct Painter<'a> {
    model: &'a Model,
    look: &'a Look,
    screen: Rect,
}

impl Painter<'_> {
    /// A box in the middle, with a margin where there is room for one.
    fn area(&self, widest: u16) -> Rect {
        let screen = self.screen;
        let width = screen
            .width
            .saturating_sub(4)
            .min(widest)
            .max(screen.width.min(30));
        let height = screen
            .height
            .saturating_sub(if screen.height > 20 { 4 } else { 1 });
        Rect {
            x: screen.x + (screen.width - width) / 2,
            y: screen.y + (screen.height - height) / 2,
            width,
            height,
        }
    }

    /// As [`Self::area`], no higher than these lines need.
    fn fitting(&self, widest: u16, lines: usize) -> Rect {
        let most = self.area(widest);
        let wanted = u16::try_from(lines.saturating_add(2)).unwrap_or(u16::MAX);
        let height = wanted.clamp(most.height.min(5), most.height);
        let y = self.screen.y + (self.screen.height - height) / 2;
        Rect { y, height, ..most }
    }

    fn frame_box(&self, frame: &mut Frame<'_>, area: Rect, title: &str) -> Rect {
        frame.render_widget(Clear, area);
        // The colour of the border is not the title's.
        let mut heading = self.look.style(Role::Header);
        heading.fg.get_or_insert(Color::Reset);
        let block = Block::bordered()
            .border_type(BorderType::Plain)
            .border_style(self.look.style(Role::Border))
            .title(Span::styled(
                format!(" {} ", text::fit(title, area.width.saturating_sub(6))),
                heading,
            ));
        let block = if self.look.ascii {
            block.border_set(ASCII)
        } else {
            block
        };
        let inner = block.inner(area);
        frame.render_widget(block, area);
        inner
    }

    /// A long text; answers the lines that it had room for, and has.
    fn reading(&self, frame: &mut Frame<'_>, modal: &Modal) -> (u16, usize) {
        let width = self.area(WIDEST).width.saturating_sub(4);
        match modal {
            Modal::Help { scroll, search } => {
                let title = if search.is_empty() {
                    "help (type to search, esc closes)".to_owned()
                } else {
                    format!("help: {search}")
                };
                self.long(frame, &title, &self.help(search), *scroll)
            }
            Modal::Runbook { code, scroll } => {
                let source = crate::runbook::text(*code);
                let lines = markdown::lines(source, self.look, width);
                let title = format!("runbook {}", <&str>::from(*code));
                self.long(frame, &title, &lines, *scroll)
            }
            Modal::Message {
                title,
                text,
                scroll,
            } => {
                let lines = text.lines().flat_map(|line| text::wrap(line, width));
                let lines: Vec<Line<'static>> = lines.map(Line::raw).collect();
                self.long(frame, title, &lines, *scroll)
            }
            _ => (0, 0),
        }
    }

    /// Everything that must be known before saying yes: what, on which objects by uid, every call,
    /// what can be lost, and the way back.
    fn proposal(&self, frame: &mut Frame<'_>, proposal: &Proposal) -> (u16, usize) {
        let plan = &proposal.plan;
        let title = format!(
            "{}{} · {} / {}",
            if proposal.came.is_some() {
                "go on: "
            } else {
                ""
            },
            plan.title,
            plan.place.context,
            plan.namespace()
        );
        let width = self.area(WIDEST).width.saturating_sub(4);
        let look = self.look;
        let mut lines: Vec<Line<'static>> = Vec::new();
        let mut say = |text: &str, role: Role| {
            // wrapping takes blanks at the beginning for nothing
            let bare = text.trim_start_matches(' ');
            let blanks = " ".repeat(text.len() - bare.len());
            let room = width.saturating_sub(u16::try_from(blanks.len()).unwrap_or(0));
            for line in text::wrap(bare, room) {
                lines.push(Line::styled(format!("{blanks}{line}"), look.style(role)));
            }
        };
        for subject in &plan.subjects {
            say(
                &format!(
                    "{} {} uid {}",
                    subject.kind.object(),
                    subject.key.name,
                    subject.uid
                ),
                Role::Dim,
            );
        }
        for (at, step) in plan.steps.iter().enumerate() {
            let came = proposal.came.as_ref().and_then(|came| came.get(at));
            let came = came.map_or_else(String::new, |word| format!("{word:<8} "));
            say(&format!("{:>2} {came}{}", at + 1, step.title), Role::Text);
            if proposal.calls {
                for call in step.calls() {
                    say(&format!("   {call}"), Role::Dim);
                }
            }
        }
        for loss in &plan.losses {
            say(&format!("can be lost: {loss}"), Role::Bad);
        }
        if plan.losses.is_empty() {
            say("no data can be lost", Role::Ok);
        }
        for way in &plan.way_back {
            say(&format!("way back: {way}"), Role::Text);
        }
        for note in &plan.notes {
            say(&format!("note: {note}"), Role::Warn);
        }
        if !proposal.follows.is_empty() {
            let names = proposal.follows.join(", ");
            say(&format!("when it passes, asked anew: {names}"), Role::Text);
        }
        for right in &proposal.missing {
            say(&format!("missing right: {right}"), Role::Bad);
        }
        for line in &proposal.rehearsal {
            say(line, Role::Accent);
        }
        let inner = self.frame_box(frame, self.fitting(WIDEST, lines.len() + 3), &title);
        let room = inner.height.saturating_sub(2);
        let first = proposal
            .scroll
            .min(lines.len().saturating_sub(usize::from(room)));
        let shown = lines.iter().skip(first).take(usize::from(room));
        for (y, line) in (inner.y..).zip(shown) {
            let line = text::fit_line(line.clone(), width);
            frame.buffer_mut().set_line(inner.x + 1, y, &line, width);
        }
        self.answers(frame, inner, proposal);
        (room, lines.len())
    }

    /// The name to type, and the answers; Cancel has the focus first.
    fn answers(&self, frame: &mut Frame<'_>, inner: Rect, proposal: &Proposal) {
        let width = inner.width.saturating_sub(2);
        let y = inner.bottom().saturating_sub(2);
        if let Some(name) = &proposal.plan.typed_name {
            let text = format!("type {name} to go on: {}", proposal.typed);
            let line = Line::styled(text::fit(&text, width), self.look.style(Role::Warn));
            frame.buffer_mut().set_line(inner.x + 1, y, &line, width);
        }
        let mut spans = Vec::new();
        for (choice, word) in [
            (Choice::Cancel, "Cancel"),
            (Choice::DryRun, "Dry run"),
            (Choice::Perform, "Perform"),
            (Choice::Copy, "Copy kubectl"),
            (Choice::Calls, "Calls"),
        ] {
            if proposal.came.is_some() && choice == Choice::DryRun {
                continue;
            }
            let blocked = choice == Choice::Perform && proposal.obstacle().is_some();
            let style = if proposal.choice == choice {
                self.look.selection()
            } else if blocked {
                self.look.style(Role::Dim)
            } else {
                self.look.style(Role::Text)
            };
            spans.push(Span::styled(format!("[ {word} ]"), style));
            spans.push(Span::raw(" "));
        }
        spans.push(Span::styled("tab, enter", self.look.style(Role::Dim)));
        let line = text::fit_line(Line::from(spans), width);
        frame
            .buffer_mut()
            .set_line(inner.x + 1, y + 1, &line, width);
    }

    /// Points in time: how long ago, what of it, how large, how consistent.
    fn points(&self, points: &[Point]) -> Vec<Line<'static>> {
        let line = |point: &Point| {
            let age = ago(self.model.now, point.at);
            #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
            let size = human_bytes(point.bytes as f64);
            let claims = point.claims.len();
            let whole = if point.complete { "all" } else { "only" };
            let level = point.consistency.as_deref().unwrap_or("crash");
            let text = format!(
                "{age:>6} ago  {whole} {claims} claims  {size:>9}  {level:<6}  {}",
                point.id
            );
            Line::raw(text::clean(&text).into_owned())
        };
        points.iter().map(line).collect()
    }

    fn sorts(&self) -> Vec<Line<'static>> {
        let sort = self.model.listing().sort.column;
        columns(self.model.view)
            .iter()
            .map(|column| {
                let again = if column.id == sort {
                    " (again: other way round)"
                } else {
                    ""
                };
                Line::raw(format!("{}{again}", column.title))
            })
            .collect()
    }

    fn long(
        &self,
        frame: &mut Frame<'_>,
        title: &str,
        lines: &[Line<'static>],
        scroll: usize,
    ) -> (u16, usize) {
        let inner = self.frame_box(frame, self.fitting(WIDEST, lines.len()), title);
        let first = scroll.min(lines.len().saturating_sub(usize::from(inner.height)));
        let shown = lines.iter().skip(first).take(usize::from(inner.height));
        for (y, line) in (inner.y..).zip(shown) {
            let width = inner.width.saturating_sub(2);
            let line = text::fit_line(line.clone(), width);
            frame.buffer_mut().set_line(inner.x + 1, y, &line, width);
        }
        (inner.height, lines.len())
    }

    fn menu(&self, frame: &mut Frame<'_>, title: &str, lines: Vec<Line<'static>>, cursor: usize) {
        let most = self.area(90);
        let wide = lines
            .iter()
            .map(Line::width)
            .max()
            .unwrap_or(0)
            .max(text::width(title) + 4);
        let width = u16::try_from(wide + 6).unwrap_or(u16::MAX).min(most.width);
        let height = u16::try_from(lines.len() + 2)
            .unwrap_or(u16::MAX)
            .min(most.height);
        let area = Rect {
            x: self.screen.x + (self.screen.width - width) / 2,
            y: self.screen.y + (self.screen.height - height) / 2,
            width,
            height,
        };
        let inner = self.frame_box(frame, area, title);
        let room = usize::from(inner.height);
        let first = (cursor + 1).saturating_sub(room);
        for (y, (i, line)) in (inner.y..).zip(lines.into_iter().enumerate().skip(first).take(room))
        {
            let line = text::fit_line(line, inner.width.saturating_sub(2));
            frame
                .buffer_mut()
                .set_line(inner.x + 1, y, &line, inner.width.saturating_sub(1));
            if i == cursor {
                let row = Rect {
                    y,
                    height: 1,
                    ..inner
                };
                frame.buffer_mut().set_style(row, self.look.selection());
                let mark = Span::raw(self.look.glyph("▌", ">"));
                frame.buffer_mut().set_span(inner.x, y, &mark, 1);
            }
        }
    }

    fn actions(&self) -> Vec<Line<'static>> {
        command::actions()
            .map(|command| {
                let key = self.model.keymap.keys(command.id).first();
                let key = key.map_or_else(String::new, ToString::to_string);
                let mut spans = vec![
                    Span::styled(format!("{key:<3}"), self.look.style(Role::Accent)),
                    Span::raw(format!("{:<10} ", command.name())),
                ];
                match command::usable(self.model, command) {
                    Ok(()) => spans.push(Span::raw(command.help)),
                    Err(why) => spans.push(Span::styled(
                        text::clean(&why).into_owned(),
                        self.look.style(Role::Dim),
                    )),
                }
                Line::from(spans)
            })
            .collect()
    }

    fn help(&self, search: &str) -> Vec<Line<'static>> {
        let search = search.to_lowercase();
        COMMANDS
            .iter()
            .filter(|c| c.help.to_lowercase().contains(&search) || c.name().contains(&search))
            .map(|command| {
                let keys: Vec<String> = (self.model.keymap.keys(command.id).iter())
                    .map(ToString::to_string)
                    .collect();
                let usable = command::usable(self.model, command).is_ok();
                let role = if usable { Role::Text } else { Role::Dim };
                Line::from(vec![
                    Span::styled(
                        format!("{:<17} ", keys.join(" ")),
                        self.look.style(Role::Accent),
                    ),
                    Span::styled(
                        format!(":{:<15} ", command.name()),
                        self.look.style(Role::Dim),
                    ),
                    Span::styled(command.help, self.look.style(role)),
                ])
            })
            .collect()
    }

    /// In the last line of the screen, with what `tab` offers above it.
    fn prompt(&self, frame: &mut Frame<'_>, sign: &str, prompt: &Prompt) {
        let screen = self.screen;
        let y = screen.bottom().saturating_sub(1);
        let row = Rect {
            y,
            height: 1,
            ..screen
        };
        frame.render_widget(Clear, row);
        let sign_wide = u16::try_from(text::width(sign)).unwrap_or(1);
        let room = usize::from(screen.width.saturating_sub(sign_wide + 1));
        // The cursor stays in sight: what is left of it scrolls away.
        let before: String = prompt.text.chars().take(prompt.cursor).collect();
        let mut hidden = 0;
        let mut wide = text::width(&before);
        for c in before.chars() {
            if wide < room {
                break;
            }
            wide -= text::width(c.encode_utf8(&mut [0; 4]));
            hidden += 1;
        }
        let shown: String = prompt.text.chars().skip(hidden).collect();
        let line = Line::from(vec![
            Span::styled(sign.to_owned(), self.look.style(Role::Accent)),
            Span::raw(text::clean(&shown).into_owned()),
        ]);
        frame
            .buffer_mut()
            .set_line(screen.x, y, &line, screen.width);
        let x = screen.x + sign_wide + u16::try_from(wide).unwrap_or(0);
        frame.set_cursor_position((x.min(screen.right().saturating_sub(1)), y));
        if prompt.completions.is_empty() || y == 0 {
            return;
        }
        let mut spans = vec![Span::raw(" ")];
        for (i, word) in prompt.completions.iter().enumerate().take(12) {
            let style = if prompt.chosen == Some(i) {
                self.look.selection()
            } else {
                self.look.style(Role::Dim)
            };
            spans.push(Span::styled(text::clean(word).into_owned(), style));
            spans.push(Span::raw("  "));
        }
        let above = Rect {
            y: y - 1,
            height: 1,
            ..screen
        };
        frame.render_widget(Clear, above);
        let line = text::fit_line(Line::from(spans), screen.width);
        frame
            .buffer_mut()
            .set_line(screen.x, y - 1, &line, screen.width);
    }
}

const ASCII: ratatui::symbols::border::Set<'static> = ratatui::symbols::border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};
