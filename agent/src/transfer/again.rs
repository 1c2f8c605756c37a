//! Transfers whose connection was lost: the same offer, made again soon after, goes on without asking anybody twice.

use std::collections::VecDeque;
use std::time::Duration;

use mesh_protocol::ids::DeviceId;
use mesh_protocol::signal::TransferRequest;
use tokio::time::Instant;

use super::choice::Choice;

/// So long after a cut a sender tries again, and an offer is taken as the one that was cut.
pub const AGAIN_WITHIN: Duration = Duration::from_secs(120);
/// Cut transfers that are remembered; the oldest goes first.
const REMEMBERED: usize = 16;

/// What was being received when its connection was lost.
#[derive(Debug, Default)]
pub struct CutOffers(VecDeque<Cut>);

#[derive(Debug)]
struct Cut {
    device: DeviceId,
    request: TransferRequest,
    choice: Choice,
    until: Instant,
}

impl CutOffers {
    /// Remembers what this device offered, and what of it was wanted; gives the time until which it is remembered.
    pub fn remember(&mut self, device: DeviceId, request: TransferRequest, choice: Choice) -> Instant {
        let until = Instant::now() + AGAIN_WITHIN;
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back(Cut {
            device,
            request,
            choice,
            until,
        });
        until
    }

    /// What is wanted of this offer, if it is one that was cut. It is then forgotten.
    pub fn take(&mut self, device: &DeviceId, request: &TransferRequest) -> Option<Choice> {
        let now = Instant::now();
        self.0.retain(|cut| cut.until > now);
        let place = self
            .0
            .iter()
            .position(|cut| cut.device == *device && same(&cut.request, request))?;
        self.0.remove(place).map(|cut| cut.choice)
    }
}

fn same(one: &TransferRequest, other: &TransferRequest) -> bool {
    let offered = |request: &TransferRequest| {
        let TransferRequest { room_id, name, .. } = request.clone();
        (room_id, name, request.size, request.count)
    };
    offered(one) == offered(other) && one.files == other.files
}

#[cfg(test)]
mod tests {
    use mesh_protocol::signal::OfferedFile;

    use super::*;

    fn request(name: &str, session: &str) -> TransferRequest {
        TransferRequest {
            room_id: "r".parse().unwrap(),
            target: None,
            session_id: Some(session.parse().unwrap()),
            cap_token: None,
            name: name.into(),
            size: 3,
            count: 1,
            files: vec![OfferedFile {
                path: name.into(),
                size: 3,
            }],
            share_id: None,
        }
    }

    fn device(name: &str) -> DeviceId {
        name.parse().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_same_offer_of_the_same_device_is_known_once_and_for_two_minutes() {
        let mut cut = CutOffers::default();
        cut.remember(device("d"), request("a", "s1"), Choice::default());
        let other_list = TransferRequest {
            files: vec![],
            ..request("a", "s2")
        };
        assert!(cut.take(&device("e"), &request("a", "s2")).is_none());
        assert!(cut.take(&device("d"), &request("b", "s2")).is_none());
        assert!(cut.take(&device("d"), &other_list).is_none());
        assert!(cut.take(&device("d"), &request("a", "s2")).is_some());
        assert!(cut.take(&device("d"), &request("a", "s3")).is_none());

        cut.remember(device("d"), request("a", "s1"), Choice::default());
        tokio::time::advance(AGAIN_WITHIN).await;
        assert!(cut.take(&device("d"), &request("a", "s2")).is_none());
    }

    #[tokio::test]
    async fn no_more_than_some_are_remembered() {
        let mut cut = CutOffers::default();
        for number in 0..=REMEMBERED {
            cut.remember(device("d"), request(&number.to_string(), "s"), Choice::default());
        }
        assert!(cut.take(&device("d"), &request("0", "s")).is_none());
        assert!(cut.take(&device("d"), &request("1", "s")).is_some());
    }
}
