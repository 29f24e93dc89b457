//! Content that is a string or a list, in either language.

use std::{borrow::Cow, fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{Error, SeqAccess, Visitor},
};

use super::BorrowedText;

/// A string, which means one text, or a list of blocks or parts.
#[derive(Debug)]
pub(in crate::translate) enum Content<'a, B> {
    Text(BorrowedText<'a>),
    Blocks(Vec<B>),
}

impl<'de: 'a, 'a, B: Deserialize<'de>> Deserialize<'de> for Content<'a, B> {
    /// By hand, since an untagged enum would copy the value first and lose the path of what is wrong in it.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor(PhantomData))
    }
}

struct ContentVisitor<'a, B>(PhantomData<(&'a (), B)>);

impl<'de: 'a, 'a, B: Deserialize<'de>> Visitor<'de> for ContentVisitor<'a, B> {
    type Value = Content<'a, B>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a string or a list")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(BorrowedText(text.into())))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(BorrowedText(text.to_owned().into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut blocks = Vec::new();
        while let Some(block) = elements.next_element()? {
            blocks.push(block);
        }
        Ok(Content::Blocks(blocks))
    }
}

/// Several texts as one, a line each; a single one is not copied.
#[derive(Debug, Default)]
pub(in crate::translate) struct Joined<'f>(pub Option<Cow<'f, str>>);

impl<'f> Joined<'f> {
    pub fn push(&mut self, line: &'f str) {
        match &mut self.0 {
            None => self.0 = Some(Cow::Borrowed(line)),
            Some(text) => {
                let text = text.to_mut();
                text.push('\n');
                text.push_str(line);
            }
        }
    }
}
