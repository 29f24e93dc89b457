//! OpenAI's Responses from an upstream that only has chat completions.
//!
//! [`request`] turns the client's body into a chat request, [`answer`] the whole chat completion into a Response
//! object, [`Translator`] the chunks into its events. [`ResponseSettings`] carries from the request what the answer
//! repeats.
//!
//! What becomes of each field, item, part and tool stands in tables where it is read: `request/mod.rs`,
//! `request/input.rs`, `request/content.rs`, `tools.rs`. To teach one more item, add a row and an arm in
//! `request/input.rs`; if models can produce it, a variant in `items.rs`.
//!
//! Format: `https://platform.openai.com/docs/api-reference/responses` and `…/responses-streaming`.

mod answer;
mod items;
mod object;
mod request;
mod response;
mod settings;
mod stream;
mod tools;

pub use answer::answer;
pub use request::request;
pub use settings::ResponseSettings;
pub use stream::Translator;
