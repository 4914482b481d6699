//! The paths there are. Each part brings a table of its own.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::answer::Answer;
use super::{Site, exposition, health, page};

/// All of them.
pub(super) const ROUTES: &[&[Route]] = &[exposition::ROUTES, health::ROUTES, page::ROUTES];

/// One path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Route {
    /// The whole path, such as `/metrics`.
    pub(super) path: &'static str,
    pub(super) respond: Respond,
}

/// Where an answer comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Respond {
    /// It is always the same: what it is, and its bytes.
    Fixed(&'static str, &'static [u8]),
    /// It is made; the text is what stands behind `?`.
    Made(fn(Arc<Site>, String) -> Making),
}

/// An answer that is being made. What takes long is done elsewhere (`spawn_blocking`): others wait for this thread.
pub(super) type Making = Pin<Box<dyn Future<Output = Answer> + Send>>;
