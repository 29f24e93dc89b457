use std::time::Duration;

use actix_web::http::Method;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use maas_web::remote_caller::RESOLVE_PATH;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::world::{Answer, As, INTERNAL_TOKEN, World, on_both_databases};

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
    every_documented_form_of_expiration_has_its_answer,
    errors_of_the_compatible_interface_are_in_openais_shape,
    a_token_opens_only_what_it_is_for,
    tokens_for_the_control_plane_come_from_a_session_only,
    revoking_all_tokens_leaves_sessions_and_later_tokens,
    revoking_one_token_leaves_the_others,
    a_revoked_token_is_in_the_persons_state_until_it_expires,
    beyond_a_hundred_revoked_tokens_the_older_ones_go_together,
    ids_of_tokens_that_cannot_be_are_not_found,
}

async fn token_of(world: &World, session: &As) -> String {
    let created = world.post("/api/v1/tokens", session, json!({"aud": "control"})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.body["token"].as_str().unwrap().to_owned()
}

async fn a_session_makes_a_token_that_others_can_verify(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let created = world.post("/api/v1/tokens", &ada, json!({"expiration": "2h30m", "aud": "control"})).await;
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

/// The forms of docs/tokens.md: a lifetime in seconds, or the code of the fault.
async fn every_documented_form_of_expiration_has_its_answer(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    for (expiration, lifetime) in
        [(json!(3600), 3_600), (json!("3600"), 3_600), (json!(null), 14_400), (json!("1h"), 3_600)]
    {
        let created = world.post("/maas-api/v1/tokens", &ada, json!({"expiration": expiration})).await;
        assert_eq!(created.status, 201, "{expiration}: {}", created.body);
        assert_eq!(created.body["expiresAt"].as_i64().unwrap() - created.body["issuedAt"].as_i64().unwrap(), lifetime);
    }
    for (expiration, fault) in [
        (json!("1d"), "invalid_duration"),
        (json!(""), "invalid_duration"),
        (json!("-1h"), "too_short"),
        (json!("9m59s"), "too_short"),
        (json!(1e30), "too_long"),
        (json!("24h0m1s"), "too_long"),
    ] {
        let refused = world.post("/api/v1/tokens", &ada, json!({"expiration": expiration})).await;
        assert_eq!((refused.status.as_u16(), &refused.body["errors"][0]["code"]), (400, &json!(fault)), "{expiration}");
        let refused = world.post("/maas-api/v1/tokens", &ada, json!({"expiration": expiration})).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["error"]["param"]),
            (400, &json!("expiration")),
            "{expiration}"
        );
    }
}

fn openai_error(answer: &Answer) -> (u16, &str, &str) {
    let error = &answer.body["error"];
    assert_eq!(error["request_id"], answer.header("x-request-id"), "{}", answer.body);
    assert_eq!(error.as_object().unwrap().len(), 6, "{error}");
    (answer.status.as_u16(), error["type"].as_str().unwrap(), error["code"].as_str().unwrap())
}

async fn errors_of_the_compatible_interface_are_in_openais_shape(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let refused = world.post("/maas-api/v1/tokens", &ada, json!({"expiration": "9m"})).await;
    assert_eq!(openai_error(&refused), (400, "invalid_request_error", "invalid_input"));
    let nobody = world.post("/maas-api/v1/tokens", &As::Nobody, json!({})).await;
    assert_eq!(openai_error(&nobody), (401, "authentication_error", "not_authenticated"));
    let key = As::Token("sk-maas-abc".to_owned());
    let refused = world.post("/maas-api/v1/tokens", &key, json!({})).await;
    assert_eq!(openai_error(&refused), (403, "permission_error", "api_key_not_allowed"));
    let missing = world.delete("/maas-api/v1/tokens/none", &ada).await;
    assert_eq!(openai_error(&missing), (404, "not_found_error", "not_found"));
    let token = As::Token(inference_token(&world, &ada).await.0);
    let refused = world.post("/maas-api/v1/tokens", &token, json!({})).await;
    assert_eq!(openai_error(&refused), (403, "permission_error", "permission_denied"));
}

/// The token and its id.
async fn inference_token(world: &World, session: &As) -> (String, String) {
    let created = world.post("/maas-api/v1/tokens", session, json!({})).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let text = |field: &str| created.body[field].as_str().unwrap().to_owned();
    (text("token"), text("jti"))
}

/// How the platform resolves the token for other services.
async fn resolved(world: &World, token: &str) -> Value {
    let question = json!({"kind": "token", "value": token});
    let request = world.request(Method::POST, RESOLVE_PATH, &As::Token(INTERNAL_TOKEN.to_owned()));
    world.send(request.set_json(question)).await.body["caller"].clone()
}

async fn a_token_opens_only_what_it_is_for(world: World) {
    let (_, ada) = world.person("ada", "admin").await;
    let (token, _) = inference_token(&world, &ada).await;
    assert!(resolved(&world, &token).await["via"]["inference_token"].is_string());
    for path in ["/api/v1/me", "/api/v1/users", "/api/v1/audit"] {
        let refused = world.get(path, &As::Token(token.clone())).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "permission_denied"), "{path}");
    }
    let control = token_of(&world, &ada).await;
    assert_eq!(world.get("/api/v1/me", &As::Token(control)).await.status, 200);
}

