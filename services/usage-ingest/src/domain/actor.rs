//! Who changes something, as rows and audit records tell it.

use maas_types::UserId;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub id: UserId,
    pub name: String,
    pub request_id: String,
    pub address: String,
}
