use std::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough that an open way would have carried the bytes.
const MOMENT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_black_hole_holds_the_bytes_back_and_loses_none() {
    let (proxy, mut client) = before_an_echo().await;
    proxy.impose(Fault::BlackHole, Way::ToClient);
    client.write_all(b"first").await.unwrap();
    assert!(timeout(MOMENT, read(&mut client)).await.is_err());
    client.write_all(b" second").await.unwrap();
    proxy.heal();
    let mut echoed = String::new();
    while echoed.len() < "first second".len() {
        echoed += &read(&mut client).await.unwrap();
    }
    assert_eq!(echoed, "first second");
}

#[tokio::test]
async fn a_cut_resets_what_is_open_and_refuses_what_is_new_until_it_is_healed() {
    let (proxy, mut client) = before_an_echo().await;
    proxy.impose(Fault::Cut, Way::Both);
    assert!(read(&mut client).await.is_none());
    let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
    assert!(read(&mut refused).await.is_none());
    proxy.heal();
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"again").await.unwrap();
    assert_eq!(read(&mut client).await.unwrap(), "again");
}

#[tokio::test]
async fn a_half_open_connection_stays_silent_and_is_reset_by_its_first_byte_after_the_fault() {
    let (proxy, mut client) = before_an_echo().await;
    proxy.impose(Fault::HalfOpen(End::Client), Way::Both);
    client.write_all(b"anybody?").await.unwrap();
    assert!(timeout(MOMENT, read(&mut client)).await.is_err());
    proxy.heal();
    assert!(timeout(MOMENT, read(&mut client)).await.is_err(), "nobody tells it");
    client.write_all(b"anybody?").await.unwrap();
    assert!(read(&mut client).await.is_none());
}

#[tokio::test]
async fn a_delay_is_felt_only_on_its_way() {
    let (proxy, mut client) = before_an_echo().await;
    proxy.impose(Fault::Delay(Duration::from_millis(200)), Way::ToServer);
    let sent = Instant::now();
    client.write_all(b"late").await.unwrap();
    assert_eq!(read(&mut client).await.unwrap(), "late");
    assert!(sent.elapsed() >= Duration::from_millis(200) && sent.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_slow_way_takes_time_by_the_byte() {
    let (proxy, mut client) = before_an_echo().await;
    proxy.impose(Fault::Slow { bytes_per_second: 1_000 }, Way::ToClient);
    let sent = Instant::now();
    client.write_all(&[b'x'; 300]).await.unwrap();
    assert_eq!(read(&mut client).await.unwrap().len(), 300);
    assert!(sent.elapsed() >= Duration::from_millis(300), "{:?}", sent.elapsed());
}

/// A proxy before a server that says everything back, and a client that has spoken through it once.
async fn before_an_echo() -> (FaultProxy, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let proxy = FaultProxy::start(listener.local_addr().unwrap()).await.unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut reader, mut writer) = stream.split();
                let _ = tokio::io::copy(&mut reader, &mut writer).await;
            });
        }
    });
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    client.write_all(b"hello").await.unwrap();
    assert_eq!(read(&mut client).await.unwrap(), "hello");
    (proxy, client)
}

/// What comes next; `None` for the end of the connection, orderly or not.
async fn read(client: &mut TcpStream) -> Option<String> {
    let mut buffer = [0; 1024];
    let count = timeout(PATIENCE, client.read(&mut buffer)).await.expect("something in time").unwrap_or(0);
    (count > 0).then(|| String::from_utf8_lossy(&buffer[..count]).into_owned())
}
