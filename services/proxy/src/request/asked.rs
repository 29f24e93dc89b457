//! An admitted request, as its sending and its answer need it.

use std::{rc::Rc, time::Instant};

use actix_web::HttpRequest;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use maas_llm::{api::Api, request::RequestFields, stream::estimate_input_tokens};
use maas_types::{Operation, Timestamp};
use uuid::Uuid;

use super::{credential::Caller, upload::Upload};
use crate::{revocation::cutting::OpenCall, routing::AffinityKey};

/// What a client says to an upstream of its own language; everything else of its headers stays here.
const FORWARDED: [&str; 2] = ["anthropic-version", "anthropic-beta"];

pub struct Asked {
    pub caller: Caller,
    /// By which it is ended when the caller may no longer call.
    pub call: Rc<OpenCall>,
    pub operation: Operation,
    /// What the client speaks.
    pub api: Api,
    /// The model's name in the answer.
    pub model: String,
    pub stream: bool,
    /// Whether the client wants the usage chunk of a chat stream.
    pub include_usage: bool,
    pub content: Content,
    pub forwarded: HeaderMap,
    pub request_id: String,
    pub admitted_at: Timestamp,
    /// When the last byte of the client's body was there, or the first ones of an upload.
    pub body_read: Instant,
}

/// The body.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and the hot path allocates no box for it"
)]
pub enum Content {
    Json {
        body: Bytes,
        fields: RequestFields,
        /// The id, as its upstream knows it, of the response that this one goes on from.
        previous_response: Option<String>,
    },
    Upload(Box<Upload>),
}

impl Asked {
    /// The input tokens of a request whose upstream reported none, from the bytes of its text.
    pub fn estimated_input(&self) -> u64 {
        match &self.content {
            Content::Json { body, fields, .. } => {
                let content = body.get(fields.content.clone()).filter(|content| !content.is_empty());
                estimate_input_tokens(content.unwrap_or(body))
            }
            // Mostly sound and pictures: their bytes say nothing about tokens.
            Content::Upload(_) => 0,
        }
    }

    /// What keeps requests with one beginning together: the client's own key for it, else its content's first bytes,
    /// never across tenants.
    pub fn affinity(&self) -> Option<AffinityKey> {
        let Content::Json { body, fields, .. } = &self.content else { return None };
        let tenant = self.caller.tenant();
        match &fields.prompt_cache_key {
            Some(key) => Some(AffinityKey::from_cache_key(tenant, key)),
            None => body.get(fields.content.clone()).map(|content| AffinityKey::from_content(tenant, content)),
        }
    }

    /// Whether a model works on it, so that tokens are used.
    pub const fn generates(&self) -> bool {
        !matches!(
            self.operation,
            Operation::Moderation | Operation::Tokenize | Operation::Detokenize | Operation::CountTokens
        )
    }

    /// Who owns what an upstream keeps of this.
    pub fn owner(&self) -> Uuid {
        self.caller.user.id.uuid()
    }
}

/// The headers that go on to an upstream of the client's language.
pub fn forwarded_headers(head: &HttpRequest, api: Api) -> HeaderMap {
    let mut forwarded = HeaderMap::new();
    if api != Api::Messages {
        return forwarded;
    }
    for name in FORWARDED {
        for value in head.headers().get_all(name) {
            // The two worlds' header types are the same bytes.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                forwarded.append(HeaderName::from_static(name), value);
            }
        }
    }
    forwarded
}
