//! Signing in at a certified OpenID provider, through the pages that it shows to people.

use std::sync::Arc;

use maas_auth::{AuthSettings, settings::providers::ProviderSettings};
use maas_runtime::config::Secret;
use maas_testkit::oidc_provider::{CLIENT_ID, CLIENT_SECRET, OidcProvider, PUBLIC_CLIENT_ID};
use maas_types::{Clock as _, FixedClock, SystemClock};
use serde_json::json;

use crate::{
    browser::{Browser, Page},
    oidc::me,
    world::{World, settings},
};

const LOGIN: &str = "/api/v1/auth/login/corp";
const CALLBACK: &str = "http://maas.example:8080/api/v1/auth/callback/corp";
/// More pages than any sign-in there has.
const MOST_PAGES: usize = 12;

/// The provider's clock runs, so this world's stands at the present.
async fn world_of(provider: &OidcProvider, client_id: &str, secret: &str) -> World {
    let settings = AuthSettings {
        providers: vec![ProviderSettings {
            id: "corp".to_owned(),
            url: provider.issuer().to_owned(),
            client_id: client_id.to_owned(),
            client_secret: Secret::new(secret),
            scopes: Some(vec!["profile".to_owned(), "groups".to_owned()]),
            allow_loopback: true,
            ..ProviderSettings::default()
        }],
        ..settings()
    };
    let clock = Arc::new(FixedClock::at(SystemClock.now()));
    World::on_postgres().await.replica_at(settings, clock).await
}

/// Fills in what the provider asks until it sends the browser back.
async fn sign_in(browser: &Browser, world: &World, login: &str) -> (Page, usize) {
    let mut page = browser.open(world, LOGIN).await;
    let mut forms = 0;
    for _ in 0..MOST_PAGES {
        if page.location.starts_with(CALLBACK) {
            return (browser.open(world, &page.location).await, forms);
        }
        let address = page.location.clone();
        page = browser.visit(&address, None).await;
        if page.location.is_empty() {
            forms += 1;
            let is_login = page.body.contains(r#"name="login""#);
            let login_form = [("prompt", "login"), ("login", login), ("password", "any")];
            let form = if is_login { &login_form[..] } else { &[("prompt", "consent")][..] };
            page = browser.visit(&address, Some(form)).await;
        }
    }
    panic!("the provider goes on asking: {page:?}");
}

async fn groups(world: &World, browser: &Browser) -> serde_json::Value {
    let path = format!("/api/v1/users/{}", me(world, &browser.session()).await["id"].as_str().unwrap());
    world.get(&path, &world.admin().await).await.body["groups"].clone()
}

#[actix_web::test]
async fn a_person_signs_in_at_a_certified_provider() {
    let provider = OidcProvider::start(CALLBACK, false).await.unwrap();
    let world = world_of(&provider, CLIENT_ID, CLIENT_SECRET).await;
    let browser = Browser::new();
    let (back, forms) = sign_in(&browser, &world, "ada+developers+ops").await;
    assert_eq!((back.location.as_str(), forms), ("http://maas.example:8080/", 2), "a login and a consent");
    let ada = me(&world, &browser.session()).await;
    assert_eq!((&ada["user_name"], &ada["display_name"]), (&json!("ada"), &json!("ada of the provider")));
    assert_eq!(groups(&world, &browser).await, json!(["developers", "ops"]));

    // The provider remembers them; they are the same person.
    let (back, forms) = sign_in(&browser, &world, "").await;
    assert_eq!((back.error().as_str(), forms), ("", 0));
    assert_eq!(me(&world, &browser.session()).await["id"], ada["id"]);
}

#[actix_web::test]
async fn a_certified_provider_changes_its_keys() {
    let provider = OidcProvider::start(CALLBACK, false).await.unwrap();
    let world = world_of(&provider, CLIENT_ID, CLIENT_SECRET).await;
    let browser = Browser::new();
    assert_eq!(sign_in(&browser, &world, "ada").await.0.error(), "");
    let rotated = browser.visit(&format!("{}/_rotate", provider.issuer()), Some(&[])).await;
    assert_eq!(rotated.status, 204);
    assert_eq!(sign_in(&browser, &world, "ada").await.0.error(), "");
}

#[actix_web::test]
async fn a_public_client_signs_people_in_with_pkce_alone() {
    let provider = OidcProvider::start(CALLBACK, true).await.unwrap();
    let world = world_of(&provider, PUBLIC_CLIENT_ID, "").await;
    let browser = Browser::new();
    assert_eq!(sign_in(&browser, &world, "bob+developers").await.0.error(), "");
    assert_eq!(groups(&world, &browser).await, json!(["developers"]));
}

#[actix_web::test]
async fn whoever_says_no_at_the_provider_comes_back_with_it() {
    let provider = OidcProvider::start(CALLBACK, false).await.unwrap();
    let world = world_of(&provider, CLIENT_ID, CLIENT_SECRET).await;
    let browser = Browser::new();
    let mut page = browser.visit(&browser.open(&world, LOGIN).await.location, None).await;
    // The link under the form.
    let abort = format!("{}/abort", page.location);
    for address in [abort, String::new()] {
        let next = if address.is_empty() { page.location.clone() } else { address };
        page = browser.visit(&next, None).await;
    }
    assert!(page.location.starts_with(CALLBACK), "{page:?}");
    assert_eq!(browser.open(&world, &page.location).await.error(), "access_denied");
}
