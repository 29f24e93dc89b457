//! Audio: speech from text, and text from speech.

mod speech;
mod transcript;
mod transcription;

pub(crate) use speech::serve as speech;
pub(crate) use transcription::serve as transcriptions;
