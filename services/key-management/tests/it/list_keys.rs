use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Answer, Person, World};

on_both_databases! {
    pages_come_newest_first_without_gaps_or_repeats
    every_filter_narrows_the_list
    people_list_their_own_keys_and_admins_all
    faulty_queries_are_refused
}

fn names(answer: &Answer) -> Vec<String> {
    let rows = answer.body["data"].as_array().unwrap();
    rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect()
}

async fn list(world: &World, person: Person, query: &str) -> Vec<String> {
    let answer = world.get(person, &format!("/api/v1/keys?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    let mut names = names(&answer);
    names.sort();
    names
}

async fn pages_come_newest_first_without_gaps_or_repeats(world: World) {
    let user = world.user();
    for number in 0..5 {
        world.create(user, json!({"name": format!("k{number}")})).await;
        // Two keys share each instant: the id decides between them.
        world.clock.advance(Duration::from_millis(number % 2));
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = world.get(user, &format!("/api/v1/keys?{query}")).await;
        seen.extend(names(&page));
        let Value::String(cursor) = &page.body["next_cursor"] else { break };
        assert_eq!(page.body["data"].as_array().unwrap().len(), 2);
        query = format!("limit=2&cursor={cursor}");
    }
    let whole = names(&world.get(user, "/api/v1/keys").await);
    assert_eq!(seen, whole);
    assert_eq!((seen.len(), seen[0].as_str()), (5, "k4"));
}

async fn every_filter_narrows_the_list(world: World) {
    let user = world.user();
    world.create(user, json!({"name": "open", "labels": {"stage": "test", "team": "a\"b"}})).await;
    world.create(user, json!({"name": "100% Llama", "models": ["llama"], "labels": {"stage": "Test"}})).await;
    let (brief, secret) = world.create(user, json!({"name": "brief", "models": ["bge-m3"], "expires_in": "1h"})).await;
    let (blocked, _) = world.create(user, json!({"name": "blocked", "models": ["bge-m3"]})).await;
    world.act(user, &format!("/api/v1/keys/{blocked}/block")).await;
    let (gone, _) = world.create(user, json!({"name": "gone", "models": ["bge-m3"], "expires_in": "1h"})).await;
    world.act(user, &format!("/api/v1/keys/{gone}/revoke")).await;
    world.clock.advance(Duration::from_secs(7_200));
    assert!(brief.starts_with("key_"));

    for (query, expected) in [
        ("status=active", vec!["100% Llama", "open"]),
        ("status=blocked", vec!["blocked"]),
        ("status=expired", vec!["brief"]),
        ("status=revoked", vec!["gone"]),
        ("model=meta/llama", vec!["100% Llama", "open"]),
        ("model=none", vec!["open"]),
        ("q=LLAMA", vec!["100% Llama"]),
        ("q=%25", vec!["100% Llama"]),
        ("q=_", vec![]),
        ("label=stage:test", vec!["open"]),
        ("label=stage:tes", vec![]),
        ("label=team:a%22b", vec!["open"]),
        ("label=stage:Test&status=active&model=meta/llama&q=llama", vec!["100% Llama"]),
        ("label=stage:Test&status=blocked", vec![]),
    ] {
        assert_eq!(list(&world, user, query).await, expected, "{query}");
    }
    assert_eq!(list(&world, user, &format!("q={}", &secret[..20])).await, ["brief"], "the shown prefix finds it");
}

async fn people_list_their_own_keys_and_admins_all(world: World) {
    let (user, other, admin) = (world.user(), world.user(), world.admin());
    world.create(user, json!({"name": "mine"})).await;
    world.create(other, json!({"name": "theirs"})).await;
    assert_eq!(list(&world, user, "").await, ["mine"]);
    assert_eq!(list(&world, admin, "").await, ["mine", "theirs"]);
    assert_eq!(list(&world, admin, &format!("owner_id={}", other.id)).await, ["theirs"]);
    assert!(list(&world, user, &format!("owner_id={}", other.id)).await.is_empty());
}

async fn faulty_queries_are_refused(world: World) {
    let user = world.user();
    for (query, pointer) in [
        ("limit=0", "?limit"),
        ("limit=1001", "?limit"),
        ("limit=ten", "?limit"),
        ("cursor=nonsense", "?cursor"),
        ("status=asleep", "?status"),
        ("owner_id=me", "?owner_id"),
        ("label=stage", "?label"),
        ("size=3", "?size"),
        ("q=a%00b", "?q"),
    ] {
        let answer = world.get(user, &format!("/api/v1/keys?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.faults()[0].0.as_str()), (400, pointer), "{query}");
    }
}
