//! Changes of many users at once: a statement for all who change in the same way.

use std::collections::BTreeMap;

use maas_store::{StoreError, classify};
use maas_types::{Role, TeamId, Timestamp, UserId};
use sea_orm::{ExprTrait as _, entity::prelude::*};

use super::user::entity::{Column, Entity};
use crate::domain::user::User;

/// Writes role, role by groups and default team of these users, each at the version before; their rows are locked, so
/// that all of them are there. Everything else of the rows stays.
pub async fn update(transaction: &impl ConnectionTrait, after: &[User], now: Timestamp) -> Result<(), StoreError> {
    let mut alike: BTreeMap<(Role, Option<Role>, Option<TeamId>), Vec<UserId>> = BTreeMap::new();
    for user in after {
        alike.entry((user.role, user.group_role, user.default_team_id)).or_default().push(user.id);
    }
    for ((role, group_role, default_team), ids) in alike {
        Entity::update_many()
            .col_expr(Column::Version, Expr::col(Column::Version).add(1))
            .col_expr(Column::Role, Expr::value(role.as_str()))
            .col_expr(Column::GroupRole, Expr::value(group_role.map(Role::as_str)))
            .col_expr(Column::DefaultTeamId, Expr::value(default_team.map(TeamId::uuid)))
            .col_expr(Column::UpdatedAt, Expr::value(now.unix_ms()))
            .filter(Column::Id.is_in(ids.iter().map(|id| id.uuid())))
            .exec(transaction)
            .await
            .map_err(classify)?;
    }
    Ok(())
}
