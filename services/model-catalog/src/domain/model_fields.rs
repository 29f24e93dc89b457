//! What may be said about a model, in a body of the API and in the models file alike: every field may be left out.

use maas_types::input::{InputFault, MAX_DESCRIPTION, check_name, check_text};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{model::Model, routing::check_fallbacks, text::check_model_name};

const MAX_ENTRIES: usize = 50;
pub const MAX_ENTRY: usize = 63;

/// Declares a struct with the given fields and those of a model. `#[serde(flatten)]` would do the same, but it cannot
/// be combined with `deny_unknown_fields`.
macro_rules! with_model_fields {
    ($(#[$meta:meta])* $name:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[$field_meta])* pub $field: $type,)*
            /// What people read; the name when left out.
            #[schema(example = "Llama 3.1 8B Instruct")]
            pub display_name: Option<String>,
            pub description: Option<String>,
            /// Other names that clients may send as `model`.
            pub aliases: Option<Vec<String>>,
            #[schema(example = "vllm")]
            pub provider: Option<String>,
            #[schema(example = "llama")]
            pub family: Option<String>,
            /// chat, agent, coding, reasoning or whatever helps people choose.
            #[schema(example = "coding")]
            pub category: Option<String>,
            pub kind: Option<$crate::domain::model::ModelKind>,
            /// vision, tools, json_mode, reasoning, streaming and the like.
            pub capabilities: Option<Vec<String>>,
            /// Tokens; 0 = not known.
            #[schema(example = 131072)]
            pub context_length: Option<u32>,
            /// Tokens; 0 = not known.
            pub max_output_tokens: Option<u32>,
            /// `owned_by` of the OpenAI-style lists.
            #[schema(example = "meta")]
            pub owner: Option<String>,
            #[schema(example = "Apache-2.0")]
            pub licence: Option<String>,
            pub tags: Option<Vec<String>>,
            pub lifecycle: Option<$crate::domain::model::ModelLifecycle>,
            /// Switched off, the model is neither offered nor served.
            pub enabled: Option<bool>,
            /// Listed for everybody, callable only by those it is granted to.
            pub restricted: Option<bool>,
            /// How one of several upstreams with the same priority is chosen; `weighted` when left out.
            pub routing: Option<$crate::domain::routing::ModelRouting>,
            /// What keeps requests on one upstream; `none` when left out.
            pub affinity: Option<$crate::domain::routing::ModelAffinity>,
            /// Public names of up to 8 models that serve instead, in this order, when no upstream of this one does.
            #[schema(max_items = 8, example = json!(["meta/llama-3.1-70b"]))]
            pub fallbacks: Option<Vec<String>>,
            /// The same for requests that are too long for this model.
            #[schema(max_items = 8, example = json!(["meta/llama-3.1-8b-128k"]))]
            pub context_fallbacks: Option<Vec<String>>,
        }

        impl From<&$name> for $crate::domain::model_fields::ModelFields {
            fn from(given: &$name) -> Self {
                Self {
                    display_name: given.display_name.clone(),
                    description: given.description.clone(),
                    aliases: given.aliases.clone(),
                    provider: given.provider.clone(),
                    family: given.family.clone(),
                    category: given.category.clone(),
                    kind: given.kind,
                    capabilities: given.capabilities.clone(),
                    context_length: given.context_length,
                    max_output_tokens: given.max_output_tokens,
                    owner: given.owner.clone(),
                    licence: given.licence.clone(),
                    tags: given.tags.clone(),
                    lifecycle: given.lifecycle,
                    enabled: given.enabled,
                    restricted: given.restricted,
                    routing: given.routing,
                    affinity: given.affinity,
                    fallbacks: given.fallbacks.clone(),
                    context_fallbacks: given.context_fallbacks.clone(),
                }
            }
        }
    };
}
pub(crate) use with_model_fields;

with_model_fields! {
    /// The change of a model; a field that is left out stays as it is.
    #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, ToSchema)]
    #[schema(as = UpdateModelRequest)]
    ModelFields {}
}

impl ModelFields {
    /// Every fault, with pointers below `at`; what the model is with these fields, see [`Model::check_fallbacks`].
    pub fn check(&self, at: &str, faults: &mut Vec<InputFault>) {
        if let Some(name) = &self.display_name {
            check_name(&format!("{at}/display_name"), name, faults);
        }
        let texts = [
            ("provider", &self.provider),
            ("family", &self.family),
            ("category", &self.category),
            ("owner", &self.owner),
            ("licence", &self.licence),
        ];
        for (field, text) in texts {
            check_text(&format!("{at}/{field}"), text.as_deref().unwrap_or_default(), MAX_ENTRY, faults);
        }
        let description = self.description.as_deref().unwrap_or_default();
        check_text(&format!("{at}/description"), description, MAX_DESCRIPTION, faults);
        for (index, alias) in entries(&format!("{at}/aliases"), &self.aliases, faults) {
            check_model_name(&format!("{at}/aliases/{index}"), alias, faults);
        }
        for (field, list) in [("capabilities", &self.capabilities), ("tags", &self.tags)] {
            for (index, entry) in entries(&format!("{at}/{field}"), list, faults) {
                let pointer = format!("{at}/{field}/{index}");
                if entry.trim().is_empty() {
                    faults.push(InputFault::new(&pointer, "empty", "must not be empty"));
                }
                check_text(&pointer, entry, MAX_ENTRY, faults);
            }
        }
        for (field, list) in [("fallbacks", &self.fallbacks), ("context_fallbacks", &self.context_fallbacks)] {
            check_fallbacks(&format!("{at}/{field}"), list.as_deref().unwrap_or_default(), faults);
        }
    }

    /// Puts what is said here into the model; the rest stays.
    pub fn apply(&self, model: &mut Model) {
        put(&mut model.display_name, &self.display_name);
        put(&mut model.description, &self.description);
        put(&mut model.aliases, &self.aliases);
        put(&mut model.provider, &self.provider);
        put(&mut model.family, &self.family);
        put(&mut model.category, &self.category);
        put(&mut model.kind, &self.kind);
        put(&mut model.capabilities, &self.capabilities);
        put(&mut model.context_length, &self.context_length);
        put(&mut model.max_output_tokens, &self.max_output_tokens);
        put(&mut model.owner, &self.owner);
        put(&mut model.licence, &self.licence);
        put(&mut model.tags, &self.tags);
        put(&mut model.lifecycle, &self.lifecycle);
        put(&mut model.enabled, &self.enabled);
        put(&mut model.restricted, &self.restricted);
        put(&mut model.routing, &self.routing);
        put(&mut model.affinity, &self.affinity);
        put(&mut model.fallbacks, &self.fallbacks);
        put(&mut model.context_fallbacks, &self.context_fallbacks);
    }
}

/// Replaces the target by what is given, if anything is.
pub(super) fn put<T: Clone>(target: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        target.clone_from(value);
    }
}

fn entries<'a>(
    pointer: &str,
    list: &'a Option<Vec<String>>,
    faults: &mut Vec<InputFault>,
) -> impl Iterator<Item = (usize, &'a String)> + use<'a> {
    let list = list.as_deref().unwrap_or_default();
    if list.len() > MAX_ENTRIES {
        faults.push(InputFault::new(pointer, "too_many", format!("at most {MAX_ENTRIES} entries")));
    }
    // One fault for all that are too many: their own ones would make an answer larger than the body.
    list.iter().take(MAX_ENTRIES).enumerate()
}
