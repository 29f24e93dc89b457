//! Include and exclude patterns of sources: `*` stands for any text, also across slashes, `?` for one character.

/// Whether the whole of `text` fits `pattern`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut position) = (0, 0);
    // Where the last star was, and how much text it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while position < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, position));
                at += 1;
            }
            Some(expected) if *expected == '?' || *expected == text[position] => {
                at += 1;
                position += 1;
            }
            _ => {
                let Some((star_at, taken)) = star else { return false };
                star = Some((star_at, taken + 1));
                at = star_at + 1;
                position = taken + 1;
            }
        }
    }
    pattern[at..].iter().all(|rest| *rest == '*')
}

/// Whether a source takes this model: every model when nothing is included by name, and never an excluded one.
pub fn selects(include: &[String], exclude: &[String], name: &str) -> bool {
    let listed = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
    (include.is_empty() || listed(include)) && !listed(exclude)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_cross_slashes_and_may_be_empty() {
        for (pattern, text) in
            [("*", ""), ("meta/*", "meta/llama/8b"), ("*-8b", "llama-8b"), ("a*b*c", "axbxbc"), ("?", "é")]
        {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [("", "a"), ("meta/*", "openai/x"), ("a?c", "ac"), ("a*b", "abc")] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_excluded_model_is_never_taken() {
        let (include, exclude) = (["gpt-*".to_owned()], ["*-preview".to_owned()]);
        assert!(selects(&include, &exclude, "gpt-4o"));
        assert!(!selects(&include, &exclude, "gpt-4o-preview"));
        assert!(!selects(&include, &[], "o1"));
        assert!(selects(&[], &exclude, "o1"));
    }
}
