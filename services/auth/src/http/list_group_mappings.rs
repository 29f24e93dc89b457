use actix_web::{HttpResponse, get, web};
use maas_types::{Role, TeamId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadGroupMappings};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{check_filter, group_mapping_view::GroupMappingView, no_faults, page, store_problem};
use crate::{app::AuthState, store::group_mapping::GroupMappingFilter};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListGroupMappingsQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// `next_cursor` of the previous page.
    pub cursor: Option<String>,
    /// Exactly.
    #[param(example = "llm-admins")]
    pub group: Option<String>,
    /// Those that name this provider.
    #[param(example = "corp")]
    pub provider: Option<String>,
    pub role: Option<Role>,
    pub team_id: Option<TeamId>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct GroupMappingPage {
    pub data: Vec<GroupMappingView>,
    pub next_cursor: Option<String>,
}

/// List group mappings
#[utoipa::path(
    tag = "group-mappings",
    operation_id = "listGroupMappings",
    params(ListGroupMappingsQuery),
    responses((status = 200, description = "Group mappings, newest first", body = GroupMappingPage))
)]
#[get("/api/v1/group-mappings")]
pub async fn list_group_mappings(
    _require: Require<ReadGroupMappings>,
    state: web::Data<AuthState>,
    query: QueryParams<ListGroupMappingsQuery>,
) -> Result<HttpResponse, Problem> {
    let query = query.0;
    let (limit, after) = PageQuery::new(query.limit, query.cursor).checked()?;
    let texts = [("group", &query.group), ("provider", &query.provider)];
    no_faults(texts.into_iter().filter_map(|(name, text)| check_filter(name, text.as_ref())))?;
    let ListGroupMappingsQuery { group, provider: provider_id, role, team_id, .. } = query;
    let filter = GroupMappingFilter { group, provider_id, role, team_id };
    let mappings = state.core().group_mappings(&filter, limit, after).await.map_err(store_problem)?;
    let (mappings, next_cursor) = page(mappings, limit, |mapping| mapping.id);
    let data = mappings.into_iter().map(GroupMappingView::to_api).collect();
    Ok(HttpResponse::Ok().json(GroupMappingPage { data, next_cursor }))
}