async fn tokens_for_the_control_plane_come_from_a_session_only(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let control = json!({"aud": "control"});
    assert_eq!(world.post("/api/v1/tokens", &ada, control.clone()).await.status, 201);
    assert_eq!(world.post("/maas-api/v1/tokens", &ada, control.clone()).await.status, 403);
    assert_eq!(world.post("/api/v1/tokens", &ada, json!({"aud": "everything"})).await.pointer(), "/aud");
    let token = As::Token(inference_token(&world, &ada).await.0);
    assert_eq!(world.post("/api/v1/tokens", &token, control).await.code(), "permission_denied");
}

async fn revoking_all_tokens_leaves_sessions_and_later_tokens(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let (_, bob) = world.person("bob", "user").await;
    let (bobs, _) = inference_token(&world, &bob).await;
    for path in ["/maas-api/v1/tokens", "/api/v1/tokens"] {
        let control = token_of(&world, &ada).await;
        let (inference, _) = inference_token(&world, &ada).await;
        let answer = world.delete(path, &As::Token(inference.clone())).await;
        assert_eq!((answer.status.as_u16(), &answer.body), (204, &Value::Null));
        assert_eq!((resolved(&world, &control).await, resolved(&world, &inference).await), (Value::Null, Value::Null));
        assert_eq!(world.get("/api/v1/me", &ada).await.status, 200);
        let (later, _) = inference_token(&world, &ada).await;
        assert_eq!(resolved(&world, &later).await["user_name"], "ada", "a token of the same moment");
    }
    assert_eq!(resolved(&world, &bobs).await["user_name"], "bob");
}

async fn revoking_one_token_leaves_the_others(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let (_, bob) = world.person("bob", "user").await;
    let (first, first_id) = inference_token(&world, &ada).await;
    let (second, second_id) = inference_token(&world, &ada).await;
    // Somebody else's request changes nothing.
    assert_eq!(world.delete(&format!("/api/v1/tokens/{first_id}"), &bob).await.status, 204);
    assert_eq!(resolved(&world, &first).await["user_name"], "ada");

    let path = format!("/maas-api/v1/tokens/{first_id}");
    assert_eq!(world.delete(&path, &ada).await.status, 204);
    assert_eq!(world.delete(&path, &ada).await.status, 204);
    assert_eq!(resolved(&world, &first).await, Value::Null);
    assert_eq!(resolved(&world, &second).await["user_name"], "ada");
    // With the token itself.
    assert_eq!(world.delete(&format!("/api/v1/tokens/{second_id}"), &As::Token(second.clone())).await.status, 204);
    assert_eq!(resolved(&world, &second).await, Value::Null);
}

async fn a_revoked_token_is_in_the_persons_state_until_it_expires(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let (_, token_id) = inference_token(&world, &ada).await;
    world.delete(&format!("/api/v1/tokens/{token_id}"), &ada).await;
    let revoked = crate::user_state::of(&world, &id).await.revoked_tokens;
    assert_eq!(revoked.len(), 1);
    assert_eq!(revoked[0].token_id, token_id.parse::<maas_types::TokenId>().unwrap().uuid().as_bytes()[..]);

    world.clock.advance(Duration::from_secs(25 * 3_600));
    let one_time = crate::world::PASSWORD;
    let ada = world.sign_in("ada", one_time).await.session();
    let (_, other) = inference_token(&world, &ada).await;
    world.delete(&format!("/api/v1/tokens/{other}"), &ada).await;
    assert_eq!(crate::user_state::of(&world, &id).await.revoked_tokens.len(), 1);
}

async fn beyond_a_hundred_revoked_tokens_the_older_ones_go_together(world: World) {
    let (id, ada) = world.person("ada", "user").await;
    let (unlisted, _) = inference_token(&world, &ada).await;
    let mut ids = Vec::new();
    for _ in 0..102 {
        ids.push(inference_token(&world, &ada).await.1);
        world.clock.advance(Duration::from_secs(1));
    }
    let (kept, _) = inference_token(&world, &ada).await;
    for token in &ids {
        assert_eq!(world.delete(&format!("/api/v1/tokens/{token}"), &ada).await.status, 204);
    }
    assert_eq!(crate::user_state::of(&world, &id).await.revoked_tokens.len(), 100);
    assert_eq!(resolved(&world, &unlisted).await, Value::Null, "it is older than what is no longer listed");
    assert_eq!(resolved(&world, &kept).await["user_name"], "ada");
}

async fn ids_of_tokens_that_cannot_be_are_not_found(world: World) {
    let (_, ada) = world.person("ada", "user").await;
    let of_next_year = maas_types::TokenId::new_at(maas_types::Timestamp::from_unix_ms(1_800_000_000_000));
    assert_eq!(world.delete(&format!("/api/v1/tokens/{of_next_year}"), &ada).await.status, 404);
    let of_last_year = maas_types::TokenId::new_at(maas_types::Timestamp::from_unix_ms(1_700_000_000_000));
    assert_eq!(world.delete(&format!("/api/v1/tokens/{of_last_year}"), &ada).await.status, 204);
    assert!(matches!(world.delete("/api/v1/tokens/all", &ada).await.status.as_u16(), 400 | 404));
    assert_eq!(world.delete(&format!("/api/v1/tokens/{of_last_year}"), &As::Nobody).await.status, 401);
}
