//! A PostgreSQL on another machine: nobody in between reads along, or takes its place.

use anyhow::Result;
use mesh_server::config::Secret;
use mesh_server::store::Store as _;
use mesh_server::store::postgres::PostgresStore;
use mesh_testkit::postgres::Postgres;

use super::ended;

#[tokio::test]
async fn over_tls_the_certificate_is_what_the_url_asks_for_or_nothing_is_said() -> Result<()> {
    let (postgres, tls) = Postgres::start_with_tls()?;
    let local = postgres.database().await?;
    let name = local.trim_start_matches("postgres:///");
    let (name, _) = name.split_once('?').unwrap_or_default();
    let url = |host: &str, how: &str| {
        format!(
            "postgres://postgres:canary@{host}:{}/{name}?sslmode={how}",
            tls.port
        )
    };
    let by = |authority: &std::path::Path| format!("&sslrootcert={}", authority.display());
    let (right, wrong) = (by(&tls.authority), by(&tls.stranger));

    for good in [
        url("localhost", "verify-full") + &right,
        url("127.0.0.1", "verify-ca") + &right,
        url("localhost", "require"),
    ] {
        PostgresStore::open(&Secret::new(good)).await?.close().await;
    }

    let dir = tempfile::tempdir()?;
    let refused = |url: &str, sentence: &str| -> Result<()> {
        let (code, said) = ended(dir.path(), url, &["serve"])?;
        assert_eq!(code, Some(1), "{url}: {said}");
        assert!(said.contains(sentence), "{url}: {said}");
        assert!(!said.contains("canary"), "{said}");
        Ok(())
    };
    refused(
        &(url("localhost", "verify-full") + &wrong),
        "no TLS with PostgreSQL",
    )?;
    refused(&url("localhost", "verify-full"), "no TLS with PostgreSQL")?;
    refused(
        &(url("127.0.0.1", "verify-full") + &right),
        "no TLS with PostgreSQL",
    )?;
    refused(&url("localhost", "disable"), "no encryption")?;

    Postgres::execute(&local, "ALTER SYSTEM SET ssl = off").await?;
    Postgres::execute(&local, "SELECT pg_reload_conf()").await?;
    mesh_testkit::eventually("the server has no TLS any more", async || {
        ended(dir.path(), &url("localhost", "require"), &["serve"])
            .is_ok_and(|(_, said)| said.contains("no TLS with PostgreSQL"))
    })
    .await;
    Ok(())
}
