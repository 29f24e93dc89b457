//! What teams and cost centres are charged for a month.

use std::time::Duration;

use bytes::Bytes;
use maas_events::usage::UsageEvent;
use maas_types::Timestamp;
use maas_usage_ingest::UsageIngest;
use serde_json::{Value, json};

use crate::{
    asking::{admin, answer, ok, sum, team},
    producer::{event, source},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    a_report_has_a_line_for_each_payer_model_and_currency
    late_usage_of_a_closed_month_is_a_line_that_names_it
    focus_has_its_columns_and_exact_costs
    a_month_without_usage_is_an_empty_report
}

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn charged(number: u128, centre: &str, event: UsageEvent) -> UsageEvent {
    let team_id = Bytes::copy_from_slice(team(number).uuid().as_bytes());
    UsageEvent { team_id, cost_centre: centre.to_owned(), ..event }
}

/// Two teams of one cost centre, one without; dollars and euros.
async fn some_usage(engine: Engine) -> (World, UsageIngest) {
    let (world, service) = World::started(engine).await;
    let at = now().minus(Duration::from_secs(60));
    let list = vec![
        charged(1, "CC-1", event(1, at)),
        charged(1, "CC-1", event(2, at)),
        charged(2, "CC-1", UsageEvent { currency: "EUR".into(), model: "qwen".into(), ..event(3, at) }),
        event(4, at),
    ];
    world.deliver_events(&source(1), list).await;
    (world, service)
}

async fn report(service: &UsageIngest, question: &str) -> Value {
    ok(service, &admin(), &format!("/api/v1/usage/chargeback?month=2026-11{question}")).await
}

async fn a_report_has_a_line_for_each_payer_model_and_currency(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    let by_team = report(&service, "").await;
    let lines: Vec<_> = by_team["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| {
            (
                line["team_id"].clone(),
                line["model"].clone(),
                line["currency"].clone(),
                line["requests"].clone(),
                line["cost"].clone(),
            )
        })
        .collect();
    let line = |team: Value, model: &str, currency: &str, requests: u32, cost: &str| {
        (team, json!(model), json!(currency), json!(requests), json!(cost))
    };
    assert_eq!(
        lines,
        [
            line(Value::Null, "llama", "USD", 1, "0.000001500"),
            line(json!(team(1)), "llama", "USD", 2, "0.000003000"),
            line(json!(team(2)), "qwen", "EUR", 1, "0.000001500"),
        ]
    );
    assert_eq!(by_team["period"], json!({"from": "2026-11-01T00:00:00.000Z", "to": "2026-12-01T00:00:00.000Z"}));
    let summary = ok(&service, &admin(), "/api/v1/usage/summary").await;
    assert_eq!(by_team["totals"], summary["totals"]);
    let by_centre = report(&service, "&by=cost_centre").await;
    let centres: Vec<_> =
        by_centre["rows"].as_array().unwrap().iter().map(|line| line["cost_centre"].as_str().unwrap()).collect();
    assert_eq!((centres, sum(&by_centre["rows"], "requests")), (vec!["", "CC-1", "CC-1"], 4));
}

async fn late_usage_of_a_closed_month_is_a_line_that_names_it(engine: Engine) {
    let (world, service) = World::started(engine).await;
    // October was closed on the tenth of November.
    world.deliver_events(&source(1), vec![event(1, time("2026-10-31T12:00:00Z")), event(2, now())]).await;
    let november = report(&service, "").await;
    let months: Vec<_> =
        november["rows"].as_array().unwrap().iter().map(|line| (&line["month"], &line["of_month"])).collect();
    assert_eq!(months, [(&json!("2026-11"), &json!("2026-10")), (&json!("2026-11"), &json!("2026-11"))]);
    let october = ok(&service, &admin(), "/api/v1/usage/chargeback?month=2026-10").await;
    assert_eq!(october["rows"], json!([]));
}

async fn focus_has_its_columns_and_exact_costs(engine: Engine) {
    let (world, service) = some_usage(engine).await;
    world.deliver_events(&source(1), vec![charged(1, "CC-1", event(5, time("2026-10-31T12:00:00Z")))]).await;
    let path = "/api/v1/usage/chargeback?month=2026-11&format=focus";
    let mut answer = answer(&service, &admin(), path).await;
    let disposition = answer.headers.get("content-disposition").unwrap().to_str().unwrap().to_owned();
    assert_eq!(disposition, "attachment; filename=\"focus-1.2-2026-11-by-team.csv\"");
    let text = answer.text().await;
    let mut lines = text.lines();
    let header: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Vec<String>> = lines.map(cells).collect();
    assert!(rows.iter().all(|row| row.len() == header.len()));
    let cell = |row: &[String], name: &str| row[header.iter().position(|column| *column == name).unwrap()].clone();
    let late = rows.iter().find(|row| cell(row, "ChargeClass") == "Correction").unwrap();
    assert_eq!(cell(late, "ChargePeriodStart"), "2026-10-01T00:00:00Z");
    assert_eq!(cell(late, "BillingPeriodStart"), "2026-11-01T00:00:00Z");
    let regular = rows.iter().find(|row| cell(row, "SubAccountId") == team(1).to_string() && *row != late).unwrap();
    for (column, value) in [
        ("BilledCost", "0.000003000"),
        ("EffectiveCost", "0.000003000"),
        ("BillingCurrency", "USD"),
        ("ConsumedQuantity", "220"),
        ("ServiceSubcategory", "Generative AI"),
        ("x_Requests", "2"),
        ("ChargeClass", ""),
    ] {
        assert_eq!(cell(regular, column), value, "{column}");
    }
}

/// The cells of a line of CSV.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    for character in line.chars() {
        match character {
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells.last_mut().unwrap().push(other),
        }
    }
    cells
}

async fn a_month_without_usage_is_an_empty_report(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    let empty = ok(&service, &admin(), "/api/v1/usage/chargeback?month=2031-02").await;
    assert_eq!((&empty["rows"], &empty["totals"]["requests"]), (&json!([]), &json!(0)));
}
