//! The answer to what the edge refuses, and actix's own refusals, which it takes the place of.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use actix_web::{
    HttpResponse,
    body::MessageBody as _,
    http::header::{HeaderValue, HttpDate},
};
use bytes::{BufMut as _, Bytes, BytesMut};
use maas_types::{Clock as _, SystemClock};

use super::check::Fault;
use crate::middleware::request_id;

/// A request that the application does not see.
#[derive(Debug)]
pub struct Refused<'a> {
    pub fault: Fault,
    /// Empty if it could not be read.
    pub path: &'a str,
    pub request_id: &'a str,
}

/// Makes the answer, in the words and the language of who serves.
pub type RenderRefusal = fn(&Refused<'_>) -> HttpResponse;

/// `sent_id`: the client's own id of the request, if it is known.
pub(super) fn refuse(fault: Fault, path: &str, sent_id: Option<&HeaderValue>, render: RenderRefusal) -> HttpResponse {
    tracing::debug!(http.response.status_code = fault.status().as_u16(), "a malformed request is refused");
    render(&Refused { fault, path, request_id: &request_id(sent_id) })
}

/// The whole answer as HTTP/1 writes it, and as the last one of its connection.
pub(super) fn to_http1(response: HttpResponse) -> Bytes {
    let (head, body) = response.into_parts();
    let body = body.try_into_bytes().unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(512 + body.len());
    let now = Duration::from_millis(SystemClock.now().unix_ms().unsigned_abs());
    let date = HttpDate::from(SystemTime::UNIX_EPOCH + now);
    // Into memory: there is nothing here that can fail.
    let _ = write!(bytes, "HTTP/1.1 {}\r\ncontent-length: {}\r\n", head.status(), body.len());
    let _ = write!(bytes, "connection: close\r\ndate: {date}\r\n");
    for (name, value) in head.headers() {
        bytes.put_slice(name.as_str().as_bytes());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    bytes.put_slice(b"\r\n");
    bytes.put_slice(&body);
    bytes.freeze()
}

const STATUS_LINES: [(&[u8], Fault); 3] = [
    (b" 400 Bad Request", Fault::Malformed),
    (b" 408 Request Timeout", Fault::HeadTooSlow),
    (b" 431 Request Header Fields Too Large", Fault::HeadTooLarge),
];
/// As the last request wanted it; none if that was as usual.
const CONNECTION_LINES: [&[u8]; 4] =
    [b"connection: close\r\n", b"connection: keep-alive\r\n", b"connection: upgrade\r\n", b""];
const DATE_LINE: &[u8] = b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n";

/// If actix refuses the client with the end of these bytes: what stands before that, and why it does. Its refusals are
/// heads without a body and without a header of the application's.
///
/// An application's body may end in the very same bytes. Ask only where that is impossible.
pub(super) fn split_off_refusal(written: &[u8]) -> Option<(&[u8], Fault)> {
    let (head, date) = written.split_at_checked(written.len().checked_sub(DATE_LINE.len())?)?;
    if !date.starts_with(b"date: ") || !date.ends_with(b" GMT\r\n\r\n") {
        return None;
    }
    let head = CONNECTION_LINES.iter().find_map(|line| head.strip_suffix(*line))?;
    let status_line = head.strip_suffix(b"\r\ncontent-length: 0\r\n")?;
    let (version, fault) =
        STATUS_LINES.iter().find_map(|(line, fault)| Some((status_line.strip_suffix(*line)?, *fault)))?;
    let before = version.strip_suffix(b"HTTP/1.1").or_else(|| version.strip_suffix(b"HTTP/1.0"))?;
    Some((before, fault))
}

#[cfg(test)]
mod tests {
    use actix_http::{
        Response, ServiceConfig, StatusCode,
        body::BodySize,
        h1::{Codec, Message},
    };
    use actix_web::http::header::HeaderName;
    use tokio_util::codec::Encoder as _;

    use super::*;

    fn encoded(status: StatusCode, change: impl FnOnce(&mut Response<()>)) -> BytesMut {
        let mut codec = Codec::new(ServiceConfig::default());
        let mut response = Response::with_body(status, ());
        change(&mut response);
        let mut bytes = BytesMut::from("the end of an answer");
        codec.encode(Message::Item((response, BodySize::Sized(0))), &mut bytes).unwrap();
        bytes
    }

    #[actix_web::test]
    async fn each_refusal_is_found_as_actix_writes_it() {
        for (_, fault) in STATUS_LINES {
            let bytes = encoded(fault.status(), |_| {});
            assert_eq!(split_off_refusal(&bytes), Some((&b"the end of an answer"[..], fault)));
            // Not while a part of it is missing.
            assert_eq!(split_off_refusal(&bytes[..bytes.len() - 1]), None);
        }
    }

    #[actix_web::test]
    async fn what_the_application_says_is_not_taken_for_one() {
        assert_eq!(split_off_refusal(&encoded(StatusCode::NOT_FOUND, |_| {})), None);
        let (name, value) = (HeaderName::from_static("x-request-id"), HeaderValue::from_static("1"));
        let bytes = encoded(StatusCode::BAD_REQUEST, |response| _ = response.headers_mut().insert(name, value));
        assert_eq!(split_off_refusal(&bytes), None);
        assert_eq!(split_off_refusal(b"{}"), None);
        assert_eq!(split_off_refusal(b""), None);
    }
}
