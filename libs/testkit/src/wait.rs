//! Waiting for a state instead of sleeping.

use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Asks `probe` again and again until it answers `Some`. Panics with the caller's place when `timeout` has passed: the
/// state was never reached.
#[track_caller]
pub fn eventually<T, P, F>(timeout: Duration, probe: P) -> impl Future<Output = T>
where
    P: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    poll_until(Location::caller(), timeout, probe)
}

async fn poll_until<T, P, F>(caller: &'static Location<'static>, timeout: Duration, mut probe: P) -> T
where
    P: FnMut() -> F,
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + timeout;
    loop {
        if let Some(state) = probe().await {
            return state;
        }
        if Instant::now() >= deadline {
            panic!("the state awaited at {caller} was not reached within {timeout:?}");
        }
        sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_state_that_comes_later_is_returned() {
        let mut asked = 0;
        let answer = eventually(Duration::from_secs(5), || {
            asked += 1;
            let answer = (asked == 3).then_some(asked);
            async move { answer }
        })
        .await;
        assert_eq!(answer, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "wait.rs")]
    async fn a_state_that_never_comes_panics_with_the_place() {
        eventually(Duration::from_millis(20), || async { None::<()> }).await;
    }
}
