//! Tokens, good and forged.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::{Authorization, CLIENT_ID, CLIENT_SECRET, Forgery, State, keys::SigningKey};

impl State {
    /// The whole answer of the token endpoint.
    pub(super) fn tokens(&mut self, authorization: &Authorization) -> Value {
        let access_token = self.new_secret("access-token");
        let (told_here, told_there) = self.divide(&authorization.person);
        self.access_tokens.insert(access_token.clone(), told_there);
        let mut answer = json!({"access_token": access_token, "token_type": "Bearer", "expires_in": 300});
        if let Some(id_token) = self.id_token(told_here, &authorization.nonce, &access_token) {
            self.secrets.push(id_token.clone());
            answer["id_token"] = json!(id_token);
        }
        answer
    }

    fn divide(&self, person: &Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
        let is_at_userinfo = |name: &String| self.at_userinfo.contains(name);
        let here = person.iter().filter(|(name, _)| !is_at_userinfo(name)).map(|(k, v)| (k.clone(), v.clone()));
        let mut there = person.clone();
        if let Some(subject) = &self.userinfo_subject {
            there.insert("sub".to_owned(), json!(subject));
        }
        (here.collect(), there)
    }

    fn id_token(&self, mut claims: Map<String, Value>, nonce: &str, access_token: &str) -> Option<String> {
        let hash = Sha256::digest(access_token);
        let usual = json!({
            "iss": self.url, "aud": CLIENT_ID, "iat": self.now, "exp": self.now + 300, "nonce": nonce,
            "at_hash": URL_SAFE_NO_PAD.encode(&hash[..16]),
        });
        claims.extend(usual.as_object().cloned().unwrap_or_default());
        self.falsify(&mut claims);
        match self.forgery {
            Forgery::Missing => None,
            Forgery::Malformed => Some("neither.a token".to_owned()),
            Forgery::Unsigned => Some(unsigned(&claims)),
            Forgery::MacWithPublicKey => Some(mac(&self.key.public_pem(), &self.key.id, &claims)),
            Forgery::MacWithClientSecret => Some(mac(CLIENT_SECRET, &self.key.id, &claims)),
            Forgery::UnknownKey => {
                let foreign = SigningKey::generate();
                Some(foreign.sign(&foreign.id, "JWT", &claims))
            }
            Forgery::StolenKeyId => Some(SigningKey::generate().sign(&self.key.id, "JWT", &claims)),
            _ => Some(self.key.sign(&self.key.id, "JWT", &claims)),
        }
    }

    fn falsify(&self, claims: &mut Map<String, Value>) {
        let mut set = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        match self.forgery {
            Forgery::WrongNonce => set("nonce", json!("of another sign-in")),
            Forgery::NoNonce => claims.remove("nonce"),
            Forgery::OtherAudience => set("aud", json!(["another client"])),
            Forgery::MoreAudiences => set("aud", json!([CLIENT_ID, "another client"])),
            Forgery::OtherParty => set("azp", json!("another client")),
            Forgery::OtherIssuer => set("iss", json!("https://other.example")),
            Forgery::Expired => set("exp", json!(self.now - 120)),
            Forgery::IssuedInTheFuture => set("iat", json!(self.now + 120)),
            Forgery::NotYetValid => set("nbf", json!(self.now + 120)),
            Forgery::WrongAccessTokenHash => set("at_hash", json!(URL_SAFE_NO_PAD.encode([7; 16]))),
            Forgery::EmptySubject => set("sub", json!("")),
            _ => None,
        };
    }

    pub(super) fn jwt_access_token(&mut self, claims: Value) -> String {
        let mut all = self.person.clone();
        let usual =
            json!({"iss": self.url, "aud": "maas-api", "iat": self.now, "exp": self.now + 300, "client_id": "cli"});
        for more in [usual, claims] {
            all.extend(more.as_object().cloned().unwrap_or_default());
        }
        all.retain(|_, value| !value.is_null());
        let token = self.key.sign(&self.key.id, "at+jwt", &all);
        self.secrets.push(token.clone());
        token
    }
}

fn unsigned(claims: &Map<String, Value>) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", encode(&json!({"alg": "none", "typ": "JWT"})), encode(&Value::Object(claims.clone())))
}

fn mac(secret: &str, key_id: &str, claims: &Map<String, Value>) -> String {
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret.as_bytes())).expect("a MAC")
}
