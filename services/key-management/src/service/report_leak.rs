//! A secret that somebody found: whoever holds it whole can end it.

use maas_events::audit_entry::{Actor, ActorKind};
use maas_keys::{KeyMac, ParsedKey};
use maas_types::KeyId;
use maas_web::attempts::{AttemptKey, AttemptLimiter, TooManyAttempts};

use super::{
    KeyService,
    change_key::{ChangeRight, ChangeTarget, Changed, Stopped},
    error::KeyError,
};
use crate::{
    domain::{
        key::{Key, StatusChange},
        owner::KeyScope,
        secret::HeldSecret,
        status::RefusedMove,
    },
    store,
};

/// Reports per minute and client address.
const MOST_REPORTS: u32 = 10;
const REASON: &str = "its secret was reported as leaked";
/// Compared where there is no key, so that this takes as long as where there is one.
const NOBODYS_MAC: KeyMac = [0; 32];

#[derive(Debug, thiserror::Error)]
pub enum ReportLeakError {
    #[error(transparent)]
    TooMany(#[from] TooManyAttempts),
    /// Malformed, of no key, or ended: strangers do not learn which.
    #[error("this is no secret of a key here")]
    Unknown,
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A report as it came.
#[derive(Debug)]
pub struct LeakReport<'a> {
    /// What is said to be a key.
    pub text: &'a str,
    pub request_id: String,
    pub address: String,
}

pub fn limiter() -> AttemptLimiter {
    AttemptLimiter::new(MOST_REPORTS)
}

impl KeyService {
    /// Revokes the key of a current secret; of one that is being rotated out only this one ends.
    pub async fn report_leak(&self, report: LeakReport<'_>) -> Result<Stopped, ReportLeakError> {
        self.leak_reports.attempt(&[AttemptKey::address(&report.address)], self.clock.now())?;
        let result = self.end_leaked(&report).await;
        self.metrics.count("report_leak", &result);
        match result? {
            Some(changed) => Ok(self.stopped(changed).await),
            None => Err(ReportLeakError::Unknown),
        }
    }

    /// `None`: it is no secret of a key.
    async fn end_leaked(&self, report: &LeakReport<'_>) -> Result<Option<Changed>, KeyError> {
        let Ok(presented) = ParsedKey::parse(report.text.as_bytes()) else { return Ok(None) };
        let found = store::key::find_by_public_id(self.database.reader(), presented.public_id()).await?;
        let Some(key) = found else {
            self.peppers.verify(&presented, &NOBODYS_MAC, self.peppers.current().version());
            return Ok(None);
        };
        let Some(held) = key.held(&presented, &self.peppers, self.clock.now()) else { return Ok(None) };
        let actor = Actor {
            kind: ActorKind::System { name: "leak report".to_owned() },
            request_id: report.request_id.clone(),
            address: report.address.clone(),
        };
        self.end_secret(key.id, held, &presented, &actor).await
    }

    async fn end_secret(
        &self,
        id: KeyId,
        held: HeldSecret,
        presented: &ParsedKey<'_>,
        actor: &Actor,
    ) -> Result<Option<Changed>, KeyError> {
        let target = ChangeTarget::new(id, &KeyScope::All, ChangeRight::Stop);
        let revoke = StatusChange::Revoke { reason: Some(REASON.to_owned()) };
        // Judged again in the transaction: a rotation may have ended the secret, or made it the one before, meanwhile.
        let rule = |key: &Key, now| match key.held(presented, &self.peppers, now) {
            Some(HeldSecret::Current) => Ok(key.moved(&revoke, now)?),
            Some(HeldSecret::Previous) => Ok(Some(key.rotation_finished(now)?)),
            None => Err(RefusedMove::NotRotating.into()),
        };
        let action = match held {
            HeldSecret::Current => "key.leak.revoke",
            HeldSecret::Previous => "key.leak.finish_rotation",
        };
        match self.change_key(target, action, actor, rule).await {
            Err(KeyError::Refused(RefusedMove::NotRotating) | KeyError::NotFound) => Ok(None),
            changed => changed.map(Some),
        }
    }
}
