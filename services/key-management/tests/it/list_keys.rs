use std::time::Duration;

use serde_json::{Value, json};

use crate::world::{Answer, NOW, Person, World};

on_both_databases! {
    pages_come_newest_first_without_gaps_or_repeats
    every_order_pages_through_all_keys
    pages_stay_stable_while_keys_are_made_and_changed
    every_filter_narrows_the_list
    keys_are_found_by_their_times
    a_total_is_told_on_request
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

/// The names of all pages, three rows each.
async fn walk(world: &World, user: Person, query: &str) -> Vec<String> {
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = world.get(user, &format!("/api/v1/keys?limit=3&{query}{cursor}")).await;
        assert_eq!(page.status, 200, "{query}{cursor}: {}", page.body);
        seen.extend(names(&page));
        let Value::String(next) = &page.body["next_cursor"] else { return seen };
        cursor = format!("&cursor={next}");
    }
}

async fn every_order_pages_through_all_keys(world: World) {
    let user = world.user();
    for (name, expires_in) in [("beta", "3h"), ("Alpha", "2h"), ("\"é\"", "2h"), ("gamma", "90d"), ("beta", "1h")] {
        world.create(user, json!({"name": name, "expires_in": expires_in})).await;
        world.clock.advance(Duration::from_secs(1));
    }
    for (query, expected) in [
        ("sort=created", ["beta", "gamma", "\"é\"", "Alpha", "beta"]),
        ("sort=created&order=asc", ["beta", "Alpha", "\"é\"", "gamma", "beta"]),
        ("sort=expiry", ["beta", "Alpha", "\"é\"", "beta", "gamma"]),
        ("sort=expiry&order=desc", ["gamma", "beta", "\"é\"", "Alpha", "beta"]),
    ] {
        assert_eq!(walk(&world, user, query).await, expected, "{query}");
    }
    let by_name = walk(&world, user, "sort=name").await;
    let of_latin = |names: &[String]| names.iter().filter(|name| name.is_ascii()).cloned().collect::<Vec<_>>();
    assert_eq!(of_latin(&by_name), ["Alpha", "beta", "beta", "gamma"]);
    let mut backwards = walk(&world, user, "sort=name&order=desc").await;
    backwards.reverse();
    assert_eq!(backwards, by_name);
    assert_eq!(walk(&world, user, "sort=last_used").await.len(), 5);
}

async fn pages_stay_stable_while_keys_are_made_and_changed(world: World) {
    let user = world.user();
    for number in 0..6 {
        world.create(user, json!({"name": format!("k{number}")})).await;
        world.clock.advance(Duration::from_secs(1));
    }
    let (mut seen, mut cursor, mut made) = (Vec::new(), String::new(), 0);
    loop {
        let page = world.get(user, &format!("/api/v1/keys?limit=2{cursor}")).await;
        seen.extend(names(&page));
        made += 1;
        let (id, _) = world.create(user, json!({"name": format!("new {made}")})).await;
        world.patch(user, &format!("/api/v1/keys/{id}"), json!({"description": "changed"})).await;
        let Value::String(next) = &page.body["next_cursor"] else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen, ["k5", "k4", "k3", "k2", "k1", "k0"]);
}

async fn keys_are_found_by_their_times(world: World) {
    let user = world.user();
    world.create(user, json!({"name": "brief", "expires_in": "1h"})).await;
    world.create(user, json!({"name": "old"})).await;
    let (rotating, _) = world.create(user, json!({"name": "rotating"})).await;
    world.clock.advance(Duration::from_secs(7_200));
    world.act(user, &format!("/api/v1/keys/{rotating}/rotate")).await;
    let (now, soon) = (NOW.plus(Duration::from_secs(7_200)), NOW.plus(Duration::from_secs(86_400)));
    world.create(user, json!({"name": "new"})).await;
    assert_eq!(list(&world, user, &format!("expires_before={soon}")).await, ["brief"]);
    assert_eq!(list(&world, user, &format!("unused_since={now}")).await, ["brief", "old", "rotating"]);
    assert_eq!(list(&world, user, "status=rotating").await, ["rotating"]);
    assert_eq!(list(&world, user, "status=active").await, ["new", "old"]);
    assert_eq!(list(&world, user, &format!("status=active&unused_since={now}&q=o")).await, ["old"]);
    world.clock.advance(Duration::from_secs(86_400));
    assert!(list(&world, user, "status=rotating").await.is_empty());
}

async fn a_total_is_told_on_request(world: World) {
    let user = world.user();
    for number in 0..3 {
        world.create(user, json!({"name": format!("k{number}"), "labels": {"n": number.to_string()}})).await;
    }
    world.create(world.user(), json!({"name": "theirs"})).await;
    let page = world.get(user, "/api/v1/keys?limit=1&total=true").await.body;
    assert_eq!((&page["total"], page["data"].as_array().unwrap().len()), (&json!(3), 1));
    assert_eq!(world.get(user, "/api/v1/keys?total=true&label=n:1").await.body["total"], json!(1));
    assert_eq!(world.get(user, "/api/v1/keys").await.body.get("total"), None);
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
        ("label=stage:test&label=team:a%22b", vec!["open"]),
        ("label=stage:Test&label=team:a%22b", vec![]),
        ("owner_kind=service_account", vec![]),
        ("owner_kind=user&status=blocked", vec!["blocked"]),
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
        ("sort=size", "?sort"),
        ("order=up", "?order"),
        ("expires_before=soon", "?expires_before"),
        ("owner_kind=robot", "?owner_kind"),
        ("ephemeral=maybe", "?ephemeral"),
        // {"by":"created","at":1,"id":"00000000-0000-0000-0000-000000000000"}, and the same with a text.
        (
            "sort=name&cursor=eyJieSI6ImNyZWF0ZWQiLCJhdCI6MSwiaWQiOiIwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ",
            "?cursor",
        ),
        (
            "cursor=eyJieSI6ImNyZWF0ZWQiLCJhdCI6IngiLCJpZCI6IjAwMDAwMDAwLTAwMDAtMDAwMC0wMDAwLTAwMDAwMDAwMDAwMCJ9",
            "?cursor",
        ),
    ] {
        let answer = world.get(user, &format!("/api/v1/keys?{query}")).await;
        assert_eq!((answer.status.as_u16(), answer.faults()[0].0.as_str()), (400, pointer), "{query}");
    }
}
