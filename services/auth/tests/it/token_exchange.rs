//! Exchanging tokens of a cluster or of an OIDC provider for ours.

use std::{path::PathBuf, time::Duration};

use actix_web::http::Method;
use maas_auth::{AuthSettings, settings::providers::ProviderSettings};
use maas_testkit::{
    eventually,
    issuer::FakeIssuer,
    openshift::FakeOpenShift,
    token_review::{REVIEWER_TOKEN, Trouble},
};
use maas_types::Clock as _;
use serde_json::json;
use tempfile::TempDir;

use crate::{
    browser::Browser,
    log::Captured,
    oidc::{corp, me},
    openshift::cluster,
    world::{Answer, As, PATIENCE, World, on_both_databases, settings},
};

on_both_databases! {
    a_clusters_token_becomes_one_of_ours,
    the_holder_of_a_clusters_token_is_the_person_who_signs_in_there,
    what_the_cluster_does_not_confirm_opens_nothing,
    a_cluster_in_trouble_is_no_refusal,
    a_token_for_another_audience_is_refused,
    rights_follow_the_groups_of_each_exchange,
    who_is_disabled_or_in_no_allowed_group_gets_no_token,
    an_access_token_of_an_oidc_provider_becomes_one_of_ours,
    a_token_is_shown_to_the_named_cluster_only,
    refused_tokens_are_counted_per_address,
}

const ADAS: &str = "sha256~canary-adas-cluster-token";

/// A platform that reviews tokens of a cluster.
struct Place {
    world: World,
    openshift: FakeOpenShift,
    _folder: TempDir,
}

impl Place {
    async fn beside(world: &World, change: impl FnOnce(&mut ProviderSettings)) -> Self {
        let openshift = FakeOpenShift::start().unwrap();
        openshift.reviews.knows(ADAS, "ada", Some("c3f2b5a0-1111"), &["developers", "system:authenticated"]);
        let folder = tempfile::tempdir().unwrap();
        let mut provider = reviewed(&openshift, &folder);
        change(&mut provider);
        let world = world.replica(AuthSettings { providers: vec![provider], ..settings() }).await;
        Self { world, openshift, _folder: folder }
    }

    async fn exchange(&self, token: &str) -> Answer {
        exchange(&self.world, "/maas-api/v1/tokens", token).await
    }
}

fn reviewed(openshift: &FakeOpenShift, folder: &TempDir) -> ProviderSettings {
    let file: PathBuf = folder.path().join("token");
    std::fs::write(&file, REVIEWER_TOKEN).unwrap();
    ProviderSettings { reviewer_token_file: Some(file), ..cluster(openshift) }
}

async fn exchange(world: &World, path: &str, token: &str) -> Answer {
    world.send(world.request(Method::POST, path, &As::Token(token.to_owned()))).await
}

/// A refusal at the compatible interface.
fn refusal(answer: &Answer) -> (u16, &str) {
    (answer.status.as_u16(), answer.body["error"]["code"].as_str().unwrap_or_default())
}

async fn a_clusters_token_becomes_one_of_ours(world: World) {
    let place = Place::beside(&world, |_| {}).await;
    let holder = As::Token(ADAS.to_owned());
    let created = place.world.post("/maas-api/v1/tokens", &holder, json!({"expiration": "1h"})).await;
    assert_eq!((created.status.as_u16(), &created.body["expiration"]), (201, &json!("1h0m0s")), "{}", created.body);
    let claims = created.body["token"].as_str().unwrap().split('.').nth(1).unwrap();
    assert!(claims.len() > 50);
    assert_eq!(place.exchange(created.body["token"].as_str().unwrap()).await.status, 403);
    assert_eq!(exchange(&place.world, "/api/v1/tokens", ADAS).await.status, 201);
    let control = place.world.post("/api/v1/tokens", &holder, json!({"aud": "control"})).await;
    assert_eq!((control.status.as_u16(), control.code()), (403, "permission_denied"));
    assert_eq!(place.world.delete("/maas-api/v1/tokens", &holder).await.status, 204);
}

