use std::time::Duration;

use bytes::Bytes;
use maas_auth::{AuthSettings, settings::AuditSettings};
use maas_events::{Delivery, audit::AuditRecord, topic::AUDIT_SUBJECT};
use maas_runtime::config::HumanDuration;
use maas_testkit::eventually;
use maas_types::{AuditId, Clock as _, Timestamp, UtcDay};
use prost::Message as _;
use sea_orm::{ConnectionTrait as _, DatabaseBackend};
use sea_orm_migration::{MigratorTrait as _, sea_orm::TransactionTrait as _};
use serde_json::Value;

use crate::world::{As, PATIENCE, World, on_both_databases, settings};

const DAY: Duration = Duration::from_secs(24 * 3_600);

on_both_databases! {
    what_was_stored_is_intact,
    a_changed_entry_is_found,
    an_entry_removed_from_the_middle_is_found,
    a_removed_last_entry_is_found,
    an_inserted_entry_is_found,
    an_entry_moved_to_another_day_is_found,
    a_changed_line_is_found,
    a_day_follows_the_day_before_it,
    a_removed_day_is_found,
    two_replicas_write_one_chain,
    days_whose_retention_is_over_leave_their_line,
    entries_from_before_the_chain_are_chained,
    only_days_can_be_asked_for,
}

fn record(name: &str, at: Timestamp) -> Bytes {
    let record = AuditRecord {
        id: Bytes::copy_from_slice(AuditId::new_at(at).uuid().as_bytes()),
        time_ms: at.unix_ms(),
        service: "key-management".to_owned(),
        actor_kind: "user".to_owned(),
        actor_name: "ada".to_owned(),
        action: "key.revoke".to_owned(),
        resource_kind: "key".to_owned(),
        resource_id: name.to_owned(),
        outcome: "success".to_owned(),
        after_json: r#"{"status":"revoked","limits":{"b":1,"a":2.50}}"#.to_owned(),
        ..AuditRecord::default()
    };
    record.encode_to_vec().into()
}

async fn deliver(world: &World, names: &[&str]) {
    for name in names {
        let id = uuid::Uuid::new_v4().simple().to_string();
        let payload = record(name, world.clock.now());
        let delivery = Delivery::Message { subject: AUDIT_SUBJECT.to_owned(), id, headers: Vec::new(), payload };
        world.bus.deliver(delivery).await.unwrap();
    }
}

