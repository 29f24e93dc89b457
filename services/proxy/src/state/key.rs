//! What a key may do, as the proxy holds it.

use std::{
    collections::HashSet,
    net::IpAddr,
    sync::atomic::{AtomicI64, Ordering},
};

use maas_events::{state::KeyState, validate::optional_uuid};
use maas_keys::{KeyMac, PublicId};
use maas_types::{Cidr, KeyId, Operation, TeamId, Timestamp, UserId};

use super::sharded::Versioned;

/// One API key. Holds no secret: only the MAC that proves one.
#[derive(Debug)]
pub struct KeyGrant {
    pub id: KeyId,
    pub public_id: PublicId,
    pub mac: KeyMac,
    pub pepper_version: u32,
    pub owner: UserId,
    pub team: Option<TeamId>,
    /// `None`: all models that the owner may use.
    pub models: Option<HashSet<Box<str>>>,
    pub labels: Vec<(String, String)>,
    pub name: Box<str>,
    pub expires_at: Option<Timestamp>,
    pub changed_at: Timestamp,
    // Most keys have none of the following three, so that they cost a pointer each.
    previous: Option<Box<PreviousSecret>>,
    /// `None`: from everywhere.
    networks: Option<Box<[Cidr]>>,
    /// `None`: for everything.
    operations: Option<Box<[Operation]>>,
    /// When a use was last told to key-management; unix milliseconds.
    use_told_at: AtomicI64,
    status: Status,
    version: u64,
}

/// Between two uses of a key that key-management is told of.
const USE_INTERVAL_MS: u64 = 60_000;

/// The secret before the last rotation, while it still works.
#[derive(Debug)]
struct PreviousSecret {
    mac: KeyMac,
    pepper_version: u32,
    valid_until: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Active,
    Blocked,
    Revoked,
    Deleted,
}

/// What a key is worth right now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyStanding {
    Active,
    Blocked,
    Expired,
    Revoked,
}

