//! Which key means which command. Keys are written as in the configuration: `j`, `S`, `ctrl-f`,
//! `enter`, `space`, `shift-tab`, `f5`. Must not know what a command does.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::command::{COMMANDS, Id};

/// A key with its modifiers. Shift is part of the character, not a modifier of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Chord {
    code: KeyCode,
    modifiers: KeyModifiers,
}

/// Keys with names; everything else is its character.
const NAMED: [(&str, KeyCode); 18] = [
    ("enter", KeyCode::Enter),
    ("esc", KeyCode::Esc),
    ("tab", KeyCode::Tab),
    ("shift-tab", KeyCode::BackTab),
    ("space", KeyCode::Char(' ')),
    ("backspace", KeyCode::Backspace),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("minus", KeyCode::Char('-')),
    ("plus", KeyCode::Char('+')),
];

impl Chord {
    /// The key that a text names; `None` when there is no such key.
    pub fn parse(text: &str) -> Option<Self> {
        if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == text) {
            return Some(Self::plain(*code));
        }
        let (modifiers, rest) = if let Some(rest) = text.strip_prefix("ctrl-") {
            (KeyModifiers::CONTROL, rest)
        } else if let Some(rest) = text.strip_prefix("alt-") {
            (KeyModifiers::ALT, rest)
        } else {
            (KeyModifiers::NONE, text)
        };
        let code = if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == rest) {
            *code
        } else if let Some(number) = rest.strip_prefix('f').filter(|n| !n.is_empty()) {
            KeyCode::F(number.parse().ok().filter(|n| (1..=12).contains(n))?)
        } else {
            let mut characters = rest.chars();
            let character = characters.next()?;
            if characters.next().is_some() || character.is_control() {
                return None;
            }
            KeyCode::Char(character)
        };
        Some(Self { code, modifiers })
    }

    const fn plain(code: KeyCode) -> Self {
        Self {
            code,
            modifiers: KeyModifiers::NONE,
        }
    }

    /// As a terminal reports it.
    #[cfg(test)]
    pub(crate) const fn parts(self) -> (KeyCode, KeyModifiers) {
        (self.code, self.modifiers)
    }

    /// What was pressed. Terminals report shift with some characters and not with others.
    pub fn of(key: KeyEvent) -> Self {
        let mut modifiers = key.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        let code = match key.code {
            KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => KeyCode::BackTab,
            // With ctrl a terminal cannot tell A from a.
            KeyCode::Char(c) if modifiers.contains(KeyModifiers::CONTROL) => {
                KeyCode::Char(c.to_ascii_lowercase())
            }
            code => code,
        };
        if code == KeyCode::BackTab {
            modifiers = KeyModifiers::NONE;
        }
        Self { code, modifiers }
    }
}

impl fmt::Display for Chord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.modifiers.contains(KeyModifiers::CONTROL) {
            f.write_str("ctrl-")?;
        }
        if self.modifiers.contains(KeyModifiers::ALT) {
            f.write_str("alt-")?;
        }
        let named = |(_, code): &&(&str, KeyCode)| *code == self.code;
        match (self.code, NAMED.iter().take(16).find(named)) {
            (_, Some((name, _))) => f.write_str(name),
            (KeyCode::F(number), _) => write!(f, "f{number}"),
            (KeyCode::Char(c), _) => write!(f, "{c}"),
            (other, _) => write!(f, "{other}"),
        }
    }
}

/// Keys by command and commands by key.
#[derive(Clone, Debug)]
pub struct Keymap {
    commands: HashMap<Chord, Id>,
    keys: BTreeMap<Id, Vec<Chord>>,
}

impl Keymap {
    /// The keys of the command table, with those of the configuration in their place. A key that
    /// the configuration gives to one command is taken from the command that had it by default;
    /// the error names a key that the configuration itself gives to two.
    pub fn new(chosen: &BTreeMap<String, Vec<String>>) -> anyhow::Result<Self> {
        let mut map = Self {
            commands: HashMap::new(),
            keys: BTreeMap::new(),
        };
        let own = |id: Id| chosen.get(<&str>::from(id));
        for command in COMMANDS {
            for text in own(command.id).into_iter().flatten() {
                let chord = Chord::parse(text).ok_or_else(|| {
                    anyhow::anyhow!("keys.{}: there is no key `{text}`", command.name())
                })?;
                if let Some(other) = map.commands.insert(chord, command.id)
                    && other != command.id
                {
                    anyhow::bail!(
                        "keys.{}: `{text}` is already the key of {}; choose another for one of them",
                        command.name(),
                        <&str>::from(other),
                    );
                }
                map.keys.entry(command.id).or_default().push(chord);
            }
        }
        for command in COMMANDS {
            if own(command.id).is_some() {
                continue;
            }
            for chord in command.keys.iter().filter_map(|k| Chord::parse(k)) {
                if let std::collections::hash_map::Entry::Vacant(free) = map.commands.entry(chord) {
                    free.insert(command.id);
                    map.keys.entry(command.id).or_default().push(chord);
                }
            }
        }
        Ok(map)
    }

    pub fn command(&self, key: KeyEvent) -> Option<Id> {
        self.commands.get(&Chord::of(key)).copied()
    }

    /// The keys of a command, the usual one first; none when it has been taken off the keyboard.
    pub fn keys(&self, id: Id) -> &[Chord] {
        self.keys.get(&id).map_or(&[], |k| k)
    }
}

impl Default for Keymap {
    fn default() -> Self {
        // Nothing was chosen, so nothing can contradict itself.
        Self::new(&BTreeMap::new()).unwrap_or(Self {
            commands: HashMap::new(),
            keys: BTreeMap::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(keys: &[(&str, &[&str])]) -> BTreeMap<String, Vec<String>> {
        keys.iter()
            .map(|(command, keys)| {
                let keys = keys.iter().map(|&k| k.to_owned()).collect();
                ((*command).to_owned(), keys)
            })
            .collect()
    }

    #[test]
    fn every_key_of_the_table_is_a_key_and_belongs_to_one_command() {
        let mut seen = HashMap::new();
        for command in COMMANDS {
            for text in command.keys {
                let chord = Chord::parse(text).unwrap_or_else(|| panic!("{text}"));
                assert_eq!(chord.to_string(), *text);
                assert_eq!(seen.insert(chord, command.name()), None, "{text}");
            }
        }
    }

    #[test]
    fn a_chosen_key_is_taken_from_the_command_that_had_it() {
        let map = Keymap::new(&chosen(&[("logs", &["y"])])).unwrap();
        let key = KeyEvent::new(KeyCode::Char('y'), KeyModifiers::NONE);
        assert_eq!(map.command(key), Some(Id::Logs));
        assert_eq!(map.keys(Id::Yaml), []);
    }

    #[test]
    fn one_key_for_two_commands_is_an_error_that_names_both() {
        let error = Keymap::new(&chosen(&[("logs", &["y"]), ("yaml", &["y"])])).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("logs") && text.contains("yaml"), "{text}");
    }

    #[test]
    fn shift_is_in_the_character() {
        let pressed = KeyEvent::new(KeyCode::Char('S'), KeyModifiers::SHIFT);
        assert_eq!(Chord::of(pressed), Chord::parse("S").unwrap());
        assert_eq!(Chord::parse("ctrl-"), None);
        assert_eq!(Chord::parse("f13"), None);
        assert_eq!(Chord::parse("jj"), None);
    }
}
