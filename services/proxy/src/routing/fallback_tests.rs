#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use uuid::Uuid;

use super::*;

#[derive(Debug, Clone)]
struct Model {
    id: ModelId,
    fallbacks: Vec<Box<str>>,
    context_fallbacks: Vec<Box<str>>,
}

impl HasFallbacks for Model {
    fn id(&self) -> ModelId {
        self.id
    }

    fn fallbacks(&self, reason: FallbackReason) -> &[Box<str>] {
        match reason {
            FallbackReason::Unavailable => &self.fallbacks,
            FallbackReason::ContextLength => &self.context_fallbacks,
        }
    }
}

/// Models by one letter; an upper-case letter is an alias.
struct Catalogue(Vec<(char, Model)>);

impl Catalogue {
    /// `("a", "bc", "d")`: model a falls back on b and c, or on d when the request is too long.
    fn new(models: &[(char, &str, &str)]) -> Self {
        let names = |letters: &str| letters.chars().map(|letter| letter.to_string().into()).collect();
        let model = |(name, fallbacks, context): &(char, &str, &str)| {
            let id = ModelId::from_uuid(Uuid::from_u128(u128::from(u32::from(*name))));
            (*name, Model { id, fallbacks: names(fallbacks), context_fallbacks: names(context) })
        };
        Self(models.iter().map(model).collect())
    }

    fn get(&self, name: &str) -> Option<Model> {
        let name = name.to_lowercase();
        self.0.iter().find(|(letter, _)| name == letter.to_string()).map(|(_, model)| model.clone())
    }

    fn name(&self, model: &Model) -> char {
        self.0.iter().find(|(_, other)| other.id == model.id).unwrap().0
    }

    /// The models that are tried after `a` when each fails for the next reason; the last reason repeats.
    fn tried(&self, reasons: &[FallbackReason]) -> String {
        let mut current = self.get("a").unwrap();
        let mut fallbacks = Fallbacks::of(&current);
        let mut tried = String::new();
        let mut reasons = reasons.iter().chain(std::iter::repeat(reasons.last().unwrap()));
        while let Some(next) = fallbacks.next(&current, *reasons.next().unwrap(), |name| self.get(name)) {
            tried.push(self.name(&next));
            current = next;
        }
        tried
    }
}

const UNAVAILABLE: &[FallbackReason] = &[FallbackReason::Unavailable];

#[test]
fn a_models_own_list_comes_before_those_of_its_fallbacks() {
    let catalogue = Catalogue::new(&[('a', "bc", ""), ('b', "d", ""), ('c', "", ""), ('d', "", "")]);
    assert_eq!(catalogue.tried(UNAVAILABLE), "bcd");
}

#[test]
fn cycles_end_and_aliases_are_seen_through() {
    let catalogue = Catalogue::new(&[('a', "bA", ""), ('b', "aBc", ""), ('c', "ab", "")]);
    assert_eq!(catalogue.tried(UNAVAILABLE), "bc");
}

#[test]
fn the_fallback_of_a_fallback_of_a_fallback_is_the_last() {
    let catalogue = Catalogue::new(&[('a', "b", ""), ('b', "c", ""), ('c', "d", ""), ('d', "e", ""), ('e', "", "")]);
    assert_eq!(catalogue.tried(UNAVAILABLE), "bcd");
}

#[test]
fn what_does_not_exist_or_may_not_be_called_is_left_out() {
    let catalogue = Catalogue::new(&[('a', "xyb", ""), ('b', "", "")]);
    assert_eq!(catalogue.tried(UNAVAILABLE), "b");
}

#[test]
fn a_request_that_is_too_long_goes_on_with_larger_models() {
    let catalogue = Catalogue::new(&[('a', "bc", "d"), ('b', "", "e"), ('c', "", ""), ('d', "", ""), ('e', "", "")]);
    assert_eq!(catalogue.tried(&[FallbackReason::ContextLength]), "d");
    // Unavailable, then b says that it is too long: e was named for that, c was not.
    assert_eq!(catalogue.tried(&[FallbackReason::Unavailable, FallbackReason::ContextLength]), "bec");
}

proptest! {
    #[test]
    fn every_model_comes_once_and_it_ends(lists in proptest::collection::vec("[a-j]{0,8}", 10)) {
        let models: Vec<_> = ('a'..='j').zip(&lists).map(|(name, list)| (name, list.as_str(), "")).collect();
        let tried = Catalogue::new(&models).tried(UNAVAILABLE);
        let mut once: Vec<char> = tried.chars().collect();
        once.sort_unstable();
        once.dedup();
        prop_assert_eq!(once.len(), tried.chars().count());
        prop_assert!(!tried.contains('a'));
    }
}
