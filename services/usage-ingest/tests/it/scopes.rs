//! Whose usage each operation shows: one's own, that of one's teams, everybody's, or none.

use bytes::Bytes;
use maas_events::usage::UsageEvent;
use maas_usage_ingest::UsageIngest;
use serde_json::Value;

use crate::{
    asking::{admin, answer, get, ok, owner, person, team},
    producer::{event, key, of_user, source, user},
    world::{Engine, World, now, on_both_databases},
};

on_both_databases! {
    every_operation_shows_only_what_its_caller_may_see
    naming_others_shows_nothing_of_them
    a_key_is_shown_to_its_user_and_to_the_owners_of_its_teams
    nobody_is_asked_to_sign_in
}

/// Two requests of user 1 (one for team 1), one of user 2 for team 1, one of user 3 for team 2.
async fn some_usage(engine: Engine) -> (World, UsageIngest) {
    let (world, service) = World::started(engine).await;
    let for_team = |number: u128, event: UsageEvent| UsageEvent {
        team_id: Bytes::copy_from_slice(team(number).uuid().as_bytes()),
        ..event
    };
    let at = now().minus(std::time::Duration::from_secs(60));
    let list = vec![
        event(1, at),
        for_team(1, event(2, at)),
        for_team(1, of_user(2, event(3, at))),
        for_team(2, of_user(3, event(4, at))),
    ];
    world.deliver_events(&source(1), list).await;
    (world, service)
}

const OPERATIONS: [&str; 9] = [
    "summary?",
    "timeseries?metric=requests&",
    "timeseries?metric=requests&group=user&subgroup=team&top=1&",
    "breakdown?group=user&",
    "breakdown?group=model&sort=latency_p95&",
    "export?format=json&",
    "export?format=json&granularity=entries&",
    "chargeback?month=2026-11&",
    "requests?",
];

/// How many requests an operation shows.
async fn shown(service: &UsageIngest, caller: &str, operation: &str) -> i64 {
    let mut answer = answer(service, caller, &format!("/api/v1/usage/{operation}")).await;
    let text = answer.text().await;
    assert_eq!(answer.status, 200, "{operation}: {text}");
    let body: Value = serde_json::from_str(&text).unwrap();
    if operation.starts_with("requests") {
        return body["data"].as_array().unwrap().len().try_into().unwrap();
    }
    if operation.starts_with("timeseries") {
        return body["total"].as_i64().unwrap();
    }
    body["totals"]["requests"].as_i64().unwrap()
}

async fn every_operation_shows_only_what_its_caller_may_see(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    let reader = format!("user:{}:admin-readonly", user(98));
    for operation in OPERATIONS {
        for (caller, expected) in [
            (admin(), 4),
            (reader.clone(), 4),
            (person(1), 2),
            (person(2), 1),
            (person(9), 0),
            // Their own, and what others did for a team of theirs; a request that is both counts once.
            (owner(1, &[1]), 3),
            (owner(9, &[1]), 2),
            (owner(9, &[1, 2]), 3),
            (owner(3, &[7]), 1),
        ] {
            assert_eq!(shown(&service, &caller, operation).await, expected, "{operation} for {caller}");
        }
    }
}

async fn naming_others_shows_nothing_of_them(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    // Chargeback takes no filters.
    for operation in OPERATIONS.iter().filter(|operation| !operation.starts_with("chargeback")) {
        for filter in [format!("user_id={}", user(2)), format!("key_id={}", key(2)), format!("team_id={}", team(2))] {
            assert_eq!(shown(&service, &person(1), &format!("{operation}{filter}")).await, 0, "{operation}{filter}");
        }
        let of_team = format!("{operation}team_id={}", team(1));
        for (caller, expected) in [(admin(), 2), (person(1), 1), (owner(9, &[1]), 2), (owner(9, &[2]), 0)] {
            assert_eq!(shown(&service, &caller, &of_team).await, expected, "{of_team} for {caller}");
        }
        let of_both = format!("{operation}team_id={}&team_id={}", team(1), team(2));
        assert_eq!(shown(&service, &owner(9, &[2]), &of_both).await, 1, "{of_both}");
    }
    let filters = "/api/v1/usage/filters?dimension=user&dimension=team&dimension=key";
    let values = |body: &Value, place: usize| body["dimensions"][place]["values"].as_array().unwrap().len();
    let own = ok(&service, &person(2), filters).await;
    assert_eq!((values(&own, 0), values(&own, 1), values(&own, 2)), (1, 1, 1), "{own}");
    let of_team = ok(&service, &owner(9, &[1]), filters).await;
    assert_eq!((values(&of_team, 0), values(&of_team, 1)), (2, 1), "{of_team}");
    let all = ok(&service, &admin(), filters).await;
    assert_eq!((values(&all, 0), values(&all, 1)), (3, 3), "{all}");
}

async fn a_key_is_shown_to_its_user_and_to_the_owners_of_its_teams(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    let path = format!("/api/v1/usage/keys/{}", key(2));
    for caller in [admin(), person(2), owner(9, &[1])] {
        assert_eq!(get(&service, &caller, &path).await.0, 200, "{caller}");
    }
    for caller in [person(1), owner(9, &[2]), owner(1, &[])] {
        assert_eq!(get(&service, &caller, &path).await.0, 404, "{caller}");
    }
}

async fn nobody_is_asked_to_sign_in(engine: Engine) {
    let (_world, service) = some_usage(engine).await;
    for operation in OPERATIONS.into_iter().chain(["filters?", "keys/nonsense", "summary?colour=red"]) {
        assert_eq!(get(&service, "", &format!("/api/v1/usage/{operation}")).await.0, 401, "{operation}");
    }
}
