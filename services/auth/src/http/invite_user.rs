use actix_web::{HttpResponse, post, web};
use maas_types::Role;
use maas_web::{FieldFault, JsonBody, Problem, Require, etag, middleware::RequestContext, permission::ManageUsers};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{directory::required_text_faults, initiator, name_fault, no_faults, user_view::UserView};
use crate::{app::AuthState, domain::user::Invitee, service::invitations::InviteUserInput};

/// Longer ones of a provider are refused or cut off at a sign-in.
const MAX_SUBJECT: usize = 255;
const MAX_PROVIDER_NAME: usize = 200;

/// Exactly one of `subject` and `provider_user_name` is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct InviteUserRequest {
    /// Where the person will sign in.
    #[schema(example = "corp")]
    pub provider: String,
    /// The person's id at the provider: nobody else can come in on this invitation.
    #[schema(example = "248289761001", max_length = 255)]
    pub subject: Option<String>,
    /// What the provider calls the person. The first one who comes under this name is the one who was invited.
    #[schema(example = "ada", max_length = 200)]
    pub provider_user_name: Option<String>,
    #[schema(example = "Ada Lovelace", min_length = 1, max_length = 255)]
    pub display_name: Option<String>,
    /// `user` when left out.
    pub role: Option<Role>,
}

/// Invite a person who signs in elsewhere
///
/// They have an account from their first sign-in on. Who is known already keeps their account.
#[utoipa::path(
    tag = "users",
    operation_id = "inviteUser",
    request_body = InviteUserRequest,
    responses(
        (status = 201, description = "The user, who has not come yet", body = UserView),
        (status = 400, description = "There is no such provider, or not exactly one of subject and name is given"),
        (status = 409, description = "The person has an account or is invited"),
        (status = 503, description = "The provider does not say who it is"),
    )
)]
#[post("/api/v1/users/invite")]
pub async fn invite_user(
    require: Require<ManageUsers>,
    context: RequestContext,
    state: web::Data<AuthState>,
    body: JsonBody<InviteUserRequest>,
) -> Result<HttpResponse, Problem> {
    let input = checked(body.0)?;
    let user = state.core().invite_user(input, &initiator(&require.caller, context)).await?;
    Ok(HttpResponse::Created()
        .insert_header(("location", format!("/api/v1/users/{}", user.id)))
        .insert_header(etag::header(user.version))
        .json(UserView::to_api(user)))
}

fn checked(body: InviteUserRequest) -> Result<InviteUserInput, Problem> {
    let (who, who_faults) = match (body.subject, body.provider_user_name) {
        (Some(subject), None) => {
            let faults = required_text_faults("/subject", &subject, MAX_SUBJECT);
            (Invitee::Subject(subject), faults)
        }
        (None, Some(name)) => {
            let faults = required_text_faults("/provider_user_name", &name, MAX_PROVIDER_NAME);
            (Invitee::Name(name), faults)
        }
        _ => {
            let detail = "give either subject or provider_user_name";
            return Err(Problem::invalid(vec![FieldFault::new("/subject", "required", detail)]));
        }
    };
    no_faults(name_fault("/display_name", body.display_name.as_ref()).into_iter().chain(who_faults))?;
    let role = body.role.unwrap_or(Role::User);
    Ok(InviteUserInput { provider_id: body.provider, who, display_name: body.display_name, role })
}
