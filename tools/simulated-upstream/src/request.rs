//! What an answer needs to know of a request, found in one pass without a JSON tree.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// Fields of chat, completion and embedding requests alike.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelRequest<'a> {
    #[serde(borrow)]
    pub(crate) model: Cow<'a, str>,
    #[serde(default)]
    pub(crate) stream: Option<bool>,
    #[serde(default)]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(default, alias = "prompt", alias = "input")]
    pub(crate) messages: Words,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub(crate) encoding_format: Option<Cow<'a, str>>,
    #[serde(default)]
    pub(crate) dimensions: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct StreamOptions {
    pub(crate) include_usage: Option<bool>,
    /// vLLM's running totals.
    pub(crate) continuous_usage_stats: Option<bool>,
}

impl ModelRequest<'_> {
    pub(crate) fn max_tokens(&self) -> Option<u64> {
        self.max_completion_tokens.or(self.max_tokens)
    }

    /// The served model's name, without modifiers.
    pub(crate) fn served_model(&self) -> &str {
        self.model.split('+').next().unwrap_or_default()
    }

    /// From the model's name, then from `user`.
    pub(crate) fn modifiers(&self) -> impl Iterator<Item = &str> {
        let of_user = self.user.as_deref().and_then(|user| user.strip_prefix("sim:"));
        self.model.split('+').skip(1).chain(of_user.into_iter().flat_map(|modifiers| modifiers.split('+')))
    }

    pub(crate) fn has_modifiers(&self) -> bool {
        self.modifiers().next().is_some()
    }
}

/// Whitespace-separated words of a string, of the strings in a list, and of `content` and `text` in objects. A number is a
/// token id and counts as one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) count: u64,
    /// How many texts: what embeddings answer one vector each for.
    pub(crate) texts: u64,
    is_number: bool,
}

impl Words {
    fn of_text(text: &str) -> Self {
        Self { count: text.split_ascii_whitespace().count() as u64, texts: 1, is_number: false }
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

struct WordsVisitor;

impl<'de> Visitor<'de> for WordsVisitor {
    type Value = Words;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("text, token ids, messages, or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<Words, E> {
        Ok(Words::of_text(text))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Words, E> {
        Ok(Words { count: 1, texts: 0, is_number: true })
    }

    fn visit_unit<E>(self) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut all = Words::default();
        let mut token_ids = false;
        while let Some(item) = list.next_element::<Words>()? {
            all.count += item.count;
            all.texts += u64::from(!item.is_number);
            token_ids |= item.is_number;
        }
        all.texts += u64::from(token_ids);
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Words, A::Error> {
        let mut count = 0;
        while let Some(name) = object.next_key::<Cow<'de, str>>()? {
            if matches!(name.as_ref(), "content" | "text") {
                count += object.next_value::<Words>()?.count;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Words { count, texts: 1, is_number: false })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words(json: &str) -> (u64, u64) {
        let words: Words = serde_json::from_str(json).unwrap();
        (words.count, words.texts)
    }

    #[test]
    fn words_are_counted_in_every_shape_of_input() {
        assert_eq!(words(r#""one two\nthree""#), (3, 1));
        assert_eq!(words(r#"["one two", "three"]"#), (3, 2));
        assert_eq!(words("[11, 12, 13, 14]"), (4, 1));
        assert_eq!(words("[[11, 12], [13]]"), (3, 2));
        assert_eq!(words("null"), (0, 0));
        let messages = r#"[{"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"what is this"},{"type":"image_url","image_url":{"url":"data: x"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"a b c"}]}]"#;
        assert_eq!(words(messages).0, 5);
    }

    #[test]
    fn modifiers_come_from_the_model_and_the_user() {
        let json = r#"{"model":"sim/llama+drip","user":"sim:tokens-3+fault-cut","messages":[]}"#;
        let request: ModelRequest<'_> = serde_json::from_str(json).unwrap();
        assert_eq!(request.served_model(), "sim/llama");
        assert_eq!(request.modifiers().collect::<Vec<_>>(), ["drip", "tokens-3", "fault-cut"]);
        let plain: ModelRequest<'_> = serde_json::from_str(r#"{"model":"sim","user":"alice"}"#).unwrap();
        assert!(!plain.has_modifiers());
    }
}
