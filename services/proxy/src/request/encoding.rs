//! Compressed request bodies.
//!
//! Decoded in small steps, so that what a bomb costs is the limit and not what it would unfold to.

use std::io::{self, Read};

use bytes::Bytes;

/// Windows beyond 32 MiB serve bodies that are refused anyway, and would be memory that a stranger can ask for.
const MOST_ZSTD_WINDOW_LOG: u32 = 25;
const BROTLI_BUFFER: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecodeError {
    TooLarge,
    Damaged,
}

impl Encoding {
    pub fn parse(text: &str) -> Option<Self> {
        let known = [("gzip", Self::Gzip), ("deflate", Self::Deflate), ("br", Self::Brotli), ("zstd", Self::Zstd)];
        known.into_iter().find(|(name, _)| text.eq_ignore_ascii_case(name)).map(|(_, encoding)| encoding)
    }

    /// At most `limit` bytes.
    pub fn decode(self, body: &[u8], limit: usize) -> Result<Bytes, DecodeError> {
        match self {
            Self::Gzip => read_all(flate2::read::MultiGzDecoder::new(body), limit),
            Self::Deflate => read_all(flate2::read::ZlibDecoder::new(body), limit),
            Self::Brotli => read_all(brotli::Decompressor::new(body, BROTLI_BUFFER), limit),
            Self::Zstd => read_all(zstd_decoder(body).map_err(|_| DecodeError::Damaged)?, limit),
        }
    }
}

fn zstd_decoder(body: &[u8]) -> io::Result<impl Read> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(body)?;
    decoder.window_log_max(MOST_ZSTD_WINDOW_LOG)?;
    Ok(decoder)
}

fn read_all(decoder: impl Read, limit: usize) -> Result<Bytes, DecodeError> {
    let mut decoded = Vec::new();
    // One byte more than allowed shows that there is more.
    let read = decoder.take(limit as u64 + 1).read_to_end(&mut decoded).map_err(|_| DecodeError::Damaged)?;
    if read > limit { Err(DecodeError::TooLarge) } else { Ok(decoded.into()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_unfolds_beyond_the_limit_is_refused() {
        let zeros = vec![0; 100_000];
        assert_eq!(Encoding::Gzip.decode(&gzip(&zeros), 100_000).unwrap(), zeros);
        assert_eq!(Encoding::Gzip.decode(&gzip(&zeros), 99_999), Err(DecodeError::TooLarge));
        let zstd = zstd::encode_all(zeros.as_slice(), 3).unwrap();
        assert_eq!(Encoding::Zstd.decode(&zstd, 99_999), Err(DecodeError::TooLarge));
    }

    #[test]
    fn torn_bodies_are_damaged() {
        let whole = gzip(b"hello");
        for encoding in [Encoding::Gzip, Encoding::Deflate, Encoding::Brotli, Encoding::Zstd] {
            assert_eq!(encoding.decode(&whole[..12], 100), Err(DecodeError::Damaged), "{encoding:?}");
        }
    }
}
