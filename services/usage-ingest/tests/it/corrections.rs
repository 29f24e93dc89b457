//! Signed corrections: by better counts, and by people.

use std::time::Duration;

use maas_events::usage::{Quality, Tokens, UsageEvent};
use maas_store::StoreError;
use maas_types::{Currency, Operation, Outcome, Timestamp, UserId};
use maas_usage_ingest::{
    domain::{
        correction::{Correction, CorrectionKind, InvalidCorrection},
        dimensions::Dimensions,
        measures::Measures,
    },
    service::correct::{CorrectError, correct},
    store,
};
use sea_orm::EntityTrait as _;
use uuid::Uuid;

use crate::{
    producer::{event, key, of_user, source, user},
    world::{Engine, World, closing, now, on_both_databases},
};

on_both_databases! {
    better_counts_book_the_difference_once
    better_counts_of_another_upstream_take_the_request_along
    better_counts_that_name_another_payer_are_a_conflict
    a_correction_is_in_every_sum_and_is_booked_once
    an_id_stands_for_one_correction
    a_correction_that_does_not_fit_changes_nothing
    a_correction_that_says_nothing_is_refused
    usage_of_a_closed_month_is_a_line_of_the_open_one
}

/// What [`event`] is booked to.
fn dimensions() -> Dimensions {
    Dimensions {
        key_id: key(1).uuid(),
        user_id: user(1).uuid(),
        team_id: Uuid::nil(),
        organisation_id: Uuid::nil(),
        cost_centre: String::new(),
        model: "llama".into(),
        upstream: "gpu-a".into(),
        operation: Operation::Chat,
        outcome: Outcome::Success,
        currency: Currency::USD,
    }
}

/// Of the cost of user 1, by a person.
pub fn correction(id: Uuid, admitted_at: Timestamp, cost_nanos: i64) -> Correction {
    Correction {
        id,
        admitted_at,
        event: None,
        kind: CorrectionKind::Manual,
        reason: "the price was wrong".into(),
        actor: Some(UserId::from_uuid(Uuid::from_u128(77))),
        actor_name: "ada".into(),
        dimensions: dimensions(),
        measures: Measures { cost_nanos, ..Measures::default() },
        better: None,
    }
}

async fn booked(world: &World) -> Vec<store::correction::Model> {
    let mut rows = store::correction::Entity::find().all(world.database.reader()).await.unwrap();
    rows.sort_by_key(|row| row.cost_nanos);
    rows
}

/// Counted from the text, and then reported: 9,000 instead of 1,500 nano-units.
fn estimated_and_exact() -> (UsageEvent, UsageEvent) {
    let estimated = UsageEvent { quality: Quality::Estimated.into(), ..event(1, now()) };
    let tokens = Some(Tokens { input: 90, output: 50, ..Default::default() });
    let exact = UsageEvent { sequence: 2, cost_nanos: 9_000, tokens, ..estimated.clone() };
    (estimated, UsageEvent { quality: Quality::Exact.into(), ..exact })
}

async fn better_counts_book_the_difference_once(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let (estimated, exact) = estimated_and_exact();
    world.deliver_events(&source(1), vec![estimated.clone()]).await;
    for _ in 0..3 {
        world.deliver_events(&source(1), vec![exact.clone(), estimated.clone()]).await;
    }
    let rows = booked(&world).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].cost_nanos, rows[0].input_tokens, rows[0].output_tokens), (7_500, -10, 40));
    assert_eq!((rows[0].kind.as_str(), rows[0].reason.as_str()), ("quality", "exact instead of estimated"));
    let books = world.books().await;
    assert_eq!((books.ledger[0].cost_nanos, books.ledger[0].requests), (9_000, 1));
    assert_eq!((world.event_count().await, world.quarantined().await), (1, vec![]));
    assert!(world.process.metrics.render().unwrap().contains("maas_usage_events_total{outcome=\"stored\"} 2"));
}

async fn better_counts_of_another_upstream_take_the_request_along(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let (estimated, exact) = estimated_and_exact();
    let interrupted = UsageEvent { outcome: "interrupted".into(), upstream: "gpu-b".into(), ..estimated };
    // In one batch, too.
    world.deliver_events(&source(1), vec![interrupted, exact]).await;
    let costs: Vec<_> = booked(&world).await.iter().map(|row| (row.cost_nanos, row.requests)).collect();
    assert_eq!(costs, [(-1_500, -1), (9_000, 1)]);
    let books = world.books().await;
    let overview: Vec<_> = books.overview.iter().map(|row| (row.requests, row.cost_nanos)).collect();
    assert_eq!(overview, [(1, 9_000), (0, 0)]);
}

async fn better_counts_that_name_another_payer_are_a_conflict(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    let (estimated, exact) = estimated_and_exact();
    world.deliver_events(&source(1), vec![estimated, of_user(2, exact)]).await;
    assert_eq!(booked(&world).await, []);
    assert!(world.quarantined().await[0].reason.contains("another payer"));
    assert_eq!(world.books().await.ledger[0].cost_nanos, 1_500);
}

