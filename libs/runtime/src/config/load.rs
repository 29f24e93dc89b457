//! Merging the sources over the defaults, value by value, so that each fault is found on its own.

use std::collections::BTreeMap;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    fault::{ConfigFaults, Fault, Faults, Validate},
    secret::{SHOWN_SET, SHOWN_UNSET},
    sources::{Given, Sources, environment_name},
};

/// Reads the settings `T`, or says everything that is wrong with them.
pub fn load<T>(sources: &Sources) -> Result<T, ConfigFaults>
where
    T: Serialize + DeserializeOwned + Default + Validate,
{
    let defaults = serde_json::to_value(T::default()).map_err(|error| internal(&error))?;
    let mut loader = Loader::new(defaults);
    match sources.file_tree() {
        Ok(tree) => {
            let mut given = Vec::new();
            loader.flatten(tree, Vec::new(), sources, &mut given);
            given.into_iter().for_each(|setting| loader.apply::<T>(setting));
        }
        Err(fault) => loader.faults.push(fault),
    }
    sources.environment_settings().for_each(|setting| loader.apply::<T>(setting));
    loader.finish()
}

/// What the default tree says about a path.
#[derive(Clone, Copy, PartialEq)]
enum Known {
    /// A plain value, an option or a list.
    Leaf,
    Secret,
    /// A map whose keys are free, or something below it or below an option.
    Free,
    Section,
    No,
}

struct Loader {
    /// The defaults as shown: tells names, types and secrets.
    shape: Value,
    /// The defaults as read: secrets unset.
    defaults: Value,
    merged: Value,
    origins: BTreeMap<String, String>,
    faults: Vec<Fault>,
}

impl Loader {
    fn new(shape: Value) -> Self {
        let mut defaults = shape.clone();
        unset_secrets(&mut defaults);
        Self { shape, merged: defaults.clone(), defaults, origins: BTreeMap::new(), faults: Vec::new() }
    }

    /// Turns the file's tree into single settings; goes as deep as the default tree has sections.
    fn flatten(&self, tree: Value, path: Vec<String>, sources: &Sources, given: &mut Vec<Given>) {
        match tree {
            Value::Object(fields) if path.is_empty() || self.known(&path) == Known::Section => {
                for (name, value) in fields {
                    let mut below = path.clone();
                    below.push(name);
                    self.flatten(value, below, sources, given);
                }
            }
            value => {
                let origin = sources.file_origin(&path.join("."));
                given.push(Given { path, value, origin, from_environment: false });
            }
        }
    }

    fn known(&self, path: &[String]) -> Known {
        let mut node = &self.shape;
        for name in path {
            node = match node {
                Value::Object(fields) if fields.is_empty() => return Known::Free,
                Value::Null => return Known::Free,
                Value::Object(fields) => match fields.get(name) {
                    Some(field) => field,
                    None => return Known::No,
                },
                _ => return Known::No,
            };
        }
        match node {
            Value::Object(fields) if fields.is_empty() => Known::Free,
            Value::Object(_) => Known::Section,
            Value::String(text) if text == SHOWN_SET || text == SHOWN_UNSET => Known::Secret,
            _ => Known::Leaf,
        }
    }

    fn apply<T: DeserializeOwned>(&mut self, mut setting: Given) {
        match self.known(&setting.path) {
            Known::No => {
                if let Err(fault) = self.resolve_secret_file(&mut setting) {
                    self.faults.push(fault);
                    return;
                }
            }
            Known::Section => {
                self.faults.push(fault(&setting, "is a section, not a single setting", String::new()));
                return;
            }
            Known::Secret if !setting.value.is_string() => {
                // The usual message would quote the value.
                self.faults.push(fault(&setting, "must be a text", String::new()));
                return;
            }
            Known::Leaf | Known::Secret | Known::Free => {}
        }
        match self.first_fitting::<T>(&setting) {
            Ok(value) => {
                put(&mut self.merged, &setting.path, value);
                self.origins.insert(setting.path.join("."), setting.origin);
            }
            Err(message) => self.faults.push(fault(&setting, message, String::new())),
        }
    }

    /// `<secret>_file` becomes `<secret>` with the file's content; any other unknown name is a fault.
    fn resolve_secret_file(&self, setting: &mut Given) -> Result<(), Fault> {
        let mut base = setting.path.clone();
        let stripped = base.last().and_then(|name| name.strip_suffix("_file")).map(str::to_owned);
        if let (Some(last), Some(stripped)) = (base.last_mut(), stripped) {
            *last = stripped;
        }
        if base == setting.path || self.known(&base) != Known::Secret {
            return Err(fault(setting, "is not a known setting", self.closest(setting)));
        }
        let Some(file) = setting.value.as_str() else {
            return Err(fault(setting, "must be the path of a file", String::new()));
        };
        let content = std::fs::read_to_string(file)
            .map_err(|error| fault(setting, format!("{file} cannot be read: {error}"), String::new()))?;
        let content = content.strip_suffix('\n').unwrap_or(&content);
        setting.value = Value::String(content.strip_suffix('\r').unwrap_or(content).to_owned());
        setting.path = base;
        Ok(())
    }

