//! Reads the layers, checks every key where it was written, merges them and keeps each value's
//! origin. Must not decide what a value means beyond its type.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use toml::de::{DeTable, DeValue};
use toml::{Table, Value};

use super::path::{KeyPath, get, join, line_and_column, put, written};
use super::report::{ConfigError, Loaded, Origin, Origins, Problem, to_table};
use super::schema::{self, Node, Shape};
use super::{Config, Known, SECTIONS, validate};

/// What the environment variables of wsdash begin with.
const PREFIX: &str = "WSDASH_";
/// Names the configuration file; the flag `--config` goes before it.
const FILE_VARIABLE: &str = "WSDASH_CONFIG";

/// Where the layers above the defaults come from.
#[derive(Debug, Clone, Default)]
pub struct Sources<'a> {
    /// The file of `--config`; it must exist.
    pub file: Option<PathBuf>,
    /// The environment. Variables that do not begin with `WSDASH_` are ignored.
    pub env: Vec<(String, String)>,
    /// What flags say.
    pub flags: Vec<Override>,
    /// Names that only the rest of the program knows.
    pub known: Known<'a>,
}

impl Sources<'_> {
    /// The environment of this process. Values that are no Unicode cannot be settings.
    pub fn environment() -> Vec<(String, String)> {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }
}

/// A value that a flag gives to a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Override {
    /// Dotted path of a fixed key.
    pub key: &'static str,
    pub value: Value,
    /// The flag as it is typed, for messages.
    pub flag: &'static str,
}

pub(super) fn load(sources: &Sources<'_>) -> anyhow::Result<Loaded> {
    let mut merge = Merge::new();
    let file = merge.file(sources)?;
    merge.env(&sources.env);
    merge.flags(&sources.flags);
    merge.finish(&sources.known, file)
}

/// The configuration as it grows layer by layer.
struct Merge {
    table: Table,
    origins: Origins,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Merge {
    fn new() -> Self {
        Self {
            table: to_table(&Config::default()),
            origins: Origins::new(),
            problems: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Reads the file that a flag or a variable names, or the usual one if it is there.
    fn file(&mut self, sources: &Sources<'_>) -> anyhow::Result<Option<PathBuf>> {
        let named = sources.file.clone().or_else(|| {
            let (_, value) = sources.env.iter().find(|(name, _)| name == FILE_VARIABLE)?;
            (!value.is_empty()).then(|| PathBuf::from(value))
        });
        let must_exist = named.is_some();
        let path = match named {
            Some(path) => path,
            // without a home folder there is no usual file, and nothing to complain about
            None => match super::default_file() {
                Ok(path) => path,
                Err(_) => return Ok(None),
            },
        };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                return Ok(None);
            }
            Err(error) => {
                return Err(error).with_context(|| {
                    format!(
                        "reading the configuration {}; mend it or name another with --config",
                        path.display()
                    )
                });
            }
        };
        self.text(&path, &text);
        Ok(Some(path))
    }

    fn text(&mut self, file: &Path, text: &str) {
        let place = |at: usize| {
            let (line, column) = line_and_column(text, at);
            Origin::File {
                file: file.to_owned(),
                line,
                column,
            }
        };
        match DeTable::parse(text) {
            Ok(spans) => match toml::from_str::<Table>(text) {
                Ok(values) => self.walk(&mut Vec::new(), spans.get_ref(), &values, &place),
                Err(error) => self.syntax(&error, place),
            },
            Err(error) => self.syntax(&error, place),
        }
    }

    fn syntax(&mut self, error: &toml::de::Error, place: impl Fn(usize) -> Origin) {
        self.problems.push(Problem {
            origin: place(error.span().map_or(0, |span| span.start)),
            key: String::new(),
            message: format!("this is not TOML: {}", error.message()),
        });
    }

    /// Every key of a table of the file: `spans` knows the places, `values` the values.
    fn walk(
        &mut self,
        parent: &mut KeyPath,
        spans: &DeTable<'_>,
        values: &Table,
        place: &impl Fn(usize) -> Origin,
    ) {
        for (name, span) in spans {
            let Some(value) = values.get(name.get_ref().as_ref()) else {
                continue;
            };
            parent.push(name.get_ref().to_string());
            let names: Vec<&str> = parent.iter().map(String::as_str).collect();
            let origin = place(name.span().start);
            match (schema::node(SECTIONS, &names), span.get_ref(), value) {
                (Node::Section, DeValue::Table(inner_spans), Value::Table(inner)) => {
                    self.walk(parent, inner_spans, inner, place);
                }
                (Node::Section, _, _) => {
                    let message = "is a section; write its keys below it in brackets".to_owned();
                    self.problem(origin, parent, message);
                }
                (Node::Leaf, _, _) => self.set(parent, value.clone(), origin),
                (Node::Unknown, _, _) => {
                    let message = unknown(&names);
                    self.problem(origin, parent, message);
                }
            }
            parent.pop();
        }
    }

    fn env(&mut self, env: &[(String, String)]) {
        let keys: BTreeMap<String, KeyPath> =
            fixed_keys().map(|path| (variable(&path), path)).collect();
        for (name, text) in env {
            if !name.starts_with(PREFIX) || name == FILE_VARIABLE || is_foreign(name) {
                continue;
            }
            let Some(path) = keys.get(name) else {
                let near = schema::nearest(name, keys.keys().map(String::as_str));
                self.warnings.push(format!(
                    "the environment variable {name} is not known{}; it is ignored",
                    near.map(|near| format!(" (did you mean {near}?)"))
                        .unwrap_or_default()
                ));
                continue;
            };
            let origin = Origin::Env {
                variable: name.clone(),
            };
            match from_text(get(&self.table, path), text) {
                Ok(value) => self.set(path, value, origin),
                Err(message) => self.problem(origin, path, message),
            }
        }
    }

    fn flags(&mut self, flags: &[Override]) {
        for flag in flags {
            let path: KeyPath = flag.key.split('.').map(str::to_owned).collect();
            let origin = Origin::Flag {
                flag: flag.flag.to_owned(),
            };
            self.set(&path, flag.value.clone(), origin);
        }
    }

    /// Puts one value in if the configuration with it can still be read.
    fn set(&mut self, path: &[String], value: Value, origin: Origin) {
        if let Some(before) = get(&self.table, path)
            && let Some(wanted) = mismatch(before, &value)
        {
            self.problem(origin, path, wanted);
            return;
        }
        let mut changed = self.table.clone();
        put(&mut changed, path, value);
        match Value::Table(changed.clone()).try_into::<Config>() {
            Ok(_) => {
                self.table = changed;
                self.origins.insert(path.to_vec(), origin);
            }
            Err(error) => self.problem(origin, path, error.message().to_owned()),
        }
    }

    fn problem(&mut self, origin: Origin, path: &[String], message: String) {
        self.problems.push(Problem {
            origin,
            key: written(path),
            message,
        });
    }

    fn finish(mut self, known: &Known<'_>, file: Option<PathBuf>) -> anyhow::Result<Loaded> {
        let config: Config = Value::Table(self.table.clone())
            .try_into()
            .context("reading the merged configuration")?;
        let origins = std::mem::take(&mut self.origins);
        for finding in validate::check(&config, known) {
            // the value that was written is to blame, not the default beside it
            let blamed = finding
                .keys
                .iter()
                .find(|path| origins.contains_key(*path))
                .or(finding.keys.first());
            let Some(path) = blamed else { continue };
            let origin = origins.get(path).cloned().unwrap_or(Origin::Default);
            self.problem(origin, path, finding.message);
        }
        self.warnings.extend(validate::warn(&config));
        if self.problems.is_empty() {
            Ok(Loaded {
                config,
                file,
                warnings: self.warnings,
                origins,
            })
        } else {
            Err(ConfigError {
                problems: self.problems,
            }
            .into())
        }
    }
}

/// Paths of all keys that are not under free names.
pub(super) fn fixed_keys() -> impl Iterator<Item = KeyPath> {
    SECTIONS.iter().flat_map(|section| {
        let keys = match section.shape {
            Shape::Keys(keys) => keys,
            Shape::Tables(_) | Shape::Values => &[],
        };
        let path: KeyPath = section.path.split('.').map(str::to_owned).collect();
        keys.iter().map(move |key| join(&path, key.name))
    })
}

/// The environment variable of a fixed key.
pub(super) fn variable(path: &[String]) -> String {
    format!("{PREFIX}{}", path.join("_").to_uppercase())
}

/// Variables with our prefix that are not settings: those that Kubernetes injects for a Service
/// named `wsdash`, and those of the tests.
fn is_foreign(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or(name);
    rest == "PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_")
        || rest.starts_with("E2E_")
        || rest.starts_with("TEST_")
}

