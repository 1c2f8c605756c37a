//! Terminals that pass through the server: a firewall that lets no UDP through, a real server that allows it, a real daemon.

use crate::world::distance::{host_far_away, over, world_nearby};
use crate::world::onlooker::Visitor;
use mesh_peer::transport::Path;
use mesh_testkit::TestServer;
use mesh_testkit::link::Weather;

#[test]
fn a_terminal_without_a_direct_way_passes_through_the_server_and_says_so() {
    let firewall = Weather {
        no_udp: true,
        ..Weather::default()
    };
    over(firewall, async |link| {
        let mut world =
            world_nearby(TestServer::builder().config(|config| config.terminal_fallback = true)).await;
        let (host, mut daemon) = host_far_away(&world, link).await;
        let script = "echo ready; stty -echo; while read line; do $line; done";
        let label = host.share(&[], script).await;
        let mut seat = Visitor::enter(&world, &world.alice).await.watch(&label).await;
        assert_eq!(seat.session.link.borrow().path, Path::Server);
        daemon.until("through the server, which can read along").await;
        seat.until("the first screen", |seat| seat.shows("ready")).await;
        seat.control().await;

        // More than a window, in order and whole.
        assert!(seat.viewer.input(b"seq 1 30000\r"));
        seat.until("a flood", |seat| seat.shows("\n30000")).await;
        let numbers: Vec<u32> = seat.text().lines().filter_map(|line| line.parse().ok()).collect();
        assert!(numbers.len() > 20 && numbers.windows(2).all(|two| two[1] == two[0] + 1));

        // Somebody without that wall watches directly, beside it.
        link.turn(Weather::default());
        let mut direct = Visitor::enter(&world, &world.alice).await.watch(&label).await;
        assert_eq!(direct.session.link.borrow().path, Path::Direct);
        assert!(seat.viewer.input(b"echo both\r"));
        seat.until("its own words", |seat| seat.shows("both")).await;
        direct.until("the same", |seat| seat.shows("both")).await;

        // It ends with the server, and the other one does not.
        world.server = world.server.restart().await.unwrap();
        assert!(seat.viewer.input(b"echo nobody hears\r"));
        seat.until("the end", |seat| seat.closed).await;
        daemon.until("does not watch your terminal any more").await;
        assert!(!direct.closed);
    });
}
