//! How a request finds its upstream, and which models stand in when none of them serves.

use std::collections::HashSet;

use maas_types::input::InputFault;

use super::{model::Model, text::check_model_name, texts::texts};

/// Each attempt costs the client time; nobody waits for more.
const MAX_FALLBACKS: usize = 8;

texts! {
    /// How one of several upstreams with the same priority is chosen: by weight, or the less busy of two.
    ModelRouting {
        Weighted = "weighted",
        LeastLoaded = "least_loaded",
    }
}

texts! {
    /// What keeps requests on one upstream: nothing, or the same beginning of the prompt, whose cache is there then.
    ModelAffinity {
        None = "none",
        Prefix = "prefix",
    }
}

/// A list of public names. A name need not exist: models come and go.
pub fn check_fallbacks(pointer: &str, names: &[String], faults: &mut Vec<InputFault>) {
    if names.len() > MAX_FALLBACKS {
        faults.push(InputFault::new(pointer, "too_many", format!("at most {MAX_FALLBACKS} models")));
    }
    let mut seen = HashSet::new();
    for (index, name) in names.iter().take(MAX_FALLBACKS).enumerate() {
        let pointer = format!("{pointer}/{index}");
        check_model_name(&pointer, name, faults);
        if !seen.insert(name) {
            faults.push(InputFault::new(pointer, "duplicate", "this model is in the list twice"));
        }
    }
}

impl Model {
    /// Refuses a model that would stand in for itself, under its name or an alias: its upstreams were tried already.
    pub fn check_fallbacks(&self, at: &str, faults: &mut Vec<InputFault>) {
        for (field, names) in [("fallbacks", &self.fallbacks), ("context_fallbacks", &self.context_fallbacks)] {
            for (index, name) in names.iter().take(MAX_FALLBACKS).enumerate() {
                if *name == self.name || self.aliases.contains(name) {
                    let pointer = format!("{at}/{field}/{index}");
                    faults.push(InputFault::new(pointer, "invalid_value", "a model cannot stand in for itself"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use maas_types::Timestamp;

    use super::*;

    fn faults_of(names: &[&str]) -> Vec<(String, &'static str)> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut faults = Vec::new();
        check_fallbacks("/fallbacks", &names, &mut faults);
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn fallbacks_are_at_most_eight_different_names() {
        assert!(faults_of(&["a", "b/c"]).is_empty());
        assert_eq!(
            faults_of(&["a", "a b", "a"]),
            [("/fallbacks/1".to_owned(), "white_space"), ("/fallbacks/2".to_owned(), "duplicate")]
        );
        let many = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "9", "9"];
        assert_eq!(faults_of(&many), [("/fallbacks".to_owned(), "too_many")]);
    }

    #[test]
    fn a_model_never_stands_in_for_itself() {
        let mut model = Model::new("a".to_owned(), Timestamp::EPOCH);
        model.aliases = vec!["alias".to_owned()];
        model.fallbacks = vec!["b".to_owned(), "a".to_owned()];
        model.context_fallbacks = vec!["alias".to_owned()];
        let mut faults = Vec::new();
        model.check_fallbacks("", &mut faults);
        let pointers: Vec<_> = faults.into_iter().map(|fault| fault.pointer).collect();
        assert_eq!(pointers, ["/fallbacks/1", "/context_fallbacks/0"]);
    }
}
