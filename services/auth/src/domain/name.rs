//! Names that people give to people and things.

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    #[error("must not be empty")]
    Empty,
    #[error("must have at most 255 characters")]
    TooLong,
    #[error("must not hold control characters, or spaces at its ends")]
    Characters,
}

impl NameFault {
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::TooLong => "too_long",
            Self::Characters => "invalid_characters",
        }
    }
}

/// User names and display names: 1 to 255 characters.
pub fn check_name(name: &str) -> Result<(), NameFault> {
    if name.is_empty() {
        return Err(NameFault::Empty);
    }
    if name.chars().count() > 255 {
        return Err(NameFault::TooLong);
    }
    if name.chars().any(char::is_control) || name.trim() != name {
        return Err(NameFault::Characters);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_limits() {
        assert_eq!(check_name(&"ä".repeat(255)), Ok(()));
        assert_eq!(check_name(&"a".repeat(256)), Err(NameFault::TooLong));
        assert_eq!(check_name(""), Err(NameFault::Empty));
        assert_eq!(check_name("a\nb"), Err(NameFault::Characters));
        assert_eq!(check_name(" a"), Err(NameFault::Characters));
    }
}