async fn the_holder_of_a_clusters_token_is_the_person_who_signs_in_there(world: World) {
    let place = Place::beside(&world, |_| {}).await;
    place.exchange(ADAS).await;
    place.openshift.signs_in("ada", Some("c3f2b5a0-1111"), &["developers"]);
    place.openshift.reviews.knows("sha256~root", "kube:admin", None, &["system:cluster-admins"]);
    place.openshift.reviews.knows("sha256~nobody", "mallory", None, &[]);
    let browser = Browser::new();
    browser.sign_in(&place.world, "openshift").await;
    let ada = me(&place.world, &browser.session()).await;
    let people = place.world.get("/api/v1/users?q=ada", &place.world.admin().await).await;
    assert_eq!(people.body["data"].as_array().unwrap().len(), 1, "{}", people.body);
    assert_eq!(people.body["data"][0]["id"], ada["id"]);
    assert_eq!(place.exchange("sha256~root").await.status, 201);
    assert_eq!(refusal(&place.exchange("sha256~nobody").await), (401, "not_authenticated"));
}

async fn what_the_cluster_does_not_confirm_opens_nothing(world: World) {
    let place = Place::beside(&world, |_| {}).await;
    for token in ["sha256~unknown", "eyJhbGciOiJub25lIn0.e30.", "x"] {
        assert_eq!(refusal(&place.exchange(token).await), (401, "not_authenticated"), "{token}");
    }
    assert_eq!(place.exchange(ADAS).await.status, 201);
    place.openshift.reviews.forget(ADAS);
    assert_eq!(refusal(&place.exchange(ADAS).await), (401, "not_authenticated"));
    // Without a reviewer's token nobody is asked.
    let without = Place::beside(&world, |provider| provider.reviewer_token_file = None).await;
    assert_eq!(refusal(&without.exchange(ADAS).await), (401, "not_authenticated"));
    assert_eq!(without.openshift.reviews.asked(), 0);
}

async fn a_cluster_in_trouble_is_no_refusal(world: World) {
    let log = Captured::begin();
    let place = Place::beside(&world, |_| {}).await;
    let troubles =
        [Trouble::Status(500), Trouble::Status(503), Trouble::Garbage, Trouble::Slow(Duration::from_secs(30))];
    for trouble in troubles {
        place.openshift.reviews.be_in(Some(trouble.clone()));
        let answer = place.exchange(ADAS).await;
        assert_eq!(refusal(&answer), (503, "identity_unavailable"), "{trouble:?}");
        assert_eq!(answer.header("retry-after"), "2");
        assert!(!answer.body.to_string().contains("canary"), "{}", answer.body);
    }
    place.openshift.reviews.be_in(None);
    let created = place.exchange(ADAS).await;
    assert_eq!(created.status, 201);
    let (logged, token) = (log.text(), created.body["token"].as_str().unwrap());
    assert!(logged.contains("the cluster cannot be asked"), "{logged}");
    for secret in [ADAS, REVIEWER_TOKEN, token] {
        assert!(!logged.contains(secret), "{secret} was found in the log");
    }
    let book = eventually(PATIENCE, || async {
        let book = place.world.get("/api/v1/audit?limit=200", &place.world.admin().await).await.body.to_string();
        book.contains("token.create").then_some(book)
    })
    .await;
    assert!(!book.contains(ADAS) && !book.contains(token), "{book}");
}

async fn a_token_for_another_audience_is_refused(world: World) {
    let place = Place::beside(&world, |provider| provider.review_audiences = vec!["maas".to_owned()]).await;
    let reviews = &place.openshift.reviews;
    assert_eq!(refusal(&place.exchange(ADAS).await), (401, "not_authenticated"));
    reviews.knows_for("sha256~for-us", ("ada", Some("c3f2b5a0-1111"), &[]), &["maas", "others"]);
    assert_eq!(place.exchange("sha256~for-us").await.status, 201);
    reviews.be_in(Some(Trouble::IgnoresAudiences));
    assert_eq!(refusal(&place.exchange("sha256~for-us").await), (401, "not_authenticated"));
}

async fn rights_follow_the_groups_of_each_exchange(world: World) {
    let place = Place::beside(&world, |_| {}).await;
    let admin = place.world.admin().await;
    let mapping = json!({"group": "cluster-ops", "provider": "openshift", "role": "admin-readonly"});
    let made = place.world.post("/api/v1/group-mappings", &admin, mapping).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let role = || async {
        let people = place.world.get("/api/v1/users?q=ada", &admin).await;
        people.body["data"][0]["role"].as_str().unwrap_or_default().to_owned()
    };
    for (groups, expected) in [(["developers"], "user"), (["cluster-ops"], "admin-readonly"), (["developers"], "user")]
    {
        place.openshift.reviews.knows(ADAS, "ada", Some("c3f2b5a0-1111"), &groups);
        assert_eq!(place.exchange(ADAS).await.status, 201);
        assert_eq!(role().await, expected, "{groups:?}");
    }
}

