//! The client's language made from the upstream's: which filter a stream gets, and how a whole answer is said.

use std::rc::Rc;

use bytes::Bytes;
use maas_keys::{Peppers, ResponseId};
use maas_llm::{
    answer::{Answer, AnswerError, AnswerSettings},
    api::Api,
    stream::{ChatStreamFilter, FilterSettings, StreamFilter, stream_filter},
    translate::{
        TranslatedStream, UntranslatableAnswer,
        chat_on_messages::{self, CompletionSettings, MessagesAsChat},
        messages_on_chat::{self, MessageSettings},
        responses_on_chat::{self, ResponseSettings},
    },
};
use maas_types::UpstreamId;
use uuid::Uuid;

use crate::{
    request::{Asked, Content},
    state::Via,
};

/// Gives the responses of one upstream the ids under which their owner finds them again.
#[derive(Clone)]
pub struct ResponseNames {
    peppers: Rc<Peppers>,
    upstream: Uuid,
    owner: Uuid,
}

impl ResponseNames {
    pub fn new(peppers: Rc<Peppers>, upstream: Uuid, owner: Uuid) -> Self {
        Self { peppers, upstream, owner }
    }

    /// Our id for the upstream's. One that is too long to carry is given out as it is, and finds nothing later.
    pub fn name(&self, original: &str) -> String {
        let (upstream, owner) = (*self.upstream.as_bytes(), *self.owner.as_bytes());
        let id = ResponseId { upstream, owner, original: original.to_owned() };
        id.to_text(&self.peppers).unwrap_or_else(|| original.to_owned())
    }
}

/// Why an upstream's answer cannot be given to the client.
#[derive(Debug, thiserror::Error)]
pub enum UnusableAnswer {
    #[error(transparent)]
    Unreadable(#[from] AnswerError),
    #[error(transparent)]
    Untranslatable(#[from] UntranslatableAnswer),
}

/// What answers of one request have to be made like.
pub struct Languages<'a> {
    pub asked: &'a Asked,
    pub upstream: UpstreamId,
    pub via: Via,
    pub peppers: Rc<Peppers>,
}

impl Languages<'_> {
    /// The filter between the upstream's stream and the client's.
    pub fn filter(&self) -> Box<dyn StreamFilter> {
        let asked = self.asked;
        let request_id = || asked.request_id.clone();
        let native = |include_usage| FilterSettings::new(asked.model.clone(), include_usage, request_id());
        match self.via {
            Via::Native | Via::Estimate => {
                let names = self.names();
                let rename_id = (asked.api == Api::Responses).then(|| rename(names));
                stream_filter(asked.api, FilterSettings { rename_id, ..native(asked.include_usage) })
            }
            Via::MessagesOnChat => {
                let translator = messages_on_chat::Translator::new(self.message_settings());
                Box::new(TranslatedStream::new(Box::new(ChatStreamFilter::new(native(true))), translator, request_id()))
            }
            Via::ResponsesOnChat => self.responses(Box::new(ChatStreamFilter::new(native(true)))),
            Via::ChatOnMessages => Box::new(MessagesAsChat::new(native(asked.include_usage), self.created())),
            Via::ResponsesOnMessages => self.responses(Box::new(MessagesAsChat::new(native(true), self.created()))),
        }
    }

    fn responses(&self, chat: Box<dyn StreamFilter>) -> Box<dyn StreamFilter> {
        let request_id = self.asked.request_id.clone();
        match self.response_settings() {
            Some(settings) => {
                Box::new(TranslatedStream::new(chat, responses_on_chat::Translator::new(settings), request_id))
            }
            // The request was read with success when it was sent.
            None => chat,
        }
    }

    /// What a whole answer reports, and how the client gets it.
    pub fn answer(&self, body: &Bytes) -> Result<(Answer, Bytes), UnusableAnswer> {
        let asked = self.asked;
        let read = |api| Answer::read(body, &AnswerSettings::new(api, &asked.model));
        Ok(match self.via {
            Via::Native | Via::Estimate => {
                let names = self.names();
                let rename = |id: &str| names.name(id);
                let rename_id: Option<&dyn Fn(&str) -> String> =
                    if asked.api == Api::Responses { Some(&rename) } else { None };
                let settings = AnswerSettings { rename_id, ..AnswerSettings::new(asked.api, &asked.model) };
                let answer = Answer::read(body, &settings)?;
                let body = answer.body.clone();
                (answer, body)
            }
            Via::MessagesOnChat => {
                let answer = read(Api::Chat)?;
                let said = said(&answer, body, |body| messages_on_chat::answer(body, &self.message_settings()))?;
                (answer, said)
            }
            Via::ResponsesOnChat => {
                let answer = read(Api::Chat)?;
                let said = said(&answer, body, |body| self.response(body))?;
                (answer, said)
            }
            Via::ChatOnMessages => {
                let answer = read(Api::Messages)?;
                let said = said(&answer, body, |body| chat_on_messages::answer(body, &self.completion_settings()))?;
                (answer, said)
            }
            Via::ResponsesOnMessages => {
                let answer = read(Api::Messages)?;
                let through_chat = |body: &[u8]| {
                    chat_on_messages::answer(body, &self.completion_settings()).and_then(|chat| self.response(&chat))
                };
                let said = said(&answer, body, through_chat)?;
                (answer, said)
            }
        })
    }

    fn response(&self, chat: &[u8]) -> Result<Vec<u8>, UntranslatableAnswer> {
        match self.response_settings() {
            Some(settings) => responses_on_chat::answer(chat, &settings),
            None => Ok(chat.to_vec()),
        }
    }

    fn names(&self) -> ResponseNames {
        ResponseNames::new(self.peppers.clone(), self.upstream.uuid(), self.asked.owner())
    }

    fn message_settings(&self) -> MessageSettings {
        let message_id = format!("msg_{}", Uuid::new_v4().simple());
        MessageSettings { client_model: self.asked.model.clone(), message_id }
    }

    fn completion_settings(&self) -> CompletionSettings {
        CompletionSettings { client_model: self.asked.model.clone(), created: self.created() }
    }

    /// A translated response is kept by nobody, so its id says nothing.
    fn response_settings(&self) -> Option<ResponseSettings> {
        let Content::Json { body, .. } = &self.asked.content else { return None };
        let id = format!("resp_{}", Uuid::new_v4().simple());
        ResponseSettings::from_request(body, id, self.asked.model.clone(), self.created()).ok()
    }

    fn created(&self) -> u64 {
        u64::try_from(self.asked.admitted_at.unix_seconds()).unwrap_or_default()
    }
}

fn rename(names: ResponseNames) -> Box<dyn Fn(&str) -> String> {
    Box::new(move |id| names.name(id))
}

/// The answer in the client's words; an error has none, it is told as one.
fn said(
    answer: &Answer,
    body: &Bytes,
    say: impl FnOnce(&[u8]) -> Result<Vec<u8>, UntranslatableAnswer>,
) -> Result<Bytes, UntranslatableAnswer> {
    match answer.error {
        Some(_) => Ok(Bytes::new()),
        None => say(body).map(Bytes::from),
    }
}
