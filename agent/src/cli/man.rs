//! `mesh man`: a manual page for the command and for each of its subcommands.

use std::path::Path;

use clap::CommandFactory as _;
use serde_json::json;

use super::args::Cli;
use super::output::Output;
use crate::exit::{Failure, Outcome};

pub(crate) fn run(output: Output, folder: &Path) -> Outcome {
    let cannot =
        |error: std::io::Error| Failure::general(format!("{} cannot be written: {error}.", folder.display()));
    std::fs::create_dir_all(folder).map_err(cannot)?;
    clap_mangen::generate_to(Cli::command(), folder).map_err(cannot)?;
    let human = format!(
        "The manual pages are in {0}: `man {0}/mesh.1` shows the first.",
        folder.display()
    );
    output.note(&human, json!({"event": "man", "folder": folder}));
    Ok(())
}