    /// Tries the readings of the value on the otherwise untouched defaults; the first reading's error is the one told.
    fn first_fitting<T: DeserializeOwned>(&self, setting: &Given) -> Result<Value, String> {
        let mut first_error = None;
        for candidate in self.readings(setting) {
            let mut tree = self.defaults.clone();
            put(&mut tree, &setting.path, candidate.clone());
            match serde_path_to_error::deserialize::<_, T>(tree) {
                Ok(_) => return Ok(candidate),
                Err(error) => {
                    first_error.get_or_insert_with(|| error.inner().to_string());
                }
            }
        }
        Err(first_error.unwrap_or_default())
    }

    /// Environment values are texts; the default's type says what they most likely mean.
    fn readings(&self, setting: &Given) -> Vec<Value> {
        let Value::String(text) = &setting.value else { return vec![setting.value.clone()] };
        if !setting.from_environment || self.known(&setting.path) == Known::Secret {
            return vec![setting.value.clone()];
        }
        let plain = Value::String(text.clone());
        let typed = serde_json::from_str::<Value>(text).ok();
        let parts = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
        let list = Value::Array(parts().map(|part| Value::String(part.to_owned())).collect());
        let typed_list = parts().map(|part| serde_json::from_str(part).ok()).collect::<Option<_>>().map(Value::Array);
        let lists = [Some(list), typed_list];
        match get(&self.shape, &setting.path) {
            Some(Value::Number(_) | Value::Bool(_)) => [typed, Some(plain)].into_iter().flatten().collect(),
            Some(Value::Array(_)) => lists.into_iter().flatten().chain(typed).collect(),
            Some(Value::String(_)) => vec![plain],
            _ => [Some(plain), typed].into_iter().chain(lists).flatten().collect(),
        }
    }

    fn closest(&self, setting: &Given) -> String {
        let mut names = Vec::new();
        leaf_names(&self.shape, String::new(), &mut names);
        let wanted = setting.path.join(".");
        let best = names.into_iter().map(|name| (edit_distance(&wanted, &name), name)).min();
        match best {
            Some((distance, name)) if distance <= wanted.len() / 3 + 1 => {
                let name = if setting.from_environment { environment_name(&name) } else { name };
                format!("did you mean {name}?")
            }
            _ => String::new(),
        }
    }

    fn finish<T: DeserializeOwned + Validate>(mut self) -> Result<T, ConfigFaults> {
        // Every value fits on its own; what is left are rules of `Deserialize` across fields, and our own defaults.
        let settings: T = match serde_path_to_error::deserialize(self.merged) {
            Ok(settings) => settings,
            Err(error) => {
                let path = error.path().to_string();
                let origin = self.origins.remove(&path).unwrap_or_else(|| "merged settings".to_owned());
                let message = error.inner().to_string();
                self.faults.push(Fault { path, origin, message, hint: String::new() });
                return Err(ConfigFaults(self.faults));
            }
        };
        let mut found = Faults::default();
        settings.validate(&mut found);
        for (path, message) in found.into_found() {
            if self.faults.iter().any(|fault| fault.path == path) {
                continue;
            }
            let origin = self.origins.get(&path).cloned();
            let hint = if origin.is_none() { format!("set {}", environment_name(&path)) } else { String::new() };
            let origin = origin.unwrap_or_else(|| "default".to_owned());
            self.faults.push(Fault { path, origin, message, hint });
        }
        if self.faults.is_empty() { Ok(settings) } else { Err(ConfigFaults(self.faults)) }
    }
}

fn fault(setting: &Given, message: impl Into<String>, hint: String) -> Fault {
    Fault { path: setting.path.join("."), origin: setting.origin.clone(), message: message.into(), hint }
}

fn internal(error: &serde_json::Error) -> ConfigFaults {
    let message = format!("the defaults cannot be serialised: {error}");
    ConfigFaults(vec![Fault { path: String::new(), origin: "default".to_owned(), message, hint: String::new() }])
}

fn unset_secrets(node: &mut Value) {
    match node {
        Value::Object(fields) => fields.values_mut().for_each(unset_secrets),
        Value::String(text) if text == SHOWN_SET || text == SHOWN_UNSET => text.clear(),
        _ => {}
    }
}

fn get<'a>(tree: &'a Value, path: &[String]) -> Option<&'a Value> {
    path.iter().try_fold(tree, |node, name| node.get(name))
}

/// Sets the value at the path, making the maps on the way (below free maps and options they may be missing).
fn put(tree: &mut Value, path: &[String], value: Value) {
    let mut node = tree;
    for name in path {
        if !node.is_object() {
            *node = Value::Object(Default::default());
        }
        let Value::Object(fields) = node else { return };
        node = fields.entry(name.clone()).or_insert(Value::Null);
    }
    *node = value;
}

fn leaf_names(node: &Value, path: String, names: &mut Vec<String>) {
    match node {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, field) in fields {
                let below = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaf_names(field, below, names);
            }
        }
        _ => names.push(path),
    }
}

/// Levenshtein distance, one row at a time.
fn edit_distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, left) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = index + 1;
        for (column, right) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(left != *right);
            diagonal = row[column + 1];
            row[column + 1] = substituted.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
