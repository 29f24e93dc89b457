//! One block as parts of a chat message.

use std::borrow::Cow;

use super::{
    chat_body::{File, ImageUrl, Part, Url},
    form::{Block, Document, Source},
};
use crate::translate::{
    TranslationError,
    body::{Content, Joined},
};

const IMAGE_TYPES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];

/// A file must have a name; documents need no title.
const UNTITLED_PDF: &str = "document.pdf";

/// Texts only, as one.
pub(super) fn system_text<'f>(content: &'f Content<'_, Block<'_>>) -> Result<Cow<'f, str>, TranslationError> {
    let blocks = match content {
        Content::Text(text) => return Ok(Cow::Borrowed(text)),
        Content::Blocks(blocks) => blocks,
    };
    let mut text = Joined::default();
    for (index, block) in blocks.iter().enumerate() {
        let Block::Text(line) = block else { return Err(unsupported_block().inside(index)) };
        text.push(line);
    }
    Ok(text.0.unwrap_or_default())
}

/// What the user or a tool shows.
pub(super) fn block_parts<'f>(block: &'f Block<'_>, parts: &mut Vec<Part<'f>>) -> Result<(), TranslationError> {
    match block {
        Block::Text(text) => parts.push(Part::Text { text: Cow::Borrowed(text) }),
        Block::Image(source) => {
            let url = image_url(source).map_err(|error| error.inside("source"))?;
            parts.push(Part::ImageUrl { image_url: ImageUrl { url } });
        }
        Block::Document(document) => document_parts(document, parts)?,
        Block::Thinking | Block::ToolUse(_) | Block::ToolResult(_) | Block::Other => return Err(unsupported_block()),
    }
    Ok(())
}

pub(super) fn unsupported_block() -> TranslationError {
    TranslationError::unsupported("type", "a block of this type cannot be passed to this model's upstream here")
}

fn image_url<'f>(source: &'f Source<'_>) -> Result<Url<'f>, TranslationError> {
    match &*source.kind {
        "url" => {
            let url = needed(source.url.as_deref(), "url")?;
            let is_web = url.starts_with("https://") || url.starts_with("http://");
            if is_web { Ok(Url::Web(url)) } else { Err(TranslationError::breaks_rule("url", "must be a web address")) }
        }
        "base64" => {
            let media_type = needed(source.media_type.as_deref(), "media_type")?;
            if !IMAGE_TYPES.contains(&media_type) {
                let rule = "must be `image/jpeg`, `image/png`, `image/gif` or `image/webp`";
                return Err(TranslationError::breaks_rule("media_type", rule));
            }
            Ok(Url::Data { media_type, base64: needed(source.data.as_deref(), "data")? })
        }
        _ => Err(unsupported_source()),
    }
}

/// Title and context stand before the document, as text; the title of a PDF is also its name.
fn document_parts<'f>(document: &'f Document<'_>, parts: &mut Vec<Part<'f>>) -> Result<(), TranslationError> {
    if document.wants_citations {
        return Err(TranslationError::unsupported("citations", "this model's upstream cannot cite"));
    }
    let source = &document.source;
    let part = match (&*source.kind, source.media_type.as_deref()) {
        ("text", _) => {
            let text = needed(source.data.as_deref(), "data").map_err(|error| error.inside("source"))?;
            Part::Text { text: Cow::Borrowed(text) }
        }
        ("base64", Some("application/pdf")) => {
            let base64 = needed(source.data.as_deref(), "data").map_err(|error| error.inside("source"))?;
            let filename = document.title.as_deref().unwrap_or(UNTITLED_PDF);
            Part::File { file: File { filename, file_data: Url::Data { media_type: "application/pdf", base64 } } }
        }
        ("base64", _) => {
            return Err(TranslationError::breaks_rule("source.media_type", "must be `application/pdf`"));
        }
        _ => return Err(unsupported_source().inside("source")),
    };
    for heading in [&document.title, &document.context].into_iter().flatten() {
        parts.push(Part::Text { text: Cow::Borrowed(heading) });
    }
    parts.push(part);
    Ok(())
}

fn unsupported_source() -> TranslationError {
    TranslationError::unsupported("type", "a source of this type cannot be passed to this model's upstream")
}

fn needed<'f>(value: Option<&'f str>, member: &'static str) -> Result<&'f str, TranslationError> {
    value.ok_or_else(|| TranslationError::breaks_rule(member, "is missing"))
}
