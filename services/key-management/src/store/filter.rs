//! What lists are filtered by.

use maas_keys::PREFIX;
use maas_types::{TeamId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr},
};

use super::{
    entity::{key_labels, key_models, keys},
    order::{ends_at, last_used},
};
use crate::domain::{
    owner::{KeyScope, OwnerKind},
    status::{ShownStatus, StoredStatus},
};

/// Every field narrows the list further.
#[derive(Debug, Clone)]
pub struct KeyFilter {
    /// Whose keys may be seen at all.
    pub visible: KeyScope,
    pub owner_id: Option<UserId>,
    pub owner_kind: Option<OwnerKind>,
    pub team_id: Option<TeamId>,
    pub status: Option<ShownStatus>,
    pub model: Option<ModelFilter>,
    /// Part of the name or of the public id.
    pub text: Option<String>,
    /// All of them.
    pub labels: Vec<(String, String)>,
    pub expires_before: Option<Timestamp>,
    /// Keys that were neither used nor made since.
    pub unused_since: Option<Timestamp>,
    pub ephemeral: EphemeralFilter,
    /// Leaves out what is final.
    pub unless_revoked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFilter {
    /// Keys whose own list allows this model, those without a list included.
    Allowed(String),
    /// Keys whose own list names it.
    Named(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EphemeralFilter {
    All,
    /// All but ephemeral keys that do not work any more.
    Unended,
    Only,
    None,
}

impl KeyFilter {
    /// Everything that the scope covers.
    pub fn of(visible: KeyScope) -> Self {
        Self {
            visible,
            owner_id: None,
            owner_kind: None,
            team_id: None,
            status: None,
            model: None,
            text: None,
            labels: Vec::new(),
            expires_before: None,
            unused_since: None,
            ephemeral: EphemeralFilter::All,
            unless_revoked: false,
        }
    }

    pub(super) fn condition(&self, now: Timestamp) -> Condition {
        let mut condition = Condition::all()
            .add_option(visible(&self.visible))
            .add_option(self.owner_id.map(|owner| keys::Column::OwnerId.eq(owner.uuid())))
            .add_option(self.owner_kind.map(|kind| keys::Column::OwnerKind.eq(kind.as_str())))
            .add_option(self.team_id.map(|team| keys::Column::TeamId.eq(team.uuid())))
            .add_option(self.status.map(|status| of_status(status, now)))
            .add_option(self.model.as_ref().map(by_model))
            .add_option(self.text.as_deref().map(holds_text))
            .add_option(self.expires_before.map(|time| ends_at().lt(time.unix_ms())))
            .add_option(self.unused_since.map(unused_since))
            .add_option(ephemeral(self.ephemeral, now))
            .add_option(self.unless_revoked.then(|| keys::Column::Status.ne(StoredStatus::Revoked.as_str())));
        for (label, value) in &self.labels {
            condition = condition.add(has_label(label, value));
        }
        condition
    }
}

fn visible(scope: &KeyScope) -> Option<Condition> {
    let KeyScope::Limited { owners, overseen_teams } = scope else { return None };
    let mut visible = Condition::any().add(match owners.as_slice() {
        // Of one owner the list is read in its order from an index.
        [owner] => keys::Column::OwnerId.eq(owner.uuid()),
        owners => keys::Column::OwnerId.is_in(owners.iter().map(|owner| owner.uuid())),
    });
    if !overseen_teams.is_empty() {
        visible = visible.add(keys::Column::TeamId.is_in(overseen_teams.iter().map(|team| team.uuid())));
    }
    Some(visible)
}

/// The same rule as `StoredStatus::shown`.
fn of_status(status: ShownStatus, now: Timestamp) -> Condition {
    let now = now.unix_ms();
    let stored = |status: StoredStatus| Condition::all().add(keys::Column::Status.eq(status.as_str()));
    let current = ends_at().gt(now);
    let overlap_ends = keys::Column::PreviousValidUntil;
    match status {
        ShownStatus::Revoked => stored(StoredStatus::Revoked),
        ShownStatus::Expired => {
            Condition::all().add(ends_at().lte(now)).add(keys::Column::Status.ne(StoredStatus::Revoked.as_str()))
        }
        ShownStatus::Active => stored(StoredStatus::Active)
            .add(current)
            .add(Condition::any().add(overlap_ends.is_null()).add(overlap_ends.lte(now))),
        ShownStatus::Rotating => stored(StoredStatus::Active).add(current).add(overlap_ends.gt(now)),
        ShownStatus::Blocked => stored(StoredStatus::Blocked).add(current),
    }
}

fn by_model(filter: &ModelFilter) -> Condition {
    let (ModelFilter::Allowed(model) | ModelFilter::Named(model)) = filter;
    let listing = key_models::Entity::find()
        .select_only()
        .column(key_models::Column::KeyId)
        .filter(key_models::Column::Model.eq(model))
        .into_query();
    let named = Condition::any().add(keys::Column::Id.in_subquery(listing));
    match filter {
        ModelFilter::Allowed(_) => named.add(keys::Column::AllModels.eq(true)),
        ModelFilter::Named(_) => named,
    }
}

fn holds_text(text: &str) -> Condition {
    // People paste the prefix that lists show.
    let public_id = text.strip_prefix(PREFIX).unwrap_or(text);
    let lower = |column: keys::Column| SimpleExpr::from(Func::lower(Expr::col(column)));
    Condition::any()
        .add(contains(lower(keys::Column::Name), text.to_lowercase()))
        .add(contains(lower(keys::Column::PublicId), public_id.to_lowercase()))
}

fn has_label(label: &str, value: &str) -> SimpleExpr {
    let labelled = key_labels::Entity::find()
        .select_only()
        .column(key_labels::Column::KeyId)
        .filter(key_labels::Column::Label.eq(label))
        .filter(key_labels::Column::Value.eq(value))
        .into_query();
    keys::Column::Id.in_subquery(labelled)
}

fn unused_since(time: Timestamp) -> Condition {
    Condition::all().add(last_used().lt(time.unix_ms())).add(keys::Column::CreatedAt.lt(time.unix_ms()))
}

fn ephemeral(filter: EphemeralFilter, now: Timestamp) -> Option<Condition> {
    // Without a bound value, so that it is the condition of an index.
    let is_ephemeral = || Expr::col((keys::Entity, keys::Column::Ephemeral));
    let is_lasting = || is_ephemeral().not();
    match filter {
        EphemeralFilter::All => None,
        EphemeralFilter::Only => Some(Condition::all().add(is_ephemeral())),
        EphemeralFilter::None => Some(Condition::all().add(is_lasting())),
        EphemeralFilter::Unended => {
            let unended = Condition::all()
                .add(keys::Column::Status.ne(StoredStatus::Revoked.as_str()))
                .add(ends_at().gt(now.unix_ms()));
            Some(Condition::any().add(is_lasting()).add(unended))
        }
    }
}

/// Contains, without the wildcards of LIKE and with the same idea of upper and lower case on both databases.
pub(super) fn contains(haystack: impl Into<SimpleExpr>, needle: String) -> SimpleExpr {
    let haystack = haystack.into();
    let without = Func::cust("REPLACE").arg(haystack.clone()).arg(needle).arg("");
    SimpleExpr::from(without).ne(haystack)
}
