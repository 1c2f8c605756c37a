//! What one person reads out and another types: `mesh.example.org/7-copper-orbit`.
//!
//! The words are from the English list of BIP-39: 2,048 short words that differ within their first four letters. Two of them have 22
//! bits, which is plenty where there is one guess.

use bip39::Language;

/// How many words there are.
const WORDS: usize = 2;

/// The secret part of a code. Its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Phrase([&'static str; WORDS]);

impl std::fmt::Debug for Phrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Phrase(…)")
    }
}

impl Phrase {
    /// A new one, from the system's random numbers.
    pub fn random() -> Self {
        let list = Language::English.word_list();
        Self(std::array::from_fn(|_| {
            // 2,048 divides 2^32: every word is as likely as another.
            list[rand::random::<u32>() as usize % list.len()]
        }))
    }

    /// As it is written, and as both ends feed it to the key exchange.
    pub fn written(&self) -> String {
        self.0.join("-")
    }
}

/// A code as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The server's address with its scheme, where the code names one.
    pub server: Option<String>,
    /// The number under which the sender waits.
    pub nameplate: u32,
    /// The words.
    pub phrase: Phrase,
}

/// Why something is no code. What was typed is not quoted but for a word that is in no code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WrongCode {
    #[error(
        "This is not a code: it is a number and two words, such as mesh.example.org/7-copper-orbit or 7-copper-orbit."
    )]
    Form,
    #[error("No code has the word \"{0}\": compare it with the sender's. Nothing was used up.")]
    Word(String),
}

impl Code {
    /// The code of a sender that uses the server at `base`.
    pub fn written(base: &str, nameplate: u32, phrase: &Phrase) -> String {
        let server = base.strip_prefix("https://").unwrap_or(base);
        format!("{server}/{nameplate}-{}", phrase.written())
    }

    /// Reads a code in any case, with spaces for hyphens; without a scheme the server is reached over https.
    pub fn parse(text: &str) -> Result<Self, WrongCode> {
        let (server, code) = match text.trim().rsplit_once('/') {
            Some((server, code)) => (Some(server.trim()), code),
            None => (None, text),
        };
        let server = server.map(|server| match server.contains("://") {
            true => server.to_owned(),
            false => format!("https://{server}"),
        });
        let code = code.to_lowercase();
        let mut parts = code
            .split(|c: char| c == '-' || c.is_whitespace())
            .filter(|part| !part.is_empty());
        let nameplate = parts.next().and_then(|number| number.parse().ok());
        let words: Vec<&str> = parts.collect();
        let (Some(nameplate @ 1..), Ok(words)) = (nameplate, <[&str; WORDS]>::try_from(words)) else {
            return Err(WrongCode::Form);
        };
        let mut known = [""; WORDS];
        for (known, typed) in known.iter_mut().zip(words) {
            *known = Language::English
                .find_word(typed)
                .map(|index| Language::English.word_list()[usize::from(index)])
                .ok_or_else(|| WrongCode::Word(crate::daemon::consent::plain(typed)))?;
        }
        Ok(Self {
            server,
            nameplate,
            phrase: Phrase(known),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, u32, String) {
        let code = Code::parse(text).unwrap();
        (code.server, code.nameplate, code.phrase.written())
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        let https = || Some("https://mesh.example.org".to_owned());
        let words = || "abandon-zoo".to_owned();
        assert_eq!(parsed("mesh.example.org/7-abandon-zoo"), (https(), 7, words()));
        assert_eq!(
            parsed(" mesh.example.org/7 Abandon  ZOO\n"),
            (https(), 7, words())
        );
        assert_eq!(
            parsed("https://mesh.example.org/12-abandon-zoo"),
            (https(), 12, words())
        );
        assert_eq!(parsed("7-abandon-zoo"), (None, 7, words()));
        assert_eq!(parsed("7 abandon zoo"), (None, 7, words()));
        assert_eq!(
            parsed("http://127.0.0.1:8440/mesh/7-abandon-zoo"),
            (Some("http://127.0.0.1:8440/mesh".into()), 7, words())
        );
    }

    #[test]
    fn what_is_no_code_is_told_before_it_is_used() {
        for bad in [
            "",
            "7",
            "7-abandon",
            "7-abandon-zoo-zoo",
            "abandon-zoo",
            "0-abandon-zoo",
            "99999999999-abandon-zoo",
            "mesh.example.org",
        ] {
            assert_eq!(Code::parse(bad), Err(WrongCode::Form), "{bad}");
        }
        assert_eq!(Code::parse("7-abandon-zooo"), Err(WrongCode::Word("zooo".into())));
    }

    #[test]
    fn what_is_written_is_read_and_words_differ_in_their_first_four_letters() {
        let phrase = Phrase::random();
        assert_ne!(phrase, Phrase::random(), "one in four million");
        let code = Code::written("https://mesh.example.org", 3, &phrase);
        assert!(code.starts_with("mesh.example.org/3-"), "{code}");
        assert_eq!(Code::parse(&code).unwrap().phrase, phrase);
        let local = Code::written("http://127.0.0.1:8440", 3, &phrase);
        assert_eq!(
            Code::parse(&local).unwrap().server.as_deref(),
            Some("http://127.0.0.1:8440")
        );
        assert!(!format!("{phrase:?}").contains(phrase.0[0]));
        let list = Language::English.word_list();
        let starts: std::collections::HashSet<_> =
            list.iter().map(|word| &word[..word.len().min(4)]).collect();
        assert_eq!((list.len(), starts.len()), (2048, 2048));
        assert!(
            list.iter()
                .all(|word| word.len() <= 8 && word.bytes().all(|b| b.is_ascii_lowercase()))
        );
    }
}
