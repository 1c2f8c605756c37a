//! `mesh get`: files and whole folders out of a shared folder.

use mesh_peer::transfer::Accepted;
use mesh_protocol::channel::FolderOpen;
use mesh_protocol::limits::MAX_FOLDER_PATHS;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Place, find, online, open};
use crate::cli::args::{GetArgs, Taking};
use crate::cli::connect::disk_failure;
use crate::cli::output::size;
use crate::cli::{Context, progress, summary};
use crate::disk::{Folder, Inbox};
use crate::exit::{Failure, Outcome};
use crate::online::Online;
use crate::transfer::choice::Choice;
use crate::transfer::incoming::{self, Arrived, Destination};
use crate::transfer::{Flow, Shown};

pub(in crate::cli) async fn run(context: Context, args: GetArgs) -> Outcome {
    let places: Vec<Place> = args.places.iter().map(|place| Place::parse(place)).collect();
    let share = &places[0].share;
    if places.iter().any(|place| place.share != *share) {
        return Err(Failure::usage(
            "All paths have to be of one shared folder: get those of another with a second command.",
        ));
    }
    if places.len() > MAX_FOLDER_PATHS {
        return Err(Failure::usage(format!(
            "At most {MAX_FOLDER_PATHS} paths at once: get the folder that they are in."
        )));
    }
    let out = match &args.out {
        Some(out) => out.clone(),
        None => std::env::current_dir().map_err(Failure::general)?,
    };
    let choice = args.taking.choice()?;
    let mut online = online(&context).await?;
    let outcome = pull(&context, &mut online, &places, &args.taking, choice, &out).await;
    online.close().await;
    outcome
}

async fn pull(
    context: &Context,
    online: &mut Online,
    places: &[Place],
    taking: &Taking,
    choice: Choice,
    out: &std::path::Path,
) -> Outcome {
    let output = context.output;
    let found = find(online, &places[0].share)?;
    let paths = places.iter().map(|place| place.path.clone()).collect();
    let (session, opened) = open(context, online, &found, FolderOpen::Pull { paths }).await?;
    output.note(
        &format!(
            "{} has {} file(s), {}.",
            found.who,
            opened.count,
            size(opened.size)
        ),
        json!({"event": "found", "from": found.who, "count": opened.count, "size": opened.size}),
    );
    let folder = Folder::open(out).map_err(|error| disk_failure(&error))?;
    let accepted = Accepted {
        size: opened.size,
        count: opened.count,
        max_size: session.claims.max_size,
    };
    let (shown, progress) = watch::channel(Shown::default());
    let (bar, begun) = (
        tokio::spawn(progress::show(output, progress, session.link.clone())),
        Instant::now(),
    );
    let mut stands: Vec<Arrived> = Vec::new();
    let destination = Destination {
        inbox: Inbox::new(folder).with_existing(taking.existing()),
        choice,
    };
    let flow = Flow {
        throttle: taking.throttle,
        ..Flow::from(context.stop.clone())
    };
    let receiving = incoming::receive(session, accepted, destination, &shown, &flow, |file| {
        stands.push(file)
    });
    let received = online.alongside(receiving).await;
    bar.abort();
    summary::arrived(output, &stands, &found.who, out);
    let again = "what has arrived is kept, and the same command goes on from there.";
    if let Err(error) = received {
        let failure = error.failure(&found.who, again);
        return Err(failure.in_part(stands.len() as u64, accepted.count));
    }
    summary::received(output, *shown.borrow(), accepted.count, begun.elapsed());
    Ok(())
}
