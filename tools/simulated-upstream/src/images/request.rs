//! What is asked for, in JSON or in a form with images.

use std::borrow::Cow;

use serde::Deserialize;

use super::OUTPUT_TOKENS;
use crate::behaviour::UsageMode;
use crate::call::{Asked, Call, marked};
use crate::multipart::Form;
use crate::operation::Operation;
use crate::usage::HUGE_TOKENS;
use crate::words::Words;

/// What an image in the input counts.
const INPUT_IMAGE_TOKENS: u64 = 194;

/// The fields of both operations.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ImageRequest<'a> {
    #[serde(default, borrow)]
    model: Cow<'a, str>,
    #[serde(borrow)]
    prompt: Cow<'a, str>,
    #[serde(default)]
    pub(super) n: Option<u64>,
    #[serde(default, borrow)]
    pub(super) response_format: Option<Cow<'a, str>>,
    #[serde(default)]
    stream: Option<bool>,
    #[serde(default)]
    pub(super) partial_images: Option<u64>,
    #[serde(default, borrow)]
    user: Option<Cow<'a, str>>,
    #[serde(skip)]
    pub(super) files: Option<Files>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Files {
    count: u64,
    pub(super) bytes: usize,
}

impl<'a> Asked<'a> for ImageRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        match call.operation {
            Operation::ImageEdits => Self::from_form(&Form::read(&call.request, &call.body)?),
            _ => serde_json::from_slice(&call.body).map_err(|error| error.to_string()),
        }
    }

    fn model(&self) -> &str {
        &self.model
    }

    fn user(&self) -> Option<&str> {
        marked([self.user.as_deref(), Some(&self.prompt)])
    }

    fn input_tokens(&self) -> u64 {
        self.text_tokens() + self.image_tokens()
    }

    fn streams(&self) -> bool {
        self.stream == Some(true)
    }
}

impl<'a> ImageRequest<'a> {
    fn from_form(form: &Form<'a>) -> Result<Self, String> {
        let number = |name: &str| form.text(name).and_then(|text| text.parse().ok());
        let images: Vec<_> = form.files("image").chain(form.files("mask")).collect();
        if images.is_empty() {
            return Err("missing file `image`".to_owned());
        }
        Ok(Self {
            model: form.text("model").unwrap_or_default().into(),
            prompt: form.text("prompt").ok_or("missing field `prompt`")?.into(),
            n: number("n"),
            response_format: form.text("response_format").map(Cow::from),
            stream: form.text("stream").map(|text| text == "true"),
            partial_images: number("partial_images"),
            user: form.text("user").map(Cow::from),
            files: Some(Files {
                count: form.files("image").count() as u64,
                bytes: images.iter().map(|file| file.content.len()).sum(),
            }),
        })
    }

    fn text_tokens(&self) -> u64 {
        Words::of_text(&self.prompt).count
    }

    fn image_tokens(&self) -> u64 {
        self.files.map_or(0, |files| files.count * INPUT_IMAGE_TOKENS)
    }

    /// `,"usage":{…}`
    pub(super) fn usage(&self, mode: UsageMode, images: u64) -> String {
        let (text, image, output) = match mode {
            UsageMode::Missing => return String::new(),
            UsageMode::Huge => (HUGE_TOKENS, 0, HUGE_TOKENS),
            _ => (self.text_tokens(), self.image_tokens(), images * OUTPUT_TOKENS),
        };
        let (input, total) = (text + image, text + image + output);
        format!(
            r#","usage":{{"input_tokens":{input},"input_tokens_details":{{"text_tokens":{text},"image_tokens":{image}}},"output_tokens":{output},"total_tokens":{total}}}"#
        )
    }
}
