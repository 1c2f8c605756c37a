//! Sign-in at an OpenID provider: who gets in, as whom, and that no lie of a provider and no stolen answer does.

mod issuer;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context as _, Result};
use issuer::{Issuer, Lie, Person};
use mesh_testkit::{TestServer, eventually};
use reqwest::{Response, header};
use serde_json::{Value, json};

const ANNA: Person = Person {
    subject: "248289761001",
    name: "Anna",
};
const BEN: Person = Person {
    subject: "248289761002",
    name: "Ben",
};

/// A browser: it keeps cookies, and stops at every redirect.
struct Browser {
    http: reqwest::Client,
    base: String,
    cookies: BTreeMap<String, String>,
}

impl Browser {
    fn new(server: &TestServer) -> Result<Self> {
        // It sees to the provider of cryptography.
        let _ = server.stranger();
        Ok(Self {
            http: reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            base: server.url(),
            cookies: BTreeMap::new(),
        })
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> Result<Response> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let answer = request
            .header("cookie", cookies.join("; "))
            .header("origin", &self.base)
            .send()
            .await?;
        for set in answer.headers().get_all(header::SET_COOKIE) {
            let set = set.to_str()?;
            assert!(set.contains("; HttpOnly; SameSite=Lax"), "{set}");
            let (name, value) = set
                .split(';')
                .next()
                .and_then(|pair| pair.split_once('='))
                .context("no cookie")?;
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.into(), value.into());
            }
        }
        Ok(answer)
    }

    async fn post(&mut self, path: &str, body: Value) -> Result<(u16, Value)> {
        let request = self.http.post(format!("{}{path}", self.base)).json(&body);
        let answer = self.send(request).await?;
        Ok((answer.status().as_u16(), answer.json().await?))
    }

    async fn me(&mut self) -> Result<Value> {
        let request = self.http.get(format!("{}/me", self.base));
        Ok(self.send(request).await?.json().await?)
    }

    /// Begins; what the provider is asked.
    async fn start(&mut self, body: Value) -> Result<HashMap<String, String>> {
        let (status, answer) = self.post("/auth/oidc/start", body).await?;
        assert_eq!(status, 200, "{answer}");
        let url = reqwest::Url::parse(answer["url"].as_str().unwrap_or_default())?;
        Ok(url.query_pairs().into_owned().collect())
    }

    /// Comes back from the provider; where it is sent to.
    async fn come_back(&mut self, answer: &[(&str, &str)]) -> Result<String> {
        let url = reqwest::Url::parse_with_params(&format!("{}/auth/oidc/callback", self.base), answer)?;
        let request = self.http.get(url).header("accept", "text/html");
        let answer = self.send(request).await?;
        assert_eq!(answer.status(), 303);
        let place = answer.headers()[header::LOCATION].to_str()?.to_owned();
        Ok(place.strip_prefix(&self.base).unwrap_or(&place).to_owned())
    }

    /// All of it.
    async fn sign_in(&mut self, issuer: &Issuer, person: Person, body: Value) -> Result<String> {
        let request = self.start(body).await?;
        let code = issuer.sign_in(&request, person)?;
        self.come_back(&[("code", &code), ("state", &request["state"])])
            .await
    }

    fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("mesh_session")
    }
}

async fn server(issuer: &Issuer, register: bool) -> Result<TestServer> {
    let settings = issuer.settings(register);
    let server = TestServer::builder()
        .config(|config| config.oidc = Some(settings))
        .start()
        .await?;
    server.add_user("owner").await?;
    Ok(server)
}

fn failed(code: &str) -> String {
    format!("/login#failed={code}")
}

