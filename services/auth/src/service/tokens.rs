//! Access tokens: issuing and withdrawing them.

use std::time::Duration;

use maas_store::StoreError;
use maas_tokens::Audience;
use maas_types::{Timestamp, TokenId, UserId};
use sea_orm::DatabaseTransaction;
use serde_json::json;

use super::{
    Core, audited,
    initiator::Initiator,
    people::{effects_of, write},
};
use crate::{
    domain::{
        revoked_token::{RevokedToken, keep_newest},
        signing::{IssuedToken, SigningError},
        user_facts::UserFacts,
    },
    store,
};

/// How far the clocks of replicas are apart at most, for tokens that another one has just issued.
const CLOCKS_AGREE_WITHIN: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("no such active user")]
    NoActiveUser,
    /// No token of ours can have this id.
    #[error("no such token")]
    NoSuchToken,
    /// No signing key can be opened; the log of the start says why.
    #[error("there is no key to sign with")]
    NoSigningKey,
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Core {
    /// A token of the user. The caller has checked the lifetime, and that they may have one for this audience.
    pub async fn issue_token(
        &self,
        user_id: UserId,
        (audience, lifetime): (Audience, Duration),
        initiator: &Initiator,
    ) -> Result<IssuedToken, TokenError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        let user = store::user::find(&transaction, user_id).await?.filter(|user| user.is_active());
        let user = user.ok_or(TokenError::NoActiveUser)?;
        let issued = {
            let ring = self.signing.ring();
            let signer = ring.signer(now).ok_or(TokenError::NoSigningKey)?;
            // The millisecond of a withdrawal takes everything with it that was issued in it.
            let issued_at = now.max(user.tokens_valid_from);
            signer.issue(self.signing.issuer(), &user, (audience, lifetime), issued_at)?
        };
        let claims = &issued.claims;
        let after = json!({ "aud": claims.aud.as_str(), "sub": claims.sub, "exp": claims.exp });
        let resource = ("token", claims.jti.to_string());
        let entry = audited::change(initiator, "token.create", resource, (None, Some(after)), now);
        self.commit(transaction, vec![entry]).await?;
        Ok(issued)
    }

    /// Withdraws every token of the user. Waits for the proxies, but not for ever.
    pub async fn revoke_tokens(&self, user_id: UserId, initiator: &Initiator) -> Result<(), TokenError> {
        let now = self.now();
        let (transaction, before) = self.locked_facts(user_id).await?;
        let mut after = before.clone();
        after.user.revoke_tokens(now);
        after.revoked_tokens.clear();
        let resource = ("token", "all".to_owned());
        self.withdraw(transaction, (before, after), ("token.revoke_all", resource), initiator).await
    }

    /// Withdraws one token of the user; one that has expired is none any more. Ids of other people's tokens are no
    /// tokens of this user, and listing them changes nothing.
    pub async fn revoke_token(&self, user_id: UserId, token: TokenId, initiator: &Initiator) -> Result<(), TokenError> {
        let now = self.now();
        let revoked = RevokedToken::new(token, self.settings.tokens.longest.get());
        if revoked.issued_at() > now.plus(CLOCKS_AGREE_WITHIN) {
            return Err(TokenError::NoSuchToken);
        }
        if revoked.is_over(now) {
            return Ok(());
        }
        let (transaction, before) = self.locked_facts(user_id).await?;
        let mut after = before.clone();
        let listed = std::iter::once(revoked).chain(before.revoked_tokens.iter().copied());
        let (kept, valid_from) = keep_newest(listed.collect(), now);
        after.revoked_tokens = kept;
        after.user.tokens_valid_from = after.user.tokens_valid_from.max(valid_from.unwrap_or(Timestamp::EPOCH));
        let resource = ("token", token.to_string());
        self.withdraw(transaction, (before, after), ("token.revoke", resource), initiator).await
    }

    async fn locked_facts(&self, user_id: UserId) -> Result<(DatabaseTransaction, UserFacts), TokenError> {
        let transaction = self.database.begin().await?;
        let user = store::user::lock(&transaction, user_id).await?.ok_or(TokenError::NoActiveUser)?;
        let facts = store::user_facts::load_one(&transaction, user).await?.ok_or(TokenError::NoActiveUser)?;
        Ok((transaction, facts))
    }

    async fn withdraw(
        &self,
        transaction: DatabaseTransaction,
        (before, after): (UserFacts, UserFacts),
        (action, resource): (&str, (&str, String)),
        initiator: &Initiator,
    ) -> Result<(), TokenError> {
        let now = self.now();
        store::revoked_token::replace(&transaction, after.user.id, &after.revoked_tokens).await?;
        let Some(after) = write(&transaction, &before, after, now).await? else { return Ok(()) };
        let record = audited::change(initiator, action, resource, (None, None), now);
        let mut effects = effects_of(&before, &after, record);
        effects.lost = vec![after.user.id];
        let mark = self.commit_effects(transaction, effects).await?;
        self.confirmed(mark).await;
        Ok(())
    }
}
