//! What lists are filtered by.

use maas_keys::PREFIX;
use maas_types::{Timestamp, UserId};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};

use super::entity::{key_models, keys};
use crate::domain::status::{ShownStatus, StoredStatus};

/// Every field narrows the list further.
#[derive(Debug, Clone, Default)]
pub struct KeyFilter {
    /// Whose keys may be seen at all; `None` is everybody's.
    pub visible_owner: Option<UserId>,
    pub owner_id: Option<UserId>,
    pub status: Option<ShownStatus>,
    /// Keys whose own list allows this model, those without a list included.
    pub model: Option<String>,
    /// Part of the name or of the public id.
    pub text: Option<String>,
    pub label: Option<(String, String)>,
}

impl KeyFilter {
    pub(super) fn condition(&self, now: Timestamp) -> Condition {
        let owner = |owner: UserId| keys::Column::OwnerId.eq(owner.uuid());
        Condition::all()
            .add_option(self.visible_owner.map(owner))
            .add_option(self.owner_id.map(owner))
            .add_option(self.status.map(|status| of_status(status, now)))
            .add_option(self.model.as_deref().map(allows_model))
            .add_option(self.text.as_deref().map(holds_text))
            .add_option(self.label.as_ref().map(|(key, value)| has_label(key, value)))
    }
}

/// The same rule as `StoredStatus::shown`.
fn of_status(status: ShownStatus, now: Timestamp) -> Condition {
    let stored = |status: StoredStatus| keys::Column::Status.eq(status.as_str());
    let expired =
        Condition::all().add(keys::Column::ExpiresAt.is_not_null()).add(keys::Column::ExpiresAt.lte(now.unix_ms()));
    let current =
        Condition::any().add(keys::Column::ExpiresAt.is_null()).add(keys::Column::ExpiresAt.gt(now.unix_ms()));
    match status {
        ShownStatus::Revoked => Condition::all().add(stored(StoredStatus::Revoked)),
        ShownStatus::Expired => expired.add(keys::Column::Status.ne(StoredStatus::Revoked.as_str())),
        ShownStatus::Active => Condition::all().add(stored(StoredStatus::Active)).add(current),
        ShownStatus::Blocked => Condition::all().add(stored(StoredStatus::Blocked)).add(current),
    }
}

fn allows_model(model: &str) -> Condition {
    let listing = key_models::Entity::find()
        .select_only()
        .column(key_models::Column::KeyId)
        .filter(key_models::Column::Model.eq(model))
        .into_query();
    Condition::any().add(keys::Column::AllModels.eq(true)).add(keys::Column::Id.in_subquery(listing))
}

fn holds_text(text: &str) -> Condition {
    // People paste the prefix that lists show.
    let public_id = text.strip_prefix(PREFIX).unwrap_or(text);
    let lower = |column: keys::Column| SimpleExpr::from(Func::lower(Expr::col(column)));
    Condition::any()
        .add(contains(lower(keys::Column::Name), text.to_lowercase()))
        .add(contains(lower(keys::Column::PublicId), public_id.to_lowercase()))
}

/// Labels are compact JSON and label keys hold no quotes, so `"key":"value"` cannot occur in any other meaning.
fn has_label(key: &str, value: &str) -> Condition {
    let pair = format!("\"{key}\":{}", serde_json::Value::from(value));
    Condition::all().add(contains(Expr::col(keys::Column::Labels), pair))
}

/// Contains, without the wildcards of LIKE and with the same idea of upper and lower case on both databases.
fn contains(haystack: impl Into<SimpleExpr>, needle: String) -> SimpleExpr {
    let haystack = haystack.into();
    let without = Func::cust("REPLACE").arg(haystack.clone()).arg(needle).arg("");
    SimpleExpr::from(without).ne(haystack)
}