#[tokio::test]
async fn a_subject_is_one_account_whatever_it_is_called() -> Result<()> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer, true).await?;
    let mut browser = Browser::new(&server)?;
    let place = browser
        .sign_in(&issuer, ANNA, json!({"return_to": "/pair?code=BCDF"}))
        .await?;
    assert_eq!(place, "/pair?code=BCDF");
    assert!(!browser.cookies.contains_key("mesh_oidc"), "its work is done");
    let anna = browser.me().await?;
    assert_eq!(
        (&anna["name"], &anna["admin"], &anna["oidc"]),
        (&json!("Anna"), &json!(false), &json!(true))
    );

    let mut again = Browser::new(&server)?;
    let renamed = Person {
        name: "Anna Smith",
        ..ANNA
    };
    assert_eq!(again.sign_in(&issuer, renamed, json!({})).await?, "/");
    assert_eq!(again.me().await?["user_id"], anna["user_id"]);

    // The same name and the same e-mail address are another person all the same.
    let mut other = Browser::new(&server)?;
    other
        .sign_in(&issuer, Person { name: "Anna", ..BEN }, json!({}))
        .await?;
    let ben = other.me().await?;
    assert_ne!(ben["user_id"], anna["user_id"]);
    assert_eq!(ben["name"], "Anna 2");
    let mut owner = Browser::new(&server)?;
    let alias = Person {
        subject: "3",
        name: "owner",
    };
    owner.sign_in(&issuer, alias, json!({})).await?;
    assert_eq!(
        owner.me().await?["name"],
        "owner 2",
        "nobody becomes somebody by a name"
    );
    assert_eq!(issuer.read(), 1, "what the provider publishes is kept");
    Ok(())
}

#[tokio::test]
async fn no_lie_of_a_provider_signs_anybody_in() -> Result<()> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer, true).await?;
    let lies: [(&str, Lie); 15] = [
        (
            "nonce of another sign-in",
            Lie::Claims(|c| c["nonce"] = json!("other")),
        ),
        (
            "no nonce",
            Lie::Claims(|c| drop(c.as_object_mut().unwrap().remove("nonce"))),
        ),
        ("for another client", Lie::Claims(|c| c["aud"] = json!("other"))),
        (
            "for another client too",
            Lie::Claims(|c| c["aud"] = json!(["mesh", "other"])),
        ),
        (
            "no audience",
            Lie::Claims(|c| drop(c.as_object_mut().unwrap().remove("aud"))),
        ),
        (
            "another issuer",
            Lie::Claims(|c| c["iss"] = json!("https://evil.example")),
        ),
        (
            "no issuer",
            Lie::Claims(|c| drop(c.as_object_mut().unwrap().remove("iss"))),
        ),
        (
            "expired",
            Lie::Claims(|c| c["exp"] = json!(c["iat"].as_u64().unwrap() - 1)),
        ),
        (
            "no expiry",
            Lie::Claims(|c| drop(c.as_object_mut().unwrap().remove("exp"))),
        ),
        ("no subject", Lie::Claims(|c| c["sub"] = json!(""))),
        (
            "an endless subject",
            Lie::Claims(|c| c["sub"] = json!("x".repeat(256))),
        ),
        ("alg none", Lie::NoSignature),
        ("signed with the client's secret", Lie::SignedWithTheSecret),
        ("signed by another key", Lie::SignedByAnother),
        ("no ID token", Lie::NoToken),
    ];
    for (what, lie) in lies {
        issuer.lie(lie);
        let mut browser = Browser::new(&server)?;
        let place = browser.sign_in(&issuer, ANNA, json!({})).await?;
        assert_eq!(place, failed("OIDC_INVALID"), "{what}");
        assert!(!browser.is_signed_in(), "{what}");
    }
    println!("{} lies of a provider refused", lies.len());
    issuer.lie(Lie::Huge);
    let mut browser = Browser::new(&server)?;
    let place = browser.sign_in(&issuer, ANNA, json!({})).await?;
    assert_eq!(place, failed("OIDC_UNAVAILABLE"));
    // A name that is another's is no name.
    issuer.lie(Lie::UserInfoOfAnother);
    browser.sign_in(&issuer, ANNA, json!({})).await?;
    assert_eq!(browser.me().await?["name"], "New member");
    Ok(())
}

