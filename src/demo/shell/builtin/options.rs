//! The options of a command, in the notation and with the errors of getopt: a letter that the command does not name
//! is refused, options and operands may be mixed, `--` ends the options.

use std::collections::BTreeMap;

use super::Call;

/// What a command was called with.
#[derive(Debug, Default)]
pub(super) struct Options {
    flags: String,
    values: BTreeMap<char, String>,
    pub(super) rest: Vec<String>,
}

impl Options {
    /// Any of these was given.
    pub(super) fn has(&self, flags: &str) -> bool {
        self.flags.contains(|c| flags.contains(c))
    }

    /// Of these the one that was given last.
    pub(super) fn last_of(&self, flags: &str) -> Option<char> {
        self.flags.chars().rev().find(|c| flags.contains(*c))
    }

    pub(super) fn value(&self, option: char) -> Option<&str> {
        self.values.get(&option).map(String::as_str)
    }

    /// `known` as getopt has it: a colon follows the letter of an option with a value; a plus at the start
    /// ends the options with the first operand.
    fn parse(words: &[String], known: &str) -> Result<Self, String> {
        let (known, mixed) = match known.strip_prefix('+') {
            Some(known) => (known, false),
            None => (known, true),
        };
        let mut found = Self::default();
        let mut words = words.iter().skip(1);
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty()) else {
                found.rest.push(word.clone());
                if !mixed {
                    break;
                }
                continue;
            };
            if letters == "-" {
                break;
            }
            if letters.starts_with('-') {
                return Err(format!("unrecognized option '{word}'"));
            }
            let mut chars = letters.chars();
            while let Some(c) = chars.next() {
                let after = known.split_once(c).filter(|_| c != ':');
                let (_, after) = after.ok_or_else(|| format!("invalid option -- '{c}'"))?;
                found.flags.push(c);
                if after.starts_with(':') {
                    let inline = Some(chars.as_str().to_owned()).filter(|v| !v.is_empty());
                    let value = inline.or_else(|| words.next().cloned());
                    let none = || format!("option requires an argument -- '{c}'");
                    found.values.insert(c, value.ok_or_else(none)?);
                    break;
                }
            }
        }
        found.rest.extend(words.cloned());
        Ok(found)
    }
}

impl Call<'_, '_> {
    /// The options of this call; `None` after the error has been printed.
    pub(super) fn options(&mut self, words: &[String], known: &str) -> Option<Options> {
        let parsed = Options::parse(words, known);
        parsed.map_err(|why| self.fail(&why)).ok()
    }

    /// Options and at least so many operands; `usage` is printed when there are fewer.
    pub(super) fn operands(
        &mut self,
        words: &[String],
        known: &str,
        least: usize,
        usage: &str,
    ) -> Option<Options> {
        let options = self.options(words, known)?;
        if options.rest.len() < least {
            self.usage(usage);
            return None;
        }
        Some(options)
    }

    /// What busybox prints when it is called in a way that makes no sense.
    pub(super) fn usage(&mut self, usage: &str) {
        let text = format!(
            "BusyBox v1.36.1 multi-call binary.\n\nUsage: {} {usage}\n",
            self.name
        );
        let sink = self.io.err.clone();
        self.shell.write(&sink, text.as_bytes(), self.host);
        self.failed = true;
    }
}

/// Suffixes of sizes: powers of 1024, and of 1000 with a `B`.
pub(super) const SIZES: &[(&str, u64)] = &[
    ("k", 1 << 10),
    ("K", 1 << 10),
    ("M", 1 << 20),
    ("G", 1 << 30),
    ("kB", 1000),
    ("KB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
/// Suffixes of counts of bytes and lines.
pub(super) const BLOCKS: &[(&str, u64)] = &[("b", 512), ("k", 1 << 10), ("m", 1 << 20)];

/// A whole number with one of these suffixes, or with none.
pub(super) fn amount(text: &str, suffixes: &[(&str, u64)]) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "" => 1,
        suffix => suffixes.iter().find(|(name, _)| *name == suffix)?.1,
    };
    let plain = digits.bytes().all(|b| b.is_ascii_digit());
    digits
        .parse::<u64>()
        .ok()
        .filter(|_| plain)?
        .checked_mul(unit)
}
