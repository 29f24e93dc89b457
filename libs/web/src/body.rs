//! JSON bodies of the control plane: media type, size, shape and unknown fields are checked before a handler runs.

use std::{future::Future, pin::Pin};

use actix_web::{FromRequest, HttpRequest, dev::Payload, web};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;

use crate::{
    gate::Gate,
    problem::{FieldFault, Problem, ProblemCode},
};

/// No body of the control plane is larger. serde_json refuses nesting above 128 levels by itself.
pub const MAX_BODY_BYTES: usize = 1024 * 1024;

/// The longest pointer or message of a fault.
const MAX_ECHO_CHARACTERS: usize = 500;

/// A checked JSON body. `T` denies unknown fields, so that a misspelt one is an error and not a surprise.
#[derive(Debug)]
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = Problem;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Problem>>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let refused = check_headers(request).err();
        let mut payload = payload.take();
        let gate = Gate::of(request);
        Box::pin(async move {
            Gate::passed(gate).await;
            if let Some(problem) = refused {
                return Err(problem);
            }
            let mut bytes = web::BytesMut::new();
            while let Some(chunk) = payload.next().await {
                let chunk = chunk.map_err(|_| {
                    Problem::with_detail(ProblemCode::InvalidJson, "the body ended before it was whole")
                })?;
                if bytes.len() + chunk.len() > MAX_BODY_BYTES {
                    return Err(too_large());
                }
                bytes.extend_from_slice(&chunk);
            }
            parse(&bytes).map(Self)
        })
    }
}

fn check_headers(request: &HttpRequest) -> Result<(), Problem> {
    let content_type = request.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = content_type.split(';').next().unwrap_or("").trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(ProblemCode::UnsupportedMediaType));
    }
    if request.headers().contains_key("content-encoding") {
        return Err(Problem::with_detail(ProblemCode::UnsupportedMediaType, "send the body without content-encoding"));
    }
    let declared = request.headers().get("content-length").and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|length| length > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    Ok(())
}

fn too_large() -> Problem {
    Problem::with_detail(ProblemCode::BodyTooLarge, format!("at most {MAX_BODY_BYTES} bytes"))
}

/// Parses and names the place of the first fault as a JSON pointer.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| fault_of(&error))?;
    deserializer.end().map_err(|error| Problem::with_detail(ProblemCode::InvalidJson, error.to_string()))?;
    Ok(parsed)
}

fn fault_of(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    if !inner.is_data() {
        return Problem::with_detail(ProblemCode::InvalidJson, inner.to_string());
    }
    let detail = shortened(&without_position(&inner.to_string()));
    let code = if detail.starts_with("unknown field") {
        "unknown_field"
    } else if detail.starts_with("missing field") {
        "missing_field"
    } else {
        "invalid_value"
    };
    Problem::invalid(vec![FieldFault::new(shortened(&pointer(error.path())), code, detail)])
}

/// Messages and pointers repeat what was sent, which may be as long as the body.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_ECHO_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// serde_json ends its messages with " at line 1 column 7"; the pointer says it better.
fn without_position(message: &str) -> String {
    message.rsplit_once(" at line ").map_or(message, |(text, _)| text).to_owned()
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        pointer.push('/');
        match segment {
            Segment::Seq { index } => pointer.push_str(&index.to_string()),
            Segment::Map { key } => pointer.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => pointer.push_str(variant),
            Segment::Unknown => pointer.push('?'),
        }
    }
    pointer
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Sample {
        name: String,
        #[serde(default)]
        limits: Vec<u32>,
    }

    #[test]
    fn a_fault_is_named_by_its_pointer() {
        let problem = parse::<Sample>(br#"{"name":"x","limits":[1,"two"]}"#).unwrap_err();
        assert_eq!(problem.faults[0].pointer, "/limits/1");
        let problem = parse::<Sample>(br#"{"name":"x","colour":"red"}"#).unwrap_err();
        assert_eq!((problem.faults[0].pointer.as_str(), problem.faults[0].code.as_str()), ("/colour", "unknown_field"));
    }

    #[test]
    fn a_fault_does_not_repeat_a_whole_body() {
        let body = format!(r#"{{"name":"x","{}":1}}"#, "é".repeat(100_000));
        let fault = &parse::<Sample>(body.as_bytes()).unwrap_err().faults[0];
        assert_eq!(fault.code, "unknown_field");
        assert!(fault.pointer.starts_with("/éé") && fault.pointer.len() + fault.detail.len() < 4_000);
    }

    #[test]
    fn nesting_and_trailing_bytes_are_refused() {
        let nested = format!("{{\"name\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        assert!(parse::<Sample>(nested.as_bytes()).is_err());
        assert_eq!(parse::<Sample>(br#"{"name":"x"} {"#).unwrap_err().code, ProblemCode::InvalidJson);
    }
}
