//! The configuration: one [`Config`] made of defaults, then the file, then the environment, then
//! flags, each over the one before. Keys that are not known are errors that name the place and the
//! nearest key. What a value means is decided where it is used, not here, and nothing here reaches
//! the network or the terminal.
//!
//! - [`sections`]: every key, its meaning, its default
//! - `layers`: reading and merging, with the origin of every value
//! - [`value`]: how durations, shares, addresses, paths and colours are written
//! - [`reference()`], [`sample()`]: the sample file and the table of the documentation, made from the same source

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use etcetera::BaseStrategy as _;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::action::seen::{OrphanSettings, Settings, VerifySettings};
use crate::domain::policy::Policy;

pub mod glob;
mod layers;
mod path;
mod reference;
mod report;
mod schema;
pub mod sections;
mod validate;
pub mod value;

pub use layers::{Override, Sources};
pub use reference::{reference, sample};
pub use report::{ConfigError, Entry, Loaded, Origin, Problem};
pub use sections::{
    Access, Actions, Colours, Connection, ContextRule, Credential, Gzip, Log, Metrics, Orphans,
    Scheme, Service, Split, Theme, Thresholds, Ui, Verify, When, Workspaces,
};

use schema::{Section, Shape};

/// Everything that can be set. A value of this type has passed all checks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub thresholds: Thresholds,
    pub metrics: Metrics,
    pub connection: Connection,
    pub workspaces: Workspaces,
    pub orphans: Orphans,
    pub actions: Actions,
    pub ui: Ui,
    pub colours: Colours,
    /// Rules by glob over context names.
    pub contexts: BTreeMap<String, ContextRule>,
    /// View → its columns from left to right.
    pub columns: BTreeMap<String, Vec<String>>,
    /// View → column to sort by; a minus before it turns the order round.
    pub sort: BTreeMap<String, String>,
    /// Command → its keys, instead of the usual ones; none takes the command off the keyboard.
    pub keys: BTreeMap<String, Vec<String>>,
    pub log: Log,
}

/// All sections in the order of the documentation.
pub(crate) const SECTIONS: &[Section] = &[
    Section {
        path: "thresholds",
        about: Thresholds::ABOUT,
        shape: Shape::Keys(Thresholds::KEYS),
    },
    Section {
        path: "metrics",
        about: Metrics::ABOUT,
        shape: Shape::Keys(Metrics::KEYS),
    },
    Section {
        path: "metrics.service",
        about: Service::ABOUT,
        shape: Shape::Keys(Service::KEYS),
    },
    Section {
        path: "metrics.credentials",
        about: Credential::ABOUT,
        shape: Shape::Tables(Credential::KEYS),
    },
    Section {
        path: "connection",
        about: Connection::ABOUT,
        shape: Shape::Keys(Connection::KEYS),
    },
    Section {
        path: "workspaces",
        about: Workspaces::ABOUT,
        shape: Shape::Keys(Workspaces::KEYS),
    },
    Section {
        path: "orphans",
        about: Orphans::ABOUT,
        shape: Shape::Keys(Orphans::KEYS),
    },
    Section {
        path: "actions",
        about: Actions::ABOUT,
        shape: Shape::Keys(Actions::KEYS),
    },
    Section {
        path: "actions.verify",
        about: Verify::ABOUT,
        shape: Shape::Keys(Verify::KEYS),
    },
    Section {
        path: "ui",
        about: Ui::ABOUT,
        shape: Shape::Keys(Ui::KEYS),
    },
    Section {
        path: "colours",
        about: Colours::ABOUT,
        shape: Shape::Keys(Colours::KEYS),
    },
    Section {
        path: "contexts",
        about: ContextRule::ABOUT,
        shape: Shape::Tables(ContextRule::KEYS),
    },
    Section {
        path: "columns",
        about: " Columns of a view from left to right: workspaces = [\"name\", \"state\", \"disk\"].\n \
                Views that are not named keep theirs.",
        shape: Shape::Values,
    },
    Section {
        path: "sort",
        about: " Column by which a view is sorted at first: claims = \"-disk\". A minus turns it round.",
        shape: Shape::Values,
    },
    Section {
        path: "keys",
        about: " Keys of a command, instead of the usual ones: help = [\"?\", \"f1\"]. An empty list\n \
                takes the command off the keyboard; it stays in the menu and the command line.",
        shape: Shape::Values,
    },
    Section {
        path: "log",
        about: Log::ABOUT,
        shape: Shape::Keys(Log::KEYS),
    },
];

/// Names that only the rest of the program knows. `None` leaves them unchecked.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    /// Names of all commands, for `[keys]`.
    pub commands: Option<&'a [&'a str]>,
    /// Names of all views with those of their columns, for `[columns]`, `[sort]` and `ui.view`.
    pub views: Option<&'a [(&'a str, &'a [&'a str])]>,
    /// Whether a text names a key of the keyboard, for `[keys]`.
    pub is_key: Option<fn(&str) -> bool>,
}

impl Config {
    /// Defaults < file < environment < flags. The error is a [`ConfigError`] that lists every
    /// problem with its place, or says why the file cannot be read.
    pub fn load(sources: &Sources<'_>) -> anyhow::Result<Loaded> {
        layers::load(sources)
    }

