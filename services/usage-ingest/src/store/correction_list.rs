//! Corrections as people look for them, and what an event comes to with all of its corrections.

use std::collections::BTreeMap;

use maas_store::{
    StoreError,
    ids::{parsed_from_db, time_from_db},
};
use maas_types::{CorrectionId, EventId, TeamId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
};
use serde::{Deserialize, Serialize};

use super::{
    booked::{correction_dimensions, correction_measures, event_dimensions, event_measures},
    correction::{Column, Entity, Model},
    event_row,
};
use crate::domain::{
    correction::{Correction, CorrectionKind},
    dimensions::Dimensions,
    event::day_of,
    measures::Measures,
};

/// A correction as it was booked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookedCorrection {
    /// Without the better content of a correction by quality: nobody is shown a digest.
    pub correction: Correction,
    pub created_at: Timestamp,
}

/// Which corrections a list shows. All given filters hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CorrectionFilter {
    pub kind: Option<CorrectionKind>,
    pub event: Option<EventId>,
    pub user: Option<UserId>,
    pub team: Option<TeamId>,
    /// Booked at this time or later.
    pub from: Option<Timestamp>,
    /// Booked before this time.
    pub to: Option<Timestamp>,
}

/// Where a page ends: the list goes from new to old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub created_at: i64,
    pub id: CorrectionId,
}

pub async fn find(db: &impl ConnectionTrait, id: CorrectionId) -> Result<Option<BookedCorrection>, StoreError> {
    Entity::find_by_id(id.uuid()).one(db).await?.map(|row| from_db(&row)).transpose()
}

/// At most `limit` corrections after the position, newest first.
pub async fn page(
    db: &impl ConnectionTrait,
    filter: &CorrectionFilter,
    after: Option<Position>,
    limit: u64,
) -> Result<Vec<BookedCorrection>, StoreError> {
    let mut query = Entity::find().filter(filter.condition());
    if let Some(Position { created_at, id }) = after {
        let same_time = Condition::all().add(Column::CreatedAt.eq(created_at)).add(Column::Id.lt(id.uuid()));
        query = query.filter(Condition::any().add(Column::CreatedAt.lt(created_at)).add(same_time));
    }
    let query = query.order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(limit);
    query.all(db).await?.iter().map(from_db).collect()
}

/// What is booked for an event now, by what it is booked to. Empty: the event itself is not there, nor a backfill in its
/// place, so that its corrections alone would be a wrong answer.
pub async fn booked_for(
    db: &impl ConnectionTrait,
    event: EventId,
) -> Result<BTreeMap<Dimensions, Measures>, StoreError> {
    let mut booked: BTreeMap<Dimensions, Measures> = BTreeMap::new();
    let row = event_row::Entity::find_by_id((day_of(event.created_at()), event.uuid())).one(db).await?;
    let corrections = Entity::find().filter(Column::EventId.eq(event.uuid())).all(db).await?;
    let is_backfill = |row: &Model| row.kind == CorrectionKind::Backfill.as_str();
    if row.is_none() && !corrections.iter().any(is_backfill) {
        return Ok(booked);
    }
    if let Some(row) = row {
        booked.insert(event_dimensions(&row)?, event_measures(&row));
    }
    for row in &corrections {
        booked.entry(correction_dimensions(row)?).or_default().add(&correction_measures(row));
    }
    Ok(booked)
}

impl CorrectionFilter {
    fn condition(&self) -> Condition {
        Condition::all()
            .add_option(self.kind.map(|kind| Column::Kind.eq(kind.as_str())))
            .add_option(self.event.map(|event| Column::EventId.eq(event.uuid())))
            .add_option(self.user.map(|user| Column::UserId.eq(user.uuid())))
            .add_option(self.team.map(|team| Column::TeamId.eq(team.uuid())))
            .add_option(self.from.map(|from| Column::CreatedAt.gte(from.unix_ms())))
            .add_option(self.to.map(|to| Column::CreatedAt.lt(to.unix_ms())))
    }
}

fn from_db(row: &Model) -> Result<BookedCorrection, StoreError> {
    let correction = Correction {
        id: row.id,
        admitted_at: time_from_db(row.admitted_at),
        event: row.event_id.map(EventId::from_uuid),
        kind: parsed_from_db("usage_corrections", "kind", row.id, CorrectionKind::parse(&row.kind))?,
        reason: row.reason.clone(),
        actor: row.actor.map(UserId::from_uuid),
        actor_name: row.actor_name.clone(),
        dimensions: correction_dimensions(row)?,
        measures: correction_measures(row),
        better: None,
    };
    Ok(BookedCorrection { correction, created_at: time_from_db(row.created_at) })
}
