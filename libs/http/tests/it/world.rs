//! Small servers, some of them honest.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use maas_http::{AddressGuard, UpstreamClient, UpstreamClientFactory, UpstreamError, UpstreamOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

pub const ANSWER: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

/// Serves each connection with `answer` per request, `requests` times, then closes it. Tells of each connection made.
pub async fn serve(answer: &'static str, requests: usize) -> (SocketAddr, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (connected, connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let _ = connected.send(());
            tokio::spawn(answer_requests(stream, answer, requests));
        }
    });
    (address, connections)
}

async fn answer_requests(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &'static str, requests: usize) {
    for _ in 0..requests {
        if !read_head(&mut stream).await || stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

pub async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return false,
        }
    }
    true
}

pub fn client(options: UpstreamOptions) -> UpstreamClient {
    UpstreamClientFactory::new(&options).unwrap().client()
}

pub fn loopback() -> UpstreamOptions {
    UpstreamOptions { guard: AddressGuard::with_loopback(), ..UpstreamOptions::default() }
}

pub fn get(url: String) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).unwrap()
}

pub async fn text(client: &UpstreamClient, url: String) -> Result<String, UpstreamError> {
    let body = client.send(get(url)).await?.into_body().collect().await.map_err(UpstreamError::from_body)?;
    Ok(String::from_utf8(body.to_bytes().to_vec()).unwrap())
}

pub async fn serve_tls(made: &rcgen::CertifiedKey<rcgen::KeyPair>) -> SocketAddr {
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept::<TcpStream>(stream).await {
                answer_requests(stream, ANSWER, 1).await;
            }
        }
    });
    address
}
