//! Files that are offered to this device while nobody runs `mesh receive`.

use mesh_protocol::capability::Capability;
use mesh_protocol::signal::{Reason, TransferRequest};
use tokio::sync::watch;

use super::Core;
use super::consent::{Verdict, plain};
use super::ipc::TransferStatus;
use super::terminals::Asking;
use crate::disk::{Folder, Inbox};
use crate::notice::What;
use crate::transfer::choice::Choice;
use crate::transfer::incoming::{self, Arrived, Destination};
use crate::transfer::offer::Offer;
use crate::transfer::{Flow, Shown};

/// `share.file.request`: judged, consented to, received.
pub(super) async fn offered(core: Core, asking: Asking, request: TransferRequest) {
    let (who, device) = (asking.who.clone(), asking.device.clone());
    let mut offer = match Offer::judge(&core.context, asking.peer.clone(), request).await {
        Ok(offer) => offer,
        Err(rejected) => return core.tell(format!("An offer of {who} was refused: {}.", rejected.why)),
    };
    let inbox = match Folder::open(&core.options.downloads) {
        Ok(folder) => Inbox::new(folder),
        Err(why) => {
            core.tell(format!("An offer of {who} was declined: {why}."));
            return offer.decline(&core.context, Reason::Failed).await;
        }
    };
    let question = asking.question(Capability::ShareFile, offer.lines());
    let known = device
        .as_ref()
        .is_some_and(|device| core.cut().take(device, &offer.request).is_some());
    let verdict = tokio::select! {
        verdict = core.desk.ask(question), if !known => verdict,
        () = std::future::ready(()), if known => Verdict::Allowed,
        reason = offer.withdrawn() => return core.tell(format!("{who} took the offer back ({reason:?}).")),
        () = core.stop.cancelled() => Verdict::Declined(Reason::Cancelled),
    };
    if let Verdict::Declined(reason) = verdict {
        return offer.decline(&core.context, reason).await;
    }
    let (name, request) = (plain(&offer.request.name), offer.request.clone());
    let (open, accepted) = match offer.accept(&core.context).await {
        Ok(opened) => opened,
        Err(error) => {
            if let Some(device) = device.filter(|_| known) {
                core.cut().remember(device, request, Choice::default());
            }
            return core.tell(format!("{name} of {who} could not be received: {error}."));
        }
    };
    let _live = core.count_live();
    let (progress, mut shown) = watch::channel(Shown::default());
    let number = core.number();
    let status = TransferStatus {
        from: who.clone(),
        name: name.clone(),
        done: 0,
        size: accepted.size,
    };
    core.transfers().insert(number, status);
    let arrived = |file: Arrived| {
        core.tell(format!(
            "Received {} from {who}: BLAKE3 {} verified.",
            file.path.display(),
            file.hash
        ));
    };
    let keep_status = async {
        while shown.changed().await.is_ok() {
            let done = shown.borrow_and_update().progress.bytes_done;
            if let Some(status) = core.transfers().get_mut(&number) {
                status.done = done;
            }
        }
        std::future::pending::<()>().await;
    };
    let destination = Destination {
        inbox,
        choice: Choice::default(),
    };
    let flow = Flow::from(core.stop.clone());
    let outcome = tokio::select! {
        outcome = incoming::receive(open, accepted, destination, &progress, &flow, arrived) => outcome,
        () = keep_status => Ok(()),
    };
    core.transfers().remove(&number);
    if outcome.is_ok() {
        let (who, room) = (who.clone(), asking.room.clone());
        core.notices.tell(&What::Sent { who, room });
    }
    if let Err(error) = outcome {
        if let Some(device) = device.filter(|_| error.is_cut()) {
            core.cut().remember(device, request, Choice::default());
        }
        let again = "what has arrived is kept, and the same offer goes on from there.";
        core.tell(error.failure(&who, again).sentence);
    }
}