async fn who_is_disabled_or_in_no_allowed_group_gets_no_token(world: World) {
    let place = Place::beside(&world, |provider| provider.allowed_groups = vec!["developers".to_owned()]).await;
    place.openshift.reviews.knows("sha256~eve", "eve", Some("c3f2b5a0-2222"), &["visitors"]);
    assert_eq!(refusal(&place.exchange("sha256~eve").await), (403, "permission_denied"));
    place.exchange(ADAS).await;
    let admin = place.world.admin().await;
    let people = place.world.get("/api/v1/users?q=ada", &admin).await;
    let path = format!("/api/v1/users/{}", people.body["data"][0]["id"].as_str().unwrap());
    assert_eq!(place.world.patch(&path, &admin, json!({"status": "disabled"})).await.status, 200);
    assert_eq!(refusal(&place.exchange(ADAS).await), (401, "not_authenticated"));
}

async fn an_access_token_of_an_oidc_provider_becomes_one_of_ours(world: World) {
    let issuer = FakeIssuer::start(world.clock.now().unix_seconds()).unwrap();
    let provider = ProviderSettings { access_token_audiences: vec!["maas".to_owned()], ..corp(&issuer) };
    let world = world.replica(AuthSettings { providers: vec![provider], ..settings() }).await;
    issuer.signs_in(json!({"sub": "4711", "preferred_username": "ada", "groups": ["developers"]}));
    let of_ada = |audience: &str| json!({"aud": audience, "preferred_username": "ada", "name": "Ada Lovelace", "groups": ["developers"]});
    let token = issuer.access_token(of_ada("maas"));
    let created = exchange(&world, "/api/v1/tokens", &token).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let elsewhere = issuer.access_token(of_ada("another service"));
    assert_eq!(exchange(&world, "/api/v1/tokens", &elsewhere).await.status, 401);
    let expired = issuer.access_token(json!({"aud": "maas", "exp": world.clock.now().unix_seconds() - 3_600}));
    assert_eq!(exchange(&world, "/api/v1/tokens", &expired).await.status, 401);
    issuer.rotate_key();
    issuer.set_down(true);
    let unknown_key = issuer.access_token(json!({"aud": "maas"}));
    assert!(matches!(exchange(&world, "/api/v1/tokens", &unknown_key).await.status.as_u16(), 401 | 503));
}

async fn a_token_is_shown_to_the_named_cluster_only(world: World) {
    let (one, two) = (FakeOpenShift::start().unwrap(), FakeOpenShift::start().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let named =
        |id: &str, openshift: &FakeOpenShift| ProviderSettings { id: id.to_owned(), ..reviewed(openshift, &folder) };
    let providers = vec![named("one", &one), named("two", &two)];
    let world = world.replica(AuthSettings { providers, ..settings() }).await;
    two.reviews.knows(ADAS, "ada", Some("c3f2b5a0-1111"), &[]);
    let unnamed = exchange(&world, "/api/v1/tokens", ADAS).await;
    assert_eq!((unnamed.status.as_u16(), unnamed.pointer()), (400, "?provider"));
    assert_eq!(exchange(&world, "/api/v1/tokens?provider=two", ADAS).await.status, 201);
    assert_eq!((one.reviews.asked(), two.reviews.asked()), (0, 1));
    assert_eq!(exchange(&world, "/api/v1/tokens?provider=three", ADAS).await.status, 401);
    assert_eq!(exchange(&world, "/api/v1/tokens?cluster=two", ADAS).await.pointer(), "?cluster");
}

async fn refused_tokens_are_counted_per_address(world: World) {
    let place = Place::beside(&world, |_| {}).await;
    for attempt in 0..100 {
        assert_eq!(place.exchange(&format!("sha256~guess-{attempt}")).await.status, 401);
    }
    let limited = place.exchange(ADAS).await;
    assert_eq!(refusal(&limited), (429, "too_many_attempts"));
    assert_eq!(place.openshift.reviews.asked(), 100);
    place.world.clock.advance(Duration::from_secs(60));
    assert_eq!(place.exchange(ADAS).await.status, 201);
}
