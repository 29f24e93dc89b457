//! What is wrong with what somebody entered, and the limits of the texts that people write.

use std::fmt;

/// The longest name, in characters.
pub const MAX_NAME: usize = 255;
/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 2_000;

/// One fault of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFault {
    /// JSON pointer into the body or file, or `?name` for a query parameter.
    pub pointer: String,
    pub code: &'static str,
    pub detail: String,
}

impl InputFault {
    pub fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }
}

impl fmt::Display for InputFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.pointer, self.detail)
    }
}

/// A name: 1 to [`MAX_NAME`] characters, not only white space.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(name: &str) -> Vec<&'static str> {
        let mut faults = Vec::new();
        check_name("/name", name, &mut faults);
        faults.into_iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn names_have_1_to_255_characters() {
        assert!(codes("é").is_empty());
        assert!(codes(&"é".repeat(255)).is_empty());
        assert_eq!(codes(&"é".repeat(256)), ["too_long"]);
        assert_eq!(codes(" "), ["empty"]);
        assert_eq!(codes("a\nb"), ["control_character"]);
    }
}
