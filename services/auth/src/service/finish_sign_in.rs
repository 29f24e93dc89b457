//! The second half of signing in at a provider: the browser is back, with a code or with an error.
//!
//! Order: the attempt is taken and gone, whatever comes after; then the provider is asked; then the session begins. A
//! crash in between costs the person another click, and no code or state is good twice.

use maas_store::{StoreError, classify};
use maas_web::attempts::AttemptKey;
use secrecy::SecretString;
use serde_json::json;

use super::{
    Core,
    admit::{AdmitError, SignInClient},
    chain,
    federation::FederatedProvider,
    finish_error::FinishSignInError,
    sign_in::SignedIn,
};
use crate::{
    domain::{
        audit::{AuditEntry, AuditOutcome},
        sign_in_attempt::{SignInAttempt, SignInFailure, digest},
    },
    events,
    metrics::LoginOutcome,
    store::{self, sign_in_attempt::AttemptKeys},
};

#[derive(Debug)]
pub struct FinishSignInInput {
    pub state: Option<SecretString>,
    /// The cookie of [`super::begin_sign_in::SignInBegun`].
    pub browser: Option<SecretString>,
    pub answer: ProviderAnswer,
    pub client: SignInClient,
}

/// What the browser brought from the provider.
#[derive(Debug)]
pub enum ProviderAnswer {
    /// `issuer`: who says to have issued the code (RFC 9207).
    Code { code: SecretString, issuer: Option<String> },
    /// The person or the provider said no.
    Denied,
    /// The provider could not do it.
    Trouble,
    /// The provider took our request for a wrong one.
    Refused,
    /// Neither a code nor an error.
    Unreadable,
}

/// How it ended, and where the browser goes; without an attempt of ours nobody knows where.
#[derive(Debug)]
pub struct FinishedSignIn {
    pub return_to: Option<String>,
    pub result: Result<SignedIn, FinishSignInError>,
}

impl Core {
    pub async fn finish_sign_in(&self, provider: &FederatedProvider, input: FinishSignInInput) -> FinishedSignIn {
        let taken = self.take_attempt(provider, &input).await;
        let (return_to, result) = match taken {
            Ok(attempt) => {
                let result = self.complete(provider, &attempt, &input).await;
                (Some(attempt.return_to), result)
            }
            Err(error) => (None, Err(error)),
        };
        self.metrics.login(provider.id(), outcome(&result));
        match &result {
            Ok(_) => self.sign_in_starts.forgive(&[AttemptKey::address(&input.client.client.address)]),
            Err(error) => self.note_failure(provider, error, &input.client).await,
        }
        FinishedSignIn { return_to, result }
    }

    /// Whoever tries states without having one is slowed down like one who begins too often.
    async fn take_attempt(
        &self,
        provider: &FederatedProvider,
        input: &FinishSignInInput,
    ) -> Result<SignInAttempt, FinishSignInError> {
        let now = self.now();
        if let (Some(state), Some(browser)) = (&input.state, &input.browser) {
            let keys = AttemptKeys { state_digest: digest(state), browser_digest: digest(browser) };
            let transaction = self.database.begin().await?;
            let taken = store::sign_in_attempt::take(&transaction, provider.id(), keys, now).await?;
            transaction.commit().await.map_err(classify)?;
            if let Some(attempt) = taken {
                return Ok(attempt);
            }
        }
        self.sign_in_starts.attempt(&[AttemptKey::address(&input.client.client.address)], now)?;
        Err(FinishSignInError::Expired)
    }

    async fn complete(
        &self,
        provider: &FederatedProvider,
        attempt: &SignInAttempt,
        input: &FinishSignInInput,
    ) -> Result<SignedIn, FinishSignInError> {
        let now = self.now();
        let (code, issuer) = match &input.answer {
            ProviderAnswer::Code { code, issuer } => (code, issuer),
            ProviderAnswer::Denied => return Err(FinishSignInError::Denied),
            ProviderAnswer::Trouble => return Err(FinishSignInError::Trouble),
            ProviderAnswer::Refused => return Err(FinishSignInError::Refused),
            ProviderAnswer::Unreadable => return Err(FinishSignInError::Unreadable),
        };
        // Before the code goes anywhere: another provider's must not reach this one.
        if let Some(issuer) = issuer
            && *issuer != provider.issuer(now).await?
        {
            return Err(FinishSignInError::OtherIssuer);
        }
        let identity = provider.identity(code, attempt, &self.callback_url(provider), now).await?;
        Ok(self.sign_in_federated(&identity, &input.client).await?)
    }

    /// In the log what an operator should look at, in the audit book every refusal.
    async fn note_failure(&self, provider: &FederatedProvider, error: &FinishSignInError, client: &SignInClient) {
        let request_id = &client.initiator.request_id;
        if error.is_for_operators() {
            let error = chain(error);
            tracing::warn!(
                provider.id = provider.id(),
                request.id = request_id,
                error,
                "a sign-in at a provider failed"
            );
        }
        // Those that are too many are not tried, and of a person who is known the entry is written already.
        if matches!(
            error,
            FinishSignInError::TooManyAttempts(_)
                | FinishSignInError::Admit(AdmitError::NotAllowed | AdmitError::Disabled)
        ) {
            return;
        }
        let outcome = if error.is_for_operators() { AuditOutcome::Failed } else { AuditOutcome::Denied };
        let resource = ("provider", provider.id().to_owned());
        let entry = AuditEntry {
            after: Some(json!({ "reason": error.failure().code() })),
            ..client.initiator.entry("session.create", resource, outcome, self.now())
        };
        if let Err(error) = self.write_entry(&entry).await {
            tracing::warn!(request.id = request_id, error = chain(&error), "a refused sign-in could not be audited");
        }
    }

    async fn write_entry(&self, entry: &AuditEntry) -> Result<(), StoreError> {
        let transaction = self.database.begin().await?;
        self.commit(transaction, vec![events::audit_record(entry)]).await
    }
}

fn outcome(result: &Result<SignedIn, FinishSignInError>) -> LoginOutcome {
    match result.as_ref().map_err(FinishSignInError::failure) {
        Ok(_) => LoginOutcome::Success,
        Err(SignInFailure::TooManyAttempts) => LoginOutcome::Limited,
        Err(
            SignInFailure::AccessDenied
            | SignInFailure::Expired
            | SignInFailure::IdentityRefused
            | SignInFailure::NotAllowed,
        ) => LoginOutcome::Refused,
        Err(_) => LoginOutcome::Failed,
    }
}
