//! The tables as they are.

pub mod models {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "models")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        #[sea_orm(unique)]
        pub name: String,
        pub display_name: String,
        pub description: String,
        /// A JSON list of texts, as `capabilities` and `tags`.
        pub aliases: String,
        pub provider: String,
        pub family: String,
        pub category: String,
        pub kind: String,
        pub capabilities: String,
        pub context_length: i64,
        pub max_output_tokens: i64,
        pub owner: String,
        pub licence: String,
        pub tags: String,
        pub lifecycle: String,
        pub enabled: bool,
        pub restricted: bool,
        pub available: bool,
        pub routing: String,
        pub affinity: String,
        /// A JSON list of texts, as `context_fallbacks`.
        pub fallbacks: String,
        pub context_fallbacks: String,
        pub source_id: Option<Uuid>,
        pub source_key: Option<String>,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod model_tombstones {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "model_tombstones")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub version: i64,
        pub name: String,
        pub deleted_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod upstreams {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "upstreams")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub model_id: Uuid,
        pub version: i64,
        pub name: String,
        pub base_url: String,
        pub dialect: String,
        pub upstream_model: String,
        pub credential_kind: String,
        /// The variable or the file.
        pub credential_reference: Option<String>,
        pub credential_key_version: Option<i64>,
        pub credential_nonce: Option<Vec<u8>>,
        pub credential_ciphertext: Option<Vec<u8>>,
        pub weight: i64,
        pub priority: i64,
        pub enabled: bool,
        pub mirror: bool,
        pub capacity: i64,
        pub connect_timeout_ms: i64,
        pub first_byte_timeout_ms: i64,
        pub gap_timeout_ms: i64,
        pub total_timeout_ms: i64,
        /// A JSON object of texts.
        pub headers: String,
        /// A JSON list of texts.
        pub native_apis: String,
        pub api_version: String,
        pub ca_file: String,
        pub instance: String,
        pub health_path: String,
        pub source_id: Option<Uuid>,
        pub created_at: i64,
        pub updated_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod prices {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "prices")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub model_id: Uuid,
        pub effective_from: i64,
        pub currency: String,
        pub input: i64,
        pub cached_input: Option<i64>,
        pub cache_write_input: Option<i64>,
        pub audio_input: Option<i64>,
        pub output: i64,
        pub reasoning_output: Option<i64>,
        pub audio_output: Option<i64>,
        pub image: i64,
        pub request: i64,
        pub created_at: i64,
        pub created_by: Option<Uuid>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

pub mod sources {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sources")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        #[sea_orm(unique)]
        pub name: String,
        pub kind: String,
        pub location: String,
        pub credential_variable: Option<String>,
        pub instance: String,
        /// JSON of the source's settings.
        pub settings: String,
        pub configured: bool,
        pub last_run_at: Option<i64>,
        pub last_success_at: Option<i64>,
        /// JSON of the counts.
        pub last_result: Option<String>,
        pub last_error: Option<String>,
        pub created_at: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}
