//! One truth: whatever is asked, the series, the breakdown, the export and the summary say the same, and it is what the
//! events and corrections add up to.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use maas_events::usage::{Tokens, UsageEvent};
use maas_types::Timestamp;
use maas_usage_ingest::{UsageIngest, domain::measures::Measures, service::correct::correct};
use proptest::{prelude::*, sample::select, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    asking::{admin, answer, nanos, ok, team},
    corrections::correction,
    producer::{event, of_user, source, user},
    world::{Engine, World, closing, now, on_both_databases},
};

on_both_databases! { every_answer_to_a_question_is_the_same_sum }

const EVENTS: usize = 120;
const QUESTIONS: usize = 20;
const ZONES: [&str; 8] = [
    "UTC",
    "Europe/Berlin",
    "Asia/Tokyo",
    "America/Los_Angeles",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
];
const DIMENSIONS: [&str; 10] =
    ["model", "upstream", "team", "organisation", "cost_centre", "user", "key", "operation", "outcome", "currency"];

/// What is compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Totals {
    requests: i64,
    errors: i64,
    input: i64,
    output: i64,
    /// By currency; without zeros.
    costs: BTreeMap<String, i64>,
}

impl Totals {
    fn add_cost(&mut self, currency: &str, nanos: i64) {
        *self.costs.entry(currency.to_owned()).or_default() += nanos;
        self.costs.retain(|_, nanos| *nanos != 0);
    }

    /// Of totals as answers show them.
    fn of_answer(totals: &Value) -> Self {
        let count = |name: &str| totals[name].as_i64().unwrap();
        let mut all = Self {
            requests: count("requests"),
            errors: count("errors"),
            input: count("input_tokens"),
            output: count("output_tokens"),
            costs: BTreeMap::new(),
        };
        let others = totals["other_costs"].as_array().cloned().unwrap_or_default();
        for money in others.iter().chain([&totals["cost"]]) {
            all.add_cost(money["currency"].as_str().unwrap(), nanos(&money["amount"]));
        }
        all
    }

    fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.errors += other.errors;
        self.input += other.input;
        self.output += other.output;
        for (currency, nanos) in &other.costs {
            self.add_cost(currency, *nanos);
        }
    }
}

/// One booked entry, as the test knows it.
#[derive(Debug, Clone)]
struct Entry {
    at: Timestamp,
    names: BTreeMap<&'static str, String>,
    totals: Totals,
}

fn some_event() -> impl Strategy<Value = UsageEvent> {
    // The clocks of Europe and America are changed in these weeks.
    let minute = prop_oneof![0..50_000_u64, select(vec![0_u64, 14, 15, 23, 37_000, 37_441])];
    let who = (1..4_u128, 0..3_u128, select(vec!["", "CC-1", "=CC"]));
    let what = (
        select(vec!["llama", "qwen", "gpt"]),
        select(vec!["gpu-a", "gpu-b", ""]),
        select(vec!["chat", "embeddings"]),
        select(vec!["success", "client_cancelled", "client_error", "upstream_error"]),
        select(vec!["USD", "USD", "USD", "EUR"]),
    );
    let counts = (0..5_000_u64, 0..900_u64, 0..3_000_000_000_i64, prop::option::of(0..200_000_000_u64));
    (minute, 0..60_000_u64, who, what, counts).prop_map(|(minute, ms, (number, team_number, centre), what, counts)| {
        let (model, upstream, operation, outcome, currency) = what;
        let (input, output, cost_nanos, completed_us) = counts;
        let at = now().minus(Duration::from_millis(minute * 60_000 + ms));
        let team_id = if team_number == 0 { Bytes::new() } else { bytes_of(team(team_number).uuid()) };
        of_user(
            number,
            UsageEvent {
                team_id,
                cost_centre: centre.to_owned(),
                model: model.to_owned(),
                upstream: upstream.to_owned(),
                operation: operation.to_owned(),
                outcome: outcome.to_owned(),
                currency: currency.to_owned(),
                tokens: Some(Tokens { input, output, ..Default::default() }),
                cost_nanos,
                completed_us,
                first_byte_us: completed_us.map(|micros| micros / 3),
                ..event(1, at)
            },
        )
    })
}

