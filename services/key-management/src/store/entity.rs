//! The tables as they are.

pub mod keys {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        #[sea_orm(unique)]
        pub public_id: String,
        pub secret_mac: Vec<u8>,
        pub pepper_version: i32,
        #[sea_orm(column_type = "Text")]
        pub name: String,
        #[sea_orm(column_type = "Text")]
        pub description: String,
        pub owner_id: Uuid,
        pub team_id: Option<Uuid>,
        pub all_models: bool,
        /// A JSON object of texts, compact, keys in ascending order.
        #[sea_orm(column_type = "Text")]
        pub labels: String,
        pub status: String,
        pub expires_at: Option<i64>,
        pub created_at: i64,
        pub updated_at: i64,
        pub created_by: Option<Uuid>,
        pub revoked_at: Option<i64>,
        #[sea_orm(column_type = "Text", nullable)]
        pub revoke_reason: Option<String>,
        // The secret before the last rotation: all three or none.
        pub previous_secret_mac: Option<Vec<u8>>,
        pub previous_pepper_version: Option<i32>,
        pub previous_valid_until: Option<i64>,
        pub owner_kind: String,
        /// A JSON array of texts, never empty.
        #[sea_orm(column_type = "Text", nullable)]
        pub allowed_cidrs: Option<String>,
        /// A JSON array of texts, never empty.
        #[sea_orm(column_type = "Text", nullable)]
        pub allowed_operations: Option<String>,
        pub ephemeral: bool,
        pub last_used_at: Option<i64>,
        #[sea_orm(column_type = "Text", nullable)]
        pub last_used_address: Option<String>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(has_many = "super::key_models::Entity")]
        KeyModels,
    }

    impl Related<super::key_models::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::KeyModels.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod key_models {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_models")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub model: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {
        #[sea_orm(belongs_to = "super::keys::Entity", from = "Column::KeyId", to = "super::keys::Column::Id")]
        Keys,
    }

    impl Related<super::keys::Entity> for Entity {
        fn to() -> RelationDef {
            Relation::Keys.def()
        }
    }

    impl ActiveModelBehavior for ActiveModel {}
}

/// The labels again, as rows, for lists to be filtered by.
pub mod key_labels {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "key_labels")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false, column_type = "Text")]
        pub label: String,
        #[sea_orm(column_type = "Text")]
        pub value: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod idempotency_keys {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "idempotency_keys")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_hash: Vec<u8>,
        pub key_id: Uuid,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
