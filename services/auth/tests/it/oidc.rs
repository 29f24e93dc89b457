//! Signing in at an OpenID provider that does what it should.

use std::time::Duration;

use maas_auth::{AuthSettings, settings::providers::ProviderSettings};
use maas_runtime::config::Secret;
use maas_testkit::issuer::{CLIENT_ID, CLIENT_SECRET, FakeIssuer};
use maas_types::Clock as _;
use serde_json::{Value, json};

use crate::{
    browser::Browser,
    world::{As, World, on_both_databases, settings},
};

on_both_databases! {
    a_person_signs_in_and_comes_back_to_where_they_wanted,
    a_second_sign_in_is_the_same_person_with_the_groups_of_now,
    claims_that_are_not_in_the_token_come_from_userinfo,
    tokens_of_a_new_key_are_believed_once_the_provider_shows_it,
    a_provider_that_is_away_stops_only_its_own_people,
    a_sign_in_may_end_at_another_replica,
    only_members_of_allowed_groups_come_in,
    a_disabled_person_stays_outside,
    two_tabs_of_one_browser_both_come_back,
    a_sign_in_ends_the_session_before_it,
    sign_ins_and_refusals_are_written_down,
}

/// The provider `corp` of the issuer.
pub fn corp(issuer: &FakeIssuer) -> ProviderSettings {
    ProviderSettings {
        id: "corp".to_owned(),
        display_name: Some("Company account".to_owned()),
        url: issuer.url(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Secret::new(CLIENT_SECRET),
        allow_loopback: true,
        ..ProviderSettings::default()
    }
}

/// A replica of `world` with the provider `corp`, and its issuer, whose clock is the world's.
pub async fn with_corp(world: &World) -> (World, FakeIssuer) {
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let replica = world.replica(AuthSettings { providers: vec![corp(&issuer)], ..settings() }).await;
    (replica, issuer)
}

pub async fn me(world: &World, who: &As) -> Value {
    world.get("/api/v1/me", who).await.body["user"].clone()
}

async fn a_person_signs_in_and_comes_back_to_where_they_wanted(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    let begun = browser.open(&world, "/api/v1/auth/login/corp?return_to=%2Fkeys%3Fteam%3D7%23new").await;
    assert_eq!((begun.status.as_u16(), begun.parameter("code_challenge_method").as_deref()), (302, Some("S256")));
    let cookie = &begun.cookies[0];
    assert_eq!((cookie.name(), cookie.http_only(), cookie.path()), ("maas_login", Some(true), Some("/")));
    assert_eq!(cookie.same_site(), Some(actix_web::cookie::SameSite::Lax));

    let callback = browser.visit(&begun.location, None).await.location;
    assert!(callback.starts_with("http://maas.example:8080/api/v1/auth/callback/corp?code="), "{callback}");
    let back = browser.open(&world, &callback).await;
    // Nothing of the provider's answer goes on in the address.
    assert_eq!((back.status.as_u16(), back.location.as_str()), (302, "http://maas.example:8080/keys?team=7#new"));
    let ada = me(&world, &browser.session()).await;
    assert_eq!(
        (&ada["user_name"], &ada["display_name"], &ada["role"]),
        (&json!("ada"), &json!("Ada Lovelace"), &json!("user"))
    );
    let shown = world.get("/api/v1/config", &As::Nobody).await.body["sign_in_providers"][1].clone();
    let expected = json!({
        "id": "corp", "kind": "oidc", "display_name": "Company account",
        "login_path": "/api/v1/auth/login/corp", "state": "ready",
    });
    assert_eq!(shown, expected);
}

async fn a_second_sign_in_is_the_same_person_with_the_groups_of_now(world: World) {
    let (world, issuer) = with_corp(&world).await;
    let browser = Browser::new();
    browser.sign_in(&world, "corp").await;
    let first = me(&world, &browser.session()).await;
    issuer.signs_in(
        json!({"sub": "4711", "preferred_username": "ada.k", "name": "Ada King", "groups": ["ops", "leads"]}),
    );
    browser.sign_in(&world, "corp").await;
    let second = me(&world, &browser.session()).await;
    assert_eq!((&first["id"], &second["display_name"]), (&second["id"], &json!("Ada King")));
    let path = format!("/api/v1/users/{}", first["id"].as_str().unwrap());
    assert_eq!(world.get(&path, &world.admin().await).await.body["groups"], json!(["leads", "ops"]));
}

async fn claims_that_are_not_in_the_token_come_from_userinfo(world: World) {
    let (world, issuer) = with_corp(&world).await;
    issuer.tell_at_userinfo(&["preferred_username", "name", "groups"], None);
    let browser = Browser::new();
    browser.sign_in(&world, "corp").await;
    let ada = me(&world, &browser.session()).await;
    assert_eq!(ada["user_name"], "ada");
    let path = format!("/api/v1/users/{}", ada["id"].as_str().unwrap());
    assert_eq!(world.get(&path, &world.admin().await).await.body["groups"], json!(["developers"]));
    // Somebody else's answer gives nobody anything.
    issuer.tell_at_userinfo(&["groups"], Some("4712"));
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "identity_refused");
}

