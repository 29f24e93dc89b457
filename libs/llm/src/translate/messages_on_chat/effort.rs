//! How much a model should reason: one language names a level, the other tokens.
//!
//! The budgets are those that Google publishes for the same levels in its OpenAI-compatible endpoint
//! (`https://ai.google.dev/gemini-api/docs/openai#thinking`); a budget between two of them counts as the nearer one.

/// The least budget that Messages accepts.
pub(in crate::translate) const MIN_BUDGET_TOKENS: u64 = 1_024;

const MEDIUM_BUDGET_TOKENS: u64 = 8_192;
const HIGH_BUDGET_TOKENS: u64 = 24_576;

/// The level for a budget in tokens.
pub(in crate::translate) const fn effort_of_budget(budget_tokens: u64) -> &'static str {
    const LOW_UNTIL: u64 = u64::midpoint(MIN_BUDGET_TOKENS, MEDIUM_BUDGET_TOKENS);
    const MEDIUM_UNTIL: u64 = u64::midpoint(MEDIUM_BUDGET_TOKENS, HIGH_BUDGET_TOKENS);
    match budget_tokens {
        0..LOW_UNTIL => "low",
        LOW_UNTIL..MEDIUM_UNTIL => "medium",
        _ => "high",
    }
}

/// The budget in tokens for a level; `None` for `none` and for levels that nobody has defined.
pub(in crate::translate) fn budget_of_effort(effort: &str) -> Option<u64> {
    match effort {
        "minimal" | "low" => Some(MIN_BUDGET_TOKENS),
        "medium" => Some(MEDIUM_BUDGET_TOKENS),
        "high" | "xhigh" | "max" => Some(HIGH_BUDGET_TOKENS),
        _ => None,
    }
}

/// The level as chat servers know it: they end at `high`.
pub(in crate::translate) fn chat_effort(effort: &str) -> Option<&'static str> {
    match effort {
        "low" => Some("low"),
        "medium" => Some("medium"),
        "high" | "xhigh" | "max" => Some("high"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_made_from_a_level_gives_the_level_back() {
        for effort in ["low", "medium", "high"] {
            assert_eq!(budget_of_effort(effort).map(effort_of_budget), Some(effort));
        }
        assert_eq!((effort_of_budget(4_607), effort_of_budget(4_608)), ("low", "medium"));
        assert_eq!((effort_of_budget(16_383), effort_of_budget(16_384)), ("medium", "high"));
    }
}
