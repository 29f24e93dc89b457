use actix_web::{HttpResponse, get, web};
use maas_types::{SessionId, Timestamp};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ManageOwnSessions};
use serde::Serialize;
use utoipa::ToSchema;

use super::{page, session_of, store_problem};
use crate::{app::AuthState, domain::session::Session};

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub struct SessionView {
    pub id: SessionId,
    /// The session that asks.
    pub current: bool,
    pub created_at: Timestamp,
    /// Exact to a minute.
    pub last_seen_at: Timestamp,
    /// It ends then at the latest.
    pub expires_at: Timestamp,
    /// From where it was begun.
    #[schema(example = "192.0.2.17")]
    pub address: String,
    #[schema(example = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")]
    pub user_agent: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SessionPage {
    pub data: Vec<SessionView>,
    pub next_cursor: Option<String>,
}

/// List one's own sessions
#[utoipa::path(
    tag = "sessions",
    operation_id = "listSessions",
    params(PageQuery),
    responses((status = 200, description = "The sessions that have not ended, newest first", body = SessionPage))
)]
#[get("/api/v1/sessions")]
pub async fn list_sessions(
    require: Require<ManageOwnSessions>,
    state: web::Data<AuthState>,
    query: QueryParams<PageQuery>,
) -> Result<HttpResponse, Problem> {
    let (limit, after) = query.0.checked()?;
    let sessions = state.core().sessions_of(require.caller.user_id, limit, after).await.map_err(store_problem)?;
    let current = session_of(&require.caller);
    let (sessions, next_cursor) = page(sessions, limit, |session| session.id.uuid());
    let data = sessions.into_iter().map(|session| view(session, current)).collect();
    Ok(HttpResponse::Ok().json(SessionPage { data, next_cursor }))
}

fn view(session: Session, current: Option<SessionId>) -> SessionView {
    SessionView {
        id: session.id,
        current: current == Some(session.id),
        created_at: session.created_at,
        last_seen_at: session.last_seen_at,
        expires_at: session.expires_at,
        address: session.address,
        user_agent: session.user_agent,
    }
}
