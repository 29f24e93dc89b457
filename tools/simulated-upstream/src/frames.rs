//! Server-sent events as text, framed as the behaviour says.

use crate::behaviour::Framing;

#[derive(Debug)]
pub(crate) struct Frames {
    framing: Framing,
    written: u64,
}

impl Frames {
    pub(crate) fn new(framing: Framing) -> Self {
        Self { framing, written: 0 }
    }

    pub(crate) fn data(&mut self, data: &str) -> String {
        self.written += 1;
        let number = self.written;
        match self.framing {
            Framing::Plain => format!("data: {data}\n\n"),
            Framing::Crlf => format!("data: {data}\r\n\r\n"),
            Framing::Comments => format!(": frame {number}\n\ndata: {data}\n\n"),
            Framing::IdLines => format!("id: {number}\ndata: {data}\n\n"),
        }
    }

    /// With a name, as Messages and Responses have it.
    pub(crate) fn event(&mut self, name: &str, data: &str) -> String {
        self.written += 1;
        let number = self.written;
        match self.framing {
            Framing::Plain => format!("event: {name}\ndata: {data}\n\n"),
            Framing::Crlf => format!("event: {name}\r\ndata: {data}\r\n\r\n"),
            Framing::Comments => format!(": frame {number}\n\nevent: {name}\ndata: {data}\n\n"),
            Framing::IdLines => format!("id: {number}\nevent: {name}\ndata: {data}\n\n"),
        }
    }

    /// A failure in the middle, as OpenAI sends it in streams of events.
    pub(crate) fn error_event(&mut self) -> String {
        let error = r#"{"type":"error","error":{"type":"server_error","code":"server_error","message":"The engine has failed.","param":null}}"#;
        self.event("error", error)
    }
}
