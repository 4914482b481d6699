//! Imports that come, change and go while the gateway runs.

use std::time::Duration;

use super::Edge;
use crate::config::{ImportConfig, ImportId};
use crate::context::Context;
use crate::tunnel::links::Links;

impl Edge {
    /// A request that is older is not carried on from now on.
    pub(crate) fn set_max_age(&mut self, max_age: Duration) {
        self.max_age = max_age;
    }

    /// A new import.
    pub(crate) fn add(
        &mut self,
        _id: ImportId,
        _config: ImportConfig,
        _links: &mut Links,
        _cx: &mut Context<'_>,
    ) {
    }

    /// An import is presented in another way.
    pub(crate) fn change(
        &mut self,
        _id: ImportId,
        _config: ImportConfig,
        _links: &Links,
        _cx: &mut Context<'_>,
    ) {
    }

    /// An import is none any more.
    pub(crate) fn remove(&mut self, _id: ImportId, _links: &Links, _cx: &mut Context<'_>) {}
}
