//! The table `sign_in_attempts`. Every replica sees it, so that a sign-in may end at another one than it began at.

use maas_store::{StoreError, classify, ids::time_from_db};
use maas_types::Timestamp;
use sea_orm::{ActiveValue::Set, QueryOrder, QuerySelect, entity::prelude::*};
use secrecy::ExposeSecret as _;

use crate::domain::sign_in_attempt::SignInAttempt;

mod entity {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sign_in_attempts")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub state_digest: Vec<u8>,
        pub browser_digest: Vec<u8>,
        pub provider_id: String,
        pub nonce: String,
        pub pkce_verifier: String,
        #[sea_orm(column_type = "Text")]
        pub return_to: String,
        pub created_at: i64,
        pub expires_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

use entity::{ActiveModel, Column, Entity, Model};

/// What an attempt is found by: digests of the state in the URL and of the cookie in the browser.
#[derive(Debug, Clone, Copy)]
pub struct AttemptKeys {
    pub state_digest: [u8; 32],
    pub browser_digest: [u8; 32],
}

/// Attempts are not kept beyond `most`: the oldest go.
pub async fn insert(
    transaction: &impl ConnectionTrait,
    attempt: &SignInAttempt,
    keys: AttemptKeys,
    most: u64,
) -> Result<(), StoreError> {
    let first_surplus = Entity::find().order_by_desc(Column::CreatedAt).offset(most.saturating_sub(1)).limit(1);
    if let Some(surplus) = first_surplus.one(transaction).await.map_err(classify)? {
        let old = Entity::delete_many().filter(Column::CreatedAt.lte(surplus.created_at));
        old.exec(transaction).await.map_err(classify)?;
    }
    let row = ActiveModel {
        state_digest: Set(keys.state_digest.to_vec()),
        browser_digest: Set(keys.browser_digest.to_vec()),
        provider_id: Set(attempt.provider_id.clone()),
        nonce: Set(attempt.nonce.expose_secret().to_owned()),
        pkce_verifier: Set(attempt.pkce_verifier.expose_secret().to_owned()),
        return_to: Set(attempt.return_to.clone()),
        created_at: Set(attempt.created_at.unix_ms()),
        expires_at: Set(attempt.expires_at.unix_ms()),
    };
    Entity::insert(row).exec_without_returning(transaction).await.map_err(classify)?;
    Ok(())
}

/// The attempt, removed: of several who ask at once, one gets it. Another browser's stays where it is, so that nobody
/// can spoil it by guessing.
pub async fn take(
    transaction: &impl ConnectionTrait,
    provider_id: &str,
    keys: AttemptKeys,
    now: Timestamp,
) -> Result<Option<SignInAttempt>, StoreError> {
    let found = Entity::find_by_id(keys.state_digest.to_vec())
        .filter(Column::BrowserDigest.eq(keys.browser_digest.to_vec()))
        .filter(Column::ProviderId.eq(provider_id))
        .filter(Column::ExpiresAt.gt(now.unix_ms()))
        .one(transaction)
        .await
        .map_err(classify)?;
    let Some(found) = found else { return Ok(None) };
    let removed = Entity::delete_by_id(found.state_digest.clone()).exec(transaction).await.map_err(classify)?;
    Ok((removed.rows_affected == 1).then(|| from_db(found)))
}

/// How many there were.
pub async fn delete_expired(db: &impl ConnectionTrait, now: Timestamp) -> Result<u64, StoreError> {
    let expired = Entity::delete_many().filter(Column::ExpiresAt.lte(now.unix_ms()));
    Ok(expired.exec(db).await.map_err(classify)?.rows_affected)
}

fn from_db(row: Model) -> SignInAttempt {
    SignInAttempt {
        provider_id: row.provider_id,
        nonce: row.nonce.into(),
        pkce_verifier: row.pkce_verifier.into(),
        return_to: row.return_to,
        created_at: time_from_db(row.created_at),
        expires_at: time_from_db(row.expires_at),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use maas_store::{ConnectOptions, Database, DatabaseUrl};

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_ms(1_763_000_000_000);

    fn keys(n: u8) -> AttemptKeys {
        AttemptKeys { state_digest: [n; 32], browser_digest: [7; 32] }
    }

    #[tokio::test]
    async fn of_too_many_attempts_the_oldest_go() {
        let folder = tempfile::tempdir().unwrap();
        let url = DatabaseUrl::Sqlite(folder.path().join("auth.db"));
        let options = ConnectOptions { url, schema: crate::SCHEMA, max_connections: 1 };
        let database = Database::connect(&options).await.unwrap();
        crate::migrate(&database).await.unwrap();
        for n in 0..5 {
            let at = NOW.plus(Duration::from_secs(n.into()));
            let attempt = SignInAttempt::begin("corp", "https://maas.example/".to_owned(), at).unwrap();
            insert(database.writer(), &attempt, keys(n), 3).await.unwrap();
        }
        let mut taken = Vec::new();
        for n in 0..5 {
            taken.push(take(database.writer(), "corp", keys(n), NOW).await.unwrap().is_some());
        }
        assert_eq!(taken, [false, false, true, true, true]);
    }
}
