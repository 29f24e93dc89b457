//! People with all that follows for them, a batch with five questions. Everything that tells others of people loads
//! them here: changes, the comparison with the state bucket, the export, the answers to proxies.

use std::collections::HashMap;

use maas_store::StoreError;
use maas_types::{TeamId, UserId};
use sea_orm::ConnectionTrait;

use super::{revoked_token, team, team_member, user_group};
use crate::domain::{
    user::User,
    user_facts::{Booking, UserFacts},
};

/// In the order of `users`. With a transaction: as it stands in there.
pub async fn load(db: &impl ConnectionTrait, users: Vec<User>) -> Result<Vec<UserFacts>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<UserId> = users.iter().map(|user| user.id).collect();
    let mut groups = user_group::of_users(db, &ids).await?;
    let mut memberships = team_member::of_users(db, &ids).await?;
    let bookings = bookings(db, &users).await?;
    let mut revoked = revoked_token::of_users(db, &ids).await?;
    let facts = users.into_iter().map(|user| UserFacts {
        groups: groups.remove(&user.id).unwrap_or_default(),
        memberships: memberships.remove(&user.id).unwrap_or_default(),
        booking: user.default_team_id.and_then(|team| bookings.get(&team).cloned()),
        revoked_tokens: revoked.remove(&user.id).unwrap_or_default(),
        user,
    });
    Ok(facts.collect())
}

/// One person; see [`load`].
pub async fn load_one(db: &impl ConnectionTrait, user: User) -> Result<Option<UserFacts>, StoreError> {
    Ok(load(db, vec![user]).await?.pop())
}

async fn bookings(db: &impl ConnectionTrait, users: &[User]) -> Result<HashMap<TeamId, Booking>, StoreError> {
    let mut teams: Vec<TeamId> = users.iter().filter_map(|user| user.default_team_id).collect();
    teams.sort_unstable();
    teams.dedup();
    if teams.is_empty() {
        return Ok(HashMap::new());
    }
    let found = team::find_all(db, teams).await?.into_iter();
    let booking = found.map(|team| {
        let booking = Booking { organisation_id: team.organisation_id, cost_centre: team.cost_centre };
        (team.id, booking)
    });
    Ok(booking.collect())
}
