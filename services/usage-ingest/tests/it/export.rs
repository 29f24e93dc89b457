//! Exports: complete or visibly broken off, in constant memory, harmless to spreadsheets.

use std::time::Duration;

use maas_events::usage::UsageEvent;
use maas_types::Timestamp;
use maas_usage_ingest::{UsageIngest, service::correct::correct};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    asking::{admin, answer, bytes_of_a_real_answer, get, ok, person, sum},
    corrections::correction,
    producer::{event, of_user, source, user},
    world::{Engine, World, closing, now, on_both_databases},
};

on_both_databases! {
    formulas_are_neutralised_and_numbers_are_not
    every_format_says_the_same
    entries_are_events_and_then_corrections
    sums_are_told_apart_by_any_dimensions
    a_long_export_comes_page_by_page
    a_failure_in_the_middle_does_not_look_complete
    what_fails_at_once_is_an_error
    two_exports_of_a_caller_run_at_once
}

fn minutes_ago(minutes: u64) -> Timestamp {
    now().minus(Duration::from_secs(60 * minutes))
}

async fn text(service: &UsageIngest, question: &str) -> String {
    let mut answer = answer(service, &admin(), &format!("/api/v1/usage/export?{question}")).await;
    let text = answer.text().await;
    assert_eq!(answer.status, 200, "{text}");
    text
}

async fn formulas_are_neutralised_and_numbers_are_not(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let evil = UsageEvent { cost_centre: "=HYPERLINK(\"http://evil\",1)".into(), ..event(1, minutes_ago(5)) };
    world.deliver_events(&source(1), vec![evil]).await;
    correct(&world.database, &[correction(Uuid::from_u128(1), minutes_ago(5), -7)], closing(), now()).await.unwrap();
    let csv = text(&service, "format=csv&granularity=period&group=cost_centre").await;
    let period = "2026-11-01T00:00:00.000Z,2026-11-20T09:37:00.000Z";
    let expected = [
        "from,to,cost_centre,currency,requests,errors,unpriced_requests,input_tokens,cached_input_tokens,\
         cache_write_input_tokens,audio_input_tokens,output_tokens,reasoning_tokens,audio_output_tokens,images,cost"
            .to_owned(),
        format!("{period},,USD,0,0,0,0,0,0,0,0,0,0,0,-0.000000007"),
        format!("{period},\"'=HYPERLINK(\"\"http://evil\"\",1)\",USD,1,0,0,100,40,0,0,10,3,0,0,0.000001500"),
        String::new(),
    ];
    assert_eq!(csv.split("\r\n").collect::<Vec<_>>(), expected);
}

async fn every_format_says_the_same(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let list = (1..=9).map(|number| of_user(u128::from(number % 3 + 1), event(number, minutes_ago(number * 200))));
    world.deliver_events(&source(1), list.collect()).await;
    for rows in ["granularity=entries", "granularity=day&group=user&time_zone=Asia/Kolkata", "granularity=hour"] {
        let of = |format: &str| format!("{rows}&format={format}");
        let json: Value = serde_json::from_str(&text(&service, &of("json")).await).unwrap();
        let lines = text(&service, &of("ndjson")).await;
        let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(json["rows"], Value::from(lines.clone()), "{rows}");
        let csv = text(&service, &of("csv")).await;
        let header: Vec<_> = csv.lines().next().unwrap().split(',').map(str::to_owned).collect();
        let mut fields: Vec<_> = lines[0].as_object().unwrap().keys().cloned().collect();
        let mut columns = header.clone();
        fields.sort();
        columns.sort();
        assert_eq!((columns, csv.lines().count()), (fields, lines.len() + 1), "{rows}");
        let summary = ok(&service, &admin(), "/api/v1/usage/summary").await;
        assert_eq!(json["totals"], summary["totals"], "{rows}");
        assert_eq!((&json["period"], &json["complete_until"]), (&summary["period"], &summary["complete_until"]));
        assert_eq!(sum(&json["rows"], "requests"), 9);
    }
    for (format, media_type) in [("csv", "text/csv"), ("json", "application/json"), ("ndjson", "application/x-ndjson")]
    {
        let answer = answer(&service, &admin(), &format!("/api/v1/usage/export?format={format}")).await;
        let header = |name: &str| answer.headers.get(name).unwrap().to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(media_type));
        let disposition = format!("attachment; filename=\"usage-2026-11-01-2026-11-20.{format}\"");
        assert_eq!(header("content-disposition"), disposition);
        assert_eq!(
            header("x-maas-complete-until"),
            ok(&service, &admin(), "/api/v1/usage/summary").await["complete_until"]
        );
    }
}

async fn entries_are_events_and_then_corrections(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let failed = UsageEvent {
        outcome: "client_error".into(),
        status: 400,
        request_id: "req_b".into(),
        ..event(2, minutes_ago(3))
    };
    world.deliver_events(&source(1), vec![event(1, minutes_ago(9)), failed]).await;
    correct(&world.database, &[correction(Uuid::from_u128(1), minutes_ago(9), -500)], closing(), now()).await.unwrap();
    let export: Value = serde_json::from_str(&text(&service, "format=json&granularity=entries").await).unwrap();
    let rows = export["rows"].as_array().unwrap();
    let kinds: Vec<_> = rows.iter().map(|row| (&row["kind"], &row["request_id"], &row["cost"])).collect();
    assert_eq!(kinds[1], (&json!("event"), &json!("req_b"), &json!("0.000001500")));
    assert_eq!(kinds[2], (&json!("manual"), &Value::Null, &json!("-0.000000500")));
    assert_eq!(
        (&rows[0]["ttft_ms"], &rows[0]["duration_ms"], &rows[0]["stream"]),
        (&json!(80), &json!(900), &json!(false))
    );
    assert_eq!((&rows[2]["reason"], &rows[2]["requests"]), (&json!("the price was wrong"), &json!(0)));
    assert_eq!((&export["totals"]["errors"], &export["totals"]["cost"]["amount"]), (&json!(1), &json!("0.000002500")));
}

