//! The key that two devices have in common when they had the same words, and what they say under it once.
//!
//! SPAKE2 over Ed25519 (the crate `spake2`), HKDF-SHA256 for one key each way, AES-256-GCM. A key seals one message, so that its nonce is
//! zero. Bytes and labels are in `docs/protocol.md`, section 1, "Codes".

use aes_gcm::aead::Aead as _;
use aes_gcm::{Aes256Gcm, KeyInit as _, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hkdf::Hkdf;
use mesh_protocol::ids::RoomId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use spake2::{Ed25519Group, Identity, Password, Spake2};

use super::phrase::Phrase;

/// Who has made the code, and who types it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Sender,
    Recipient,
}

impl Side {
    /// Its identity in the key exchange, and the beginning of the label of the key that it seals with.
    const fn label(self) -> &'static str {
        match self {
            Self::Sender => "mesh code 1 sender",
            Self::Recipient => "mesh code 1 recipient",
        }
    }
}

/// What the recipient says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromRecipient {
    /// Of the certificate that it shows in every session, as in SDP.
    pub fingerprint: String,
}

/// What the sender says to who had the right words. The invitation opens the room: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FromSender {
    /// As the recipient's.
    pub fingerprint: String,
    /// Where the sender is.
    pub room_id: RoomId,
    /// The way into it.
    pub invite: String,
}

impl std::fmt::Debug for FromSender {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FromSender")
            .field("fingerprint", &self.fingerprint)
            .field("room_id", &self.room_id)
            .finish_non_exhaustive()
    }
}

/// It was made with other words, for somebody else, or changed on the way: one answer for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the words are not the same at both ends")]
pub struct Broken;

/// One end's half of a key exchange.
pub struct Exchange {
    state: Spake2<Ed25519Group>,
}

/// Begins; gives what the other end gets, in base64url.
pub fn begin(side: Side, phrase: &Phrase) -> (Exchange, String) {
    let (a, b) = (
        Identity::new(Side::Sender.label().as_bytes()),
        Identity::new(Side::Recipient.label().as_bytes()),
    );
    let password = Password::new(phrase.written());
    let (state, message) = match side {
        Side::Sender => Spake2::<Ed25519Group>::start_a(&password, &a, &b),
        Side::Recipient => Spake2::<Ed25519Group>::start_b(&password, &a, &b),
    };
    (Exchange { state }, URL_SAFE_NO_PAD.encode(message))
}

impl Exchange {
    /// With what the other end sent, the keys of this number. Whether the words were the same shows with the first thing that
    /// opens.
    pub fn finish(self, message: &str, nameplate: u32) -> Result<Keys, Broken> {
        let message = URL_SAFE_NO_PAD.decode(message).map_err(|_| Broken)?;
        let shared = self.state.finish(&message).map_err(|_| Broken)?;
        Keys::derive(&shared, nameplate)
    }
}

/// One key each way.
pub struct Keys {
    sender: Aes256Gcm,
    recipient: Aes256Gcm,
}

impl Keys {
    fn derive(shared: &[u8], nameplate: u32) -> Result<Self, Broken> {
        let kdf = Hkdf::<Sha256>::new(None, shared);
        let key = |side: Side| {
            let mut key = [0; 32];
            kdf.expand(format!("{} {nameplate}", side.label()).as_bytes(), &mut key)
                .map_err(|_| Broken)?;
            Aes256Gcm::new_from_slice(&key).map_err(|_| Broken)
        };
        Ok(Self {
            sender: key(Side::Sender)?,
            recipient: key(Side::Recipient)?,
        })
    }

    fn of(&self, side: Side) -> &Aes256Gcm {
        match side {
            Side::Sender => &self.sender,
            Side::Recipient => &self.recipient,
        }
    }

    fn seal(&self, side: Side, said: &impl Serialize) -> Result<String, Broken> {
        let text = serde_json::to_vec(said).map_err(|_| Broken)?;
        let sealed = self.of(side).encrypt(&Nonce::default(), text.as_slice());
        sealed
            .map(|sealed| URL_SAFE_NO_PAD.encode(sealed))
            .map_err(|_| Broken)
    }

