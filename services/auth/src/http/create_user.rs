use actix_web::{HttpResponse, post, web};
use maas_types::Role;
use maas_web::{JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageUsers};
use secrecy::ExposeSecret as _;
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    initiator, name_fault, no_faults,
    user_view::{UserView, UserWithOneTimePassword},
};
use crate::{app::AuthState, service::users::CreateUserInput};

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateUserRequest {
    /// Unique; never changes.
    #[schema(example = "ada", min_length = 1, max_length = 255)]
    pub user_name: String,
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 255)]
    pub display_name: Option<String>,
    /// `user` when left out.
    pub role: Option<Role>,
}

/// Create a user
///
/// The user signs in with the one-time password of the answer, and has to change it then.
#[utoipa::path(
    tag = "users",
    operation_id = "createUser",
    request_body = CreateUserRequest,
    responses(
        (status = 201, description = "The user, with a password that is never shown again", body = UserWithOneTimePassword),
        (status = 409, description = "The user name is taken"),
    )
)]
#[post("/api/v1/users")]
pub async fn create_user(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: JsonBody<CreateUserRequest>,
) -> Result<HttpResponse, Problem> {
    let body = body.0;
    let faults =
        [name_fault("/user_name", Some(&body.user_name)), name_fault("/display_name", body.display_name.as_ref())];
    no_faults(faults.into_iter().flatten())?;
    let input = CreateUserInput {
        user_name: body.user_name,
        display_name: body.display_name,
        role: body.role.unwrap_or(Role::User),
    };
    let created = state.core().create_user(input, &initiator(&require.caller, context)).await?;
    let location = format!("/api/v1/users/{}", created.user.id);
    let answer = HttpResponse::Created()
        .insert_header(("location", location))
        .insert_header(etag::header(created.user.version))
        .json(UserWithOneTimePassword {
            user: UserView::to_api(created.user),
            one_time_password: created.one_time_password.expose_secret().to_owned(),
        });
    Ok(answer)
}
