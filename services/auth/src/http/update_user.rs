use actix_web::{HttpResponse, patch, web};
use maas_types::{Role, TeamId, UserId};
use maas_web::{
    JsonBody, PathParam, Problem, Require,
    etag::{self, IfMatch},
    middleware::RequestContext,
    permission::ManageUsers,
};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    initiator, name_fault, no_faults,
    user_view::{ChangedUserView, StatusChange},
};
use crate::{app::AuthState, domain::user::UserChange};

/// What is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UpdateUserRequest {
    /// The role that an admin gives. Groups may give a higher one, which then counts.
    pub role: Option<Role>,
    /// Disabling a user ends their sessions, tokens and keys. Who was invited stays so until they come.
    pub status: Option<StatusChange>,
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 255)]
    pub display_name: Option<String>,
    /// A team that the user owns or is a member of.
    pub default_team_id: Option<TeamId>,
}

/// Change a user
#[utoipa::path(
    tag = "users",
    operation_id = "updateUser",
    params(
        ("id" = UserId, Path, description = "The user"),
        ("if-match" = Option<String>, Header, description = "The ETag of the user as it was read", example = "\"3\""),
    ),
    request_body = UpdateUserRequest,
    responses(
        (status = 200, description = "The user after the change", body = ChangedUserView),
        (status = 404, description = "No such user"),
        (status = 409, description = "The last active admin can be neither demoted nor disabled; the user is not in the team; or the user was changed at the same time"),
        (status = 412, description = "The user was changed since it was read"),
    )
)]
#[patch("/api/v1/users/{id}")]
pub async fn update_user(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    id: PathParam<UserId>,
    if_match: IfMatch,
    body: JsonBody<UpdateUserRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    no_faults(name_fault("/display_name", body.display_name.as_ref()))?;
    let change = UserChange {
        role: body.role,
        status: body.status.map(StatusChange::from_api),
        display_name: body.display_name,
        default_team: body.default_team_id,
    };
    let initiator = initiator(&require.caller, context);
    let changed = state.core().update_user(id.0, &change, if_match.0, &initiator).await?;
    let etag = etag::header(changed.user.version);
    Ok(HttpResponse::Ok().insert_header(etag).json(ChangedUserView::to_api(changed)))
}
