//! The OpenAPI description as a page: plain HTML, made on the server, with nothing from elsewhere and no script.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#d9dde3, #333a44); --dim: light-dark(#56606d, #a3adba);
  --soft: light-dark(#f4f6f8, #1b2026); --link: light-dark(#0b5cad, #7db8f5) }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 52rem; padding: 1.5rem 1rem 4rem;
  background: light-dark(#fff, #12161b); color: light-dark(#16191d, #e8ecf1) }
a { color: var(--link) }
h2 { margin-top: 3rem; border-bottom: 1px solid var(--line) }
details { border: 1px solid var(--line); border-radius: .5rem; margin: .5rem 0; padding: 0 .75rem }
summary { cursor: pointer; padding: .6rem 0 }
code { font: .9em ui-monospace, monospace; overflow-wrap: anywhere }
th code { white-space: nowrap }
.method { display: inline-block; min-width: 4.2rem; font-weight: 700; text-transform: uppercase; font-size: .8rem }
.dim { color: var(--dim) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
caption, th { text-align: left }
caption { font-weight: 600 }
th, td { padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top; font-weight: 400 }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0 }
";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn entries<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value[key].as_object().into_iter().flatten()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

/// Text of the description, where names stand between backticks.
fn prose(value: &Value, key: &str) -> Markup {
    let parts = text(value, key).split('`').enumerate();
    html! { @for (at, part) in parts { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// `Signing in` as it stands in an address.
fn anchor(tag: &str) -> String {
    tag.to_lowercase().replace(' ', "-")
}

pub(super) fn render(document: &Value) -> String {
    let info = &document["info"];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (text(info, "title")) " – REST" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    h1 { (text(info, "title")) " " span.dim { (text(info, "version")) } }
                    p { (prose(info, "description")) }
                    p { "For programs: " a href="/openapi.json" { code { "/openapi.json" } } }
                    nav aria-label="Parts" {
                        ul {
                            @for tag in items(document, "tags") {
                                li { a href={ "#" (anchor(text(tag, "name"))) } { (text(tag, "name")) } }
                            }
                            li { a href="#types" { "Types" } }
                        }
                    }
                }
                main {
                    @for tag in items(document, "tags") { (section(document, tag)) }
                    h2 #types { "Types" }
                    @for (name, schema) in entries(&document["components"], "schemas") { (named_type(name, schema)) }
                }
            }
        }
    };
    page.into_string()
}

fn section(document: &Value, tag: &Value) -> Markup {
    let name = text(tag, "name");
    html! {
        section aria-labelledby=(anchor(name)) {
            h2 #(anchor(name)) { (name) }
            p.dim { (prose(tag, "description")) }
            @for (path, operations) in entries(document, "paths") {
                @for method in METHODS {
                    @let operation = &operations[method];
                    @if items(operation, "tags").any(|one| one == name) { (route(path, method, operation)) }
                }
            }
        }
    }
}

fn route(path: &str, method: &str, operation: &Value) -> Markup {
    let public =
        items(operation, "security").any(|way| way.as_object().is_some_and(serde_json::Map::is_empty));
    html! {
        details #(text(operation, "operationId")) {
            summary {
                span.method { (method) } code { (path) }
                br;
                span.dim { (prose(operation, "summary")) @if public { " No session needed." } }
            }
            @if !text(operation, "description").is_empty() { p { (prose(operation, "description")) } }
            @if items(operation, "parameters").next().is_some() {
                div.wide { table {
                    caption { "Parameters" }
                    @for parameter in items(operation, "parameters") {
                        tr {
                            th scope="row" { code { (text(parameter, "name")) } }
                            td { (text(parameter, "in")) }
                            td { (type_of(&parameter["schema"])) }
                            td { (prose(parameter, "description")) }
                        }
                    }
                } }
            }
            @for (kind, content) in entries(&operation["requestBody"], "content") {
                p { "Body (" code { (kind) } "): " (type_of(&content["schema"])) }
            }
            div.wide { table {
                caption { "Answers" }
                @for (status, response) in entries(operation, "responses") {
                    tr {
                        th scope="row" { (status) }
                        td { (prose(response, "description")) }
                        td { @for (_, content) in entries(response, "content") { (type_of(&content["schema"])) } }
                    }
                }
            } }
        }
    }
}

fn named_type(name: &str, schema: &Value) -> Markup {
    html! {
        details id={ "type-" (name) } {
            summary { code { (name) } " " span.dim { (prose(schema, "description")) } }
            @if schema.get("properties").is_some() { (fields(schema)) } @else { p { (type_of(schema)) } }
        }
    }
}

fn fields(schema: &Value) -> Markup {
    html! {
        div.wide { table {
            @for (name, field) in entries(schema, "properties") {
                tr {
                    th scope="row" { code { (name) } }
                    td {
                        (type_of(field))
                        @if !items(schema, "required").any(|one| one == name.as_str()) { span.dim { " (may be absent)" } }
                    }
                    td { (prose(field, "description")) }
                }
            }
        } }
    }
}

/// A type in words, with links to those that have a name.
fn type_of(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#type-" (name) } { (name) } };
    }
    for (key, word) in [("oneOf", " or "), ("anyOf", " or "), ("allOf", " and ")] {
        if schema.get(key).is_some() {
            return joined(items(schema, key).map(type_of), word);
        }
    }
    if schema.get("enum").is_some() {
        return joined(
            items(schema, "enum").map(|one| html! { code { (one.to_string()) } }),
            " or ",
        );
    }
    if let Some(kinds) = schema["type"].as_array() {
        return joined(
            kinds
                .iter()
                .map(|kind| html! { (kind.as_str().unwrap_or_default()) }),
            " or ",
        );
    }
    match text(schema, "type") {
        "array" => html! { "list of " (type_of(&schema["items"])) },
        "object" if schema.get("properties").is_some() => fields(schema),
        kind => html! { (kind) },
    }
}

fn joined(parts: impl Iterator<Item = Markup>, word: &str) -> Markup {
    html! { @for (at, part) in parts.enumerate() { @if at > 0 { (word) } (part) } }
}
