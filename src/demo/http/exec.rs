//! stub
use super::super::failure::Failure;
use super::{Query, Shared, Target, fail};
use axum::response::Response;
use std::sync::Arc;
pub(crate) async fn upgrade(
    _s: Arc<Shared>,
    _p: &mut http::request::Parts,
    _t: &Target,
    _q: &Query,
) -> Response {
    fail(&Failure::method_not_allowed())
}
