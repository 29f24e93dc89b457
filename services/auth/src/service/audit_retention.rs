//! Drops days of the audit book whose retention is over.
//!
//! Guarantee: a day is dropped as a whole, in one transaction that holds the book, and its line stays with the count and
//! the last digest, so that the days around it still follow each other. That a day was dropped is an audit entry itself,
//! which puts the digest of what is gone into the chain once more. Any number of replicas may try at once.

use std::{sync::Arc, time::Duration};

use maas_store::StoreError;
use maas_types::UtcDay;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Core, audited, initiator::Initiator};
use crate::{domain::audit_chain::DayLine, store::audit::chain};

const LOOK_EVERY: Duration = Duration::from_secs(3_600);

/// Runs until the soft stop.
pub async fn keep(core: Arc<Core>, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        if let Err(error) = core.drop_old_audit_days(&stop).await {
            tracing::warn!(error = %error, "old days of the audit book could not be dropped");
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

impl Core {
    async fn drop_old_audit_days(&self, stop: &CancellationToken) -> Result<(), StoreError> {
        let retention = self.settings.audit.retention.get();
        if retention.is_zero() {
            return Ok(());
        }
        // The day in which the retention ends began earlier and is still kept.
        let first_kept = UtcDay::of(self.now().minus(retention));
        while !stop.is_cancelled() {
            let Some(line) = self.drop_oldest_audit_day(first_kept).await? else { return Ok(()) };
            tracing::info!(audit.day = %line.day, audit.entries = line.entries, "a day of the audit book was dropped");
        }
        Ok(())
    }

    async fn drop_oldest_audit_day(&self, first_kept: UtcDay) -> Result<Option<DayLine>, StoreError> {
        let now = self.now();
        let transaction = self.database.begin().await?;
        chain::hold_book(&transaction).await?;
        let Some(line) = chain::remove_oldest_day(&transaction, first_kept, now).await? else { return Ok(None) };
        let gone = json!({ "entries": line.entries, "digest": line.digest_text() });
        let resource = ("audit_day", line.day.to_string());
        let entry = audited::change(&Initiator::system(), "audit.drop_day", resource, (Some(gone), None), now);
        self.commit(transaction, vec![entry]).await?;
        Ok(Some(line))
    }
}
