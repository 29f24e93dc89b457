//! Finds the blank lines that end frames, wherever the stream was cut.

use std::ops::Range;

use memchr::memchr2;

use super::DEFAULT_MAX_FRAME;

/// A frame grew beyond what is kept for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an event of the stream is larger than {limit} bytes")]
pub struct FrameTooLarge {
    pub limit: usize,
}

/// One frame, up to the line end that made its blank line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameBytes {
    /// It lies wholly inside the chunk that was given.
    Inside(Range<usize>),
    /// It began in an earlier chunk.
    Joined(Vec<u8>),
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Cuts a stream into frames, incrementally. Lines may end in LF, CRLF or CR; a byte order mark at the very start is
/// dropped, and so are blank lines between frames.
///
/// A frame is given out as soon as its blank line is sure: after a CR it does not wait for a LF that may follow. The
/// frames are the same however the stream was split.
#[derive(Debug)]
pub struct FrameSplitter {
    max_frame: usize,
    /// The beginning of a frame that earlier chunks have left.
    pending: Vec<u8>,
    /// No byte of the current line was seen yet.
    line_is_empty: bool,
    /// The last byte was a CR, so a LF that comes next belongs to it.
    after_cr: bool,
    /// How much of a byte order mark was seen; `None` once the stream has begun.
    mark_seen: Option<usize>,
}

impl Default for FrameSplitter {
    fn default() -> Self {
        Self::new(DEFAULT_MAX_FRAME)
    }
}

impl FrameSplitter {
    pub const fn new(max_frame: usize) -> Self {
        Self { max_frame, pending: Vec::new(), line_is_empty: true, after_cr: false, mark_seen: Some(0) }
    }

    /// The next frame that ends in `chunk`, reading from `at` and moving it on. On `None` the chunk is used up (its
    /// tail was copied) and the next one may be given, with `at` back at zero.
    pub fn next_frame(&mut self, chunk: &[u8], at: &mut usize) -> Result<Option<FrameBytes>, FrameTooLarge> {
        self.skip_byte_order_mark(chunk, at);
        let mut start = *at;
        while *at < chunk.len() {
            if std::mem::take(&mut self.after_cr) && chunk[*at] == b'\n' {
                *at += 1;
                // Between frames the LF belongs to the frame that was already given out.
                if self.pending.is_empty() && start + 1 == *at {
                    start = *at;
                }
                continue;
            }
            let Some(found) = memchr2(b'\n', b'\r', &chunk[*at..]) else {
                self.line_is_empty = false;
                *at = chunk.len();
                break;
            };
            let blank = self.line_is_empty && found == 0;
            *at += found + 1;
            self.after_cr = chunk[*at - 1] == b'\r';
            self.line_is_empty = true;
            if !blank {
                continue;
            }
            if self.pending.is_empty() && start + 1 == *at {
                start = *at;
                continue;
            }
            self.check_size(*at - start)?;
            return Ok(Some(self.complete(chunk, start..*at)));
        }
        self.check_size(chunk.len() - start)?;
        self.pending.extend_from_slice(&chunk[start..]);
        Ok(None)
    }

    /// What is left when the stream has ended: a last frame without its blank line, perhaps torn.
    pub fn finish(&mut self) -> Option<Vec<u8>> {
        let rest = std::mem::take(&mut self.pending);
        (!rest.is_empty()).then_some(rest)
    }

    fn complete(&mut self, chunk: &[u8], range: Range<usize>) -> FrameBytes {
        if self.pending.is_empty() {
            return FrameBytes::Inside(range);
        }
        let mut frame = std::mem::take(&mut self.pending);
        frame.extend_from_slice(&chunk[range]);
        FrameBytes::Joined(frame)
    }

    fn check_size(&self, more: usize) -> Result<(), FrameTooLarge> {
        if self.pending.len() + more > self.max_frame {
            return Err(FrameTooLarge { limit: self.max_frame });
        }
        Ok(())
    }

    fn skip_byte_order_mark(&mut self, chunk: &[u8], at: &mut usize) {
        while let (Some(seen), Some(byte)) = (self.mark_seen, chunk.get(*at)) {
            if *byte != BYTE_ORDER_MARK[seen] {
                // It only looked like a mark, so these bytes are the start of the first line.
                self.pending.extend_from_slice(&BYTE_ORDER_MARK[..seen]);
                self.line_is_empty = seen == 0;
                self.mark_seen = None;
                return;
            }
            *at += 1;
            self.mark_seen = Some(seen + 1).filter(|seen| *seen < BYTE_ORDER_MARK.len());
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split(chunks: &[&[u8]], max_frame: usize) -> Result<Vec<String>, FrameTooLarge> {
        let mut splitter = FrameSplitter::new(max_frame);
        let mut frames = Vec::new();
        for chunk in chunks {
            let mut at = 0;
            while let Some(frame) = splitter.next_frame(chunk, &mut at)? {
                let bytes = match frame {
                    FrameBytes::Inside(range) => chunk[range].to_vec(),
                    FrameBytes::Joined(bytes) => bytes,
                };
                frames.push(String::from_utf8_lossy(&bytes).into_owned());
            }
        }
        frames.extend(splitter.finish().map(|rest| format!("rest:{}", String::from_utf8_lossy(&rest))));
        Ok(frames)
    }

    #[test]
    fn every_line_end_ends_frames() {
        for end in ["\n", "\r\n", "\r"] {
            let stream = format!("\u{feff}data: a{end}{end}{end}: c{end}data: b{end}{end}data: torn");
            let frames = split(&[stream.as_bytes()], 100).unwrap();
            let data: Vec<_> = frames.iter().map(|frame| frame.replace("\r\n", "\n").replace('\r', "\n")).collect();
            assert_eq!(data, ["data: a\n\n", ": c\ndata: b\n\n", "rest:data: torn"], "{end:?}");
        }
    }

    #[test]
    fn a_carriage_return_does_not_wait_for_a_line_feed() {
        let mut splitter = FrameSplitter::default();
        let chunk = b"data: a\r\n\r";
        assert_eq!(splitter.next_frame(chunk, &mut 0), Ok(Some(FrameBytes::Inside(0..chunk.len()))));
        let next = b"\ndata: b\n\n";
        assert_eq!(splitter.next_frame(next, &mut 0), Ok(Some(FrameBytes::Inside(1..next.len()))));
    }

    #[test]
    fn a_frame_larger_than_the_bound_is_refused_wherever_it_was_cut() {
        assert!(split(&[b"data: 12\n\n"], 10).is_ok());
        assert!(split(&[b"data: 123\n\n"], 10).is_err());
        assert!(split(&[b"data: 1", b"23\n\n"], 10).is_err());
        assert!(split(&[b"data: 123456"], 10).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn frames_do_not_depend_on_the_split(
            stream in prop::collection::vec(prop_oneof![4 => Just(b'\n'), 3 => Just(b'\r'), 3 => Just(b'd'), 1 => Just(0xef), 1 => Just(0xbb), 1 => Just(0xbf)], 0..40),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
            mark in any::<bool>(),
        ) {
            let stream = if mark { [BYTE_ORDER_MARK, &stream].concat() } else { stream };
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            cuts.sort_unstable();
            cuts.push(stream.len());
            let mut from = 0;
            let chunks: Vec<&[u8]> = cuts.iter().map(|cut| { let chunk = &stream[from..*cut]; from = *cut; chunk }).collect();
            prop_assert_eq!(split(&chunks, 20), split(&[&stream], 20));
        }
    }
}
