//! What an operator should know about the database.

use sqlx::{Connection as _, Row as _};

use super::{Connection, Result, connect, migrate};
use crate::config::Secret;

/// What was found.
#[derive(Clone, Debug)]
pub struct Health {
    /// Where it is, without a password.
    pub place: String,
    /// Of PostgreSQL.
    pub version: String,
    pub bytes: u64,
    /// Why it cannot be used, if it cannot.
    pub flaw: Option<String>,
    /// What is unwise.
    pub warnings: Vec<String>,
    /// When something was last noted, in Unix milliseconds.
    pub newest: Option<u64>,
}

/// Looks, and changes nothing.
pub async fn look(url: &Secret) -> Result<Health> {
    let options = connect::options(url)?;
    let mut connection = connect::connect(&options).await?;
    let server = connect::server(&mut connection).await?;
    let schema = migrate::version(&mut connection).await?;
    let flaw = match schema.and_then(migrate::too_new) {
        Some(text) => Some(text),
        None => server.flaw().map(Into::into),
    };
    let mut warnings = Vec::new();
    if !server.safe {
        warnings.push(
            "fsync or full_page_writes is off: a loss of power takes what was acknowledged, switch them on"
                .into(),
        );
    }
    if open(&mut connection).await? {
        warnings.push(
            "the connection to it crosses a network and is not encrypted: add ?sslmode=verify-full to MESH_DATABASE_URL".into(),
        );
    }
    let newest = match schema {
        Some(_) => newest(&mut connection).await?,
        None => None,
    };
    let row = sqlx::query("SELECT pg_database_size(current_database()) AS bytes")
        .fetch_one(&mut connection)
        .await?;
    let bytes: i64 = row.try_get("bytes")?;
    connection.close().await?;
    Ok(Health {
        place: connect::place(&options),
        version: server.version,
        bytes: bytes.unsigned_abs(),
        flaw,
        warnings,
        newest,
    })
}

/// Whether others can read what goes to it.
async fn open(connection: &mut Connection) -> Result<bool> {
    let row = sqlx::query(
        "SELECT coalesce(NOT ssl AND NOT (client_addr <<= '127.0.0.0/8' OR client_addr = '::1'), FALSE) AS open
         FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE pid = pg_backend_pid()",
    )
    .fetch_one(connection)
    .await?;
    Ok(row.try_get("open")?)
}

async fn newest(connection: &mut Connection) -> Result<Option<u64>> {
    let row = sqlx::query("SELECT max(last_seen_at) AS newest FROM sessions")
        .fetch_one(connection)
        .await?;
    let newest: Option<i64> = row.try_get("newest")?;
    Ok(newest.and_then(|newest| u64::try_from(newest).ok()))
}
