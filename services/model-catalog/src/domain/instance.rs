//! Instances: `namespace/service`, the path under which one server's own model names can be called
//! (`/llm/gemini-llamastack/v1/chat/completions`).

use maas_types::OWN_PATH_SEGMENTS;

/// The namespace of servers that are named in the configuration.
const DEFAULT_NAMESPACE: &str = "llm";
const MAX_LABEL: usize = 63;

/// Two DNS labels with a slash between, the first none of our own path segments.
pub fn check_instance(text: &str) -> Result<(), &'static str> {
    let is_instance = text.split_once('/').is_some_and(|(namespace, service)| is_label(namespace) && is_label(service));
    if !is_instance {
        return Err("must be namespace/service, each of 1 to 63 lower-case letters, digits and inner hyphens");
    }
    let namespace = text.split('/').next().unwrap_or_default();
    if OWN_PATH_SEGMENTS.contains(&namespace) {
        return Err("begins with a path segment of the platform's own: choose another namespace");
    }
    Ok(())
}

/// The instance of a configured source that names none. Two sources may come to the same one; they share it then.
pub fn default_instance(source: &str) -> String {
    let allowed = |byte: char| if byte.is_ascii_lowercase() || byte.is_ascii_digit() { byte } else { '-' };
    let label: String = source.chars().map(allowed).take(MAX_LABEL).collect();
    match label.trim_matches('-') {
        "" => format!("{DEFAULT_NAMESPACE}/source"),
        label => format!("{DEFAULT_NAMESPACE}/{label}"),
    }
}

fn is_label(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let has_inner_hyphens_only = !text.starts_with('-') && !text.ends_with('-');
    (1..=MAX_LABEL).contains(&text.len()) && text.bytes().all(allowed) && has_inner_hyphens_only
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_two_labels_outside_our_own_paths() {
        for text in ["llm/gemini-llamastack", "a/v1", "team-1/7b"] {
            assert!(check_instance(text).is_ok(), "{text}");
        }
        let long = format!("llm/{}", "a".repeat(64));
        for text in
            ["llm", "llm/", "/a", "llm/a/b", "LLM/a", "llm/a_b", "llm/-a", "llm/a-", "llm/..", ".well-known/a", &long]
        {
            assert!(check_instance(text).is_err(), "{text}");
        }
        assert!(OWN_PATH_SEGMENTS.iter().all(|segment| check_instance(&format!("{segment}/a")).is_err()));
    }

    #[test]
    fn every_source_name_makes_an_instance() {
        for (source, instance) in
            [("gpu-1", "llm/gpu-1"), ("a.b_c", "llm/a-b-c"), ("_x.", "llm/x"), ("..", "llm/source")]
        {
            assert_eq!(default_instance(source), instance);
            assert!(check_instance(instance).is_ok());
        }
    }
}
