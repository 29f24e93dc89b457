//! A refused call, and the audit record of it.

use actix_web::{HttpMessage as _, HttpRequest, http::Method};
use maas_events::{
    Delivery,
    audit_entry::{Actor, ActorKind, AuditEntry, AuditOutcome},
};
use maas_keys::{ParsedKey, PublicId};
use maas_types::{Timestamp, UserId};
use serde_json::{Value, json};

use super::limits::{Unwritten, Who};
use crate::{
    attempts::AttemptKey,
    caller::{self, Caller},
    middleware::RequestContext,
    operations::method_text,
    problem::ProblemCode,
};

const ACTION: &str = "call.refuse";
const RESOURCE: &str = "operation";
/// Ids of our own are shorter; anything else that stands in a path is not repeated.
const MAX_ID_BYTES: usize = 64;

/// Left with the request by what finds out who calls, and what they need for it.
#[derive(Debug, Clone)]
pub(crate) struct KnownCaller {
    pub user_id: UserId,
    pub user_name: String,
    pub permission: Option<&'static str>,
    /// Whether a change of something that is not there is noted.
    pub notes_missing: bool,
}

impl KnownCaller {
    pub fn leave(request: &HttpRequest, caller: &Caller) {
        let (user_id, user_name) = (caller.user_id, caller.user_name.clone());
        request.extensions_mut().insert(Self { user_id, user_name, permission: None, notes_missing: false });
    }

    /// Says what the caller needs, before it is judged whether they have it.
    pub fn needs(request: &HttpRequest, permission: &'static str, notes_missing: bool) {
        if let Some(known) = request.extensions_mut().get_mut::<Self>() {
            (known.permission, known.notes_missing) = (Some(permission), notes_missing);
        }
    }
}

#[derive(Debug)]
pub(super) struct RefusedCall {
    pub who: Who,
    pub route: String,
    method: &'static str,
    code: ProblemCode,
    permission: Option<&'static str>,
    /// The id in the path, if it looks like one of ours.
    id: Option<String>,
    request_id: String,
}

impl RefusedCall {
    /// None: no refusal that is noted.
    pub fn of(request: &HttpRequest, code: ProblemCode, context: &RequestContext) -> Option<Self> {
        let known = request.extensions().get::<KnownCaller>().cloned();
        let is_change = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let is_noted = match code {
            // Every call of somebody new would be one.
            ProblemCode::PasswordChangeRequired => false,
            ProblemCode::NotFound => is_change && known.as_ref().is_some_and(|known| known.notes_missing),
            code => code.status() == 403,
        };
        if !is_noted {
            return None;
        }
        let actor = match &known {
            Some(known) => ActorKind::User { id: known.user_id, name: known.user_name.clone() },
            None if code == ProblemCode::ApiKeyNotAllowed => ActorKind::System { name: name_of_key(request) },
            None => return None,
        };
        let counted_as = match &actor {
            ActorKind::User { id, .. } => AttemptKey::Account(id.to_string()),
            // Anybody can invent keys, but not so many networks.
            ActorKind::System { .. } => AttemptKey::address(&context.client_address),
        };
        Some(Self {
            who: Who { actor, counted_as, address: context.client_address.clone() },
            route: request.match_pattern().unwrap_or_default(),
            method: method_text(request.method()),
            code,
            permission: known.and_then(|known| known.permission),
            id: id_of(request),
            request_id: context.request_id.clone(),
        })
    }

    pub fn to_delivery(&self, service: &'static str, now: Timestamp) -> Delivery {
        let after = json!({ "code": self.code.code(), "permission": self.permission, "id": self.id });
        let operation = format!("{} {}", self.method, self.route);
        delivery(service, (&self.who, self.request_id.clone()), operation, after, now)
    }
}

impl Unwritten {
    pub fn to_delivery(&self, service: &'static str, now: Timestamp) -> Delivery {
        let after = json!({ "more": self.count, "since": self.since });
        delivery(service, (&self.who, String::new()), String::new(), after, now)
    }
}

/// Refusals of whomever that were not written.
pub(super) fn lost_to_delivery(service: &'static str, lost: u64, now: Timestamp) -> Delivery {
    let who = Who::anybody();
    delivery(service, (&who, String::new()), String::new(), json!({ "more": lost }), now)
}

fn delivery(
    service: &'static str,
    (who, request_id): (&Who, String),
    operation: String,
    after: Value,
    now: Timestamp,
) -> Delivery {
    let actor = Actor { kind: who.actor.clone(), request_id, address: who.address.clone() };
    AuditEntry {
        service,
        actor: &actor,
        action: ACTION,
        resource_kind: RESOURCE,
        resource_id: operation,
        outcome: AuditOutcome::Denied,
        before: None,
        after: Some(after),
    }
    .to_delivery(now)
}

/// Which key it was, if it is one: its public id is no secret, and nothing else of it is looked at.
fn name_of_key(request: &HttpRequest) -> String {
    let public_id = caller::presented_key(request).and_then(|text| ParsedKey::parse(text.as_bytes()).ok());
    match public_id.map(|key| key.public_id()) {
        Some(id) => format!("API key {}", PublicId::as_str(&id)),
        None => "API key".to_owned(),
    }
}

fn id_of(request: &HttpRequest) -> Option<String> {
    let is_id = |text: &&str| {
        (1..=MAX_ID_BYTES).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
    };
    request.match_info().get("id").filter(is_id).map(str::to_owned)
}