async fn tokens_of_a_new_key_are_believed_once_the_provider_shows_it(world: World) {
    let (world, issuer) = with_corp(&world).await;
    for reads in [1, 1] {
        assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "");
        assert_eq!(issuer.key_set_reads(), reads);
    }
    issuer.rotate_key();
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "");
    assert_eq!(issuer.key_set_reads(), 2);
    // A second change at once has to wait: tokens of invented keys must not become calls to the provider.
    issuer.rotate_key();
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "identity_refused");
    assert_eq!(issuer.key_set_reads(), 2);
    world.clock.advance(Duration::from_secs(10));
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "");
}

async fn a_provider_that_is_away_stops_only_its_own_people(world: World) {
    let (replica, issuer) = with_corp(&world).await;
    issuer.set_down(true);
    let refused = Browser::new().open(&replica, "/api/v1/auth/login/corp?return_to=/keys").await;
    assert_eq!(refused.location, "http://maas.example:8080/keys?error=provider_unavailable");
    assert_eq!(replica.get("/api/v1/config", &As::Nobody).await.body["sign_in_providers"][1]["state"], "failing");
    let metrics = replica.process.metrics.render().unwrap();
    assert!(metrics.contains(r#"maas_auth_provider_up{provider="corp"} 0"#), "{metrics}");
    assert_eq!(replica.sign_in("admin", &world.one_time_password()).await.status, 200);

    issuer.set_down(false);
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(Browser::new().sign_in(&replica, "corp").await.error(), "");
    let metrics = replica.process.metrics.render().unwrap();
    assert!(metrics.contains(r#"maas_auth_provider_up{provider="corp"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"maas_auth_logins_total{provider="corp",outcome="success"} 1"#), "{metrics}");
    assert!(metrics.contains(r#"maas_auth_logins_total{provider="corp",outcome="failed"} 1"#), "{metrics}");
}

async fn a_sign_in_may_end_at_another_replica(world: World) {
    let (first, issuer) = with_corp(&world).await;
    let second = world.replica(AuthSettings { providers: vec![corp(&issuer)], ..settings() }).await;
    let browser = Browser::new();
    let callback = browser.go_to_provider(&first, "/api/v1/auth/login/corp").await;
    assert_eq!(browser.open(&second, &callback).await.location, "http://maas.example:8080/");
    assert_eq!(me(&first, &browser.session()).await["user_name"], "ada");
    // What one replica took, the other has not either.
    assert_eq!(browser.open(&first, &callback).await.status, 400);
}

async fn only_members_of_allowed_groups_come_in(world: World) {
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let allowed = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect::<Vec<_>>();
    let general =
        AuthSettings { providers: vec![corp(&issuer)], allowed_groups: allowed(&["maas-users"]), ..settings() };
    let own = ProviderSettings { allowed_groups: allowed(&["developers"]), ..corp(&issuer) };
    let particular = AuthSettings { providers: vec![own], ..general.clone() };

    let browser = Browser::new();
    assert_eq!(browser.sign_in(&world.replica(general).await, "corp").await.error(), "not_allowed");
    assert!(matches!(browser.session(), As::Nobody));
    // The provider's own list stands in place of the general one.
    assert_eq!(browser.sign_in(&world.replica(particular).await, "corp").await.error(), "");
}

async fn a_disabled_person_stays_outside(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    browser.sign_in(&world, "corp").await;
    let path = format!("/api/v1/users/{}", me(&world, &browser.session()).await["id"].as_str().unwrap());
    let disabled = world.patch(&path, &world.admin().await, json!({"status": "disabled"})).await;
    assert_eq!(disabled.status, 200, "{}", disabled.body);
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "not_allowed");
}

async fn two_tabs_of_one_browser_both_come_back(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    let first = browser.go_to_provider(&world, "/api/v1/auth/login/corp?return_to=/a").await;
    let second = browser.go_to_provider(&world, "/api/v1/auth/login/corp?return_to=/b").await;
    assert_eq!(browser.open(&world, &second).await.location, "http://maas.example:8080/b");
    assert_eq!(browser.open(&world, &first).await.location, "http://maas.example:8080/a");
}

async fn a_sign_in_ends_the_session_before_it(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    browser.sign_in(&world, "corp").await;
    let before = browser.session();
    browser.sign_in(&world, "corp").await;
    assert_eq!(world.get("/api/v1/me", &before).await.status, 401);
    assert_eq!(world.get("/api/v1/me", &browser.session()).await.status, 200);
}

async fn sign_ins_and_refusals_are_written_down(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    let callback = browser.go_to_provider(&world, "/api/v1/auth/login/corp").await;
    browser.open(&world, &callback).await;
    browser.open(&world, &callback).await;
    let admin = world.admin().await;
    let entries = maas_testkit::eventually(crate::world::PATIENCE, || async {
        let page = world.get("/api/v1/audit?action=session.create", &admin).await.body;
        let entries = page["data"].as_array().unwrap().clone();
        (entries.len() == 2).then_some(entries)
    })
    .await;
    let of = |outcome: &str| entries.iter().find(|entry| entry["outcome"] == outcome).unwrap().clone();
    let (success, denied) = (of("success"), of("denied"));
    assert_eq!((&success["actor_name"], &success["resource_kind"]), (&json!("ada"), &json!("session")));
    assert_eq!((&denied["resource_kind"], &denied["resource_id"]), (&json!("provider"), &json!("corp")));
    assert_eq!((&denied["after"]["reason"], &denied["address"]), (&json!("sign_in_expired"), &json!("192.0.2.17")));
}