fn unknown(names: &[&str]) -> String {
    let Some((last, parent)) = names.split_last() else {
        return "is not known".to_owned();
    };
    if let Some(near) = schema::nearest(last, schema::siblings(SECTIONS, names)) {
        let owned: Vec<String> = parent
            .iter()
            .chain([&near])
            .map(|&n| n.to_owned())
            .collect();
        return format!("is not a known key; did you mean {}?", written(&owned));
    }
    // the right name in the wrong section
    let all: Vec<KeyPath> = fixed_keys().collect();
    let near = all
        .iter()
        .find(|path| path.last().is_some_and(|name| name == last));
    match near {
        Some(path) => format!("is not a known key; did you mean {}?", written(path)),
        None => "is not a known key".to_owned(),
    }
}

/// What kind of value was wanted, if `value` is of another kind than the one it replaces.
fn mismatch(before: &Value, value: &Value) -> Option<String> {
    let same = std::mem::discriminant(before) == std::mem::discriminant(value)
        || matches!((before, value), (Value::Float(_), Value::Integer(_)));
    (!same).then(|| {
        format!(
            "wants {} such as {before}, found {} {value}",
            kind(before),
            kind(value)
        )
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// The text of an environment variable as the kind of value that the key has. Lists are separated
/// by commas.
fn from_text(before: Option<&Value>, text: &str) -> Result<Value, String> {
    let wrong = |wanted: &str| format!("wants {wanted}, found `{text}`");
    match before {
        Some(Value::Integer(_)) => text
            .trim()
            .parse()
            .map(Value::Integer)
            .ok()
            .ok_or_else(|| wrong("a whole number")),
        Some(Value::Float(_)) => text
            .trim()
            .parse()
            .map(Value::Float)
            .ok()
            .ok_or_else(|| wrong("a number")),
        Some(Value::Boolean(_)) => text
            .trim()
            .parse()
            .map(Value::Boolean)
            .ok()
            .ok_or_else(|| wrong("true or false")),
        Some(Value::Array(_)) => Ok(Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect(),
        )),
        _ => Ok(Value::from(text)),
    }
}
