//! Keys while something lies over the screen: prompts, menus, long texts.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use strum::IntoEnumIterator as _;
use tui_input::{Input, InputRequest};

use super::{act, choose, propose, relist, round, typed};
use crate::app::command::{self, Id};
use crate::app::detail::Tab;
use crate::app::effect::Effect;
use crate::app::filter::Filter;
use crate::app::listing::Sort;
use crate::app::modal::{Modal, Prompt};
use crate::app::model::Model;

/// More lines than this are not remembered.
const HISTORY: usize = 100;

pub(super) fn press(model: &mut Model, key: KeyEvent) -> Vec<Effect> {
    let Some(modal) = model.modal.take() else {
        return Vec::new();
    };
    match modal {
        Modal::CommandLine(prompt) => command_line(model, prompt, key),
        Modal::FilterLine(prompt) => filter_line(model, prompt, key),
        Modal::Help { scroll, search } => help(model, scroll, search, key),
        Modal::SortMenu { cursor } => sort_menu(model, cursor, key),
        Modal::ActionMenu { cursor } => action_menu(model, cursor, key),
        Modal::ChooseMetrics { candidates, cursor } => {
            choose::press_metrics(model, candidates, cursor, key)
        }
        Modal::ChooseContainer {
            containers,
            cursor,
            then,
        } => match pick(model, key, cursor, containers.len()) {
            Pick::Moved(cursor) => {
                model.modal = Some(Modal::ChooseContainer {
                    containers,
                    cursor,
                    then,
                });
                Vec::new()
            }
            Pick::Chosen => container(model, containers.get(cursor), then),
            Pick::Left => Vec::new(),
        },
        Modal::AskSize { claim, prompt } => propose::press_size(model, claim, prompt, key),
        Modal::ChoosePoint {
            workspace,
            points,
            cursor,
            in_place,
        } => choose::press_point(model, (workspace, points), (cursor, in_place), key),
        Modal::ChooseTest { workspaces, cursor } => round::press(model, workspaces, cursor, key),
        Modal::Proposal(proposal) => propose::press(model, proposal, key),
        Modal::Runbook { code, scroll } => {
            let scroll = read(model, key, scroll);
            model.modal = scroll.map(|scroll| Modal::Runbook { code, scroll });
            Vec::new()
        }
        Modal::Message {
            title,
            text,
            scroll,
        } => {
            model.modal = read(model, key, scroll).map(|scroll| Modal::Message {
                title,
                text,
                scroll,
            });
            Vec::new()
        }
    }
}

fn action_menu(model: &mut Model, cursor: usize, key: KeyEvent) -> Vec<Effect> {
    let actions: Vec<Id> = command::actions().map(|c| c.id).collect();
    match pick(model, key, cursor, actions.len()) {
        Pick::Moved(cursor) => {
            model.modal = Some(Modal::ActionMenu { cursor });
            Vec::new()
        }
        Pick::Chosen => (actions.get(cursor)).map_or_else(Vec::new, |id| act::run(model, *id)),
        Pick::Left => Vec::new(),
    }
}

/// Pasted text goes into a prompt as one line; anywhere else it is no command.
pub(super) fn paste(model: &mut Model, text: &str) -> Vec<Effect> {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match &mut model.modal {
        Some(Modal::CommandLine(prompt)) => {
            prompt.insert(&line);
            complete(model);
        }
        Some(Modal::FilterLine(prompt)) => {
            prompt.insert(&line);
            let text = prompt.text.clone();
            filter(model, &text);
        }
        _ => {}
    }
    Vec::new()
}

fn command_line(model: &mut Model, mut prompt: Prompt, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => return Vec::new(),
        KeyCode::Backspace if prompt.text.is_empty() => return Vec::new(),
        KeyCode::Enter => {
            let line = match prompt.chosen.and_then(|i| prompt.completions.get(i)) {
                Some(completion) => completion.clone(),
                None => prompt.text,
            };
            let line = line.trim().to_owned();
            if line.is_empty() {
                return Vec::new();
            }
            model.history.retain(|l| *l != line);
            model.history.push(line.clone());
            let excess = model.history.len().saturating_sub(HISTORY);
            model.history.drain(..excess);
            return typed::run(model, &line);
        }
        KeyCode::Tab | KeyCode::BackTab => {
            let count = prompt.completions.len();
            if count > 0 {
                let next = match (prompt.chosen, key.code) {
                    (None, KeyCode::Tab) => 0,
                    (Some(i), KeyCode::Tab) => (i + 1) % count,
                    (i, _) => (i.unwrap_or(0) + count - 1) % count,
                };
                prompt.chosen = Some(next);
                let text = prompt.completions[next].clone();
                prompt.cursor = text.chars().count();
                prompt.text = text;
            }
            model.modal = Some(Modal::CommandLine(prompt));
            return Vec::new();
        }
        KeyCode::Up | KeyCode::Down => recall(model, &mut prompt, key.code == KeyCode::Up),
        _ => {
            prompt.edit(key);
        }
    }
    prompt.chosen = None;
    model.modal = Some(Modal::CommandLine(prompt));
    complete(model);
    Vec::new()
}

