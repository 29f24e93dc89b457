//! The `/models` list of an OpenAI-compatible server.

use maas_http::check_url;
use maas_llm::models::{ModelKindGuess, UpstreamModel, parse_model_list};
use maas_types::input::check_text;

use super::{Catalog, SourceFault};
use crate::domain::{
    credential::CredentialInput,
    glob,
    model::ModelKind,
    model_fields::{MAX_ENTRY, ModelFields},
    price::PriceInput,
    source::{OfferedModel, OfferedPrice, Source},
    upstream::parse_base_url,
    upstream_fields::UpstreamFields,
};

const MAX_BYTES: usize = 4 * 1024 * 1024;

impl Catalog {
    pub(super) async fn read_list(&self, source: &Source) -> Result<Vec<OfferedModel>, SourceFault> {
        let body = self.fetch_list(source).await?;
        let listed = parse_model_list(&body)?;
        // A server that is just starting, or a key without rights, looks like this: no reason to withdraw its models.
        if listed.is_empty() {
            return Err(SourceFault::Empty);
        }
        let settings = &source.settings;
        let taken = listed.into_iter().filter(|model| glob::selects(&settings.include, &settings.exclude, &model.id));
        Ok(taken.map(|model| offer(source, model)).collect())
    }

    async fn fetch_list(&self, source: &Source) -> Result<Vec<u8>, SourceFault> {
        let url = parse_base_url(&format!("{}/models", source.location))
            .map_err(|reason| SourceFault::Unreachable(reason.to_owned()))?;
        check_url(&self.guard, &url)?;
        let mut request = self.client.get(url);
        if let Some(variable) = &source.credential_variable {
            let secret = std::env::var(variable).map_err(|_| SourceFault::CredentialMissing(variable.clone()))?;
            request = request.bearer_auth(secret.trim());
        }
        let mut response = request.send().await.map_err(unreachable)?;
        match response.status().as_u16() {
            200..=299 => {}
            status @ (401 | 403) => return Err(SourceFault::Refused(status)),
            status => return Err(SourceFault::Status(status)),
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(SourceFault::TooLarge(MAX_BYTES));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// The innermost cause says it best ("connection refused"); the URL is known from the source.
fn unreachable(error: reqwest::Error) -> SourceFault {
    let error = error.without_url();
    let mut cause: &dyn std::error::Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    SourceFault::Unreachable(cause.to_string())
}

fn offer(source: &Source, listed: UpstreamModel) -> OfferedModel {
    let credential = source
        .credential_variable
        .clone()
        .map(|variable| CredentialInput { environment_variable: Some(variable), ..CredentialInput::default() });
    let upstream = UpstreamFields {
        name: Some(source.name.clone()),
        base_url: Some(source.location.clone()),
        upstream_model: Some(listed.id.clone()),
        credential: Some(credential),
        instance: Some(source.instance.clone()),
        ..UpstreamFields::default()
    };
    let first = ModelFields {
        kind: Some(kind_of(listed.kind)),
        owner: listed.owned_by.filter(|owner| is_usable_owner(owner)),
        provider: Some(source.name.clone()),
        context_length: listed.max_model_len.and_then(|length| u32::try_from(length).ok()),
        ..ModelFields::default()
    };
    let price = source.settings.price.map(|price| PriceInput::of_tokens(price.input, price.output));
    OfferedModel {
        key: listed.id,
        first,
        // People describe these models; the list only says that they are there and where.
        owned: ModelFields::default(),
        upstreams: vec![upstream],
        price: price.map_or(OfferedPrice::None, OfferedPrice::Default),
    }
}

/// What the API would accept. PostgreSQL would refuse a NUL, and with it everything else that the server lists.
fn is_usable_owner(owner: &str) -> bool {
    let mut faults = Vec::new();
    check_text("", owner, MAX_ENTRY, &mut faults);
    faults.is_empty()
}

fn kind_of(guess: ModelKindGuess) -> ModelKind {
    match guess {
        ModelKindGuess::Generative => ModelKind::Chat,
        ModelKindGuess::Embedding => ModelKind::Embedding,
        ModelKindGuess::Rerank => ModelKind::Rerank,
        ModelKindGuess::Transcription | ModelKindGuess::Speech => ModelKind::Audio,
        ModelKindGuess::Image => ModelKind::Image,
        ModelKindGuess::Moderation => ModelKind::Moderation,
    }
}