async fn a_correction_is_in_every_sum_and_is_booked_once(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    world.deliver_events(&source(1), vec![event(1, now())]).await;
    let credit = [correction(Uuid::from_u128(1), now(), -2_000)];
    assert_eq!(correct(&world.database, &credit, closing(), now()).await.unwrap(), 1);
    assert_eq!(correct(&world.database, &credit, closing(), now()).await.unwrap(), 0);
    let books = world.books().await;
    let overviews = [&books.overview, &books.overview_hourly, &books.overview_daily];
    for table in [&books.ledger, &books.rollups, &books.daily].into_iter().chain(overviews) {
        assert_eq!(table.iter().map(|row| (row.cost_nanos, row.requests)).collect::<Vec<_>>(), [(-500, 1)]);
    }
    let rows = booked(&world).await;
    assert_eq!((rows[0].actor_name.as_str(), rows[0].reason.as_str()), ("ada", "the price was wrong"));
}

async fn an_id_stands_for_one_correction(engine: Engine) {
    let world = World::idle(engine).await;
    let id = Uuid::from_u128(1);
    correct(&world.database, &[correction(id, now(), 5)], closing(), now()).await.unwrap();
    let other = [correction(Uuid::from_u128(2), now(), 1), correction(id, now(), 6)];
    let refused = correct(&world.database, &other, closing(), now()).await;
    assert!(matches!(refused, Err(CorrectError::IdTaken(taken)) if taken == id), "{refused:?}");
    let twins = [correction(Uuid::from_u128(3), now(), 1), correction(Uuid::from_u128(3), now(), 2)];
    assert!(matches!(correct(&world.database, &twins, closing(), now()).await, Err(CorrectError::IdTaken(_))));
    assert_eq!(world.books().await.ledger[0].cost_nanos, 5);
    assert_eq!(booked(&world).await.len(), 1);
}

async fn a_correction_that_does_not_fit_changes_nothing(engine: Engine) {
    let world = World::idle(engine).await;
    correct(&world.database, &[correction(Uuid::from_u128(1), now(), 5)], closing(), now()).await.unwrap();
    world.execute(&format!("UPDATE usage_ledger SET cost_nanos = {}", i64::MAX - 10)).await;
    let refused = correct(&world.database, &[correction(Uuid::from_u128(2), now(), 11)], closing(), now()).await;
    assert!(matches!(refused, Err(CorrectError::DoesNotFit(StoreError::Other(_)))), "{refused:?}");
    assert_eq!(booked(&world).await.len(), 1);
    assert_eq!(world.books().await.rollups[0].cost_nanos, 5);
}

async fn a_correction_that_says_nothing_is_refused(engine: Engine) {
    let world = World::idle(engine).await;
    let plain = correction(Uuid::from_u128(1), now(), 5);
    let unexplained = Correction { reason: " ".into(), ..plain.clone() };
    let too_much = correction(plain.id, now(), 1_000_000_000_000_001);
    let future = Correction { admitted_at: now().plus(Duration::from_secs(3_600)), ..plain.clone() };
    let cases = [
        (correction(plain.id, now(), 0), InvalidCorrection::Zero),
        (unexplained, InvalidCorrection::Text("reason")),
        (Correction { actor_name: "a\0b".into(), ..plain }, InvalidCorrection::Text("actor_name")),
        (too_much, InvalidCorrection::OutOfRange("cost_nanos")),
        (future, InvalidCorrection::Time),
    ];
    for (wrong, expected) in cases {
        let refused = correct(&world.database, &[wrong], closing(), now()).await;
        assert!(matches!(&refused, Err(CorrectError::Invalid { reason, .. }) if *reason == expected), "{refused:?}");
    }
    assert_eq!(booked(&world).await, []);
}

async fn usage_of_a_closed_month_is_a_line_of_the_open_one(engine: Engine) {
    let (world, _service) = World::started(engine).await;
    // The 25th of October, whose report was closed on the 10th of November.
    let october = now().minus(Duration::from_secs(26 * 86_400));
    world.deliver_events(&source(1), vec![event(1, october), event(2, now())]).await;
    correct(&world.database, &[correction(Uuid::from_u128(1), october, -500)], closing(), now()).await.unwrap();
    let books = world.books().await;
    let lines: Vec<_> = books.ledger.iter().map(|row| (row.times.clone(), row.cost_nanos)).collect();
    assert_eq!(lines, [(vec![202_611, 202_610], 1_000), (vec![202_611, 202_611], 1_500)]);
    // All other sums go by the time of admission.
    let days: Vec<_> = books.daily.iter().map(|row| row.times[0]).collect();
    assert_eq!(days[1] - days[0], 26);
}
