//! What `mesh send` was given: files, folders with all that is in them, standard input; and the names it travels under.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesh_peer::transfer::{FileHash, Source};
use mesh_protocol::limits::MAX_LISTED_FILES;
use mesh_protocol::safe_path::{PathError, PathSet};
use mesh_protocol::signal::OfferedFile;
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::cli::args::SendArgs;
use crate::cli::connect::disk_failure;
use crate::cli::output::{Output, size};
use crate::disk::{self, DiskError, Met, Patterns, SourceFile, walk};
use crate::exit::{Failure, Outcome};

/// What the listed paths of a request may take together; its frame holds 64 KiB.
const LISTED_BYTES: usize = 40_000;
/// What standard input is called where nobody says.
const STDIN_NAME: &str = "stdin";

/// What is to be sent.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) files: Arc<Vec<SourceFile>>,
    pub(super) total: u64,
    /// For people: the name of the only file or folder, or how many files there are.
    pub(super) title: String,
}

impl Parcel {
    /// Looks for everything that is to be sent; says what it passes over. Blocks, as long as standard input does.
    pub(super) fn gather(args: &SendArgs, output: Output) -> Outcome<Self> {
        let exclude = Patterns::parse(args.exclude.iter().map(String::as_str))
            .map_err(|why| Failure::usage(format!("{why}.")))?;
        let stdin = args.paths.iter().filter(|path| is_stdin(path)).count();
        if stdin > 1 || (args.name.is_some() && stdin == 0) {
            return Err(Failure::usage(
                "`-` stands for standard input, once, and `--name` says what that is called.",
            ));
        }
        let mut gathering = Gathering {
            exclude,
            output,
            files: Vec::new(),
            names: PathSet::default(),
        };
        let mut only_root = None;
        for path in &args.paths {
            let name = if is_stdin(path) {
                let name = args.name.clone().unwrap_or_else(|| STDIN_NAME.into());
                gathering.add(path, spool(&name)?, name.clone())?;
                name
            } else {
                gathering.root(path)?
            };
            only_root = (args.paths.len() == 1).then_some(name);
        }
        let files = gathering.files;
        if files.is_empty() {
            return Err(Failure::usage("There is no file in it: nothing is sent."));
        }
        Ok(Self {
            total: files.iter().map(SourceFile::size).sum(),
            title: only_root.unwrap_or_else(|| format!("{} files", files.len())),
            files: Arc::new(files),
        })
    }

    /// For a sentence: `photos (12 files, 3.1 MB)`.
    pub(super) fn described(&self) -> String {
        let bytes = size(self.total);
        match self.files.len() {
            1 => format!("{} ({bytes})", self.title),
            some if self.title == format!("{some} files") => format!("{} ({bytes})", self.title),
            some => format!("{} ({some} files, {bytes})", self.title),
        }
    }

    /// The beginning of the list, for the person who is asked.
    pub(super) fn listed(&self) -> Vec<OfferedFile> {
        let mut left = LISTED_BYTES;
        let fits = |file: &&SourceFile| {
            // Of an allowed name only a quotation mark takes two bytes in JSON.
            let bytes = file.name().len() + file.name().matches('"').count() + 48;
            let fits = bytes <= left;
            left = left.saturating_sub(bytes);
            fits
        };
        let listed = self.files.iter().take(MAX_LISTED_FILES).take_while(fits);
        listed
            .map(|file| OfferedFile {
                path: file.name().to_owned(),
                size: file.size(),
            })
            .collect()
    }

    /// What the engine is told.
    pub(super) fn sources(&self, hashes: &[FileHash]) -> Vec<Source> {
        let files = self.files.iter().zip(hashes);
        files
            .map(|(file, hash)| file.source(file.name().to_owned(), hash.clone()))
            .collect()
    }

    /// Hashes all files on threads of their own, while nobody has accepted yet.
    pub(super) fn hash(&self, stop: CancellationToken) -> JoinHandle<Outcome<Vec<FileHash>>> {
        let files = self.files.clone();
        tokio::task::spawn_blocking(move || {
            disk::hash(&files, || !stop.is_cancelled())
                .map_err(|error| disk_failure(&error))?
                .ok_or_else(Failure::interrupted)
        })
    }
}

