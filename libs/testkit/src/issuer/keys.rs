//! A P-256 key pair: it signs, and is shown as a JSON Web Key.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde::Serialize;
use serde_json::{Value, json};

pub(super) struct SigningKey {
    pair: KeyPair,
    pub id: String,
}

impl SigningKey {
    pub fn generate() -> Self {
        Self { pair: KeyPair::generate().expect("a P-256 key"), id: uuid::Uuid::new_v4().simple().to_string() }
    }

    pub fn jwk(&self) -> Value {
        // 0x04, then x and y of 32 bytes each (SEC 1).
        let point = self.pair.public_key_raw();
        let (x, y) = point[1..].split_at(32);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id, "x": encode(x), "y": encode(y)})
    }

    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    pub fn sign(&self, key_id: &str, kind: &str, claims: &impl Serialize) -> String {
        let header =
            Header { kid: Some(key_id.to_owned()), typ: Some(kind.to_owned()), ..Header::new(Algorithm::ES256) };
        let key = EncodingKey::from_ec_der(&self.pair.serialize_der());
        jsonwebtoken::encode(&header, claims, &key).expect("a signature")
    }
}
