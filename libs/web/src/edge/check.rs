//! What the edge refuses by itself, and requests that actix lets through and the data plane does not.

use actix_http::{HttpMessage as _, Request, StatusCode, Version, header};

/// Names and values together, in HTTP/2. Heads of HTTP/1 are limited by actix, to 128 KiB and 96 fields.
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 96;

/// Why a request is refused that the application never sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Malformed,
    HeadTooLarge,
    HeadTooSlow,
    NoPath,
    TwoFramings,
    BrokenBody,
}

impl Fault {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Malformed | Self::NoPath | Self::TwoFramings | Self::BrokenBody => StatusCode::BAD_REQUEST,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::HeadTooSlow => StatusCode::REQUEST_TIMEOUT,
        }
    }

    /// What is wrong, and what to do, for the client.
    pub const fn message(self) -> &'static str {
        match self {
            Self::Malformed => {
                "the request is not HTTP: its first line, a header or the framing of its body cannot be understood. \
                 Check what writes it, and whether TLS is spoken to a port that has none"
            }
            Self::HeadTooLarge => {
                "the headers of the request are too large: send at most 96, of at most 64 KiB together"
            }
            Self::HeadTooSlow => "the headers of the request did not arrive in time: send the request again",
            Self::NoPath => "the request names no path: nothing but the paths of the API is served here",
            Self::TwoFramings => "a request has either `upgrade: websocket` or content-length: leave one of them out",
            Self::BrokenBody => "the chunks of the request body cannot be understood: check what writes them",
        }
    }
}

/// What is wrong with a request whose head cannot be meant well.
pub(super) fn fault_of(request: &Request) -> Option<Fault> {
    match request.version() {
        Version::HTTP_2 if is_too_large(request) => Some(Fault::HeadTooLarge),
        Version::HTTP_2 => None,
        // `host:port`, which is for tunnels.
        _ if request.path().is_empty() => Some(Fault::NoPath),
        _ if has_two_framings(request) => Some(Fault::TwoFramings),
        _ => None,
    }
}

fn is_too_large(request: &Request) -> bool {
    let headers = request.headers();
    let bytes = || headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>();
    headers.len() > MAX_HEADERS || bytes() > MAX_HEADER_BYTES
}

/// With `upgrade: websocket` the body is everything that follows and the length means nothing, so that what someone
/// else sends over the same connection of a proxy before us would become a part of it.
fn has_two_framings(request: &Request) -> bool {
    let headers = request.headers();
    let mut upgrades = headers.get_all(header::UPGRADE).filter_map(|value| value.to_str().ok());
    upgrades.any(|value| value.trim().eq_ignore_ascii_case("websocket")) && headers.contains_key(header::CONTENT_LENGTH)
}
