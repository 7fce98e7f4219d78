//! Paths of keys in a TOML table, and places in its text. Must not know any key.

use toml::{Table, Value};

/// The names from the root to a key.
pub(super) type KeyPath = Vec<String>;

pub(super) fn join(path: &[String], name: &str) -> KeyPath {
    path.iter().cloned().chain([name.to_owned()]).collect()
}

pub(super) fn get<'a>(table: &'a Table, path: &[String]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    rest.iter()
        .try_fold(table.get(first)?, |value, name| value.get(name))
}

pub(super) fn put(table: &mut Table, path: &[String], value: Value) {
    match path {
        [] => {}
        [name] => {
            table.insert(name.clone(), value);
        }
        [name, rest @ ..] => {
            let inner = table
                .entry(name.clone())
                .or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                put(inner, rest, value);
            }
        }
    }
}

/// A path as TOML writes it: names that need quotes have them.
pub(super) fn written(path: &[String]) -> String {
    let bare = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
    };
    let names: Vec<String> = path
        .iter()
        .map(|name| {
            if bare(name) {
                name.clone()
            } else {
                Value::from(name.clone()).to_string()
            }
        })
        .collect();
    names.join(".")
}

/// Line and column, both from 1, columns in characters.
pub(super) fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .map_or(0, |rest| rest.chars().count());
    (line, column + 1)
}
