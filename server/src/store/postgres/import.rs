//! Fills an empty database with everything that a SQLite file holds.
//!
//! One transaction: the tables are made, filled, and read again beside the file, row by row, before it is committed. What
//! went wrong until then leaves nothing behind. The file is only read.

use std::collections::BTreeSet;
use std::path::Path;

use futures_util::TryStreamExt as _;
use sha2::{Digest as _, Sha256};
use sqlx::postgres::PgRow;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _};

use super::{Connection, Result, StoreError, connect, migrate, refusal};
use crate::config::Secret;
use crate::store::sqlite;

/// Every table, after those that its rows point to, and what its rows are told apart by.
const TABLES: &[(&str, &str)] = &[
    ("settings", "key"),
    ("users", "id"),
    ("devices", "id"),
    ("sessions", "id"),
    ("links", "token_hash"),
    ("rooms", "id"),
    ("members", "room_id, user_id"),
    ("invites", "id"),
    ("removals", "room_id, user_id"),
    ("lobby", "room_id, user_id"),
    ("messages", "room_id, seq"),
    ("notification_profiles", "user_id"),
    ("push_subscriptions", "device_id"),
    ("outbox", "id"),
    ("identities", "issuer, subject"),
    ("audit", "room_id, seq"),
    ("bulletins", "id"),
];
/// Those whose numbers the database gives.
const NUMBERED: [&str; 2] = ["outbox", "bulletins"];
/// Rows that are written by one statement.
const BATCH: usize = 500;

/// A table that was carried over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub table: &'static str,
    pub rows: u64,
    /// SHA-256 of every value of every row, the same at both ends.
    pub digest: [u8; 32],
    /// Texts in which U+FFFD stands now for U+0000, which PostgreSQL does not hold.
    pub replaced: u64,
}

/// Carries everything over. Fails, and changes nothing, where the database holds anything already.
pub async fn import(file: &Path, url: &Secret) -> Result<Vec<Carried>> {
    let mut source = SqliteConnectOptions::new()
        .filename(file)
        .read_only(true)
        .connect()
        .await?;
    sqlite::migrate::is_current(&mut source).await?;
    let mut target = connect::connect(&connect::options(url)?).await?;
    connect::examine(&mut target).await?;
    let mut tx = target.begin().await?;
    migrate::lock(&mut tx).await?;
    migrate::run_within(&mut tx).await?;
    let mut read = source.begin().await?;
    all_known(&mut read).await?;
    for (table, _) in TABLES {
        let statement = format!("SELECT 1 FROM {table} LIMIT 1");
        let found = sqlx::query(AssertSqlSafe(statement))
            .fetch_optional(&mut *tx)
            .await?;
        if found.is_some() {
            return Err(refusal(format!(
                "it is not empty (there are {table}): make a new database, and name that one"
            )));
        }
    }
    let mut carried = Vec::new();
    for (table, key) in TABLES {
        let columns = columns(&mut tx, table).await?;
        let copy = Table { table, key, columns };
        copy.fill(&mut read, &mut tx).await?;
        if NUMBERED.contains(table) {
            go_on_counting(&mut read, &mut tx, table).await?;
        }
        carried.push(copy.compare(&mut read, &mut tx).await?);
    }
    read.rollback().await?;
    source.close().await?;
    tx.commit().await?;
    // The first statements should not be planned for empty tables.
    sqlx::raw_sql("ANALYZE").execute(&mut target).await?;
    target.close().await?;
    Ok(carried)
}

