//! A value that fits a JSON schema, so that clients which check tool arguments and structured answers are content.

use serde_json::{Map, Value, json};

/// Schemas come from strangers and may refer to themselves.
const MOST_DEPTH: usize = 16;

/// The same value for the same schema. Knows what OpenAI's structured outputs allow; anything else gives a string.
pub(crate) fn sample(schema: &Value) -> Value {
    Sampler { root: schema }.value(schema, 0)
}

struct Sampler<'a> {
    root: &'a Value,
}

impl Sampler<'_> {
    fn value(&self, schema: &Value, depth: usize) -> Value {
        if depth >= MOST_DEPTH {
            return Value::Null;
        }
        if let Some(referred) = self.referred(schema) {
            return self.value(referred, depth + 1);
        }
        if let Some(fixed) = schema.get("const").or_else(|| first(schema, "enum")) {
            return fixed.clone();
        }
        if let Some(part) = ["anyOf", "oneOf", "allOf"].iter().find_map(|name| first(schema, name)) {
            return self.value(part, depth + 1);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, depth),
            "integer" => schema.get("minimum").filter(|least| least.is_i64()).cloned().unwrap_or(json!(7)),
            "number" => schema.get("minimum").filter(|least| least.is_number()).cloned().unwrap_or(json!(1.5)),
            "boolean" => json!(true),
            "null" => Value::Null,
            _ => json!("steady"),
        }
    }

    /// The required properties, or all where none is said to be required.
    fn object(&self, schema: &Value, depth: usize) -> Value {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return json!({});
        };
        let required = schema.get("required").and_then(Value::as_array);
        let is_wanted = |name: &str| required.is_none_or(|names| names.iter().any(|wanted| wanted == name));
        let wanted = properties.iter().filter(|(name, _)| is_wanted(name));
        wanted.map(|(name, property)| (name.clone(), self.value(property, depth + 1))).collect::<Map<_, _>>().into()
    }

    fn array(&self, schema: &Value, depth: usize) -> Value {
        let item = schema.get("items").map(|items| self.value(items, depth + 1));
        Value::from_iter(item)
    }

    fn referred(&self, schema: &Value) -> Option<&Value> {
        let pointer = schema.get("$ref")?.as_str()?.strip_prefix('#')?;
        self.root.pointer(pointer)
    }
}

fn first<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get(name)?.as_array()?.first()
}

/// The type; of several the first that is not null.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ => "string",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_required_properties_with_their_types() {
        let schema = json!({"type": "object", "required": ["city", "days", "unit", "tags", "place"], "properties": {
            "city": {"type": "string"}, "days": {"type": ["null", "integer"], "minimum": 3}, "more": {"type": "string"},
            "unit": {"enum": ["celsius", "kelvin"]}, "tags": {"type": "array", "items": {"type": "number"}},
            "place": {"$ref": "#/$defs/place"}}, "$defs": {"place": {"anyOf": [{"type": "boolean"}]}}});
        let expected = json!({"city": "steady", "days": 3, "unit": "celsius", "tags": [1.5], "place": true});
        assert_eq!(sample(&schema), expected);
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let schema = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert!(sample(&schema).to_string().len() < 200);
    }
}
