//! The heart: what the cluster is, in words of the product. Rows, their join into workspaces,
//! freshness, findings. Pure: knows no client, no runtime and no clock; `now` is handed in.

pub mod board;
#[cfg(test)]
pub mod build;
pub mod claim;
pub mod digest;
pub mod event;
pub mod finding;
pub mod findings;
pub mod freshness;
pub mod growth;
pub mod history;
pub mod inventory;
pub mod key;
pub mod metric;
pub mod node;
pub mod ownership;
pub mod pod;
pub mod policy;
pub mod quantity;
pub mod snapshot;
pub mod volume;
pub mod workload;
pub mod workspace;
