//! Everything that speaks with a cluster: connecting, reading, exec, logs, access reviews.
//!
//! Other modules get rows, sessions and [`fault::Fault`]s from here and never see a kube error.
//! This module knows nothing of screens, keys or themes; it must not use `app`, `ui` or ratatui.

pub mod access;
pub mod connect;
pub mod discovery;
pub mod exec;
pub mod fault;
pub mod feed;
pub mod logs;
pub mod object;
pub mod perform;
pub mod rows;
pub mod sightings;
pub mod watch;