fn recall(model: &Model, prompt: &mut Prompt, older: bool) {
    let count = model.history.len();
    let at = match (prompt.recalled, older) {
        (None, true) => count.checked_sub(1),
        (Some(at), true) => Some(at.saturating_sub(1)),
        (Some(at), false) if at + 1 < count => Some(at + 1),
        (_, false) => None,
    };
    prompt.text = match at.and_then(|at| model.history.get(at)) {
        Some(line) => line.clone(),
        None if older => return,
        None => String::new(),
    };
    prompt.cursor = prompt.text.chars().count();
    prompt.recalled = at;
}

fn complete(model: &mut Model) {
    let text = match &model.modal {
        Some(Modal::CommandLine(prompt)) => prompt.text.clone(),
        _ => return,
    };
    let found = typed::completions(model, &text);
    if let Some(Modal::CommandLine(prompt)) = &mut model.modal {
        prompt.completions = found;
    }
}

fn filter_line(model: &mut Model, mut prompt: Prompt, key: KeyEvent) -> Vec<Effect> {
    match key.code {
        KeyCode::Esc => {
            let before = prompt.before;
            filter(model, &before);
        }
        KeyCode::Enter => {}
        KeyCode::Backspace if prompt.text.is_empty() => {}
        // The table can be walked while the filter is typed.
        KeyCode::Up | KeyCode::Down => {
            let page = usize::from(model.drawn.table_rows.max(1));
            if let Some(listing) = model.listings.get_mut(&model.view) {
                let at = listing.position().unwrap_or(0);
                let to = if key.code == KeyCode::Up {
                    at.saturating_sub(1)
                } else {
                    at + 1
                };
                listing.select(to, page);
            }
            model.modal = Some(Modal::FilterLine(prompt));
        }
        _ => {
            let changed = prompt.edit(key);
            let text = prompt.text.clone();
            model.modal = Some(Modal::FilterLine(prompt));
            if changed {
                filter(model, &text);
            }
        }
    }
    Vec::new()
}

fn filter(model: &mut Model, text: &str) {
    let parsed = Filter::parse(text);
    if let Some(listing) = model.listings.get_mut(&model.view) {
        if listing.filter == parsed {
            return;
        }
        listing.filter = parsed;
        listing.start_over();
    }
    relist(model);
}

fn help(model: &mut Model, scroll: usize, mut search: String, key: KeyEvent) -> Vec<Effect> {
    let scroll = match key.code {
        KeyCode::Esc | KeyCode::Char('?') if search.is_empty() => return Vec::new(),
        KeyCode::Esc => {
            search.clear();
            0
        }
        KeyCode::Backspace => {
            search.pop();
            0
        }
        KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
            search.push(c);
            0
        }
        _ => match read(model, key, scroll) {
            Some(scroll) => scroll,
            None => return Vec::new(),
        },
    };
    model.modal = Some(Modal::Help { scroll, search });
    Vec::new()
}

/// Moving through a long text. `None`: it is closed.
fn read(model: &Model, key: KeyEvent, scroll: usize) -> Option<usize> {
    let rows = usize::from(model.drawn.text_rows.max(1));
    let end = model.drawn.text_lines.saturating_sub(rows);
    let to = match (key.code, model.keymap.command(key)) {
        (KeyCode::Up, _) | (_, Some(Id::Up)) => scroll.saturating_sub(1),
        (KeyCode::Down, _) | (_, Some(Id::Down)) => scroll + 1,
        (KeyCode::PageUp, _) | (_, Some(Id::PageUp)) => scroll.saturating_sub(rows),
        (KeyCode::PageDown, _) | (_, Some(Id::PageDown | Id::Mark)) => scroll + rows,
        (KeyCode::Home, _) | (_, Some(Id::Top)) => 0,
        (KeyCode::End, _) | (_, Some(Id::Bottom)) => end,
        (KeyCode::Esc | KeyCode::Enter, _) | (_, Some(Id::Back | Id::Runbook | Id::Help)) => {
            return None;
        }
        _ => scroll,
    };
    Some(to.min(end))
}

