//! Series, breakdowns, filters and the request log: what they mean.

use std::time::Duration;

use bytes::Bytes;
use maas_events::usage::{Tokens, UsageEvent};
use maas_types::Timestamp;
use maas_usage_ingest::{UsageIngest, service::correct::correct, store};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    asking::{admin, get, ok, sum, team},
    corrections::correction,
    producer::{event, key, of_user, source, user},
    world::{Engine, World, closing, now, on_both_databases},
};

on_both_databases! {
    days_are_cut_as_the_clocks_of_the_zone_show_them
    stretches_without_usage_are_zeros
    the_largest_groups_have_a_series_and_the_rest_is_one
    pairs_of_groups_have_a_series_each
    the_period_before_has_the_same_series
    percentiles_come_from_the_bins_of_all_requests
    costs_are_given_in_the_currency_asked_for
    a_breakdown_is_sorted_by_any_figure
    filters_are_listed_and_searched
    values_of_one_filter_add_and_filters_narrow
    the_request_log_finds_requests
    a_corrected_request_says_so
    what_is_no_longer_held_is_rounded_out_or_refused
    too_many_points_are_refused
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn minutes_ago(minutes: u64) -> Timestamp {
    now().minus(Duration::from_secs(60 * minutes))
}

async fn with_events(engine: Engine, list: Vec<UsageEvent>) -> (World, UsageIngest) {
    let (world, service) = World::started(engine).await;
    let numbered = list.into_iter().enumerate();
    let numbered = numbered.map(|(place, event)| UsageEvent { sequence: place as u64 + 1, ..event });
    world.deliver_events(&source(1), numbered.collect()).await;
    (world, service)
}

async fn ask(service: &UsageIngest, question: &str) -> Value {
    ok(service, &admin(), &format!("/api/v1/usage/{question}")).await
}

fn of_model(model: &str, event: UsageEvent) -> UsageEvent {
    UsageEvent { model: model.to_owned(), ..event }
}

fn of_team(number: u128, event: UsageEvent) -> UsageEvent {
    UsageEvent { team_id: Bytes::copy_from_slice(team(number).uuid().as_bytes()), ..event }
}

fn values(series: &Value) -> Vec<i64> {
    series["points"].as_array().unwrap().iter().map(|point| point["value"].as_i64().unwrap()).collect()
}

async fn days_are_cut_as_the_clocks_of_the_zone_show_them(engine: Engine) {
    // One event an hour, over the end of summer time in Europe.
    let start = time("2026-10-24T00:30:00Z");
    let list = (0..72).map(|hour| event(1, start.plus(Duration::from_secs(3_600 * hour)))).collect();
    let (_world, service) = with_events(engine, list).await;
    let days = |zone, from, to| format!("timeseries?metric=requests&interval=day&time_zone={zone}&from={from}&to={to}");
    let berlin = ask(&service, &days("Europe/Berlin", "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z")).await;
    assert_eq!(values(&berlin["series"][0]), [22, 25, 24]);
    let starts: Vec<_> = berlin["series"][0]["points"].as_array().unwrap().iter().map(|point| &point["from"]).collect();
    assert_eq!(starts, ["2026-10-23T22:00:00.000Z", "2026-10-24T22:00:00.000Z", "2026-10-25T23:00:00.000Z"]);
    let utc = ask(&service, &days("UTC", "2026-10-24T00:00:00Z", "2026-10-27T00:00:00Z")).await;
    assert_eq!(values(&utc["series"][0]), [24, 24, 24]);
    // Fifteen minutes before six, UTC.
    let kathmandu = ask(&service, &days("Asia/Kathmandu", "2026-10-23T18:15:00Z", "2026-10-26T18:15:00Z")).await;
    assert_eq!(
        (values(&kathmandu["series"][0]), &kathmandu["time_zone"]),
        (vec![18, 24, 24], &json!("Asia/Kathmandu"))
    );
}

async fn stretches_without_usage_are_zeros(engine: Engine) {
    let (_world, service) = with_events(engine, vec![event(1, time("2026-11-20T08:00:30Z"))]).await;
    let period = "from=2026-11-20T07:58:00Z&to=2026-11-20T08:02:00Z";
    let minutes = ask(&service, &format!("timeseries?metric=requests&interval=minute&{period}")).await;
    assert_eq!(values(&minutes["series"][0]), [0, 0, 1, 0]);
    let costs = ask(&service, &format!("timeseries?metric=cost&interval=minute&{period}")).await;
    let costs: Vec<_> =
        costs["series"][0]["points"].as_array().unwrap().iter().map(|point| point["value"].clone()).collect();
    assert_eq!(costs, ["0.000000000", "0.000000000", "0.000001500", "0.000000000"]);
    let latency = ask(&service, &format!("timeseries?metric=ttft_p50&interval=minute&{period}")).await;
    let points = latency["series"][0]["points"].as_array().unwrap();
    assert_eq!((&points[0]["value"], points[2]["value"].is_number()), (&Value::Null, true));
    // With no usage at all there still is a series.
    let nothing = ask(&service, &format!("timeseries?metric=requests&interval=hour&model=none&{period}")).await;
    assert_eq!((values(&nothing["series"][0]), nothing["series"].as_array().unwrap().len()), (vec![0, 0], 1));
    let no_groups = ask(&service, &format!("timeseries?metric=requests&group=user&model=none&{period}")).await;
    assert_eq!((&no_groups["series"], &no_groups["total"]), (&json!([]), &json!(0)));
}

async fn the_largest_groups_have_a_series_and_the_rest_is_one(engine: Engine) {
    // Model and user n have n requests.
    let list = (1..=5_u128).flat_map(|number| {
        (0..number).map(move |_| of_model(&format!("m{number}"), of_user(number, event(1, minutes_ago(50)))))
    });
    let (_world, service) = with_events(engine, list.collect()).await;
    for (group, first, second) in [
        ("model", json!({"model": "m5"}), json!({"model": "m4"})),
        ("user", json!({"user_id": user(5)}), json!({"user_id": user(4)})),
        ("key", json!({"key_id": key(5)}), json!({"key_id": key(4)})),
    ] {
        let question = format!("timeseries?metric=requests&group={group}&top=2&from=2026-11-19T00:00:00Z");
        let answer = ask(&service, &question).await;
        let series = answer["series"].as_array().unwrap();
        let shown: Vec<_> = series.iter().map(|one| (&one["group"], values(one), one["is_other"] == true)).collect();
        assert_eq!(
            shown,
            [(&first, vec![0, 5], false), (&second, vec![0, 4], false), (&json!({}), vec![0, 6], true)],
            "{group}"
        );
        assert_eq!(answer["total"], 15);
        let all = ask(&service, &format!("timeseries?metric=requests&group={group}&top=5")).await;
        assert!(all["series"].as_array().unwrap().iter().all(|one| one["is_other"] == false), "nothing is left");
    }
}

async fn pairs_of_groups_have_a_series_each(engine: Engine) {
    let at = minutes_ago(30);
    let failed = |event| UsageEvent { outcome: "upstream_error".to_owned(), status: 502, ..event };
    let list = vec![event(1, at), event(1, at), failed(event(1, at)), of_model("qwen", of_user(2, event(1, at)))];
    let (_world, service) = with_events(engine, list).await;
    let answer = ask(&service, "timeseries?metric=requests&group=model&subgroup=outcome&interval=month").await;
    let groups: Vec<_> =
        answer["series"].as_array().unwrap().iter().map(|one| (&one["group"], &one["total"])).collect();
    assert_eq!(
        groups,
        [
            (&json!({"model": "llama", "outcome": "success"}), &json!(2)),
            (&json!({"model": "llama", "outcome": "upstream_error"}), &json!(1)),
            (&json!({"model": "qwen", "outcome": "success"}), &json!(1)),
        ]
    );
    let errors = ask(&service, "timeseries?metric=errors&group=user&subgroup=model&top=1&interval=month").await;
    let series = errors["series"].as_array().unwrap();
    assert_eq!((&series[0]["group"], &series[0]["total"]), (&json!({"user_id": user(1), "model": "llama"}), &json!(1)));
    assert_eq!(series.len(), 1, "the others have no errors");
}

async fn the_period_before_has_the_same_series(engine: Engine) {
    let list = vec![
        of_model("old", event(1, time("2026-10-20T10:00:00Z"))),
        of_model("llama", event(1, time("2026-10-31T23:59:59Z"))),
        of_model("llama", event(1, time("2026-11-01T00:00:00Z"))),
    ];
    let (_world, service) = with_events(engine, list).await;
    let november = "from=2026-11-01T00:00:00Z&to=2026-12-01T00:00:00Z";
    let answer =
        ask(&service, &format!("timeseries?metric=requests&group=model&interval=month&compare=previous&{november}"))
            .await;
    assert_eq!((&answer["series"][0]["group"], values(&answer["series"][0])), (&json!({"model": "llama"}), vec![1]));
    // What only the period before has is in the rest of both.
    assert_eq!((&answer["series"][1]["is_other"], values(&answer["series"][1])), (&json!(true), vec![0]));
    let previous = &answer["previous"];
    assert_eq!(previous["period"], json!({"from": "2026-10-01T00:00:00.000Z", "to": "2026-11-01T00:00:00.000Z"}));
    let totals = [&previous["total"], &previous["series"][0]["total"], &previous["series"][1]["total"]];
    assert_eq!(totals, [&json!(2), &json!(1), &json!(1)]);
    assert_eq!(previous["series"][0]["group"], json!({"model": "llama"}));
}

async fn percentiles_come_from_the_bins_of_all_requests(engine: Engine) {
    // 95 requests of 60 ms and 5 of 4 s, of which one got no first byte.
    let timed = |number: u64| {
        let micros = if number < 95 { 60_000 } else { 4_000_000 };
        let first_byte_us = (number < 99).then_some(20_000);
        UsageEvent { completed_us: Some(micros), first_byte_us, ..event(1, minutes_ago(40 + number)) }
    };
    let (_world, service) = with_events(engine, (0..100).map(timed).collect()).await;
    let row = ask(&service, "breakdown?group=model&latency=true").await["data"][0].clone();
    let between = |value: &Value, low: f64, high: f64| {
        let value = value.as_f64().unwrap();
        assert!((low..=high).contains(&value), "{value} is not from {low} to {high}");
    };
    between(&row["latency_ms"]["p50"], 50.0, 75.0);
    between(&row["latency_ms"]["p95"], 50.0, 75.0);
    between(&row["latency_ms"]["p99"], 3_000.0, 5_000.0);
    between(&row["ttft_ms"]["p99"], 10.0, 20.0);
    // Of a user, where other tables answer, and of the whole platform: the same.
    let path = |more: &str| format!("timeseries?metric=latency_p99&interval=day&from=2026-11-19T00:00:00Z{more}");
    let of_all = ask(&service, &path("")).await;
    let of_user = ask(&service, &path(&format!("&user_id={}", user(1)))).await;
    assert_eq!((&of_all["total"], &of_user["series"]), (&row["latency_ms"]["p99"], &of_all["series"]));
    // Nothing is said where nothing was asked for.
    assert!(ask(&service, "breakdown?group=model").await["data"][0].get("latency_ms").is_none());
}

async fn costs_are_given_in_the_currency_asked_for(engine: Engine) {
    let euros = UsageEvent { currency: "EUR".to_owned(), cost_nanos: 7_000_000_000, ..event(1, minutes_ago(20)) };
    let (_world, service) = with_events(engine, vec![event(1, minutes_ago(20)), euros]).await;
    let all = ask(&service, "timeseries?metric=cost&interval=month").await;
    assert_eq!((&all["currency"], &all["total"]), (&json!("USD"), &json!("0.000001500")));
    let of_euros = ask(&service, "timeseries?metric=cost&interval=month&currency=EUR").await;
    assert_eq!((&of_euros["currency"], &of_euros["total"]), (&json!("EUR"), &json!("7.000000000")));
    let rows = ask(&service, "breakdown?group=model").await;
    assert_eq!(rows["data"][0]["other_costs"], json!([{"amount": "7.000000000", "currency": "EUR"}]));
    assert_eq!(rows["data"][0]["requests"], 2);
    let by_currency = ask(&service, "breakdown?group=currency&sort=name").await;
    let names: Vec<_> = by_currency["data"].as_array().unwrap().iter().map(|row| &row["group"]["currency"]).collect();
    assert_eq!(names, ["EUR", "USD"]);
}

async fn a_breakdown_is_sorted_by_any_figure(engine: Engine) {
    let at = minutes_ago(30);
    let costing = |model: &str, cost_nanos, input| {
        let tokens = Some(Tokens { input, output: 1, ..Default::default() });
        of_model(model, UsageEvent { cost_nanos, tokens, ..event(1, at) })
    };
    // More together than i64 holds, and less than nothing.
    let dear = (0..10).map(|_| costing("dear", 1_000_000_000_000_000, 1));
    let list = dear.chain([costing("cheap", 2, 900), costing("credit", 1, 50)]).collect();
    let (world, service) = with_events(engine, list).await;
    let credit = maas_usage_ingest::domain::correction::Correction {
        dimensions: maas_usage_ingest::domain::dimensions::Dimensions {
            model: "credit".into(),
            ..correction(Uuid::nil(), at, 0).dimensions
        },
        ..correction(Uuid::from_u128(5), at, -1_500_000_001)
    };
    correct(&world.database, &[credit], closing(), now()).await.unwrap();
    for (sort, expected) in [
        ("cost", ["dear", "cheap", "credit"]),
        ("cost&order=asc", ["credit", "cheap", "dear"]),
        ("input_tokens", ["cheap", "credit", "dear"]),
        ("requests", ["dear", "cheap", "credit"]),
        ("name", ["cheap", "credit", "dear"]),
        ("name&order=desc", ["dear", "credit", "cheap"]),
    ] {
        let whole = ask(&service, &format!("breakdown?group=model&sort={sort}")).await;
        let names = |page: &Value| -> Vec<String> {
            page["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["group"]["model"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names(&whole), expected, "{sort}");
        assert_eq!(whole["totals"]["cost"]["amount"], "9999998.500000002");
        // One by one, the cursor keeps the place.
        let mut paged = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = ask(&service, &format!("breakdown?group=model&sort={sort}&limit=1{cursor}")).await;
            paged.extend(names(&page));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(paged, expected, "{sort}");
    }
}

async fn filters_are_listed_and_searched(engine: Engine) {
    let at = minutes_ago(30);
    let list = vec![
        of_model("Llama-3", of_team(1, event(1, at))),
        of_model("llama-4", event(1, at)),
        of_model("qwen", of_user(2, event(1, at))),
        of_model("gone", event(1, time("2026-10-20T00:00:00Z"))),
    ];
    let (_world, service) = with_events(engine, list).await;
    let all = ask(&service, "filters").await;
    let listed: Vec<_> =
        all["dimensions"].as_array().unwrap().iter().map(|one| one["dimension"].as_str().unwrap()).collect();
    assert_eq!(
        listed,
        ["model", "upstream", "team", "organisation", "cost_centre", "operation", "outcome", "currency"]
    );
    let names = |answer: &Value| -> Vec<Value> {
        let values = answer["dimensions"][0]["values"].as_array().unwrap();
        let mut names: Vec<_> = values.iter().map(|value| value["value"].clone()).collect();
        names.sort_by_key(Value::to_string);
        names
    };
    assert_eq!(names(&all), ["Llama-3", "llama-4", "qwen"]);
    assert_eq!(names(&ask(&service, "filters?dimension=model&prefix=lLaMa").await), ["Llama-3", "llama-4"]);
    assert_eq!(names(&ask(&service, "filters?dimension=model&prefix=%25").await), [] as [&str; 0]);
    let teams = names(&ask(&service, "filters?dimension=team").await);
    assert!(teams.len() == 2 && teams.contains(&Value::Null) && teams.contains(&json!(team(1))), "{teams:?}");
    let one = ask(&service, "filters?dimension=model&limit=1").await;
    assert_eq!((names(&one).len(), &one["dimensions"][0]["more"]), (1, &json!(true)));
    let of_user = ask(&service, &format!("filters?dimension=user&prefix={}", &user(2).to_string()[..35])).await;
    assert_eq!(names(&of_user), [json!(user(1)), json!(user(2))], "they differ in the last digit only");
    assert_eq!(names(&ask(&service, &format!("filters?dimension=user&prefix={}", user(2))).await), [json!(user(2))]);
    let of_key = ask(&service, "filters?dimension=user&prefix=key_").await;
    assert_eq!(of_key["dimensions"], json!([]), "no user's id begins like a key's");
}

async fn values_of_one_filter_add_and_filters_narrow(engine: Engine) {
    let at = minutes_ago(30);
    let list = vec![
        of_model("a", of_user(1, event(1, at))),
        of_model("b", of_user(1, event(1, at))),
        of_model("a", of_user(2, event(1, at))),
        of_model("c", of_user(3, event(1, at))),
    ];
    let (_world, service) = with_events(engine, list).await;
    for (filter, expected) in [
        ("model=a&model=b".to_owned(), 3),
        (format!("model=a&model=b&user_id={}", user(1)), 2),
        (format!("model=a&user_id={}&user_id={}", user(1), user(2)), 2),
        (format!("model=c&key_id={}", key(1)), 0),
        ("operation=chat&outcome=success&currency=USD&upstream=gpu-a".to_owned(), 4),
        (format!("organisation_id=org_{:032}", 7), 0),
    ] {
        assert_eq!(ask(&service, &format!("summary?{filter}")).await["totals"]["requests"], expected, "{filter}");
        let log = ask(&service, &format!("requests?{filter}")).await;
        assert_eq!(log["data"].as_array().unwrap().len(), expected, "{filter}");
        let breakdown = ask(&service, &format!("breakdown?group=key&group=model&{filter}")).await;
        assert_eq!(sum(&breakdown["data"], "requests"), expected as i64, "{filter}");
    }
}

async fn the_request_log_finds_requests(engine: Engine) {
    let at = minutes_ago(30);
    let named = |id: &str, status, event| UsageEvent { request_id: id.to_owned(), status, ..event };
    let list = vec![
        of_team(1, named("req_1", 200, event(1, at))),
        named("req_2", 429, event(1, at)),
        UsageEvent { stream: true, ..named("req_3", 502, event(1, at)) },
        named("req_4", 0, event(1, at)),
    ];
    let (_world, service) = with_events(engine, list).await;
    for (filter, expected) in [
        ("request_id=req_2", vec!["req_2"]),
        ("request_id=req_2&request_id=req_4", vec!["req_4", "req_2"]),
        ("status=5xx&status=none", vec!["req_4", "req_3"]),
        ("status=2xx", vec!["req_1"]),
        ("stream=true", vec!["req_3"]),
        ("stream=false&status=4xx", vec!["req_2"]),
        ("request_id=unknown", vec![]),
    ] {
        let log = ask(&service, &format!("requests?{filter}")).await;
        let mut found: Vec<_> = log["data"].as_array().unwrap().iter().map(|row| row["request_id"].clone()).collect();
        found.sort_by_key(Value::to_string);
        found.reverse();
        assert_eq!(found, expected, "{filter}");
    }
    let row = ask(&service, "requests?request_id=req_1").await["data"][0].clone();
    assert_eq!(
        (&row["team_id"], &row["user_id"], &row["corrected"]),
        (&json!(team(1)), &json!(user(1)), &json!(false))
    );
}

async fn a_corrected_request_says_so(engine: Engine) {
    let (world, service) = with_events(engine, vec![event(1, minutes_ago(9)), event(1, minutes_ago(8))]).await;
    let rows = ask(&service, "requests").await;
    let newest: maas_types::EventId = rows["data"][0]["id"].as_str().unwrap().parse().unwrap();
    let of_event = maas_usage_ingest::domain::correction::Correction {
        event: Some(newest),
        ..correction(Uuid::from_u128(1), newest.created_at(), -500)
    };
    correct(&world.database, &[of_event], closing(), now()).await.unwrap();
    let rows = ask(&service, "requests").await;
    let corrected: Vec<_> = rows["data"].as_array().unwrap().iter().map(|row| row["corrected"] == true).collect();
    assert_eq!(corrected, [true, false]);
    // The log shows what was booked first, the sums what is right.
    assert_eq!(rows["data"][0]["cost"]["amount"], "0.000001500");
    assert_eq!(ask(&service, "summary").await["totals"]["cost"]["amount"], "0.000002500");
}

async fn what_is_no_longer_held_is_rounded_out_or_refused(engine: Engine) {
    let list = vec![event(1, time("2026-11-01T10:01:00Z")), event(1, time("2026-11-18T10:01:00Z"))];
    let (world, service) = with_events(engine, list).await;
    let floor = store::retention::raise_raw_floor(world.database.writer(), 20_770).await;
    floor.unwrap();
    world.execute("DELETE FROM usage_events WHERE day < 20770").await;
    assert_eq!(time("2026-11-13T00:00:00Z").unix_ms() / 86_400_000, 20_770);

    let summary = ask(&service, "summary?from=2026-11-01T10:02:00Z&to=2026-11-18T10:01:30Z").await;
    assert_eq!(summary["period"], json!({"from": "2026-11-01T10:00:00.000Z", "to": "2026-11-18T10:01:30.000Z"}));
    assert_eq!(summary["totals"]["requests"], 2);
    let old = "from=2026-11-01T10:00:00Z&to=2026-11-01T11:00:00Z";
    let refused = [
        format!("timeseries?metric=requests&interval=minute&{old}"),
        format!(
            "timeseries?metric=latency_p95&interval=day&time_zone=Asia/Tokyo&user_id={}&from=2026-11-01T00:00:00Z",
            user(1)
        ),
        format!("export?granularity=entries&{old}"),
    ];
    for question in refused {
        let (status, problem) = get(&service, &admin(), &format!("/api/v1/usage/{question}")).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("not_held")), "{question}: {problem}");
    }
    // Where only days of UTC know it, the period is widened to them.
    let by_user = ask(&service, &format!("breakdown?group=user&latency=true&{old}")).await;
    assert_eq!(
        by_user["latency_period"],
        json!({"from": "2026-11-01T00:00:00.000Z", "to": "2026-11-02T00:00:00.000Z"})
    );
    assert_eq!(by_user["period"], json!({"from": "2026-11-01T10:00:00.000Z", "to": "2026-11-01T11:00:00.000Z"}));
    let by_hour = ask(&service, &format!("timeseries?metric=latency_p95&interval=hour&{old}")).await;
    assert!(by_hour["total"].is_number(), "the overview has latencies of all: {by_hour}");
}

async fn too_many_points_are_refused(engine: Engine) {
    let list = (0..12).map(|number| of_model(&format!("m{number}"), event(1, minutes_ago(number)))).collect();
    let (_world, service) = with_events(engine, list).await;
    let year = "from=2025-11-25T00:00:00Z&to=2026-11-20T00:00:00Z";
    let hours = |more: &str| format!("/api/v1/usage/timeseries?metric=requests&{year}{more}");
    assert_eq!(get(&service, &admin(), &hours("&interval=hour")).await.0, 200);
    for more in ["&interval=quarter_hour", "&interval=hour&compare=previous&model=m1", "&interval=minute"] {
        let (status, problem) = get(&service, &admin(), &hours(more)).await;
        assert_eq!((status, &problem["errors"][0]["code"]), (400, &json!("too_many_points")), "{more}: {problem}");
    }
    let grouped = "/api/v1/usage/timeseries?metric=requests&interval=hour&group=model&from=2026-08-01T00:00:00Z";
    let (status, problem) = get(&service, &admin(), grouped).await;
    assert_eq!((status, &problem["errors"][0]["pointer"]), (400, &json!("?interval")), "{problem}");
}
