//! Servers that do what no model server should: they take and never answer, take nothing, or answer with given bytes.

use std::sync::{Arc, Mutex};

use maas_testkit::eventually;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use crate::http::PATIENCE;

/// What became of the connections to a stand-in.
#[derive(Debug, Default)]
pub struct Seen {
    pub taken: Vec<u8>,
    pub opened: usize,
    pub closed: usize,
}

pub struct StandIn {
    /// Like an upstream's in the catalogue.
    pub base_url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Clone, Copy)]
enum Manner {
    TakesAll,
    TakesNothing,
    /// As soon as the request's head is there.
    Answers(&'static [u8]),
}

impl StandIn {
    pub async fn that_takes_all() -> Self {
        Self::start(Manner::TakesAll).await
    }

    pub async fn that_takes_nothing() -> Self {
        Self::start(Manner::TakesNothing).await
    }

    pub async fn that_answers(bytes: &'static [u8]) -> Self {
        Self::start(Manner::Answers(bytes)).await
    }

    async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let notes = seen.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                notes.lock().unwrap().opened += 1;
                tokio::spawn(serve(connection, manner, notes.clone()));
            }
        });
        Self { base_url, seen }
    }

    /// Waits until it has seen what is wanted.
    pub async fn until(&self, wanted: impl Fn(&Seen) -> bool) {
        let is_so = || wanted(&self.seen.lock().unwrap()).then_some(());
        eventually(PATIENCE, || std::future::ready(is_so())).await;
    }

    pub async fn until_taken(&self, text: &str) {
        self.until(|seen| contains(&seen.taken, text)).await;
    }

    pub fn has_taken(&self, text: &str) -> bool {
        contains(&self.seen.lock().unwrap().taken, text)
    }
}

async fn serve(mut connection: TcpStream, manner: Manner, seen: Arc<Mutex<Seen>>) {
    if let Manner::TakesNothing = manner {
        // The connection stays open for as long as the test runs.
        return std::future::pending().await;
    }
    let mut part = vec![0; 64 * 1024];
    let mut answered = false;
    loop {
        let read = connection.read(&mut part).await.unwrap_or(0);
        if read == 0 {
            break;
        }
        seen.lock().unwrap().taken.extend_from_slice(&part[..read]);
        let head_is_there = contains(&seen.lock().unwrap().taken, "\r\n\r\n");
        if let Manner::Answers(bytes) = manner
            && head_is_there
            && !answered
        {
            answered = true;
            connection.write_all(bytes).await.unwrap();
        }
    }
    seen.lock().unwrap().closed += 1;
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
