//! Limits of what people write.

use super::fault::InputFault;

pub const MAX_NAME: usize = 255;
pub const MAX_DESCRIPTION: usize = 2_000;

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

/// A name: 1 to 255 characters, not only white space.
pub fn check_name(pointer: &str, name: &str, faults: &mut Vec<InputFault>) {
    if name.trim().is_empty() {
        faults.push(InputFault::new(pointer, "empty", "must not be empty"));
    }
    check_text(pointer, name, MAX_NAME, faults);
}

/// A text of up to `max` characters without control characters.
pub fn check_text(pointer: &str, text: &str, max: usize, faults: &mut Vec<InputFault>) {
    if text.chars().count() > max {
        faults.push(InputFault::new(pointer, "too_long", format!("at most {max} characters")));
    }
    if text.chars().any(char::is_control) {
        faults.push(InputFault::new(pointer, "control_character", "must not hold control characters"));
    }
}

/// A short name inside paths and metrics: lower-case letters, digits, `-`, `_`, `.`.
pub fn is_plain_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    (1..=63).contains(&name.len()) && name.bytes().all(allowed)
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
}
