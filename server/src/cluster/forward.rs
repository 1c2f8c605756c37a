//! Requests that another node answers: those about its peers, and those about what only the oldest node keeps.
//!
//! The whole request goes there and is answered as any other, its session looked at once more. A request that was carried is never
//! carried again.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use mesh_protocol::error_code::HttpCode;
use mesh_protocol::ids::PeerId;
use mesh_protocol::limits::MAX_HTTP_BODY;
use serde::{Deserialize, Serialize};
use tower::ServiceExt as _;

use super::{Answer, Cluster, Question, REQUEST_WITHIN};
use crate::app::App;
use crate::bus::{Bus as _, NodeId};
use crate::http::error::ApiError;
use crate::http::headers::ClientAddress;

/// A request on its way to another node.
#[derive(Serialize, Deserialize)]
pub(super) struct Carried {
    method: String,
    uri: String,
    headers: Vec<(String, String)>,
    body: String,
    address: IpAddr,
}

/// What the other node answered.
#[derive(Serialize, Deserialize)]
pub(super) struct CarriedResponse {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

/// On a request that came from another node.
#[derive(Clone, Copy)]
struct Brought;

/// Headers that say something to the server; those of the connection stay here.
const CARRIED: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::CONTENT_TYPE,
    header::ORIGIN,
    header::HOST,
    header::USER_AGENT,
];

/// Who answers.
enum Place {
    /// The node that has been there longest.
    Oldest,
    /// That of the peer in the body.
    Peer,
    /// Whichever knows what the body names, this one first.
    Whoever,
}

