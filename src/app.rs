//! What the program knows and what it does with a message: `update(&mut Model, Msg) ->
//! Vec<Effect>`. Synchronous, without a clock and without input or output; `now` is in the
//! model and effects are plain values, so a key script is a unit test.

#[cfg(test)]
pub(crate) mod build;
pub mod column;
pub mod command;
pub mod detail;
pub mod effect;
pub mod field;
pub mod filter;
pub mod job;
pub mod keymap;
pub mod listing;
pub mod modal;
pub mod model;
pub mod msg;
mod update;

#[cfg(test)]
mod tests;

pub use effect::Effect;
pub use model::Model;
pub use msg::Msg;
pub use update::{TESTS, settle, tabs, unsettled, update};