fn bytes_of(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn entry(event: &UsageEvent) -> Entry {
    let tokens = event.tokens.unwrap();
    let mut totals = Totals {
        requests: 1,
        errors: i64::from(!["success", "client_cancelled"].contains(&event.outcome.as_str())),
        input: tokens.input.try_into().unwrap(),
        output: tokens.output.try_into().unwrap(),
        costs: BTreeMap::new(),
    };
    totals.add_cost(&event.currency, event.cost_nanos);
    let user_id = maas_types::UserId::from_uuid(Uuid::from_slice(&event.user_id).unwrap()).to_string();
    let key_id = maas_types::KeyId::from_uuid(Uuid::from_slice(&event.key_id).unwrap()).to_string();
    let team_id = Uuid::from_slice(&event.team_id).map(|id| maas_types::TeamId::from_uuid(id).to_string());
    let names = [
        ("user_id", user_id),
        ("key_id", key_id),
        ("team_id", team_id.unwrap_or_default()),
        ("cost_centre", event.cost_centre.clone()),
        ("model", event.model.clone()),
        ("upstream", event.upstream.clone()),
        ("operation", event.operation.clone()),
        ("outcome", event.outcome.clone()),
        ("currency", event.currency.clone()),
    ];
    Entry { at: Timestamp::from_unix_ms(event.admitted_at_ms), names: names.into_iter().collect(), totals }
}

/// A question: a period, filters as (name, value), and how it is asked.
#[derive(Debug, Clone)]
struct Question {
    from: Timestamp,
    to: Timestamp,
    filters: Vec<(&'static str, String)>,
    zone: &'static str,
    interval: &'static str,
    groups: (&'static str, Option<&'static str>),
    top: usize,
    granularity: &'static str,
    limit: usize,
    sort: &'static str,
}

fn some_question() -> impl Strategy<Value = Question> {
    let filter = prop_oneof![
        select(vec!["llama", "qwen", "nothing"]).prop_map(|name| ("model", name.to_owned())),
        (1..4_u128).prop_map(|number| ("user_id", user(number).to_string())),
        (1..4_u128).prop_map(|number| ("key_id", crate::producer::key(number).to_string())),
        (1..3_u128).prop_map(|number| ("team_id", team(number).to_string())),
        select(vec!["CC-1", "=CC"]).prop_map(|name| ("cost_centre", name.to_owned())),
        select(vec!["success", "upstream_error"]).prop_map(|name| ("outcome", name.to_owned())),
        select(vec!["chat"]).prop_map(|name| ("operation", name.to_owned())),
        select(vec!["gpu-a"]).prop_map(|name| ("upstream", name.to_owned())),
        select(vec!["USD", "EUR"]).prop_map(|name| ("currency", name.to_owned())),
    ];
    let minutes = prop_oneof![0..50_000_u64, select(vec![0_u64, 7, 37, 60 * 24 * 26 - 23])];
    let period = (minutes, 1..50_000_u64, 0..3_u64);
    let how = (
        select(ZONES.to_vec()),
        select(vec!["minute", "quarter_hour", "hour", "day", "week", "month"]),
        (select(DIMENSIONS.to_vec()), prop::option::of(select(DIMENSIONS.to_vec()))),
        1..5_usize,
        select(vec!["entries", "period", "hour", "day", "week", "month"]),
        1..5_usize,
        select(vec!["cost", "requests", "total_tokens", "errors", "name", "latency_p95"]),
    );
    (period, prop::collection::vec(filter, 0..4), how).prop_map(|((ago, length, odd), filters, how)| {
        let (zone, interval, (group, subgroup), top, granularity, limit, sort) = how;
        let to = now().minus(Duration::from_millis(ago * 60_000 + odd * 12_345));
        // A series of short stretches must not have too many points.
        let length = match interval {
            "minute" => length % 700 + 1,
            "quarter_hour" | "hour" => length % 9_000 + 1,
            _ => length,
        };
        // Entries are held for forty days, and what comes before has another test.
        let length = length.min(39 * 24 * 60 - ago);
        Question {
            from: to.minus(Duration::from_secs(length * 60)),
            to,
            filters,
            zone,
            interval,
            groups: (group, subgroup.filter(|subgroup| *subgroup != group)),
            top,
            granularity,
            limit,
            sort,
        }
    })
}

impl Question {
    fn path(&self, operation: &str, more: &[(&str, String)]) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.append_pair("from", &self.from.to_string()).append_pair("to", &self.to.to_string());
        for (name, value) in &self.filters {
            query.append_pair(name, value);
        }
        for (name, value) in more {
            query.append_pair(name, value);
        }
        format!("/api/v1/usage/{operation}?{}", query.finish())
    }

    /// What the entries add up to: of one name any value, of several names all.
    fn expected(&self, entries: &[Entry]) -> Totals {
        let matches = |entry: &Entry| {
            let names: std::collections::BTreeSet<_> = self.filters.iter().map(|(name, _)| *name).collect();
            names.iter().all(|name| {
                self.filters.iter().any(|(other, value)| other == name && entry.names.get(name) == Some(value))
            })
        };
        let mut totals = Totals::default();
        let inside = entries.iter().filter(|entry| self.from <= entry.at && entry.at < self.to);
        inside.filter(|entry| matches(entry)).for_each(|entry| totals.add(&entry.totals));
        totals
    }

    /// Costs are shown in the only currency that is asked for, else in that of the platform.
    fn currency(&self) -> String {
        let mut asked: Vec<_> = self.filters.iter().filter(|(name, _)| *name == "currency").collect();
        asked.dedup();
        let [only] = asked.as_slice() else { return "USD".to_owned() };
        only.1.clone()
    }

    async fn series(&self, service: &UsageIngest, metric: &str) -> Value {
        let mut more = vec![
            ("metric", metric.to_owned()),
            ("interval", self.interval.to_owned()),
            ("time_zone", self.zone.to_owned()),
            ("group", self.groups.0.to_owned()),
            ("top", self.top.to_string()),
        ];
        // Of the period before, latencies of people may not be held any more.
        if !metric.starts_with("latency") {
            more.push(("compare", "previous".to_owned()));
        }
        more.extend(self.groups.1.map(|subgroup| ("subgroup", subgroup.to_owned())));
        ok(service, &admin(), &self.path("timeseries", &more)).await
    }

    /// Those of all keys or users are known of whole days only.
    fn knows_latencies_of_any_time(&self) -> bool {
        let is_about_people = |name: &str| ["user", "key"].iter().any(|people| name.starts_with(people));
        let groups = [Some(self.groups.0), self.groups.1];
        self.filters.iter().any(|(name, _)| is_about_people(name)) || !groups.into_iter().flatten().any(is_about_people)
    }

    /// All pages: their rows, and the totals that each of them said.
    async fn breakdown(&self, service: &UsageIngest) -> (Vec<Value>, Vec<Value>) {
        let (mut rows, mut totals, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut more = vec![
                ("group", self.groups.0.to_owned()),
                ("sort", self.sort.to_owned()),
                ("limit", self.limit.to_string()),
                ("latency", "true".to_owned()),
            ];
            more.extend(self.groups.1.map(|subgroup| ("group", subgroup.to_owned())));
            more.extend(cursor.clone().map(|cursor| ("cursor", cursor)));
            let page = ok(service, &admin(), &self.path("breakdown", &more)).await;
            rows.extend(page["data"].as_array().unwrap().clone());
            totals.push(page["totals"].clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return (rows, totals),
            }
        }
    }

    async fn export(&self, service: &UsageIngest) -> Value {
        let more = [
            ("format", "json".to_owned()),
            ("granularity", self.granularity.to_owned()),
            ("time_zone", self.zone.to_owned()),
            ("group", self.groups.0.to_owned()),
        ];
        let mut answer = answer(service, &admin(), &self.path("export", &more)).await;
        let text = answer.text().await;
        assert_eq!(answer.status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// The values of all points, which must be what the series and the whole say.
fn sum_of_series(answer: &Value, value: fn(&Value) -> i64) -> i64 {
    let of_points =
        |series: &Value| series["points"].as_array().unwrap().iter().map(|point| value(&point["value"])).sum();
    let series = answer["series"].as_array().unwrap();
    let sum: i64 = series
        .iter()
        .map(|series| {
            let sum: i64 = of_points(series);
            assert_eq!(sum, value(&series["total"]), "{series}");
            sum
        })
        .sum();
    assert_eq!(sum, value(&answer["total"]), "{answer}");
    sum
}

/// All series together, stretch by stretch.
fn points_are_what_was_booked(answer: &Value, question: &Question, entries: &[Entry]) {
    let series: Vec<_> =
        answer["series"].as_array().unwrap().iter().map(|one| one["points"].as_array().unwrap()).collect();
    for (place, point) in series.first().into_iter().copied().flatten().enumerate() {
        let time = |name: &str| point[name].as_str().unwrap().parse().unwrap();
        let stretch = Question { from: time("from"), to: time("to"), ..question.clone() };
        let shown: i64 = series.iter().map(|points| points[place]["value"].as_i64().unwrap()).sum();
        assert_eq!(shown, stretch.expected(entries).requests, "{stretch:?}");
    }
}

fn points_follow_each_other(answer: &Value) {
    for series in answer["series"].as_array().unwrap() {
        let points = series["points"].as_array().unwrap();
        assert_eq!(
            (&points[0]["from"], &points[points.len() - 1]["to"]),
            (&answer["period"]["from"], &answer["period"]["to"])
        );
        assert!(points.windows(2).all(|pair| pair[0]["to"] == pair[1]["from"]));
    }
}

async fn check(service: &UsageIngest, question: &Question, entries: &[Entry]) {
    let expected = question.expected(entries);
    let summary = ok(service, &admin(), &question.path("summary", &[])).await;
    assert_eq!(Totals::of_answer(&summary["totals"]), expected, "summary {question:?}");

    let count = |value: &Value| value.as_i64().unwrap();
    let cost = expected.costs.get(&question.currency()).copied().unwrap_or_default();
    for (metric, value, expected) in [
        ("requests", count as fn(&Value) -> i64, expected.requests),
        ("errors", count, expected.errors),
        ("total_tokens", count, expected.input + expected.output),
        ("cost", nanos, cost),
    ] {
        let answer = question.series(service, metric).await;
        assert_eq!(sum_of_series(&answer, value), expected, "{metric} {question:?}");
        points_follow_each_other(&answer);
        if metric == "requests" {
            points_are_what_was_booked(&answer, question, entries);
        }
        sum_of_series(&answer["previous"], value);
        let most = question.top + 1;
        assert!(answer["series"].as_array().unwrap().len() <= most, "{metric} {question:?}");
    }

    let (rows, totals) = question.breakdown(service).await;
    let mut sum = Totals::default();
    rows.iter().for_each(|row| sum.add(&Totals::of_answer(row)));
    assert_eq!(sum, expected, "breakdown {question:?}");
    assert!(totals.iter().all(|totals| Totals::of_answer(totals) == expected), "breakdown {question:?}");
    let mut groups: Vec<_> = rows.iter().map(|row| row["group"].to_string()).collect();
    groups.sort();
    groups.dedup();
    assert_eq!(groups.len(), rows.len(), "no group twice {question:?}");

    if question.knows_latencies_of_any_time() {
        let latency = question.series(service, "latency_p95").await;
        assert_eq!(latency["total"], totals[0]["latency_ms"]["p95"], "{question:?}");
    }

    let export = question.export(service).await;
    assert_eq!(Totals::of_answer(&export["totals"]), expected, "export {question:?}");
    let mut of_rows = Totals::default();
    for row in export["rows"].as_array().unwrap() {
        of_rows.requests += row["requests"].as_i64().unwrap();
        of_rows.input += row["input_tokens"].as_i64().unwrap();
        of_rows.output += row["output_tokens"].as_i64().unwrap();
        of_rows.add_cost(row["currency"].as_str().unwrap(), nanos(&row["cost"]));
    }
    // Entries say how they ended, not whether that is an error.
    of_rows.errors = expected.errors;
    assert_eq!(of_rows, expected, "rows of the export {question:?}");
}

/// Events of one source, and signed corrections among them.
async fn book(world: &World, events: &[UsageEvent]) -> Vec<Entry> {
    let numbered = events.iter().enumerate();
    let numbered = numbered.map(|(place, event)| UsageEvent { sequence: place as u64 + 1, ..event.clone() });
    world.deliver_events(&source(1), numbered.collect()).await;
    let mut entries: Vec<_> = events.iter().map(entry).collect();
    for (place, event) in events.iter().enumerate().step_by(9) {
        let at = Timestamp::from_unix_ms(event.admitted_at_ms);
        let measures = Measures { input: -3, output: 5, cost_nanos: -1_000_000_007, ..Measures::default() };
        let correction = maas_usage_ingest::domain::correction::Correction {
            measures,
            ..correction(Uuid::from_u128(place as u128 + 1), at, 0)
        };
        correct(&world.database, std::slice::from_ref(&correction), closing(), now()).await.unwrap();
        let names = [("user_id", user(1).to_string()), ("key_id", crate::producer::key(1).to_string())];
        let texts = [
            ("model", "llama"),
            ("upstream", "gpu-a"),
            ("operation", "chat"),
            ("outcome", "success"),
            ("currency", "USD"),
        ];
        let texts = texts.map(|(name, text)| (name, text.to_owned()));
        let mut totals = Totals { input: -3, output: 5, ..Totals::default() };
        totals.add_cost("USD", -1_000_000_007);
        entries.push(Entry { at, names: names.into_iter().chain(texts).collect(), totals });
    }
    entries
}

async fn every_answer_to_a_question_is_the_same_sum(engine: Engine) {
    let mut runner = TestRunner::deterministic();
    let events: Vec<_> = (0..EVENTS).map(|_| some_event().new_tree(&mut runner).unwrap().current()).collect();
    let (world, service) = World::started(engine).await;
    let entries = book(&world, &events).await;
    for _ in 0..QUESTIONS {
        let question = some_question().new_tree(&mut runner).unwrap().current();
        check(&service, &question, &entries).await;
    }
}
