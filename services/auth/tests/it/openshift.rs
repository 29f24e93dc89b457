//! Signing in at an OpenShift cluster.

use maas_auth::{
    AuthSettings,
    settings::providers::{FederatedKind, ProviderSettings},
};
use maas_runtime::config::Secret;
use maas_testkit::{
    issuer::FakeIssuer,
    openshift::{CLIENT_ID, CLIENT_SECRET, FakeOpenShift},
};
use maas_types::Clock as _;
use serde_json::json;

use crate::{
    browser::Browser,
    log::Captured,
    oidc::{corp, me},
    world::{World, on_both_databases, settings},
};

on_both_databases! {
    a_person_of_the_cluster_signs_in,
    the_administrator_without_a_uid_signs_in_and_nobody_else_without_one,
    people_of_several_providers_with_one_name_stay_apart,
    what_the_cluster_refuses_is_told_without_its_secrets,
}

pub fn cluster(openshift: &FakeOpenShift) -> ProviderSettings {
    ProviderSettings {
        id: "openshift".to_owned(),
        kind: FederatedKind::OpenShift,
        url: openshift.url(),
        client_id: CLIENT_ID.to_owned(),
        client_secret: Secret::new(CLIENT_SECRET),
        allow_loopback: true,
        ..ProviderSettings::default()
    }
}

async fn with_cluster(world: &World) -> (World, FakeOpenShift) {
    let openshift = FakeOpenShift::start().unwrap();
    openshift.signs_in("ada", Some("c3f2b5a0-1111"), &["developers"]);
    let world = world.replica(AuthSettings { providers: vec![cluster(&openshift)], ..settings() }).await;
    (world, openshift)
}

async fn a_person_of_the_cluster_signs_in(world: World) {
    let (world, openshift) = with_cluster(&world).await;
    let browser = Browser::new();
    assert_eq!(browser.sign_in(&world, "openshift").await.location, "http://maas.example:8080/");
    let ada = me(&world, &browser.session()).await;
    assert_eq!((&ada["user_name"], &ada["display_name"]), (&json!("ada"), &json!("ada of the cluster")));
    assert_eq!(ada["issuer"], openshift.issuer().as_str());
    let path = format!("/api/v1/users/{}", ada["id"].as_str().unwrap());
    let groups = world.get(&path, &world.admin().await).await.body["groups"].clone();
    assert_eq!(groups, json!(["developers"]));

    // The uid is the person, whatever the name.
    openshift.signs_in("ada.king", Some("c3f2b5a0-1111"), &[]);
    browser.sign_in(&world, "openshift").await;
    assert_eq!(me(&world, &browser.session()).await["id"], ada["id"]);
    openshift.signs_in("ada", Some("c3f2b5a0-2222"), &[]);
    browser.sign_in(&world, "openshift").await;
    assert_ne!(me(&world, &browser.session()).await["id"], ada["id"]);
}

async fn the_administrator_without_a_uid_signs_in_and_nobody_else_without_one(world: World) {
    let (world, openshift) = with_cluster(&world).await;
    openshift.signs_in("kube:admin", None, &["system:cluster-admins"]);
    let browser = Browser::new();
    assert_eq!(browser.sign_in(&world, "openshift").await.error(), "");
    let admin = me(&world, &browser.session()).await;
    assert_eq!(admin["user_name"], "kube:admin");
    let path = format!("/api/v1/users/{}", admin["id"].as_str().unwrap());
    assert_eq!(world.get(&path, &world.admin().await).await.body["groups"], json!([]), "virtual groups do not count");
    openshift.signs_in("mallory", None, &["system:cluster-admins"]);
    assert_eq!(Browser::new().sign_in(&world, "openshift").await.error(), "identity_refused");
}

async fn people_of_several_providers_with_one_name_stay_apart(world: World) {
    let openshift = FakeOpenShift::start().unwrap();
    openshift.signs_in("ada", Some("c3f2b5a0-1111"), &[]);
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let providers = vec![corp(&issuer), cluster(&openshift)];
    let world = world.replica(AuthSettings { providers, ..settings() }).await;
    let mut names = Vec::new();
    for provider in ["corp", "openshift", "corp"] {
        let browser = Browser::new();
        browser.sign_in(&world, provider).await;
        names.push(me(&world, &browser.session()).await["user_name"].clone());
    }
    assert_eq!(names, [json!("ada"), json!("ada (openshift)"), json!("ada")]);
}

async fn what_the_cluster_refuses_is_told_without_its_secrets(world: World) {
    let log = Captured::begin();
    let (replica, openshift) = with_cluster(&world).await;
    for (sent, told) in [
        ("access_denied", "access_denied"),
        ("server_error", "provider_unavailable"),
        ("unauthorized_client", "provider_refused"),
        ("invalid_scope&x=1", "provider_refused"),
    ] {
        openshift.refuse_with(Some(sent));
        assert_eq!(Browser::new().sign_in(&replica, "openshift").await.error(), told);
    }
    openshift.refuse_with(None);
    let wrong = ProviderSettings { client_secret: Secret::new("wrong"), ..cluster(&openshift) };
    let elsewhere = world.replica(AuthSettings { providers: vec![wrong], ..settings() }).await;
    assert_eq!(Browser::new().sign_in(&elsewhere, "openshift").await.error(), "provider_refused");
    openshift.offer_pkce(false);
    let elsewhere = world.replica(AuthSettings { providers: vec![cluster(&openshift)], ..settings() }).await;
    assert_eq!(Browser::new().open(&elsewhere, "/api/v1/auth/login/openshift").await.error(), "provider_unavailable");
    let logged = log.text();
    assert!(logged.contains("unauthorized_client"), "{logged}");
    for secret in openshift.secrets() {
        assert!(!logged.contains(&secret), "{secret} was found");
    }
}
