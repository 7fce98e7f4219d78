//! Checks that need more than one value, or names that only the rest of the program knows.
//! Must not change anything.

use std::collections::BTreeMap;

use super::value::{origin_of, parse_address};
use super::{Config, Credential, Known, schema};

/// What is wrong, and the keys that can be blamed; those that somebody wrote go first in the report.
pub(super) struct Wrong {
    pub keys: Vec<Vec<String>>,
    pub message: String,
}

pub(super) fn check(config: &Config, known: &Known<'_>) -> Vec<Wrong> {
    let mut wrong = Vec::new();
    order(config, &mut wrong);
    ranges(config, &mut wrong);
    texts(config, &mut wrong);
    for (address, credential) in &config.metrics.credentials {
        credential_of(address, credential, &mut wrong);
    }
    bound_twice(config, &mut wrong);
    names(config, known, &mut wrong);
    wrong
}

/// What may be meant so, but should be known.
pub(super) fn warn(config: &Config) -> Vec<String> {
    config
        .metrics
        .credentials
        .keys()
        .filter(|address| address.starts_with("http://"))
        .map(|address| format!("the credential for {address} goes over the network unencrypted"))
        .collect()
}

fn path(dotted: &str) -> Vec<String> {
    dotted.split('.').map(str::to_owned).collect()
}

fn blame(wrong: &mut Vec<Wrong>, key: &str, message: impl Into<String>) {
    wrong.push(Wrong {
        keys: vec![path(key)],
        message: message.into(),
    });
}

/// A limit that is reached later must not be lower.
fn order(config: &Config, wrong: &mut Vec<Wrong>) {
    let limits = &config.thresholds;
    let pairs = [
        ("disk_warn", limits.disk_warn, "disk_high", limits.disk_high),
        (
            "disk_high",
            limits.disk_high,
            "disk_critical",
            limits.disk_critical,
        ),
        (
            "inodes_warn",
            limits.inodes_warn,
            "inodes_critical",
            limits.inodes_critical,
        ),
        (
            "cpu_warn",
            limits.cpu_warn,
            "cpu_critical",
            limits.cpu_critical,
        ),
        (
            "memory_warn",
            limits.memory_warn,
            "memory_critical",
            limits.memory_critical,
        ),
    ];
    for (low, low_value, high, high_value) in pairs {
        if low_value > high_value {
            wrong.push(Wrong {
                keys: vec![
                    path(&format!("thresholds.{low}")),
                    path(&format!("thresholds.{high}")),
                ],
                message: format!(
                    "thresholds.{low} is {low_value} and thresholds.{high} is {high_value}; \
                     the first must not be higher"
                ),
            });
        }
    }
}

fn ranges(config: &Config, wrong: &mut Vec<Wrong>) {
    let mut within = |key: &str, value: u64, least: u64, most: u64| {
        if !(least..=most).contains(&value) {
            blame(
                wrong,
                key,
                format!("{value} is not between {least} and {most}"),
            );
        }
    };
    within(
        "thresholds.restarts",
        config.thresholds.restarts.into(),
        1,
        1000,
    );
    within(
        "metrics.forecast_points",
        config.metrics.forecast_points.into(),
        2,
        100_000,
    );
    within(
        "connection.page_size",
        config.connection.page_size.into(),
        1,
        10_000,
    );
    within(
        "orphans.observations",
        config.orphans.observations.into(),
        2,
        1000,
    );
    within("orphans.cap", config.orphans.cap.into(), 1, 100);
    within(
        "actions.verify.payload_bytes",
        config.actions.verify.payload_bytes.into(),
        4096,
        64 * 1024 * 1024,
    );
    within("ui.fps", config.ui.fps.into(), 1, 240);
    within(
        "log.max_bytes",
        config.log.max_bytes,
        64 * 1024,
        1024 * 1024 * 1024,
    );
    within("log.keep", config.log.keep.into(), 0, 100);
}

fn texts(config: &Config, wrong: &mut Vec<Wrong>) {
    let workspaces = &config.workspaces;
    for mount in &workspaces.persist_paths {
        if !mount.starts_with('/') {
            let message = format!("`{mount}` is not a path in a container: it must start with /");
            blame(wrong, "workspaces.persist_paths", message);
        }
    }
    if config
        .actions
        .shells
        .iter()
        .all(|shell| shell.trim().is_empty())
    {
        blame(wrong, "actions.shells", "names no shell");
    }
    if crate::logging::parse_filter(&config.log.level).is_err() {
        let message = format!(
            "`{}` is neither off, error, warn, info, debug or trace nor a list of filters such as \
             info,wsdash::cluster=debug",
            config.log.level
        );
        blame(wrong, "log.level", message);
    }
    for pattern in config.contexts.keys() {
        if pattern.trim().is_empty() {
            wrong.push(Wrong {
                keys: ["colour", "label", "read_only"]
                    .map(|key| vec!["contexts".to_owned(), pattern.clone(), key.to_owned()])
                    .into(),
                message: "an empty name fits no context; `*` fits all".to_owned(),
            });
        }
    }
}

