//! What the proxies say about upstreams, checked on its way in: a broadcast may come from anything on the bus.

use maas_events::{
    state::{Circuit as WireCircuit, UpstreamHealth, UpstreamHealthReport},
    validate::{InvalidEvent, required_uuid},
};
use maas_types::{Timestamp, UpstreamId};
use prost::Message as _;

use crate::domain::health::{Circuit, HealthCheck, ProxyReport, UpstreamView};

/// A proxy with more upstreams sends several reports.
const MAX_UPSTREAMS: usize = 10_000;
const MAX_REASON: usize = 64;
/// The last millisecond of the year 9999, beyond which a time has no text.
const MAX_TIME_MS: i64 = 253_402_300_799_999;

/// Why a report is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ReportFault {
    #[error("it is not an UpstreamHealthReport")]
    Unreadable(#[from] prost::DecodeError),
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
}

/// The report, if all of it can be believed.
pub fn read(payload: &[u8]) -> Result<ProxyReport, ReportFault> {
    let report = UpstreamHealthReport::decode(payload)?;
    if report.upstreams.len() > MAX_UPSTREAMS {
        return Err(InvalidEvent::OutOfRange("upstreams").into());
    }
    let upstreams = report.upstreams.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(ProxyReport {
        instance: required_uuid("instance", &report.instance)?,
        sent_at: time("sent_at_ms", report.sent_at_ms)?.ok_or(InvalidEvent::OutOfRange("sent_at_ms"))?,
        upstreams,
    })
}

fn view(health: UpstreamHealth) -> Result<(UpstreamId, UpstreamView), InvalidEvent> {
    let id = UpstreamId::from_uuid(required_uuid("upstream_id", &health.upstream_id)?);
    let view = UpstreamView {
        circuit: circuit(health.circuit)?,
        open_until: time("open_until_ms", health.open_until_ms)?,
        consecutive_failures: health.consecutive_failures,
        in_flight: health.in_flight,
        last_success: time("last_success_ms", health.last_success_ms)?,
        last_failure: time("last_failure_ms", health.last_failure_ms)?,
        last_failure_reason: reason(health.last_failure)?,
        check: match health.check_passed {
            Some(true) => HealthCheck::Passed,
            Some(false) => HealthCheck::Failed,
            None => HealthCheck::NotMade,
        },
    };
    Ok((id, view))
}

fn circuit(value: i32) -> Result<Circuit, InvalidEvent> {
    match WireCircuit::try_from(value) {
        Ok(WireCircuit::Closed) => Ok(Circuit::Closed),
        Ok(WireCircuit::HalfOpen) => Ok(Circuit::HalfOpen),
        Ok(WireCircuit::Open) => Ok(Circuit::Open),
        Ok(WireCircuit::Unspecified) | Err(_) => {
            Err(InvalidEvent::UnknownValue { field: "circuit", value: value.to_string() })
        }
    }
}

/// 0 stands for "never".
fn time(field: &'static str, milliseconds: i64) -> Result<Option<Timestamp>, InvalidEvent> {
    match milliseconds {
        0 => Ok(None),
        1..=MAX_TIME_MS => Ok(Some(Timestamp::from_unix_ms(milliseconds))),
        _ => Err(InvalidEvent::OutOfRange(field)),
    }
}

/// The name of an outcome or error class. Anything else might be text of an upstream, which is never shown.
fn reason(text: String) -> Result<Option<String>, InvalidEvent> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if text.len() > MAX_REASON || !text.bytes().all(allowed) {
        return Err(InvalidEvent::OutOfRange("last_failure"));
    }
    Ok(Some(text).filter(|text| !text.is_empty()))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn valid() -> UpstreamHealthReport {
        let upstream = UpstreamHealth {
            upstream_id: Bytes::from_static(&[2; 16]),
            circuit: WireCircuit::Open.into(),
            open_until_ms: 1_763_000_010_000,
            last_failure: "timeout".to_owned(),
            check_passed: Some(false),
            ..Default::default()
        };
        let instance = Bytes::from_static(&[1; 16]);
        UpstreamHealthReport { instance, sent_at_ms: 1_763_000_000_000, upstreams: vec![upstream] }
    }

    #[test]
    fn a_whole_report_is_believed() {
        let report = read(&valid().encode_to_vec()).unwrap();
        let (_, view) = &report.upstreams[0];
        assert_eq!((view.circuit, view.check), (Circuit::Open, HealthCheck::Failed));
        assert_eq!((view.last_success, view.open_until.is_some()), (None, true));
        assert_eq!(view.last_failure_reason.as_deref(), Some("timeout"));
    }

    #[test]
    fn one_lie_spoils_the_report() {
        type Lie = fn(&mut UpstreamHealthReport);
        let lies: [(&str, Lie); 9] = [
            ("instance", |report| report.instance = Bytes::from_static(&[1; 15])),
            ("no time", |report| report.sent_at_ms = 0),
            ("time", |report| report.sent_at_ms = i64::MAX),
            ("upstream", |report| report.upstreams[0].upstream_id = Bytes::new()),
            ("circuit", |report| report.upstreams[0].circuit = 0),
            ("unknown circuit", |report| report.upstreams[0].circuit = 99),
            ("negative", |report| report.upstreams[0].last_success_ms = -1),
            ("free text", |report| report.upstreams[0].last_failure = "refused: sk-123".to_owned()),
            ("too many", |report| report.upstreams = vec![report.upstreams[0].clone(); MAX_UPSTREAMS + 1]),
        ];
        for (name, tell) in lies {
            let mut report = valid();
            tell(&mut report);
            assert!(read(&report.encode_to_vec()).is_err(), "{name}");
        }
        assert!(read(b"nonsense").is_err());
    }
}
