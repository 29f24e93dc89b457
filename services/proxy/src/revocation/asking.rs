//! Asking an owner what was revoked: every two seconds, and at once where something is missing.

use std::{sync::Arc, time::Duration};

use maas_bus::{BusError, SharedBus};
use maas_events::revocation::Revocations;
use maas_revocation::{Mark, OwnerName, RevocationQuery, follower::Moment};
use maas_runtime::config::Secret;
use prost::Message as _;
use tokio::{
    sync::{mpsc, watch},
    time::MissedTickBehavior,
};

use super::{ANSWER_WITHIN, AskNow, Identity, driver::Event, moments::Moments};

const EVERY: Duration = Duration::from_secs(2);
/// Between two questions, however much is missing.
const AT_LEAST: Duration = Duration::from_millis(20);

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("no answer")]
    Silent(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Somebody is there.
    #[error("an answer that says nothing of revocations: {0}")]
    Unusable(String),
}

/// The way to an owner.
pub enum Asker {
    Http { client: reqwest::Client, url: String, token: Secret },
    Bus { bus: SharedBus, owner: OwnerName },
}

impl Asker {
    pub fn http(client: reqwest::Client, url: String, token: Secret) -> Self {
        Self::Http { client, url, token }
    }

    pub fn bus(bus: SharedBus, owner: OwnerName) -> Self {
        Self::Bus { bus, owner }
    }

    async fn ask(&self, query: &RevocationQuery) -> Result<Revocations, AskError> {
        let answer = match self {
            Self::Http { client, url, token } => {
                let request = client.get(url).bearer_auth(token.expose()).query(query);
                let answer = request.send().await.map_err(|error| AskError::Silent(error.into()))?;
                if !answer.status().is_success() {
                    return Err(AskError::Unusable(answer.status().to_string()));
                }
                answer.bytes().await.map_err(|error| AskError::Silent(error.into()))?
            }
            Self::Bus { bus, owner } => {
                let question = serde_json::to_vec(query).map_err(|error| AskError::Unusable(error.to_string()))?;
                let answer = bus.ask(owner.query_subject(), question.into(), ANSWER_WITHIN).await;
                answer.map_err(|error: BusError| AskError::Silent(error.into()))?
            }
        };
        Revocations::decode(answer).map_err(|error| AskError::Unusable(error.to_string()))
    }
}

/// One owner's questions.
pub struct Asking {
    pub owner: OwnerName,
    pub asker: Asker,
    pub identity: Identity,
    pub max_unconfirmed: Duration,
    pub applied: watch::Receiver<Option<Mark>>,
    pub now: AskNow,
    pub moments: Arc<Moments>,
    pub events: mpsc::Sender<Event>,
}

impl Asking {
    /// Until nobody listens any more.
    pub async fn run(self) {
        let mut turns = tokio::time::interval(EVERY);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = turns.tick() => {}
                () = self.now.notified() => turns.reset(),
                () = self.events.closed() => return,
            }
            let asked_at = self.moments.now();
            let query = self.query();
            let answer = tokio::select! {
                answer = self.asker.ask(&query) => answer,
                () = self.events.closed() => return,
            };
            if self.events.send(Event::Answered { owner: self.owner, answer, asked_at }).await.is_err() {
                return;
            }
            tokio::time::sleep(AT_LEAST).await;
        }
    }

    fn query(&self) -> RevocationQuery {
        let applied = *self.applied.borrow();
        RevocationQuery {
            instance: self.identity.instance,
            boot: self.identity.boot,
            epoch: applied.map(|mark| mark.epoch),
            after: applied.map_or(0, |mark| mark.counter),
            max_unconfirmed_ms: u64::try_from(self.max_unconfirmed.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What stands in the log, once per outage.
pub fn problem_of(error: &AskError, asked_at: Moment) -> String {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    format!("{error}{cause} (asked {} ms after the start)", asked_at.0)
}
