//! `mesh ls`: the folders that are shared, and what stands in one.

use mesh_protocol::channel::{FolderEntry, FolderList, FolderOpen, FolderSearch, Frame};
use serde_json::json;

use super::{Found, Place, answer, broken, find, online, open, shared};
use crate::cli::args::LsArgs;
use crate::cli::output::size;
use crate::cli::{Context, until_stopped};
use crate::daemon::consent::plain;
use crate::exit::{Failure, Outcome};
use crate::online::Online;

/// The number of the one question that is asked.
const QUESTION: u32 = 1;

pub(in crate::cli) async fn run(context: Context, args: LsArgs) -> Outcome {
    let mut online = online(&context).await?;
    let outcome = match &args.place {
        None => {
            tell_shares(&context, &online);
            Ok(())
        }
        Some(place) => {
            list(
                &context,
                &mut online,
                &Place::parse(place),
                args.search.as_deref(),
            )
            .await
        }
    };
    online.close().await;
    outcome
}

fn tell_shares(context: &Context, online: &Online) {
    let found = shared(online);
    let output = context.output;
    for Found { room, share, who } in &found {
        let room = online.roster.room_name(room);
        let human = format!(
            "{}  {who} in {}  {}",
            plain(&share.label),
            plain(&room),
            share.share_id
        );
        let event = json!({"event": "share", "share_id": share.share_id, "label": share.label, "room": room, "owner": who});
        output.result(&human, event);
    }
    if found.is_empty() && !output.is_json() {
        output.say("No folder is shared with you now.");
    }
}

async fn list(context: &Context, online: &mut Online, place: &Place, search: Option<&str>) -> Outcome {
    let found = find(online, &place.share)?;
    let (mut session, _) = open(context, online, &found, FolderOpen::Browse).await?;
    let (id, path) = (QUESTION, place.path.clone());
    let question = match search {
        Some(text) => Frame::FolderSearch(FolderSearch {
            id,
            path,
            text: text.to_owned(),
        }),
        None => Frame::FolderList(FolderList { id, path }),
    };
    let asking = async {
        let _ = session.frames_tx.send(question.encode()).await;
        let mut entries = Vec::new();
        loop {
            match answer(&mut session, &found.who).await? {
                Frame::FolderEntries(mut part) => {
                    entries.append(&mut part.entries);
                    if part.last {
                        return Ok((entries, part.more));
                    }
                }
                Frame::FolderFailed(failed) => {
                    let detail = plain(&failed.detail);
                    return Err(Failure::general(format!("{}: {detail}.", found.who)));
                }
                Frame::FolderChanged(_) => {}
                _ => return Err(broken(&found.who)),
            }
        }
    };
    let (mut entries, more) = until_stopped(&context.stop, online.alongside(asking)).await?;
    entries.sort_by(|a, b| b.folder.cmp(&a.folder).then_with(|| a.path.cmp(&b.path)));
    tell_entries(context, &entries, more);
    Ok(())
}

fn tell_entries(context: &Context, entries: &[FolderEntry], more: bool) {
    let output = context.output;
    let shown: Vec<String> = entries.iter().map(size_of).collect();
    let width = shown.iter().map(String::len).max().unwrap_or(0);
    for (entry, size) in entries.iter().zip(&shown) {
        let kind = if entry.folder { 'd' } else { '-' };
        let slash = if entry.folder { "/" } else { "" };
        let human = format!(
            "{kind} {size:>width$}  {}  {}{slash}",
            time(entry.modified_at),
            plain(&entry.path)
        );
        let event = json!({"event": "entry", "path": entry.path, "folder": entry.folder, "size": entry.size, "modified_at": entry.modified_at});
        output.result(&human, event);
    }
    if more {
        output.event(json!({"event": "more"}));
        output.say("There is more than this.");
    }
}

fn size_of(entry: &FolderEntry) -> String {
    if entry.folder {
        "-".into()
    } else {
        size(entry.size)
    }
}

/// `2026-01-31 14:05`, in the time of this machine.
fn time(modified_at: Option<u64>) -> String {
    modified_at
        .and_then(|ms| i64::try_from(ms).ok())
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .map_or_else(
            || format!("{:16}", ""),
            |time| {
                let zoned = time.to_zoned(jiff::tz::TimeZone::system());
                zoned.strftime("%Y-%m-%d %H:%M").to_string()
            },
        )
}
