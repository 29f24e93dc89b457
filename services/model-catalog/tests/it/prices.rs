use std::time::Duration;

use maas_types::{Clock as _, SystemClock};
use serde_json::json;

use crate::world::{World, settings};

#[actix_web::test]
async fn prices_are_versions_and_a_later_one_waits_for_its_time() {
    for world in World::both(&settings()).await {
        let created = world.post("/api/v1/models", json!({"name": "m", "price": {"input": "1", "output": "2"}})).await;
        let id = created.json()["id"].as_str().unwrap().to_owned();
        let path = format!("/api/v1/models/{id}/prices");
        let later = SystemClock.now().plus(Duration::from_secs(3600)).to_string();
        let dear =
            json!({"effective_from": later, "input": "10", "cached_input": "5", "output": "20", "request": "0.001"});
        let reply = world.post(&path, dear.clone()).await;
        assert_eq!(reply.status, 201, "{}", reply.text);
        assert_eq!(
            (&reply.json()["request"], &reply.json()["cached_input"]),
            (&json!("0.001000000"), &json!("5.000000000"))
        );

        // Today's price holds, the proxies know both.
        let model = world.get("user", &format!("/api/v1/models/{id}")).await.json();
        assert_eq!(model["price"]["input"], "1.000000000");
        let state = world.state_where("m", |state| state.prices.len() == 2).await;
        assert_eq!((state.prices[1].input, state.prices[1].request), (10_000_000_000, 1_000_000_000_000));
        assert_eq!(state.version, 2);
        let listed = world.get("user", &path).await.json();
        assert_eq!(
            (&listed["data"][0]["input"], &listed["data"][1]["input"]),
            (&json!("10.000000000"), &json!("1.000000000"))
        );

        // The same time again is a conflict: versions are never edited.
        assert_eq!(world.post(&path, dear).await.status, 409);
        assert_eq!(world.audit_of("price.create").await.resource_kind, "price");
    }
}

#[actix_web::test]
async fn a_price_in_the_past_or_beyond_measure_is_refused() {
    let world = World::sqlite(settings()).await;
    let created = world.post("/api/v1/models", json!({"name": "m"})).await.json();
    let path = format!("/api/v1/models/{}/prices", created["id"].as_str().unwrap());
    let past = SystemClock.now().minus(Duration::from_secs(120)).to_string();
    for (body, pointer) in [
        (json!({"effective_from": past, "input": "1", "output": "1"}), "/effective_from"),
        (json!({"currency": "EUR", "input": "1", "output": "1"}), "/currency"),
        (json!({"input": "1000000.000000001", "output": "1"}), "/input"),
        (json!({"input": "1", "output": "1", "image": "9000000000"}), "/image"),
        (json!({"input": "1", "output": "0.0000000001"}), "/output"),
        (json!({"input": 1.5, "output": "1"}), "/input"),
    ] {
        let reply = world.post(&path, body).await;
        assert_eq!((reply.status, reply.pointers()), (400, vec![pointer.to_owned()]), "{}", reply.text);
    }
    assert!(world.get("admin", &path).await.json()["data"].as_array().unwrap().is_empty());
}
