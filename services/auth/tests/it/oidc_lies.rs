//! Signing in where somebody lies: the provider, the browser, or who sent the browser.

use std::time::Duration;

use maas_auth::AuthSettings;
use maas_testkit::issuer::{FakeIssuer, Forgery, TokenEndpoint};
use maas_types::Clock as _;
use serde_json::json;

use crate::{
    browser::Browser,
    oidc::{corp, me, with_corp},
    world::{As, World, on_both_databases, settings},
};

on_both_databases! {
    forged_tokens_let_nobody_in,
    a_code_is_good_for_one_sign_in,
    a_state_is_good_in_the_browser_that_it_was_made_for,
    a_code_of_another_sign_in_is_worth_nothing,
    an_attempt_ends_after_ten_minutes,
    nobody_is_sent_to_a_foreign_address,
    an_address_begins_sixty_times_a_minute,
}

const LOGIN: &str = "/api/v1/auth/login/corp";

async fn forged_tokens_let_nobody_in(world: World) {
    let (world, issuer) = with_corp(&world).await;
    for forgery in [
        Forgery::Missing,
        Forgery::Unsigned,
        Forgery::MacWithPublicKey,
        Forgery::MacWithClientSecret,
        Forgery::UnknownKey,
        Forgery::StolenKeyId,
        Forgery::WrongNonce,
        Forgery::NoNonce,
        Forgery::OtherAudience,
        Forgery::MoreAudiences,
        Forgery::OtherParty,
        Forgery::OtherIssuer,
        Forgery::Expired,
        Forgery::IssuedInTheFuture,
        Forgery::NotYetValid,
        Forgery::WrongAccessTokenHash,
        Forgery::EmptySubject,
    ] {
        issuer.forge(forgery);
        let browser = Browser::new();
        let back = browser.sign_in(&world, "corp").await;
        assert_eq!(back.location, "http://maas.example:8080/?error=identity_refused", "{forgery:?}");
        assert!(matches!(browser.session(), As::Nobody), "{forgery:?}");
    }
    issuer.forge(Forgery::Malformed);
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "provider_unavailable");
    let people = world.get("/api/v1/users", &world.admin().await).await.body;
    assert_eq!(people["data"].as_array().unwrap().len(), 1, "only the first admin: {people}");
    // The same people are welcome with the truth.
    issuer.forge(Forgery::Honest);
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "");
}

async fn a_code_is_good_for_one_sign_in(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    let callback = browser.go_to_provider(&world, LOGIN).await;
    assert_eq!(browser.open(&world, &callback).await.error(), "");
    let again = browser.open(&world, &callback).await;
    assert_eq!((again.status.as_u16(), again.location.as_str()), (400, ""));
    assert!(again.body.contains("sign_in_expired") && again.cookies.is_empty(), "{}", again.body);
}

async fn a_state_is_good_in_the_browser_that_it_was_made_for(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let (hers, his) = (Browser::new(), Browser::new());
    let callback = hers.go_to_provider(&world, LOGIN).await;
    // Without any cookie, and with one of another sign-in.
    assert_eq!(his.open(&world, &callback).await.status, 400);
    his.go_to_provider(&world, LOGIN).await;
    assert_eq!(his.open(&world, &callback).await.status, 400);
    assert!(matches!(his.session(), As::Nobody));
    // He could not spoil it either.
    assert_eq!(hers.open(&world, &callback).await.error(), "");
}

async fn a_code_of_another_sign_in_is_worth_nothing(world: World) {
    let (world, issuer) = with_corp(&world).await;
    let (hers, his) = (Browser::new(), Browser::new());
    let callback = hers.go_to_provider(&world, LOGIN).await;
    issuer.signs_in(json!({"sub": "666", "preferred_username": "mallory"}));
    let stolen = his.go_to_provider(&world, LOGIN).await;
    let part = |address: &str, name: &str| {
        let url = reqwest::Url::parse(address).unwrap();
        url.query_pairs().find(|(found, _)| found == name).unwrap().1.into_owned()
    };
    // Her code with his state: PKCE ties the code to her attempt.
    let mixed = format!("/api/v1/auth/callback/corp?code={}&state={}", part(&callback, "code"), part(&stolen, "state"));
    assert_eq!(his.open(&world, &mixed).await.error(), "provider_refused");
    // An answer that says to be of another issuer does not even reach this one.
    let callback = hers.go_to_provider(&world, LOGIN).await.replace("&iss=", "&iss=https%3A%2F%2Fevil.example&x=");
    assert_eq!(hers.open(&world, &callback).await.error(), "identity_refused");
}

async fn an_attempt_ends_after_ten_minutes(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    let callback = browser.go_to_provider(&world, LOGIN).await;
    world.clock.advance(Duration::from_secs(600));
    assert_eq!(browser.open(&world, &callback).await.status, 400);
}

