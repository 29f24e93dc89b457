//! What Azure adds to answers: the verdicts of its content filters.

/// Of a prompt or a choice.
pub(crate) const SAFE: &str = r#"{"hate":{"filtered":false,"severity":"safe"},"self_harm":{"filtered":false,"severity":"safe"},"sexual":{"filtered":false,"severity":"safe"},"violence":{"filtered":false,"severity":"safe"}}"#;

/// `"prompt_filter_results":[…]`
pub(crate) fn prompt_filter_results() -> String {
    format!(r#""prompt_filter_results":[{{"prompt_index":0,"content_filter_results":{SAFE}}}]"#)
}

/// The first chunk of a stream: it has no choice and not even an id.
pub(crate) fn prompt_filter_chunk() -> String {
    let results = prompt_filter_results();
    format!(r#"{{"choices":[],"created":0,"id":"","model":"","object":"",{results}}}"#)
}