#[tokio::test]
async fn an_answer_counts_once_and_in_the_browser_that_asked() -> Result<()> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer, true).await?;
    let (mut victim, mut thief) = (Browser::new(&server)?, Browser::new(&server)?);
    let request = victim.start(json!({})).await?;
    let (state, code) = (request["state"].clone(), issuer.sign_in(&request, ANNA)?);
    let expired = failed("OIDC_EXPIRED");
    let answer = [("code", code.as_str()), ("state", state.as_str())];
    assert_eq!(thief.come_back(&answer).await?, expired, "without a cookie");
    thief.start(json!({})).await?;
    assert_eq!(
        thief.come_back(&answer).await?,
        expired,
        "with the cookie of another"
    );
    assert_eq!(
        thief.come_back(&[("code", &code)]).await?,
        expired,
        "without a state"
    );
    assert!(!thief.is_signed_in());
    let cookies = victim.cookies.clone();
    assert_eq!(victim.come_back(&answer).await?, "/");
    assert!(victim.is_signed_in());

    victim.cookies = cookies;
    assert_eq!(victim.come_back(&answer).await?, expired, "the state again");
    let again = victim.start(json!({})).await?;
    let replay = [("code", code.as_str()), ("state", again["state"].as_str())];
    assert_eq!(
        victim.come_back(&replay).await?,
        failed("OIDC_INVALID"),
        "the code again"
    );
    assert!(!victim.is_signed_in());

    // A code that was made for another sign-in has another challenge.
    let (one, two) = (victim.start(json!({})).await?, thief.start(json!({})).await?);
    let stolen = issuer.sign_in(&one, ANNA)?;
    let injected = [("code", stolen.as_str()), ("state", two["state"].as_str())];
    assert_eq!(thief.come_back(&injected).await?, failed("OIDC_INVALID"));

    let late = victim.start(json!({})).await?;
    let code = issuer.sign_in(&late, ANNA)?;
    server.advance(Duration::from_secs(601));
    assert_eq!(
        victim
            .come_back(&[("code", &code), ("state", &late["state"])])
            .await?,
        expired
    );

    for (answer, problem) in [
        (
            &[("iss", "https://evil.example"), ("code", "x")][..],
            "OIDC_INVALID",
        ),
        (&[("error", "access_denied")], "OIDC_REFUSED"),
        (&[("error", "temporarily_unavailable")], "OIDC_UNAVAILABLE"),
    ] {
        let request = victim.start(json!({})).await?;
        let answer = [answer, &[("state", request["state"].as_str())]].concat();
        assert_eq!(victim.come_back(&answer).await?, failed(problem));
    }
    Ok(())
}

#[tokio::test]
async fn it_leads_back_to_this_server_only() -> Result<()> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer, true).await?;
    let mut browser = Browser::new(&server)?;
    let elsewhere = [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/\t/evil.example",
        "\\\\evil.example",
        "javascript:alert(1)",
        "settings",
        "",
        "http:evil.example",
    ];
    for target in elsewhere {
        let (status, problem) = browser
            .post("/auth/oidc/start", json!({"return_to": target}))
            .await?;
        assert_eq!(
            (status, problem["code"].as_str()),
            (400, Some("BAD_REQUEST")),
            "{target}"
        );
    }
    // What looks like another host once it is tidied up stays here.
    let place = browser
        .sign_in(&issuer, ANNA, json!({"return_to": "/.//evil.example"}))
        .await?;
    assert_eq!(place, "//evil.example", "after the address of this server");
    println!("{} addresses elsewhere refused", elsewhere.len());
    Ok(())
}

