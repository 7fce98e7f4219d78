//! wsdash: the terminal cockpit for on-call engineers who keep stateful Kubernetes workspaces alive.

pub mod action;
pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod demo;
pub mod domain;
pub mod headless;
pub mod logging;
pub mod metrics;
pub mod runbook;
pub mod runtime;
pub mod terminal;
pub mod ui;
