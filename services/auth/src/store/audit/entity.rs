//! The rows of the audit book.

use sea_orm::entity::prelude::*;

use crate::domain::audit_chain::StoredText;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "audit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub time_ms: i64,
    pub service: String,
    pub actor_kind: String,
    pub actor_id: Option<Uuid>,
    pub actor_name: String,
    pub action: String,
    pub resource_kind: String,
    pub resource_id: String,
    pub outcome: String,
    #[sea_orm(column_type = "Text")]
    pub before_json: String,
    #[sea_orm(column_type = "Text")]
    pub after_json: String,
    pub request_id: String,
    pub address: String,
    /// Of storing, in days since the epoch.
    pub day: i32,
    pub sequence: i64,
    pub digest: Vec<u8>,
}

impl Model {
    /// What the digest covers.
    pub fn text(&self) -> StoredText<'_> {
        StoredText {
            id: self.id,
            time_ms: self.time_ms,
            actor_id: self.actor_id,
            texts: [
                &self.service,
                &self.actor_kind,
                &self.actor_name,
                &self.action,
                &self.resource_kind,
                &self.resource_id,
                &self.outcome,
                &self.before_json,
                &self.after_json,
                &self.request_id,
                &self.address,
            ],
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// A line for each day that ever had an entry.
pub mod day {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "audit_days")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub day: i32,
        pub previous_digest: Vec<u8>,
        pub entries: i64,
        pub digest: Vec<u8>,
        pub removed_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
