//! Puts the audit book into a chain: a place and a digest for each entry, and a line for each day.
//!
//! Entries that are there get their places in the order of time and id, in the day of their time: when they were stored
//! is not known.

use maas_store::ids::unsigned_to_db;
use maas_types::{Timestamp, UtcDay};
use sea_orm_migration::{
    prelude::*,
    schema::*,
    sea_orm::{ConnectionTrait, QueryResult},
};
use uuid::Uuid;

use crate::domain::audit_chain::{ChainLink, DayLine, StoredText};

#[derive(DeriveMigrationName)]
pub struct Migration;

const PAGE: u64 = 1_000;
/// The columns that the digest covers besides id, time and actor id, in its order.
const TEXTS: [Audit; 11] = [
    Audit::Service,
    Audit::ActorKind,
    Audit::ActorName,
    Audit::Action,
    Audit::ResourceKind,
    Audit::ResourceId,
    Audit::Outcome,
    Audit::BeforeJson,
    Audit::AfterJson,
    Audit::RequestId,
    Audit::Address,
];
/// Filters that had no index; each ends in the key of the pages.
const INDEXES: [(&str, &[Audit]); 4] = [
    ("audit_actor_name", &[Audit::ActorName, Audit::TimeMs, Audit::Id]),
    ("audit_resource_id", &[Audit::ResourceId, Audit::TimeMs, Audit::Id]),
    ("audit_outcome", &[Audit::Outcome, Audit::TimeMs, Audit::Id]),
    ("audit_service", &[Audit::Service, Audit::TimeMs, Audit::Id]),
];
const PLACE: &str = "audit_place";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite adds one column per statement, and each needs a default for the rows that are there.
        let empty = Expr::cust(match manager.get_database_backend() {
            sea_orm_migration::sea_orm::DatabaseBackend::Postgres => "'\\x'::bytea",
            _ => "x''",
        });
        for column in [
            integer(Audit::Day).default(0).take(),
            big_integer(Audit::Sequence).default(0).take(),
            blob(Audit::Digest).default(empty).take(),
        ] {
            let add = Table::alter().table(Audit::Table).add_column(column).to_owned();
            manager.alter_table(add).await?;
        }
        create_days(manager).await?;
        chain_entries(manager.get_connection()).await?;
        let mut place = Index::create().name(PLACE).table(Audit::Table).to_owned();
        manager.create_index(place.col(Audit::Day).col(Audit::Sequence).unique().to_owned()).await?;
        for (name, columns) in INDEXES {
            let mut index = Index::create().name(name).table(Audit::Table).to_owned();
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in INDEXES.iter().map(|(name, _)| *name).chain([PLACE]) {
            manager.drop_index(Index::drop().name(name).table(Audit::Table).to_owned()).await?;
        }
        manager.drop_table(Table::drop().table(AuditDays::Table).to_owned()).await?;
        for column in [Audit::Day, Audit::Sequence, Audit::Digest] {
            let drop = Table::alter().table(Audit::Table).drop_column(column).to_owned();
            manager.alter_table(drop).await?;
        }
        Ok(())
    }
}

async fn create_days(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(AuditDays::Table)
        .col(integer(AuditDays::Day).primary_key())
        .col(blob(AuditDays::PreviousDigest))
        .col(big_integer(AuditDays::Entries))
        .col(blob(AuditDays::Digest))
        .col(big_integer_null(AuditDays::RemovedAt))
        .to_owned();
    manager.create_table(table).await
}

async fn chain_entries(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut line: Option<DayLine> = None;
    let mut after: Option<(i64, Uuid)> = None;
    loop {
        let rows = db.query_all(&page(after)).await?;
        for row in &rows {
            let (id, time_ms): (Uuid, i64) = (row.try_get("", "id")?, row.try_get("", "time_ms")?);
            let day = UtcDay::of(Timestamp::from_unix_ms(time_ms));
            let mut current = match line.take() {
                Some(current) if current.day == day => current,
                ended => {
                    save(db, ended.as_ref()).await?;
                    DayLine::after(ended.as_ref(), day)
                }
            };
            place(db, id, append(&mut current, row, id, time_ms)?).await?;
            line = Some(current);
            after = Some((time_ms, id));
        }
        if rows.len() < PAGE as usize {
            return save(db, line.as_ref()).await;
        }
    }
}

fn page(after: Option<(i64, Uuid)>) -> SelectStatement {
    let mut query = Query::select();
    query.columns([Audit::Id, Audit::TimeMs, Audit::ActorId].into_iter().chain(TEXTS)).from(Audit::Table);
    if let Some((time_ms, id)) = after {
        let same_time = Condition::all().add(Expr::col(Audit::TimeMs).eq(time_ms)).add(Expr::col(Audit::Id).gt(id));
        query.cond_where(Condition::any().add(Expr::col(Audit::TimeMs).gt(time_ms)).add(same_time));
    }
    query.order_by(Audit::TimeMs, Order::Asc).order_by(Audit::Id, Order::Asc).limit(PAGE);
    query
}

fn append(line: &mut DayLine, row: &QueryResult, id: Uuid, time_ms: i64) -> Result<ChainLink, DbErr> {
    let text = |column: Audit| row.try_get::<String>("", &Iden::to_string(&column));
    let texts = TEXTS.map(text).into_iter().collect::<Result<Vec<String>, DbErr>>()?;
    let mut borrowed = [""; TEXTS.len()];
    for (place, text) in borrowed.iter_mut().zip(&texts) {
        *place = text;
    }
    let actor_id = row.try_get("", "actor_id")?;
    Ok(line.append(&StoredText { id, time_ms, actor_id, texts: borrowed }))
}

async fn place(db: &impl ConnectionTrait, id: Uuid, link: ChainLink) -> Result<(), DbErr> {
    let sequence = unsigned_to_db(link.sequence);
    let update = Query::update()
        .table(Audit::Table)
        .value(Audit::Day, link.day.0)
        .value(Audit::Sequence, sequence)
        .value(Audit::Digest, link.digest.to_vec())
        .and_where(Expr::col(Audit::Id).eq(id))
        .to_owned();
    db.execute(&update).await.map(|_| ())
}

async fn save(db: &impl ConnectionTrait, line: Option<&DayLine>) -> Result<(), DbErr> {
    let Some(line) = line else { return Ok(()) };
    let entries = unsigned_to_db(line.entries);
    let columns = [AuditDays::Day, AuditDays::PreviousDigest, AuditDays::Entries, AuditDays::Digest];
    let values = [line.day.0.into(), line.previous.to_vec().into(), entries.into(), line.digest.to_vec().into()];
    let mut insert = Query::insert().into_table(AuditDays::Table).columns(columns).to_owned();
    insert.values(values).map_err(|error| DbErr::Custom(error.to_string()))?;
    db.execute(&insert).await.map(|_| ())
}

#[derive(DeriveIden, Clone, Copy)]
enum Audit {
    Table,
    Id,
    TimeMs,
    Service,
    ActorKind,
    ActorId,
    ActorName,
    Action,
    ResourceKind,
    ResourceId,
    Outcome,
    BeforeJson,
    AfterJson,
    RequestId,
    Address,
    Day,
    Sequence,
    Digest,
}

#[derive(DeriveIden)]
enum AuditDays {
    Table,
    Day,
    PreviousDigest,
    Entries,
    Digest,
    RemovedAt,
}
