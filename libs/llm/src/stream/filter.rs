//! The state machine between the upstream's bytes and the client's.

use bytes::Bytes;

use super::{
    DONE_FRAME, FilterSettings, PING_FRAME, StreamEnd, StreamFault, StreamFilter, StreamReport,
    chunk::{Choices, ChunkFacts, ChunkTemplate, member_of, read_chunk},
    data_frame,
    outlet::{Outlet, Piece},
};
use crate::{
    error::{ApiErrorCode, ErrorBody, UpstreamErrorInfo, parse_upstream_error},
    scan::push_json_string,
    splice::{Edit, splice_into},
    sse::{Frame, FrameBytes, FrameSplitter},
    usage::UsageRead,
};

/// Turns the upstream's stream into the client's, chunk by chunk. See the module for what it guarantees.
///
/// The relayed bytes (joined) and the report do not depend on how the upstream's bytes were split.
///
/// Usage that the client asked for is held back until `[DONE]` or the end: the upstream's own last usage chunk if it is
/// complete, else one made from the last values. If the upstream has reported nothing, there is no usage chunk.
#[derive(Debug)]
pub struct ChatStreamFilter {
    settings: FilterSettings,
    /// The client's model name as a JSON string.
    model_json: Vec<u8>,
    splitter: FrameSplitter,
    report: StreamReport,
    template: ChunkTemplate,
    held_usage: Option<Piece>,
    phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// Nothing more goes out.
    Ended(StreamEnd),
}

/// What becomes of a frame.
enum Verdict {
    Pass,
    Drop,
    Replace(Bytes),
    /// A usage chunk for the client, changed or as it came, to go out just before the end.
    Hold(Option<Bytes>),
    Done,
    Fail(UpstreamErrorInfo),
}

impl ChatStreamFilter {
    pub fn new(settings: FilterSettings) -> Self {
        let mut model_json = Vec::with_capacity(settings.client_model.len() + 2);
        push_json_string(&mut model_json, &settings.client_model);
        Self {
            splitter: FrameSplitter::new(settings.max_frame),
            settings,
            model_json,
            report: StreamReport::default(),
            template: ChunkTemplate::default(),
            held_usage: None,
            phase: Phase::Open,
        }
    }

    fn relay(&mut self, chunk: &Bytes, outlet: &mut Outlet<'_>) -> Result<(), StreamFault> {
        let mut at = 0;
        while self.phase == Phase::Open {
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
        let is_plain = frame.is_plain;
        match self.judge(&frame)? {
            Verdict::Drop => {}
            Verdict::Pass => outlet.write(piece),
            Verdict::Replace(bytes) => outlet.write(Piece::Whole(bytes)),
            Verdict::Hold(changed) => self.held_usage = Some(changed.map_or(piece, Piece::Whole)),
            Verdict::Done => {
                self.report.done_seen = true;
                self.finish(if is_plain { piece } else { Piece::Whole(DONE_FRAME) }, outlet);
            }
            Verdict::Fail(error) => {
                outlet.write(Piece::Whole(data_frame(&error.as_body(&self.settings.request_id).to_json())));
                outlet.write(Piece::Whole(DONE_FRAME));
                self.report.upstream_error = Some(error);
                self.phase = Phase::Ended(StreamEnd::UpstreamError);
            }
        }
        Ok(())
    }

    fn finish(&mut self, done: Piece, outlet: &mut Outlet<'_>) {
        let usage = self.held_usage.take();
        if self.settings.include_usage
            && let Some(usage) = usage.or_else(|| self.made_usage_chunk())
        {
            outlet.write(usage);
        }
        outlet.write(done);
        self.phase = Phase::Ended(StreamEnd::Complete);
    }

    fn judge(&mut self, frame: &Frame<'_>) -> Result<Verdict, StreamFault> {
        let data = match frame.data.as_deref() {
            Some(data) if !data.trim_ascii().is_empty() => data,
            _ => return Ok(Verdict::Drop),
        };
        if data.trim_ascii() == b"[DONE]" {
            return Ok(Verdict::Done);
        }
        let chunk = read_chunk(data, &self.settings.client_model, &mut self.report, &mut self.template);
        if let Ok(Some(ChunkFacts { error: Some(error), .. })) = chunk {
            return Ok(Verdict::Fail(error));
        }
        if frame.event == Some(b"error") {
            return Ok(Verdict::Fail(parse_upstream_error(data)));
        }
        let Ok(Some(facts)) = chunk else { return Err(StreamFault::MalformedData) };
        Ok(self.judge_chunk(frame, data, &facts))
    }

    fn judge_chunk(&self, frame: &Frame<'_>, data: &[u8], facts: &ChunkFacts) -> Verdict {
        let mut edits: Vec<Edit<'_>> = Vec::new();
        edits.extend(facts.foreign_models.iter().map(|range| Edit::new(range.clone(), &self.model_json)));
        let usage = facts.usage.as_ref().filter(|(read, _)| *read != UsageRead::Null);
        let is_usage_chunk = usage.is_some() && facts.choices != Choices::Some;
        if is_usage_chunk {
            // An incomplete one is replaced at the end by one with the last values of all.
            if !self.settings.include_usage || usage.is_none_or(|(read, _)| *read != UsageRead::Complete) {
                return Verdict::Drop;
            }
            match &facts.choices {
                Choices::Missing => edits.push(Edit::insert(facts.inside, b"\"choices\":[],")),
                Choices::NotAnArray(range) => edits.push(Edit::new(range.clone(), b"[]")),
                Choices::Empty | Choices::Some => {}
            }
        } else if let Some((_, range)) = &facts.usage {
            let is_null = usage.is_none();
            let rewritten = !is_null || !edits.is_empty() || !frame.is_plain;
            // Running usage would be summed by some clients; null is what the API itself sends on such chunks, and only
            // to those who asked. For that alone a chunk is not written anew.
            match (self.settings.include_usage, is_null) {
                (true, false) => edits.push(Edit::new(range.clone(), b"null")),
                (false, _) if rewritten => edits.push(Edit::new(member_of(data, range), b"")),
                _ => {}
            }
        }
        let changed = (!frame.is_plain || !edits.is_empty()).then(|| changed_frame(data, &mut edits));
        match (is_usage_chunk, changed) {
            (true, changed) => Verdict::Hold(changed),
            (false, Some(bytes)) => Verdict::Replace(bytes),
            (false, None) => Verdict::Pass,
        }
    }

    /// A usage chunk from the last values, in the likeness of the upstream's chunks.
    fn made_usage_chunk(&self) -> Option<Piece> {
        if !self.report.usage.is_reported() {
            return None;
        }
        let mut out = b"data: {".to_vec();
        let template = &self.template;
        for (name, value) in [("id", &template.id), ("object", &template.object), ("created", &template.created)] {
            if let Some(value) = value {
                push_json_string(&mut out, name);
                out.push(b':');
                out.extend_from_slice(value);
                out.push(b',');
            }
        }
        out.extend_from_slice(b"\"model\":");
        out.extend_from_slice(&self.model_json);
        out.extend_from_slice(b",\"choices\":[],\"usage\":");
        self.report.usage.write_json(&mut out);
        out.extend_from_slice(b"}\n\n");
        Some(Piece::Whole(out.into()))
    }
}

impl StreamFilter for ChatStreamFilter {
    fn push(&mut self, chunk: Bytes, out: &mut Vec<Bytes>) -> Result<(), StreamFault> {
        let mut outlet = Outlet::new(&chunk, out);
        let result = self.relay(&chunk, &mut outlet);
        outlet.flush();
        if result.is_err() {
            self.phase = Phase::Ended(StreamEnd::Cut);
        }
        if let Some(Piece::Inside(range)) = &self.held_usage {
            self.held_usage = Some(Piece::Whole(chunk.slice(range.clone())));
        }
        result
    }

