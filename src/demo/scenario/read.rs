//! From the text of a scenario to its types, with the place in the file of everything that can be wrong.

use std::ops::Deref;

use anyhow::{Result, anyhow};
use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Scenario;
use crate::domain::quantity::Quantity;

/// A value of a scenario, and where in the file it stands.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
#[serde(bound(deserialize = "T: Deserialize<'de>"))]
pub struct Placed<T>(Spanned<T>);

/// A text that names something.
pub type Name = Placed<String>;

impl<T> Placed<T> {
    /// Bytes before it.
    pub(super) fn at(&self) -> usize {
        self.0.span().start
    }
}

impl<T> Deref for Placed<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get_ref()
    }
}

impl From<String> for Name {
    /// A name that stands in no file.
    fn from(text: String) -> Self {
        Self(Spanned::new(0..0, text))
    }
}

#[cfg(test)]
impl<T: schemars::JsonSchema> schemars::JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        T::json_schema(generator)
    }
}

/// Something that is wrong at a place of a file.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    /// Bytes before it.
    pub(super) at: usize,
}

impl Fault {
    pub(super) fn in_file(&self, name: &str, text: &str) -> anyhow::Error {
        let before = text.get(..self.at).unwrap_or("");
        let line = before.matches('\n').count() + 1;
        anyhow!("scenario {name}, line {line}: {}", self.message)
    }
}

impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Self {
        Self {
            message: explain(error.message()),
            at: error.span().map_or(0, |span| span.start),
        }
    }
}

/// Reads a scenario; `name` is for the error alone.
pub(super) fn parse(name: &str, text: &str) -> Result<Scenario> {
    document(text).map_err(|fault| fault.in_file(name, text))
}

fn document(text: &str) -> Result<Scenario, Fault> {
    let mut document = DeTable::parse(text)?;
    let root = document.get_mut();
    if let Some(DeValue::Array(entries)) = root.get_mut("timeline").map(Spanned::get_mut) {
        for entry in entries.iter_mut() {
            nest(entry, "do", Some(("at", "action")))?;
        }
    }
    if let Some(DeValue::Table(drill)) = root.get_mut("drill").map(Spanned::get_mut)
        && let Some(mended) = drill.get_mut("mended")
    {
        nest(mended, "is", None)?;
    }
    let scenario = Scenario::deserialize(toml::de::Deserializer::from(document))?;
    Ok(scenario)
}

/// `{do = "x", …}` becomes `{x = {…}}`, the form of an enum that keeps the places of its keys; with `outside`, one
/// key stays where it is, and the enum is put beside it.
fn nest(
    value: &mut Spanned<DeValue<'_>>,
    tag: &'static str,
    outside: Option<(&'static str, &'static str)>,
) -> Result<(), Fault> {
    let span = value.span();
    let DeValue::Table(table) = value.get_mut() else {
        return Ok(());
    };
    let mut inside = std::mem::take(table);
    let key = |text: &'static str| Spanned::new(span.clone(), text.into());
    let Some(which) = inside.remove(tag) else {
        let message = format!("missing field `{tag}`");
        return Err(Fault {
            message,
            at: span.start,
        });
    };
    let at = which.span();
    let DeValue::String(word) = which.into_inner() else {
        let message = format!("`{tag}` must be a text");
        return Err(Fault {
            message,
            at: at.start,
        });
    };
    let kept = outside.and_then(|(name, _)| inside.remove_entry(name));
    let inside = Spanned::new(span.clone(), DeValue::Table(inside));
    let mut nested = DeTable::new();
    nested.insert(Spanned::new(at, word), inside);
    match outside {
        None => *table = nested,
        Some((_, name)) => {
            table.extend(kept);
            let nested = Spanned::new(span.clone(), DeValue::Table(nested));
            table.insert(key(name), nested);
        }
    }
    Ok(())
}

/// The message of a decoder, in one form, with what was meant.
fn explain(message: &str) -> String {
    let mut message = message.to_owned();
    if let Some(rest) = message.strip_prefix("unexpected keys in table: ")
        && let Some((wrong, known)) = rest.split_once(", available keys: ")
    {
        let wrong = wrong.split(", ").next().unwrap_or(wrong);
        let known: Vec<String> = known.split(", ").map(|k| format!("`{k}`")).collect();
        message = format!("unknown field `{wrong}`, expected {}", known.join(", "));
    }
    match nearest(&message) {
        Some(near) => format!("{message}; did you mean `{near}`?"),
        None => message,
    }
}

/// Which of the words that an error lists was meant by the unknown one.
fn nearest(message: &str) -> Option<String> {
    let rest = (message.strip_prefix("unknown field `"))
        .or_else(|| message.strip_prefix("unknown variant `"))?;
    let (wrong, rest) = rest.split_once('`')?;
    let (_, known) = rest.split_once("expected")?;
    near(wrong, known.split('`').skip(1).step_by(2)).map(str::to_owned)
}

/// The word that differs least.
pub(super) fn near<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known.into_iter().min_by_key(|k| distance(wrong, k))
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut last = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, y) in b.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(0);
            let left = row.get(j).copied().unwrap_or(0);
            let best = (last + usize::from(x != *y)).min(above + 1).min(left + 1);
            last = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = best;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

pub(crate) fn quantity<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    match Quantity::parse(&text) {
        Ok(_) => Ok(text),
        Err(_) => Err(D::Error::custom(format!(
            "{text:?} is no quantity; write it as 500m, 2, 400Mi or 5Gi"
        ))),
    }
}

pub(crate) fn quantity_or_none<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    quantity(from).map(Some)
}

pub(crate) fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(from)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(D::Error::custom(format!(
        "{share} is no share; write it from 0 to 1"
    )))
}

pub(crate) fn share_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<f64>, D::Error> {
    share(from).map(Some)
}

pub(crate) fn seconds<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let seconds = f64::deserialize(from)?;
    if (0.0..1e9).contains(&seconds) {
        return Ok(seconds);
    }
    Err(D::Error::custom(format!(
        "{seconds} is no time after the start"
    )))
}
