//! The sample file and the table of the documentation, both made from the sections themselves.
//! Must not hold any text about a single key.

use std::fmt::Write as _;

use toml::Value;

use super::layers::variable;
use super::path::get;
use super::report::to_table;
use super::schema::{Key, Section, Shape, lines};
use super::{Config, SECTIONS};

/// Every key with its meaning, as a file. Lines that begin with `#` and no blank are the defaults:
/// without their `#` the file means the same.
pub fn sample() -> String {
    let mut out = String::from(
        "# Configuration of wsdash, to be put into $XDG_CONFIG_HOME/wsdash/config.toml\n\
         # (~/.config/wsdash/config.toml). All values below are the defaults: take away the # before\n\
         # a line to change it. `wsdash config` prints what is in force and where it comes from.\n",
    );
    for section in SECTIONS {
        out.push('\n');
        comment(&mut out, section.about);
        let _ = writeln!(out, "[{}]", section.path);
        match section.shape {
            Shape::Keys(keys) => {
                for key in keys {
                    comment(&mut out, key.about);
                    let _ = writeln!(out, "#{} = {}", key.name, default_of(section, key));
                }
            }
            Shape::Tables(keys) => {
                for key in keys {
                    let about: Vec<&str> = lines(key.about).collect();
                    let _ = writeln!(out, "# {}: {}", key.name, about.join(" "));
                }
            }
            Shape::Values => {}
        }
    }
    out
}

/// Every key with its default, its variable and its meaning, as Markdown.
pub fn reference() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        let about: Vec<&str> = lines(section.about).collect();
        let _ = write!(out, "## `[{}]`\n\n{}\n", section.path, about.join(" "));
        let keys = match section.shape {
            Shape::Keys(keys) => {
                out.push_str("\n| key | default | variable | meaning |\n|---|---|---|---|\n");
                keys
            }
            Shape::Tables(keys) => {
                out.push_str("\n| key | meaning |\n|---|---|\n");
                keys
            }
            Shape::Values => &[],
        };
        for key in keys {
            let about = lines(key.about).collect::<Vec<_>>().join(" ");
            let about = about.replace('|', "\\|");
            if matches!(section.shape, Shape::Keys(_)) {
                let default = default_of(section, key);
                let path = path_of(section, key);
                let variable = variable(&path);
                let _ = writeln!(
                    out,
                    "| `{}` | `{default}` | `{variable}` | {about} |",
                    key.name
                );
            } else {
                let _ = writeln!(out, "| `{}` | {about} |", key.name);
            }
        }
        out.push('\n');
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

fn comment(out: &mut String, about: &str) {
    for line in lines(about) {
        let _ = writeln!(out, "# {line}");
    }
}

fn path_of(section: &Section, key: &Key) -> Vec<String> {
    section
        .path
        .split('.')
        .chain([key.name])
        .map(str::to_owned)
        .collect()
}

fn default_of(section: &Section, key: &Key) -> String {
    let table = to_table(&Config::default());
    get(&table, &path_of(section, key))
        .map(Value::to_string)
        .unwrap_or_default()
}