/// A table that nobody thought of would be left behind.
async fn all_known(source: &mut SqliteConnection) -> Result<()> {
    let rows = sqlx::query(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite!_%' ESCAPE '!'",
    )
    .fetch_all(source)
    .await?;
    for row in &rows {
        let name: &str = row.try_get("name")?;
        if !TABLES.iter().any(|(table, _)| *table == name) {
            return Err(refusal(format!("the table {name} is not known here")));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    Flag,
    Text,
    Bytes,
}

struct Column {
    name: String,
    kind: Kind,
}

async fn columns(target: &mut Connection, table: &str) -> Result<Vec<Column>> {
    let rows = sqlx::query(
        "SELECT attname::text AS name, format_type(atttypid, NULL) AS kind FROM pg_attribute
         WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
    )
    .bind(table)
    .fetch_all(target)
    .await?;
    let column = |row: &PgRow| {
        let name: String = row.try_get("name")?;
        let kind = match row.try_get::<&str, _>("kind")? {
            "bigint" => Kind::Integer,
            "boolean" => Kind::Flag,
            "text" => Kind::Text,
            "bytea" => Kind::Bytes,
            other => return Err(refusal(format!("{table}.{name} is {other}"))),
        };
        Ok(Column { name, kind })
    };
    rows.iter().map(column).collect()
}

#[derive(Clone, PartialEq, Eq)]
enum Value {
    Null,
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Value {
    /// With its kind and length before it, so that no two rows are written alike.
    fn write(&self, digest: &mut Sha256) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Integer(number) => (1, &number.to_be_bytes()),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Bytes(bytes) => (3, bytes),
        };
        digest.update([kind]);
        digest.update((bytes.len() as u64).to_be_bytes());
        digest.update(bytes);
    }
}

struct Table {
    table: &'static str,
    key: &'static str,
    columns: Vec<Column>,
}

impl Table {
    fn names(&self) -> String {
        let names: Vec<_> = self.columns.iter().map(|c| format!("\"{}\"", c.name)).collect();
        names.join(", ")
    }

    /// In the same order at both ends: texts and bytes by their bytes, numbers by their size.
    fn select(&self) -> String {
        format!(
            "SELECT {} FROM {} ORDER BY {}",
            self.names(),
            self.table,
            self.key
        )
    }

    async fn fill(&self, source: &mut SqliteConnection, target: &mut Connection) -> Result<()> {
        self.same_columns(&mut *source).await?;
        let arrays = self.columns.iter().enumerate().map(|(at, column)| {
            let kind = match column.kind {
                Kind::Integer => "bigint",
                Kind::Flag => "boolean",
                Kind::Text => "text",
                Kind::Bytes => "bytea",
            };
            format!("${}::{kind}[]", at + 1)
        });
        let arrays: Vec<_> = arrays.collect();
        let insert = format!(
            "INSERT INTO {} ({}) SELECT * FROM UNNEST({})",
            self.table,
            self.names(),
            arrays.join(", ")
        );
        let mut rows = sqlx::query(AssertSqlSafe(self.select())).fetch(source);
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let row = rows.try_next().await?;
            let ended = row.is_none();
            if let Some(row) = row {
                batch.push(self.read_sqlite(&row)?.0);
            }
            if batch.len() == BATCH || (ended && !batch.is_empty()) {
                self.insert(&insert, std::mem::take(&mut batch), target).await?;
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// What one end has and the other has not would be lost, or made up.
    async fn same_columns(&self, source: &mut SqliteConnection) -> Result<()> {
        let rows = sqlx::query("SELECT name FROM pragma_table_info($1)")
            .bind(self.table)
            .fetch_all(source)
            .await?;
        let there: BTreeSet<String> = rows
            .iter()
            .map(|row| row.try_get("name"))
            .collect::<Result<_, _>>()?;
        let here: BTreeSet<String> = self.columns.iter().map(|column| column.name.clone()).collect();
        if here == there {
            Ok(())
        } else {
            Err(refusal(format!("{} has other columns here", self.table)))
        }
    }

    async fn insert(&self, statement: &str, rows: Vec<Vec<Value>>, target: &mut Connection) -> Result<()> {
        let mut columns: Vec<Vec<Value>> = self
            .columns
            .iter()
            .map(|_| Vec::with_capacity(rows.len()))
            .collect();
        for row in rows {
            for (column, value) in columns.iter_mut().zip(row) {
                column.push(value);
            }
        }
        let mut query = sqlx::query(AssertSqlSafe(statement.to_owned()));
        for (column, values) in self.columns.iter().zip(columns) {
            query = match column.kind {
                Kind::Integer => query.bind(values.into_iter().map(integer).collect::<Vec<_>>()),
                Kind::Flag => {
                    let flag = |value| integer(value).map(|number| number != 0);
                    query.bind(values.into_iter().map(flag).collect::<Vec<_>>())
                }
                Kind::Text => {
                    let text = |value| match value {
                        Value::Text(text) => Some(text),
                        _ => None,
                    };
                    query.bind(values.into_iter().map(text).collect::<Vec<_>>())
                }
                Kind::Bytes => {
                    let bytes = |value| match value {
                        Value::Bytes(bytes) => Some(bytes),
                        _ => None,
                    };
                    query.bind(values.into_iter().map(bytes).collect::<Vec<_>>())
                }
            };
        }
        query.execute(target).await?;
        Ok(())
    }

    /// Reads both ends once more, side by side.
    async fn compare(&self, source: &mut SqliteConnection, target: &mut Connection) -> Result<Carried> {
        let mut there = sqlx::query(AssertSqlSafe(self.select())).fetch(source);
        let mut here = sqlx::query(AssertSqlSafe(self.select())).fetch(target);
        let (mut digest, mut rows, mut replaced) = (Sha256::new(), 0, 0);
        loop {
            let (one, other) = match (there.try_next().await?, here.try_next().await?) {
                (None, None) => break,
                (Some(one), Some(other)) => (one, other),
                _ => return Err(self.differs(rows)),
            };
            let (expected, changed) = self.read_sqlite(&one)?;
            if expected != self.read_postgres(&other)? {
                return Err(self.differs(rows));
            }
            expected.iter().for_each(|value| value.write(&mut digest));
            rows += 1;
            replaced += changed;
        }
        Ok(Carried {
            table: self.table,
            rows,
            digest: digest.finalize().into(),
            replaced,
        })
    }

    fn differs(&self, row: u64) -> StoreError {
        refusal(format!(
            "row {} of {} is not what was written",
            row + 1,
            self.table
        ))
    }

    /// The row as it is to be, and how many of its texts are changed by that.
    fn read_sqlite(&self, row: &SqliteRow) -> Result<(Vec<Value>, u64)> {
        let mut replaced = 0;
        let mut value = |(at, column): (usize, &Column)| -> Result<Value> {
            Ok(match column.kind {
                Kind::Integer | Kind::Flag => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
                Kind::Text => row.try_get::<Option<String>, _>(at)?.map(|text| {
                    if text.contains('\0') {
                        replaced += 1;
                        return Value::Text(text.replace('\0', "\u{FFFD}"));
                    }
                    Value::Text(text)
                }),
                Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
            }
            .unwrap_or(Value::Null))
        };
        let values = self
            .columns
            .iter()
            .enumerate()
            .map(&mut value)
            .collect::<Result<_>>()?;
        Ok((values, replaced))
    }

    fn read_postgres(&self, row: &PgRow) -> Result<Vec<Value>> {
        let value = |(at, column): (usize, &Column)| -> Result<Value> {
            Ok(match column.kind {
                Kind::Integer => row.try_get::<Option<i64>, _>(at)?.map(Value::Integer),
                Kind::Flag => row
                    .try_get::<Option<bool>, _>(at)?
                    .map(|flag| Value::Integer(flag.into())),
                Kind::Text => row.try_get::<Option<String>, _>(at)?.map(Value::Text),
                Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at)?.map(Value::Bytes),
            }
            .unwrap_or(Value::Null))
        };
        self.columns.iter().enumerate().map(value).collect()
    }
}

fn integer(value: Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(number),
        _ => None,
    }
}

/// The next row gets a number that none had: who reads goes on after the last one that it saw.
async fn go_on_counting(source: &mut SqliteConnection, target: &mut Connection, table: &str) -> Result<()> {
    let highest = format!("SELECT coalesce(max(id), 0) AS last FROM {table}");
    let row = sqlx::query(AssertSqlSafe(highest))
        .fetch_one(&mut *source)
        .await?;
    let given = sqlx::query("SELECT seq FROM sqlite_sequence WHERE name = $1")
        .bind(table)
        .fetch_optional(source)
        .await?;
    let given: Option<i64> = given.map(|row| row.try_get("seq")).transpose()?;
    let last = row.try_get::<i64, _>("last")?.max(given.unwrap_or(0));
    if last > 0 {
        sqlx::query("SELECT setval(pg_get_serial_sequence($1, 'id'), $2)")
            .bind(table)
            .bind(last)
            .execute(target)
            .await?;
    }
    Ok(())
}
