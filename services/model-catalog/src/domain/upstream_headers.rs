//! Headers that an upstream gets with each request, such as the organisation to charge. They are kept and shown as they
//! are, so none that carries a credential is taken, and none that the proxies write themselves.

use std::collections::BTreeMap;

use maas_types::input::InputFault;
use reqwest::header::HeaderName;

const MAX_HEADERS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 1_024;

/// Lower-case names that are refused, with the reason in the second place.
const REFUSED: [(&str, &[&str]); 3] = [
    (
        "headers are shown to administrators: use the credential for secrets",
        &[
            "authorization",
            "x-api-key",
            "api-key",
            "x-goog-api-key",
            "cookie",
            "proxy-authorization",
            "x-llamastack-provider-data",
        ],
    ),
    (
        "belongs to one connection and not to the request",
        &[
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "http2-settings",
        ],
    ),
    (
        "is written by the proxies",
        &[
            "host",
            "content-length",
            "content-type",
            "content-encoding",
            "accept",
            "accept-encoding",
            "expect",
            "x-request-id",
        ],
    ),
];

/// Every fault, with pointers below `at`.
pub fn check_headers(at: &str, headers: &BTreeMap<String, String>, faults: &mut Vec<InputFault>) {
    if headers.len() > MAX_HEADERS {
        faults.push(InputFault::new(at, "too_many", format!("at most {MAX_HEADERS} headers")));
    }
    // One fault for all that are too many: their own ones would make an answer larger than the body.
    for (name, value) in headers.iter().take(MAX_HEADERS) {
        let pointer = format!("{at}/{}", pointer_segment(name));
        let is_twice = headers.keys().any(|other| other != name && other.eq_ignore_ascii_case(name));
        if is_twice {
            faults.push(InputFault::new(&pointer, "duplicate", "this name is there in another spelling too"));
        }
        if let Err(detail) = check_name(name) {
            faults.push(InputFault::new(&pointer, "invalid_name", detail));
        }
        if let Err(detail) = check_value(value) {
            faults.push(InputFault::new(&pointer, "invalid_value", detail));
        }
    }
}

/// The form that is stored: names in lower case, as HTTP/2 sends them.
pub fn normalized(headers: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect()
}

fn check_name(name: &str) -> Result<(), &'static str> {
    if name.len() > MAX_NAME || HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err("must be an HTTP header name of at most 64 characters");
    }
    let is_listed = |listed: &[&str]| listed.iter().any(|refused| name.eq_ignore_ascii_case(refused));
    match REFUSED.iter().find(|(_, listed)| is_listed(listed)) {
        Some((reason, _)) => Err(reason),
        None => Ok(()),
    }
}

fn check_value(value: &str) -> Result<(), &'static str> {
    let is_visible = value.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if (1..=MAX_VALUE).contains(&value.len()) && is_visible && value.trim() == value {
        return Ok(());
    }
    Err("must be 1 to 1024 visible ASCII characters, without white space at its ends")
}

/// The name as a part of a JSON pointer, cut where no real name goes on.
fn pointer_segment(name: &str) -> String {
    name.chars().take(MAX_NAME).collect::<String>().replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn faults_of(json: &str) -> Vec<(String, &'static str)> {
        let mut faults = Vec::new();
        check_headers("/headers", &serde_json::from_str(json).unwrap(), &mut faults);
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    }

    #[test]
    fn plain_headers_are_taken_and_kept_in_lower_case() {
        let json = r#"{"OpenAI-Organization":"org-1","x-team":"a b","anthropic-beta":"one,two"}"#;
        assert_eq!(faults_of(json), []);
        let names: Vec<_> = normalized(&serde_json::from_str(json).unwrap()).into_keys().collect();
        assert_eq!(names, ["anthropic-beta", "openai-organization", "x-team"]);
    }

    #[test]
    fn credentials_and_what_the_proxies_write_are_refused_in_any_spelling() {
        for name in REFUSED.iter().flat_map(|(_, names)| names.iter()) {
            for name in [(*name).to_owned(), name.to_ascii_uppercase()] {
                let expected = [(format!("/headers/{name}"), "invalid_name")];
                assert_eq!(faults_of(&format!(r#"{{"{name}":"x"}}"#)), expected);
            }
        }
    }

    #[test]
    fn names_and_values_that_would_break_a_request_are_refused() {
        for (json, pointer, code) in [
            (r#"{"":"x"}"#, "/headers/", "invalid_name"),
            (r#"{"a b":"x"}"#, "/headers/a b", "invalid_name"),
            (r#"{"a/~":"x"}"#, "/headers/a~1~0", "invalid_name"),
            (r#"{"a\r\nb":"x"}"#, "/headers/a\r\nb", "invalid_name"),
            (r#"{"x-a":""}"#, "/headers/x-a", "invalid_value"),
            (r#"{"x-a":" x"}"#, "/headers/x-a", "invalid_value"),
            (r#"{"x-a":"a\r\nx-b: c"}"#, "/headers/x-a", "invalid_value"),
            (r#"{"x-a":"é"}"#, "/headers/x-a", "invalid_value"),
        ] {
            assert_eq!(faults_of(json), [(pointer.to_owned(), code)], "{json}");
        }
        assert_eq!(faults_of(r#"{"X-A":"1","x-a":"2"}"#).len(), 2);
        let many: BTreeMap<_, _> = (0..1_000).map(|number| (format!("Host{number} "), "")).collect();
        assert!(faults_of(&serde_json::to_string(&many).unwrap()).len() <= 1 + 2 * MAX_HEADERS);
    }
}
