//! The events of a Messages stream as upstreams send them: `https://docs.claude.com/en/docs/build-with-claude/streaming`.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::translate::body::BorrowedText;

/// Something a chat stream can say.
#[derive(Debug)]
pub(super) enum Event<'a> {
    Start(StartedMessage<'a>),
    BlockStart {
        index: u64,
        block: StartedBlock<'a>,
    },
    BlockDelta {
        index: u64,
        delta: BlockDelta<'a>,
    },
    BlockStop {
        index: u64,
    },
    End {
        stop_reason: Option<BorrowedText<'a>>,
        usage: Option<&'a RawValue>,
    },
    Stop,
    Error,
    /// Pings, and events that are not known yet: the API says that there may be some.
    Other,
}

#[derive(Debug, Deserialize)]
pub(super) struct StartedMessage<'a> {
    #[serde(borrow)]
    pub id: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub usage: Option<&'a RawValue>,
}

/// Blocks start empty; some servers put the first piece here.
#[derive(Debug, Deserialize)]
pub(super) struct StartedBlock<'a> {
    #[serde(rename = "type", borrow)]
    pub kind: BorrowedText<'a>,
    #[serde(borrow)]
    pub text: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub thinking: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub id: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub name: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub input: Option<&'a RawValue>,
}

/// One of the three; signatures and citations are not read.
#[derive(Debug, Deserialize)]
pub(super) struct BlockDelta<'a> {
    #[serde(borrow)]
    pub text: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub thinking: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    pub partial_json: Option<BorrowedText<'a>>,
}

/// The kind alone, so that an event that is not known may have members of any form.
#[derive(Deserialize)]
struct Kind<'a> {
    #[serde(rename = "type", borrow)]
    kind: Option<BorrowedText<'a>>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageStart<'a> {
    #[serde(borrow)]
    message: StartedMessage<'a>,
}

#[derive(Deserialize)]
struct ContentBlockStart<'a> {
    index: u64,
    #[serde(borrow)]
    content_block: StartedBlock<'a>,
}

#[derive(Deserialize)]
struct ContentBlockDelta<'a> {
    index: u64,
    #[serde(borrow)]
    delta: BlockDelta<'a>,
}

#[derive(Deserialize)]
struct ContentBlockStop {
    index: u64,
}

#[derive(Deserialize)]
struct MessageDelta<'a> {
    #[serde(borrow)]
    delta: EndDelta<'a>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct EndDelta<'a> {
    #[serde(borrow)]
    stop_reason: Option<BorrowedText<'a>>,
}

impl<'a> Event<'a> {
    /// Reads the data of one event. The kind in it counts; `name`, from the frame, only where it has none.
    pub fn read(name: Option<&str>, data: &'a [u8]) -> Result<Self, serde_json::Error> {
        let Kind { kind, error } = serde_json::from_slice(data)?;
        Ok(match kind.as_deref().or(name).unwrap_or_default() {
            "message_start" => Self::Start(serde_json::from_slice::<MessageStart<'_>>(data)?.message),
            "content_block_start" => {
                let ContentBlockStart { index, content_block } = serde_json::from_slice(data)?;
                Self::BlockStart { index, block: content_block }
            }
            "content_block_delta" => {
                let ContentBlockDelta { index, delta } = serde_json::from_slice(data)?;
                Self::BlockDelta { index, delta }
            }
            "content_block_stop" => Self::BlockStop { index: serde_json::from_slice::<ContentBlockStop>(data)?.index },
            "message_delta" => {
                let MessageDelta { delta, usage } = serde_json::from_slice(data)?;
                Self::End { stop_reason: delta.stop_reason, usage }
            }
            "message_stop" => Self::Stop,
            "error" => Self::Error,
            // Gateways put errors of their own into the stream.
            "" if error.is_some() => Self::Error,
            _ => Self::Other,
        })
    }
}
