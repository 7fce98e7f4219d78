//! stub
use super::failure::Failure;
use super::http::{Reply, Shared, Target, User};
use super::world::World;
use axum::body::Bytes;
use axum::response::Response;
use std::sync::Arc;
pub(crate) fn proxied(_path: &str) -> Option<&str> {
    None
}
pub(crate) fn proxy(
    _s: &Arc<Shared>,
    _u: &User,
    _p: &http::request::Parts,
    _rest: &str,
    _b: &Bytes,
) -> Response {
    super::http::fail(&Failure::no_such_path())
}
pub(crate) fn router(_s: Arc<Shared>) -> axum::Router {
    axum::Router::new()
}
pub(crate) fn resource_metrics(_w: &World, _t: &Target) -> Result<Reply, Failure> {
    Err(Failure::no_such_path())
}
