//! Colours by role, and the characters for terminals that can do less. A role never speaks by
//! colour alone: glyph and word say it first.

use ratatui::style::{Color, Modifier, Style};

use crate::config::{Colours, Config, Split, Theme};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Text,
    Ok,
    Warn,
    Bad,
    Unknown,
    Stale,
    Dim,
    Accent,
    Header,
    Border,
    Chart,
    Forecast,
    Marked,
}

/// How everything looks.
#[derive(Clone, Debug)]
pub struct Look {
    theme: Theme,
    colours: Colours,
    /// Colours are used at all.
    pub colour: bool,
    pub ascii: bool,
    pub split: Split,
}

impl Look {
    /// `env` looks up a variable of the environment.
    pub fn new(config: &Config, env: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            theme: config.ui.theme,
            colours: config.colours.clone(),
            colour: config.ui.theme != Theme::Mono && config.ui.use_colour(&env),
            ascii: config.ui.use_ascii(&env),
            split: config.ui.split,
        }
    }

    pub fn style(&self, role: Role) -> Style {
        let style = Style::new().add_modifier(emphasis(role));
        if !self.colour {
            return style;
        }
        match self.chosen(role).or_else(|| self.usual(role)) {
            Some(colour) => style.fg(colour),
            None => style,
        }
    }

    const fn chosen(&self, role: Role) -> Option<Color> {
        match role {
            Role::Text => self.colours.text,
            Role::Ok => self.colours.ok,
            Role::Warn => self.colours.warn,
            Role::Bad => self.colours.bad,
            Role::Unknown => self.colours.unknown,
            Role::Stale => self.colours.stale,
            Role::Dim => self.colours.dim,
            Role::Accent => self.colours.accent,
            Role::Header => self.colours.header,
            Role::Border => self.colours.border,
            Role::Chart => self.colours.chart,
            Role::Forecast => self.colours.forecast,
            Role::Marked => self.colours.marked,
        }
    }

    const fn usual(&self, role: Role) -> Option<Color> {
        let light = matches!(self.theme, Theme::Light);
        let plain = matches!(self.theme, Theme::Auto | Theme::Mono);
        Some(match role {
            Role::Text | Role::Header => return None,
            Role::Ok if plain => Color::Green,
            Role::Bad if plain => Color::Red,
            Role::Unknown if plain => Color::Magenta,
            Role::Stale | Role::Dim | Role::Border if plain => Color::DarkGray,
            Role::Accent | Role::Chart if plain => Color::Cyan,
            Role::Warn | Role::Forecast | Role::Marked if plain => Color::Yellow,
            Role::Ok => Color::Indexed(if light { 28 } else { 114 }),
            Role::Warn | Role::Forecast | Role::Marked => {
                Color::Indexed(if light { 130 } else { 221 })
            }
            Role::Bad => Color::Indexed(if light { 160 } else { 203 }),
            Role::Unknown => Color::Indexed(if light { 91 } else { 176 }),
            Role::Stale | Role::Dim => Color::Indexed(if light { 244 } else { 245 }),
            Role::Border => Color::Indexed(if light { 250 } else { 239 }),
            Role::Accent | Role::Chart => Color::Indexed(if light { 25 } else { 80 }),
        })
    }

    /// The row under the cursor: over the colours of its cells where the theme has a background.
    pub fn selection(&self) -> Style {
        let background = match (self.colours.selection, self.theme) {
            (Some(colour), _) => Some(colour),
            (None, Theme::Dark) => Some(Color::Indexed(237)),
            (None, Theme::Light) => Some(Color::Indexed(253)),
            (None, Theme::Auto | Theme::Mono) => None,
        };
        match background.filter(|_| self.colour) {
            Some(colour) => Style::new().bg(colour).add_modifier(Modifier::BOLD),
            None => Style::new().add_modifier(Modifier::REVERSED),
        }
    }

    /// `unicode` where the terminal can, else `ascii`.
    pub const fn glyph(&self, unicode: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { unicode }
    }
}

const fn emphasis(role: Role) -> Modifier {
    match role {
        Role::Bad | Role::Header | Role::Marked => Modifier::BOLD,
        Role::Stale => Modifier::DIM,
        _ => Modifier::empty(),
    }
}
