//! wsdash: the terminal cockpit for on-call engineers who keep stateful Kubernetes workspaces alive.

pub mod cli;
pub mod cluster;
pub mod config;
#[expect(
    clippy::pedantic,
    reason = "the simulation is young: its long tables are still to be split"
)]
pub mod demo;
pub mod domain;
pub mod headless;
pub mod logging;
pub mod terminal;
