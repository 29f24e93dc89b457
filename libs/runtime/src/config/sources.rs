//! Where settings come from, flattened to a list of (path, value, origin).

use std::{collections::BTreeMap, path::PathBuf};

use serde_json::Value;

use super::fault::Fault;

const PREFIX: &str = "MAAS__";
const FILE_VARIABLE: &str = "MAAS_CONFIG";

/// The configuration file and the environment of one process. Tests pass a map.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    file: Option<PathBuf>,
    environment: BTreeMap<String, String>,
}

/// One setting that was given. Environment values are still text.
pub(super) struct Given {
    pub path: Vec<String>,
    pub value: Value,
    pub origin: String,
    pub from_environment: bool,
}

impl Sources {
    /// The real environment, for `main`. Variables that are not UTF-8 are left out.
    pub fn from_process() -> Self {
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_environment(variables)
    }

    /// An environment as a map; `MAAS_CONFIG` in it names the file.
    pub fn from_environment<N: Into<String>, V: Into<String>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        let mut environment: BTreeMap<String, String> =
            variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        environment.retain(|name, _| name.starts_with(PREFIX) || name == FILE_VARIABLE);
        let file = environment.remove(FILE_VARIABLE).filter(|path| !path.is_empty()).map(PathBuf::from);
        Self { file, environment }
    }

    /// Reads this file instead of the one that `MAAS_CONFIG` names.
    pub fn with_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// The file as a tree; an empty one if no file is given.
    pub(super) fn file_tree(&self) -> Result<Value, Fault> {
        let Some(path) = &self.file else { return Ok(Value::Object(Default::default())) };
        let fault = |message: String| Fault {
            path: FILE_VARIABLE.to_owned(),
            origin: path.display().to_string(),
            message,
            hint: String::new(),
        };
        let format = match path.extension().and_then(|extension| extension.to_str()) {
            Some("toml") => config::FileFormat::Toml,
            Some("yaml" | "yml") => config::FileFormat::Yaml,
            _ => return Err(fault("the file's name must end in .toml, .yaml or .yml".to_owned())),
        };
        let text = std::fs::read_to_string(path).map_err(|error| fault(format!("cannot be read: {error}")))?;
        if text.trim().is_empty() {
            return Ok(Value::Object(Default::default()));
        }
        config::Config::builder()
            .add_source(config::File::from_str(&text, format))
            .build()
            .and_then(config::Config::try_deserialize)
            .map_err(|error| fault(format!("cannot be parsed: {error}")))
    }

    pub(super) fn file_origin(&self, path: &str) -> String {
        let file = self.file.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        format!("{file}, key {path}")
    }

    pub(super) fn environment_settings(&self) -> impl Iterator<Item = Given> + '_ {
        self.environment.iter().map(|(name, value)| Given {
            path: name[PREFIX.len()..].split("__").map(str::to_lowercase).collect(),
            value: Value::String(value.clone()),
            origin: format!("environment {name}"),
            from_environment: true,
        })
    }
}

pub(super) fn environment_name(path: &str) -> String {
    format!("{PREFIX}{}", path.to_uppercase().replace('.', "__"))
}
