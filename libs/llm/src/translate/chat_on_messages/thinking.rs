//! How much the model thinks, and how much room it has for it.
//!
//! Models up to Claude 4.5 are given a budget, those from 4.6 on a level; each kind refuses what the other one takes
//! (`https://docs.claude.com/en/docs/build-with-claude/adaptive-thinking`). The name tells which kind it is.

use super::messages_body::Thinking;
use crate::translate::{
    TranslationError,
    messages_on_chat::effort::{MIN_BUDGET_TOKENS, budget_of_effort},
};

/// What the request says of thinking.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ThinkingPlan {
    pub thinking: Option<Thinking>,
    pub effort: Option<&'static str>,
    /// The bound on thinking and answer together.
    pub max_tokens: u64,
}

/// What decides about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ThinkingWish<'a> {
    /// `reasoning_effort`.
    pub effort: Option<&'a str>,
    pub upstream_model: &'a str,
    /// The client's bound.
    pub max_tokens: Option<u64>,
    pub default_max_tokens: u64,
    /// A tool must be called: then Messages lets no model think.
    pub forces_tool: bool,
    /// The conversation stands behind a call of a tool. A model with a budget must then be shown the signed thinking that
    /// led to the call, which chat completions cannot carry.
    pub in_tool_loop: bool,
}

impl ThinkingWish<'_> {
    /// A budget fits into half of the client's bound, or there is none; without a bound the budget is added to what an
    /// answer gets.
    pub fn plan(self) -> Result<ThinkingPlan, TranslationError> {
        let max_tokens = self.max_tokens.unwrap_or(self.default_max_tokens);
        let silent = ThinkingPlan { thinking: None, effort: None, max_tokens };
        let Some(effort) = self.effort.filter(|effort| *effort != "none") else { return Ok(silent) };
        let Some(wanted) = budget_of_effort(effort) else {
            let rule = "must be `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`";
            return Err(TranslationError::breaks_rule("reasoning_effort", rule));
        };
        if self.forces_tool {
            return Ok(silent);
        }
        if takes_level(self.upstream_model) {
            return Ok(ThinkingPlan { thinking: Some(Thinking::Adaptive), effort: Some(level(effort)), max_tokens });
        }
        let budget_tokens = self.max_tokens.map_or(wanted, |bound| wanted.min(bound / 2));
        if self.in_tool_loop || budget_tokens < MIN_BUDGET_TOKENS {
            return Ok(silent);
        }
        let max_tokens = if self.max_tokens.is_some() { max_tokens } else { max_tokens.saturating_add(budget_tokens) };
        Ok(ThinkingPlan { thinking: Some(Thinking::Enabled { budget_tokens }), effort: None, max_tokens })
    }
}

/// The levels that all of these models have.
fn level(effort: &str) -> &'static str {
    match effort {
        "minimal" | "low" => "low",
        "medium" => "medium",
        "max" => "max",
        _ => "high",
    }
}

/// Names such as `claude-opus-4-6`, `anthropic.claude-sonnet-4-5-20250929-v1:0`, `claude-3-7-sonnet-latest`; a name
/// without a version is not known to take a level.
fn takes_level(model: &str) -> bool {
    let Some((_, name)) = model.split_once("claude") else { return false };
    let mut words = name.split(['-', '.', '_', '@', ':']).map(version_number);
    let Some(major) = words.by_ref().flatten().next() else { return false };
    let minor = words.next().flatten().unwrap_or(0);
    (major, minor) >= (4, 6)
}

/// Longer numbers are dates.
fn version_number(word: &str) -> Option<u8> {
    if word.len() <= 2 { word.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH: ThinkingWish<'static> = ThinkingWish {
        effort: Some("medium"),
        upstream_model: "claude-sonnet-4-5",
        max_tokens: None,
        default_max_tokens: 4_096,
        forces_tool: false,
        in_tool_loop: false,
    };

    fn budget(wish: ThinkingWish<'_>) -> Option<(u64, u64)> {
        let plan = wish.plan().unwrap();
        match plan.thinking {
            Some(Thinking::Enabled { budget_tokens }) => Some((budget_tokens, plan.max_tokens)),
            _ => None,
        }
    }

    #[test]
    fn the_form_follows_the_model() {
        for model in ["claude-opus-4-6", "us.anthropic.claude-opus-4-7-v1:0", "claude-sonnet-5", "claude-opus-4.6"] {
            assert!(takes_level(model), "{model}");
        }
        for model in
            ["claude-sonnet-4-20250514", "claude-3-7-sonnet-latest", "claude-haiku-4-5@20251001", "mine", "claude"]
        {
            assert!(!takes_level(model), "{model}");
        }
        let plan = ThinkingWish { upstream_model: "claude-opus-5", ..WISH }.plan().unwrap();
        let expected = ThinkingPlan { thinking: Some(Thinking::Adaptive), effort: Some("medium"), max_tokens: 4_096 };
        assert_eq!(plan, expected);
    }

    #[test]
    fn a_budget_leaves_room_for_the_answer() {
        assert_eq!(budget(WISH), Some((8_192, 12_288)));
        assert_eq!(budget(ThinkingWish { max_tokens: Some(10_000), ..WISH }), Some((5_000, 10_000)));
        assert_eq!(budget(ThinkingWish { max_tokens: Some(2_000), ..WISH }), None);
    }

    #[test]
    fn where_thinking_would_be_refused_there_is_none() {
        assert_eq!(budget(ThinkingWish { forces_tool: true, ..WISH }), None);
        assert_eq!(budget(ThinkingWish { in_tool_loop: true, ..WISH }), None);
        assert_eq!(budget(ThinkingWish { effort: Some("none"), ..WISH }), None);
        let error = ThinkingWish { effort: Some("much"), ..WISH }.plan().unwrap_err();
        assert_eq!(error.param(), Some("reasoning_effort"));
    }
}
