//! Sessions, for those who have them and for admins who end them.

use maas_events::Delivery;
use maas_store::StoreError;
use maas_types::{PageLimit, SessionId, UserId};
use serde_json::json;
use uuid::Uuid;

use super::{Core, audited, effects::Effects, initiator::Initiator};
use crate::{domain::session::Session, store};

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
        let resource = ("session", id.to_string());
        let record = audited::change(initiator, "session.end", resource, (None, None), self.now());
        self.commit_effects(transaction, ended(user_id, record)).await?;
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
        let resource = ("user", user_id.to_string());
        let record = audited::change(initiator, "session.end_others", resource, (None, None), self.now());
        self.commit_effects(transaction, ended(user_id, record)).await.map(|_| ())
    }

    /// Ends every session of somebody; how many there were. `None`: there is no such user.
    pub async fn end_user_sessions(&self, user_id: UserId, initiator: &Initiator) -> Result<Option<u64>, StoreError> {
        let transaction = self.database.begin().await?;
        if store::user::find(&transaction, user_id).await?.is_none() {
            return Ok(None);
        }
        let count = store::session::delete_others(&transaction, user_id, None).await?;
        let (resource, after) = (("user", user_id.to_string()), json!({ "sessions_ended": count }));
        let record = audited::change(initiator, "session.end_all", resource, (None, Some(after)), self.now());
        self.commit_effects(transaction, ended(user_id, record)).await?;
        Ok(Some(count))
    }
}

fn ended(user: UserId, record: Delivery) -> Effects {
    Effects { tell: vec![record], callers: vec![user], ..Effects::default() }
}
