use actix_web::{get, web};
use maas_types::input::{InputFault, MAX_NAME, check_text};
use maas_types::{Cursor, UserId};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadKeys};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    body::{KeyBody, KeyStatusBody},
    invalid,
};
use crate::{
    domain::labels::is_label_key,
    service::{KeyService, ListKeysInput},
    store::KeyFilter,
};

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListKeysQuery {
    /// Rows of a page, 1 to 1000; 50 when left out.
    #[serde(default)]
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u32>,
    /// `next_cursor` of the previous page.
    #[serde(default)]
    cursor: Option<String>,
    /// Keys of this person. Who may only see their own keys finds nothing of others.
    #[serde(default)]
    owner_id: Option<UserId>,
    #[serde(default)]
    #[param(inline)]
    status: Option<KeyStatusBody>,
    /// Keys whose own list allows this model, by its public name; those without a list included.
    #[serde(default)]
    model: Option<String>,
    /// Part of the name or of the public id.
    #[serde(default)]
    q: Option<String>,
    /// `key:value`, both exact.
    #[serde(default)]
    #[param(example = "stage:production")]
    label: Option<String>,
}

/// Newest first.
#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPage {
    data: Vec<KeyBody>,
    /// For the next page; null on the last one.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
}

impl ListKeysQuery {
    fn into_input(self) -> Result<ListKeysInput, Problem> {
        let (limit, position) = PageQuery::new(self.limit, self.cursor).checked()?;
        let mut faults = Vec::new();
        for (pointer, text) in [("?q", &self.q), ("?model", &self.model)] {
            check_text(pointer, text.as_deref().unwrap_or(""), MAX_NAME, &mut faults);
        }
        let label = self.label.as_deref().and_then(|text| parse_label(text, &mut faults));
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        let filter = KeyFilter {
            visible_owner: None,
            owner_id: self.owner_id,
            status: self.status.map(KeyStatusBody::into_shown),
            model: self.model,
            text: self.q.filter(|text| !text.is_empty()),
            label,
        };
        Ok(ListKeysInput { filter, position, limit })
    }
}

fn parse_label(text: &str, faults: &mut Vec<InputFault>) -> Option<(String, String)> {
    let parsed = text.split_once(':').filter(|(key, _)| is_label_key(key));
    if parsed.is_none() {
        faults.push(InputFault::new("?label", "invalid_value", "write key:value"));
    }
    parsed.map(|(key, value)| (key.to_owned(), value.to_owned()))
}

/// Lists API keys, newest first: one's own, or everybody's for admins.
#[utoipa::path(
    operation_id = "listKeys",
    tag = "keys",
    params(ListKeysQuery),
    responses((status = 200, description = "A page of keys", body = KeyPage))
)]
#[get("/api/v1/keys")]
pub async fn list_keys(
    require: Require<ReadKeys>,
    query: QueryParams<ListKeysQuery>,
    service: web::Data<KeyService>,
) -> Result<web::Json<KeyPage>, Problem> {
    let (keys, next) = service.list_keys(query.0.into_input()?, require.scope).await?;
    let now = service.clock.now();
    Ok(web::Json(KeyPage {
        data: keys.iter().map(|key| KeyBody::to_api(key, now)).collect(),
        next_cursor: next.map(|position| Cursor::encode(&position).into_string()),
    }))
}
