//! A person's terminal as the face of something remote: keys in, bytes out, and a menu on Ctrl-].
//!
//! Owns the reading of keys and the menu's grammar; what a choice means is the caller's. Used by `mesh share terminal`
//! (the owner's side) and `mesh view` (the watcher's side).

use std::io::{Read as _, Write as _};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;

/// Ctrl-].
const MENU: u8 = 0x1d;
/// Pieces of input that wait; past that the keyboard is not read.
const KEYS: usize = 16;

/// What the person did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// For the other side.
    Typed(Bytes),
    /// Ctrl-] was pressed: show the menu.
    Menu,
    /// A key of the menu.
    Choice(u8),
}

/// Splits input into what is typed and what belongs to the menu: after Ctrl-] the next key is a choice, and Ctrl-] twice
/// types it once.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    in_menu: bool,
}

impl Splitter {
    pub(crate) fn split(&mut self, input: &[u8]) -> Vec<Key> {
        let (mut keys, mut typed) = (Vec::new(), BytesMut::new());
        for &byte in input {
            match (self.in_menu, byte) {
                (false, MENU) => {
                    self.in_menu = true;
                    if !typed.is_empty() {
                        keys.push(Key::Typed(typed.split().freeze()));
                    }
                    keys.push(Key::Menu);
                }
                (true, choice) => {
                    self.in_menu = false;
                    keys.push(Key::Choice(choice));
                    if choice == MENU {
                        typed.extend_from_slice(&[MENU]);
                    }
                }
                (false, byte) => typed.extend_from_slice(&[byte]),
            }
        }
        if !typed.is_empty() {
            keys.push(Key::Typed(typed.freeze()));
        }
        keys
    }
}

/// The keys of this terminal, read by a thread that ends with the process.
pub(crate) fn keys() -> mpsc::Receiver<Vec<Key>> {
    let (sender, keys) = mpsc::channel(KEYS);
    std::thread::spawn(move || {
        let mut splitter = Splitter::default();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = std::io::stdin().lock().read(&mut buffer) {
            if sender.blocking_send(splitter.split(&buffer[..read])).is_err() {
                break;
            }
        }
    });
    keys
}

/// Shows bytes on this terminal; `false` when it is gone. Blocks while the terminal does not take them.
pub(crate) fn show(bytes: &[u8]) -> bool {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_menu_key_takes_the_next_key_even_across_reads() {
        let mut splitter = Splitter::default();
        assert_eq!(splitter.split(b"ls\r"), [Key::Typed(Bytes::from_static(b"ls\r"))]);
        assert_eq!(
            splitter.split(b"a\x1d"),
            [Key::Typed(Bytes::from_static(b"a")), Key::Menu]
        );
        assert_eq!(
            splitter.split(b"qb"),
            [Key::Choice(b'q'), Key::Typed(Bytes::from_static(b"b"))]
        );
        assert_eq!(
            splitter.split(b"\x1d\x1dx"),
            [
                Key::Menu,
                Key::Choice(MENU),
                Key::Typed(Bytes::from_static(b"\x1dx"))
            ]
        );
    }
}
