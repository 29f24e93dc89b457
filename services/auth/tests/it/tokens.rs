use std::time::Duration;

use actix_web::http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use maas_web::remote_caller::RESOLVE_PATH;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::world::{As, INTERNAL_TOKEN, World, on_both_databases};

on_both_databases! {
    a_session_makes_a_token_that_others_can_verify,
    a_token_cannot_make_another_one,
    bad_expirations_are_refused,
    the_body_may_be_left_out,
    a_token_ends_with_its_time,
    disabling_a_user_ends_their_tokens,
    the_role_of_a_token_follows_the_user,
    the_first_admins_token_works_before_the_password_is_changed,
    services_resolve_callers_with_the_internal_token_only,
}

async fn token_of(world: &World, session: &As) -> String {
    let created = world.post("/api/v1/tokens", session, json!({})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["token"].as_str().unwrap().to_owned()
}

async fn a_session_makes_a_token_that_others_can_verify(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let created = world.post("/api/v1/tokens", &ada, json!({"expiration": "2h30m"})).await;
    assert_eq!(created.body["expiration"], "2h30m0s");
    assert_eq!(created.body["expiresAt"].as_i64().unwrap() - created.body["issuedAt"].as_i64().unwrap(), 9_000);
    // The body may be missing as a whole.
    let without_body = world.send(world.request(Method::POST, "/api/v1/tokens", &ada)).await;
    assert_eq!((without_body.status.as_u16(), &without_body.body["expiration"]), (201, &json!("4h0m0s")));

    assert_eq!(world.post("/api/v1/tokens", &ada, json!(null)).await.status, 201);

    let token = created.body["token"].as_str().unwrap();
    let key_set = world.get("/.well-known/jwks.json", &As::Nobody).await;
    assert_eq!(key_set.header("cache-control"), "public, max-age=300");
    let key = &key_set.body["keys"][0];
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert_eq!(jsonwebtoken::decode_header(token).unwrap().kid.as_deref(), key["kid"].as_str());
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["control"]);
    validation.set_issuer(&[&world.public_origin]);
    validation.validate_exp = false;
    let decoding = DecodingKey::from_ed_components(key["x"].as_str().unwrap()).unwrap();
    let claims = jsonwebtoken::decode::<Value>(token, &decoding, &validation).unwrap().claims;
    assert_eq!((&claims["sub"], &claims["jti"]), (&json!(id), &created.body["jti"]));

    let me = world.get("/api/v1/me", &As::Token(token.to_owned())).await;
    assert_eq!((&me.body["via"], &me.body["user"]["user_name"]), (&json!("token"), &json!("ada")));
    assert!(me.body.get("csrf_token").is_none());
    assert_eq!(me.body["permissions"]["tokens.create"], "own");
    assert!(me.body["permissions"].get("users.read").is_none());
}

async fn a_token_cannot_make_another_one(world: World) {
    let refused = world.post("/api/v1/tokens", &world.admin().await, json!({})).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "permission_denied"));
    let key = As::Token("sk-maas-abc".to_owned());
    assert_eq!(world.post("/api/v1/tokens", &key, json!({})).await.code(), "api_key_not_allowed");
}

async fn bad_expirations_are_refused(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    for expiration in [json!("tomorrow"), json!("9m"), json!("25h"), json!(-3600), json!("NaN"), json!(1e30), json!([])]
    {
        let refused = world.post("/api/v1/tokens", &ada, json!({"expiration": expiration})).await;
        assert_eq!((refused.status.as_u16(), refused.pointer()), (400, "/expiration"), "{expiration}");
    }
    assert_eq!(world.post("/api/v1/tokens", &ada, json!({"expires": "1h"})).await.pointer(), "/expires");
    let text = world.request(Method::POST, "/api/v1/tokens", &ada).insert_header(("content-type", "text/plain"));
    assert_eq!(world.send(text.set_payload("1h")).await.status, 415);
    let packed = world.request(Method::POST, "/api/v1/tokens", &ada).insert_header(("content-encoding", "gzip"));
    assert_eq!(world.send(packed.set_json(json!({}))).await.code(), "unsupported_media_type");
    let large = json!({"expiration": "1".repeat(300 * 1_024)});
    assert_eq!(world.post("/api/v1/tokens", &ada, large).await.pointer(), "/expiration");
}

async fn the_body_may_be_left_out(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let bare = || world.request(Method::POST, "/api/v1/tokens", &ada);
    for request in [
        bare(),
        bare().insert_header(("content-type", "application/json")),
        bare().set_payload("null").insert_header(("content-type", "application/json")),
    ] {
        let created = world.send(request).await;
        assert_eq!((created.status.as_u16(), &created.body["expiration"]), (201, &json!("4h0m0s")), "{}", created.body);
    }
}

async fn a_token_ends_with_its_time(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let token = As::Token(token_of(&world, &ada).await);
    world.clock.advance(Duration::from_secs(4 * 3_600 - 1));
    assert_eq!(world.get("/api/v1/me", &token).await.status, 200);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(world.get("/api/v1/me", &token).await.status, 401);
}

async fn disabling_a_user_ends_their_tokens(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let token = As::Token(token_of(&world, &ada).await);
    let admin = world.admin().await;
    let path = format!("/api/v1/users/{id}");
    for (status, expected) in [("disabled", 401), ("active", 401)] {
        assert_eq!(world.patch(&path, &admin, json!({"status": status})).await.status, 200);
        assert_eq!(world.get("/api/v1/me", &token).await.status, expected, "{status}");
        assert_eq!(world.get("/api/v1/me", &ada).await.status, expected, "{status}");
    }
}

async fn the_role_of_a_token_follows_the_user(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let token = As::Token(token_of(&world, &ada).await);
    assert_eq!(world.get("/api/v1/users", &token).await.code(), "permission_denied");
    let path = format!("/api/v1/users/{id}");
    world.patch(&path, &world.admin().await, json!({"role": "admin-readonly"})).await;
    assert_eq!(world.get("/api/v1/users", &token).await.status, 200);
    assert_eq!(world.post("/api/v1/users", &token, json!({"user_name": "x"})).await.code(), "permission_denied");
}

async fn the_first_admins_token_works_before_the_password_is_changed(world: World) {
    let me = world.get("/api/v1/me", &world.admin().await).await;
    assert_eq!(
        (&me.body["must_change_password"], &me.body["user"]["must_change_password"]),
        (&json!(false), &json!(true))
    );
    assert_eq!(world.get("/api/v1/users", &world.admin().await).await.status, 200);
}

async fn services_resolve_callers_with_the_internal_token_only(world: World) {
    let token = world.auth.issue_control_token(world.admin.user_id, Duration::from_secs(600)).await.unwrap();
    let question = json!({"kind": "token", "value": token.expose_secret()});
    let resolve = |bearer: &str, question: &Value| {
        let request = world.request(Method::POST, RESOLVE_PATH, &As::Token(bearer.to_owned()));
        world.send(request.set_json(question))
    };
    let answer = resolve(INTERNAL_TOKEN, &question).await;
    assert_eq!(answer.body["caller"]["user_name"], "admin", "{}", answer.body);
    assert_eq!(resolve("wrong", &question).await.status, 401);
    let unknown = json!({"kind": "session", "value": "unknown"});
    assert_eq!(resolve(INTERNAL_TOKEN, &unknown).await.body, json!({"caller": null}));
}
