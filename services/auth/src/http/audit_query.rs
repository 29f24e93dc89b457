//! Which audit entries somebody asks for: the filters of the list and of the export.

use maas_types::{Timestamp, UserId};
use maas_web::{FieldFault, Problem};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{audit_view::OutcomeView, check_filter, no_faults};
use crate::domain::audit::AuditFilter;

/// All that are given must hold.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct AuditFilterQuery {
    #[param(example = "key.revoke")]
    pub action: Option<String>,
    #[param(example = "key")]
    pub resource_kind: Option<String>,
    #[param(example = "key_019a9c3b5f0e7c42a1d38b6f0c9e4a57")]
    pub resource_id: Option<String>,
    pub actor_id: Option<UserId>,
    /// The whole name, as it was then.
    #[param(example = "ada")]
    pub actor_name: Option<String>,
    /// The service that wrote the entry.
    #[param(example = "key-management")]
    pub service: Option<String>,
    #[param(inline)]
    pub outcome: Option<OutcomeView>,
    /// Not before this time.
    pub from: Option<Timestamp>,
    /// Before this time.
    pub to: Option<Timestamp>,
    /// Text in the names of actor, action or resource.
    pub q: Option<String>,
}

impl AuditFilterQuery {
    pub fn checked(self) -> Result<AuditFilter, Problem> {
        let texts = [
            ("action", self.action.as_ref()),
            ("resource_kind", self.resource_kind.as_ref()),
            ("resource_id", self.resource_id.as_ref()),
            ("actor_name", self.actor_name.as_ref()),
            ("service", self.service.as_ref()),
            ("q", self.q.as_ref()),
        ];
        let empty_range = self.from.zip(self.to).filter(|(from, to)| from >= to);
        let empty_range = empty_range.map(|_| FieldFault::new("?from", "not_before_to", "must be earlier than `to`"));
        no_faults(texts.into_iter().filter_map(|(name, text)| check_filter(name, text)).chain(empty_range))?;
        Ok(AuditFilter {
            service: self.service,
            actor_name: self.actor_name,
            action: self.action,
            resource_kind: self.resource_kind,
            resource_id: self.resource_id,
            actor_id: self.actor_id.map(UserId::uuid),
            outcome: self.outcome.map(Into::into),
            from: self.from,
            to: self.to,
            text: self.q,
        })
    }
}
