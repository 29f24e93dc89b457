//! How many tokens a request's input may be, for upstreams that cannot count.

use super::{
    form::{Block, Document, MessagesRequest, ResultBlock, Tool},
    request::{LEFT_OUT, READ},
};
use crate::{
    stream::estimate_tokens,
    translate::{
        TranslationError,
        body::{Content, read_request, refuse_unknown_members},
    },
};

/// About what the roles and marks around a message take.
const TOKENS_PER_MESSAGE: u64 = 4;

/// What Anthropic's guide gives for an image of the largest size that is not scaled down
/// (`https://docs.claude.com/en/docs/build-with-claude/vision`). Smaller ones take less.
const TOKENS_PER_IMAGE: u64 = 1_600;

/// The upper end of what Anthropic's guide gives for a page of a PDF
/// (`https://docs.claude.com/en/docs/build-with-claude/pdf-support`).
const TOKENS_PER_PDF_PAGE: u64 = 3_000;

/// Pages are not counted in the file; this many characters of base64 pass for one.
const BASE64_PER_PDF_PAGE: u64 = 100_000;

/// Estimates the input tokens of a Messages request (or of the same without `max_tokens`): text, names, schemas and
/// inputs at four bytes a token, fixed figures for images and pages, a few tokens for each message. Thinking of earlier
/// turns counts nothing, since it is not sent.
///
/// It is meant for deciding when a conversation gets long, and is no bill: tokenizers differ.
pub fn count_tokens(body: &[u8]) -> Result<u64, TranslationError> {
    refuse_unknown_members(body, &[READ, LEFT_OUT])?;
    let form: MessagesRequest<'_> = read_request(body)?;
    let mut count = Count::default();
    if let Some(system) = &form.system {
        count.content(system, Count::block);
    }
    for turn in &form.messages {
        count.fixed = count.fixed.saturating_add(TOKENS_PER_MESSAGE);
        count.content(&turn.content, Count::block);
    }
    for tool in form.tools.iter().flatten() {
        count.tool(tool);
    }
    Ok(estimate_tokens(count.bytes).saturating_add(count.fixed))
}

#[derive(Default)]
struct Count {
    bytes: u64,
    fixed: u64,
}

impl Count {
    fn text(&mut self, text: &str) {
        self.bytes = self.bytes.saturating_add(text.len() as u64);
    }

    fn content<B>(&mut self, content: &Content<'_, B>, block: fn(&mut Self, &B)) {
        match content {
            Content::Text(text) => self.text(text),
            Content::Blocks(blocks) => blocks.iter().for_each(|each| block(self, each)),
        }
    }

    fn block(&mut self, block: &Block<'_>) {
        match block {
            Block::Text(text) => self.text(text),
            Block::Image(_) => self.fixed = self.fixed.saturating_add(TOKENS_PER_IMAGE),
            Block::Document(document) => self.document(document),
            Block::ToolUse(call) => {
                self.text(&call.name);
                self.text(call.input.get());
            }
            Block::ToolResult(result) => {
                if let Some(content) = &result.content {
                    self.content(content, |count, ResultBlock(block)| count.block(block));
                }
            }
            Block::Thinking | Block::Other => {}
        }
    }

    fn document(&mut self, document: &Document<'_>) {
        for text in [&document.title, &document.context].into_iter().flatten() {
            self.text(text);
        }
        let data = document.source.data.as_deref().unwrap_or_default();
        if &*document.source.kind == "text" {
            return self.text(data);
        }
        let pages = (data.len() as u64).div_ceil(BASE64_PER_PDF_PAGE).max(1);
        self.fixed = self.fixed.saturating_add(pages.saturating_mul(TOKENS_PER_PDF_PAGE));
    }

    fn tool(&mut self, tool: &Tool<'_>) {
        for text in [&tool.name, &tool.description].into_iter().flatten() {
            self.text(text);
        }
        self.text(tool.input_schema.map_or("", |schema| schema.get()));
    }
}