struct Gathering {
    exclude: Patterns,
    output: Output,
    files: Vec<SourceFile>,
    names: PathSet,
}

impl Gathering {
    /// One path of the command line; gives the name it travels under.
    fn root(&mut self, path: &Path) -> Outcome<String> {
        let name = own_name(path)?;
        if !path.is_dir() {
            if self.exclude.fit(Path::new(&name), false) {
                return Ok(name);
            }
            let file = SourceFile::open(path).map_err(|error| disk_failure(&error))?;
            self.add(path, file, name.clone())?;
            return Ok(name);
        }
        let exclude = self.exclude.clone();
        walk(path, &exclude, |met| self.met(path, &name, met)).map_err(|Stopped(failure)| failure)?;
        Ok(name)
    }

    fn met(&mut self, root: &Path, name: &str, met: Met) -> Result<(), Stopped> {
        match met {
            Met::Other(path, what) => {
                let human = format!("{} is {what}: it is not sent.", path.display());
                let event = json!({"event": "passed_over", "path": path, "detail": what});
                self.output.note(&human, event);
            }
            Met::File(path) => {
                let below = path.strip_prefix(root).ok().and_then(path_in_words);
                let below = below.ok_or_else(|| Stopped(unspeakable(&path)))?;
                let file = SourceFile::found(&path)?;
                self.add(&path, file, format!("{name}/{below}"))
                    .map_err(Stopped)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, file: SourceFile, name: String) -> Outcome {
        self.names.insert(&name).map_err(|error| match error {
            PathError::Collision(_) => Failure::usage(format!(
                "Two files would be called \"{name}\" on some systems: rename one, or send them one after the other."
            )),
            PathError::TooMany => Failure::usage(format!("There are {error}: send a part of them.")),
            error => Failure::usage(format!(
                "{} cannot be sent under its name ({error}): rename it, or leave it out with `--exclude`.",
                path.display()
            )),
        })?;
        self.files.push(file.named(name));
        Ok(())
    }
}

/// Why a walk was not finished.
struct Stopped(Failure);

impl From<DiskError> for Stopped {
    fn from(error: DiskError) -> Self {
        Self(disk_failure(&error))
    }
}

/// Whether the terminal is free for the person.
pub(super) fn reads_no_stdin(args: &SendArgs) -> bool {
    !args.paths.iter().any(|path| is_stdin(path))
}

fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The last component; `.` and `..` have one only once they are resolved.
fn own_name(path: &Path) -> Outcome<String> {
    let resolved: PathBuf = match path.file_name() {
        Some(_) => path.to_owned(),
        None => path
            .canonicalize()
            .map_err(|error| disk_failure(&DiskError::SourceGone(path.to_owned(), error)))?,
    };
    let name = resolved.file_name().and_then(|name| name.to_str());
    name.map(str::to_owned).ok_or_else(|| unspeakable(path))
}

/// As it is told to others: names with `/` between them, whatever this system has there.
fn path_in_words(path: &Path) -> Option<String> {
    let names = path.components().map(|name| name.as_os_str().to_str());
    Some(names.collect::<Option<Vec<_>>>()?.join("/"))
}

fn unspeakable(path: &Path) -> Failure {
    Failure::usage(format!(
        "{} has a name that other systems cannot hold: rename it, or leave it out with `--exclude`.",
        path.display()
    ))
}

/// Standard input, in a file without a name that is gone with this process: how much it is, and its hash, are told before
/// the first byte moves, and what was sent in part must be there to be sent again.
fn spool(name: &str) -> Outcome<SourceFile> {
    if std::io::stdin().is_terminal() {
        let end = if cfg!(windows) {
            "Ctrl-Z and Enter"
        } else {
            "Ctrl-D"
        };
        eprintln!("Type what is to be sent, and {end} at its end.");
    }
    let failed = |error: std::io::Error| {
        Failure::general(format!(
            "Standard input cannot be kept in {}: {error}. `{}` names another folder.",
            std::env::temp_dir().display(),
            if cfg!(windows) { "TMP" } else { "TMPDIR" }
        ))
    };
    let mut file = tempfile::tempfile().map_err(failed)?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(failed)?;
    SourceFile::unnamed(file, name).map_err(|error| disk_failure(&error))
}
