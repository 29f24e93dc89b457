//! Counting tokens: what a request's input holds, found in one pass without a JSON tree.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// What an image counts, however large: OpenAI's figure for one in low detail.
const IMAGE_TOKENS: u64 = 85;

/// Whitespace-separated words of a string, of the strings in a list, and of `content` and `text` in objects. A number is a
/// token id and counts as one word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) count: u64,
    /// How many texts: what embeddings answer one vector each for.
    pub(crate) texts: u64,
    pub(crate) images: u64,
    /// The last message is what a tool gave back.
    pub(crate) ends_with_tool_result: bool,
    is_number: bool,
}

impl Words {
    pub(crate) fn of_text(text: &str) -> Self {
        Self { count: text.split_ascii_whitespace().count() as u64, texts: 1, ..Self::default() }
    }

    pub(crate) fn tokens(self) -> u64 {
        self.count + self.images * IMAGE_TOKENS
    }
}

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WordsVisitor)
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Name {
    Content,
    Text,
    Role,
    Type,
    #[serde(other)]
    Other,
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
        Ok(Words { count: 1, is_number: true, ..Words::default() })
    }

    fn visit_unit<E>(self) -> Result<Words, E> {
        Ok(Words::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Words, A::Error> {
        let mut all = Words::default();
        let mut token_ids = false;
        while let Some(item) = list.next_element::<Words>()? {
            all.count += item.count;
            all.images += item.images;
            all.texts += u64::from(!item.is_number);
            all.ends_with_tool_result = item.ends_with_tool_result;
            token_ids |= item.is_number;
        }
        all.texts += u64::from(token_ids);
        Ok(all)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Words, A::Error> {
        let mut all = Words { texts: 1, ..Words::default() };
        while let Some(name) = object.next_key::<Name>()? {
            match name {
                Name::Content | Name::Text => {
                    let inner = object.next_value::<Words>()?;
                    all.count += inner.count;
                    all.images += inner.images;
                    all.ends_with_tool_result |= inner.ends_with_tool_result;
                }
                // The values that matter in any of the APIs; others, of whatever type, are none of this server's business.
                Name::Role | Name::Type => match object.next_value::<&RawValue>()?.get() {
                    r#""tool""# | r#""function_call_output""# | r#""tool_result""# => all.ends_with_tool_result = true,
                    r#""image""# | r#""image_url""# | r#""input_image""# => all.images += 1,
                    _ => {}
                },
                Name::Other => {
                    object.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(all)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn words(json: &str) -> Words {
        serde_json::from_str(json).unwrap()
    }

    fn counts(json: &str) -> (u64, u64) {
        (words(json).count, words(json).texts)
    }

    #[test]
    fn words_are_counted_in_every_shape_of_input() {
        assert_eq!(counts(r#""one two\nthree""#), (3, 1));
        assert_eq!(counts(r#"["one two", "three"]"#), (3, 2));
        assert_eq!(counts("[11, 12, 13, 14]"), (4, 1));
        assert_eq!(counts("[[11, 12], [13]]"), (3, 2));
        assert_eq!(counts("null"), (0, 0));
        let messages = r#"[{"role":"system","content":"be brief"},
            {"role":"user","content":[{"type":"text","text":"what is this"},{"type":"image_url","image_url":{"url":"data: x"}}]},
            {"role":"assistant","content":null,"tool_calls":[{"id":"a b c"}]}]"#;
        assert_eq!((words(messages).count, words(messages).images, words(messages).tokens()), (5, 1, 90));
    }

    #[test]
    fn a_tool_result_at_the_end_is_seen_in_every_api() {
        let chat = r#"[{"role":"user","content":"x"},{"role":"tool","tool_call_id":"1","content":"12"}]"#;
        let responses = r#"[{"role":"user","content":"x"},{"type":"function_call_output","output":"12"}]"#;
        let messages = r#"[{"role":"user","content":[{"type":"tool_result","content":"12"}]}]"#;
        for json in [chat, responses, messages] {
            assert!(words(json).ends_with_tool_result, "{json}");
        }
        assert!(!words(r#"[{"role":"tool","content":"12"},{"role":"user","content":"go on"}]"#).ends_with_tool_result);
    }
}