fn place(method: &Method, path: &str) -> Option<Place> {
    let under = |prefix: &str| {
        path.strip_prefix(prefix)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if under("/codes") || under("/auth/device") || path == "/auth/oidc/start" || path == "/auth/oidc/callback"
    {
        return Some(Place::Oldest);
    }
    match (method, path) {
        (&Method::POST, "/caps") => Some(Place::Peer),
        (&Method::POST, "/caps/revoke") => Some(Place::Whoever),
        _ => None,
    }
}

/// Has a request answered where what it is about lives.
pub(crate) async fn forward(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (Some(cluster), None) = (&app.cluster, request.extensions().get::<Brought>()) else {
        return next.run(request).await;
    };
    let Some(place) = place(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    let oldest = cluster.bus.oldest();
    if matches!(place, Place::Oldest) && oldest.is_none() {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let Ok(body) = http_body_util::Limited::new(body, MAX_HTTP_BODY).collect().await else {
        return ApiError::bad_request("the body is too long or was cut off").into_response();
    };
    let body = body.to_bytes();
    let Some(carried) = carry(&mut parts, &body, &app).await else {
        // No text: the handler says so.
        return next.run(Request::from_parts(parts, Body::from(body))).await;
    };
    match (place, oldest) {
        (Place::Oldest, Some(node)) => {
            let answered = cluster.request(node, carried).await;
            answered.unwrap_or_else(|| unreachable_node().into_response())
        }
        (Place::Peer, _) => match peer_of(&body).filter(|peer| app.hub.peer(peer).is_none()) {
            None => next.run(Request::from_parts(parts, Body::from(body))).await,
            Some(peer) => {
                let first = app.hub.node_of(&peer).or_else(|| NodeId::of_tag(peer.as_str()));
                let refused = |response: &Response| response.status() == StatusCode::FORBIDDEN;
                let answered = cluster.try_each(first, carried, refused).await;
                match answered {
                    Some(response) => response,
                    None => next.run(Request::from_parts(parts, Body::from(body))).await,
                }
            }
        },
        (Place::Whoever, _) => {
            let here = next.run(Request::from_parts(parts, Body::from(body))).await;
            if here.status() != StatusCode::NOT_FOUND {
                return here;
            }
            let unknown = |response: &Response| response.status() == StatusCode::NOT_FOUND;
            cluster.try_each(None, carried, unknown).await.unwrap_or(here)
        }
        (Place::Oldest, None) => next.run(Request::from_parts(parts, Body::from(body))).await,
    }
}

fn unreachable_node() -> ApiError {
    ApiError::new(
        HttpCode::StoreUnavailable,
        "the node of the server that keeps this is not reached: try again in some seconds",
    )
}

fn peer_of(body: &[u8]) -> Option<PeerId> {
    #[derive(Deserialize)]
    struct Named {
        peer_id: PeerId,
    }
    serde_json::from_slice::<Named>(body)
        .ok()
        .map(|named| named.peer_id)
}

async fn carry(parts: &mut Parts, body: &Bytes, app: &Arc<App>) -> Option<Carried> {
    let Ok(ClientAddress(address)) = ClientAddress::from_request_parts(parts, app).await;
    let mut headers = Vec::new();
    for name in CARRIED {
        for value in parts.headers.get_all(&name) {
            headers.push((name.as_str().to_owned(), value.to_str().ok()?.to_owned()));
        }
    }
    Some(Carried {
        method: parts.method.as_str().to_owned(),
        uri: parts.uri.path_and_query()?.as_str().to_owned(),
        headers,
        body: String::from_utf8(body.to_vec()).ok()?,
        address,
    })
}

impl Cluster {
    async fn request(&self, node: NodeId, request: Carried) -> Option<Response> {
        match self.ask(node, &Question::Request(request), REQUEST_WITHIN).await {
            Ok(Answer::Response(response)) => response.into_response(),
            _ => None,
        }
    }

    /// Asks `first`, then the others, until one answers otherwise than `no`. The last answer where all say so.
    async fn try_each(
        &self,
        first: Option<NodeId>,
        request: Carried,
        no: impl Fn(&Response) -> bool,
    ) -> Option<Response> {
        let mut nodes = self.bus.nodes();
        nodes.sort_by_key(|node| Some(*node) != first);
        let mut last = None;
        for node in nodes {
            let copy = Carried {
                method: request.method.clone(),
                uri: request.uri.clone(),
                headers: request.headers.clone(),
                body: request.body.clone(),
                address: request.address,
            };
            let Some(response) = self.request(node, copy).await else {
                continue;
            };
            if !no(&response) {
                return Some(response);
            }
            last = Some(response);
        }
        last
    }
}

impl CarriedResponse {
    fn into_response(self) -> Option<Response> {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).ok()?;
        for (name, value) in self.headers {
            let name = HeaderName::try_from(name).ok()?;
            response
                .headers_mut()
                .append(name, HeaderValue::try_from(value).ok()?);
        }
        Some(response)
    }
}

/// Answers a request that another node brought.
pub(super) async fn answer(router: Router, carried: Carried) -> Option<CarriedResponse> {
    let mut request = Request::new(Body::from(carried.body));
    *request.method_mut() = carried.method.parse().ok()?;
    *request.uri_mut() = carried.uri.parse::<Uri>().ok()?;
    for (name, value) in carried.headers {
        let (name, value) = (
            HeaderName::try_from(name).ok()?,
            HeaderValue::try_from(value).ok()?,
        );
        request.headers_mut().append(name, value);
    }
    request.extensions_mut().insert(Brought);
    // What the first node found out about the client's address holds: there is no proxy between nodes.
    request
        .extensions_mut()
        .insert(SocketAddr::new(carried.address, 0));
    let Ok(response) = router.oneshot(request).await;
    let (parts, body) = response.into_parts();
    let body = body.collect().await.ok()?.to_bytes();
    let kept = |name: &HeaderName| *name != header::CONTENT_LENGTH && *name != header::TRANSFER_ENCODING;
    let headers = parts.headers.iter().filter(|(name, _)| kept(name));
    let headers: Option<Vec<_>> = headers
        .map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Some(CarriedResponse {
        status: parts.status.as_u16(),
        headers: headers?,
        body: String::from_utf8(body.to_vec()).ok()?,
    })
}
