//! What came of the layers: the configuration with the origin of every value, or what is wrong and
//! where. Must not read anything.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;
use toml::{Table, Value};

use super::path::{KeyPath, get, join, written};
use super::schema::Shape;
use super::{Config, SECTIONS};

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "lowercase")]
pub enum Origin {
    Default,
    /// Line and column count from 1.
    File {
        file: PathBuf,
        line: usize,
        column: usize,
    },
    Env {
        variable: String,
    },
    Flag {
        flag: String,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::Env { variable } => write!(f, "environment variable {variable}"),
            Self::Flag { flag } => write!(f, "flag {flag}"),
        }
    }
}

/// One thing that is wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub origin: Origin,
    /// The key as it would be written; empty when the text is no TOML.
    pub key: String,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Never empty; in the order of file, environment, flags.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for problem in &self.problems {
            write!(f, "\n  {problem}")?;
        }
        f.write_str("\n`wsdash config --sample` prints every key with its default")
    }
}

impl std::error::Error for ConfigError {}

/// A configuration with the origin of all that is not default.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// The file that was read, if any.
    pub file: Option<PathBuf>,
    /// What does not stop the start but should be known.
    pub warnings: Vec<String>,
    pub(super) origins: Origins,
}

/// A value as `wsdash config` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The key as it would be written after a dot.
    pub key: String,
    pub value: Value,
    pub origin: Origin,
}

pub(super) type Origins = BTreeMap<KeyPath, Origin>;

impl Loaded {
    /// All defaults, as if there were no file, environment or flag.
    pub fn defaults() -> Self {
        Self {
            config: Config::default(),
            file: None,
            warnings: Vec::new(),
            origins: Origins::new(),
        }
    }

    /// Where the value at a dotted path of fixed keys comes from.
    pub fn origin(&self, key: &str) -> Origin {
        let path: KeyPath = key.split('.').map(str::to_owned).collect();
        self.origins.get(&path).cloned().unwrap_or(Origin::Default)
    }

    /// Every value with its origin, in the order of the documentation. Secrets are hidden.
    pub fn entries(&self) -> Vec<Entry> {
        let table = to_table(&self.config);
        let mut entries = Vec::new();
        let mut add = |path: KeyPath, value: &Value| {
            let origin = self.origins.get(&path).cloned();
            entries.push(Entry {
                key: written(&path),
                value: value.clone(),
                origin: origin.unwrap_or(Origin::Default),
            });
        };
        for section in SECTIONS {
            let path: KeyPath = section.path.split('.').map(str::to_owned).collect();
            let Some(values) = get(&table, &path).and_then(Value::as_table) else {
                continue;
            };
            match section.shape {
                Shape::Keys(keys) => {
                    for key in keys {
                        if let Some(value) = values.get(key.name) {
                            add(join(&path, key.name), value);
                        }
                    }
                }
                Shape::Tables(keys) => {
                    for (name, inner) in values {
                        for key in keys {
                            if let Some(value) = inner.get(key.name) {
                                add(join(&join(&path, name), key.name), value);
                            }
                        }
                    }
                }
                Shape::Values => {
                    for (name, value) in values {
                        add(join(&path, name), value);
                    }
                }
            }
        }
        entries
    }
}

/// Entries as TOML lines with the origin behind each that is not default.
impl fmt::Display for Loaded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for entry in self.entries() {
            let line = format!("{} = {}", entry.key, entry.value);
            match entry.origin {
                Origin::Default => writeln!(f, "{line}")?,
                origin => writeln!(f, "{line:<48}  # {origin}")?,
            }
        }
        Ok(())
    }
}

/// The configuration as a TOML table. Secrets are hidden in it.
pub(super) fn to_table(config: &Config) -> Table {
    // a struct of maps, lists, texts and numbers always serialises
    Table::try_from(config).unwrap_or_default()
}
