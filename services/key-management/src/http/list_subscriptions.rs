use actix_web::{get, web};
use maas_types::{
    Cursor, TeamId, UserId,
    input::{InputFault, MAX_NAME, check_text},
};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadSubscriptions};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    invalid,
    subscription_view::{SubscriptionBody, SubscriptionStatusBody},
};
use crate::{
    domain::subscriber::SubscriptionScope,
    service::{KeyService, access::ListSubscriptionsInput},
    store::{SubscriptionFilter, SubscriptionPosition},
};

/// All filters narrow each other.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListSubscriptionsQuery {
    #[param(inline)]
    status: Option<SubscriptionStatusBody>,
    /// Id or public name of a model.
    model: Option<String>,
    user_id: Option<UserId>,
    team_id: Option<TeamId>,
    /// Part of the model's name.
    q: Option<String>,
    /// Whether the answer says how many subscriptions all pages have together.
    total: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct SubscriptionPage {
    data: Vec<SubscriptionBody>,
    /// For the next page; null on the last one.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
    /// Of all pages; only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    total: Option<u64>,
}

impl ListSubscriptionsQuery {
    fn into_input(self, page: &PageQuery, visible: SubscriptionScope) -> Result<ListSubscriptionsInput, Problem> {
        let (limit, position) = page.checked::<SubscriptionPosition>()?;
        let mut faults: Vec<InputFault> = Vec::new();
        for (pointer, text) in [("?q", &self.q), ("?model", &self.model)] {
            check_text(pointer, text.as_deref().unwrap_or_default(), MAX_NAME, &mut faults);
        }
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        let model_id = self.model.as_deref().and_then(|text| text.parse().ok());
        let filter = SubscriptionFilter {
            visible,
            status: self.status.map(SubscriptionStatusBody::into_status),
            model_id,
            model_name: self.model.filter(|_| model_id.is_none()),
            user_id: self.user_id,
            team_id: self.team_id,
            text: self.q.filter(|text| !text.is_empty()),
        };
        Ok(ListSubscriptionsInput { filter, position, limit, with_total: self.total })
    }
}

/// Lists subscriptions, the newest first: one's own and those of one's teams, or everybody's for admins.
#[utoipa::path(
    operation_id = "listSubscriptions",
    tag = "subscriptions",
    params(ListSubscriptionsQuery, PageQuery),
    responses((status = 200, description = "A page of subscriptions", body = SubscriptionPage))
)]
#[get("/api/v1/subscriptions")]
pub async fn list_subscriptions(
    require: Require<ReadSubscriptions>,
    QueryParams((query, page)): QueryParams<(ListSubscriptionsQuery, PageQuery)>,
    service: web::Data<KeyService>,
) -> Result<web::Json<SubscriptionPage>, Problem> {
    let scope = service.subscription_scope(&require.caller, require.scope);
    let listed = service.list_subscriptions(query.into_input(&page, scope)?).await?;
    let now = service.clock.now();
    Ok(web::Json(SubscriptionPage {
        data: listed.subscriptions.iter().map(|subscription| SubscriptionBody::to_api(subscription, now)).collect(),
        next_cursor: listed.next.map(|position| Cursor::encode(&position).into_string()),
        total: listed.total,
    }))
}