/// An admin, once nothing of the start and of their own token is on its way to the book any more.
async fn quiet_admin(world: &World) -> As {
    let admin = world.admin().await;
    let since = world.clock.now().minus(Duration::from_secs(1));
    eventually(PATIENCE, || async {
        let page = world.get(&format!("/api/v1/audit?action=token.create&from={since}"), &admin).await;
        (!page.body["data"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
    admin
}

/// Four keys were revoked.
async fn book(world: &World) -> As {
    let admin = quiet_admin(world).await;
    deliver(world, &["key_1", "key_2", "key_3", "key_4"]).await;
    admin
}

fn today(world: &World) -> UtcDay {
    UtcDay::of(world.clock.now())
}

async fn chain(world: &World, admin: &As, day: UtcDay) -> Value {
    let answer = world.get(&format!("/api/v1/audit/chain?day={day}"), admin).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn tamper(world: &World, sql: &str) {
    let done = world.database.writer().execute_unprepared(sql).await.unwrap();
    assert_eq!(done.rows_affected(), 1, "{sql}");
}

fn faults(chain: &Value) -> Vec<(String, u64, u64)> {
    assert_eq!(chain["intact"], chain["faults"].as_array().unwrap().is_empty());
    let number = |value: &Value| value.as_u64().unwrap();
    let fault = |fault: &Value| {
        let code = fault["code"].as_str().unwrap().to_owned();
        (code, number(&fault["first_sequence"]), number(&fault["last_sequence"]))
    };
    chain["faults"].as_array().unwrap().iter().map(fault).collect()
}

/// How many entries the day has; the last four are the keys.
fn count(chain: &Value) -> u64 {
    chain["entries"].as_u64().unwrap()
}

async fn what_was_stored_is_intact(world: World) {
    let admin = quiet_admin(&world).await;
    let before = chain(&world, &admin, today(&world)).await;
    deliver(&world, &["key_1", "key_2"]).await;
    let after = chain(&world, &admin, today(&world)).await;
    assert_eq!((faults(&before), faults(&after)), (vec![], vec![]));
    assert_eq!(count(&after), count(&before) + 2);
    assert_ne!(before["digest"], after["digest"]);
    assert_eq!(after["digest"].as_str().unwrap().len(), 64);
}

async fn a_changed_entry_is_found(world: World) {
    let admin = book(&world).await;
    tamper(&world, "UPDATE audit SET actor_name = 'mallory' WHERE resource_id = 'key_2'").await;
    let chain = chain(&world, &admin, today(&world)).await;
    let place = count(&chain) - 2;
    assert_eq!(faults(&chain), [("changed".to_owned(), place, place)]);
}

async fn an_entry_removed_from_the_middle_is_found(world: World) {
    let admin = book(&world).await;
    tamper(&world, "DELETE FROM audit WHERE resource_id = 'key_3'").await;
    let chain = chain(&world, &admin, today(&world)).await;
    let place = count(&chain) - 1;
    assert_eq!(faults(&chain), [("missing".to_owned(), place, place)]);
}

async fn a_removed_last_entry_is_found(world: World) {
    let admin = book(&world).await;
    tamper(&world, "DELETE FROM audit WHERE resource_id = 'key_4'").await;
    let chain = chain(&world, &admin, today(&world)).await;
    assert_eq!(faults(&chain), [("missing".to_owned(), count(&chain), count(&chain))]);
}

async fn an_inserted_entry_is_found(world: World) {
    let admin = book(&world).await;
    let id = match world.database.backend() {
        DatabaseBackend::Postgres => "gen_random_uuid()",
        _ => "randomblob(16)",
    };
    let columns = "time_ms, service, actor_kind, actor_id, actor_name, action, resource_kind, resource_id, outcome, \
                   before_json, after_json, request_id, address, day";
    tamper(
        &world,
        &format!(
            "INSERT INTO audit (id, {columns}, sequence, digest) \
             SELECT {id}, {columns}, sequence + 1, digest FROM audit WHERE resource_id = 'key_4'"
        ),
    )
    .await;
    let chain = chain(&world, &admin, today(&world)).await;
    assert_eq!(faults(&chain), [("added".to_owned(), count(&chain) + 1, count(&chain) + 1)]);
}

async fn an_entry_moved_to_another_day_is_found(world: World) {
    let admin = book(&world).await;
    tamper(&world, "UPDATE audit SET day = day - 1 WHERE resource_id = 'key_4'").await;
    let from = chain(&world, &admin, today(&world)).await;
    let to = chain(&world, &admin, UtcDay(today(&world).0 - 1)).await;
    assert_eq!(faults(&from)[0].0, "missing");
    assert_eq!(faults(&to)[0].0, "added");
}

async fn a_changed_line_is_found(world: World) {
    let admin = book(&world).await;
    tamper(&world, "UPDATE audit_days SET entries = entries - 1").await;
    let chain = chain(&world, &admin, today(&world)).await;
    let codes: Vec<String> = faults(&chain).into_iter().map(|(code, _, _)| code).collect();
    assert_eq!(codes, ["added", "changed"]);
}

async fn a_day_follows_the_day_before_it(world: World) {
    let admin = book(&world).await;
    let monday = chain(&world, &admin, today(&world)).await;
    world.clock.advance(2 * DAY);
    let admin = book(&world).await;
    let wednesday = chain(&world, &admin, today(&world)).await;
    assert_eq!((&wednesday["previous_digest"], faults(&wednesday)), (&monday["digest"], vec![]));
    let tuesday = chain(&world, &admin, UtcDay(today(&world).0 - 1)).await;
    assert_eq!((count(&tuesday), faults(&tuesday)), (0, vec![]));
}

async fn a_removed_day_is_found(world: World) {
    book(&world).await;
    let gone = today(&world);
    world.clock.advance(DAY);
    let admin = book(&world).await;
    world.database.writer().execute_unprepared(&format!("DELETE FROM audit WHERE day = {}", gone.0)).await.unwrap();
    tamper(&world, &format!("DELETE FROM audit_days WHERE day = {}", gone.0)).await;
    for day in [gone, today(&world)] {
        let faults = faults(&chain(&world, &admin, day).await);
        assert_eq!(faults.iter().map(|(code, _, _)| code.as_str()).collect::<Vec<_>>(), ["unlinked"], "{day}");
    }
}

async fn two_replicas_write_one_chain(world: World) {
    let other = world.replica(settings()).await;
    let admin = quiet_admin(&world).await;
    let before = count(&chain(&world, &admin, today(&world)).await);
    let names: Vec<String> = (0..40).map(|n| format!("key_{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (one, two) = names.split_at(20);
    tokio::join!(deliver(&world, one), deliver(&other, two));
    let chain = chain(&world, &admin, today(&world)).await;
    assert_eq!((count(&chain), faults(&chain)), (before + 40, vec![]));
}

async fn days_whose_retention_is_over_leave_their_line(world: World) {
    let admin = book(&world).await;
    let (old, before) = (today(&world), chain(&world, &admin, today(&world)).await);
    world.clock.advance(4 * DAY);
    book(&world).await;
    let retention = AuditSettings { retention: HumanDuration::from_secs(3 * 24 * 3_600) };
    let keeper = world.replica(AuthSettings { audit: retention, ..world.settings.clone() }).await;
    let admin = quiet_admin(&keeper).await;
    let dropped = eventually(PATIENCE, || async {
        let page = keeper.get("/api/v1/audit?action=audit.drop_day", &admin).await;
        page.body["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&dropped["resource_id"], &dropped["before"]["digest"]), (&before["day"], &before["digest"]));
    let after = chain(&world, &admin, old).await;
    assert!(after["removed_at"].is_string());
    assert_eq!((&after["digest"], &after["entries"], faults(&after)), (&before["digest"], &before["entries"], vec![]));
    assert_eq!(faults(&chain(&world, &admin, today(&world)).await), []);
    let left = world.get("/api/v1/audit?resource_id=key_1", &admin).await;
    assert_eq!(left.body["data"].as_array().unwrap().len(), 1);
}

async fn entries_from_before_the_chain_are_chained(world: World) {
    let admin = book(&world).await;
    let before = count(&chain(&world, &admin, today(&world)).await);
    let migrations = maas_auth::Migrator::migrations();
    let place = migrations.iter().position(|migration| migration.name().contains("chain_audit")).unwrap();
    let later = u32::try_from(migrations.len() - place).unwrap();
    let transaction = world.database.writer().begin().await.unwrap();
    maas_auth::Migrator::down(&transaction, Some(later)).await.unwrap();
    transaction.commit().await.unwrap();
    maas_auth::migrate(&world.database).await.unwrap();
    let after = chain(&world, &admin, today(&world)).await;
    assert_eq!((count(&after), faults(&after)), (before, vec![]));
    deliver(&world, &["key_5"]).await;
    assert_eq!(faults(&chain(&world, &admin, today(&world)).await), []);
}

async fn only_days_can_be_asked_for(world: World) {
    let admin = world.admin().await;
    for day in ["yesterday", "2026-11-20T00:00:00Z", "2026-02-30", ""] {
        let refused = world.get(&format!("/api/v1/audit/chain?day={day}"), &admin).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, "?day"), "{day}");
    }
    let (_, person) = world.person("ada", "user").await;
    assert_eq!(world.get("/api/v1/audit/chain", &person).await.status, 403);
}
