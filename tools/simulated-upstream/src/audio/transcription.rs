//! Transcriptions and translations. The text begins with `received N bytes`, so that a test sees that the file arrived.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;

use super::transcript::TranscriptScript;
use crate::behaviour::{Behaviour, UsageMode};
use crate::call::{self, Accepted, Asked, Call, marked};
use crate::json::{json_answer, json_string};
use crate::multipart::Form;
use crate::operation::Operation;
use crate::text::push_words;
use crate::usage::{HUGE_TOKENS, TOTAL_ERROR};
use crate::words::Words;

/// Mono speech of 16 bits at 16 kHz, whatever the file is.
const BYTES_PER_SECOND: u64 = 32_000;
/// OpenAI's figure.
const TOKENS_PER_SECOND: u64 = 10;
/// `received`, the number and `bytes`.
pub(super) const FIRST_WORDS: u64 = 3;

#[derive(Debug)]
struct TranscriptionRequest<'a> {
    model: &'a str,
    prompt: &'a str,
    user: Option<&'a str>,
    language: &'a str,
    format: &'a str,
    streams: bool,
    file_bytes: u64,
}

impl<'a> Asked<'a> for TranscriptionRequest<'a> {
    fn read(call: &'a Call) -> Result<Self, String> {
        let form = Form::read(&call.request, &call.body)?;
        let file = form.files("file").next().ok_or("missing file `file`")?;
        // Translations are always whole, and always English.
        let transcribes = call.operation == Operation::Transcriptions;
        let language = if transcribes { form.text("language") } else { None };
        Ok(Self {
            model: form.text("model").unwrap_or_default(),
            prompt: form.text("prompt").unwrap_or_default(),
            user: form.text("user"),
            language: language.unwrap_or("english"),
            format: form.text("response_format").unwrap_or("json"),
            streams: transcribes && form.text("stream") == Some("true"),
            file_bytes: file.content.len() as u64,
        })
    }

    fn model(&self) -> &str {
        self.model
    }

    fn user(&self) -> Option<&str> {
        marked([self.user, Some(self.prompt)])
    }

    fn input_tokens(&self) -> u64 {
        self.text_tokens() + self.audio_tokens()
    }

    fn streams(&self) -> bool {
        self.streams
    }
}

impl TranscriptionRequest<'_> {
    fn text_tokens(&self) -> u64 {
        Words::of_text(self.prompt).count
    }

    fn seconds(&self) -> u64 {
        self.file_bytes.div_ceil(BYTES_PER_SECOND).max(1)
    }

    fn audio_tokens(&self) -> u64 {
        self.seconds() * TOKENS_PER_SECOND
    }

    /// `,"usage":{…}`
    fn usage(&self, behaviour: &Behaviour, by_duration: bool, output: u64) -> String {
        if behaviour.usage == UsageMode::Missing {
            return String::new();
        }
        if by_duration {
            return format!(r#","usage":{{"type":"duration","seconds":{}}}"#, self.seconds());
        }
        let (text, audio) = (self.text_tokens(), self.audio_tokens());
        let (output, off) = match behaviour.usage {
            UsageMode::Huge => (HUGE_TOKENS, 0),
            UsageMode::Inconsistent => (output, TOTAL_ERROR),
            _ => (output, 0),
        };
        let (input, total) = (text + audio, text + audio + output + off);
        format!(
            r#","usage":{{"type":"tokens","input_tokens":{input},"input_token_details":{{"text_tokens":{text},"audio_tokens":{audio}}},"output_tokens":{output},"total_tokens":{total}}}"#
        )
    }
}

pub(crate) async fn serve(call: Call) -> HttpResponse {
    call::serve(&call, answer).await
}

fn answer<'a>(_: &'a Call, accepted: Accepted<TranscriptionRequest<'a>>) -> HttpResponse {
    let (asked, behaviour) = (&accepted.asked, &accepted.behaviour);
    let words = behaviour.output_tokens.saturating_sub(FIRST_WORDS);
    let output_tokens = words + FIRST_WORDS;
    let opening = format!("received {} bytes ", asked.file_bytes);
    if asked.streams {
        let usage = asked.usage(behaviour, behaviour.usage_by_duration, output_tokens);
        let script = TranscriptScript::new(opening, words, usage, Arc::clone(behaviour));
        return accepted.stream(script);
    }
    let mut text = opening;
    push_words(&mut text, 0, words);
    let text = text.trim_end();
    let answer = match asked.format {
        "text" => plain(format!("{text}\n")),
        "srt" => plain(format!("1\n{} --> {}\n{text}\n\n", time(0, ','), time(asked.seconds(), ','))),
        "vtt" => plain(format!("WEBVTT\n\n{} --> {}\n{text}\n\n", time(0, '.'), time(asked.seconds(), '.'))),
        "verbose_json" => json_answer(StatusCode::OK, verbose(asked, behaviour, text, output_tokens)),
        _ => {
            let usage = asked.usage(behaviour, behaviour.usage_by_duration, output_tokens);
            json_answer(StatusCode::OK, format!(r#"{{"text":{}{usage}}}"#, json_string(text)))
        }
    };
    accepted.complete(output_tokens, answer)
}

/// Only Whisper gives this form, and Whisper is paid by the second.
fn verbose(asked: &TranscriptionRequest<'_>, behaviour: &Behaviour, text: &str, output_tokens: u64) -> String {
    let (seconds, language, text) = (asked.seconds(), json_string(asked.language), json_string(text));
    let usage = asked.usage(behaviour, true, output_tokens);
    format!(
        r#"{{"task":"transcribe","language":{language},"duration":{seconds}.0,"text":{text},"segments":[{{"id":0,"seek":0,"start":0.0,"end":{seconds}.0,"text":{text},"tokens":[],"temperature":0.0,"avg_logprob":-0.25,"compression_ratio":1.0,"no_speech_prob":0.0}}]{usage}}}"#
    )
}

fn plain(text: String) -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body(text)
}

/// As subtitles write it: hours, minutes, seconds and thousandths.
fn time(seconds: u64, separator: char) -> String {
    format!("{:02}:{:02}:{:02}{separator}000", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
