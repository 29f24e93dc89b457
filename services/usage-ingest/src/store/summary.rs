//! Sums over a period: whole quarter hours from rollups, the edges from raw events.

use maas_store::StoreError;
use maas_types::{Currency, KeyId, UserId};
use sea_orm::{
    ConnectionTrait, QueryResult,
    sea_query::{Alias, Expr, ExprTrait as _, Query, SelectStatement},
};
use uuid::Uuid;

use crate::domain::{
    event::day_of,
    period::Period,
    summary::{Group, Sums},
};

/// Which rows count. All given filters hold together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageFilter {
    /// Whose usage the caller may see; None: everybody's.
    pub owner: Option<UserId>,
    pub user: Option<UserId>,
    pub key: Option<KeyId>,
    pub model: Option<String>,
}

/// The groups of a period. A group may come more than once: from the rollups and from each edge.
pub async fn groups(db: &impl ConnectionTrait, period: Period, filter: &UsageFilter) -> Result<Vec<Group>, StoreError> {
    let parts = period.parts();
    let mut selects: Vec<_> = parts.edges.iter().map(|edge| from_events(*edge)).collect();
    selects.extend(parts.whole_buckets.map(from_rollups));
    let mut groups = Vec::new();
    for mut select in selects {
        filter.apply(&mut select);
        for row in db.query_all(&select).await? {
            groups.push(group_from_db(&row)?);
        }
    }
    Ok(groups)
}

impl UsageFilter {
    pub(super) fn apply(&self, select: &mut SelectStatement) {
        for user in [self.owner, self.user].into_iter().flatten() {
            select.and_where(Expr::col("user_id").eq(user.uuid()));
        }
        if let Some(key) = self.key {
            select.and_where(Expr::col("key_id").eq(key.uuid()));
        }
        if let Some(model) = &self.model {
            select.and_where(Expr::col("model").eq(model.as_str()));
        }
    }
}

fn from_rollups(period: Period) -> SelectStatement {
    let mut select = grouped("usage_rollups", "SUM(requests)");
    select
        .and_where(Expr::col("bucket_start").gte(period.from.unix_ms()))
        .and_where(Expr::col("bucket_start").lt(period.to.unix_ms()));
    select
}

fn from_events(period: Period) -> SelectStatement {
    let mut select = grouped("usage_events", "COUNT(*)");
    select
        // The day leaves out the other partitions.
        .and_where(Expr::col("day").between(day_of(period.from), day_of(period.to)))
        .and_where(Expr::col("admitted_at").gte(period.from.unix_ms()))
        .and_where(Expr::col("admitted_at").lt(period.to.unix_ms()));
    select
}

/// A cost is summed in two parts, whole units and rest, since the sum of many rows may exceed i64.
fn grouped(table: &'static str, requests: &'static str) -> SelectStatement {
    let sums = [
        ("requests", requests),
        ("input_tokens", "SUM(input_tokens)"),
        ("cached_input_tokens", "SUM(cached_input_tokens)"),
        ("output_tokens", "SUM(output_tokens)"),
        ("reasoning_tokens", "SUM(reasoning_output_tokens)"),
        ("cost_units", "SUM(cost_nanos / 1000000000)"),
        ("cost_rest", "SUM(cost_nanos % 1000000000)"),
    ];
    let mut select = Query::select();
    select.from(table).columns(["model", "key_id", "currency"]);
    for (name, sum) in sums {
        select.expr_as(Expr::cust(format!("CAST({sum} AS BIGINT)")), Alias::new(name));
    }
    select.group_by_columns(["model", "key_id", "currency"]);
    select
}

fn group_from_db(row: &QueryResult) -> Result<Group, StoreError> {
    let number = |column| Ok::<i128, StoreError>(i128::from(row.try_get_by::<i64, _>(column)?));
    let currency: String = row.try_get_by("currency")?;
    let currency: Currency =
        currency.parse().map_err(|_| StoreError::corrupt("usage_rollups", "currency", currency))?;
    let key: Option<Uuid> = row.try_get_by("key_id")?;
    let cost = number("cost_units")? * 1_000_000_000 + number("cost_rest")?;
    Ok(Group {
        model: row.try_get_by("model")?,
        // Rollups write a missing key as the nil UUID, events as NULL.
        key: key.filter(|key| !key.is_nil()).map(KeyId::from_uuid),
        sums: Sums {
            requests: number("requests")?,
            input_tokens: number("input_tokens")?,
            cached_input_tokens: number("cached_input_tokens")?,
            output_tokens: number("output_tokens")?,
            reasoning_tokens: number("reasoning_tokens")?,
            costs: (cost != 0).then_some((currency, cost)).into_iter().collect(),
        },
    })
}
