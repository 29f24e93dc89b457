//! Counting tokens for a model whose server cannot: an estimate, made here. Clients use it to judge whether a
//! conversation still fits.

use actix_web::HttpResponse;
use bytes::Bytes;
use maas_llm::{error::ApiErrorCode, translate::messages_on_chat};
use maas_types::{Operation, Outcome};

use super::{
    asked::{Asked, Content},
    outgoing::{TRANSLATED_HERE_UP_TO, untranslatable},
};
use crate::{
    metering::{OpenRequest, Settlement},
    relay::refuse,
    state::{ModelEntry, Via},
};

/// Whether the model has servers, but none that counts.
pub fn is_made_here(model: &ModelEntry, operation: Operation) -> bool {
    model.upstreams.iter().any(|upstream| upstream.via(operation) == Some(Via::Estimate))
}

pub async fn answer(open: OpenRequest, asked: &Asked) -> HttpResponse {
    let body = match &asked.content {
        Content::Json { body, .. } => body.clone(),
        Content::Upload(_) => Bytes::new(),
    };
    let counted = if body.len() > TRANSLATED_HERE_UP_TO {
        match tokio::task::spawn_blocking(move || messages_on_chat::count_tokens(&body)).await {
            Ok(counted) => counted,
            Err(_) => return refuse(open, asked.api, &ApiErrorCode::InternalError.into()),
        }
    } else {
        messages_on_chat::count_tokens(&body)
    };
    match counted {
        Ok(input_tokens) => {
            let mut response = HttpResponse::Ok();
            response.insert_header(("x-request-id", open.request_id()));
            open.settle(&Settlement::unused(Outcome::Success, 200, ""));
            response.json(serde_json::json!({"input_tokens": input_tokens}))
        }
        Err(error) => refuse(open, asked.api, &untranslatable(&error)),
    }
}
