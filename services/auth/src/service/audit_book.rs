//! Keeps the audit book: stores the records of every service.
//!
//! Write order: entries with their places in the chain, commit, acknowledge. A crash between commit and acknowledgement
//! brings the record again, and the unique id lets it be stored once. What is malformed is logged, counted and acknowledged: it would never become valid.

use std::{sync::Arc, time::Duration};

use maas_bus::{ConsumerSpec, Message, SharedBus};
use maas_events::topic::{AUDIT_STREAM, AUDIT_SUBJECT};
use maas_runtime::readiness::CheckHandle;
use maas_store::{StoreError, classify};
use maas_types::{PageLimit, UserId, UtcDay};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{Core, audited, initiator::Initiator};
use crate::{
    domain::audit::{AuditEntry, AuditFilter, AuditOutcome},
    events,
    store::{
        self,
        audit::{AuditPosition, chain},
    },
};

const CONSUMER: &str = "auth-audit";
const BATCH: usize = 100;
const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Core {
    /// One more than `limit` if there is a next page.
    pub async fn audit_entries(
        &self,
        filter: &AuditFilter,
        limit: PageLimit,
        after: Option<AuditPosition>,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        store::audit::list(self.database.reader(), filter, limit, after).await
    }

    /// Who takes the book away is told by the book.
    pub async fn note_audit_export(&self, filter: &AuditFilter, initiator: &Initiator) -> Result<(), StoreError> {
        let wanted = json!({
            "action": filter.action,
            "resource_kind": filter.resource_kind,
            "resource_id": filter.resource_id,
            "actor_id": filter.actor_id.map(UserId::from_uuid),
            "actor_name": filter.actor_name,
            "service": filter.service,
            "outcome": filter.outcome.map(AuditOutcome::as_str),
            "from": filter.from,
            "to": filter.to,
            "q": filter.text,
        });
        let book = ("audit", String::new());
        let entry = audited::change(initiator, "audit.export", book, (None, Some(wanted)), self.now());
        let transaction = self.database.begin().await?;
        self.commit(transaction, vec![entry]).await
    }
}

/// Runs until the soft stop.
pub async fn keep(core: Arc<Core>, bus: SharedBus, check: CheckHandle, stop: CancellationToken) -> anyhow::Result<()> {
    let mut book = AuditBook { core, check, malformed: 0 };
    tokio::select! {
        () = stop.cancelled() => Ok(()),
        ended = book.consume(&bus) => ended,
    }
}

struct AuditBook {
    core: Arc<Core>,
    check: CheckHandle,
    /// Since the start of the process.
    malformed: u64,
}

impl AuditBook {
    async fn consume(&mut self, bus: &SharedBus) -> anyhow::Result<()> {
        loop {
            match bus.consume(spec()).await {
                Ok(mut consumer) => {
                    self.check.set_ok();
                    while let Some(first) = consumer.next().await {
                        let more = std::iter::from_fn(|| consumer.try_next()).take(BATCH - 1);
                        let batch: Vec<Message> = std::iter::once(first).chain(more).collect();
                        self.store(batch).await;
                    }
                    // The bus was closed: the process is about to end.
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(error = %error, "audit records cannot be consumed");
                    self.check.set_failed("audit records cannot be consumed");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn store(&mut self, batch: Vec<Message>) {
        let entries: Vec<AuditEntry> = batch.iter().filter_map(|message| self.checked(message)).collect();
        while let Err(error) = self.insert(&entries).await {
            tracing::warn!(error = %error, audit.entries = entries.len(), "audit records cannot be stored");
            self.check.set_failed("audit records cannot be stored");
            if !error.is_transient() {
                // Not acknowledged, so they come again; waiting keeps them from coming in a hot loop.
                tokio::time::sleep(RETRY_AFTER).await;
                return;
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
        self.check.set_ok();
        for message in batch {
            if let Err(error) = message.ack().await {
                tracing::debug!(error = %error, "an audit record could not be acknowledged and will come again");
            }
        }
    }

    fn checked(&mut self, message: &Message) -> Option<AuditEntry> {
        match events::audit_entry(message.payload.clone()) {
            Ok(entry) => Some(entry),
            Err(error) => {
                self.malformed += 1;
                tracing::error!(error = %error, audit.malformed = self.malformed, "a malformed audit record is dropped");
                None
            }
        }
    }

    async fn insert(&self, entries: &[AuditEntry]) -> Result<(), StoreError> {
        let transaction = self.core.database.begin().await?;
        chain::hold_book(&transaction).await?;
        // The day is asked for under the lock, so that no later day has begun meanwhile.
        chain::append(&transaction, entries, UtcDay::of(self.core.now())).await?;
        transaction.commit().await.map_err(classify)
    }
}

fn spec() -> ConsumerSpec {
    ConsumerSpec {
        stream: AUDIT_STREAM,
        name: CONSUMER,
        subject: AUDIT_SUBJECT.to_owned(),
        ack_wait: Duration::from_secs(30),
        max_in_flight: BATCH * 2,
    }
}