    /// The limits for the verdicts, as the domain wants them.
    pub fn policy(&self) -> Policy {
        let limits = &self.thresholds;
        let workspaces = &self.workspaces;
        Policy {
            disk_warn: limits.disk_warn,
            disk_high: limits.disk_high,
            disk_critical: limits.disk_critical,
            inodes_warn: limits.inodes_warn,
            inodes_critical: limits.inodes_critical,
            full_in: limits.full_in,
            snapshot_max_age: limits.snapshot_max_age,
            snapshot_ready_within: limits.snapshot_ready_within,
            pod_pending: limits.pod_pending,
            pod_not_ready: limits.pod_not_ready,
            pod_terminating: limits.pod_terminating,
            claim_pending: limits.claim_pending,
            claim_terminating: limits.claim_terminating,
            resize_stage: limits.resize_stage,
            throttling: limits.throttling,
            cpu_warn: limits.cpu_warn,
            cpu_critical: limits.cpu_critical,
            memory_warn: limits.memory_warn,
            memory_critical: limits.memory_critical,
            restarts: limits.restarts,
            event_window: limits.event_window,
            user_labels: workspaces.user_labels.clone(),
            tier_labels: workspaces.tier_labels.clone(),
            claim_templates: workspaces.claim_templates.clone(),
            persist_paths: workspaces.persist_paths.clone(),
            stateless_label: workspaces.stateless_label.clone(),
            activity_annotation: workspaces.activity_annotation.clone(),
            hold_labels: self.orphans.hold_labels.clone(),
        }
    }

    /// How actions are carried out, as plans want it.
    pub fn settings(&self) -> Settings {
        let (actions, orphans, verify) = (&self.actions, &self.orphans, &self.actions.verify);
        let signed = |duration: std::time::Duration| {
            SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
        };
        Settings {
            snapshot_wait: signed(actions.snapshot_wait),
            resize_wait: signed(actions.resize_wait),
            restart_wait: signed(actions.restart_wait),
            activity_annotation: self.workspaces.activity_annotation.clone(),
            session_annotation: self.workspaces.session_annotation.clone(),
            session_port: self.workspaces.session_port,
            orphans: OrphanSettings {
                inactive: orphans.inactive,
                observations: orphans.observations,
                apart: orphans.apart,
                parked: orphans.parked,
                cap: orphans.cap,
                keep: orphans.keep,
            },
            verify: VerifySettings {
                session_idle: verify.session_idle,
                payload_bytes: verify.payload_bytes,
                attach_within: signed(verify.attach_within),
                startup_within: signed(verify.startup_within),
                termination_slack: signed(verify.termination_slack),
            },
            ..Settings::default()
        }
    }

    /// What the rules say about a context, the most precise rule first, key by key.
    pub fn context_rule(&self, context: &str) -> ContextRule {
        let mut rules: Vec<_> = self
            .contexts
            .iter()
            .filter(|(pattern, _)| glob::matches(pattern, context))
            .collect();
        rules.sort_by_key(|(pattern, _)| std::cmp::Reverse(glob::precision(pattern)));
        let mut merged = ContextRule::default();
        for (_, rule) in rules {
            merged.colour = merged.colour.or(rule.colour);
            merged.label = merged.label.or_else(|| rule.label.clone());
            merged.read_only = merged.read_only.or(rule.read_only);
        }
        merged
    }

    /// Why no action may be offered in this context; `None` when actions may be.
    pub fn read_only(&self, context: &str) -> Option<String> {
        match self.actions.access {
            Access::Write => None,
            Access::ReadOnly => Some(
                "wsdash is read-only (--read-only or actions.access); start it with --write to act"
                    .to_owned(),
            ),
            Access::Auto => (self.context_rule(context).read_only == Some(true)).then(|| {
                format!(
                    "the rules for context {context} say read-only ([contexts] in the \
                     configuration); start wsdash with --write to act"
                )
            }),
        }
    }

    /// The credential for an address: only that whose scheme, host and port are the same.
    pub fn credential(&self, address: &str) -> Option<&Credential> {
        let origin = value::origin_of(address)?;
        self.metrics
            .credentials
            .iter()
            .find(|(bound, _)| value::origin_of(bound).as_ref() == Some(&origin))
            .map(|(_, credential)| credential)
    }
}

impl Ui {
    /// Whether colours are used. A flag or the configuration beats `NO_COLOR`, which counts when it
    /// is not empty (no-color.org). `env` looks up a variable.
    pub fn use_colour(&self, env: impl Fn(&str) -> Option<String>) -> bool {
        match self.colour {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                env("NO_COLOR").is_none_or(|value| value.is_empty())
                    && env("TERM").is_none_or(|term| term != "dumb")
            }
        }
    }

    /// Whether only ASCII is drawn. auto: when the terminal or the locale cannot do more.
    pub fn use_ascii(&self, env: impl Fn(&str) -> Option<String>) -> bool {
        match self.ascii {
            When::Always => true,
            When::Never => false,
            When::Auto => {
                let term = env("TERM").unwrap_or_default();
                let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
                    .into_iter()
                    .find_map(|name| env(name).filter(|value| !value.is_empty()))
                    .unwrap_or_default()
                    .to_ascii_lowercase();
                // an unset locale says nothing: most such terminals (containers, ssh) do UTF-8
                let narrow =
                    !locale.is_empty() && !locale.contains("utf-8") && !locale.contains("utf8");
                matches!(term.as_str(), "dumb" | "linux") || narrow
            }
        }
    }
}

/// Where the configuration file is looked for when no flag or variable names one.
pub fn default_file() -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy().context(NO_HOME)?;
    Ok(folders.config_dir().join("wsdash").join("config.toml"))
}

/// The folder for the log and the journal. It is not made here; whoever writes makes it (0700).
pub fn state_folder() -> anyhow::Result<PathBuf> {
    let folders = etcetera::choose_base_strategy().context(NO_HOME)?;
    let state = folders.state_dir().unwrap_or_else(|| folders.data_dir());
    Ok(state.join("wsdash"))
}

const NO_HOME: &str = "the home folder is unknown; set HOME";

#[cfg(test)]
mod tests;
