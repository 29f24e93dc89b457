//! Access tokens that people bring along.

#![allow(clippy::unwrap_used)]

use maas_testkit::issuer::{CLIENT_ID, FakeIssuer};
use serde_json::{Value, json};

use super::*;

const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

fn provider(issuer: &FakeIssuer, audiences: &[&str]) -> OidcProvider {
    OidcProvider::new(&ProviderSettings {
        id: "corp".to_owned(),
        url: issuer.url(),
        client_id: CLIENT_ID.to_owned(),
        access_token_audiences: audiences.iter().map(|audience| (*audience).to_owned()).collect(),
        allow_loopback: true,
        ..ProviderSettings::default()
    })
    .unwrap()
}

async fn judged(provider: &OidcProvider, issuer: &FakeIssuer, claims: Value) -> Result<String, ProviderError> {
    let token = issuer.access_token(claims).into();
    provider.identity_of_access_token(&token, NOW).await.map(|identity| identity.subject)
}

#[tokio::test]
async fn a_token_speaks_for_its_person_where_it_was_issued_for_us() {
    let issuer = FakeIssuer::start(NOW.unix_seconds()).unwrap();
    let ours = provider(&issuer, &["maas-api"]);
    assert_eq!(judged(&ours, &issuer, json!({})).await.unwrap(), "4711");
    assert_eq!(judged(&ours, &issuer, json!({"aud": ["other", "maas-api"]})).await.unwrap(), "4711");
    for (claims, fault) in [
        (json!({"aud": "other"}), TokenFault::Audience),
        (json!({"iss": "https://other.example"}), TokenFault::Issuer),
        (json!({"exp": NOW.unix_seconds() - 60}), TokenFault::Expired),
        (json!({"nbf": NOW.unix_seconds() + 61}), TokenFault::NotYetValid),
        // An id token says who signed in somewhere, not that its bearer may act.
        (json!({"nonce": "n"}), TokenFault::Kind),
    ] {
        let refused = judged(&ours, &issuer, claims.clone()).await;
        assert!(matches!(refused, Err(ProviderError::Token(found)) if found == fault), "{claims}: {refused:?}");
    }
    // Without audiences in the settings there is nothing to exchange.
    let closed = judged(&provider(&issuer, &[]), &issuer, json!({})).await;
    assert!(matches!(closed, Err(ProviderError::Token(TokenFault::Audience))), "{closed:?}");
}

#[tokio::test]
async fn rights_are_not_taken_because_a_token_is_silent_about_groups() {
    let issuer = FakeIssuer::start(NOW.unix_seconds()).unwrap();
    let refused = judged(&provider(&issuer, &["maas-api"]), &issuer, json!({"groups": null})).await;
    assert!(matches!(refused, Err(ProviderError::Refused { .. })), "{refused:?}");
}

#[tokio::test]
async fn invented_keys_do_not_make_us_call_the_provider_each_time() {
    let issuer = FakeIssuer::start(NOW.unix_seconds()).unwrap();
    let (ours, stranger) = (provider(&issuer, &["maas-api"]), FakeIssuer::start(NOW.unix_seconds()).unwrap());
    for _ in 0..5 {
        let refused = judged(&ours, &stranger, json!({"iss": issuer.url()})).await;
        assert!(matches!(refused, Err(ProviderError::Token(TokenFault::UnknownKey))), "{refused:?}");
    }
    assert_eq!(issuer.key_set_reads(), 2);
}
