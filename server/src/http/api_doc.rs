//! The OpenAPI description of every route: at `/openapi.json` for programs, at `/docs/api` for people.
//!
//! Each handler says what is its own; what follows from rules (parameters of a path, the errors that a body, a session or
//! a room bring along) is added here. A route cannot exist without a description, since both are one registration.

use std::sync::Arc;

use axum::Extension;
use axum::body::Bytes;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use mesh_protocol::http::Problem;
use mesh_protocol::ids::{DeviceId, InviteId, RoomId, UserId};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::api_page;
use crate::app::App;

/// Both forms, made once.
pub(super) struct Document {
    json: Bytes,
    html: String,
}

impl Document {
    pub(super) fn new(api: utoipa::openapi::OpenApi) -> Arc<Self> {
        let mut document = serde_json::to_value(api).unwrap_or_default();
        complete(&mut document);
        Arc::new(Self {
            html: api_page::render(&document),
            json: Bytes::from(document.to_string()),
        })
    }
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Mesh",
        description = "The REST interface of a Mesh server. The WebSocket and what devices say to each other are in \
                       docs/protocol.md. Errors are problem details (RFC 9457) whose `code` is stable.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "Signing in", description = "Every way to a session."),
        (name = "Account", description = "Oneself: sessions, devices, the password."),
        (name = "Rooms", description = "Rooms and their settings."),
        (name = "Members", description = "Who is in a room, who waits before it, who may not come back."),
        (name = "Invitations", description = "Made by owners and moderators, used by whoever holds one."),
        (name = "Chat", description = "History; new messages go over the WebSocket."),
        (name = "Codes", description = "How a device without an account finds the one that sends it something."),
        (name = "Sessions between devices", description = "What two devices need to meet."),
        (name = "Server", description = "The server itself."),
    ),
    components(schemas(Problem, RoomId, UserId, InviteId, DeviceId)),
    security(("bearer" = []), ("cookie" = [])),
)]
struct Base;

/// What is not of one route.
pub(super) fn base() -> utoipa::openapi::OpenApi {
    Base::openapi()
}

pub(super) fn router() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::new()
        .routes(routes!(document))
        .routes(routes!(page))
}

/// This description.
#[utoipa::path(get, path = "/openapi.json", operation_id = "openapi", tag = "Server", security(()),
    responses((status = 200, description = "OpenAPI 3.1", content_type = "application/json", body = Object)))]
async fn document(Extension(document): Extension<Arc<Document>>) -> impl IntoResponse {
    (
        [(header::CONTENT_TYPE, "application/json")],
        document.json.clone(),
    )
}

/// This description, to read.
#[utoipa::path(get, path = "/docs/api", operation_id = "api_page", tag = "Server", security(()),
    responses((status = 200, description = "A page", content_type = "text/html", body = String)))]
async fn page(Extension(document): Extension<Arc<Document>>) -> impl IntoResponse {
    Html(document.html.clone())
}

fn complete(document: &mut Value) {
    document["components"]["securitySchemes"] = json!({
        "bearer": {"type": "http", "scheme": "bearer", "description": "The `token` of a session: programs."},
        "cookie": {"type": "apiKey", "in": "cookie", "name": "mesh_session",
            "description": "Set by every sign-in: pages. What changes something needs an allowed Origin too."},
    });
    let Some(paths) = document["paths"].as_object_mut() else {
        return;
    };
    for (path, operations) in paths {
        for (method, operation) in operations.as_object_mut().into_iter().flatten() {
            if let Some(operation) = operation.as_object_mut() {
                complete_operation(path, method, operation);
            }
        }
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Map<String, Value>) {
    let in_path: Vec<Value> = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": schema_of(path, name)}))
        .collect();
    let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
    let asks = parameters.as_array_mut().is_some_and(|parameters| {
        parameters.extend(in_path);
        !parameters.is_empty()
    });
    let has_body = operation.contains_key("requestBody");
    let public = operation.get("security").is_some();
    let mut codes = vec![("500", "INTERNAL"), ("503", "STORE_UNAVAILABLE")];
    if asks || has_body {
        codes.push(("400", "BAD_REQUEST"));
    }
    if has_body {
        codes.push(("413", "TOO_LARGE"));
    }
    if !public {
        codes.push(("401", "UNAUTHENTICATED"));
    }
    if method != "get" {
        codes.push(("403", "ORIGIN_REFUSED"));
    }
    if path.starts_with("/rooms/{room_id}") {
        codes.push(("404", "ROOM_NOT_FOUND"));
    }
    let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
        return;
    };
    for (status, code) in codes {
        let response = responses.entry(status).or_insert_with(|| json!({}));
        // Health answers in its own form also when it is ill.
        if response.get("content").is_some() {
            continue;
        }
        let told = response["description"].as_str().unwrap_or_default();
        response["description"] = match told {
            "" => json!(code),
            told if told.split(", ").any(|one| one == code) => json!(told),
            told => json!(format!("{told}, {code}")),
        };
    }
    responses.insert(
        "408".into(),
        json!({"description": "The request took longer than 30 s"}),
    );
    for (status, response) in responses {
        let failed = status.starts_with(['4', '5']) && status != "408";
        if failed && response.get("content").is_none() {
            response["content"] =
                json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}});
        }
        if response["description"].as_str().unwrap_or_default().is_empty() {
            response["description"] = json!("Done");
        }
    }
}

fn schema_of(path: &str, parameter: &str) -> Value {
    let id = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    match parameter {
        "room_id" => id("RoomId"),
        "user_id" => id("UserId"),
        "invite_id" => id("InviteId"),
        "seq" => json!({"type": "integer", "format": "int64", "minimum": 1}),
        "nameplate" => json!({"type": "integer", "format": "int32", "minimum": 1}),
        "id" if path.starts_with("/devices/") => id("DeviceId"),
        _ => json!({"type": "string", "minLength": 1}),
    }
}
