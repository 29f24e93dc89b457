//! What this service tells others and hears from them, to and from the wire.

use bytes::Bytes;
use maas_events::{
    Bucket, Delivery,
    audit::AuditRecord,
    state::{RevokedToken as WireRevokedToken, TeamMembership, TeamState, UserState, UserStatus as WireStatus},
    topic::AUDIT_SUBJECT,
    validate::{InvalidEvent, optional_uuid, required_uuid},
};
use maas_types::{AuditId, TeamId, TeamRole, Timestamp};
use prost::Message as _;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{
    audit::{ActorKind, AuditEntry, AuditOutcome},
    revoked_token::RevokedToken,
    team::Team,
    user::User,
    user_facts::UserFacts,
};

/// Names and addresses of an audit record.
const MAX_TEXT_CHARACTERS: usize = 1_000;
const MAX_JSON_BYTES: usize = 256 * 1024;

/// An audit record that no service of ours can have sent. It is not stored.
#[derive(Debug, thiserror::Error)]
pub enum MalformedRecord {
    #[error("not an audit record")]
    Undecodable(#[from] prost::DecodeError),
    #[error(transparent)]
    Invalid(#[from] InvalidEvent),
    #[error("field `{0}` is empty, too long or not JSON")]
    Field(&'static str),
}

/// The key of a user in the state bucket.
pub fn user_key(user: &User) -> String {
    user.id.uuid().simple().to_string()
}

/// The user as the data plane needs to know them. Who was invited and has not come is no one yet.
pub fn state_of(facts: &UserFacts) -> UserState {
    let user = &facts.user;
    let status = if user.is_active() { WireStatus::Active } else { WireStatus::Disabled };
    let membership = |(team, role): (TeamId, TeamRole)| TeamMembership {
        team_id: id_bytes(team.uuid()),
        role: role.as_str().to_owned(),
    };
    UserState {
        id: id_bytes(user.id.uuid()),
        version: user.version,
        deleted: user.is_deleted(),
        status: status.into(),
        role: user.role.as_str().to_owned(),
        tokens_valid_from_ms: user.tokens_valid_from.unix_ms(),
        default_team_id: optional_id(user.default_team_id.map(TeamId::uuid)),
        organisation_id: optional_id(facts.booking.as_ref().map(|booking| booking.organisation_id.uuid())),
        cost_centre: facts.booking.as_ref().map(|booking| booking.cost_centre.clone()).unwrap_or_default(),
        groups: facts.groups.clone(),
        teams: facts.teams().into_iter().map(membership).collect(),
        kind: user.kind.as_str().to_owned(),
        revoked_tokens: facts.revoked_tokens.iter().map(revoked_token).collect(),
        user_name: if user.is_deleted() { String::new() } else { user.user_name.clone() },
        changed_at_ms: user.updated_at.unix_ms(),
    }
}

fn revoked_token(token: &RevokedToken) -> WireRevokedToken {
    WireRevokedToken { token_id: id_bytes(token.id.uuid()), expires_at_ms: token.expires_at.unix_ms() }
}

/// The same, on its way to the state bucket.
pub fn user_state(facts: &UserFacts) -> Delivery {
    let user = &facts.user;
    let value = state_of(facts).encode_to_vec().into();
    Delivery::State { bucket: Bucket::Users, key: user_key(user), version: user.version, value }
}

/// The key of a team in the state bucket.
pub fn team_key(team: &Team) -> String {
    team.id.uuid().simple().to_string()
}

/// The team as the data plane needs to know it; of a deleted one, too, where its usage is booked.
pub fn state_of_team(team: &Team) -> TeamState {
    TeamState {
        id: id_bytes(team.id.uuid()),
        version: team.version,
        deleted: team.deleted_at.is_some(),
        name: team.name.clone(),
        organisation_id: id_bytes(team.organisation_id.uuid()),
        cost_centre: team.cost_centre.clone(),
    }
}

/// The same, on its way to the state bucket.
pub fn team_state(team: &Team) -> Delivery {
    let value = state_of_team(team).encode_to_vec().into();
    Delivery::State { bucket: Bucket::Teams, key: team_key(team), version: team.version, value }
}

fn id_bytes(id: Uuid) -> Bytes {
    Bytes::copy_from_slice(id.as_bytes())
}

fn optional_id(id: Option<Uuid>) -> Bytes {
    id.map_or_else(Bytes::new, id_bytes)
}

/// The entry on its way to the audit book, which is ours as well: one way in for all services.
pub fn audit_record(entry: &AuditEntry) -> Delivery {
    let json = |value: &Option<Value>| value.as_ref().map(Value::to_string).unwrap_or_default();
    let record = AuditRecord {
        id: Bytes::copy_from_slice(entry.id.uuid().as_bytes()),
        time_ms: entry.time.unix_ms(),
        service: entry.service.clone(),
        actor_kind: entry.actor_kind.as_str().to_owned(),
        actor_id: entry.actor_id.map_or_else(Bytes::new, |id| Bytes::copy_from_slice(id.as_bytes())),
        actor_name: entry.actor_name.clone(),
        action: entry.action.clone(),
        resource_kind: entry.resource_kind.clone(),
        resource_id: entry.resource_id.clone(),
        outcome: entry.outcome.as_str().to_owned(),
        before_json: json(&entry.before),
        after_json: json(&entry.after),
        request_id: entry.request_id.clone(),
        address: entry.address.clone(),
    };
    Delivery::Message {
        subject: AUDIT_SUBJECT.to_owned(),
        id: entry.id.uuid().simple().to_string(),
        headers: Vec::new(),
        payload: record.encode_to_vec().into(),
    }
}

/// A checked entry from what arrived.
pub fn audit_entry(payload: Bytes) -> Result<AuditEntry, MalformedRecord> {
    let record = AuditRecord::decode(payload)?;
    let required = [("service", &record.service), ("action", &record.action), ("resource_kind", &record.resource_kind)];
    let optional = [
        ("actor_name", &record.actor_name),
        ("resource_id", &record.resource_id),
        ("request_id", &record.request_id),
        ("address", &record.address),
    ];
    let is_clean = |text: &str| text.chars().count() <= MAX_TEXT_CHARACTERS && !text.contains('\0');
    let faulty = required.iter().find(|(_, text)| text.is_empty() || !is_clean(text));
    if let Some((field, _)) = faulty.or_else(|| optional.iter().find(|(_, text)| !is_clean(text))) {
        return Err(MalformedRecord::Field(field));
    }
    if record.time_ms <= 0 {
        return Err(MalformedRecord::Field("time_ms"));
    }
    Ok(AuditEntry {
        id: AuditId::from_uuid(required_uuid("id", &record.id)?),
        time: Timestamp::from_unix_ms(record.time_ms),
        actor_kind: ActorKind::parse(&record.actor_kind).ok_or(MalformedRecord::Field("actor_kind"))?,
        actor_id: optional_uuid("actor_id", &record.actor_id)?,
        outcome: AuditOutcome::parse(&record.outcome).ok_or(MalformedRecord::Field("outcome"))?,
        before: json_field("before_json", &record.before_json)?,
        after: json_field("after_json", &record.after_json)?,
        service: record.service,
        actor_name: record.actor_name,
        action: record.action,
        resource_kind: record.resource_kind,
        resource_id: record.resource_id,
        request_id: record.request_id,
        address: record.address,
    })
}

fn json_field(field: &'static str, text: &str) -> Result<Option<Value>, MalformedRecord> {
    if text.is_empty() {
        return Ok(None);
    }
    // PostgreSQL stores no NUL, also not an escaped one that a reader would unfold.
    if text.len() > MAX_JSON_BYTES || text.contains('\0') {
        return Err(MalformedRecord::Field(field));
    }
    serde_json::from_str(text).map(Some).map_err(|_| MalformedRecord::Field(field))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use serde_json::json;

    use super::*;

    fn entry() -> AuditEntry {
        let now = Timestamp::from_unix_ms(1_763_000_000_000);
        AuditEntry {
            id: AuditId::new_at(now),
            time: now,
            service: "auth".to_owned(),
            actor_kind: ActorKind::User,
            actor_id: Some(Uuid::from_u128(7)),
            actor_name: "ada".to_owned(),
            action: "user.update".to_owned(),
            resource_kind: "user".to_owned(),
            resource_id: "usr_1".to_owned(),
            outcome: AuditOutcome::Success,
            before: Some(json!({"role": "user"})),
            after: None,
            request_id: "req_1".to_owned(),
            address: "192.0.2.1".to_owned(),
        }
    }

    fn payload(entry: &AuditEntry) -> Bytes {
        match audit_record(entry) {
            Delivery::Message { payload, .. } => payload,
            Delivery::State { .. } => panic!("an audit record is a message"),
        }
    }

    #[test]
    fn a_record_arrives_as_it_was_sent() {
        let sent = entry();
        assert_eq!(audit_entry(payload(&sent)).unwrap(), sent);
    }

    #[test]
    fn malformed_records_are_refused() {
        assert!(audit_entry(Bytes::from_static(b"\xff\xff")).is_err());
        let cases: [fn(&mut AuditRecord); 5] = [
            |record| record.id = Bytes::from_static(b"short"),
            |record| record.outcome = "perhaps".to_owned(),
            |record| record.action.clear(),
            |record| record.after_json = "{".to_owned(),
            |record| record.address = "x".repeat(1_001),
        ];
        for break_it in cases {
            let mut record = AuditRecord::decode(payload(&entry())).unwrap();
            break_it(&mut record);
            assert!(audit_entry(record.encode_to_vec().into()).is_err(), "{record:?}");
        }
    }
}
