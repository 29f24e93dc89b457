//! An organisation as the API shows it.

use maas_types::{OrganisationId, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::team::{DEFAULT_ORGANISATION, Organisation};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Organisation)]
pub struct OrganisationView {
    pub id: OrganisationId,
    #[schema(example = "research")]
    pub name: String,
    /// Where teams are that nobody put elsewhere.
    pub is_default: bool,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The whole of what can be said of one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OrganisationRequest {
    /// Unique.
    #[schema(example = "research", min_length = 1, max_length = 255)]
    pub name: String,
}

impl OrganisationView {
    pub fn to_api(organisation: Organisation) -> Self {
        Self {
            is_default: organisation.id == DEFAULT_ORGANISATION,
            id: organisation.id,
            name: organisation.name,
            created_at: organisation.created_at,
            updated_at: organisation.updated_at,
        }
    }
}
