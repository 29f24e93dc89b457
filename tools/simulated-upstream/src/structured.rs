//! Answers that have to be JSON: `response_format` of chat, `text.format` of responses.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::sample::sample;

/// The JSON that the format demands; `None` where text is wanted.
pub(crate) fn demanded_json(format: Option<&RawValue>) -> Result<Option<String>, serde_json::Error> {
    let Some(format) = format else { return Ok(None) };
    let format: Value = serde_json::from_str(format.get())?;
    Ok(match format["type"].as_str() {
        // Chat has the schema one level deeper than responses.
        Some("json_schema") => {
            let schema = format["json_schema"].get("schema").or_else(|| format.get("schema"));
            Some(schema.map_or_else(|| "{}".to_owned(), |schema| sample(schema).to_string()))
        }
        Some("json_object") => Some("{}".to_owned()),
        _ => None,
    })
}
