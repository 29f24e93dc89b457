//! Streams of named events that pass as they are: one engine for every language whose upstream speaks the client's own.

use bytes::Bytes;

use super::{
    FilterSettings, StreamEnd, StreamFault, StreamFilter, StreamReport,
    outlet::{Outlet, Piece},
};
use crate::{
    error::{ApiErrorCode, ErrorBody, UpstreamErrorInfo},
    objects::{Edits, Names, Reading},
    scan::ScanError,
    sse::{Frame, FrameBytes, FrameSplitter},
};

/// What a language knows of its own events.
pub(super) trait EventLanguage {
    /// Reads one event, whose `data` must be a JSON object; what it tells goes into the report. On an error nothing of
    /// the event may be believed.
    fn event(&mut self, name: &[u8], data: &[u8], reading: &mut Reading<'_>) -> Result<Then, EventError>;

    /// The upstream has sent `[DONE]`.
    fn done_mark(&mut self) -> Then;

    /// Whether everything was said, now that the upstream has ended without a terminal event.
    fn is_complete(&self, report: &StreamReport) -> bool;

    /// Appends the frames that tell the client of the error and end its stream.
    fn error(&mut self, error: &ErrorBody<'_>, settings: &FilterSettings, out: &mut Vec<u8>);

    /// Keeps an idle connection open.
    fn ping(&self) -> Bytes;
}

/// What follows from an event, besides that it passes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Then {
    GoOn,
    /// The event does not pass.
    Drop,
    /// It was the last one.
    End(StreamEnd),
    /// The upstream has failed: the client is told in the place of the event.
    Fail(UpstreamErrorInfo),
}

/// The data of an event is not an object of its language.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EventError;

impl From<ScanError> for EventError {
    fn from(_: ScanError) -> Self {
        Self
    }
}

/// A filter for streams of named events. See [`StreamFilter`] for what it guarantees.
///
/// An event goes out with its bytes as they came, unless a name in it must change. Frames with other lines than `event`
/// and `data`, or with other line ends than LF, are written anew; comments and events without data are dropped, since
/// some client libraries die of them.
#[derive(Debug)]
pub(super) struct EventStreamFilter<L> {
    settings: FilterSettings,
    splitter: FrameSplitter,
    report: StreamReport,
    language: L,
    ended: Option<StreamEnd>,
}

impl<L: EventLanguage> EventStreamFilter<L> {
    pub(super) fn with_language(settings: FilterSettings, language: L) -> Self {
        let splitter = FrameSplitter::new(settings.max_frame);
        Self { settings, splitter, report: StreamReport::default(), language, ended: None }
    }

    fn relay(&mut self, chunk: &Bytes, outlet: &mut Outlet<'_>) -> Result<(), StreamFault> {
        let mut at = 0;
        while self.ended.is_none() {
            match self.splitter.next_frame(chunk, &mut at)? {
                None => break,
                Some(FrameBytes::Inside(range)) => self.frame(Piece::Inside(range), outlet)?,
                Some(FrameBytes::Joined(bytes)) => self.frame(Piece::Whole(bytes.into()), outlet)?,
            }
        }
        Ok(())
    }

    fn frame(&mut self, piece: Piece, outlet: &mut Outlet<'_>) -> Result<(), StreamFault> {
        let frame = Frame::parse(outlet.bytes_of(&piece));
        let Some(data) = frame.data.as_deref().map(<[u8]>::trim_ascii).filter(|data| !data.is_empty()) else {
            return Ok(());
        };
        let names = Names { model: &self.settings.client_model, rename_id: self.settings.rename_id.as_deref() };
        let mut reading = Reading::new(names, &mut self.report);
        let then = match data {
            b"[DONE]" => self.language.done_mark(),
            _ => self
                .language
                .event(frame.event.unwrap_or_default(), data, &mut reading)
                .map_err(|EventError| StreamFault::MalformedData)?,
        };
        let edits = reading.edits;
        match then {
            Then::Drop => return Ok(()),
            Then::Fail(error) => {
                outlet.write(Piece::Whole(self.upstream_error(&error)));
                self.report.upstream_error = Some(error);
                self.ended = Some(StreamEnd::UpstreamError);
                return Ok(());
            }
            Then::GoOn => {}
            Then::End(end) => {
                // Also a failure that the terminal event tells: its usage is the last word.
                self.report.done_seen = true;
                self.ended = Some(end);
            }
        }
        let rewritten = (!frame.is_clean || !edits.is_empty()).then(|| rewritten_frame(&frame, data, &edits));
        outlet.write(rewritten.map_or(piece, Piece::Whole));
        Ok(())
    }

    fn upstream_error(&mut self, error: &UpstreamErrorInfo) -> Bytes {
        let request_id = &self.settings.request_id;
        let mut out = Vec::new();
        self.language.error(&error.as_body(request_id), &self.settings, &mut out);
        out.into()
    }
}

impl<L: EventLanguage> StreamFilter for EventStreamFilter<L> {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        let mut outlet = Outlet::new(&chunk, out);
        let result = self.relay(&chunk, &mut outlet);
        outlet.flush();
        if result.is_err() {
            self.ended = Some(StreamEnd::Cut);
        }
        result
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        if let Some(end) = self.ended {
            return end;
        }
        if let Some(rest) = self.splitter.finish() {
            let chunk = Bytes::new();
            let mut outlet = Outlet::new(&chunk, out);
            // A torn frame is no event: half of a number in it must not count.
            let before = self.report.clone();
            if self.frame(Piece::Whole(rest.into()), &mut outlet).is_err() {
                self.report = before;
            }
            outlet.flush();
        }
        let by_itself = match self.language.is_complete(&self.report) {
            true => StreamEnd::Complete,
            false => StreamEnd::Cut,
        };
        *self.ended.get_or_insert(by_itself)
    }

    fn ended(&self) -> Option<StreamEnd> {
        self.ended
    }

    fn report(&self) -> &StreamReport {
        &self.report
    }

    fn fail(&mut self, code: ApiErrorCode, message: Option<&str>, out: &mut Vec<Bytes>) {
        if matches!(self.ended, Some(StreamEnd::Complete | StreamEnd::UpstreamError)) {
            return;
        }
        self.ended = Some(StreamEnd::UpstreamError);
        let mut frames = Vec::new();
        let error = ErrorBody::new(code, message, None, &self.settings.request_id);
        self.language.error(&error, &self.settings, &mut frames);
        out.push(frames.into());
    }

    fn ping(&self) -> Bytes {
        self.language.ping()
    }
}

/// The event with its edits: at most one `event` line and one `data` line.
fn rewritten_frame(frame: &Frame<'_>, data: &[u8], edits: &Edits) -> Bytes {
    let mut out = Vec::with_capacity(data.len() + 64);
    if let Some(event) = frame.event {
        out.extend_from_slice(b"event: ");
        out.extend_from_slice(event);
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    edits.apply(data, &mut out);
    // Line feeds in checked JSON stand only between tokens, where a space says the same.
    for byte in out.iter_mut().skip(start).filter(|byte| **byte == b'\n') {
        *byte = b' ';
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}
