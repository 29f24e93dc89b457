//! Signs access tokens as auth does, and gives the keys as auth's internal listener would.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey as _};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use maas_proxy::{TokenKeySource, TokenKeysUnavailable};
use maas_tokens::{Audience, Claims, PublicKey, TokenKeys};
use maas_types::{Clock as _, SystemClock, Timestamp, TokenId, UserId};

use crate::fixtures::OWNER;

pub const ISSUER: &str = "https://maas.example";

/// Shares what is published between its clones.
#[derive(Clone, Default)]
pub struct TokenIssuer {
    /// The numbers of the keys; `None` while auth is away.
    published: Arc<Mutex<Option<Vec<u8>>>>,
    asked: Arc<AtomicUsize>,
}

impl TokenIssuer {
    pub fn with_keys(numbers: &[u8]) -> Self {
        let issuer = Self::default();
        issuer.publish(Some(numbers));
        issuer
    }

    pub fn publish(&self, numbers: Option<&[u8]>) {
        *self.published.lock().unwrap() = numbers.map(<[u8]>::to_vec);
    }

    /// How often somebody wanted the keys.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    pub fn source(&self) -> TokenKeySource {
        let issuer = self.clone();
        Arc::new(move || {
            issuer.asked.fetch_add(1, Ordering::Relaxed);
            let published = issuer.published.lock().unwrap().clone();
            Box::pin(async move {
                let numbers = published.ok_or_else(|| TokenKeysUnavailable("auth is away".into()))?;
                Ok(TokenKeys { issuer: ISSUER.to_owned(), keys: numbers.into_iter().map(public).collect() })
            })
        })
    }
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_bytes(&[number; 32])
}

pub fn public(number: u8) -> PublicKey {
    let x = URL_SAFE_NO_PAD.encode(key(number).verifying_key().to_bytes());
    PublicKey { key_id: format!("key-{number}"), x }
}

/// Of the usual owner, for the data plane, good for an hour.
pub fn claims() -> Claims {
    claims_at(SystemClock.now())
}

pub fn claims_at(now: Timestamp) -> Claims {
    Claims {
        iss: ISSUER.to_owned(),
        aud: Audience::Inference,
        sub: UserId::from_uuid(OWNER),
        iat: now.unix_seconds(),
        exp: now.unix_seconds() + 3_600,
        jti: TokenId::new_at(now),
    }
}

/// The token, signed with the key of this number and naming it.
pub fn sign(claims: &Claims, number: u8) -> String {
    let header = Header { kid: Some(format!("key-{number}")), ..Header::new(Algorithm::EdDSA) };
    sign_with(&header, claims, number)
}

pub fn sign_with(header: &Header, claims: &Claims, number: u8) -> String {
    let der = key(number).to_pkcs8_der().unwrap();
    jsonwebtoken::encode(header, claims, &EncodingKey::from_ed_der(der.as_bytes())).unwrap()
}
