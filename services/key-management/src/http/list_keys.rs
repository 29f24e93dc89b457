use actix_web::{get, web};
use maas_types::{
    Cursor, TeamId, Timestamp, UserId,
    input::{InputFault, MAX_NAME, check_text},
};
use maas_web::{PageQuery, Problem, QueryParams, Require, permission::ReadKeys};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{
    body::{KeyBody, KeyStatusBody, OwnerKindBody},
    invalid,
};
use crate::{
    domain::{labels::is_label_key, owner::KeyScope},
    service::{KeyService, ListKeysInput},
    store::{EphemeralFilter, KeyFilter, KeyOrder, KeyPosition, KeySort, ModelFilter},
};

/// All filters narrow each other.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListKeysQuery {
    /// Keys of this person or service account. Who may only see their own keys finds nothing of others.
    owner_id: Option<UserId>,
    /// Keys of people, or of service accounts.
    #[param(inline)]
    owner_kind: Option<OwnerKindBody>,
    team_id: Option<TeamId>,
    #[param(inline)]
    status: Option<KeyStatusBody>,
    /// Keys whose own list allows this model, by its public name; those without a list included.
    model: Option<String>,
    /// Part of the name or of the public id.
    q: Option<String>,
    /// `key:value`, both exact. Several: keys that have all of them.
    #[param(example = json!(["stage:production"]))]
    label: Vec<String>,
    /// Keys that end before this time, or have ended.
    expires_before: Option<Timestamp>,
    /// Keys that were neither used nor made since this time.
    unused_since: Option<Timestamp>,
    /// true: ephemeral keys only, those that have ended too; false: none of them. When left out, those that work.
    ephemeral: Option<bool>,
    /// Last used: a key that never was is the least. Expiry: a key without one is the last.
    #[param(inline)]
    sort: KeySortBody,
    /// asc or desc; by name and expiry asc when left out, else desc.
    #[param(inline)]
    order: Option<DirectionBody>,
    /// Whether the answer says how many keys all pages have together.
    total: bool,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeySortBody {
    #[default]
    Created,
    Name,
    LastUsed,
    Expiry,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DirectionBody {
    Asc,
    Desc,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct KeyPage {
    data: Vec<KeyBody>,
    /// For the next page; null on the last one.
    #[schema(example = json!(null))]
    next_cursor: Option<String>,
    /// Of all pages; only when it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 3)]
    total: Option<u64>,
}

impl ListKeysQuery {
    fn into_input(self, page: &PageQuery, scope: KeyScope) -> Result<ListKeysInput, Problem> {
        let (limit, position) = page.checked::<KeyPosition>()?;
        let order = self.order();
        let mut faults = Vec::new();
        if position.as_ref().is_some_and(|position| !position.is_of(order.by)) {
            let detail = "not a cursor of this order: pass `next_cursor` of the previous page with the same query";
            faults.push(InputFault::new("?cursor", "invalid_cursor", detail));
        }
        let with_total = self.total;
        let filter = self.into_filter(scope, &mut faults);
        if !faults.is_empty() {
            return Err(invalid(faults));
        }
        Ok(ListKeysInput { filter, order, position, limit, with_total })
    }

    fn order(&self) -> KeyOrder {
        let (by, usual) = match self.sort {
            KeySortBody::Created => (KeySort::Created, DirectionBody::Desc),
            KeySortBody::Name => (KeySort::Name, DirectionBody::Asc),
            KeySortBody::LastUsed => (KeySort::LastUsed, DirectionBody::Desc),
            KeySortBody::Expiry => (KeySort::Expiry, DirectionBody::Asc),
        };
        KeyOrder { by, descending: self.order.unwrap_or(usual) == DirectionBody::Desc }
    }

    fn into_filter(self, scope: KeyScope, faults: &mut Vec<InputFault>) -> KeyFilter {
        for (pointer, text) in [("?q", &self.q), ("?model", &self.model)] {
            check_text(pointer, text.as_deref().unwrap_or(""), MAX_NAME, faults);
        }
        KeyFilter {
            owner_id: self.owner_id,
            owner_kind: self.owner_kind.map(OwnerKindBody::into_kind),
            team_id: self.team_id,
            status: self.status.map(KeyStatusBody::into_shown),
            model: self.model.map(ModelFilter::Allowed),
            text: self.q.filter(|text| !text.is_empty()),
            labels: parse_labels(&self.label, faults),
            expires_before: self.expires_before,
            unused_since: self.unused_since,
            ephemeral: match self.ephemeral {
                None => EphemeralFilter::Unended,
                Some(true) => EphemeralFilter::Only,
                Some(false) => EphemeralFilter::None,
            },
            ..KeyFilter::of(scope)
        }
    }
}

/// As many as a key may have at most; more could not all be there.
const MAX_LABELS: usize = 50;

fn parse_labels(texts: &[String], faults: &mut Vec<InputFault>) -> Vec<(String, String)> {
    if texts.len() > MAX_LABELS {
        faults.push(InputFault::new("?label", "too_many", format!("at most {MAX_LABELS}")));
        return Vec::new();
    }
    let parse = |text: &String| {
        let (key, value) = text.split_once(':').filter(|(key, _)| is_label_key(key))?;
        Some((key.to_owned(), value.to_owned()))
    };
    let parsed: Option<Vec<_>> = texts.iter().map(parse).collect();
    if parsed.is_none() {
        faults.push(InputFault::new("?label", "invalid_value", "write key:value"));
    }
    let labels = parsed.unwrap_or_default();
    labels.iter().for_each(|(_, value)| check_text("?label", value, MAX_NAME, faults));
    labels
}

/// Lists API keys: one's own and those of teams that one owns, or everybody's for admins.
#[utoipa::path(
    operation_id = "listKeys",
    tag = "keys",
    params(ListKeysQuery, PageQuery),
    responses((status = 200, description = "A page of keys", body = KeyPage))
)]
#[get("/api/v1/keys")]
pub async fn list_keys(
    require: Require<ReadKeys>,
    QueryParams((query, page)): QueryParams<(ListKeysQuery, PageQuery)>,
    service: web::Data<KeyService>,
) -> Result<web::Json<KeyPage>, Problem> {
    let scope = service.reach(&require.caller, require.scope);
    let listed = service.list_keys(query.into_input(&page, scope)?).await?;
    let now = service.clock.now();
    Ok(web::Json(KeyPage {
        data: listed.keys.iter().map(|key| KeyBody::to_api(key, now)).collect(),
        next_cursor: listed.next.map(|position| Cursor::encode(&position).into_string()),
        total: listed.total,
    }))
}
