//! Which models serve instead when one cannot.

use std::{collections::VecDeque, sync::Arc};

use maas_types::ModelId;

/// A fallback of a fallback of a fallback is the last one.
const DEEPEST: u32 = 3;
/// Models for one request, the first one included, whatever the lists say.
const MOST_MODELS: usize = 16;

/// Why another model is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FallbackReason {
    /// No upstream of the model serves.
    Unavailable,
    /// The request is too long for the model.
    ContextLength,
}

/// An entry of the catalogue that names others.
pub trait HasFallbacks {
    fn id(&self) -> ModelId;
    /// Public names in the order in which they are tried.
    fn fallbacks(&self, reason: FallbackReason) -> &[Box<str>];
}

impl<T: HasFallbacks> HasFallbacks for Arc<T> {
    fn id(&self) -> ModelId {
        T::id(self)
    }

    fn fallbacks(&self, reason: FallbackReason) -> &[Box<str>] {
        T::fallbacks(self, reason)
    }
}

/// The models that one request has been tried on and may be tried on. Each comes once, by whatever name, and cycles end.
pub struct Fallbacks {
    seen: Vec<ModelId>,
    pending: VecDeque<Pending>,
    /// How far the model that is being tried is from the one that was asked for.
    depth: u32,
}

struct Pending {
    name: Box<str>,
    depth: u32,
}

impl Fallbacks {
    /// Of the model that was asked for.
    pub fn of(model: &impl HasFallbacks) -> Self {
        Self { seen: vec![model.id()], pending: VecDeque::new(), depth: 0 }
    }

    /// The model to try after `failed`, which is the one that was asked for or the last one from here. A model's own
    /// list comes before the lists of its fallbacks, except that a request that is too long goes on with models that
    /// were named for that. `lookup` gives nothing for what does not exist or may not be called.
    pub fn next<M: HasFallbacks>(
        &mut self,
        failed: &M,
        reason: FallbackReason,
        lookup: impl Fn(&str) -> Option<M>,
    ) -> Option<M> {
        self.take_over(failed.fallbacks(reason), reason);
        while self.seen.len() < MOST_MODELS {
            let pending = self.pending.pop_front()?;
            let Some(model) = lookup(&pending.name).filter(|model| !self.seen.contains(&model.id())) else { continue };
            self.seen.push(model.id());
            self.depth = pending.depth;
            return Some(model);
        }
        None
    }

    fn take_over(&mut self, names: &[Box<str>], reason: FallbackReason) {
        let depth = self.depth + 1;
        if depth > DEEPEST {
            return;
        }
        let named = names.iter().take(MOST_MODELS).map(|name| Pending { name: name.clone(), depth });
        match reason {
            FallbackReason::Unavailable => self.pending.extend(named),
            FallbackReason::ContextLength => named.rev().for_each(|pending| self.pending.push_front(pending)),
        }
    }
}

#[cfg(test)]
#[path = "fallback_tests.rs"]
mod tests;
