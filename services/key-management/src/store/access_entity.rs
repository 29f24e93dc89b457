//! The tables of plans and subscriptions as they are.

pub mod subscriptions {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subscriptions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        pub subscriber_kind: String,
        pub subscriber_id: Uuid,
        pub model_id: Uuid,
        #[sea_orm(column_type = "Text")]
        pub model_name: String,
        pub model_version: i64,
        pub status: String,
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        pub expires_at: Option<i64>,
        pub created_at: i64,
        pub updated_at: i64,
        pub created_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod subscription_transitions {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "subscription_transitions")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub subscription_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub version: i64,
        pub from_status: Option<String>,
        pub to_status: String,
        pub actor_id: Option<Uuid>,
        #[sea_orm(column_type = "Text")]
        pub actor_name: String,
        #[sea_orm(column_type = "Text")]
        pub reason: String,
        pub at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// What was last known of the models that anybody ever subscribed to.
pub mod seen_models {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seen_models")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub model_id: Uuid,
        pub version: i64,
        pub restricted: bool,
        /// Subscriptions that became active before this version of the model have still to go back to pending.
        pub restricted_since: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod plans {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "plans")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        #[sea_orm(column_type = "Text")]
        pub name: String,
        pub level: i64,
        /// A JSON array of texts.
        #[sea_orm(column_type = "Text")]
        pub groups: String,
        /// A JSON array of texts, never empty; null for all models.
        #[sea_orm(column_type = "Text", nullable)]
        pub models: Option<String>,
        pub is_default: bool,
        pub created_at: i64,
        pub updated_at: i64,
        pub deleted_at: Option<i64>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod access_requests {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "access_requests")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub caller_id: Uuid,
        #[sea_orm(primary_key, auto_increment = false)]
        pub kind: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key_hash: Vec<u8>,
        pub resource_id: Uuid,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
