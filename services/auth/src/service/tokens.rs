//! Access tokens.

use std::time::Duration;

use maas_store::StoreError;
use maas_types::UserId;
use serde_json::json;

use super::{Core, initiator::Initiator};
use crate::{
    domain::{
        audit::{AuditEntry, AuditOutcome},
        signing::{IssuedToken, SigningError},
    },
    events, store,
};

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("no such active user")]
    NoActiveUser,
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// A token for the control plane. The caller has checked the lifetime.
    pub async fn issue_control_token(
        &self,
        user_id: UserId,
        lifetime: Duration,
        initiator: &Initiator,
    ) -> Result<IssuedToken, TokenError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let user = store::user::find(&transaction, user_id).await?.filter(|user| user.is_active());
        let user = user.ok_or(TokenError::NoActiveUser)?;
        let issued = self.signer.issue_control(&user, lifetime, now)?;
        let resource = ("token", issued.claims.jti.to_string());
        let entry = AuditEntry {
            after: Some(json!({ "aud": issued.claims.aud, "sub": issued.claims.sub, "exp": issued.claims.exp })),
            ..initiator.entry("token.create", resource, AuditOutcome::Success, now)
        };
        self.commit(transaction, vec![events::audit_record(&entry)]).await?;
        Ok(issued)
    }
}