#[tokio::test]
async fn without_registration_an_invitation_or_a_link_is_needed() -> Result<()> {
    let issuer = Issuer::start().await?;
    let settings = issuer.settings(true);
    let empty = TestServer::builder()
        .config(|config| config.oidc = Some(settings))
        .start()
        .await?;
    let mut early = Browser::new(&empty)?;
    assert_eq!(
        early.sign_in(&issuer, ANNA, json!({})).await?,
        failed("OIDC_NO_ACCOUNT")
    );
    assert!(
        !empty.store().has_users().await?,
        "the first account comes by the setup link"
    );

    let server = server(&issuer, false).await?;
    let owner = server.sign_in("owner").await?;
    let mut anna = Browser::new(&server)?;
    assert_eq!(
        anna.sign_in(&issuer, ANNA, json!({})).await?,
        failed("OIDC_NO_ACCOUNT")
    );
    assert!(!anna.is_signed_in());

    let room = server.room(&owner, &[]).await?;
    let invite = owner.post(&format!("/rooms/{room}/invites"), json!({})).await?;
    let with = json!({"invite": invite["token"]});
    assert_eq!(
        anna.sign_in(&issuer, ANNA, with.clone()).await?,
        format!("/rooms/{room}")
    );
    let members = owner.get(&format!("/rooms/{room}/members")).await?;
    assert_eq!(members["members"][1]["name"], "Anna");
    let (status, problem) = anna.post("/auth/oidc/start", with).await?;
    assert_eq!(
        (status, problem["code"].as_str()),
        (410, Some("INVITE_INVALID")),
        "used up"
    );
    assert_eq!(
        anna.sign_in(&issuer, ANNA, json!({})).await?,
        "/",
        "known from now on"
    );
    // Who has an account joins by an invitation as well.
    let second = server.room(&owner, &[]).await?;
    let invite = owner.post(&format!("/rooms/{second}/invites"), json!({})).await?;
    let place = anna
        .sign_in(&issuer, ANNA, json!({"invite": invite["token"]}))
        .await?;
    assert_eq!(place, format!("/rooms/{second}"));
    Ok(())
}

