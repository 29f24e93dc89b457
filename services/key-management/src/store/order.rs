//! The orders of the list, and the place in one of them where a page ends.
//!
//! Each order is an indexed expression and then the id, so that it is the same for every page and a page costs the same
//! wherever it starts. The expressions are those of the indexes, letter by letter: with anything else, or with bound
//! values in them, the indexes are not used.

use sea_orm::sea_query::{Expr, ExprTrait as _, Order, SimpleExpr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::entity::keys;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyOrder {
    pub by: KeySort,
    pub descending: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeySort {
    Created,
    /// Upper and lower case are the same; only the beginning of a long name counts.
    Name,
    /// A key that was never used is the least.
    LastUsed,
    /// A key that never expires is the last.
    Expiry,
}

/// Where the next page starts: after this key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPosition {
    by: KeySort,
    at: SortValue,
    id: Uuid,
}

/// What the expression of an order makes of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum SortValue {
    Number(i64),
    Text(String),
}

impl KeyOrder {
    pub const NEWEST_FIRST: Self = Self { by: KeySort::Created, descending: true };

    pub(super) fn direction(self) -> Order {
        if self.descending { Order::Desc } else { Order::Asc }
    }

    /// What comes after a position.
    pub(super) fn after(self, position: &KeyPosition) -> SimpleExpr {
        let here = Expr::tuple([self.by.expression(), Expr::col((keys::Entity, keys::Column::Id))]);
        let value = match &position.at {
            SortValue::Number(number) => Expr::value(*number),
            SortValue::Text(text) => Expr::value(text.clone()),
        };
        let there = Expr::tuple([value, Expr::value(position.id)]);
        if self.descending { here.lt(there) } else { here.gt(there) }
    }
}

impl KeySort {
    pub(super) fn expression(self) -> SimpleExpr {
        match self {
            Self::Created => Expr::col((keys::Entity, keys::Column::CreatedAt)),
            Self::Name => Expr::cust("SUBSTR(LOWER(\"keys\".\"name\"), 1, 64)"),
            Self::LastUsed => last_used(),
            Self::Expiry => ends_at(),
        }
    }

    pub(super) const fn is_text(self) -> bool {
        matches!(self, Self::Name)
    }
}

impl KeyPosition {
    pub(super) fn new(by: KeySort, at: SortValue, id: Uuid) -> Self {
        Self { by, at, id }
    }

    /// Whether a cursor is one of this order: its value comes from the client.
    pub fn is_of(&self, by: KeySort) -> bool {
        self.by == by && matches!(self.at, SortValue::Text(_)) == by.is_text()
    }
}

/// When the key expires; far away when never.
pub(super) fn ends_at() -> SimpleExpr {
    Expr::cust("COALESCE(\"keys\".\"expires_at\", 9223372036854775807)")
}

/// When the key was used last; 1970 when never.
pub(super) fn last_used() -> SimpleExpr {
    Expr::cust("COALESCE(\"keys\".\"last_used_at\", 0)")
}
