//! How a connection is made, what is asked of the database at its other end, and what is said where that is not so.

use std::borrow::Cow;
use std::io;
use std::str::FromStr as _;

use openidconnect::url::Url;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Row as _};
use tokio::time::timeout;

use super::{DEADLINE, READ_ONLY_TEXT, Result, StoreError, migrate, refusal};
use crate::config::Secret;

/// The oldest version that is tested.
const OLDEST: i32 = 130_000;
/// What the driver knows; it would write others into the log, with their values.
const PARAMETERS: [&str; 12] = [
    "sslmode",
    "sslrootcert",
    "sslcert",
    "sslkey",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// What is wrong with a URL of a database; it is not quoted, since it may hold a password.
pub fn check(url: &str) -> Result<(), String> {
    options_of(url).map(drop)
}

/// Whether the URL holds no password, so that it may stand in a command line.
pub fn without_password(url: &str) -> bool {
    Url::parse(url)
        .is_ok_and(|url| url.password().is_none() && !url.query_pairs().any(|(key, _)| key == "password"))
}

pub(super) fn options(url: &Secret) -> Result<PgConnectOptions> {
    options_of(url.expose()).map_err(refusal)
}

fn options_of(text: &str) -> Result<PgConnectOptions, String> {
    const SHAPE: &str = "must be like postgres://user:password@host:5432/database";
    let url = Url::parse(text).map_err(|_| SHAPE.to_owned())?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(SHAPE.to_owned());
    }
    let unknown = url.query_pairs().find(|(key, _)| !PARAMETERS.contains(&&**key));
    if let Some((key, _)) = unknown {
        return Err(format!("has a parameter \"{key}\", which is not known"));
    }
    let options = PgConnectOptions::from_str(text).map_err(|_| SHAPE.to_owned())?;
    Ok(if options.get_application_name().is_some() {
        options
    } else {
        options.application_name("mesh-server")
    })
}

/// Where the database is, for people.
pub(super) fn place(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => format!("{} (port {})", socket.display(), options.get_port()),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    match timeout(DEADLINE, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(refusal(explain(options, &error))),
        Err(_) => Err(refusal(format!(
            "PostgreSQL at {} does not answer: see its log, or correct MESH_DATABASE_URL",
            place(options)
        ))),
    }
}

fn explain(options: &PgConnectOptions, error: &sqlx::Error) -> String {
    let (place, user) = (place(options), options.get_username());
    let database = options.get_database().unwrap_or(user);
    let code = error.as_database_error().and_then(|error| error.code());
    match (error, code.as_deref()) {
        (sqlx::Error::Io(error), _)
            if matches!(
                error.kind(),
                io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
            ) =>
        {
            format!("nobody answers at {place} ({error}): start PostgreSQL, or correct MESH_DATABASE_URL")
        }
        (sqlx::Error::Tls(error), _) => without_tls(&place, error),
        // So the driver tells what the handshake found.
        (sqlx::Error::Io(error), _) if error.kind() == io::ErrorKind::InvalidData => {
            without_tls(&place, error)
        }
        (_, Some("28P01")) => {
            format!(
                "PostgreSQL at {place} does not let {user} in: correct name and password in MESH_DATABASE_URL"
            )
        }
        // Its own words name the line that is missing, and whether the connection was encrypted.
        (_, Some("28000")) => {
            let why = error.as_database_error().map_or("", |error| error.message());
            format!(
                "PostgreSQL at {place} does not let {user} in ({why}): correct MESH_DATABASE_URL, or its pg_hba.conf"
            )
        }
        (_, Some("3D000")) => {
            format!("PostgreSQL at {place} has no database {database}: createdb {database}")
        }
        (_, Some("57P03")) => {
            format!("PostgreSQL at {place} is starting or stopping: start again in a moment")
        }
        (_, Some("53300")) => {
            format!("PostgreSQL at {place} has no connection left: raise its max_connections")
        }
        _ => format!("PostgreSQL at {place} cannot be used: {error}"),
    }
}

