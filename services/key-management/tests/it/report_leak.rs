use std::net::SocketAddr;
use std::time::Duration;

use actix_web::test::TestRequest;
use maas_keys::PlainKey;
use serde_json::{Value, json};

use crate::world::{Answer, World};

on_both_databases! {
    whoever_holds_a_whole_secret_ends_it
    of_a_rotation_only_the_reported_secret_ends
    what_is_no_secret_is_answered_alike
    reports_are_limited_by_address
}

#[actix_web::test]
async fn the_pattern_for_scanners_is_public() {
    let world = World::on_sqlite().await;
    let answer = world.call(TestRequest::get().uri("/api/v1/keys/pattern")).await;
    assert_eq!(answer.body["pattern"], json!("sk-maas-[0-9A-Za-z]{16}_[0-9A-Za-z]{49}"));
    let (_, secret) = world.create(world.user(), json!({"name": "x"})).await;
    assert_eq!((&answer.body["length"], secret.len()), (&json!(secret.len()), 74));
}

async fn report(world: &World, key: &str) -> Answer {
    report_from(world, "192.0.2.7:4711", key).await
}

async fn report_from(world: &World, address: &str, key: &str) -> Answer {
    let peer: SocketAddr = address.parse().unwrap();
    let request = TestRequest::post().uri("/api/v1/keys/report-leak").peer_addr(peer);
    world.call(request.set_json(json!({"key": key}))).await
}

async fn whoever_holds_a_whole_secret_ends_it(world: World) {
    let user = world.user();
    let (id, secret) = world.create(user, json!({"name": "x"})).await;
    let reported = report(&world, &format!(" {secret}\n")).await;
    assert_eq!((reported.status.as_u16(), &reported.body["revocation"]["pending"]), (200, &json!([])));
    let key = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
    assert_eq!(
        (&key["status"], &key["revoke_reason"]),
        (&json!("revoked"), &json!("its secret was reported as leaked"))
    );
    let audit = world.audited(&id, "key.leak.revoke").await;
    assert_eq!((audit.actor_kind.as_str(), audit.address.as_str()), ("system", "192.0.2.7"));
    assert!(!format!("{audit:?}").contains(&secret[25..]));
    let again = report(&world, &secret).await;
    assert_eq!((again.status.as_u16(), &again.body["revocation"]), (200, &Value::Null));
}

async fn of_a_rotation_only_the_reported_secret_ends(world: World) {
    let user = world.user();
    let (id, secret) = world.create(user, json!({"name": "x"})).await;
    world.act(user, &format!("/api/v1/keys/{id}/rotate")).await;
    assert_eq!(report(&world, &secret).await.status, 200);
    let key = world.get(user, &format!("/api/v1/keys/{id}")).await.body;
    assert_eq!((&key["status"], &key["previous_secret_until"]), (&json!("active"), &Value::Null));
    world.audited(&id, "key.leak.finish_rotation").await;
    assert_eq!(report(&world, &secret).await.status, 404, "it is no secret of the key any more");
}

async fn what_is_no_secret_is_answered_alike(world: World) {
    let user = world.user();
    let (id, secret) = world.create(user, json!({"name": "x"})).await;
    let public_id = world.get(user, &format!("/api/v1/keys/{id}")).await.body["prefix"].as_str().unwrap()[8..].parse();
    let guessed = PlainKey::generate_for(public_id.unwrap()).unwrap();
    let unknown = PlainKey::generate().unwrap();
    let mut answers = Vec::new();
    for text in ["", "sk-maas-abc", &secret[..73], guessed.expose(), unknown.expose()] {
        let mut answer = report(&world, text).await;
        assert_eq!(answer.status, 404);
        answer.body["request_id"] = Value::Null;
        answers.push(answer.body);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(world.get(user, &format!("/api/v1/keys/{id}")).await.etag(), "\"1\"");
}

async fn reports_are_limited_by_address(world: World) {
    for _ in 0..10 {
        assert_eq!(report(&world, "sk-maas-abc").await.status, 404);
    }
    let refused = report(&world, "sk-maas-abc").await;
    assert_eq!((refused.status.as_u16(), &refused.body["code"]), (429, &json!("too_many_attempts")));
    assert_eq!(refused.headers.get("retry-after").unwrap(), "60");
    assert_eq!(report_from(&world, "192.0.2.8:4711", "sk-maas-abc").await.status, 404);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(report(&world, "sk-maas-abc").await.status, 404);
}
