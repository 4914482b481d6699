//! `/metrics`: what Prometheus reads.

use std::sync::Arc;

use super::Site;
use super::answer::Answer;
use super::routes::{Making, Respond, Route};

pub(super) const ROUTES: &[Route] = &[Route {
    path: "/metrics",
    respond: Respond::Made(metrics),
}];

/// The version of the format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

fn metrics(site: Arc<Site>, _: String) -> Making {
    Box::pin(async move {
        let snapshot = site.snapshots.snapshot().await;
        Answer::ok(CONTENT_TYPE, crate::metrics::text(&snapshot))
    })
}
