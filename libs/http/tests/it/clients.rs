//! Both clients against small servers on loopback.

use std::{io::Write, time::Duration};

use maas_http::{
    AddressGuard, BlockReason, ControlOptions, UpstreamClientFactory, UpstreamError, UpstreamOptions, check_url,
    control_client,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::world::{ANSWER, client, get, loopback, read_head, serve, serve_tls, text};

#[tokio::test]
async fn connections_are_used_again() {
    let (address, mut connections) = serve(ANSWER, 100).await;
    let client = client(loopback());
    for _ in 0..3 {
        assert_eq!(text(&client, format!("http://{address}/v1")).await.unwrap(), "ok");
    }
    assert!(connections.recv().await.is_some());
    assert!(connections.try_recv().is_err(), "a second connection was made");
}

#[tokio::test]
async fn a_dropped_answer_is_noticed_by_the_upstream() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(read_head(&mut stream).await);
        stream.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n").await.unwrap();
        // Ends only when the client has closed the connection.
        stream.read(&mut [0]).await
    });
    let client = client(loopback());
    let answer = client.send(get(format!("http://{address}/"))).await.unwrap();
    drop(answer);
    let read = tokio::time::timeout(Duration::from_secs(5), upstream).await.unwrap().unwrap();
    assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
}

#[tokio::test]
async fn this_machine_is_blocked_by_address_and_by_name() {
    let (address, mut connections) = serve(ANSWER, 1).await;
    let client = client(UpstreamOptions::default());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let error = text(&client, format!("http://{host}:{}/", address.port())).await.unwrap_err();
        assert!(matches!(&error, UpstreamError::Blocked(at) if at.reason == BlockReason::Loopback), "{error:?}");
        assert!(error.is_before_request());
    }
    assert!(connections.try_recv().is_err(), "a blocked address was connected to");
}

#[tokio::test]
async fn metadata_services_stay_blocked() {
    let error = text(&client(loopback()), "http://169.254.169.254/latest".to_owned()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Blocked(at) if at.reason == BlockReason::Metadata));
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = text(&client(loopback()), format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Connect(_)), "{error:?}");
}

#[tokio::test]
async fn an_unknown_name_is_a_resolve_error() {
    let error = text(&client(loopback()), "http://no-such-host.invalid/".to_owned()).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Resolve(_)), "{error:?}");
}

#[tokio::test]
async fn a_connection_closed_before_or_within_the_answer_is_a_cut() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf"] {
        let (address, _connections) = serve(answer, 1).await;
        let error = text(&client(loopback()), format!("http://{address}/")).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Cut(_)), "{error:?}");
        assert!(!error.is_before_request());
    }
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_a_protocol_error() {
    let (address, _connections) = serve("SSH-2.0-OpenSSH_9.2\r\n\r\n", 1).await;
    let error = text(&client(loopback()), format!("http://{address}/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Protocol(_)), "{error:?}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_times_out() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let silent = tokio::spawn(async move { listener.accept().await });
    let options = UpstreamOptions { connect_timeout: Duration::from_millis(100), ..loopback() };
    let error = text(&client(options), format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout(_)), "{error:?}");
    drop(silent);
}

#[tokio::test]
async fn tls_needs_a_known_authority_and_the_right_name() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let address = serve_tls(&made).await;
    let mut ca_file = tempfile::NamedTempFile::new().unwrap();
    ca_file.write_all(made.cert.pem().as_bytes()).unwrap();
    let trusting = UpstreamOptions { ca_files: vec![ca_file.path().to_owned()], ..loopback() };

    let url = format!("https://localhost:{}/", address.port());
    assert_eq!(text(&client(trusting.clone()), url.clone()).await.unwrap(), "ok");
    let unknown_authority = text(&client(loopback()), url.clone()).await.unwrap_err();
    assert!(matches!(unknown_authority, UpstreamError::Tls(_)), "{unknown_authority:?}");
    let wrong_name = text(&client(trusting.clone()), format!("https://{address}/")).await.unwrap_err();
    assert!(matches!(wrong_name, UpstreamError::Tls(_)), "{wrong_name:?}");

    let options = ControlOptions { guard: trusting.guard, ca_files: trusting.ca_files, ..ControlOptions::default() };
    let answer = control_client(&options).unwrap().get(url).send().await.unwrap();
    assert_eq!(answer.text().await.unwrap(), "ok");
}

#[tokio::test]
async fn an_unreadable_authority_is_refused_when_the_client_is_built() {
    let empty = tempfile::NamedTempFile::new().unwrap();
    for path in [empty.path().to_owned(), "/nonexistent/ca.pem".into()] {
        let options = UpstreamOptions { ca_files: vec![path], ..loopback() };
        assert!(UpstreamClientFactory::new(&options).is_err());
    }
}

#[tokio::test]
async fn a_redirect_is_an_answer_like_any_other() {
    let redirect = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n";
    let (address, mut connections) = serve(redirect, 1).await;
    let answer = client(loopback()).send(get(format!("http://{address}/"))).await.unwrap();
    assert_eq!(answer.status(), 307);
    assert!(connections.recv().await.is_some() && connections.try_recv().is_err());
}

#[tokio::test]
async fn the_control_client_follows_no_redirect_and_keeps_the_guard() {
    let (address, _connections) =
        serve("HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n", 1).await;
    let allowed = ControlOptions { guard: AddressGuard::with_loopback(), ..ControlOptions::default() };
    let url = format!("http://localhost:{}/", address.port());
    let answer = control_client(&allowed).unwrap().get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 302);
    let refused = control_client(&ControlOptions::default()).unwrap().get(&url).send().await.unwrap_err();
    assert!(refused.is_connect(), "{refused:?}");
}

#[test]
fn urls_with_a_blocked_address_are_refused() {
    let guard = AddressGuard::default();
    for url in ["http://127.0.0.1/", "http://2130706433/", "http://0x7f.1/", "http://[::1]/", "http://169.254.169.254/"]
    {
        assert!(check_url(&guard, &url.parse().unwrap()).is_err(), "{url}");
    }
    for url in ["http://model.example/", "http://10.0.0.7:8000/v1", "https://[fd12::1]/"] {
        assert!(check_url(&guard, &url.parse().unwrap()).is_ok(), "{url}");
    }
}