#[tokio::test]
async fn an_account_is_linked_and_unlinked_by_its_owner() -> Result<()> {
    let issuer = Issuer::start().await?;
    let server = server(&issuer, false).await?;
    server.add_user("bob").await?;
    let (mut owner, mut bob) = (Browser::new(&server)?, Browser::new(&server)?);
    let link = json!({"link": true, "return_to": "/settings"});
    assert_eq!(owner.post("/auth/oidc/start", link.clone()).await?.0, 401);
    for (browser, name) in [(&mut owner, "owner"), (&mut bob, "bob")] {
        let body = json!({"username": name, "password": mesh_testkit::PASSWORD});
        assert_eq!(browser.post("/auth/login", body).await?.0, 200);
    }
    assert_eq!(owner.me().await?["oidc"], false);
    assert_eq!(owner.sign_in(&issuer, ANNA, link.clone()).await?, "/settings");
    assert_eq!(owner.me().await?["oidc"], true);
    assert_eq!(
        owner.sign_in(&issuer, ANNA, link.clone()).await?,
        "/settings",
        "once more changes nothing"
    );
    let taken = "/settings#failed=OIDC_TAKEN";
    assert_eq!(bob.sign_in(&issuer, ANNA, link.clone()).await?, taken);
    assert_eq!(
        owner.sign_in(&issuer, BEN, link.clone()).await?,
        taken,
        "one account there is enough"
    );

    let mut anna = Browser::new(&server)?;
    assert_eq!(anna.sign_in(&issuer, ANNA, json!({})).await?, "/");
    assert_eq!(anna.me().await?["name"], "owner");

    // A session that ended meanwhile links nothing.
    let request = bob.start(link.clone()).await?;
    let code = issuer.sign_in(&request, BEN)?;
    let flow = bob.cookies["mesh_oidc"].clone();
    assert_eq!(bob.post("/auth/logout", json!({})).await?.0, 200);
    bob.cookies.insert("mesh_oidc".into(), flow);
    let place = bob
        .come_back(&[("code", &code), ("state", &request["state"])])
        .await?;
    assert_eq!(place, "/settings#failed=UNAUTHENTICATED");

    let unlink = async |browser: &mut Browser| -> Result<u16> {
        let request = browser.http.delete(format!("{}/auth/oidc/link", browser.base));
        Ok(browser.send(request).await?.status().as_u16())
    };
    assert_eq!(unlink(&mut owner).await?, 200);
    assert_eq!(unlink(&mut owner).await?, 404);
    assert_eq!(
        anna.sign_in(&issuer, ANNA, json!({})).await?,
        failed("OIDC_NO_ACCOUNT")
    );
    Ok(())
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_nobody_else_out() -> Result<()> {
    let issuer = Issuer::start().await?;
    let (address, settings) = (issuer.address()?, issuer.settings(true));
    drop(issuer);
    let server = TestServer::builder()
        .config(|config| config.oidc = Some(settings))
        .start()
        .await?;
    server.add_user("owner").await?;
    let mut browser = Browser::new(&server)?;
    let (status, problem) = browser.post("/auth/oidc/start", json!({})).await?;
    assert_eq!(
        (status, problem["code"].as_str()),
        (502, Some("OIDC_UNAVAILABLE"))
    );
    assert!(
        problem["detail"]
            .as_str()
            .unwrap_or_default()
            .contains("sign in another way"),
        "{problem}"
    );
    server.sign_in("owner").await?;
    // It comes up, and nobody has to restart the server.
    let mut back = None;
    eventually("the provider's port is free", async || {
        back = Issuer::start_at(address).await.ok();
        back.is_some()
    })
    .await;
    let issuer = back.context("no provider")?;
    eventually("the provider is asked again", async || {
        browser
            .post("/auth/oidc/start", json!({}))
            .await
            .is_ok_and(|(status, _)| status == 200)
    })
    .await;
    assert_eq!(browser.sign_in(&issuer, ANNA, json!({})).await?, "/");
    assert_eq!(issuer.read(), 1);
    // New keys are fetched when a token names one.
    issuer.change_keys();
    assert_eq!(browser.sign_in(&issuer, ANNA, json!({})).await?, "/");
    assert_eq!(issuer.read(), 2);
    Ok(())
}

#[tokio::test]
async fn a_provider_that_says_to_be_another_is_not_believed() -> Result<()> {
    let issuer = Issuer::start().await?;
    issuer.pose_as("https://accounts.example.com");
    let server = server(&issuer, true).await?;
    let (status, problem) = Browser::new(&server)?.post("/auth/oidc/start", json!({})).await?;
    assert_eq!(
        (status, problem["code"].as_str()),
        (502, Some("OIDC_UNAVAILABLE"))
    );
    Ok(())
}

#[tokio::test]
async fn a_page_learns_the_ways_in() -> Result<()> {
    let plain = TestServer::start().await?;
    let methods = plain.stranger().get("/auth/methods").await?;
    assert_eq!(methods, json!({"local": true, "oidc": null, "setup": true}));
    let none = plain
        .stranger()
        .post("/auth/oidc/start", json!({}))
        .await
        .unwrap_err();
    assert_eq!((none.status, none.code.as_str()), (404, "NOT_FOUND"));
    let issuer = Issuer::start().await?;
    let settings = issuer.settings(true);
    let server = TestServer::builder()
        .config(|config| {
            config.oidc = Some(settings);
            config.local_login = false;
        })
        .start()
        .await?;
    server.add_user("owner").await?;
    let methods = server.stranger().get("/auth/methods").await?;
    assert_eq!(
        methods,
        json!({"local": false, "oidc": {"name": "Test", "register": true}, "setup": false})
    );
    assert_eq!(
        Browser::new(&server)?.sign_in(&issuer, ANNA, json!({})).await?,
        "/"
    );
    Ok(())
}
