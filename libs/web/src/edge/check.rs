//! Requests that actix lets through and the data plane does not.

use actix_http::{HttpMessage as _, Request, StatusCode, Version, header};

/// Names and values together, in HTTP/2. Heads of HTTP/1 are limited by actix, to 128 KiB and 96 fields.
const MAX_HEADER_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 96;

/// The status to refuse a request with whose head cannot be meant well. There is no body then, as for heads that the
/// HTTP implementation refuses.
pub(super) fn fault_of(request: &Request) -> Option<StatusCode> {
    match request.version() {
        Version::HTTP_2 if is_too_large(request) => Some(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
        Version::HTTP_2 => None,
        // `host:port`, which is for tunnels.
        _ if request.path().is_empty() => Some(StatusCode::BAD_REQUEST),
        _ if has_two_framings(request) => Some(StatusCode::BAD_REQUEST),
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
