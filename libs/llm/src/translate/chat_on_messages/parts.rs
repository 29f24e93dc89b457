//! The parts of a chat message as blocks.

use super::{
    form::{ChatTurn, File, Part},
    messages_body::{Block, Source},
};
use crate::translate::{TranslationError, body::Content};

pub(super) fn content_blocks<'f>(message: &'f ChatTurn<'_>) -> Result<Vec<Block<'f>>, TranslationError> {
    let mut blocks = Vec::new();
    match &message.content {
        None => {}
        Some(Content::Text(text)) => push_text(&mut blocks, text),
        Some(Content::Blocks(parts)) => {
            for (index, part) in parts.iter().enumerate() {
                push_part(&mut blocks, part).map_err(|error| error.inside(format_args!("content.{index}")))?;
            }
        }
    }
    Ok(blocks)
}

/// Messages refuses texts of nothing but space, which models write and clients send back.
pub(super) fn push_text<'f>(blocks: &mut Vec<Block<'f>>, text: &'f str) {
    if !text.trim().is_empty() {
        blocks.push(Block::Text { text });
    }
}

fn push_part<'f>(blocks: &mut Vec<Block<'f>>, part: &'f Part<'_>) -> Result<(), TranslationError> {
    match part {
        Part::Text(text) => push_text(blocks, text),
        Part::Image(url) => {
            let source = image_source(url).map_err(|error| error.inside("image_url"))?;
            blocks.push(Block::Image { source });
        }
        Part::File(file) => blocks.push(document(file).map_err(|error| error.inside("file"))?),
        Part::Other => return Err(unsupported_part()),
    }
    Ok(())
}

pub(super) fn unsupported_part() -> TranslationError {
    TranslationError::unsupported("type", "a part of this type cannot be passed to this model's upstream here")
}

fn image_source<'f>(url: &'f str) -> Result<Source<'f>, TranslationError> {
    if url.starts_with("https://") || url.starts_with("http://") {
        return Ok(Source::Url { url });
    }
    let Some((media_type, data)) = data_url(url) else {
        return Err(TranslationError::breaks_rule("url", "must be a web address or a data URL in base64"));
    };
    let media_type = match media_type.to_ascii_lowercase().as_str() {
        "image/jpeg" | "image/jpg" => "image/jpeg",
        "image/png" => "image/png",
        "image/gif" => "image/gif",
        "image/webp" => "image/webp",
        _ => return Err(TranslationError::unsupported("url", "only JPEG, PNG, GIF and WebP images can be passed on")),
    };
    Ok(Source::Base64 { media_type, data })
}

fn document<'f>(file: &'f File<'_>) -> Result<Block<'f>, TranslationError> {
    let Some(url) = file.file_data.as_deref() else {
        return Err(TranslationError::unsupported(
            "file_id",
            "this model's upstream does not have the file; send its data",
        ));
    };
    match data_url(url) {
        Some((media_type, data)) if media_type.eq_ignore_ascii_case("application/pdf") => {
            let source = Source::Base64 { media_type: "application/pdf", data };
            Ok(Block::Document { source, title: file.filename.as_deref() })
        }
        Some(_) => Err(TranslationError::unsupported("file_data", "only PDF files can be passed on")),
        None => Err(TranslationError::breaks_rule("file_data", "must be a data URL in base64")),
    }
}

/// Media type and data of a `data:` URL in base64; parameters between them are passed over.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    Some((head.split(';').next().unwrap_or_default(), data))
}
