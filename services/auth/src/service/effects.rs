//! What a change causes outside its own rows, and the order in which that happens: the outbox and the revocation
//! commit with the change; the relay is woken and other services' memory of callers is dropped after it.
//!
//! If the process dies right after the commit, the outbox and the proxies' own questions bring the news; other services
//! remember a caller for at most five seconds.

use bytes::Bytes;
use maas_events::{Delivery, state::CallersChanged, topic::CALLERS_CHANGED_SUBJECT};
use maas_revocation::{Mark, owner, owner::Confirmation};
use maas_store::{StoreError, classify, outbox};
use maas_types::UserId;
use prost::Message as _;
use sea_orm::DatabaseTransaction;
use std::time::Duration;
use uuid::Uuid;

use super::Core;

/// How long a change waits for the proxies to confirm it.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);
/// People in one broadcast.
const MOST_IN_BROADCAST: usize = 1_000;

#[derive(Debug, Default)]
pub struct Effects {
    /// State values and audit records.
    pub tell: Vec<Delivery>,
    /// Whose rights, tokens or keys something was taken from: the proxies confirm it.
    pub lost: Vec<UserId>,
    /// Who is another caller now than before, or none.
    pub callers: Vec<UserId>,
}

impl Effects {
    pub fn add(&mut self, more: Self) {
        self.tell.extend(more.tell);
        self.lost.extend(more.lost);
        self.callers.extend(more.callers);
    }
}

impl Core {
    /// Commits; the mark is there when something was taken away.
    pub(super) async fn commit_effects(
        &self,
        transaction: DatabaseTransaction,
        effects: Effects,
    ) -> Result<Option<Mark>, StoreError> {
        let Effects { tell, lost, callers } = effects;
        let now = self.now();
        outbox::append(&transaction, tell, now).await?;
        let subjects: Vec<Uuid> = lost.iter().map(|id| id.uuid()).collect();
        // Last: it locks the counter, which all revocations share, until the commit.
        let mark = match subjects.as_slice() {
            [] => None,
            subjects => Some(owner::record(&transaction, subjects, now).await?),
        };
        transaction.commit().await.map_err(classify)?;
        self.outbox.wake();
        self.forget_callers(&callers).await;
        Ok(mark)
    }

    /// Whom of the proxies have confirmed it; without a mark there was nothing to confirm.
    pub(super) async fn confirmed(&self, mark: Option<Mark>) -> Option<Confirmation> {
        match mark {
            Some(mark) => Some(self.revocations.fleet().wait_for(mark, CONFIRM_WITHIN).await),
            None => None,
        }
    }

    async fn forget_callers(&self, users: &[UserId]) {
        for some in users.chunks(MOST_IN_BROADCAST) {
            let user_ids = some.iter().map(|id| Bytes::copy_from_slice(id.uuid().as_bytes())).collect();
            let payload = CallersChanged { user_ids }.encode_to_vec().into();
            if let Err(error) = self.bus.broadcast(CALLERS_CHANGED_SUBJECT, payload).await {
                tracing::debug!(error = %error, "other services will remember changed callers for some seconds");
            }
        }
    }
}
