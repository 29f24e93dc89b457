#![allow(clippy::unwrap_used)]
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maas_runtime::config::Secret;
use maas_tokens::PublicKey;

use super::*;
use crate::settings::StateSources;

const NOW: Timestamp = Timestamp::from_unix_ms(1_795_000_000_000);

fn public(number: u8) -> PublicKey {
    let x = URL_SAFE_NO_PAD.encode(SigningKey::from_bytes(&[number; 32]).verifying_key().to_bytes());
    PublicKey { key_id: number.to_string(), x }
}

fn keys(numbers: &[u8]) -> TokenKeys {
    TokenKeys { issuer: "maas".to_owned(), keys: numbers.iter().map(|number| public(*number)).collect() }
}

fn token(number: u8) -> String {
    let (sub, jti) = (UserId::new_at(NOW), TokenId::new_at(NOW));
    let iat = NOW.unix_seconds();
    let claims = Claims { iss: "maas".to_owned(), aud: Audience::Inference, sub, iat, exp: iat + 600, jti };
    let header = Header { kid: Some(number.to_string()), ..Header::new(Algorithm::EdDSA) };
    let der = SigningKey::from_bytes(&[number; 32]).to_pkcs8_der().unwrap();
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
}

/// Knows key 1 and is never told of another; counts the questions.
fn counted() -> (AccessTokens, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let source: TokenKeySource = Arc::new(move || {
        counter.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(TokenKeysUnavailable("away".into())) })
    });
    let tokens = AccessTokens::new(Some(source));
    tokens.take_over(keys(&[1])).unwrap();
    (tokens, asked)
}

#[tokio::test]
async fn a_remembered_verification_ends_with_the_token() {
    let (tokens, _) = counted();
    let token = token(1);
    assert!(tokens.verify(token.as_bytes(), NOW).await.is_ok());
    let at_end = NOW.plus(Duration::from_secs(600));
    assert_eq!(tokens.verify(token.as_bytes(), at_end).await, Err(TokenFault::Expired));
}

#[tokio::test]
async fn a_key_that_is_gone_takes_what_it_signed_with_it() {
    let (tokens, _) = counted();
    tokens.take_over(keys(&[1, 2])).unwrap();
    let (one, two) = (token(1), token(2));
    for token in [&one, &two] {
        assert!(tokens.verify(token.as_bytes(), NOW).await.is_ok());
    }
    tokens.take_over(keys(&[2])).unwrap();
    assert!(tokens.verify(two.as_bytes(), NOW).await.is_ok());
    assert_eq!(tokens.verify(one.as_bytes(), NOW).await, Err(TokenFault::Unconfirmed));
}

#[tokio::test]
async fn unknown_keys_make_one_question_and_no_refusal_while_nobody_answers() {
    let (tokens, asked) = counted();
    for number in 2..20 {
        assert_eq!(tokens.verify(token(number).as_bytes(), NOW).await, Err(TokenFault::Unconfirmed));
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(tokens.verify(b"eyJ.a.b", NOW).await, Err(TokenFault::Invalid));
}

#[tokio::test]
async fn a_changed_byte_is_another_token() {
    let (tokens, _) = counted();
    let token = token(1);
    assert!(tokens.verify(token.as_bytes(), NOW).await.is_ok());
    let mut changed = token.into_bytes();
    let last = changed.len() - 3;
    changed[last] = if changed[last] == b'A' { b'B' } else { b'A' };
    assert_eq!(tokens.verify(&changed, NOW).await, Err(TokenFault::Invalid));
}

const INTERNAL_TOKEN: &str = "an internal token of thirty-two bytes or more";

/// auth's internal listener, which answers this to whoever has the token.
fn auth_that_answers(body: String) -> StateSources {
    let server = HttpServer::new(move || {
        let body = body.clone();
        let keys = move |request: HttpRequest| {
            let presented = request.headers().get("authorization").map(|value| value.as_bytes().to_vec());
            let is_ours = presented.as_deref() == Some(format!("Bearer {INTERNAL_TOKEN}").as_bytes());
            let body = body.clone();
            async move { if is_ours { HttpResponse::Ok().body(body) } else { HttpResponse::Unauthorized().finish() } }
        };
        App::new().route("/internal/v1/token-keys", web::get().to(keys))
    });
    let server = server.workers(1).disable_signals().bind("127.0.0.1:0").unwrap();
    let auth_url = format!("http://{}/", server.addrs()[0]);
    tokio::spawn(server.run());
    StateSources { auth_url, internal_token: Secret::new(INTERNAL_TOKEN), ..StateSources::default() }
}

#[tokio::test]
async fn the_keys_come_from_auths_internal_listener() {
    let published = serde_json::to_string(&keys(&[1])).unwrap();
    let sources = auth_that_answers(published);
    let tokens = AccessTokens::new(from_auth(&sources).unwrap());
    assert!(tokens.verify(token(1).as_bytes(), NOW).await.is_ok(), "asked for, since it was unknown");
    let stranger = StateSources { internal_token: Secret::new("x".repeat(32)), ..sources };
    let tokens = AccessTokens::new(from_auth(&stranger).unwrap());
    assert_eq!(tokens.verify(token(1).as_bytes(), NOW).await, Err(TokenFault::Unconfirmed));
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_changes_nothing() {
    for answer in [" ".repeat(100_000), "{}".to_owned(), r#"{"issuer":"maas","keys":[{"kid":"1","x":"?"}]}"#.to_owned()]
    {
        let tokens = AccessTokens::new(from_auth(&auth_that_answers(answer)).unwrap());
        tokens.take_over(keys(&[1])).unwrap();
        assert!(tokens.refresh().await.is_err());
        assert!(tokens.verify(token(1).as_bytes(), NOW).await.is_ok());
    }
}
