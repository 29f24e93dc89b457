//! The names that models, sources and files may have.

use std::path::{Component, Path};

use maas_types::input::{InputFault, check_name};

/// The public name of a model: what clients send as `model`, and a tail of paths.
pub fn check_model_name(pointer: &str, name: &str, faults: &mut Vec<InputFault>) {
    check_name(pointer, name, faults);
    if name.chars().any(char::is_whitespace) {
        faults.push(InputFault::new(pointer, "white_space", "must not hold white space"));
    }
    if name.starts_with('/') || name.ends_with('/') {
        faults.push(InputFault::new(pointer, "invalid_value", "must not start or end with a slash"));
    }
}

/// A short name inside paths and metrics: lower-case letters, digits, `-`, `_`, `.`.
pub fn is_plain_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
}

/// A relative path that stays inside the folder it is looked up in: no `..`, no leading slash.
pub fn is_plain_file(path: &str) -> bool {
    let is_plain = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (1..=255).contains(&path.len()) && is_plain && !path.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(name: &str) -> Vec<&'static str> {
        let mut faults = Vec::new();
        check_model_name("/name", name, &mut faults);
        faults.into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn model_names_may_hold_slashes_but_no_white_space() {
        assert!(codes("meta-llama/Llama-3.1-8B:free").is_empty());
        assert!(codes(&"é".repeat(255)).is_empty());
        assert_eq!(codes(&"é".repeat(256)), ["too_long"]);
        assert_eq!(codes("a b"), ["white_space"]);
        assert_eq!(codes("a/"), ["invalid_value"]);
        assert_eq!(codes("")[0], "empty");
    }

    #[test]
    fn files_stay_inside_their_folder() {
        assert!(is_plain_file("provider/ca.pem"));
        for path in ["", "/etc/passwd", "../ca.pem", "a/../../b", "./a", "a\0b"] {
            assert!(!is_plain_file(path), "{path}");
        }
    }
}