async fn sums_are_told_apart_by_any_dimensions(engine: Engine) {
    let (world, service) = World::started(engine).await;
    let euros = UsageEvent { currency: "EUR".into(), ..event(2, minutes_ago(3)) };
    world.deliver_events(&source(1), vec![event(1, minutes_ago(3)), euros]).await;
    let all = "group=user&group=key&group=team&group=organisation&group=cost_centre&group=model&group=upstream\
               &group=operation&group=outcome&group=currency";
    let export: Value = serde_json::from_str(&text(&service, &format!("format=json&{all}")).await).unwrap();
    let rows = export["rows"].as_array().unwrap();
    let currencies: Vec<_> = rows.iter().map(|row| row["currency"].as_str().unwrap()).collect();
    assert_eq!(
        (currencies, &rows[0]["team_id"], &rows[0]["model"]),
        (vec!["EUR", "USD"], &Value::Null, &json!("llama"))
    );
}

/// More than two pages of rows.
pub async fn many(world: &World) {
    for batch in 0..10_u64 {
        let numbers = batch * 250..(batch + 1) * 250;
        let list = numbers.map(|number| UsageEvent {
            model: format!("m{number:05}"),
            ..event(number + 1, minutes_ago(20 + number / 400))
        });
        world.deliver_events(&source(1), list.collect()).await;
    }
}

async fn a_long_export_comes_page_by_page(engine: Engine) {
    let (world, service) = World::started(engine).await;
    many(&world).await;
    for rows in ["granularity=entries", "granularity=period&group=model", "granularity=hour&group=model"] {
        let mut answer = answer(&service, &admin(), &format!("/api/v1/usage/export?format=ndjson&{rows}")).await;
        let (mut lines, mut most) = (Vec::new(), 0);
        while let Some(chunk) = answer.chunk().await {
            let chunk = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
            most = most.max(chunk.lines().count());
            lines.extend(chunk.lines().map(str::to_owned));
        }
        lines.sort();
        lines.dedup();
        assert_eq!(lines.len(), 2_500, "{rows}");
        assert!(most < 2_000, "{most} rows at once, {rows}");
    }
}

async fn a_failure_in_the_middle_does_not_look_complete(engine: Engine) {
    let (world, service) = World::started(engine).await;
    many(&world).await;
    let question = |format: &str| format!("/api/v1/usage/export?granularity=entries&format={format}");
    // Each asks as somebody else: when a server lets go of a connection's slot is its own affair.
    let admin = |number: u128| format!("user:{}:admin", user(number));
    let end = "\r\n0\r\n\r\n";
    let whole = bytes_of_a_real_answer(&service, &admin(10), &question("csv")).await;
    assert!(whole.starts_with("HTTP/1.1 200") && whole.ends_with(end), "the end of an answer is seen");

    // An impossible currency, some pages on.
    world.execute("UPDATE usage_events SET currency = '??' WHERE model = 'm00005'").await;
    for (number, format) in [(11, "json"), (12, "csv"), (13, "ndjson")] {
        // A database that is busy with other tests may ask for patience first.
        let answered = || async {
            let received = bytes_of_a_real_answer(&service, &admin(number), &question(format)).await;
            (!received.starts_with("HTTP/1.1 503")).then_some(received)
        };
        let received = maas_testkit::eventually(Duration::from_secs(20), answered).await;
        // How many rows arrive is open: what the server has not sent when it breaks off is lost.
        let beginning: String = received.chars().take(500).collect();
        assert!(received.starts_with("HTTP/1.1 200"), "{format} began: {beginning}");
        assert!(!received.ends_with(end) && !received.contains("totals"), "{format}: it looks complete");
    }
}

async fn what_fails_at_once_is_an_error(engine: Engine) {
    let (world, service) = World::started(engine).await;
    world.execute("ALTER TABLE usage_overview RENAME TO gone").await;
    let path = "/api/v1/usage/export?format=json&from=2026-11-20T00:00:00Z";
    let (status, problem) = get(&service, &admin(), path).await;
    assert_eq!((status, problem["code"].as_str()), (500, Some("internal_error")));
}

async fn two_exports_of_a_caller_run_at_once(engine: Engine) {
    let (world, service) = World::started(engine).await;
    many(&world).await;
    let path = "/api/v1/usage/export?granularity=entries";
    let first = answer(&service, &person(1), path).await;
    let second = answer(&service, &person(1), "/api/v1/usage/chargeback?month=2026-11").await;
    assert_eq!((first.status, second.status), (200, 200));
    let (status, problem) = get(&service, &person(1), path).await;
    assert_eq!((status, problem["code"].as_str()), (429, Some("too_many_attempts")));
    assert_eq!(answer(&service, &person(2), path).await.status, 200, "others have their own");
    drop(first);
    let free = || async { (answer(&service, &person(1), path).await.status == 200).then_some(()) };
    maas_testkit::eventually(Duration::from_secs(20), free).await;
}
