//! Upstreams with an authority or a time to connect of their own.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use maas_http::{ConnectProfile, UpstreamClientFactory, UpstreamClients, UpstreamError};
use tokio::net::TcpListener;

use crate::world::{ANSWER, loopback, serve, serve_tls, text};

fn clients() -> UpstreamClients {
    UpstreamClients::new(UpstreamClientFactory::new(&loopback()).unwrap())
}

fn trusting(ca_file: &std::path::Path) -> ConnectProfile {
    ConnectProfile { ca_file: Some(ca_file.to_owned()), ..ConnectProfile::default() }
}

fn ca_file(content: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(content.as_bytes()).unwrap();
    file
}

#[tokio::test]
async fn an_authority_is_trusted_for_its_own_upstreams_only() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let url = format!("https://localhost:{}/", serve_tls(&made).await.port());
    let (own, other) = (ca_file(&made.cert.pem()), rcgen::generate_simple_self_signed(["other".to_owned()]).unwrap());
    let other = ca_file(&other.cert.pem());

    let clients = clients();
    assert_eq!(text(&clients.get(&trusting(own.path())).unwrap(), url.clone()).await.unwrap(), "ok");
    for profile in [trusting(other.path()), ConnectProfile::default()] {
        let error = text(&clients.get(&profile).unwrap(), url.clone()).await.unwrap_err();
        assert!(matches!(error, UpstreamError::Tls(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_bad_ca_file_is_the_fault_of_its_upstream_alone() {
    let clients = clients();
    let empty = ca_file("");
    let broken = ca_file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let large = ca_file(&"x".repeat(2 << 20));
    let files =
        [empty.path(), broken.path(), large.path(), "/nonexistent/ca.pem".as_ref(), "/dev/zero".as_ref(), "/".as_ref()];
    for file in files {
        let error = clients.get(&trusting(file)).err().unwrap();
        assert!(matches!(error, UpstreamError::Settings(_)), "{error:?}");
        assert!(error.is_before_request());
    }
    let (address, _connections) = serve(ANSWER, 1).await;
    let client = clients.get(&ConnectProfile::default()).unwrap();
    assert_eq!(text(&client, format!("http://{address}/")).await.unwrap(), "ok");
}

#[tokio::test]
async fn upstreams_of_one_profile_share_their_connections() {
    let (address, mut connections) = serve(ANSWER, 100).await;
    let clients = clients();
    let profile = ConnectProfile { connect_timeout: Some(Duration::from_secs(2)), ..ConnectProfile::default() };
    for _ in 0..3 {
        let client = clients.get(&profile.clone()).unwrap();
        assert_eq!(text(&client, format!("http://{address}/")).await.unwrap(), "ok");
    }
    assert!(connections.recv().await.is_some());
    assert!(connections.try_recv().is_err(), "a second connection was made");
}

#[tokio::test]
async fn the_time_to_connect_is_the_profiles() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let profile = ConnectProfile { connect_timeout: Some(Duration::from_millis(100)), ..ConnectProfile::default() };
    let began = Instant::now();
    // The kernel accepts the connection, and nobody answers the handshake.
    let error = text(&clients().get(&profile).unwrap(), url).await.unwrap_err();
    assert!(matches!(error, UpstreamError::Timeout(_)), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}
