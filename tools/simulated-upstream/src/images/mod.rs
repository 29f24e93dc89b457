//! Images: made from a prompt, or from images and a prompt. Each is the same single pixel.

mod request;
mod script;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use crate::call::{self, Accepted, Asked, Call};
use crate::errors::Refusal;
use crate::json::{CREATED, json_answer};
use crate::operation::Operation;
use request::ImageRequest;
use script::ImageScript;

/// One pixel as PNG, 69 bytes.
const PIXEL: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGPQyt8AAAIQAUoa8Fa7AAAAAElFTkSuQmCC";
/// What one image counts as output: OpenAI's figure for a square one of low quality.
const OUTPUT_TOKENS: u64 = 272;
const MOST_IMAGES: u64 = 10;

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, answer).await
}

fn answer<'a>(call: &'a Call, accepted: Accepted<ImageRequest<'a>>) -> HttpResponse {
    let asked = &accepted.asked;
    let images = asked.n.unwrap_or(1);
    if !(1..=MOST_IMAGES).contains(&images) {
        let refusal = Refusal { param: Some("n"), ..Refusal::bad_request("`n` must be between 1 and 10.") };
        return accepted.refuse(call, &refusal);
    }
    if asked.streams() {
        let script = ImageScript::new(call.operation, asked, &accepted.behaviour);
        return accepted.stream(script);
    }
    let image = image_object(asked, call.operation);
    let data = vec![image; usize::try_from(images).unwrap_or(1)].join(",");
    let usage = asked.usage(accepted.behaviour.usage, images);
    let body = format!(
        r#"{{"created":{CREATED},"background":"opaque","output_format":"png","quality":"low","size":"1024x1024","data":[{data}]{usage}}}"#
    );
    accepted.complete(images * OUTPUT_TOKENS, json_answer(StatusCode::OK, body))
}

/// What came as files is told where a real model tells how it understood the prompt.
fn image_object(asked: &ImageRequest<'_>, operation: Operation) -> String {
    let revised = match (operation, asked.files) {
        (Operation::ImageEdits, Some(files)) => format!(r#","revised_prompt":"received {} bytes""#, files.bytes),
        _ => String::new(),
    };
    match asked.response_format.as_deref() {
        Some("url") => format!(r#"{{"url":"https://images.example/pixel.png"{revised}}}"#),
        _ => format!(r#"{{"b64_json":"{PIXEL}"{revised}}}"#),
    }
}
