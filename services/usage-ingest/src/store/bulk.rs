//! Many rows in few statements.
//!
//! On Postgres any number of rows is one statement with one array per column: planned once, and a tenth of the work of
//! binding each value. On SQLite it is `VALUES` in a few sizes. Rows are written in the order given.
//!
//! Raw SQL because the builder has no words for `unnest` with named columns. Names of tables and columns are constants.

use sea_orm::{
    ActiveModelTrait, DatabaseBackend, EntityTrait, IdenStatic as _, Iterable as _, Statement, Value,
    entity::prelude::{ColumnDef, ColumnTrait as _, ColumnType},
    sea_query::ArrayType,
};
use uuid::Uuid;

use super::in_statements;

#[derive(Debug, Clone)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Uuid,
    Text,
    BigInt,
    Integer,
    Boolean,
    Bytes,
}

/// `INSERT INTO table … tail` for all rows, whose values are in the order of the columns. The tail says what happens on
/// conflict and what is returned.
pub fn insert(
    backend: DatabaseBackend,
    table: &str,
    columns: &[Column],
    rows: Vec<Vec<Value>>,
    tail: &str,
) -> Vec<Statement> {
    if rows.is_empty() {
        return Vec::new();
    }
    let names: Vec<_> = columns.iter().map(|column| column.name).collect();
    let names = names.join(", ");
    if backend == DatabaseBackend::Postgres {
        return vec![from_arrays(table, &names, columns, rows, tail)];
    }
    let row = format!("({})", vec!["?"; columns.len()].join(", "));
    let statement = |slice: &[Vec<Value>]| {
        let sql = format!("INSERT INTO {table} ({names}) VALUES {} {tail}", vec![row.as_str(); slice.len()].join(", "));
        Statement::from_sql_and_values(backend, sql, slice.concat())
    };
    in_statements(&rows).map(statement).collect()
}

/// The columns of an entity, and its rows as [`insert`] takes them.
pub fn rows_of<A>(models: impl IntoIterator<Item = A>) -> (Vec<Column>, Vec<Vec<Value>>)
where
    A: ActiveModelTrait,
{
    type ColumnOf<A> = <<A as ActiveModelTrait>::Entity as EntityTrait>::Column;
    let columns = ColumnOf::<A>::iter().map(|column| column_of(column.as_str(), &column.def())).collect();
    let values = |mut model: A| {
        let value = |column| model.take(column).into_value().unwrap_or(Value::BigInt(None));
        ColumnOf::<A>::iter().map(value).collect()
    };
    (columns, models.into_iter().map(values).collect())
}

fn column_of(name: &'static str, definition: &ColumnDef) -> Column {
    let kind = match definition.get_column_type() {
        ColumnType::Uuid => Kind::Uuid,
        ColumnType::BigInteger => Kind::BigInt,
        ColumnType::Integer => Kind::Integer,
        ColumnType::Boolean => Kind::Boolean,
        ColumnType::VarBinary(_) | ColumnType::Binary(_) | ColumnType::Blob => Kind::Bytes,
        _ => Kind::Text,
    };
    Column { name, kind, nullable: definition.is_null() }
}

/// The arrays hold no NULL, since the driver's cannot; a value that no such column has stands for it.
fn from_arrays(table: &str, names: &str, columns: &[Column], rows: Vec<Vec<Value>>, tail: &str) -> Statement {
    let mut arrays: Vec<Vec<Value>> = columns.iter().map(|_| Vec::with_capacity(rows.len())).collect();
    for row in rows {
        for ((array, column), value) in arrays.iter_mut().zip(columns).zip(row) {
            array.push(if value.is_some() { value } else { column.kind.instead_of_null() });
        }
    }
    let selected: Vec<_> = columns.iter().map(Column::selected).collect();
    let parameters: Vec<_> = (1..=columns.len()).map(|number| format!("${number}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({names}) SELECT {} FROM unnest({}) AS incoming({names}) {tail}",
        selected.join(", "),
        parameters.join(", ")
    );
    let array = |(column, values): (&Column, Vec<Value>)| Value::Array(column.kind.array(), Some(Box::new(values)));
    let values: Vec<Value> = columns.iter().zip(arrays).map(array).collect();
    Statement::from_sql_and_values(DatabaseBackend::Postgres, sql, values)
}

impl Column {
    fn selected(&self) -> String {
        let name = self.name;
        match (self.nullable, self.kind) {
            (true, Kind::Uuid) => format!("NULLIF({name}, '00000000-0000-0000-0000-000000000000')"),
            (true, Kind::BigInt) => format!("NULLIF({name}, {})", i64::MIN),
            _ => name.to_owned(),
        }
    }
}

impl Kind {
    fn instead_of_null(self) -> Value {
        match self {
            Self::Uuid => Uuid::nil().into(),
            Self::Text => "".into(),
            Self::BigInt => i64::MIN.into(),
            Self::Integer => i32::MIN.into(),
            Self::Boolean => false.into(),
            Self::Bytes => Vec::<u8>::new().into(),
        }
    }

    fn array(self) -> ArrayType {
        match self {
            Self::Uuid => ArrayType::Uuid,
            Self::Text => ArrayType::String,
            Self::BigInt => ArrayType::BigInt,
            Self::Integer => ArrayType::Int,
            Self::Boolean => ArrayType::Bool,
            Self::Bytes => ArrayType::Bytes,
        }
    }
}
