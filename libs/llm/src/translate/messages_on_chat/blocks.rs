//! Reading content blocks.
//!
//! A block is read into one flat struct and checked from there: serde's tagged enums would copy each block first and
//! lose the path of what is wrong in it. It keeps no more memory than its kind needs, so that a body of many small blocks
//! does not grow many times when it is read.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, IgnoredAny, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use serde_json::value::RawValue;

use super::form::{Block, Document, ResultBlock, Source, ToolResult, ToolUse};
use crate::translate::body::{BorrowedText, Content, missing};

/// Every member that some kind of block has. `C` is what a tool's result may consist of.
#[derive(Deserialize)]
#[serde(expecting = "a content block")]
struct FlatBlock<'a, C> {
    #[serde(rename = "type", borrow)]
    kind: BorrowedText<'a>,
    #[serde(borrow)]
    text: Option<BorrowedText<'a>>,
    #[serde(borrow, default)]
    source: ObjectOnly<Source<'a>>,
    #[serde(borrow)]
    title: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    context: Option<BorrowedText<'a>>,
    #[serde(default)]
    citations: ObjectOnly<Citations>,
    #[serde(borrow)]
    id: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    name: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    tool_use_id: Option<BorrowedText<'a>>,
    content: Option<C>,
    is_error: Option<bool>,
}

/// On a document; on a text the name means the citations themselves.
#[derive(Deserialize)]
#[serde(expecting = "an object")]
struct Citations {
    enabled: Option<bool>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Block<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = FlatBlock::<Content<'a, ResultBlock<'a>>>::deserialize(deserializer)?;
        let block = match &*flat.kind {
            "tool_use" => flat.into_tool_use(),
            "tool_result" => flat.into_tool_result(),
            _ => flat.into_plain(),
        };
        block.map_err(D::Error::custom)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for ResultBlock<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let flat = FlatBlock::<IgnoredAny>::deserialize(deserializer)?;
        flat.into_plain().map(ResultBlock).map_err(D::Error::custom)
    }
}

impl<'a, C> FlatBlock<'a, C> {
    fn into_plain(self) -> Result<Block<'a>, String> {
        Ok(match &*self.kind {
            "text" => Block::Text(self.text.ok_or_else(|| missing("text"))?),
            "image" => Block::Image(self.source.0.ok_or_else(|| missing("source"))?.into()),
            "document" => Block::Document(Box::new(Document {
                source: self.source.0.ok_or_else(|| missing("source"))?,
                title: self.title,
                context: self.context,
                wants_citations: self.citations.0.and_then(|citations| citations.enabled).unwrap_or(false),
            })),
            "thinking" | "redacted_thinking" => Block::Thinking,
            _ => Block::Other,
        })
    }

    fn into_tool_use(self) -> Result<Block<'a>, String> {
        Ok(Block::ToolUse(Box::new(ToolUse {
            id: self.id.ok_or_else(|| missing("id"))?,
            name: self.name.ok_or_else(|| missing("name"))?,
            input: self.input.ok_or_else(|| missing("input"))?,
        })))
    }
}

impl<'a> FlatBlock<'a, Content<'a, ResultBlock<'a>>> {
    fn into_tool_result(self) -> Result<Block<'a>, String> {
        Ok(Block::ToolResult(Box::new(ToolResult {
            tool_use_id: self.tool_use_id.ok_or_else(|| missing("tool_use_id"))?,
            content: self.content,
            is_error: self.is_error.unwrap_or(false),
        })))
    }
}

/// An object. Values of other kinds are passed over as if they were not there, since the same name means something else
/// in blocks of a kind that is refused later.
struct ObjectOnly<T>(Option<T>);

impl<T> Default for ObjectOnly<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for ObjectOnly<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = ObjectOnly<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(|object| ObjectOnly(Some(object)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(ObjectOnly(None))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(ObjectOnly(None))
    }
}
