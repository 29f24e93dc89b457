//! What an upstream's error says, whatever shape it has.

use super::overflow::speaks_of_context_overflow;
use crate::scan::{Cursor, Kind, ScanError, Value};

/// The longest upstream message that is shown or kept.
pub const MAX_MESSAGE_CHARS: usize = 1_000;

/// The longest `type`, `param` or `code` that is kept.
const MAX_WORD_CHARS: usize = 128;

/// An upstream's error in one form. Texts are bounded and hold no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UpstreamErrorInfo {
    pub message: String,
    /// The upstream's `type`.
    pub kind: Option<String>,
    pub param: Option<String>,
    /// Numbers become text.
    pub code: Option<String>,
    /// The request was longer than the model's context; servers say so in their own words.
    pub context_overflow: bool,
}

/// Reads an error body: OpenAI's object and Azure's longer one, Anthropic's, Google's list of one, the flat objects of
/// vLLM, FastAPI and Cohere, TGI's and Ollama's bare message, plain text, or a page.
pub fn parse_upstream_error(body: &[u8]) -> UpstreamErrorInfo {
    read_body(body)
        .unwrap_or_else(|| UpstreamErrorInfo { message: message_of_text(body), ..Default::default() })
        .finished()
}

/// `None` if the body is neither an object nor a list of them.
fn read_body(body: &[u8]) -> Option<UpstreamErrorInfo> {
    let mut cursor = Cursor::new(body);
    let mut found = None;
    let kind = match cursor.peek().ok()? {
        Kind::Array => cursor.elements(|cursor| {
            if found.is_none() {
                found = Some(read_outer_object(cursor)?);
            }
            Ok::<(), ScanError>(())
        }),
        Kind::Object => read_outer_object(&mut cursor).map(|error| {
            found = Some(error);
            Kind::Object
        }),
        _ => return None,
    };
    kind.and_then(|_| cursor.finish()).ok()?;
    found
}

fn read_outer_object(cursor: &mut Cursor<'_>) -> Result<UpstreamErrorInfo, ScanError> {
    let mut outer = UpstreamErrorInfo::default();
    let mut inner = UpstreamErrorInfo::default();
    cursor.members::<ScanError>(|cursor, key| match &*key.bytes() {
        b"error" => read_error_object(&mut inner, cursor),
        b"error_type" => outer.take(b"type", cursor.value()?),
        name => outer.take(name, cursor.value()?),
    })?;
    if inner.message.is_empty() {
        inner.message = outer.message;
    }
    // The outer type of Anthropic's and of the event of Responses only says that this is an error.
    let outer_kind = outer.kind.filter(|kind| kind != "error");
    inner.kind = inner.kind.or(outer_kind);
    inner.param = inner.param.or(outer.param);
    inner.code = inner.code.or(outer.code);
    Ok(inner)
}

/// Reads the value of an `error` member: an object, or the message alone.
pub(crate) fn read_error_object(found: &mut UpstreamErrorInfo, cursor: &mut Cursor<'_>) -> Result<(), ScanError> {
    if cursor.peek()? != Kind::Object {
        let value = cursor.value()?;
        return found.take(b"message", value);
    }
    // Azure says more in an object within, Google has a word for its code.
    let mut more = UpstreamErrorInfo::default();
    cursor.members::<ScanError>(|cursor, key| {
        match &*key.bytes() {
            b"innererror" => {
                cursor.members::<ScanError>(|cursor, key| more.take(&key.bytes(), cursor.value()?))?;
            }
            // Azure repeats the HTTP status there, which is no type.
            b"status" if cursor.peek()? == Kind::String => more.take(b"type", cursor.value()?)?,
            name => found.take(name, cursor.value()?)?,
        }
        Ok(())
    })?;
    found.code = found.code.take().or(more.code);
    found.kind = found.kind.take().or(more.kind);
    Ok(())
}

impl UpstreamErrorInfo {
    /// The HTTP status that the error amounts to where it came under 200: its code if that is one, else by its words.
    pub fn amounts_to(&self) -> u16 {
        let words = || [&self.code, &self.kind].into_iter().flatten().map(String::as_str);
        let numeric = words().find_map(|word| word.parse().ok()).filter(|status| (400..600).contains(status));
        if self.context_overflow {
            return 400;
        }
        numeric.or_else(|| words().find_map(status_of_word)).unwrap_or(500)
    }
    fn take(&mut self, name: &[u8], value: Value<'_>) -> Result<(), ScanError> {
        let text = || match value.kind() {
            Kind::String => value.as_text().and_then(|text| text.decode()).map(|text| text.into_owned()),
            Kind::Number => Some(String::from_utf8_lossy(value.raw()).into_owned()),
            _ => None,
        };
        let word = || text().map(|text| clean(&text, MAX_WORD_CHARS)).filter(|text| !text.is_empty());
        match name {
            b"message" => self.message = text().map_or_else(String::new, |text| clean(&text, MAX_MESSAGE_CHARS)),
            b"detail" if self.message.is_empty() => {
                let fallback = || String::from_utf8_lossy(value.raw()).into_owned();
                self.message = clean(&text().unwrap_or_else(fallback), MAX_MESSAGE_CHARS);
            }
            b"type" => self.kind = word(),
            b"param" => self.param = word(),
            b"code" => self.code = word(),
            _ => {}
        }
        Ok(())
    }

    pub(crate) fn finished(mut self) -> Self {
        let coded = |word: &String| ["context_length_exceeded", "exceed_context_size_error"].contains(&word.as_str());
        self.context_overflow =
            [&self.code, &self.kind].into_iter().flatten().any(coded) || speaks_of_context_overflow(&self.message);
        if self.message.is_empty() {
            self.message = "the upstream gave no reason".to_owned();
        }
        self
    }
}

