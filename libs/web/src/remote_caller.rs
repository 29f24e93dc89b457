//! Resolves callers at auth's internal endpoint, with a memory of a few seconds. Whoever hears from auth that somebody
//! has changed makes it forget them at once.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use maas_types::UserId;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::caller::{Caller, CallerResolver, Credential, IdentityUnavailable};

/// Where auth answers on its internal listener.
pub const RESOLVE_PATH: &str = "/internal/v1/callers/resolve";

/// How long an answer is believed: the time that a change may take to be noticed where the news of it was lost.
const BELIEVE: Duration = Duration::from_secs(5);
const MOST_ENTRIES: u64 = 10_000;

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolveCallerRequest {
    pub kind: CredentialKind,
    pub value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    Session,
    Token,
}

#[derive(Debug, Serialize, Deserialize)]
pub struct ResolveCallerAnswer {
    /// Absent: the credential is not valid.
    pub caller: Option<Caller>,
}

impl ResolveCallerRequest {
    pub fn from_credential(credential: &Credential) -> Self {
        let (kind, value) = match credential {
            Credential::Session(value) => (CredentialKind::Session, value),
            Credential::Token(value) => (CredentialKind::Token, value),
        };
        Self { kind, value: value.expose_secret().to_owned() }
    }

    pub fn into_credential(self) -> Credential {
        match self.kind {
            CredentialKind::Session => Credential::Session(self.value.into()),
            CredentialKind::Token => Credential::Token(self.value.into()),
        }
    }
}

pub struct RemoteCallerResolver {
    client: reqwest::Client,
    url: String,
    token: SecretString,
    /// By the digest of the credential, so that the cache holds no secrets.
    cache: moka::sync::Cache<[u8; 32], Arc<Caller>>,
    /// Grows whenever somebody is to be forgotten: an answer that was on its way then may be an old one.
    forgotten: AtomicU64,
}

impl RemoteCallerResolver {
    /// `auth_url` is the base of auth's internal listener.
    pub fn new(client: reqwest::Client, auth_url: &str, token: SecretString) -> Self {
        let url = format!("{}{RESOLVE_PATH}", auth_url.trim_end_matches('/'));
        let cache = moka::sync::Cache::builder().max_capacity(MOST_ENTRIES).time_to_live(BELIEVE).build();
        Self { client, url, token, cache, forgotten: AtomicU64::new(0) }
    }

    /// Asks auth again about these people from now on.
    pub fn forget(&self, users: &HashSet<UserId>) {
        self.forgotten.fetch_add(1, Ordering::SeqCst);
        let changed = self.cache.iter().filter(|(_, caller)| users.contains(&caller.user_id));
        for digest in changed.map(|(digest, _)| *digest).collect::<Vec<_>>() {
            self.cache.invalidate(&digest);
        }
    }

    async fn ask(&self, question: &ResolveCallerRequest) -> Result<Option<Caller>, reqwest::Error> {
        let request = self.client.post(&self.url).bearer_auth(self.token.expose_secret()).json(question);
        let answer: ResolveCallerAnswer = request.send().await?.error_for_status()?.json().await?;
        Ok(answer.caller)
    }
}

#[async_trait]
impl CallerResolver for RemoteCallerResolver {
    async fn resolve(&self, credential: &Credential) -> Result<Option<Caller>, IdentityUnavailable> {
        let question = ResolveCallerRequest::from_credential(credential);
        let digest = digest_of(&question);
        if let Some(caller) = self.cache.get(&digest) {
            return Ok(Some((*caller).clone()));
        }
        let before = self.forgotten.load(Ordering::SeqCst);
        let caller = self.ask(&question).await.map_err(|error| IdentityUnavailable(Box::new(error)))?;
        if let Some(caller) = &caller {
            self.cache.insert(digest, Arc::new(caller.clone()));
            // Looked at after the insertion, so that one of the two sees the other.
            if self.forgotten.load(Ordering::SeqCst) != before {
                self.cache.invalidate(&digest);
            }
        }
        Ok(caller)
    }
}

fn digest_of(question: &ResolveCallerRequest) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update([question.kind as u8]);
    hash.update(question.value.as_bytes());
    hash.finalize().into()
}
