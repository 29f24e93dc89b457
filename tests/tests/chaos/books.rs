//! The proof: what the clients were told and what the upstream counted, against what is booked.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use maas_testkit::upstream::ServedRequest;
use maas_tests::Cluster;
use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::quarantine::Replayed;
use crate::storm::Forged;
use crate::sums;
use crate::traffic::Told;

const POLL_INTERVAL: Duration = Duration::from_millis(200);
const SHOWN: usize = 20;
/// Refused before admission: nothing is booked. Messages have no such codes; there the upstream's word has to do.
const NOT_ADMITTED: [&str; 3] = ["draining", "overloaded", "key_state_unavailable"];

/// A row of `usage_events`, as far as it is compared.
#[derive(Debug, Clone)]
struct Booked {
    status: u16,
    outcome: String,
    quality: String,
    input_tokens: u64,
    output_tokens: u64,
}

/// By request id.
type Bookings = BTreeMap<String, Vec<Booked>>;

pub struct Books<'a> {
    pub cluster: &'a Cluster,
    pub key_id: &'a str,
    pub told: &'a [Told],
    pub forged: Forged,
    /// What was held because of its time, and is booked by now.
    pub replayed: Replayed,
}

impl<'a> Books<'a> {
    /// Nothing is in quarantine.
    pub fn of(cluster: &'a Cluster, key_id: &'a str, told: &'a [Told]) -> Self {
        Self { cluster, key_id, told, forged: Forged::default(), replayed: Replayed::default() }
    }

    /// Waits until the platform itself says that nothing is missing, then checks that it is so.
    pub async fn must_be_right(&self, within: Duration) {
        self.wait_until_reconciled(within).await;
        let bookings = self.bookings();
        let served = self.cluster.upstream.counters().served;
        self.report(&bookings, &served);
        for told in self.told {
            let booked = bookings.get(&told.request_id).map_or(&[][..], Vec::as_slice);
            let served = served.get(&told.request_id).map_or(&[][..], Vec::as_slice);
            check_request(told, booked, served);
        }
        self.check_that_nothing_was_made_up(&bookings);
        self.check_quarantine();
        sums::check(&self.cluster.database);
        self.check_summary(&bookings).await;
        self.check_reconciliation().await;
    }

    /// No sequence is missing at any source, the ends of all earlier boots are known, and the answers say that they are
    /// complete beyond the last request.
    pub async fn wait_until_reconciled(&self, within: Duration) {
        let (started, deadline) = (Instant::now(), Instant::now() + within);
        let traffic_ended = self.query("SELECT (extract(epoch FROM now()) * 1000)::bigint").parse().expect("a time");
        while let Err(missing) = self.is_reconciled(traffic_ended).await {
            assert!(Instant::now() < deadline, "not reconciled within {within:?}: {missing}\n{}", self.sources());
            sleep(POLL_INTERVAL).await;
        }
        println!("reconciled after {:?}", started.elapsed());
    }

    async fn is_reconciled(&self, traffic_ended_ms: i64) -> Result<(), String> {
        let open = "SELECT count(*) FROM usage_ingest.usage_sources WHERE committed_through < announced";
        let ranges = "SELECT count(*) FROM usage_ingest.usage_source_ranges";
        for (what, sql) in [("sources with a gap", open), ("ranges behind a gap", ranges)] {
            let count = self.query(sql);
            if count != "0" {
                return Err(format!("{count} {what}"));
            }
        }
        let answer = self.cluster.api().get("/api/v1/usage/reconciliation").await;
        if answer.status != 200 {
            return Err(format!("the reconciliation answers {}", answer.status));
        }
        let reconciliation = answer.json();
        if reconciliation["totals"]["missing_events"] != 0 {
            return Err(format!("missing: {}", reconciliation["totals"]));
        }
        let complete_until = reconciliation["complete_until"].as_str().unwrap_or_default();
        let to_ms = format!("SELECT (extract(epoch FROM '{complete_until}'::timestamptz) * 1000)::bigint");
        match self.query(&to_ms).parse::<i64>() {
            Ok(complete) if complete > traffic_ended_ms => Ok(()),
            _ => Err(format!("complete until {complete_until} only")),
        }
    }

    /// The platform's own proof for each day of the history says what ours does.
    async fn check_reconciliation(&self) {
        // A check is answered again for a minute; this one has to be of now.
        self.query("DELETE FROM usage_ingest.usage_proofs");
        let mut requests = 0;
        for day in self.query("SELECT DISTINCT '1970-01-01'::date + day FROM usage_ingest.usage_events").lines() {
            let path = format!("/api/v1/usage/reconciliation?day={day}");
            let proofs = self.cluster.api().get(&path).await.expect(200)["proofs"].clone();
            assert_eq!(proofs[0]["equal"], json!(true), "{proofs}");
            requests += proofs[0]["requests"].as_u64().expect("a count");
        }
        assert_eq!(requests.to_string(), self.query("SELECT count(*) FROM usage_ingest.usage_events"));
    }

    fn bookings(&self) -> Bookings {
        let sql =
            "SELECT request_id, status, outcome, quality, input_tokens, output_tokens FROM usage_ingest.usage_events";
        let mut bookings = Bookings::new();
        for line in self.query(sql).lines() {
            let columns: Vec<&str> = line.split('|').collect();
            let [request_id, status, outcome, quality, input, output] = columns[..] else { panic!("a row: {line}") };
            bookings.entry(request_id.to_owned()).or_default().push(Booked {
                status: status.parse().expect("a status"),
                outcome: outcome.to_owned(),
                quality: quality.to_owned(),
                input_tokens: input.parse().expect("a count"),
                output_tokens: output.parse().expect("a count"),
            });
        }
        bookings
    }

