//! Which upstreams of a model may be asked for one request.

use std::sync::Arc;

use maas_types::{Operation, UpstreamId};

use crate::state::{ModelEntry, UpstreamEntry, Via};

/// A model and those of its upstreams that can do the operation; never none.
pub struct ModelRoute {
    pub model: Arc<ModelEntry>,
    /// `None`: all of them, which is the usual case and costs nothing.
    some: Option<Vec<Arc<UpstreamEntry>>>,
    pinned: bool,
}

impl ModelRoute {
    /// `instance` and `pinned` leave only upstreams of that instance, and only that upstream. `None`: nobody is left.
    pub fn of(
        model: Arc<ModelEntry>,
        operation: Operation,
        instance: Option<&str>,
        pinned: Option<UpstreamId>,
    ) -> Option<Self> {
        let asked = |upstream: &UpstreamEntry| upstream.via(operation).is_some_and(|via| via != Via::Estimate);
        let here = |upstream: &UpstreamEntry| instance.is_none() || upstream.instance.as_deref() == instance;
        let the_one = |upstream: &UpstreamEntry| pinned.is_none_or(|id| id == upstream.id);
        let fits = |upstream: &Arc<UpstreamEntry>| asked(upstream) && here(upstream) && the_one(upstream);
        let some = match model.upstreams.iter().all(fits) {
            true => None,
            false => Some(model.upstreams.iter().filter(|upstream| fits(upstream)).cloned().collect()),
        };
        let route = Self { model, some, pinned: pinned.is_some() || instance.is_some() };
        (!route.upstreams().is_empty()).then_some(route)
    }

    pub fn upstreams(&self) -> &[Arc<UpstreamEntry>] {
        self.some.as_deref().unwrap_or(&self.model.upstreams)
    }

    /// The client has named the server itself: no other model stands in for it.
    pub const fn is_pinned(&self) -> bool {
        self.pinned
    }
}
