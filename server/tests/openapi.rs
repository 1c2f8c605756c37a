//! The OpenAPI description is complete in itself, and its page needs nothing from elsewhere. Whether the server answers as it
//! says is `cargo xtask api-check`.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use mesh_testkit::TestServer;
use serde_json::Value;

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

#[tokio::test]
async fn every_operation_says_what_it_does_and_how_it_fails() -> Result<()> {
    let server = TestServer::start().await?;
    let document = server.stranger().get("/openapi.json").await?;
    let tags: Vec<_> = document["tags"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|tag| &tag["name"])
        .collect();
    let codes = document["components"]["schemas"]["HttpCode"]["enum"]
        .as_array()
        .context("no codes")?;
    let (mut ids, mut told) = (BTreeSet::new(), BTreeSet::new());
    for (path, operations) in entries(&document["paths"]) {
        for (method, operation) in entries(operations) {
            let name = format!("{method} {path}");
            let id = operation["operationId"].as_str().context(name.clone())?;
            assert!(ids.insert(id.to_owned()), "{name}: {id} is taken");
            assert!(
                operation["summary"].as_str().is_some_and(|text| !text.is_empty()),
                "{name}"
            );
            assert!(
                tags.contains(&&operation["tags"][0]),
                "{name} is in no part of the page"
            );
            for (status, response) in entries(&operation["responses"]) {
                let description = response["description"].as_str().unwrap_or_default();
                assert!(!description.is_empty(), "{name} {status}");
                if status.starts_with(['4', '5']) && status != "408" && path != "/health" {
                    assert!(
                        response["content"]["application/problem+json"].is_object(),
                        "{name} {status}"
                    );
                    for code in description.split(", ") {
                        assert!(
                            codes.iter().any(|known| known == code),
                            "{name} {status}: {code} is no code"
                        );
                        told.insert(code.to_owned());
                    }
                }
            }
        }
    }
    // What no single route answers, or what stands in an address.
    let elsewhere = [
        "METHOD_NOT_ALLOWED",
        "OIDC_EXPIRED",
        "OIDC_REFUSED",
        "OIDC_INVALID",
        "OIDC_NO_ACCOUNT",
        "OIDC_TAKEN",
    ];
    for code in codes.iter().filter_map(Value::as_str) {
        assert!(
            told.contains(code) || elsewhere.contains(&code),
            "no route says that it answers {code}"
        );
    }
    println!("{} operations, {} codes", ids.len(), codes.len());
    Ok(())
}

#[tokio::test]
async fn the_page_has_every_route_and_nothing_from_elsewhere() -> Result<()> {
    let server = TestServer::start().await?;
    let client = server.stranger();
    let document = client.get("/openapi.json").await?;
    // As a browser asks.
    let answer = client
        .http()
        .get(client.at("/docs/api"))
        .header("accept", "text/html")
        .send()
        .await?;
    assert_eq!(answer.headers()["content-type"], "text/html; charset=utf-8");
    let page = answer.text().await?;
    for (path, _) in entries(&document["paths"]) {
        assert!(page.contains(&format!("<code>{path}</code>")), "{path}");
    }
    for (name, _) in entries(&document["components"]["schemas"]) {
        assert!(page.contains(&format!("id=\"type-{name}\"")), "{name}");
    }
    for foreign in ["<script", "<link", "<img", "src=", "http://", "https://"] {
        assert!(!page.contains(foreign), "{foreign}");
    }
    Ok(())
}

#[tokio::test]
async fn another_method_is_told_which_there_are() -> Result<()> {
    let server = TestServer::start().await?;
    let client = server.stranger();
    let answer = client.http().put(client.at("/me")).send().await?;
    assert_eq!(answer.status(), 405);
    assert_eq!(answer.headers()["allow"], "GET,HEAD,PATCH");
    let problem: Value = answer.json().await?;
    assert_eq!(problem["code"], "METHOD_NOT_ALLOWED");
    Ok(())
}