/// By the words of OpenAI, Anthropic and vLLM.
fn status_of_word(word: &str) -> Option<u16> {
    Some(match word {
        "authentication_error" | "AuthenticationError" | "invalid_api_key" => 401,
        "billing_error" | "insufficient_quota" => 402,
        "permission_error" | "PermissionDeniedError" => 403,
        "not_found_error" | "NotFoundError" => 404,
        "rate_limit_error" | "rate_limit_exceeded" | "RateLimitError" => 429,
        "invalid_request_error" | "BadRequestError" => 400,
        "request_too_large" => 413,
        "overloaded_error" => 529,
        _ => return None,
    })
}

fn message_of_text(body: &[u8]) -> String {
    // Four bytes a character are the most that a kept message can need; more is not even looked at.
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MAX_MESSAGE_CHARS)]);
    let text = text.trim();
    if text.starts_with('<') {
        return "the upstream answered with a page instead of an API error".to_owned();
    }
    clean(text, MAX_MESSAGE_CHARS)
}

/// Control characters become spaces; the rest is cut at `limit` characters.
fn clean(text: &str, limit: usize) -> String {
    let shown = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    shown.take(limit).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(body: &str) -> (String, Option<String>, Option<String>, Option<String>, bool) {
        let info = parse_upstream_error(body.as_bytes());
        (info.message, info.kind, info.param, info.code, info.context_overflow)
    }

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn openai_and_vllm_shapes_are_read() {
        let openai = r#"{"error":{"message":"No\nway","type":"invalid_request_error","param":"model","code":"model_not_found"}}"#;
        assert_eq!(
            parsed(openai),
            ("No way".into(), some("invalid_request_error"), some("model"), some("model_not_found"), false)
        );
        let vllm = r#"{"error":{"message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}}"#;
        let (_, kind, param, code, overflow) = parsed(vllm);
        assert_eq!((kind, param, code, overflow), (some("BadRequestError"), None, some("400"), true));
        let flat = r#"{"object":"error","message":"bad","type":"BadRequestError","param":null,"code":400}"#;
        assert_eq!(parsed(flat), ("bad".into(), some("BadRequestError"), None, some("400"), false));
    }

    #[test]
    fn anthropic_azure_and_google_shapes_are_read() {
        let anthropic =
            r#"{"error":{"type":"overloaded_error","message":"Overloaded"},"type":"error","request_id":"r"}"#;
        assert_eq!(parsed(anthropic), ("Overloaded".into(), some("overloaded_error"), None, None, false));
        let event = r#"{"type":"error","code":"server_error","message":"gone","param":null,"sequence_number":3}"#;
        assert_eq!(parsed(event), ("gone".into(), None, None, some("server_error"), false));
        let azure = r#"{"error":{"message":"filtered","type":null,"param":"prompt","code":"content_filter","status":400,
            "innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{"hate":{"filtered":true}}}}}"#;
        assert_eq!(parsed(azure), ("filtered".into(), None, some("prompt"), some("content_filter"), false));
        let google =
            r#"[{"error":{"code":400,"message":"bad","status":"INVALID_ARGUMENT","details":[{}]}},{"error":1}]"#;
        assert_eq!(parsed(google), ("bad".into(), some("INVALID_ARGUMENT"), None, some("400"), false));
        let tgi = r#"{"error":"overloaded","error_type":"overloaded"}"#;
        assert_eq!(parsed(tgi), ("overloaded".into(), some("overloaded"), None, None, false));
    }

    #[test]
    fn other_shapes_still_give_a_message() {
        let message = |body: &str| parse_upstream_error(body.as_bytes()).message;
        assert_eq!(message(r#"{"error":"quota"}"#), "quota");
        assert_eq!(message(r#"{"detail":"Not Found"}"#), "Not Found");
        assert_eq!(message(r#"{"error":{"detail":{"errors":[1]}}}"#), r#"{"errors":[1]}"#);
        assert_eq!(message("  upstream\tis gone\n"), "upstream is gone");
        assert_eq!(message("<html><h1>502</h1></html>"), "the upstream answered with a page instead of an API error");
        assert_eq!(message(""), "the upstream gave no reason");
        assert_eq!(message("{}"), "the upstream gave no reason");
    }

    #[test]
    fn an_error_under_200_amounts_to_a_status() {
        let status = |body: &str| parse_upstream_error(body.as_bytes()).amounts_to();
        assert_eq!(status(r#"{"error":{"message":"x","code":401}}"#), 401);
        assert_eq!(status(r#"{"error":{"message":"x","code":"429","type":"server_error"}}"#), 429);
        assert_eq!(status(r#"{"type":"error","error":{"type":"overloaded_error","message":"x"}}"#), 529);
        assert_eq!(status(r#"{"error":{"message":"maximum context length is 9","code":500}}"#), 400);
        assert_eq!(status(r#"{"error":{"message":"x","code":"odd"}}"#), 500);
    }

    #[test]
    fn messages_are_bounded() {
        let long = format!(r#"{{"error":{{"message":"{}"}}}}"#, "é".repeat(5_000));
        assert_eq!(parse_upstream_error(long.as_bytes()).message.chars().count(), MAX_MESSAGE_CHARS);
        assert_eq!(parse_upstream_error("é".repeat(5_000).as_bytes()).message.chars().count(), MAX_MESSAGE_CHARS);
    }
}