fn credential_of(address: &str, credential: &Credential, wrong: &mut Vec<Wrong>) {
    let mut say = |key: &str, message: String| {
        wrong.push(Wrong {
            keys: [
                key,
                "bearer_file",
                "username",
                "password_file",
                "ca_file",
                "headers",
            ]
            .map(|name| {
                ["metrics", "credentials", address, name]
                    .map(str::to_owned)
                    .to_vec()
            })
            .into(),
            message,
        });
    };
    if let Err(why) = parse_address(address) {
        say("bearer_file", why);
    }
    if credential.username.is_some() != credential.password_file.is_some() {
        let message = "username and password_file go together; give both or none";
        say("username", message.to_owned());
    }
    if credential.bearer_file.is_some() && credential.username.is_some() {
        let message = "bearer_file and username exclude each other; keep one";
        say("bearer_file", message.to_owned());
    }
    for (name, value) in &credential.headers {
        let parsed = http::HeaderName::try_from(name.as_str());
        if parsed.is_err() || http::HeaderValue::from_str(value.expose()).is_err() {
            say(
                "headers",
                format!("`{name}` or its value cannot be a header"),
            );
        } else if parsed.is_ok_and(|name| name == http::header::AUTHORIZATION) {
            let message = "the authorization header comes from bearer_file or password_file";
            say("headers", message.to_owned());
        }
    }
}

/// Two credentials for one origin: nobody could say which is sent.
fn bound_twice(config: &Config, wrong: &mut Vec<Wrong>) {
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for address in config.metrics.credentials.keys() {
        let Some(origin) = origin_of(address) else {
            continue;
        };
        if let Some(other) = seen.insert(origin, address) {
            wrong.push(Wrong {
                keys: ["bearer_file", "username", "ca_file", "headers"]
                    .map(|name| {
                        ["metrics", "credentials", address.as_str(), name]
                            .map(str::to_owned)
                            .to_vec()
                    })
                    .into(),
                message: format!("scheme, host and port are those of {other}; keep one of the two"),
            });
        }
    }
}

/// Names of views, columns, commands and keys.
fn names(config: &Config, known: &Known<'_>, wrong: &mut Vec<Wrong>) {
    let mut say = |section: &str, name: &str, message: String| {
        wrong.push(Wrong {
            keys: vec![vec![section.to_owned(), name.to_owned()]],
            message,
        });
    };
    if let Some(views) = known.views {
        let view_names = || views.iter().map(|(name, _)| *name);
        let columns_of = |view: &str| views.iter().find(|(name, _)| *name == view);
        for (view, columns) in &config.columns {
            let Some((_, all)) = columns_of(view) else {
                say("columns", view, not_known("view", view, view_names()));
                continue;
            };
            if columns.is_empty() {
                say(
                    "columns",
                    view,
                    "a view needs at least one column".to_owned(),
                );
            }
            for column in columns.iter().filter(|c| !all.contains(&c.as_str())) {
                say(
                    "columns",
                    view,
                    not_known("column", column, all.iter().copied()),
                );
            }
        }
        for (view, order) in &config.sort {
            let column = order.strip_prefix('-').unwrap_or(order);
            match columns_of(view) {
                None => say("sort", view, not_known("view", view, view_names())),
                Some((_, all)) if !all.contains(&column) => {
                    say(
                        "sort",
                        view,
                        not_known("column", column, all.iter().copied()),
                    );
                }
                Some(_) => {}
            }
        }
        if columns_of(&config.ui.view).is_none() {
            say(
                "ui",
                "view",
                not_known("view", &config.ui.view, view_names()),
            );
        }
    }
    for (command, keys) in &config.keys {
        if let Some(commands) = known.commands
            && !commands.contains(&command.as_str())
        {
            let message = not_known("command", command, commands.iter().copied());
            say("keys", command, message);
        }
        if let Some(is_key) = known.is_key {
            for key in keys.iter().filter(|key| !is_key(key)) {
                let message = format!("`{key}` is not a key such as x, ?, ctrl-r, f1 or shift-tab");
                say("keys", command, message);
            }
        }
    }
}

fn not_known<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = schema::nearest(name, all.clone()) {
        return format!("`{name}` is not a {what}; did you mean {near}?");
    }
    let all: Vec<&str> = all.collect();
    format!("`{name}` is not a {what}; there are {}", all.join(", "))
}
