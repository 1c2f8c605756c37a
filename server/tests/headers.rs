//! Test 50 of the list in `SECURITY.md`: the headers that protect a page stand on every response, exactly.

use std::collections::BTreeMap;

use anyhow::Result;
use mesh_testkit::TestServer;
use reqwest::Method;

/// As `SECURITY.md` decides them; a change there is a change here.
const EXACT: [(&str, &str); 5] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; \
         style-src 'self' 'unsafe-inline'; font-src 'self'; worker-src 'self'; manifest-src 'self'; frame-ancestors 'none'; \
         base-uri 'none'; form-action 'self'",
    ),
    ("cross-origin-opener-policy", "same-origin"),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    (
        "permissions-policy",
        "camera=(self), microphone=(self), display-capture=(self), fullscreen=(self), picture-in-picture=(self), \
         screen-wake-lock=(self), clipboard-read=(self), clipboard-write=(self), geolocation=(), usb=(), serial=(), \
         payment=()",
    ),
];
/// What else a response may carry.
const BESIDE: [&str; 14] = [
    "allow",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "etag",
    "location",
    "retry-after",
    "set-cookie",
    "transfer-encoding",
    "vary",
    "x-request-id",
];

#[tokio::test]
async fn t50_the_headers_are_exact_on_every_response() -> Result<()> {
    let server = TestServer::start().await?;
    let alice = server.client("alice").await?;
    let room = server.room(&alice, &[]).await?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()?;
    let script = {
        let page = client.get(alice.at("/")).send().await?.text().await?;
        let (_, after) = page.split_once("src=\"/assets/").unwrap_or_default();
        format!("/assets/{}", after.split('"').next().unwrap_or_default())
    };
    assert!(script.ends_with(".js"), "{script}");
    let in_room = format!("/rooms/{room}/members");
    let paths = [
        "/",
        "/setup",
        "/rooms/any/where",
        &*script,
        "/assets/none.js",
        "/health",
        "/.well-known/jwks.json",
        "/me",
        "/rooms",
        &*in_room,
        "/rooms/none/members",
        "/auth/login",
        "/caps",
        "/ice",
        "/ws",
        "/ws/ticket",
        "/../etc/passwd",
        "/%00",
    ];
    let mut statuses: BTreeMap<u16, usize> = BTreeMap::new();
    for path in paths {
        for method in [
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::DELETE,
            Method::OPTIONS,
            Method::TRACE,
        ] {
            for (token, origin) in [
                ("", None),
                (&*alice.token, None),
                (&*alice.token, Some("https://evil.example")),
            ] {
                let mut request = client.request(method.clone(), alice.at(path)).bearer_auth(token);
                if let Some(origin) = origin {
                    request = request.header("origin", origin);
                }
                let answer = request.send().await?;
                let what = format!("{method} {path} {origin:?}: {}", answer.status());
                for (name, value) in EXACT {
                    let values: Vec<_> = answer.headers().get_all(name).iter().collect();
                    assert_eq!(values, [value], "{what}: {name}");
                }
                assert!(answer.headers().contains_key("cache-control"), "{what}");
                assert_eq!(
                    answer.headers().get_all("x-request-id").iter().count(),
                    1,
                    "{what}"
                );
                for name in answer.headers().keys() {
                    let known = EXACT.iter().any(|(exact, _)| name == exact);
                    assert!(known || BESIDE.contains(&name.as_str()), "{what}: {name}");
                }
                *statuses.entry(answer.status().as_u16()).or_default() += 1;
            }
        }
    }
    let all: usize = statuses.values().sum();
    println!("{all} responses with exact headers, by status: {statuses:?}");
    assert!(statuses.len() >= 5, "answers of many kinds: {statuses:?}");
    Ok(())
}