    fn open<T: DeserializeOwned>(&self, side: Side, sealed: &str) -> Result<T, Broken> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Broken)?;
        let text = self
            .of(side)
            .decrypt(&Nonce::default(), sealed.as_slice())
            .map_err(|_| Broken)?;
        serde_json::from_slice(&text).map_err(|_| Broken)
    }

    /// By the recipient, once: the key seals no second message.
    pub fn seal_guess(&self, said: &FromRecipient) -> Result<String, Broken> {
        self.seal(Side::Recipient, said)
    }

    /// By the sender.
    pub fn open_guess(&self, sealed: &str) -> Result<FromRecipient, Broken> {
        self.open(Side::Recipient, sealed)
    }

    /// By the sender, once: the key seals no second message.
    pub fn seal_reply(&self, said: &FromSender) -> Result<String, Broken> {
        self.seal(Side::Sender, said)
    }

    /// By the recipient.
    pub fn open_reply(&self, sealed: &str) -> Result<FromSender, Broken> {
        self.open(Side::Sender, sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::phrase::Code;

    fn phrase(words: &str) -> Phrase {
        Code::parse(&format!("1-{words}")).unwrap().phrase
    }

    /// The keys of both ends: the sender had the first words, the recipient the second.
    fn met(sender: &str, recipient: &str) -> (Keys, Keys) {
        let (a, to_b) = begin(Side::Sender, &phrase(sender));
        let (b, to_a) = begin(Side::Recipient, &phrase(recipient));
        (a.finish(&to_a, 7).unwrap(), b.finish(&to_b, 7).unwrap())
    }

    fn guess() -> FromRecipient {
        FromRecipient {
            fingerprint: "sha-256 AB".into(),
        }
    }

    fn reply() -> FromSender {
        FromSender {
            fingerprint: "sha-256 CD".into(),
            room_id: "room".parse().unwrap(),
            invite: "secret".into(),
        }
    }

    #[test]
    fn the_same_words_open_what_the_other_end_sealed_and_other_words_do_not() {
        let (a, b) = met("abandon-zoo", "abandon-zoo");
        assert_eq!(a.open_guess(&b.seal_guess(&guess()).unwrap()), Ok(guess()));
        assert_eq!(b.open_reply(&a.seal_reply(&reply()).unwrap()), Ok(reply()));
        let (a, b) = met("abandon-zoo", "abandon-zone");
        assert_eq!(a.open_guess(&b.seal_guess(&guess()).unwrap()), Err(Broken));
        assert_eq!(b.open_reply(&a.seal_reply(&reply()).unwrap()), Err(Broken));
    }

    #[test]
    fn nothing_is_taken_back_to_front_from_another_number_or_changed() {
        let (a, b) = met("abandon-zoo", "abandon-zoo");
        let sealed = b.seal_guess(&guess()).unwrap();
        // The server gives the recipient its own words back.
        assert!(b.open::<FromRecipient>(Side::Sender, &sealed).is_err());
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let refused = a.open_guess(&URL_SAFE_NO_PAD.encode(&changed));
            assert_eq!(refused, Err(Broken), "byte {at}");
            let short = a.open_guess(&URL_SAFE_NO_PAD.encode(&bytes[..at]));
            assert_eq!(short, Err(Broken), "{at} bytes");
        }
        let (one, to_other) = begin(Side::Sender, &phrase("abandon-zoo"));
        let (other, to_one) = begin(Side::Recipient, &phrase("abandon-zoo"));
        let (one, other) = (
            one.finish(&to_one, 7).unwrap(),
            other.finish(&to_other, 8).unwrap(),
        );
        assert!(one.open_guess(&other.seal_guess(&guess()).unwrap()).is_err());
        // A sender's message, given back to it.
        let (mirrored, own) = begin(Side::Sender, &phrase("abandon-zoo"));
        assert!(mirrored.finish(&own, 7).is_err());
        for bad in ["", "!", "QQ", &"A".repeat(44)] {
            let (exchange, _) = begin(Side::Sender, &phrase("abandon-zoo"));
            assert!(exchange.finish(bad, 7).is_err(), "{bad}");
        }
        assert!(!format!("{:?}", reply()).contains("secret"));
    }

    /// The vector of docs/protocol.md.
    #[test]
    fn keys_and_boxes_are_those_of_the_protocol() {
        let keys = Keys::derive(&[7; 32], 7).unwrap();
        let sealed = keys.seal_guess(&guess()).unwrap();
        let documented = include_str!("../../../docs/protocol.md");
        println!("{sealed}");
        assert!(documented.contains(&sealed), "{sealed}");
    }
}
