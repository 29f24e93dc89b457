//! Every stream, subject and bucket, in one place.

/// Usage messages. Limits retention, discard new.
pub const USAGE_STREAM: &str = "MAAS_USAGE";
/// `<prefix>.<partition>`; the partition is a hash of the source, one partition by default.
pub const USAGE_SUBJECT_PREFIX: &str = "maas.usage.v1";

/// Audit records of every service, kept until auth has stored them.
pub const AUDIT_STREAM: &str = "MAAS_AUDIT";
pub const AUDIT_SUBJECT: &str = "maas.audit.v1";

/// Broadcast by usage-ingest after each commit; nothing keeps it.
pub const WATERMARK_SUBJECT: &str = "maas.watermark.v1";
/// Question and answer: `WatermarkQuery` → `Watermarks`.
pub const WATERMARK_QUERY_SUBJECT: &str = "maas.watermark.query.v1";
/// Question and answer: `KeyLookup` → `KeyLookupAnswer`, for a key that a proxy has not heard of.
pub const KEY_LOOKUP_SUBJECT: &str = "maas.keys.lookup.v1";

/// Question and answer: `KeyUsageQuery` → `KeyUsage`, for a key that asks about itself.
pub const KEY_USAGE_SUBJECT: &str = "maas.usage.key.v1";

/// Broadcast by each proxy: `KeyUses`, when and from where keys were used last.
pub const KEY_USES_SUBJECT: &str = "maas.keys.uses.v1";

/// Broadcast by each proxy: `UpstreamHealthReport`, how it finds the upstreams.
pub const UPSTREAM_HEALTH_SUBJECT: &str = "maas.upstreams.health.v1";

/// Broadcast by the owners of keys and people: `Revocations`.
pub const REVOCATION_SUBJECT: &str = "maas.revocation.v1";
/// Broadcast by each proxy: `ProxyHeartbeat`.
pub const PROXIES_SUBJECT: &str = "maas.proxies.v1";
/// Question and answer: `RevocationQuery` as JSON → `Revocations`, for proxies that have no internal address of the owner.
pub const AUTH_REVOCATIONS_SUBJECT: &str = "maas.revocation.auth.query.v1";
/// The same of key-management.
pub const KEY_REVOCATIONS_SUBJECT: &str = "maas.revocation.keys.query.v1";

/// Broadcast by auth: `CallersChanged`, whom to ask about again.
pub const CALLERS_CHANGED_SUBJECT: &str = "maas.callers.changed.v1";

/// The subject of a usage partition.
pub fn usage_subject(partition: u32) -> String {
    format!("{USAGE_SUBJECT_PREFIX}.{partition}")
}

/// A set of last values, one per key, each with a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    Keys,
    Users,
    Models,
    Teams,
    Plans,
    Subscriptions,
}

impl Bucket {
    pub const ALL: [Self; 6] = [Self::Keys, Self::Users, Self::Models, Self::Teams, Self::Plans, Self::Subscriptions];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Users => "users",
            Self::Models => "models",
            Self::Teams => "teams",
            Self::Plans => "plans",
            Self::Subscriptions => "subscriptions",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bucket| bucket.as_str() == text)
    }

    /// The JetStream stream that keeps the last value per subject.
    pub const fn stream(self) -> &'static str {
        match self {
            Self::Keys => "MAAS_STATE_KEYS",
            Self::Users => "MAAS_STATE_USERS",
            Self::Models => "MAAS_STATE_MODELS",
            Self::Teams => "MAAS_STATE_TEAMS",
            Self::Plans => "MAAS_STATE_PLANS",
            Self::Subscriptions => "MAAS_STATE_SUBSCRIPTIONS",
        }
    }

    /// The subject of one value; `key` is an id in hexadecimal digits.
    pub fn subject(self, key: &str) -> String {
        format!("maas.state.v1.{}.{key}", self.as_str())
    }
}
