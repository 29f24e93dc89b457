use std::collections::HashSet;

use actix_web::http::Method;
use maas_testkit::eventually;
use sea_orm::{ConnectionTrait as _, DatabaseBackend, Statement};
use serde_json::Value;

use crate::world::{As, PATIENCE, World, on_both_databases};

on_both_databases! {
    a_file_has_every_entry_once,
    formulas_are_neutralised_in_csv,
    filters_apply_together,
    an_export_is_an_entry_itself,
    unknown_formats_and_people_without_the_right_are_refused,
}

/// Entries as somebody may have left them, written past the chain.
async fn fill(world: &World, count: u32, actor: &str) {
    let id = match world.database.backend() {
        DatabaseBackend::Postgres => "gen_random_uuid()",
        _ => "randomblob(16)",
    };
    let sql = format!(
        "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count}) \
         INSERT INTO audit (id, time_ms, service, actor_kind, actor_name, action, resource_kind, resource_id, outcome, \
             before_json, after_json, request_id, address, day, sequence, digest) \
         SELECT {id}, 1700000000000 + n / 7, CASE n % 4 WHEN 0 THEN 'auth' ELSE 'key-management' END, 'system', '{actor}', \
             'key.' || (n % 20), 'key', 'key_' || n, CASE n % 50 WHEN 0 THEN 'denied' ELSE 'success' END, \
             '', '{{\"n\":1}}', '', '192.0.2.1', -1, n, '' FROM numbers"
    );
    world.database.writer().execute_unprepared(&sql).await.unwrap();
}

async fn export(world: &World, who: &As, query: &str) -> (u16, String) {
    let path = format!("/api/v1/audit/export?{query}");
    let (status, _, body) = world.exchange(world.request(Method::GET, &path, who)).await;
    (status.as_u16(), String::from_utf8(body.to_vec()).unwrap())
}

async fn a_file_has_every_entry_once(world: World) {
    fill(&world, 2_500, "robot").await;
    let admin = world.admin().await;
    let (_, lines) = export(&world, &admin, "format=ndjson&actor_name=robot").await;
    let ids: HashSet<String> =
        lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].to_string()).collect();
    assert_eq!((ids.len(), lines.lines().count()), (2_500, 2_500));
    let (_, list) = export(&world, &admin, "format=json&actor_name=robot").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&list).unwrap().len(), 2_500);
    let (_, table) = export(&world, &admin, "actor_name=robot").await;
    assert_eq!(table.lines().count(), 2_501);
    let (_, nothing) = export(&world, &admin, "format=json&actor_name=nobody").await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&nothing).unwrap(), Vec::<Value>::new());
}

async fn formulas_are_neutralised_in_csv(world: World) {
    fill(&world, 1, "=1+1").await;
    let (status, table) = export(&world, &world.admin().await, "format=csv&resource_id=key_1").await;
    assert_eq!(status, 200);
    assert!(table.starts_with("id,time,service,actor_kind,"), "{table}");
    assert!(table.contains(",'=1+1,key.1,key,key_1,success,,\"{\"\"n\"\":1}\",,192.0.2.1\r\n"), "{table}");
}

async fn filters_apply_together(world: World) {
    fill(&world, 2_500, "robot").await;
    let admin = world.admin().await;
    let query = "format=ndjson&service=auth&action=key.0&outcome=denied&actor_name=robot&resource_kind=key&q=KEY_1";
    let (_, lines) = export(&world, &admin, query).await;
    // Every hundredth, with an id that begins with 1.
    let expected = (1..=2_500).filter(|n| n % 100 == 0 && n.to_string().starts_with('1')).count();
    assert_eq!(lines.lines().count(), expected);
    let page = world.get("/api/v1/audit?service=auth&actor_name=robot&outcome=denied&limit=1000", &admin).await;
    assert_eq!(page.body["data"].as_array().unwrap().len(), 25);
}

async fn an_export_is_an_entry_itself(world: World) {
    let (_, reader) = world.person("ada", "admin-readonly").await;
    export(&world, &reader, "format=csv&outcome=denied").await;
    let entry = eventually(PATIENCE, || async {
        let page = world.get("/api/v1/audit?action=audit.export", &reader).await;
        page.body["data"].as_array().unwrap().first().cloned()
    })
    .await;
    assert_eq!((&entry["actor_name"], &entry["after"]["outcome"]), (&"ada".into(), &"denied".into()));
}

async fn unknown_formats_and_people_without_the_right_are_refused(world: World) {
    assert_eq!(export(&world, &world.admin().await, "format=xml").await.0, 400);
    assert_eq!(export(&world, &world.admin().await, "outcome=perhaps").await.0, 400);
    let (_, person) = world.person("ada", "user").await;
    assert_eq!(export(&world, &person, "").await.0, 403);
}

/// Each filter finds its page through an index, however many entries there are.
#[actix_web::test]
async fn filters_use_indexes() {
    let world = World::on_postgres().await;
    fill(&world, 100_000, "robot").await;
    let writer = world.database.writer();
    writer
        .execute_unprepared("UPDATE audit SET actor_name = 'rare' WHERE sequence % 5000 = 0 AND day = -1")
        .await
        .unwrap();
    writer.execute_unprepared("ANALYZE audit").await.unwrap();
    for (condition, index) in [
        ("action = 'key.3'", "audit_action"),
        ("actor_name = 'rare'", "audit_actor_name"),
        ("resource_id = 'key_77'", "audit_resource_id"),
        ("resource_kind = 'key' AND resource_id = 'key_77'", "audit_resource"),
        ("outcome = 'failed'", "audit_outcome"),
        ("service = 'usage-ingest'", "audit_service"),
        ("time_ms >= 1700000000000 AND time_ms < 1700000001000", "audit_time"),
        (
            "time_ms <= 1700000007000 AND (time_ms < 1700000007000 OR (time_ms = 1700000007000 AND id < gen_random_uuid()))",
            "audit_time",
        ),
        ("action = 'key.3' AND outcome = 'denied' AND actor_name = 'rare'", "audit_"),
    ] {
        let sql = format!("EXPLAIN SELECT * FROM audit WHERE {condition} ORDER BY time_ms DESC, id DESC LIMIT 51");
        let rows = writer.query_all_raw(Statement::from_string(DatabaseBackend::Postgres, sql)).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect();
        let plan = plan.join("\n");
        assert!(plan.contains(index) && !plan.contains("Seq Scan"), "{condition}\n{plan}");
    }
}
