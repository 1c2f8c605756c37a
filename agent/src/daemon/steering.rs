//! What an owner does to terminals that are shared already, from anywhere on this device: pause, record, send away; and the
//! standing answers.

use std::path::PathBuf;

use mesh_protocol::http::Room;

use super::Core;
use super::ipc::FromDaemon;
use super::rules::{Change, Scope};
use super::shares::{Command, ShareHandle};
use crate::exit::{Failure, Outcome};

impl Core {
    /// The terminals of this label or id, or all; never none.
    fn terminals(&self, wanted: Option<&str>) -> Outcome<Vec<ShareHandle>> {
        let shares = self.shares.named(wanted);
        if !shares.is_empty() {
            return Ok(shares);
        }
        Err(Failure::general(match wanted {
            Some(wanted) => {
                format!("No terminal called \"{wanted}\" is shared: `mesh status` tells what is.")
            }
            None => "No terminal is shared: `mesh share terminal` shares one.".to_owned(),
        }))
    }

    /// The one terminal that is meant.
    pub(super) fn terminal(&self, wanted: Option<&str>) -> Outcome<ShareHandle> {
        let mut shares = self.terminals(wanted)?;
        match (shares.pop(), shares.is_empty()) {
            (Some(share), true) => Ok(share),
            (share, _) => {
                let labels = share.iter().chain(&shares).map(|share| share.label.as_str());
                let mut labels: Vec<&str> = labels.collect();
                labels.sort_unstable();
                Err(Failure::usage(format!(
                    "Several terminals are shared ({}): name one.",
                    labels.join(", ")
                )))
            }
        }
    }

    pub(super) async fn pause(&self, wanted: Option<&str>, paused: bool) -> Outcome<FromDaemon> {
        let shares = self.terminals(wanted)?;
        for share in &shares {
            let _ = share.commands.send(Command::Pause { paused }).await;
        }
        Ok(labels(&shares))
    }

    pub(super) async fn record(&self, wanted: Option<&str>, file: Option<PathBuf>) -> Outcome<FromDaemon> {
        let share = self.terminal(wanted)?;
        share.record(file, self.number()).await?;
        Ok(labels(&[share]))
    }

    pub(super) async fn eject(&self, who: &str) -> Outcome<FromDaemon> {
        let mut names = Vec::new();
        for share in self.shares.all() {
            names.append(&mut share.eject(who).await);
        }
        names.sort();
        names.dedup();
        if names.is_empty() {
            return Err(Failure::general(format!(
                "Nobody called \"{who}\" watches a terminal: `mesh status` tells who does."
            )));
        }
        Ok(FromDaemon::Ejected { names })
    }

    /// Reads the standing answers after changing one of them.
    pub(super) async fn consent(&self, change: Option<Change>) -> Outcome<FromDaemon> {
        if let Some(change) = change {
            let scope = self
                .scope(change.room.as_deref(), change.person.as_deref())
                .await?;
            self.desk.set(change.capability, scope, change.allow)?;
            self.tell_presence().await;
        }
        let rules = self.desk.standing();
        Ok(FromDaemon::Rules { rules })
    }

    async fn scope(&self, room: Option<&str>, person: Option<&str>) -> Outcome<Scope> {
        let rooms = self.rooms().clone();
        match (room, person) {
            (_, Some(person)) => self.person(&rooms, person).await,
            (Some(room), None) => {
                let room = crate::cli::pick_room(&rooms, Some(room))?;
                Ok(Scope::Room {
                    room_id: room.room_id.clone(),
                    name: room.name.clone(),
                })
            }
            (None, None) => Ok(Scope::Everybody),
        }
    }

    /// Somebody of the rooms, or whom an answer is about already.
    async fn person(&self, rooms: &[Room], wanted: &str) -> Outcome<Scope> {
        let is_meant = |id: &str, name: &str| id == wanted || name.eq_ignore_ascii_case(wanted);
        let standing = self.desk.standing().into_iter().map(|rule| rule.scope);
        for scope in standing {
            if let Scope::Person { user_id, name } = &scope
                && is_meant(user_id.as_str(), name)
            {
                return Ok(scope);
            }
        }
        let mut found = Vec::new();
        for room in rooms {
            let members = self.context.control().members(&room.room_id).await;
            let members =
                members.map_err(|error| crate::cli::api_failure(&error, self.context.control().base()))?;
            found.extend(
                members
                    .into_iter()
                    .filter(|member| is_meant(member.user_id.as_str(), &member.name)),
            );
        }
        found.sort_by(|a, b| a.user_id.cmp(&b.user_id));
        found.dedup_by(|a, b| a.user_id == b.user_id);
        match (found.pop(), found.is_empty()) {
            (Some(member), true) => Ok(Scope::Person {
                user_id: member.user_id,
                name: member.name,
            }),
            (Some(_), false) => Err(Failure::usage(format!(
                "Several people are called \"{wanted}\": give the id of the one that you mean."
            ))),
            (None, _) => Err(Failure::usage(format!(
                "Nobody called \"{wanted}\" is a member of one of your rooms."
            ))),
        }
    }
}

fn labels(shares: &[ShareHandle]) -> FromDaemon {
    let labels = shares.iter().map(|share| share.label.clone()).collect();
    FromDaemon::Shares { labels }
}
