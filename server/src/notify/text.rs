//! The sentences of notices: who and where, and never what was said.

use mesh_protocol::http::Language;

use super::{Access, What};

/// The sentence for somebody, in their language.
pub(super) fn sentence(what: &What, mentioned: bool, who: &str, room: &str, language: Language) -> String {
    match language {
        Language::En => english(what, mentioned, who, room),
        Language::Fr => french(what, mentioned, who, room),
    }
}

fn english(what: &What, mentioned: bool, who: &str, room: &str) -> String {
    match what {
        What::Message if mentioned => format!("{who} named you in {room}."),
        What::Message => format!("{who} wrote in {room}."),
        What::CallMissed(_) => format!("You missed a call from {who} in {room}."),
        What::TransferCompleted => format!("A transfer with {who} in {room} is complete."),
        What::TerminalShared => format!("{who} shares a terminal in {room}."),
        What::Asks(Access::Terminal) => format!("{who} asks to see your terminal in {room}."),
        What::Asks(Access::Control) => format!("{who} asks to control your terminal in {room}."),
        What::Asks(Access::Screen) => format!("{who} asks for screen sharing in {room}."),
        What::Asks(Access::File) => format!("{who} wants to send a file in {room}."),
        What::Asks(Access::Folder) => format!("{who} wants to share a folder in {room}."),
        What::Asks(Access::Entry) => format!("{who} waits to be let into {room}."),
    }
}

fn french(what: &What, mentioned: bool, who: &str, room: &str) -> String {
    match what {
        What::Message if mentioned => format!("{who} a cité votre nom dans {room}."),
        What::Message => format!("{who} a écrit dans {room}."),
        What::CallMissed(_) => format!("Vous avez manqué un appel de {who} dans {room}."),
        What::TransferCompleted => format!("Un transfert avec {who} dans {room} est terminé."),
        What::TerminalShared => format!("{who} partage un terminal dans {room}."),
        What::Asks(Access::Terminal) => format!("{who} demande à voir votre terminal dans {room}."),
        What::Asks(Access::Control) => format!("{who} demande à contrôler votre terminal dans {room}."),
        What::Asks(Access::Screen) => format!("{who} demande un partage d’écran dans {room}."),
        What::Asks(Access::File) => format!("{who} veut envoyer un fichier dans {room}."),
        What::Asks(Access::Folder) => format!("{who} veut partager un dossier dans {room}."),
        What::Asks(Access::Entry) => format!("{who} attend d’entrer dans {room}."),
    }
}

/// The sentence of a test.
pub(super) fn test(language: Language) -> &'static str {
    match language {
        Language::En => "This is a test: notices of Mesh arrive here.",
        Language::Fr => "Ceci est un essai : les notifications de Mesh arrivent ici.",
    }
}