    fn end(&mut self, out: &mut Vec<Bytes>) -> StreamEnd {
        let chunk = Bytes::new();
        let mut outlet = Outlet::new(&chunk, out);
        if self.phase == Phase::Open
            && let Some(rest) = self.splitter.finish()
        {
            // A torn frame is no event: a fault in it tells nothing that the missing end does not tell, and a number in
            // it may be half a number.
            let before = self.report.clone();
            if self.frame(Piece::Whole(rest.into()), &mut outlet).is_err() {
                self.report = before;
            }
        }
        if self.phase == Phase::Open {
            if self.report.is_finished() {
                self.finish(Piece::Whole(DONE_FRAME), &mut outlet);
            } else {
                self.phase = Phase::Ended(StreamEnd::Cut);
            }
        }
        outlet.flush();
        match self.phase {
            Phase::Ended(end) => end,
            Phase::Open => StreamEnd::Cut,
        }
    }

    fn ended(&self) -> Option<StreamEnd> {
        match self.phase {
            Phase::Open => None,
            Phase::Ended(end) => Some(end),
        }
    }

    fn report(&self) -> &StreamReport {
        &self.report
    }

    fn fail(&mut self, code: ApiErrorCode, message: Option<&str>, out: &mut Vec<Bytes>) {
        if matches!(self.phase, Phase::Ended(StreamEnd::Complete | StreamEnd::UpstreamError)) {
            return;
        }
        self.phase = Phase::Ended(StreamEnd::UpstreamError);
        let error = ErrorBody::new(code, message, None, &self.settings.request_id);
        out.extend([data_frame(&error.to_json()), DONE_FRAME]);
    }

    fn ping(&self) -> Bytes {
        PING_FRAME
    }
}

/// The chunk with its edits, as one `data` line. Line feeds in checked JSON stand only between tokens, where a space
/// says the same.
fn changed_frame(data: &[u8], edits: &mut [Edit<'_>]) -> Bytes {
    let mut out = b"data: ".to_vec();
    splice_into(&mut out, data, edits);
    for byte in out.iter_mut().filter(|byte| **byte == b'\n') {
        *byte = b' ';
    }
    out.extend_from_slice(b"\n\n");
    out.into()
}

#[cfg(test)]
mod tests;
