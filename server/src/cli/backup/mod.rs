//! `mesh-server backup FILE` and `mesh-server restore FILE`.

mod archive;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use tempfile::TempDir;

use crate::Config;
use crate::clock::{Clock as _, SystemClock};
use crate::data_dir::{self, DATABASE};
use crate::store::sqlite::snapshot;

/// Writes a backup.
#[derive(Args)]
pub(super) struct Backup {
    /// The file to write; it holds the keys: keep it as you keep a password
    file: PathBuf,
    /// Replace the file where there is one
    #[arg(long)]
    force: bool,
}

/// Reads a backup.
#[derive(Args)]
pub(super) struct Restore {
    /// The file that `mesh-server backup` wrote; `-` reads it from standard input
    file: PathBuf,
    /// Replace the data that is there
    #[arg(long)]
    force: bool,
}

impl Backup {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        if config.database_url.is_some() {
            bail!(
                "The database is in PostgreSQL, which has a tool of its own for this: pg_dump --format custom --file mesh.dump mesh. \
                 Keep the keys with it: {}/*.key.",
                config.data_dir.display()
            );
        }
        let database = config.database_path();
        if !database.exists() {
            bail!(
                "There is nothing to back up: {} does not exist. Is MESH_DATA_DIR right?",
                database.display()
            );
        }
        let _in_use = data_dir::enter(&config.data_dir)?;
        if self.file.exists() && !self.force {
            bail!(
                "{} exists: choose another name, or replace it with --force.",
                self.file.display()
            );
        }
        // Beside the file, so that the last step is a rename; for the owner only, as is all that is in it.
        let folder = draft_folder(beside(&self.file))?;
        let copy = folder.path().join(DATABASE);
        snapshot::copy(&database, &copy)
            .await
            .with_context(|| format!("{} could not be copied", database.display()))?;
        if let Some(flaw) = snapshot::flaw(&copy).await? {
            bail!("The database is damaged, and so is every copy of it: {flaw}. See: mesh-server doctor");
        }
        let mut files = vec![copy];
        files.extend(data_dir::keys(&config.data_dir)?);
        let draft = folder.path().join("archive");
        archive::write(&draft, &files, SystemClock.now())?;
        // What was written is read again before it gets its name.
        let manifest = archive::read(&draft, None)?;
        archive::publish(&draft, &self.file, self.force)
            .with_context(|| format!("{} could not be written", self.file.display()))?;
        let bytes: u64 = manifest.files.iter().map(|file| file.size).sum();
        println!(
            "{}: database and {} keys, {bytes} bytes",
            self.file.display(),
            manifest.files.len() - 1
        );
        Ok(())
    }
}

impl Restore {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        if config.database_url.is_some() {
            bail!(
                "The database is in PostgreSQL: restore it with pg_restore --clean --if-exists --single-transaction --dbname mesh \
                 mesh.dump, and put the keys back into {}.",
                config.data_dir.display()
            );
        }
        let piped = self.file == Path::new("-");
        if !piped && !self.file.is_file() {
            bail!("There is no file {}.", self.file.display());
        }
        let alone = data_dir::alone(&config.data_dir)?;
        if config.database_path().exists() && !self.force {
            bail!(
                "{} holds data already: back it up, then replace it with --force.",
                config.data_dir.display()
            );
        }
        let folder = draft_folder(&config.data_dir)?;
        let unpacked = folder.path().join("data");
        std::fs::create_dir(&unpacked)?;
        if piped {
            archive::read_from(std::io::stdin().lock(), "standard input", Some(&unpacked))?;
        } else {
            archive::read(&self.file, Some(&unpacked))?;
        }
        if let Some(flaw) = snapshot::flaw(&unpacked.join(DATABASE)).await? {
            bail!(
                "The database in {} cannot be used: {flaw}. Nothing was changed.",
                self.file.display()
            );
        }
        data_dir::replace(&config.data_dir, &unpacked, &alone)?;
        println!(
            "Restored {} from {}",
            config.data_dir.display(),
            self.file.display()
        );
        Ok(())
    }
}

/// Removed with all that is in it, however the command ends.
fn draft_folder(parent: &Path) -> anyhow::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(".mesh-")
        .tempdir_in(parent)
        .with_context(|| format!("{} cannot be written to", parent.display()))
}

fn beside(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}
