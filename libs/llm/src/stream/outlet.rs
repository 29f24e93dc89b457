//! Collects what goes to the client in as few pieces as possible.

use std::ops::Range;

use bytes::Bytes;

/// Bytes on their way out.
#[derive(Debug, Clone)]
pub(super) enum Piece {
    /// A part of the chunk at hand.
    Inside(Range<usize>),
    Whole(Bytes),
}

/// Frames of one chunk that follow each other unchanged leave as one slice of it.
pub(super) struct Outlet<'a> {
    chunk: &'a Bytes,
    run: Range<usize>,
    out: &'a mut Vec<Bytes>,
}

impl<'a> Outlet<'a> {
    pub fn new(chunk: &'a Bytes, out: &'a mut Vec<Bytes>) -> Self {
        Self { chunk, run: 0..0, out }
    }

    pub fn bytes_of<'b>(&self, piece: &'b Piece) -> &'b [u8]
    where
        'a: 'b,
    {
        match piece {
            Piece::Inside(range) => &self.chunk[range.clone()],
            Piece::Whole(bytes) => bytes,
        }
    }

    pub fn write(&mut self, piece: Piece) {
        match piece {
            Piece::Inside(range) if range.start == self.run.end => self.run.end = range.end,
            Piece::Inside(range) => {
                self.flush();
                self.run = range;
            }
            Piece::Whole(bytes) => {
                self.flush();
                self.out.push(bytes);
            }
        }
    }

    /// Must be called last: a run is only given out when something else follows or here.
    pub fn flush(&mut self) {
        let run = std::mem::replace(&mut self.run, 0..0);
        if !run.is_empty() {
            self.out.push(self.chunk.slice(run));
        }
    }
}
