//! Request bodies that are passed on as they come.

use std::net::SocketAddr;

use bytes::Bytes;
use http::Request;
use maas_http::{BodyUnwanted, RequestBodyError, UpstreamBody, UpstreamError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::world::{ANSWER, client, loopback};

/// Takes one request that ends with `end`, answers it, and gives what it got until the client closed.
async fn taking(end: &'static str) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut taken = Vec::new();
        while stream.read_buf(&mut taken).await.unwrap_or(0) > 0 {
            if taken.ends_with(end.as_bytes()) {
                stream.write_all(ANSWER.as_bytes()).await.unwrap();
                break;
            }
        }
        String::from_utf8(taken).unwrap()
    });
    (address, taken)
}

fn post(address: SocketAddr, body: UpstreamBody) -> Request<UpstreamBody> {
    Request::post(format!("http://{address}/v1")).body(body).unwrap()
}

/// Sends parts with a declared length and gives how that ended, and what the upstream saw of it.
async fn upload(
    length: Option<u64>,
    parts: &[&'static str],
    finish: bool,
    end: &'static str,
) -> (Option<UpstreamError>, String) {
    let (address, taken) = taking(end).await;
    let (mut sender, body) = UpstreamBody::streamed(length);
    let sending = async {
        for part in parts {
            if sender.send(Bytes::from_static(part.as_bytes())).await.is_err() {
                return;
            }
        }
        if finish {
            sender.finish().await;
        }
    };
    let client = client(loopback());
    let (sent, ()) = tokio::join!(client.send(post(address, body)), sending);
    let error = sent.err();
    drop(client);
    (error, taken.await.unwrap())
}

#[tokio::test]
async fn a_body_of_known_length_is_sent_with_it() {
    let (error, taken) = upload(Some(10), &["first", "", "parts"], true, "parts").await;
    assert!(error.is_none(), "{error:?}");
    assert!(taken.contains("content-length: 10\r\n") && taken.ends_with("\r\n\r\nfirstparts"), "{taken}");
}

#[tokio::test]
async fn a_body_of_unknown_length_is_sent_in_chunks() {
    let (error, taken) = upload(None, &["first", "", "parts"], true, "0\r\n\r\n").await;
    assert!(error.is_none(), "{error:?}");
    assert!(taken.contains("transfer-encoding: chunked\r\n"), "{taken}");
    assert!(taken.ends_with("\r\n\r\n5\r\nfirst\r\n5\r\nparts\r\n0\r\n\r\n"), "{taken}");
}

#[tokio::test]
async fn a_body_that_fails_is_the_senders_fault_and_never_looks_complete() {
    for (length, parts, finish, expected) in [
        (None, ["part", ""].as_slice(), false, RequestBodyError::BrokenOff),
        (Some(9), &["part"], false, RequestBodyError::BrokenOff),
        (Some(9), &["part"], true, RequestBodyError::TooShort),
        (Some(9), &["part", "much longer"], true, RequestBodyError::TooLong),
    ] {
        let (error, taken) = upload(length, parts, finish, "0\r\n\r\n").await;
        assert!(matches!(error, Some(UpstreamError::RequestBody(fault)) if fault == expected), "{parts:?}: {error:?}");
        assert!(!error.unwrap().is_before_request());
        assert!(!taken.contains("\r\n0\r\n") && !taken.ends_with("longer"), "{taken}");
    }
}

#[tokio::test]
async fn nothing_is_taken_of_a_body_whose_upstream_cannot_be_reached() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let (mut sender, body) = UpstreamBody::streamed(None);
    let client = client(loopback());
    let (sent, wanted) = tokio::join!(client.send(post(address, body)), sender.wanted());
    assert!(sent.unwrap_err().is_before_request());
    assert_eq!(wanted, Err(BodyUnwanted));
}

#[tokio::test]
async fn a_sender_waits_for_an_upstream_that_takes_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (mut sender, body) = UpstreamBody::streamed(None);
    let client = client(loopback());
    let calling = tokio::spawn(async move { client.send(post(address, body)).await.map(drop) });
    let (_never_read, _) = listener.accept().await.unwrap();
    let part = Bytes::from(vec![0; 64 * 1024]);
    let mut sent = 0;
    // What fits into the sockets' buffers goes, then nothing more.
    while tokio::time::timeout(std::time::Duration::from_millis(200), sender.send(part.clone())).await.is_ok() {
        sent += part.len();
        assert!(sent < 32 << 20, "a body is buffered without bound");
    }
    calling.abort();
}
