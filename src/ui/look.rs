//! Colours by role, and the characters for terminals that can do less. A role never speaks by
//! colour alone: glyph and word say it first.

use ratatui::style::{Color, Modifier, Style};
use strum::{EnumCount as _, IntoEnumIterator as _};

use crate::config::{Colours, Config, Split, Theme};

/// What a piece of text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::EnumIter, strum::EnumCount)]
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

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Sixteen,
    Indexed,
    True,
}

impl Depth {
    /// As `COLORTERM` and `TERM` say; what says nothing gets what every terminal can.
    fn of(env: impl Fn(&str) -> Option<String>) -> Self {
        let said = |name: &str| env(name).unwrap_or_default().to_ascii_lowercase();
        let (depth, term) = (said("COLORTERM"), said("TERM"));
        if matches!(depth.as_str(), "truecolor" | "24bit") || term.contains("direct") {
            return Self::True;
        }
        let modern = ["256", "kitty", "alacritty", "ghostty", "wezterm", "foot"];
        if modern.iter().any(|name| term.contains(name)) {
            return Self::Indexed;
        }
        Self::Sixteen
    }
}

/// How everything looks.
#[derive(Clone, Debug)]
pub struct Look {
    theme: Theme,
    depth: Depth,
    colours: Colours,
    /// By role: a frame asks for thousands.
    styles: [Style; Role::COUNT],
    /// Colours are used at all.
    pub colour: bool,
    pub ascii: bool,
    pub split: Split,
}

impl Look {
    /// `env` looks up a variable of the environment.
    pub fn new(config: &Config, env: impl Fn(&str) -> Option<String>) -> Self {
        let mut look = Self {
            theme: config.ui.theme,
            depth: Depth::of(&env),
            colours: config.colours.clone(),
            styles: [Style::new(); Role::COUNT],
            colour: config.ui.theme != Theme::Mono && config.ui.use_colour(&env),
            ascii: config.ui.use_ascii(&env),
            split: config.ui.split,
        };
        for role in Role::iter() {
            look.styles[role as usize] = look.make(role);
        }
        look
    }

    pub const fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }

    fn make(&self, role: Role) -> Style {
        let style = Style::new().add_modifier(emphasis(role));
        if !self.colour {
            return style;
        }
        match self.chosen(role).or_else(|| self.usual(role)) {
            Some(colour) => style.fg(self.nearest(colour)),
            None => style,
        }
    }

    /// The colour that this terminal has for it.
    pub fn nearest(&self, colour: Color) -> Color {
        let (red, green, blue) = match colour {
            Color::Rgb(red, green, blue) if self.depth < Depth::True => (red, green, blue),
            Color::Indexed(index @ 16..) if self.depth < Depth::Indexed => rgb(index),
            _ => return colour,
        };
        if self.depth == Depth::Indexed {
            let mut all = 16..=255_u8;
            let first = all.next().unwrap_or(16);
            let near = |index: u8| distance(rgb(index), (red, green, blue));
            let best = all.fold(first, |a, b| if near(b) < near(a) { b } else { a });
            return Color::Indexed(best);
        }
        let near = |c: &(Color, (u8, u8, u8))| distance(c.1, (red, green, blue));
        let best = SIXTEEN.iter().min_by_key(|c| near(c));
        best.map_or(Color::Reset, |(colour, _)| *colour)
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
            // Of sixteen colours none is a background that leaves all others readable.
            _ if self.depth == Depth::Sixteen => None,
            (None, Theme::Dark) => Some(Color::Indexed(237)),
            (None, Theme::Light) => Some(Color::Indexed(253)),
            (None, Theme::Auto | Theme::Mono) => None,
        };
        match background.filter(|_| self.colour) {
            Some(colour) => Style::new()
                .bg(self.nearest(colour))
                .add_modifier(Modifier::BOLD),
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

/// What terminals show for the sixteen, near enough to choose among them.
pub(super) const SIXTEEN: [(Color, (u8, u8, u8)); 16] = [
    (Color::Black, (0, 0, 0)),
    (Color::Red, (190, 30, 30)),
    (Color::Green, (30, 160, 30)),
    (Color::Yellow, (190, 140, 20)),
    (Color::Blue, (40, 70, 190)),
    (Color::Magenta, (170, 50, 170)),
    (Color::Cyan, (30, 150, 170)),
    (Color::Gray, (200, 200, 200)),
    (Color::DarkGray, (115, 115, 115)),
    (Color::LightRed, (250, 90, 90)),
    (Color::LightGreen, (100, 230, 100)),
    (Color::LightYellow, (245, 225, 90)),
    (Color::LightBlue, (100, 140, 250)),
    (Color::LightMagenta, (235, 110, 235)),
    (Color::LightCyan, (90, 225, 235)),
    (Color::White, (255, 255, 255)),
];

/// A colour of the cube or of the greys that follow it.
pub(super) const fn rgb(index: u8) -> (u8, u8, u8) {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    if index >= 232 {
        let grey = 8 + (index - 232) * 10;
        return (grey, grey, grey);
    }
    let at = index.saturating_sub(16);
    (
        STEPS[(at / 36 % 6) as usize],
        STEPS[(at / 6 % 6) as usize],
        STEPS[(at % 6) as usize],
    )
}

fn distance(a: (u8, u8, u8), b: (u8, u8, u8)) -> u32 {
    let part = |a: u8, b: u8| u32::from(a.abs_diff(b)).pow(2);
    part(a.0, b.0) * 2 + part(a.1, b.1) * 4 + part(a.2, b.2) * 3
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn look(theme: Theme, variables: &[(&str, &str)]) -> Look {
        let mut config = Config::default();
        config.ui.theme = theme;
        config.colours.bad = Some(Color::Rgb(255, 136, 0));
        Look::new(&config, |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[rstest]
    #[case(&[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")], Color::Rgb(255, 136, 0))]
    #[case(&[("TERM", "tmux-256color")], Color::Indexed(208))]
    #[case(&[("TERM", "linux")], Color::Yellow)]
    #[case(&[], Color::Yellow)]
    fn a_colour_becomes_the_nearest_that_there_is(
        #[case] env: &[(&str, &str)],
        #[case] there: Color,
    ) {
        assert_eq!(look(Theme::Dark, env).style(Role::Bad).fg, Some(there));
    }

    #[rstest]
    fn of_sixteen_colours_no_theme_uses_another(
        #[values(Theme::Auto, Theme::Dark, Theme::Light)] theme: Theme,
    ) {
        use Role::{Accent, Border, Chart, Dim, Forecast, Marked, Ok, Stale, Unknown, Warn};
        let look = look(theme, &[("TERM", "linux")]);
        let roles = [
            Ok, Warn, Unknown, Stale, Dim, Accent, Border, Chart, Forecast, Marked,
        ];
        for role in roles {
            let colour = look.style(role).fg;
            let is_one = SIXTEEN.iter().any(|(one, _)| Some(*one) == colour);
            assert!(is_one, "{role:?} is {colour:?}");
            let plain = [Color::Black, Color::White];
            assert!(
                !plain.map(Some).contains(&colour),
                "{role:?} cannot be seen"
            );
        }
        assert_eq!(look.selection().bg, None);
    }
}
