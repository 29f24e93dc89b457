//! Upstreams that do not keep to HTTP, or send more than anyone takes: an error each time, never a hang, never a wrong
//! answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use maas_http::UpstreamError;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpSocket},
    time::timeout,
};

use crate::world::{ANSWER, client, get, loopback, read_head, serve, text};

const PATIENCE: Duration = Duration::from_secs(3);

/// Gets one answer, which the upstream sends before it closes.
async fn answered(answer: String) -> Result<String, UpstreamError> {
    let (address, _connections) = serve(answer.leak(), 1).await;
    let client = client(loopback());
    timeout(PATIENCE, text(&client, format!("http://{address}/"))).await.expect("the client hangs")
}

#[tokio::test]
async fn an_answer_that_is_not_well_formed_is_an_error() {
    let many = (0..101).map(|number| format!("x-{number}: y\r\n")).collect::<String>();
    let long = "y".repeat(70_000);
    let with_head = |head: &str| format!("HTTP/1.1 200 OK\r\n{head}\r\ncontent-length: 2\r\n\r\nok");
    let chunked = |body: &str| format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{body}");
    let answers = [
        // No status line, or a wrong one.
        "ok".to_owned(),
        "SSH-2.0-OpenSSH_9.2\r\n\r\n".to_owned(),
        "\0\x01\x02\x03\r\n\r\n".to_owned(),
        "\x15\x03\x01\0\x02\x02\x16".to_owned(),
        "content-length: 2\r\n\r\nok".to_owned(),
        ANSWER.replace("HTTP/1.1", "HTTP/2.0"),
        ANSWER.replace("HTTP/1.1", "HTTP/0.9"),
        ANSWER.replace("HTTP/1.1", "http/1.1"),
        ANSWER.replace("200", "20"),
        ANSWER.replace("200", "2000"),
        ANSWER.replace("200", "-20"),
        ANSWER.replace("200", "099"),
        // Two framings, or one that is none.
        with_head("transfer-encoding: chunked"),
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\ncontent-length: 2\r\n\r\nok".to_owned(),
        with_head("content-length: 3"),
        with_head("content-length: -2"),
        with_head("content-length: +2"),
        with_head("content-length: 2, 3"),
        with_head("content-length: 99999999999999999999"),
        ANSWER.replace(": 2", ": two"),
        ANSWER.replace(": 2", ": 3"),
        // Chunks.
        chunked("zz\r\nok\r\n0\r\n\r\n"),
        chunked("-2\r\nok\r\n0\r\n\r\n"),
        chunked("fffffffffffffffff\r\nok\r\n0\r\n\r\n"),
        chunked("ffffffffffffffff\r\nok\r\n0\r\n\r\n"),
        chunked("3\r\nok\r\n0\r\n\r\n"),
        chunked("1\r\nok\r\n0\r\n\r\n"),
        chunked("2\r\nok\r\n"),
        chunked("2\r\nok"),
        chunked("2\nok\n0\n\n"),
        chunked(&format!("2;{long}\r\nok\r\n0\r\n\r\n")),
        // Heads.
        with_head("x : y"),
        with_head("x: y\r\n z"),
        with_head("x: y\0"),
        with_head("x\0: y"),
        with_head("no colon"),
        with_head(&format!("x: {long}")),
        with_head(many.trim_end()),
        // Nothing, or nothing final.
        String::new(),
        "HTTP/1.1 200".to_owned(),
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        "HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n".repeat(50),
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nframes".to_owned(),
    ];
    for answer in answers {
        let error = answered(answer.clone()).await.expect_err(&format!("{answer:.200}"));
        assert!(matches!(error, UpstreamError::Cut(_) | UpstreamError::Protocol(_)), "{answer:.200}: {error:?}");
        assert!(!error.is_before_request());
    }
}

#[tokio::test]
async fn an_answer_may_be_announced_and_may_be_old() {
    let announced = format!("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nx: y\r\n\r\n{ANSWER}");
    for answer in [announced, ANSWER.replace("1.1", "1.0"), "HTTP/1.0 200 OK\r\n\r\nok".to_owned()] {
        assert_eq!(answered(answer.clone()).await.unwrap(), "ok", "{answer}");
    }
}

#[tokio::test]
async fn what_comes_behind_an_answer_is_never_the_next_one() {
    let twice = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nforged";
    let (address, _connections) = serve(twice, 100).await;
    let client = client(loopback());
    for _ in 0..20 {
        // An error is fair, another one's answer is not.
        if let Ok(answer) = text(&client, format!("http://{address}/")).await {
            assert_eq!(answer, "ok");
        }
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_not_taken_from_the_upstream() {
    let socket = TcpSocket::new_v4().unwrap();
    // Known, so that what is in flight can be told from what the client took.
    socket.set_send_buffer_size(64 * 1024).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener: TcpListener = socket.listen(8).unwrap();
    let address = listener.local_addr().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let counter = written.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(read_head(&mut stream).await);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 67108864\r\n\r\n").await.unwrap();
        while let Ok(count) = stream.write(&[b'x'; 64 * 1024]).await {
            counter.fetch_add(count, Ordering::Relaxed);
        }
    });
    let client = client(loopback());
    let _unread = client.send(get(format!("http://{address}/"))).await.unwrap();

    let settled = async {
        let mut before = usize::MAX;
        while before != written.load(Ordering::Relaxed) {
            before = written.load(Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        before
    };
    let written = timeout(PATIENCE, settled).await.expect("the answer is taken without end");
    assert!(written < 4 << 20, "{written} of 67108864 bytes were taken");
}
