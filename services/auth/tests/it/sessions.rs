use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;

use crate::world::{As, PASSWORD, World, on_both_databases};

const MINUTE: Duration = Duration::from_secs(60);

on_both_databases! {
    an_idle_session_ends,
    a_session_in_use_ends_after_twelve_hours,
    own_sessions_are_listed_and_ended,
    other_peoples_sessions_cannot_be_ended,
    changing_the_password_ends_the_other_sessions,
    a_sign_in_with_the_old_password_does_not_outlive_its_change,
    signing_out_ends_the_session,
    changes_need_the_csrf_token_and_the_right_origin,
}

async fn an_idle_session_ends(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    world.clock.advance(MINUTE * 29);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
    world.clock.advance(MINUTE * 29);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
    world.clock.advance(MINUTE * 30);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
}

async fn a_session_in_use_ends_after_twelve_hours(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    for _ in 0..35 {
        world.clock.advance(MINUTE * 20);
        assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
    }
    world.clock.advance(MINUTE * 20);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
}

async fn own_sessions_are_listed_and_ended(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    world.clock.advance(MINUTE);
    let other = world.sign_in("ada", PASSWORD).await.session();
    world.clock.advance(MINUTE);
    let third = world.sign_in("ada", PASSWORD).await.session();

    let first_page = world.get("/api/v1/sessions?limit=2", &ada).await;
    assert_eq!(first_page.body["data"].as_array().unwrap().len(), 2);
    let cursor = first_page.body["next_cursor"].as_str().unwrap();
    let last_page = world.get(&format!("/api/v1/sessions?limit=2&cursor={cursor}"), &ada).await;
    assert_eq!(last_page.body["data"][0]["current"], true);
    assert_eq!(last_page.body["next_cursor"], json!(null));
    assert_eq!(last_page.body["data"][0]["address"], "192.0.2.17");

    let newest = first_page.body["data"][0]["id"].as_str().unwrap();
    assert_eq!(world.delete(&format!("/api/v1/sessions/{newest}"), &ada).await.status, 204);
    assert_eq!(world.get("/api/v1/me", &third).await.status, 401);
    assert_eq!(world.delete(&format!("/api/v1/sessions/{newest}"), &ada).await.status, 404);
    assert_eq!(world.delete("/api/v1/sessions", &ada).await.status, 204);
    assert_eq!(world.get("/api/v1/me", &other).await.status, 401);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
}

async fn other_peoples_sessions_cannot_be_ended(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let (_, ben) = world.person("ben", "admin").await;
    let id = world.get("/api/v1/sessions", &ada).await.body["data"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(world.delete(&format!("/api/v1/sessions/{id}"), &ben).await.status, 404);
    assert_eq!(world.delete("/api/v1/sessions/nonsense", &ben).await.status, 404);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
}

async fn changing_the_password_ends_the_other_sessions(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let other = world.sign_in("ada", PASSWORD).await.session();
    let change = json!({"current_password": PASSWORD, "new_password": "another long password"});
    assert_eq!(world.post("/api/v1/auth/password", &ada, change).await.status, 204);
    assert_eq!(world.get("/api/v1/me", &other).await.status, 401);
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
}

async fn a_sign_in_with_the_old_password_does_not_outlive_its_change(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let change = json!({"current_password": PASSWORD, "new_password": "another long password"});
    let changing = world.post("/api/v1/auth/password", &ada, change);
    let signing_in = async {
        // Takes as long as the check of the current password: from here on the change computes its new hash, and the
        // sign-ins wait for their turn behind it, with the old hash in their hands.
        let mut answers = vec![world.sign_in("ada", PASSWORD).await];
        let (a, b, c, d) = tokio::join!(
            world.sign_in("ada", PASSWORD),
            world.sign_in("ada", PASSWORD),
            world.sign_in("ada", PASSWORD),
            world.sign_in("ada", PASSWORD)
        );
        answers.extend([a, b, c, d]);
        answers
    };
    let (changed, answers) = tokio::join!(changing, signing_in);
    assert_eq!(changed.status, 204, "{}", changed.body);
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        assert_eq!(world.get("/api/v1/me", &answer.session()).await.status, 401);
    }
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
}

async fn signing_out_ends_the_session(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let signed_out = world.post("/api/v1/auth/logout", &ada, json!({})).await;
    assert_eq!(signed_out.status, 204);
    assert!(signed_out.header("set-cookie").contains("Max-Age=0"), "{}", signed_out.header("set-cookie"));
    assert_eq!(world.get("/api/v1/me", &ada).await.status, 401);
    assert_eq!(world.post("/api/v1/auth/logout", &ada, json!({})).await.status, 401);
    assert_eq!(world.post("/api/v1/auth/logout", &world.admin().await, json!({})).await.code(), "permission_denied");
}

async fn changes_need_the_csrf_token_and_the_right_origin(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let As::Session { cookie, csrf } = &ada else { panic!("a person has a session") };
    let wrong_token = As::Session { cookie: cookie.clone(), csrf: "x".repeat(csrf.len()) };
    assert_eq!(world.delete("/api/v1/sessions", &wrong_token).await.code(), "csrf_refused");
    let foreign = world.request(Method::DELETE, "/api/v1/sessions", &ada);
    let foreign = foreign.insert_header(("origin", "https://evil.example"));
    assert_eq!(world.send(foreign).await.code(), "csrf_refused");
    assert_eq!(world.get("/api/v1/me", &wrong_token).await.body["csrf_token"], json!(csrf));
}