fn without_tls(place: &str, error: &dyn std::fmt::Display) -> String {
    format!(
        "no TLS with PostgreSQL at {place} ({error}): in MESH_DATABASE_URL, name the host that its certificate is for, and as \
         sslrootcert the file of the authority that signed it; where it has no TLS, set ssl = on in its postgresql.conf"
    )
}

/// What the database is, as far as it matters.
pub(super) struct Server {
    pub(super) version: String,
    number: i32,
    encoding: String,
    pub(super) read_only: bool,
    /// Whether a commit survives a loss of power.
    pub(super) safe: bool,
}

pub(super) async fn server(connection: &mut PgConnection) -> Result<Server> {
    let row = sqlx::query(
        "SELECT current_setting('server_version') AS version, current_setting('server_version_num')::int AS number,
                current_setting('server_encoding') AS encoding, current_setting('transaction_read_only') = 'on' AS read_only,
                current_setting('fsync') = 'on' AND current_setting('full_page_writes') = 'on' AS safe",
    )
    .fetch_one(connection)
    .await?;
    Ok(Server {
        version: row.try_get("version")?,
        number: row.try_get("number")?,
        encoding: row.try_get("encoding")?,
        read_only: row.try_get("read_only")?,
        safe: row.try_get("safe")?,
    })
}

impl Server {
    /// Why it cannot be used, if it cannot.
    pub(super) fn flaw(&self) -> Option<Cow<'static, str>> {
        if self.number < OLDEST {
            return Some(
                format!(
                    "it is PostgreSQL {}: version 13 is the oldest that is supported",
                    self.version
                )
                .into(),
            );
        }
        if self.encoding != "UTF8" {
            let text = format!(
                "its encoding is {}: make another one with createdb --encoding UTF8 --template template0",
                self.encoding
            );
            return Some(text.into());
        }
        self.read_only.then_some(READ_ONLY_TEXT.into())
    }
}

/// Refuses what would go wrong later.
pub(super) async fn examine(connection: &mut PgConnection) -> Result<()> {
    let server = server(connection).await?;
    // Said first: whoever runs an older version by mistake is helped by nothing else.
    if let Some(text) = migrate::version(connection).await?.and_then(migrate::too_new) {
        return Err(StoreError::Corrupt(text));
    }
    if let Some(flaw) = server.flaw() {
        return Err(refusal(flaw));
    }
    if !server.safe {
        tracing::warn!(
            "fsync or full_page_writes is off in PostgreSQL: a loss of power can take messages that were acknowledged"
        );
    }
    Ok(())
}

/// The bounds of what the server does for a connection, also where its caller has given up or hangs.
pub(super) async fn set_bounds(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let bounds = format!(
        "SET statement_timeout = {ms}; SET lock_timeout = {ms}; SET idle_in_transaction_session_timeout = {idle};
         SET default_transaction_isolation = 'read committed';
         SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
        ms = DEADLINE.as_millis(),
        idle = 2 * DEADLINE.as_millis(),
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(bounds))
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_refused_without_being_quoted() {
        for (url, good) in [
            ("postgres://mesh:canary@db/mesh", true),
            ("postgresql://mesh@db:5433/mesh?sslmode=verify-full", true),
            ("postgres:///mesh?host=/run/postgresql", true),
            ("mysql://mesh:canary@db/mesh", false),
            ("canary", false),
            ("postgres://mesh:canary@db:port/mesh", false),
            ("postgres://mesh@db/mesh?passwort=canary", false),
            ("postgres://mesh:canary@db/mesh?sslmode=maybe", false),
        ] {
            let checked = check(url);
            assert_eq!(checked.is_ok(), good, "{url}");
            assert!(!format!("{checked:?}").contains("canary"), "{checked:?}");
        }
        assert!(without_password("postgres://mesh@db/mesh"));
        assert!(!without_password("postgres://mesh:x@db/mesh"));
        assert!(!without_password("postgres://mesh@db/mesh?password=x"));
    }
}