pub(super) enum Pick {
    Moved(usize),
    Chosen,
    Left,
}

pub(super) fn pick(model: &Model, key: KeyEvent, cursor: usize, count: usize) -> Pick {
    let last = count.saturating_sub(1);
    match (key.code, model.keymap.command(key)) {
        (KeyCode::Enter, _) if count > 0 => Pick::Chosen,
        (KeyCode::Esc | KeyCode::Enter, _) | (_, Some(Id::Back)) => Pick::Left,
        (KeyCode::Up, _) | (_, Some(Id::Up)) => Pick::Moved(cursor.saturating_sub(1)),
        (KeyCode::Down, _) | (_, Some(Id::Down)) => Pick::Moved((cursor + 1).min(last)),
        (_, Some(Id::Top)) => Pick::Moved(0),
        (_, Some(Id::Bottom)) => Pick::Moved(last),
        _ => Pick::Moved(cursor),
    }
}

fn sort_menu(model: &mut Model, cursor: usize, key: KeyEvent) -> Vec<Effect> {
    let columns = crate::app::column::columns(model.view);
    match pick(model, key, cursor, columns.len()) {
        Pick::Moved(cursor) => model.modal = Some(Modal::SortMenu { cursor }),
        Pick::Chosen => {
            if let Some(column) = columns.get(cursor) {
                sort_by(model, column.id, None);
            }
        }
        Pick::Left => {}
    }
    Vec::new()
}

/// Sorts by a column; by the same one again in the other direction.
pub(super) fn sort_by(model: &mut Model, column: &'static str, descending: Option<bool>) {
    if let Some(listing) = model.listings.get_mut(&model.view) {
        let again = listing.sort.column == column;
        listing.sort = Sort {
            column,
            descending: descending.unwrap_or(again && !listing.sort.descending),
        };
    }
    relist(model);
}

fn container(model: &mut Model, name: Option<&String>, then: &str) -> Vec<Effect> {
    let container = name.map(|name| name.as_str().into());
    if then == "shell" {
        return (model.pod_of_selection().into_iter())
            .map(|pod| Effect::Shell {
                pod,
                container: container.clone(),
            })
            .collect();
    }
    model.detail.container = container;
    model.detail.tab = Tab::iter().find(|t| *t == Tab::Logs).unwrap_or_default();
    Vec::new()
}

impl Prompt {
    /// With text to go on from.
    pub(super) fn of(text: String) -> Self {
        Self {
            cursor: text.chars().count(),
            before: text.clone(),
            text,
            ..Self::default()
        }
    }

    fn with_input(&mut self, change: impl FnOnce(&mut Input)) -> bool {
        let mut input = Input::new(std::mem::take(&mut self.text)).with_cursor(self.cursor);
        let before = input.value().to_owned();
        change(&mut input);
        self.cursor = input.cursor();
        let changed = input.value() != before;
        input.value().clone_into(&mut self.text);
        changed
    }

    fn insert(&mut self, text: &str) {
        self.with_input(|input| {
            for c in text.chars() {
                input.handle(InputRequest::InsertChar(c));
            }
        });
    }

    /// Whether the text is different now.
    pub(super) fn edit(&mut self, key: KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let request = match key.code {
            KeyCode::Char('a') if control => InputRequest::GoToStart,
            KeyCode::Char('e') if control => InputRequest::GoToEnd,
            KeyCode::Char('u') if control => InputRequest::DeleteLine,
            KeyCode::Char('w') if control => InputRequest::DeletePrevWord,
            KeyCode::Char('k') if control => InputRequest::DeleteTillEnd,
            KeyCode::Char('b') if control => InputRequest::GoToPrevChar,
            KeyCode::Char('f') if control => InputRequest::GoToNextChar,
            KeyCode::Char('d') if control => InputRequest::DeleteNextChar,
            KeyCode::Char('h') if control => InputRequest::DeletePrevChar,
            KeyCode::Char(_) if control => return false,
            KeyCode::Char(c) => InputRequest::InsertChar(c),
            KeyCode::Backspace => InputRequest::DeletePrevChar,
            KeyCode::Delete => InputRequest::DeleteNextChar,
            KeyCode::Left => InputRequest::GoToPrevChar,
            KeyCode::Right => InputRequest::GoToNextChar,
            KeyCode::Home => InputRequest::GoToStart,
            KeyCode::End => InputRequest::GoToEnd,
            _ => return false,
        };
        self.with_input(|input| {
            input.handle(request);
        })
    }
}
