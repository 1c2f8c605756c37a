//! `mesh put`: files into a shared folder whose owner wants them.

use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;

use mesh_peer::transfer::{Sender, Source};
use mesh_protocol::channel::FolderOpen;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Place, find, online, open};
use crate::cli::args::PutArgs;
use crate::cli::connect::disk_failure;
use crate::cli::{Context, connect, progress, summary, until_stopped};
use crate::disk::{self, SourceFile};
use crate::exit::{Failure, Outcome};
use crate::online::Online;
use crate::transfer::{Flow, Shown, outgoing};

pub(in crate::cli) async fn run(context: Context, mut args: PutArgs) -> Outcome {
    let place = args.files.pop().map(|last| Place::parse(&last.to_string_lossy()));
    let Some(place) = place.filter(|_| !args.files.is_empty()) else {
        return Err(Failure::usage(
            "Name the files, and last the shared folder: `mesh put FILE… SHARE:`.",
        ));
    };
    let (files, sources) = until_stopped(&context.stop, read(args.files)).await?;
    let mut online = online(&context).await?;
    let outcome = send(&context, &mut online, &place, (files, sources), args.throttle).await;
    online.close().await;
    outcome
}

/// Opens the files and reads their hashes, on a thread of its own.
async fn read(paths: Vec<PathBuf>) -> Outcome<(Vec<SourceFile>, Vec<Source>)> {
    let reading = tokio::task::spawn_blocking(move || {
        let (mut files, mut names) = (Vec::new(), Vec::new());
        for path in &paths {
            let file = SourceFile::open(path).map_err(|error| disk_failure(&error))?;
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| {
                Failure::usage(format!(
                    "{} has no name that others can read: rename it.",
                    path.display()
                ))
            })?;
            names.push(name.to_owned());
            files.push(file);
        }
        let hashes = disk::hash(&files, || true)
            .map_err(|error| disk_failure(&error))?
            .ok_or_else(Failure::interrupted)?;
        let sources = names.into_iter().zip(&files).zip(hashes);
        let sources = sources.map(|((path, file), hash)| file.source(path, hash));
        let sources = sources.collect();
        Ok((files, sources))
    });
    reading.await.map_err(Failure::general)?
}

async fn send(
    context: &Context,
    online: &mut Online,
    place: &Place,
    (files, sources): (Vec<SourceFile>, Vec<Source>),
    throttle: Option<NonZeroU64>,
) -> Outcome {
    let output = context.output;
    let found = find(online, &place.share)?;
    let verified: Vec<(String, u64, blake3::Hash)> = sources
        .iter()
        .map(|source| (source.path.clone(), source.size, source.hash.whole()))
        .collect();
    let total = files.iter().map(SourceFile::size).sum();
    let sender =
        Sender::new(sources).map_err(|error| Failure::usage(connect::capitalised(&error.to_string())))?;
    let purpose = FolderOpen::Put {
        path: place.path.clone(),
        size: total,
        count: files.len() as u64,
    };
    let (session, _) = open(context, online, &found, purpose).await?;
    let (shown, progress) = watch::channel(Shown::default());
    let link = session.link.clone();
    let (bar, begun) = (
        tokio::spawn(progress::show(output, progress, link.clone())),
        Instant::now(),
    );
    let flow = Flow {
        throttle,
        ..Flow::from(context.stop.clone())
    };
    let sending = outgoing::send(session, sender, Arc::new(files), &shown, &flow);
    let sent = online.alongside(sending).await;
    bar.abort();
    let again = "run the same command again and it goes on where it stopped.";
    if let Err(error) = sent {
        let done = shown.borrow().progress.files_done;
        let failure = error.failure(&found.who, again);
        return Err(failure.in_part(done.into(), verified.len() as u64));
    }
    for (name, bytes, hash) in &verified {
        output.result(
            &format!("BLAKE3 {hash} verified by {}: {name}", found.who),
            json!({"event": "verified", "name": name, "size": bytes, "blake3": hash.to_string(), "by": found.who}),
        );
    }
    let moved = shown.borrow().moved.min(total);
    let link = link.borrow().clone();
    summary::sent(output, moved, total, begun.elapsed(), &link);
    Ok(())
}
