//! `/metrics`: what Prometheus reads.

use std::sync::Arc;

use aoe_common::snapshot::Snapshot;
use hyper::StatusCode;
use hyper::body::Bytes;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::Site;
use super::answer::Answer;
use super::routes::{Making, Respond, Route};

pub(super) const ROUTES: &[Route] = &[Route {
    path: "/metrics",
    respond: Respond::Made(metrics),
}];

/// The version of the format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of the last snapshot: those that ask together get the same, and it is made once.
#[derive(Debug, Default)]
pub(crate) struct LastText(Mutex<Option<(Arc<Snapshot>, Bytes)>>);

fn metrics(site: Arc<Site>, _: String) -> Making {
    Box::pin(async move {
        let snapshot = site.snapshots.snapshot().await;
        let mut last = site.text.0.lock().await;
        if let Some((of, text)) = &*last
            && Arc::ptr_eq(of, &snapshot)
        {
            return Answer::ok(CONTENT_TYPE, text.clone());
        }
        // A big one takes a while, and others wait for this thread.
        let of = snapshot.clone();
        match spawn_blocking(move || Bytes::from(crate::metrics::text(&of))).await {
            Ok(text) => {
                *last = Some((snapshot, text.clone()));
                Answer::ok(CONTENT_TYPE, text)
            }
            Err(_) => Answer::plain(StatusCode::SERVICE_UNAVAILABLE, "the text could not be made\n"),
        }
    })
}