#[derive(Debug, thiserror::Error)]
#[error("the state of a key is not understood: {0}")]
pub struct InvalidKeyState(&'static str);

impl KeyGrant {
    pub fn standing(&self, now: Timestamp) -> KeyStanding {
        match self.status {
            Status::Revoked | Status::Deleted => KeyStanding::Revoked,
            Status::Blocked => KeyStanding::Blocked,
            Status::Active if self.expires_at.is_some_and(|end| end <= now) => KeyStanding::Expired,
            Status::Active => KeyStanding::Active,
        }
    }

    pub fn is_revoked(&self) -> bool {
        self.status == Status::Revoked
    }

    /// Whether the key's own list lets this model through.
    pub fn lists(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.contains(model))
    }

    /// Whether the key may be used from this address, which is the client's and not a trusted proxy's.
    pub fn allows_from(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }

    /// Whether it may be used from everywhere.
    pub fn is_unbound(&self) -> bool {
        self.networks.is_none()
    }

    pub fn allows_operation(&self, operation: Operation) -> bool {
        self.operations.as_ref().is_none_or(|operations| operations.contains(&operation))
    }

    /// True once a minute, for one of the threads that ask: key-management is to be told of this use.
    pub fn is_use_to_be_told(&self, now: Timestamp) -> bool {
        let (now, told) = (now.unix_ms(), self.use_told_at.load(Ordering::Relaxed));
        // Either way, since clocks go back.
        now.abs_diff(told) >= USE_INTERVAL_MS
            && self.use_told_at.compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// MAC and pepper version of the secret before the last rotation, while that still works.
    pub fn previous_mac(&self, now: Timestamp) -> Option<(&KeyMac, u32)> {
        let previous = self.previous.as_ref().filter(|previous| now < previous.valid_until)?;
        Some((&previous.mac, previous.pepper_version))
    }

    pub fn from_state(state: KeyState) -> Result<Self, InvalidKeyState> {
        use maas_events::state::KeyStatus;
        let id = maas_events::validate::required_uuid("id", &state.id).map_err(|_| InvalidKeyState("id"))?;
        let owner = optional_uuid("owner_id", &state.owner_id).map_err(|_| InvalidKeyState("owner_id"))?;
        let team = optional_uuid("team_id", &state.team_id).map_err(|_| InvalidKeyState("team_id"))?;
        let status = match KeyStatus::try_from(state.status) {
            _ if state.deleted => Status::Deleted,
            Ok(KeyStatus::Active) => Status::Active,
            Ok(KeyStatus::Blocked) => Status::Blocked,
            Ok(KeyStatus::Revoked) => Status::Revoked,
            Ok(KeyStatus::Unspecified) | Err(_) => return Err(InvalidKeyState("status")),
        };
        Ok(Self {
            previous: previous_secret(&state)?,
            networks: narrowed(&state.allowed_cidrs, |text| text.parse().ok()),
            operations: narrowed(&state.allowed_operations, Operation::parse),
            id: KeyId::from_uuid(id),
            public_id: state.public_id.parse().map_err(|_| InvalidKeyState("public_id"))?,
            mac: state.secret_mac.as_ref().try_into().map_err(|_| InvalidKeyState("secret_mac"))?,
            pepper_version: state.pepper_version,
            owner: UserId::from_uuid(owner.ok_or(InvalidKeyState("owner_id"))?),
            team: team.map(TeamId::from_uuid),
            models: (!state.all_models).then(|| state.models.into_iter().map(String::into_boxed_str).collect()),
            labels: state.labels.into_iter().collect(),
            name: state.name.into_boxed_str(),
            expires_at: (state.expires_at_ms != 0).then(|| Timestamp::from_unix_ms(state.expires_at_ms)),
            changed_at: Timestamp::from_unix_ms(state.changed_at_ms),
            use_told_at: AtomicI64::new(0),
            status,
            version: state.version,
        })
    }
}

fn previous_secret(state: &KeyState) -> Result<Option<Box<PreviousSecret>>, InvalidKeyState> {
    if state.previous_secret_mac.is_empty() {
        return Ok(None);
    }
    let mac = state.previous_secret_mac.as_ref().try_into().map_err(|_| InvalidKeyState("previous_secret_mac"))?;
    let valid_until = Timestamp::from_unix_ms(state.previous_valid_until_ms);
    Ok(Some(Box::new(PreviousSecret { mac, pepper_version: state.previous_pepper_version, valid_until })))
}

/// What a list of permitted things comes to; `None` for an empty one, which permits everything. An entry that this
/// version does not understand permits nothing, and the list stays a list.
fn narrowed<T>(texts: &[String], parse: impl Fn(&str) -> Option<T>) -> Option<Box<[T]>> {
    (!texts.is_empty()).then(|| texts.iter().filter_map(|text| parse(text)).collect())
}

impl Versioned for KeyGrant {
    fn version(&self) -> u64 {
        self.version
    }

    /// A revoked key stays visible, so that its holder is told what happened.
    fn is_tombstone(&self) -> bool {
        self.status == Status::Deleted
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;
    use maas_events::state::KeyStatus;

    use super::*;

    fn grant(change: impl FnOnce(&mut KeyState)) -> KeyGrant {
        let mut state = KeyState {
            id: Bytes::from_static(&[1; 16]),
            owner_id: Bytes::from_static(&[2; 16]),
            public_id: "0123456789abcdef".to_owned(),
            secret_mac: Bytes::from_static(&[3; 32]),
            status: KeyStatus::Active.into(),
            all_models: true,
            ..KeyState::default()
        };
        change(&mut state);
        KeyGrant::from_state(state).unwrap()
    }

    #[test]
    fn the_secret_before_works_until_the_end_of_the_overlap() {
        let rotated = grant(|state| {
            state.previous_secret_mac = Bytes::from_static(&[4; 32]);
            state.previous_pepper_version = 7;
            state.previous_valid_until_ms = 1_000;
        });
        assert_eq!(rotated.previous_mac(Timestamp::from_unix_ms(999)), Some((&[4; 32], 7)));
        assert_eq!(rotated.previous_mac(Timestamp::from_unix_ms(1_000)), None);
        assert_eq!(grant(|_| {}).previous_mac(Timestamp::from_unix_ms(0)), None);
    }

    #[test]
    fn addresses_outside_the_networks_are_refused() {
        let bound = grant(|state| state.allowed_cidrs = vec!["10.0.0.0/8".to_owned(), "fd00::/8".to_owned()]);
        let from = |address: &str| bound.allows_from(address.parse().unwrap());
        assert!(from("10.1.2.3") && from("::ffff:10.1.2.3") && from("fd12::1"));
        assert!(!from("11.0.0.1") && !from("2001:db8::1"));
        assert!(grant(|_| {}).allows_from("203.0.113.9".parse().unwrap()));
    }

    #[test]
    fn operations_outside_the_list_are_refused() {
        let chat = grant(|state| state.allowed_operations = vec!["chat".to_owned()]);
        assert!(chat.allows_operation(Operation::Chat) && !chat.allows_operation(Operation::Embeddings));
        assert!(grant(|_| {}).allows_operation(Operation::Speech));
    }

    #[test]
    fn a_list_of_things_unknown_here_permits_nothing() {
        let newer = grant(|state| {
            state.allowed_operations = vec!["dream".to_owned()];
            state.allowed_cidrs = vec!["planet:mars".to_owned()];
        });
        assert!(!newer.allows_operation(Operation::Chat));
        assert!(!newer.allows_from("127.0.0.1".parse().unwrap()));
    }
}
