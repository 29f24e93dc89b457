//! The outbox row.

use maas_events::{Bucket, Delivery};
use sea_orm::entity::prelude::*;

use crate::{error::StoreError, ids::unsigned_from_db};

pub const MESSAGE: i16 = 1;
pub const STATE: i16 = 2;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: i16,
    /// The subject of a message, the bucket of a state value.
    pub target: String,
    /// The id of a message, the key of a state value.
    pub delivery_key: String,
    pub version: i64,
    /// `name: value` lines.
    #[sea_orm(column_type = "Text")]
    pub headers: String,
    pub payload: Vec<u8>,
    pub created_at: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

pub fn headers_to_db(headers: &[(&'static str, String)]) -> String {
    headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// Header names are ours; those of another version are not sent on.
const HEADER_NAMES: [&str; 2] = ["traceparent", "Maas-Source"];

fn headers_from_db(text: &str) -> Vec<(&'static str, String)> {
    let split = text.lines().filter_map(|line| line.split_once(": "));
    split
        .filter_map(|(name, value)| {
            let known = HEADER_NAMES.into_iter().find(|known| *known == name)?;
            Some((known, value.to_owned()))
        })
        .collect()
}

impl Model {
    pub fn into_delivery(self) -> Result<Delivery, StoreError> {
        match self.kind {
            MESSAGE => Ok(Delivery::Message {
                subject: self.target,
                id: self.delivery_key,
                headers: headers_from_db(&self.headers),
                payload: self.payload.into(),
            }),
            STATE => Ok(Delivery::State {
                bucket: Bucket::parse(&self.target).ok_or_else(|| StoreError::corrupt("outbox", "target", self.id))?,
                version: unsigned_from_db("outbox", "version", self.id, self.version)?,
                key: self.delivery_key,
                value: self.payload.into(),
            }),
            _ => Err(StoreError::corrupt("outbox", "kind", self.id)),
        }
    }
}
