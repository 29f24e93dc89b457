//! Subject filters as NATS reads them: `*` stands for one token, a closing `>` for one or more.

pub(crate) fn matches(filter: &str, subject: &str) -> bool {
    let mut tokens = subject.split('.');
    for expected in filter.split('.') {
        let Some(token) = tokens.next() else { return false };
        match expected {
            ">" => return true,
            "*" => {}
            literal if literal == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn star_stands_for_exactly_one_token() {
        assert!(matches("a.*.c", "a.b.c"));
        assert!(!matches("a.*", "a.b.c"));
        assert!(!matches("a.*", "a"));
    }

    #[test]
    fn greater_than_stands_for_at_least_one_token() {
        assert!(matches("a.>", "a.b.c"));
        assert!(matches(">", "a"));
        assert!(!matches("a.>", "a"));
    }

    #[test]
    fn literals_match_themselves_only() {
        assert!(matches("a.b", "a.b"));
        assert!(!matches("a.b", "a.bc"));
        assert!(!matches("a", "a.b"));
    }
}
