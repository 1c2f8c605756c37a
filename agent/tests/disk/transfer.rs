//! A transfer between two engines in this process, of which one end is a real folder.

use std::path::{Path, PathBuf};

use mesh_agent::disk::{Folder, Inbox};
use mesh_peer::transfer::{Accepted, Entry, FileHash, Outcome, Receiver, ReceiverTask, Sender, Source};
use mesh_protocol::channel::{FileManifest, Frame, ManifestEntry};
use mesh_protocol::safe_path::SafePath;

pub(crate) const CHUNK: usize = 1024 * 1024;

pub(crate) fn content(len: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; len];
    blake3::Hasher::new()
        .update(&seed.to_be_bytes())
        .finalize_xof()
        .fill(&mut bytes);
    bytes
}

pub(crate) fn inbox(folder: &Path) -> Inbox {
    Inbox::new(Folder::open(folder).unwrap())
}

/// Sends `files` into the inbox. Writes beyond `chunks` are not carried out, as if the process had been killed there.
pub(crate) struct Transfer<'a> {
    pub(crate) files: Vec<(&'a str, &'a [u8])>,
    pub(crate) chunks: usize,
    /// Whether what is whole gets its name; if not, it is as if the process had been killed before.
    pub(crate) commits: bool,
    pub(crate) written: usize,
    pub(crate) stands: Vec<PathBuf>,
}

impl<'a> Transfer<'a> {
    pub(crate) fn of(files: &[(&'a str, &'a [u8])]) -> Self {
        Self {
            files: files.to_vec(),
            chunks: usize::MAX,
            commits: true,
            written: 0,
            stands: Vec::new(),
        }
    }

    pub(crate) fn run(&mut self, inbox: &Inbox) -> Option<Outcome> {
        let sources = self.files.iter().map(|(path, bytes)| Source {
            path: (*path).into(),
            size: bytes.len() as u64,
            hash: FileHash::of(bytes),
            modified_at: Some(1_000_000_000_000),
            mode: Some(if path.ends_with(".sh") { 0o755 } else { 0o644 }),
        });
        let mut sender = Sender::new(sources.collect()).unwrap();
        let size = self.files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let mut receiver = Receiver::new(Accepted {
            size,
            count: self.files.len() as u64,
            max_size: None,
        });
        loop {
            let mut moved = false;
            while let Some(read) = sender.poll_read() {
                let bytes = self.files[read.file as usize].1;
                let filled = read.fill(|at, len, message| {
                    message.extend_from_slice(&bytes[at as usize..][..len]);
                    Ok::<_, ()>(())
                });
                sender.chunk_read(filled.unwrap());
            }
            while let Some(frame) = sender.poll_frame() {
                receiver.handle(Frame::decode(&frame).unwrap());
                moved = true;
            }
            while let Some(task) = receiver.poll_task() {
                moved = true;
                if matches!(task, ReceiverTask::Write(_)) && self.written == self.chunks {
                    return None;
                }
                if self.commits || !matches!(task, ReceiverTask::Commit(_)) {
                    self.carry_out(inbox, task, &mut receiver);
                }
            }
            while let Some(frame) = receiver.poll_frame() {
                sender.handle(Frame::decode(&frame).unwrap());
                moved = true;
            }
            if receiver.outcome().is_some() || !moved {
                return receiver.outcome().cloned();
            }
        }
    }

    /// Takes an empty file of this name from a sender that checks no names.
    pub(crate) fn receive(mut self, name: &str, inbox: &Inbox) -> Option<Outcome> {
        let listed = ManifestEntry {
            file: 0,
            path: name.into(),
            size: 0,
            hash: blake3::hash(b"").to_hex().to_string(),
            modified_at: None,
            mode: None,
        };
        let mut receiver = Receiver::new(Accepted {
            size: 10,
            count: 1,
            max_size: None,
        });
        receiver.handle(Frame::FileManifest(FileManifest {
            files: vec![listed],
            last: true,
            bundles: false,
        }));
        while let Some(task) = receiver.poll_task() {
            self.carry_out(inbox, task, &mut receiver);
        }
        receiver.outcome().cloned()
    }

    fn carry_out(&mut self, inbox: &Inbox, task: ReceiverTask, receiver: &mut Receiver) {
        let (file, result) = match task {
            ReceiverTask::Inspect(entry) => (
                entry.file,
                inbox
                    .inspect(&entry)
                    .map(|held| receiver.inspected(entry.file, held)),
            ),
            ReceiverTask::Write(chunk) => {
                let entry = receiver.entries()[chunk.file() as usize].clone();
                let written = inbox.write(&entry, chunk.verify().unwrap());
                self.written += usize::from(written.is_ok());
                (entry.file, written.map(|written| receiver.chunk_written(written)))
            }
            ReceiverTask::Commit(entry) => (
                entry.file,
                inbox.commit(std::slice::from_ref(&entry)).remove(0).map(|path| {
                    self.stands.push(path);
                    receiver.committed(entry.file);
                }),
            ),
            ReceiverTask::Discard(entry) => (
                entry.file,
                inbox.discard(&entry).map(|()| receiver.discarded(entry.file)),
            ),
        };
        if let Err(error) = result {
            receiver.task_failed(file, error.code(), error.to_string());
        }
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

pub(crate) fn entry(path: &str, bytes: &[u8]) -> Entry {
    Entry {
        file: 0,
        path: SafePath::parse(path).unwrap(),
        size: bytes.len() as u64,
        hash: blake3::hash(bytes),
        modified_at: None,
        executable: false,
    }
}
