use std::time::Duration;

use actix_web::http::Method;
use serde_json::json;

use crate::world::{As, PASSWORD, World, on_both_databases};

on_both_databases! {
    the_first_admin_must_change_the_one_time_password,
    a_second_start_finds_the_admin_and_shows_no_password,
    wrong_password_unknown_user_and_disabled_user_look_the_same,
    the_eleventh_wrong_attempt_of_a_minute_waits,
    right_passwords_do_not_use_up_attempts,
    foreign_pages_cannot_sign_anybody_in,
    signing_in_again_ends_the_session_before,
    bad_input_is_named,
}

async fn the_first_admin_must_change_the_one_time_password(world: World) {
    let one_time = world.one_time_password();
    let signed_in = world.sign_in("admin", &one_time).await;
    assert_eq!(signed_in.status, 200, "{}", signed_in.body);
    assert_eq!(signed_in.body["must_change_password"], true);
    let session = signed_in.session();

    // Nothing but looking at oneself, changing the password and signing out.
    assert_eq!(world.get("/api/v1/users", &session).await.code(), "password_change_required");
    assert_eq!(world.get("/api/v1/me", &session).await.body["must_change_password"], true);
    let change = |new: &str| json!({"current_password": one_time, "new_password": new});
    for (new, code) in [("short", "too_short"), (one_time.as_str(), "unchanged")] {
        let refused = world.post("/api/v1/auth/password", &session, change(new)).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (400, &json!(code)));
    }
    let wrong = json!({"current_password": "something else", "new_password": PASSWORD});
    assert_eq!(world.post("/api/v1/auth/password", &session, wrong).await.pointer(), "/current_password");

    assert_eq!(world.post("/api/v1/auth/password", &session, change(PASSWORD)).await.status, 204);
    assert_eq!(world.get("/api/v1/users", &session).await.status, 200);
    assert_eq!(world.sign_in("admin", &one_time).await.status, 401);
    assert_eq!(world.sign_in("admin", PASSWORD).await.body["must_change_password"], false);
}

async fn a_second_start_finds_the_admin_and_shows_no_password(world: World) {
    assert!(world.one_time_password().len() >= 24);
    let again = world.auth.ensure_first_admin().await.unwrap();
    assert_eq!((again.user_id, again.user_name.as_str()), (world.admin.user_id, "admin"));
    assert!(again.one_time_password.is_none());
}

async fn wrong_password_unknown_user_and_disabled_user_look_the_same(world: World) {
    let (id, _) = world.person("ben", "user").await;
    let disable = json!({"status": "disabled"});
    assert_eq!(world.patch(&format!("/api/v1/users/{id}"), &world.admin().await, disable).await.status, 200);
    for (name, password) in [("admin", "not the password"), ("nobody", PASSWORD), ("ben", PASSWORD), ("", "")] {
        let refused = world.sign_in(name, password).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (401, "invalid_credentials"), "{name}");
        assert_eq!(refused.header("set-cookie"), "");
    }
}

async fn the_eleventh_wrong_attempt_of_a_minute_waits(world: World) {
    for _ in 0..10 {
        assert_eq!(world.sign_in("admin", "wrong").await.status, 401);
    }
    world.clock.advance(Duration::from_secs(15));
    let refused = world.sign_in("admin", &world.one_time_password()).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (429, "too_many_attempts"));
    assert_eq!(refused.header("retry-after"), "45");
    // The address is used up for other accounts as well.
    assert_eq!(world.sign_in("somebody", "wrong").await.status, 429);
    world.clock.advance(Duration::from_secs(45));
    assert_eq!(world.sign_in("admin", &world.one_time_password()).await.status, 200);
}

async fn right_passwords_do_not_use_up_attempts(world: World) {
    for _ in 0..12 {
        assert_eq!(world.sign_in("admin", &world.one_time_password()).await.status, 200);
    }
}

async fn foreign_pages_cannot_sign_anybody_in(world: World) {
    let body = json!({"user_name": "admin", "password": world.one_time_password()});
    let with_origin = |origin: String| {
        let request = world.request(Method::POST, "/api/v1/auth/login", &As::Nobody);
        world.send(request.insert_header(("origin", origin)).set_json(&body))
    };
    assert_eq!(with_origin("https://evil.example".to_owned()).await.code(), "csrf_refused");
    assert_eq!(with_origin(world.public_origin.clone()).await.status, 200);
}

async fn signing_in_again_ends_the_session_before(world: World) {
    let first = world.sign_in("admin", &world.one_time_password()).await.session();
    let body = json!({"user_name": "admin", "password": world.one_time_password()});
    let second = world.post("/api/v1/auth/login", &first, body).await.session();
    assert_eq!(world.get("/api/v1/me", &first).await.status, 401);
    assert_eq!(world.get("/api/v1/me", &second).await.status, 200);
}

async fn bad_input_is_named(world: World) {
    let login = |body| world.post("/api/v1/auth/login", &As::Nobody, body);
    assert_eq!(login(json!({"user_name": "admin"})).await.status, 400);
    assert_eq!(login(json!({"user_name": "a".repeat(256), "password": "x"})).await.pointer(), "/user_name");
    assert_eq!(login(json!({"user_name": "a", "password": "x".repeat(1_025)})).await.pointer(), "/password");
    assert_eq!(login(json!({"user_name": "a", "password": "x", "otp": 1})).await.pointer(), "/otp");
    // PostgreSQL takes no NUL in a text: it must not get that far.
    assert_eq!(login(json!({"user_name": "a\0b", "password": "x"})).await.pointer(), "/user_name");
    let form = world.request(Method::POST, "/api/v1/auth/login", &As::Nobody);
    let form = form.insert_header(("content-type", "application/x-www-form-urlencoded"));
    assert_eq!(world.send(form.set_payload("user_name=admin")).await.status, 415);
}

#[actix_web::test]
async fn the_cookie_is_bound_to_tls_where_people_come_by_https() {
    let mut world = World::on_sqlite().await;
    let plain = world.sign_in("admin", &world.one_time_password()).await;
    let cookie = plain.header("set-cookie");
    assert!(cookie.starts_with("maas_session="), "{cookie}");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax") && cookie.contains("Path=/"), "{cookie}");
    assert!(!cookie.contains("Secure"), "{cookie}");

    world.public_origin = "https://maas.example".to_owned();
    let secure = world.sign_in("admin", &world.one_time_password()).await;
    let cookie = secure.header("set-cookie");
    assert!(cookie.starts_with("__Host-maas=") && cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
}
