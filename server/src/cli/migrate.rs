//! `mesh-server migrate`: from the SQLite file of the data folder to a PostgreSQL database.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Args;

use super::output;
use crate::config::{ConfigError, Secret};
use crate::server::reason;
use crate::store::postgres::{self, Carried};
use crate::store::sqlite::snapshot;
use crate::{Config, StartError, data_dir};

/// Carries everything over, checked row by row; the file stays as it is.
#[derive(Args)]
pub(super) struct Migrate {
    /// An empty database, such as postgres://mesh@db.example.com/mesh; without a password, which others could see here
    /// [default: MESH_DATABASE_URL]
    #[arg(long, value_name = "URL", conflicts_with = "to_file")]
    to: Option<String>,
    /// A file that holds the URL, with its password
    #[arg(long, value_name = "FILE")]
    to_file: Option<PathBuf>,
}

impl Migrate {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let url = self.target(config)?;
        let file = config.database_path();
        if !file.exists() {
            bail!(
                "There is nothing to carry over: {} does not exist. Is MESH_DATA_DIR right?",
                file.display()
            );
        }
        // Nobody writes into the file while it is read, and nobody believes to have written into it afterwards.
        let _alone = data_dir::alone(&config.data_dir)?;
        let shown = file.display();
        if let Some(flaw) = snapshot::flaw(&file)
            .await
            .with_context(|| format!("{shown} cannot be read"))?
        {
            bail!("{shown} is damaged: {flaw}. See: mesh-server doctor");
        }
        let carried = match postgres::import(&file, &url).await {
            Ok(carried) => carried,
            Err(error) => bail!(
                "Nothing was carried over, and nothing was changed: {}",
                reason(&error)
            ),
        };
        let row = |table: &Carried| {
            let digest: String = table.digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            [table.table.to_owned(), table.rows.to_string(), digest]
        };
        output::table(carried.iter().map(row))?;
        let (rows, replaced): (u64, u64) = (
            carried.iter().map(|table| table.rows).sum(),
            carried.iter().map(|table| table.replaced).sum(),
        );
        if replaced > 0 {
            println!("In {replaced} texts U+FFFD stands now for U+0000, which PostgreSQL does not hold.");
        }
        println!(
            "{rows} rows are the same at both ends. Set MESH_DATABASE_URL and start the server; it needs the keys in {} as \
             before. {shown} was not changed: remove it when you are content.",
            config.data_dir.display(),
        );
        Ok(())
    }

    fn target(&self, config: &Config) -> Result<Secret, StartError> {
        let given = match (&self.to, &self.to_file) {
            (Some(url), _) if !postgres::without_password(url) => {
                return Err(wrong(
                    "--to holds a password, which everybody on this machine can read: write the URL into a file and give that \
                     with --to-file, or set MESH_DATABASE_URL.",
                ));
            }
            (Some(url), _) => url.clone(),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| wrong(format!("{} cannot be read: {error}", file.display())))?
                .trim()
                .to_owned(),
            (None, None) => match &config.database_url {
                Some(url) => return Ok(url.clone()),
                None => {
                    return Err(wrong(
                        "Say where to: --to postgres://mesh@db.example.com/mesh, --to-file, or MESH_DATABASE_URL.",
                    ));
                }
            },
        };
        postgres::check(&given).map_err(|flaw| wrong(format!("The URL {flaw}.")))?;
        Ok(Secret::new(given))
    }
}

fn wrong(text: impl Into<String>) -> StartError {
    StartError::Config(ConfigError(text.into()))
}
