//! Access of a person or a team to one model: its states, the moves between them, and who may never be surprised by one.

use maas_types::{ModelId, SubscriptionId, Timestamp, UserId};

use super::subscriber::Subscriber;

/// There is one for each pair of subscriber and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    pub id: SubscriptionId,
    /// 1 for a new one, one more with each transition.
    pub version: u64,
    pub subscriber: Subscriber,
    pub model_id: ModelId,
    /// The public name, which a model keeps for ever; also when the model is gone.
    pub model_name: String,
    /// The version of the model that was known when the subscription became active last.
    pub model_version: u64,
    pub status: SubscriptionStatus,
    /// Why it has this status, in the words of who decided; may be empty.
    pub reason: String,
    /// `None`: never.
    pub expires_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// `None`: the platform itself.
    pub created_by: Option<UserId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionStatus {
    /// Waits for a decision.
    Pending,
    /// The only one that opens a restricted model.
    Active,
    Denied,
    /// Taken away for the time being.
    Suspended,
    /// Given up.
    Cancelled,
    Expired,
}

/// What happens to a subscription that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SubscriptionMove {
    /// One that has ended is asked for again, and begins as a new one does.
    Request {
        is_restricted: bool,
    },
    RequestReview,
    Cancel,
    Approve,
    Deny,
    Suspend,
    Resume,
    /// An admin's way out of everything.
    Override(SubscriptionStatus),
    Expire,
    /// The model became restricted.
    Restrict,
    /// The subscriber was deleted.
    End,
}

/// One line of the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// The version that it made.
    pub version: u64,
    /// `None`: the subscription is new.
    pub from: Option<SubscriptionStatus>,
    pub to: SubscriptionStatus,
    pub reason: String,
    pub at: Timestamp,
}

/// Why it cannot be changed like that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedTransition {
    #[error("the subscription is {}; {rule}", .from.as_str())]
    Undeclared { from: SubscriptionStatus, rule: &'static str },
    #[error("its end lies in the past: name another `expires_at`, or null for none")]
    EndsInThePast,
}

impl SubscriptionStatus {
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Active, Self::Denied, Self::Suspended, Self::Cancelled, Self::Expired];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Denied => "denied",
            Self::Suspended => "suspended",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// What a request for access begins with.
    pub const fn requested(is_restricted: bool) -> Self {
        if is_restricted { Self::Pending } else { Self::Active }
    }

    /// Whether nothing is wanted or given any more.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Cancelled | Self::Expired)
    }

    /// The whole machine: what is not listed here does not exist.
    pub fn after(self, step: SubscriptionMove) -> Result<Self, RefusedTransition> {
        match (self, step) {
            (Self::Pending, SubscriptionMove::Approve) => Ok(Self::Active),
            (Self::Pending, SubscriptionMove::Deny) => Ok(Self::Denied),
            (Self::Denied, SubscriptionMove::RequestReview) => Ok(Self::Pending),
            (Self::Active, SubscriptionMove::Suspend) => Ok(Self::Suspended),
            (Self::Suspended, SubscriptionMove::Resume) => Ok(Self::Active),
            (Self::Active, SubscriptionMove::Cancel) => Ok(Self::Cancelled),
            (Self::Active, SubscriptionMove::Expire) => Ok(Self::Expired),
            (Self::Active, SubscriptionMove::Restrict) => Ok(Self::Pending),
            (Self::Cancelled | Self::Expired, SubscriptionMove::Request { is_restricted }) => {
                Ok(Self::requested(is_restricted))
            }
            (Self::Pending | Self::Active | Self::Denied | Self::Suspended, SubscriptionMove::End) => {
                Ok(Self::Cancelled)
            }
            (from, SubscriptionMove::Override(to)) if from != to => Ok(to),
            (from, step) => Err(RefusedTransition::Undeclared { from, rule: step.rule() }),
        }
    }
}

impl SubscriptionMove {
    /// What a refused caller is told.
    const fn rule(self) -> &'static str {
        match self {
            Self::Request { .. } => "access is asked for again only after it was cancelled or has expired",
            Self::RequestReview => "a review is asked for after a denial",
            Self::Cancel => "only an active one is cancelled",
            Self::Approve | Self::Deny => "only a pending one is approved or denied",
            Self::Suspend => "only an active one is suspended",
            Self::Resume => "only a suspended one is resumed",
            Self::Override(_) => "that is its status already",
            Self::Expire | Self::Restrict => "only an active one can lose its access",
            Self::End => "it has ended already",
        }
    }

    /// As audit records say it.
    pub const fn action(self) -> &'static str {
        match self {
            Self::Request { .. } => "subscription.request",
            Self::RequestReview => "subscription.request_review",
            Self::Cancel => "subscription.cancel",
            Self::Approve => "subscription.approve",
            Self::Deny => "subscription.deny",
            Self::Suspend => "subscription.suspend",
            Self::Resume => "subscription.resume",
            Self::Override(_) => "subscription.override",
            Self::Expire => "subscription.expire",
            Self::Restrict => "subscription.restrict",
            Self::End => "subscription.end",
        }
    }
}

impl Subscription {
    /// Whether it ended by the time, and nobody has written that yet.
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == SubscriptionStatus::Active && self.expires_at.is_some_and(|end| end <= now)
    }

    /// What people see.
    pub fn shown_status(&self, now: Timestamp) -> SubscriptionStatus {
        if self.is_overdue(now) { SubscriptionStatus::Expired } else { self.status }
    }

    /// The first line of the history.
    pub fn first_transition(&self) -> Transition {
        Transition {
            version: self.version,
            from: None,
            to: self.status,
            reason: self.reason.clone(),
            at: self.created_at,
        }
    }

    /// This subscription after a step, and the line of the history that tells of it. `expires_at`: what the end
    /// becomes; `None` leaves it.
    pub fn moved(
        &self,
        step: SubscriptionMove,
        reason: &str,
        expires_at: Option<Option<Timestamp>>,
        now: Timestamp,
    ) -> Result<(Self, Transition), RefusedTransition> {
        let status = self.status.after(step)?;
        let expires_at = expires_at.unwrap_or(self.expires_at);
        if status == SubscriptionStatus::Active && expires_at.is_some_and(|end| end <= now) {
            return Err(RefusedTransition::EndsInThePast);
        }
        let version = self.version + 1;
        let transition =
            Transition { version, from: Some(self.status), to: status, reason: reason.to_owned(), at: now };
        let after = Self { version, status, reason: reason.to_owned(), expires_at, updated_at: now, ..self.clone() };
        Ok((after, transition))
    }
}

#[cfg(test)]
#[path = "subscription_tests.rs"]
mod tests;
