//! A user's own sessions.

use maas_store::StoreError;
use maas_types::{PageLimit, SessionId, UserId};
use uuid::Uuid;

use super::{Core, initiator::Initiator};
use crate::{
    domain::{audit::AuditOutcome, session::Session},
    events, store,
};

impl Core {
    /// The sessions that have not ended, newest first; one more than `limit` if there is a next page.
    pub async fn sessions_of(
        &self,
        user_id: UserId,
        limit: PageLimit,
        after: Option<Uuid>,
    ) -> Result<Vec<Session>, StoreError> {
        let alive = (self.settings.session_lifetimes(), self.now());
        store::session::list_of(self.database.reader(), user_id, alive, limit, after).await
    }

    /// Whether there was such a session of this user.
    pub async fn end_session(&self, user_id: UserId, id: SessionId, initiator: &Initiator) -> Result<bool, StoreError> {
        let transaction = self.database.begin().await?;
        if !store::session::delete(&transaction, user_id, id).await? {
            return Ok(false);
        }
        let entry = initiator.entry("session.end", ("session", id.to_string()), AuditOutcome::Success, self.now());
        self.commit(transaction, vec![events::audit_record(&entry)]).await?;
        Ok(true)
    }

    /// Ends every session of this user but `keep`.
    pub async fn end_other_sessions(
        &self,
        user_id: UserId,
        keep: Option<SessionId>,
        initiator: &Initiator,
    ) -> Result<(), StoreError> {
        let transaction = self.database.begin().await?;
        store::session::delete_others(&transaction, user_id, keep).await?;
        let entry =
            initiator.entry("session.end_others", ("user", user_id.to_string()), AuditOutcome::Success, self.now());
        self.commit(transaction, vec![events::audit_record(&entry)]).await
    }
}
