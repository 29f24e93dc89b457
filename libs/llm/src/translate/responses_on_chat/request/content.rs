//! The content of messages and of tool results.
//!
//! | part | in chat |
//! | --- | --- |
//! | `input_text`, `output_text` | text; annotations and log probabilities stay behind |
//! | `refusal` | text: the words with which the model refused |
//! | `input_image` | `image_url`; a `file_id` is refused, since no files are kept here |
//! | `input_file` | `file` with its data; `file_id` and `file_url` are refused |
//! | `input_audio` | the same |

use std::borrow::Cow;

use super::{
    super::{object::Object, tools::shown},
    chat_body::{Content, File, Image, Part},
};
use crate::{scan::Kind, translate::TranslationError};

const NO_FILES: &str = "this model's upstream keeps no files; send the data itself";

/// Reads a member that is a string or an array of parts.
pub(super) fn read_parts<'a>(holder: &Object<'a>, name: &str) -> Result<Vec<Part<'a>>, TranslationError> {
    let mut parts = Vec::new();
    match holder.kind_of(name) {
        None => return Err(holder.missing(name)),
        Some(Kind::String) => parts.push(Part::Text { text: holder.required_text(name)? }),
        Some(Kind::Array) => {
            holder.each_object(name, |part| {
                parts.push(read_part(&part)?);
                Ok(())
            })?;
        }
        Some(_) => return Err(holder.invalid(name, "must be a string or an array")),
    }
    Ok(parts)
}

/// Reads the content of a message whose role can only speak: several texts become one, line by line.
pub(super) fn read_text<'a>(message: &Object<'a>, name: &str) -> Result<Cow<'a, str>, TranslationError> {
    let (texts, others) = split_texts(read_parts(message, name)?);
    if !others.is_empty() {
        return Err(message.unsupported(name, "only messages of the role `user` can hold anything but text"));
    }
    Ok(joined(texts))
}

/// One text alone goes as a string, which every server takes.
pub(super) fn user_content(parts: Vec<Part<'_>>) -> Content<'_> {
    let mut parts = parts;
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Content::Text(Cow::Borrowed("")),
        (Some(Part::Text { text }), true) => Content::Text(text),
        (Some(last), _) => {
            parts.push(last);
            Content::Parts(parts)
        }
    }
}

pub(super) fn split_texts(parts: Vec<Part<'_>>) -> (Vec<Cow<'_, str>>, Vec<Part<'_>>) {
    let (mut texts, mut others) = (Vec::new(), Vec::new());
    for part in parts {
        match part {
            Part::Text { text } => texts.push(text),
            other => others.push(other),
        }
    }
    (texts, others)
}

pub(super) fn joined(mut texts: Vec<Cow<'_, str>>) -> Cow<'_, str> {
    match (texts.pop(), texts.is_empty()) {
        (None, _) => Cow::Borrowed(""),
        (Some(only), true) => only,
        (Some(last), _) => {
            texts.push(last);
            Cow::Owned(texts.join("\n"))
        }
    }
}

fn read_part<'a>(part: &Object<'a>) -> Result<Part<'a>, TranslationError> {
    let kind = part.required_text("type")?;
    match &*kind {
        "input_text" | "output_text" => Ok(Part::Text { text: part.required_text("text")? }),
        "refusal" => Ok(Part::Text { text: part.required_text("refusal")? }),
        "input_image" => read_image(part),
        "input_file" => read_file(part),
        "input_audio" => {
            let input_audio = part.raw_object("input_audio")?.ok_or_else(|| part.missing("input_audio"))?;
            Ok(Part::InputAudio { input_audio })
        }
        _ => Err(part.unsupported("type", format!("parts of the type `{}` cannot be translated", shown(&kind)))),
    }
}

fn read_image<'a>(part: &Object<'a>) -> Result<Part<'a>, TranslationError> {
    let url = part.text("image_url")?;
    if url.is_none() && part.has("file_id") {
        return Err(part.unsupported("file_id", NO_FILES));
    }
    let url = url.ok_or_else(|| part.missing("image_url"))?;
    Ok(Part::ImageUrl { image_url: Image { url, detail: part.text("detail")? } })
}

fn read_file<'a>(part: &Object<'a>) -> Result<Part<'a>, TranslationError> {
    for name in ["file_id", "file_url"] {
        if part.has(name) {
            return Err(part.unsupported(name, NO_FILES));
        }
    }
    Ok(Part::File { file: File { file_data: part.required_text("file_data")?, filename: part.text("filename")? } })
}
