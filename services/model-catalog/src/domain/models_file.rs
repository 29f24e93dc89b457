//! The models file: what models there are, in TOML or YAML.
//!
//! ```toml
//! [[models]]
//! name = "meta/llama-3.1-8b"            # required; the public name
//! display_name = "Llama 3.1 8B"         # this and all other fields of a model: optional
//! restricted = true
//! price = { input = "0.15", output = "0.60" }
//!
//! [[models.upstreams]]
//! base_url = "http://llama.models.svc:8000/v1"
//! credential = { environment_variable = "LLAMA_API_KEY" }   # or { file = "name" }; never a secret itself
//! headers = { openai-organization = "org-4711" }             # this and all other fields of an upstream: optional
//! ```
//!
//! The file owns the fields it names: they are put back at each reading. What it does not name belongs to the people
//! who use the API. A file with any fault changes nothing. All fields are listed in `docs/models.md`.

use maas_types::input::InputFault;
use std::collections::HashSet;

use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    model::Model,
    model_fields::{ModelFields, with_model_fields},
    price::PriceInput,
    source::{OfferedModel, OfferedPrice},
    text::check_model_name,
    upstream_fields::UpstreamFields,
};
use maas_types::{Currency, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    Toml,
    Yaml,
}

impl FileFormat {
    pub fn of_path(path: &std::path::Path) -> Option<Self> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => Some(Self::Toml),
            Some("yaml" | "yml") => Some(Self::Yaml),
            _ => None,
        }
    }
}

with_model_fields! {
    #[derive(Debug, Deserialize, ToSchema)]
    #[schema(as = ModelsFileEntry)]
    FileModel {
        name: String,
        #[serde(default)]
        upstreams: Vec<UpstreamFields>,
        #[serde(default)]
        price: Option<PriceInput>,
    }
}

/// The models that the text offers, or everything that is wrong with it.
pub fn parse(
    text: &str,
    format: FileFormat,
    currency: Currency,
    now: Timestamp,
) -> Result<Vec<OfferedModel>, Vec<InputFault>> {
    let mut faults = Vec::new();
    let entries = entries(text, format).map_err(|fault| vec![fault])?;
    let mut names = HashSet::new();
    let mut offered = Vec::with_capacity(entries.len());
    for (index, entry) in entries.into_iter().enumerate() {
        let at = format!("/models/{index}");
        // Entry by entry, so that one misspelt field does not hide the faults of the others.
        match serde_path_to_error::deserialize::<_, FileModel>(entry) {
            Ok(model) => {
                if !names.insert(model.name.clone()) {
                    faults.push(InputFault::new(format!("{at}/name"), "duplicate", "this name is in the file twice"));
                }
                offered.push(offer(model, &at, currency, now, &mut faults));
            }
            Err(error) => {
                let path = error.path().to_string().replace(['.', '['], "/").replace(']', "");
                let pointer = if path == "/" { at } else { format!("{at}/{path}") };
                faults.push(InputFault::new(pointer, "invalid_value", error.inner().to_string()));
            }
        }
    }
    if faults.is_empty() { Ok(offered) } else { Err(faults) }
}

fn entries(text: &str, format: FileFormat) -> Result<Vec<serde_json::Value>, InputFault> {
    let format = match format {
        FileFormat::Toml => config::FileFormat::Toml,
        FileFormat::Yaml => config::FileFormat::Yaml,
    };
    let unreadable = |error: config::ConfigError| InputFault::new("", "unreadable", error.to_string());
    let built = config::Config::builder().add_source(config::File::from_str(text, format)).build();
    let mut tree: serde_json::Map<String, serde_json::Value> =
        built.and_then(config::Config::try_deserialize).map_err(unreadable)?;
    let models = tree.remove("models");
    if let Some(name) = tree.keys().next() {
        return Err(InputFault::new(format!("/{name}"), "unknown_field", "only `models` is known here"));
    }
    match models {
        Some(serde_json::Value::Array(entries)) => Ok(entries),
        // Also what a file looks like that is just being written.
        _ => Err(InputFault::new("/models", "missing_field", "must be a list of models")),
    }
}

fn offer(model: FileModel, at: &str, currency: Currency, now: Timestamp, faults: &mut Vec<InputFault>) -> OfferedModel {
    check_model_name(&format!("{at}/name"), &model.name, faults);
    let owned = ModelFields::from(&model);
    owned.check(at, faults);
    let mut whole = Model::new(model.name.clone(), now);
    owned.apply(&mut whole);
    whole.check_fallbacks(at, faults);
    for (index, upstream) in model.upstreams.iter().enumerate() {
        let at = format!("{at}/upstreams/{index}");
        upstream.check(&at, true, faults);
        if upstream.credential.iter().flatten().any(|credential| credential.secret.is_some()) {
            let detail = "secrets do not belong into this file: name a variable or a file";
            faults.push(InputFault::new(format!("{at}/credential/secret"), "not_allowed", detail));
        }
    }
    if let Some(price) = &model.price {
        price.checked(&format!("{at}/price"), currency, now, faults);
        if price.effective_from.is_some() {
            let detail = "prices of this file hold from the time it is read";
            faults.push(InputFault::new(format!("{at}/price/effective_from"), "not_allowed", detail));
        }
    }
    OfferedModel {
        key: model.name,
        first: ModelFields::default(),
        owned,
        upstreams: model.upstreams,
        price: model.price.map_or(OfferedPrice::None, OfferedPrice::Owned),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(text: &str, format: FileFormat) -> Result<Vec<OfferedModel>, Vec<InputFault>> {
        parse(text, format, Currency::USD, Timestamp::from_unix_ms(1_763_630_998_000))
    }

    #[test]
    fn both_formats_say_the_same() {
        let toml = "[[models]]\nname = \"a/b\"\nrestricted = true\nprice = { input = \"0.15\", output = \"0.6\" }\n\
                    [[models.upstreams]]\nbase_url = \"http://h:1/v1\"\ncredential = { environment_variable = \"X_API_KEY\" }\n";
        let yaml = "models:\n- name: a/b\n  restricted: true\n  price: {input: \"0.15\", output: \"0.6\"}\n  upstreams:\n  \
                    - base_url: http://h:1/v1\n    credential: {environment_variable: X_API_KEY}\n";
        for (text, format) in [(toml, FileFormat::Toml), (yaml, FileFormat::Yaml)] {
            let models = read(text, format).unwrap();
            assert_eq!((models[0].key.as_str(), models[0].owned.restricted), ("a/b", Some(true)));
            assert_eq!(models[0].upstreams[0].base_url.as_deref(), Some("http://h:1/v1"));
        }
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let yaml = "models:\n- name: a b\n- name: x\n  colour: red\n- name: y\n  upstreams:\n  - {base_url: nonsense}\n\
                    - name: z\n  upstreams:\n  - {base_url: \"http://h/\", credential: {secret: s}}\n- name: z\n";
        let faults = read(yaml, FileFormat::Yaml).unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert!(pointers.contains(&"/models/0/name"), "{pointers:?}");
        assert!(pointers.iter().any(|pointer| pointer.starts_with("/models/1")), "{pointers:?}");
        assert!(pointers.contains(&"/models/2/upstreams/0/base_url"), "{pointers:?}");
        assert!(pointers.contains(&"/models/3/upstreams/0/credential/secret"), "{pointers:?}");
        assert!(pointers.contains(&"/models/4/name"), "{pointers:?}");
        assert!(read("", FileFormat::Yaml).is_err());
        assert!(read("models: []", FileFormat::Yaml).unwrap().is_empty());
    }
}