async fn nobody_is_sent_to_a_foreign_address(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    for foreign in [
        "https%3A%2F%2Fevil.example",
        "%2F%2Fevil.example",
        "%5C%5Cevil.example",
        "%2F%5Cevil.example",
        "http%3A%2F%2Fmaas.example%3A8080%40evil.example",
        "http%3A%2F%2Fuser%40maas.example%3A8080%2F",
        "http%3A%2F%2Fmaas.example%3A8081%2F",
        "https%3A%2F%2Fmaas.example%3A8080%2F",
        "http%3A%2F%2Fmaas.example%3A8080.evil.example%2F",
        "%252F%252Fevil.example",
        "javascript%3Aalert(1)",
    ] {
        let browser = Browser::new();
        let refused = browser.open(&world, &format!("{LOGIN}?return_to={foreign}")).await;
        assert_eq!((refused.status.as_u16(), refused.location.as_str()), (400, ""), "{foreign}");
        assert!(refused.cookies.is_empty(), "{foreign}");
    }
    let unknown = world.get("/api/v1/auth/login/nobody", &As::Nobody).await;
    assert_eq!((unknown.status.as_u16(), unknown.code()), (404, "not_found"));
}

async fn an_address_begins_sixty_times_a_minute(world: World) {
    let (world, _issuer) = with_corp(&world).await;
    let browser = Browser::new();
    for _ in 0..60 {
        assert_eq!(browser.open(&world, LOGIN).await.error(), "");
    }
    assert_eq!(browser.open(&world, LOGIN).await.error(), "too_many_attempts");
    // Guessing states counts as well.
    let guess = format!("/api/v1/auth/callback/corp?code=x&state={}", "a".repeat(43));
    assert_eq!(browser.open(&world, &guess).await.status, 429);
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(browser.open(&world, LOGIN).await.error(), "");
}

/// Besides the time-out nothing here depends on the database.
#[actix_web::test]
async fn a_token_endpoint_that_misbehaves_is_an_outage() {
    let (world, issuer) = with_corp(&World::on_sqlite().await).await;
    for behaviour in [
        TokenEndpoint::Garbage,
        TokenEndpoint::Huge,
        TokenEndpoint::Silent,
        TokenEndpoint::Redirecting,
        TokenEndpoint::Failing,
    ] {
        issuer.answer_tokens(behaviour);
        assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "provider_unavailable", "{behaviour:?}");
    }
    issuer.answer_tokens(TokenEndpoint::Honest);
    assert_eq!(Browser::new().sign_in(&world, "corp").await.error(), "");
}

#[actix_web::test]
async fn a_provider_at_a_blocked_address_is_not_called() {
    let world = World::on_sqlite().await;
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let mut provider = corp(&issuer);
    provider.allow_loopback = false;
    let world = world.replica(AuthSettings { providers: vec![provider], ..settings() }).await;
    assert_eq!(Browser::new().open(&world, LOGIN).await.error(), "provider_unavailable");
    assert_eq!(issuer.key_set_reads(), 0);
}

#[actix_web::test]
async fn with_https_the_cookies_are_bound_to_the_host() {
    let world = World::on_sqlite().await;
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let origin = "https://maas.example".to_owned();
    let world = world.replica(AuthSettings { public_url: origin, providers: vec![corp(&issuer)], ..settings() }).await;
    let browser = Browser::new();
    let begun = browser.open(&world, LOGIN).await;
    let callback = browser.visit(&begun.location, None).await.location;
    let back = browser.open(&world, &callback).await;
    for (cookie, name) in [(&begun.cookies[0], "__Host-maas-login"), (&back.cookies[0], "__Host-maas")] {
        assert_eq!((cookie.name(), cookie.secure(), cookie.domain()), (name, Some(true), None));
    }
}

/// What a browser or a provider may know must not stay anywhere else.
#[actix_web::test]
async fn codes_and_tokens_appear_nowhere() {
    let log = crate::log::Captured::begin();
    let (world, issuer) = with_corp(&World::on_postgres().await).await;
    let (mut seen, mut secrets) = (String::new(), Vec::new());
    let endings = [Forgery::Honest, Forgery::WrongNonce, Forgery::Unsigned, Forgery::Malformed, Forgery::StolenKeyId];
    for forgery in endings {
        issuer.forge(forgery);
        let browser = Browser::new();
        let begun = browser.open(&world, LOGIN).await;
        secrets.extend(["state", "nonce"].map(|name| begun.parameter(name).unwrap()));
        let callback = browser.visit(&begun.location, None).await.location;
        for _ in 0..2 {
            let page = browser.open(&world, &callback).await;
            seen.push_str(&format!("{} {}\n", page.location, page.body));
            secrets.extend(page.cookies.iter().chain(&begun.cookies).map(|cookie| cookie.value().to_owned()));
        }
    }
    issuer.forge(Forgery::Honest);
    for behaviour in [TokenEndpoint::Garbage, TokenEndpoint::Failing] {
        issuer.answer_tokens(behaviour);
        seen.push_str(&Browser::new().sign_in(&world, "corp").await.location);
    }
    let admin = world.admin().await;
    let audited = maas_testkit::eventually(crate::world::PATIENCE, || async {
        let page = world.get("/api/v1/audit?limit=1000", &admin).await.body;
        (page["data"].as_array().unwrap().len() >= 12).then(|| page.to_string())
    })
    .await;
    seen.push_str(&audited);
    seen.push_str(&world.process.metrics.render().unwrap());
    let logged = log.text();
    assert!(logged.contains("a sign-in at a provider failed"), "the log was captured: {logged}");
    seen.push_str(&logged);
    secrets.extend(issuer.secrets());
    assert!(secrets.len() > 40, "{}", secrets.len());
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        assert!(!seen.contains(secret.as_str()), "{secret} was found");
    }
    // Names of people are no secrets: they prove that the search looks at the right thing.
    assert!(seen.contains("Ada Lovelace") && me(&world, &admin).await["user_name"] == "admin");
}
