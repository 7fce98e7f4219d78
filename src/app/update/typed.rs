//! The line after `:` – a view, a command, or a command with words behind it.

use std::collections::BTreeSet;

use super::{act, modal, open_view, relist};
use crate::app::column;
use crate::app::command::{self, COMMANDS, Id};
use crate::app::effect::Effect;
use crate::app::filter::Filter;
use crate::app::model::{Level, Model, View};
use crate::domain::key::Text;

/// Names that people know from elsewhere.
const ALIASES: [(&str, &str); 22] = [
    ("q", "quit"),
    ("q!", "quit"),
    ("qa", "quit"),
    ("exit", "quit"),
    ("ws", "workspaces"),
    ("workspace", "workspaces"),
    ("pvc", "claims"),
    ("persistentvolumeclaims", "claims"),
    ("pv", "volumes"),
    ("persistentvolumes", "volumes"),
    ("po", "pods"),
    ("pod", "pods"),
    ("sts", "sets"),
    ("statefulsets", "sets"),
    ("vs", "snapshots"),
    ("volumesnapshots", "snapshots"),
    ("ev", "events"),
    ("problems", "findings"),
    ("log", "logs"),
    ("namespace", "ns"),
    ("context", "ctx"),
    ("h", "help"),
];

/// Commands that take words.
const WITH_WORDS: [&str; 4] = ["ns", "ctx", "sort", "filter"];

pub(super) fn run(model: &mut Model, line: &str) -> Vec<Effect> {
    let (name, rest) = match line.split_once(char::is_whitespace) {
        Some((name, rest)) => (name, rest.trim()),
        None => (line, ""),
    };
    let name = name.to_lowercase();
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name.as_str(), |(_, name)| name);
    match name {
        "ns" => return namespace(model, rest),
        "ctx" => return context(model, rest),
        "sort" => {
            sort(model, rest);
            return Vec::new();
        }
        "filter" if !rest.is_empty() => {
            filter(model, rest);
            return Vec::new();
        }
        _ => {}
    }
    let Ok(id) = name.parse::<Id>() else {
        let near = nearest(name);
        let hint = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        model.notify(Level::Warn, format!("there is no command `{name}`{hint}"));
        return Vec::new();
    };
    if let Some(view) = command::view(id) {
        open_view(model, view);
        if !rest.is_empty() {
            filter(model, rest);
        }
        return Vec::new();
    }
    if !rest.is_empty() {
        model.notify(
            Level::Warn,
            format!("{name} takes no words, so `{rest}` says nothing"),
        );
        return Vec::new();
    }
    act::run(model, id)
}

fn nearest(name: &str) -> Option<&'static str> {
    let all = COMMANDS
        .iter()
        .map(command::Command::name)
        .chain(WITH_WORDS);
    let near = all
        .map(|known| (strsim::damerau_levenshtein(known, name), known))
        .min()?;
    (near.0 <= 2).then_some(near.1)
}

fn namespace(model: &mut Model, name: &str) -> Vec<Effect> {
    if name.split_whitespace().count() > 1 {
        model.notify(Level::Warn, "ns takes one name, or `all`");
        return Vec::new();
    }
    let namespace: Option<Text> = match name {
        "" => {
            model.notify(Level::Warn, "ns needs a name, or `all`");
            return Vec::new();
        }
        "all" | "*" => None,
        name => Some(name.into()),
    };
    if namespace == model.place.namespace {
        return Vec::new();
    }
    if namespace.is_some() {
        model.home.clone_from(&namespace);
    }
    model.place.namespace.clone_from(&namespace);
    model.forget();
    vec![Effect::SwitchNamespace { namespace }]
}

fn context(model: &mut Model, name: &str) -> Vec<Effect> {
    if name.is_empty() {
        model.notify(
            Level::Warn,
            "ctx needs the name of a context; tab shows them",
        );
        return Vec::new();
    }
    if !model.contexts.is_empty() && !model.contexts.iter().any(|c| **c == *name) {
        model.notify(
            Level::Warn,
            format!("the kubeconfig has no context `{name}`"),
        );
        return Vec::new();
    }
    vec![Effect::SwitchContext {
        context: name.into(),
    }]
}

fn sort(model: &mut Model, words: &str) {
    let (wanted, descending) = match words.strip_suffix(" desc") {
        Some(column) => (column.trim(), Some(true)),
        None => (words, Some(false)),
    };
    let columns = column::columns(model.view);
    let found = columns
        .iter()
        .find(|c| c.id == wanted || c.title.eq_ignore_ascii_case(wanted));
    if let Some(column) = found {
        modal::sort_by(model, column.id, descending);
    } else if wanted == "needs" || wanted.is_empty() {
        modal::sort_by(model, column::default_sort(model.view), descending);
    } else {
        let names: Vec<&str> = columns.iter().map(|c| c.id).collect();
        model.notify(
            Level::Warn,
            format!("no column `{wanted}` here; there are {}", names.join(", ")),
        );
    }
}

fn filter(model: &mut Model, text: &str) {
    if let Some(listing) = model.listings.get_mut(&model.view) {
        listing.filter = Filter::parse(text);
        listing.start_over();
    }
    relist(model);
}

/// What `tab` offers for a line, best first.
pub(super) fn completions(model: &Model, line: &str) -> Vec<String> {
    let Some((name, rest)) = line.split_once(' ') else {
        if line.is_empty() {
            return Vec::new();
        }
        let mut names: Vec<&str> = COMMANDS
            .iter()
            .map(command::Command::name)
            .chain(WITH_WORDS)
            .filter(|name| name.starts_with(line))
            .collect();
        // Views are what is typed most.
        names.sort_by_key(|name| name.parse::<View>().is_err());
        return names.into_iter().map(str::to_owned).collect();
    };
    let words: Vec<String> = match name {
        "ns" | "namespace" => {
            let mut names: BTreeSet<&str> = (model.inventory.workspaces())
                .map(|w| &*w.key.namespace)
                .collect();
            names.extend(model.home.as_deref());
            let all = std::iter::once("all".to_owned());
            all.chain(names.into_iter().map(str::to_owned)).collect()
        }
        "ctx" | "context" => model.contexts.iter().map(ToString::to_string).collect(),
        "sort" => (column::columns(model.view).iter())
            .map(|c| c.id.to_owned())
            .collect(),
        _ => Vec::new(),
    };
    words
        .into_iter()
        .filter(|word| word.starts_with(rest.trim_start()))
        .map(|word| format!("{name} {word}"))
        .collect()
}
