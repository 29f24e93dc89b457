//! The connections of a [`super::FaultProxy`], under the condition that it imposes.

use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

use super::{Condition, End, Flow, Loss};

type Watched = watch::Receiver<Condition>;

/// Small enough that a slow connection moves in small steps.
const PIECE_BYTES: usize = 4 * 1024;

/// Never returns: the proxy aborts it.
pub(super) async fn accept(listener: TcpListener, server: SocketAddr, condition: Watched) {
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        let condition = condition.clone();
        tokio::spawn(async move {
            let loss = condition.borrow().loss;
            match (loss, TcpStream::connect(server).await) {
                (Some(Loss::BothEnds), _) | (_, Err(_)) => reset(&client),
                (Some(Loss::AllBut(end)), Ok(server)) => lose(client, server, Loss::AllBut(end), condition).await,
                (None, Ok(server)) => carry(client, server, condition).await,
            }
        });
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, mut condition: Watched) {
    for end in [&client, &server] {
        // Requests and answers are small; waiting for more bytes would be a delay of ours.
        let _ = end.set_nodelay(true);
    }
    let (pumps, mut fate) = (condition.clone(), condition.clone());
    let loss = {
        let (from_client, to_client) = client.split();
        let (from_server, to_server) = server.split();
        let upwards = pump(from_client, to_server, pumps.clone(), |condition| condition.to_server);
        let downwards = pump(from_server, to_client, pumps, |condition| condition.to_client);
        tokio::select! {
            _ = async { tokio::join!(upwards, downwards) } => return,
            loss = next_loss(&mut fate) => loss,
        }
    };
    condition.mark_unchanged();
    lose(client, server, loss, condition).await;
}

/// When the connection is to be lost, and how.
async fn next_loss(condition: &mut Watched) -> Loss {
    let before = condition.borrow_and_update().losses;
    let lost = condition.wait_for(|condition| condition.losses > before).await.map(|condition| condition.loss);
    // Healed in the same moment, or the proxy is dropped: a reset either way.
    lost.ok().flatten().unwrap_or(Loss::BothEnds)
}

async fn lose(client: TcpStream, server: TcpStream, loss: Loss, condition: Watched) {
    match loss {
        Loss::BothEnds => {
            reset(&client);
            reset(&server);
        }
        Loss::AllBut(End::Client) => {
            reset(&server);
            drop(server);
            stay_silent(client, condition).await;
        }
        Loss::AllBut(End::Server) => {
            reset(&client);
            drop(client);
            stay_silent(server, condition).await;
        }
    }
}

/// Swallows what comes; the first byte after the fault is answered with a reset.
async fn stay_silent(mut end: TcpStream, mut condition: Watched) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        tokio::select! {
            read = end.read(&mut buffer) => {
                if read.unwrap_or(0) == 0 || condition.borrow().loss.is_none() {
                    return reset(&end);
                }
            }
            () = owner_gone(&mut condition) => return reset(&end),
        }
    }
}

async fn owner_gone(condition: &mut Watched) {
    while condition.changed().await.is_ok() {}
}

/// Carries one way to its end. A broken connection ends both ways, by way of the other pump's error.
async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut condition: Watched,
    flow: impl Fn(&Condition) -> Flow,
) {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = from.read(&mut buffer).await.unwrap_or(0);
        hold(count, &mut condition, &flow).await;
        if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
            let _ = to.shutdown().await;
            return;
        }
    }
}

/// Waits as long as the flow demands before `count` bytes may go on.
async fn hold(count: usize, condition: &mut Watched, flow: &impl Fn(&Condition) -> Flow) {
    let now = flow(&condition.borrow_and_update());
    match now {
        Flow::Free => {}
        Flow::Delayed(delay) => sleep(delay).await,
        Flow::Slow { bytes_per_second } => {
            let milliseconds = count as u64 * 1_000 / u64::from(bytes_per_second.max(1));
            sleep(Duration::from_millis(milliseconds)).await;
        }
        Flow::Held => {
            // Without its owner nobody would ever let go; the connection is about to be reset.
            if condition.wait_for(|condition| flow(condition) != Flow::Held).await.is_err() {
                pending::<()>().await;
            }
        }
    }
}

/// With no time to linger, closing sends a reset instead of an orderly end.
fn reset(end: &TcpStream) {
    let _ = end.set_zero_linger();
}
