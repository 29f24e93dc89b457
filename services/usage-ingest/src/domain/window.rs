//! Which admission times the ledger takes. What lies outside goes to quarantine, where a person decides.

use std::time::Duration;

use maas_types::Timestamp;

/// Clocks of proxies may be ahead of ours by this much.
pub const MAX_AHEAD: Duration = Duration::from_secs(5 * 60);
/// Below the retention of raw events (40 days), so that de-duplication by id holds for all that is taken.
pub const MAX_BEHIND: Duration = Duration::from_secs(35 * 24 * 3_600);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OutsideWindow {
    #[error("admitted more than 5 minutes in the future")]
    Future,
    #[error("admitted more than 35 days ago")]
    Past,
}

pub fn check(admitted_at: Timestamp, now: Timestamp) -> Result<(), OutsideWindow> {
    if admitted_at > now.plus(MAX_AHEAD) {
        return Err(OutsideWindow::Future);
    }
    if admitted_at < now.minus(MAX_BEHIND) {
        return Err(OutsideWindow::Past);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_edges_are_inside() {
        let now = Timestamp::from_unix_ms(10_000_000_000);
        let millisecond = Duration::from_millis(1);
        assert_eq!(check(now.plus(MAX_AHEAD), now), Ok(()));
        assert_eq!(check(now.plus(MAX_AHEAD + millisecond), now), Err(OutsideWindow::Future));
        assert_eq!(check(now.minus(MAX_BEHIND), now), Ok(()));
        assert_eq!(check(now.minus(MAX_BEHIND + millisecond), now), Err(OutsideWindow::Past));
    }
}
