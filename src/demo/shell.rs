//! stub
use super::object::{Fields, Object};
use super::tree::Tree;
use super::world::World;
use jiff::Timestamp;
use serde_json::Value;

#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<String>,
    pub(crate) ends: Option<(f64, i64)>,
    pub(crate) chatty: bool,
}

pub(crate) fn root_tree(_pod: &Object, now: Timestamp) -> Tree {
    Tree::new(now, (0, 0))
}
pub(crate) fn start(_world: &mut World, _uid: &str, container: &Value) -> Outcome {
    Outcome {
        lines: vec![format!("INFO starting {}", container.text("image"))],
        ends: None,
        chatty: true,
    }
}