    fn check_that_nothing_was_made_up(&self, bookings: &Bookings) {
        let asked: BTreeSet<&str> = self.told.iter().map(|told| told.request_id.as_str()).collect();
        let strangers: Vec<_> = bookings.keys().filter(|id| !asked.contains(id.as_str())).take(SHOWN).collect();
        assert!(strangers.is_empty(), "events of requests that nobody sent: {strangers:?}");
    }

    /// Nothing but what was forged, and all of that; and what has been replayed.
    fn check_quarantine(&self) {
        let sql = "SELECT kind, state, coalesce(event_id::text, ''), encode(payload, 'hex'), reason \
                   FROM usage_ingest.usage_quarantine";
        let rows = self.query(sql);
        for row in rows.lines() {
            let columns: Vec<&str> = row.splitn(5, '|').collect();
            let [kind, state, event_id, payload, _] = columns[..] else { panic!("a row: {row}") };
            let is_explained = match kind {
                "outside_window" => state == "replayed",
                "undecodable" => self.forged.garbage.contains(payload),
                "conflict" => event_id.parse::<Uuid>().is_ok_and(|id| self.forged.conflicts.contains(&id)),
                _ => false,
            };
            assert!(is_explained, "in quarantine, and not forged: {row}");
        }
        let kept = self.forged.garbage.len() + self.forged.conflicts.len() + self.replayed.entries();
        assert_eq!(rows.lines().count(), kept, "all that was forged or replayed is kept: {rows}");
    }

    /// The API tells the same as the database.
    async fn check_summary(&self, bookings: &Bookings) {
        // The month up to now would leave out what wrong clocks have booked elsewhere.
        let day = |days: i32| self.query(&format!("SELECT to_char(now() + interval '{days} days', 'YYYY-MM-DD')"));
        let (from, to) = (day(-3), day(3));
        let path = format!("/api/v1/usage/summary?key_id={}&from={from}T00:00:00Z&to={to}T00:00:00Z", self.key_id);
        let summary = self.cluster.api().get(&path).await.expect(200);
        let rows = || bookings.values().flatten();
        let totals = &summary["totals"];
        assert_eq!(totals["requests"], json!(rows().count()), "{summary}");
        assert_eq!(totals["input_tokens"], json!(rows().map(|row| row.input_tokens).sum::<u64>()), "{summary}");
        assert_eq!(totals["output_tokens"], json!(rows().map(|row| row.output_tokens).sum::<u64>()), "{summary}");
    }

    fn report(&self, bookings: &Bookings, served: &BTreeMap<String, Vec<ServedRequest>>) {
        let mut outcomes = BTreeMap::<String, usize>::new();
        for booked in bookings.values().flatten() {
            *outcomes.entry(format!("{} {}", booked.outcome, booked.quality)).or_default() += 1;
        }
        let mut statuses = BTreeMap::<String, usize>::new();
        for told in self.told {
            let status = told.status.map_or("none".to_owned(), |status| status.to_string());
            *statuses.entry(format!("{status} {}", told.error_code).trim().to_owned()).or_default() += 1;
        }
        println!("{} requests sent, {} reached the upstream, booked {}", self.told.len(), served.len(), bookings.len());
        println!("booked: {outcomes:?}\ntold: {statuses:?}");
        let logs = self.cluster.programs().into_iter().map(maas_tests::Program::log);
        let resends: usize = logs.map(|log| log.matches("are sent again").count()).sum();
        println!("{resends} gaps were closed by sending again");
    }

    fn sources(&self) -> String {
        let sql = "SELECT * FROM usage_ingest.usage_sources WHERE committed_through < announced OR NOT closed";
        format!("sources:\n{}", self.query(sql))
    }

    fn query(&self, sql: &str) -> String {
        self.cluster.database.execute(sql).expect("the database answers")
    }
}

fn check_request(told: &Told, booked: &[Booked], served: &[ServedRequest]) {
    let story = || format!("{told:?}\nbooked: {booked:?}\nserved: {served:?}");
    assert!(booked.len() <= 1, "booked more than once: {}", story());
    if !served.is_empty() || was_admitted(told) {
        assert!(booked.len() == 1, "not booked: {}", story());
    }
    if NOT_ADMITTED.contains(&told.error_code.as_str()) {
        assert!(booked.is_empty(), "refused and booked: {}", story());
    }
    let refused = told.status.is_some_and(|status| (401..=404).contains(&status));
    assert!(!refused, "a known key and model are refused: {}", story());
    let Some(booked) = booked.first() else { return };
    if booked.quality == "exact" {
        let same = |served: &ServedRequest| {
            (served.input_tokens, served.output_tokens) == (booked.input_tokens, booked.output_tokens)
        };
        assert!(served.iter().any(same), "the upstream has counted otherwise: {}", story());
    }
    if told.is_full_success() {
        let as_told = ("success", "exact", Some(booked.status));
        assert_eq!((booked.outcome.as_str(), booked.quality.as_str(), told.status), as_told, "{}", story());
    }
    if booked.outcome != "interrupted" && told.status.is_some() {
        assert_eq!(told.status, Some(booked.status), "{}", story());
    }
}

/// Whether the answer is one that only an admitted request gets.
fn was_admitted(told: &Told) -> bool {
    told.status.is_some_and(|status| status != 503)
}
