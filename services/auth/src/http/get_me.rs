use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, get, web};
use maas_types::{Role, TeamId, TeamRole};
use maas_web::{
    Caller, Credential, Problem, ProblemCode, Via, WebSettings,
    caller::{authenticate, credential, csrf_token},
    permission::{self, Grant},
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{store_problem, user_view::UserView};
use crate::{app::AuthState, domain::user_facts::UserFacts};

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = AuthenticatedVia)]
pub enum ViaView {
    Session,
    Token,
}

/// Whose things a permission covers.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PermissionScope {
    Own,
    All,
}

/// A team that the caller is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct OwnTeam {
    pub id: TeamId,
    #[schema(example = "search")]
    pub name: String,
    /// The highest one, if there are several.
    pub role: TeamRole,
    /// Usage without a team's key is booked to it.
    pub is_default: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Me {
    pub user: UserView,
    /// Of the last sign-in or token exchange; plans go by them.
    #[schema(example = json!(["data-science", "llm-users"]))]
    pub groups: Vec<String>,
    pub teams: Vec<OwnTeam>,
    /// How the caller proved who they are.
    pub via: ViaView,
    /// The session can do nothing but change the password.
    pub must_change_password: bool,
    /// What the caller's role allows; what is not listed is denied.
    #[schema(example = json!({"keys.read": "own", "models.read": "own"}))]
    pub permissions: BTreeMap<&'static str, PermissionScope>,
    /// Send it in `x-csrf-token` with each change; only with a session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csrf_token: Option<String>,
}

/// Who am I
///
/// Also works while the one-time password is in use.
#[utoipa::path(
    tag = "sessions",
    operation_id = "getMe",
    responses((status = 200, description = "The caller", body = Me))
)]
#[get("/api/v1/me")]
pub async fn get_me(
    request: HttpRequest,
    state: web::Data<AuthState>,
    web_settings: web::Data<WebSettings>,
) -> Result<HttpResponse, Problem> {
    let caller = authenticate(&request).await?;
    let facts = state.core().user_facts(caller.user_id).await.map_err(store_problem)?;
    let facts = facts.ok_or_else(|| Problem::new(ProblemCode::NotAuthenticated))?;
    let teams = own_teams(&state, &facts).await?;
    let csrf_token = match credential(&request, &web_settings)? {
        Some(Credential::Session(secret)) => Some(csrf_token(&secret)),
        _ => None,
    };
    Ok(HttpResponse::Ok().json(Me {
        user: UserView::to_api(facts.user),
        groups: facts.groups,
        teams,
        via: via(&caller),
        must_change_password: caller.must_change_password,
        permissions: permissions_of(caller.role),
        csrf_token,
    }))
}

async fn own_teams(state: &AuthState, facts: &UserFacts) -> Result<Vec<OwnTeam>, Problem> {
    let roles = facts.teams();
    let ids = roles.iter().map(|(team, _)| *team).collect();
    let mut names = state.core().teams_named(ids).await.map_err(store_problem)?;
    let own = roles.into_iter().filter_map(|(id, role)| {
        let at = names.iter().position(|team| team.id == id)?;
        let is_default = facts.user.default_team_id == Some(id);
        Some(OwnTeam { id, name: names.swap_remove(at).name, role, is_default })
    });
    Ok(own.collect())
}

fn via(caller: &Caller) -> ViaView {
    match caller.via {
        Via::Session(_) => ViaView::Session,
        Via::Token(_) | Via::InferenceToken(_) => ViaView::Token,
    }
}

fn permissions_of(role: Role) -> BTreeMap<&'static str, PermissionScope> {
    let granted = permission::TABLE.iter().map(|(name, user, readonly, admin)| match role {
        Role::User => (*name, *user),
        Role::AdminReadonly => (*name, *readonly),
        Role::Admin => (*name, *admin),
    });
    granted
        .filter_map(|(name, grant)| match grant {
            Grant::Denied => None,
            Grant::Own => Some((name, PermissionScope::Own)),
            Grant::All => Some((name, PermissionScope::All)),
        })
        .collect()
}
