//! Books signed corrections with their sums.
//!
//! Guarantee: a correction is in `usage_corrections` and in all sums, or in none of them, and once, however often it is
//! asked for under its id.
//!
//! What happens at each failure:
//! - the process dies or the connection breaks before the commit: nothing is booked; asking again books it;
//! - it breaks in the commit, so that nobody knows: asking again with the same ids finds out;
//! - an id is booked with another content, or something about a correction is wrong: nothing of the list is booked;
//! - a sum would leave the range of its column: the database refuses, nothing of the list is booked.

use std::collections::BTreeMap;

use maas_store::{Database, StoreError};
use maas_types::Timestamp;
use sea_orm::DatabaseTransaction;
use uuid::Uuid;

use crate::{
    domain::{
        correction::{Correction, InvalidCorrection},
        period::MonthClosing,
        totals::Additions,
    },
    store::{self, blames_the_data, lock::PARTITION},
};

/// More in one list could leave the range of the sums that are made of it.
pub const MOST_CORRECTIONS: usize = 1_000;

#[derive(Debug, thiserror::Error)]
pub enum CorrectError {
    #[error("correction {id}: {reason}")]
    Invalid { id: Uuid, reason: InvalidCorrection },
    #[error("another correction is booked under the id {0}")]
    IdTaken(Uuid),
    #[error("more than {MOST_CORRECTIONS} corrections at once")]
    TooMany,
    #[error("with these corrections a sum would leave the range that it can have")]
    DoesNotFit(#[source] StoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Books the list in a transaction of its own; answers how many of them were not booked before.
pub async fn correct(
    database: &Database,
    corrections: &[Correction],
    closing: MonthClosing,
    now: Timestamp,
) -> Result<usize, CorrectError> {
    let transaction = database.begin().await?;
    let new = book(&transaction, corrections, closing, now).await?;
    transaction.commit().await.map_err(StoreError::from)?;
    Ok(new)
}

/// The same in the caller's transaction, which holds the partition lock from here on. After an error it must be rolled
/// back.
pub async fn book(
    transaction: &DatabaseTransaction,
    corrections: &[Correction],
    closing: MonthClosing,
    now: Timestamp,
) -> Result<usize, CorrectError> {
    if corrections.len() > MOST_CORRECTIONS {
        return Err(CorrectError::TooMany);
    }
    for correction in corrections {
        correction.check(now).map_err(|reason| CorrectError::Invalid { id: correction.id, reason })?;
    }
    store::lock::hold_partition(transaction, PARTITION).await?;
    check_ids(transaction, corrections).await?;
    let new = insert(transaction, corrections, now).await?;
    let additions = Additions::of([], new.iter().copied());
    let summed = store::sums::add(transaction, &additions, closing, now).await;
    summed.map_err(|error| if blames_the_data(&error) { CorrectError::DoesNotFit(error) } else { error.into() })?;
    Ok(new.len())
}

/// Stores those that are not there, and answers them. They have to be summed in the same transaction.
pub(super) async fn insert<'a>(
    transaction: &DatabaseTransaction,
    corrections: &'a [Correction],
    now: Timestamp,
) -> Result<Vec<&'a Correction>, StoreError> {
    if corrections.is_empty() {
        return Ok(Vec::new());
    }
    let by_id: BTreeMap<Uuid, &Correction> = corrections.iter().map(|correction| (correction.id, correction)).collect();
    let new = store::correction::insert_new(transaction, &by_id, now).await?;
    Ok(by_id.into_values().filter(|correction| new.contains(&correction.id)).collect())
}

/// No id may stand for two contents, neither in the list nor in the table.
async fn check_ids(transaction: &DatabaseTransaction, corrections: &[Correction]) -> Result<(), CorrectError> {
    let ids: Vec<_> = corrections.iter().map(|correction| correction.id).collect();
    let mut digests = store::correction::digests(transaction, &ids).await?;
    for correction in corrections {
        let digest = correction.digest().0.to_vec();
        if *digests.entry(correction.id).or_insert_with(|| digest.clone()) != digest {
            return Err(CorrectError::IdTaken(correction.id));
        }
    }
    Ok(())
}
