//! Machines with a network between them that is not perfect, or with routers and a relay.

use mesh_testkit::internet::{Internet, Relay, SERVER};
use mesh_testkit::link::{Link, NEAR, Weather};
use mesh_testkit::{TestServer, TestServerBuilder};

use super::{Machine, Running, World};

/// Runs a test at the near end of a link, where this machine lets us have one.
pub fn over(weather: Weather, test: impl AsyncFnOnce(&Link)) {
    let link = match Link::enter(weather) {
        Ok(link) => link,
        Err(error) => return not_tried(&error),
    };
    runtime().block_on(async {
        tokio::select! {
            ended = link.carry() => panic!("the link ended: {ended:?}"),
            () = test(&link) => {}
        }
    });
}

fn not_tried(error: &impl std::fmt::Display) {
    println!("not tried, for this machine has no such network: {error:#}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// Runs a test in the middle of an Internet of its own, where this machine lets us have one.
pub fn across(test: impl AsyncFnOnce(&mut Internet)) {
    match Internet::enter() {
        Ok(mut internet) => runtime().block_on(test(&mut internet)),
        Err(error) => not_tried(&error),
    }
}

/// A world whose server is on the Internet, and tells of the relay there.
pub async fn world_with_relay() -> World {
    let builder = TestServer::builder().config(|config| {
        config.listen = format!("{SERVER}:0").parse().unwrap();
        Relay::announce(config);
    });
    World::of(builder.start().await.unwrap()).await
}

/// A world whose server is at the near end.
pub async fn world_nearby(builder: TestServerBuilder) -> World {
    let builder = builder.config(|config| {
        config.listen = format!("{NEAR}:0").parse().unwrap();
    });
    World::of(builder.start().await.unwrap()).await
}

/// The machine "host" at the far end, with a daemon that lets everybody watch and control.
pub async fn host_far_away(world: &World, link: &Link) -> (Machine, Running) {
    let host = Machine::new(world.path("host")).within(&link.far_end());
    world.sign_in(&host, "host").await;
    let mut daemon = host.mesh(&["up", "--allow", "terminal:view", "--allow", "terminal:control"]);
    daemon.until("This device is up").await;
    (host, daemon)
}
