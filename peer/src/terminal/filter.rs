//! Which bytes of a shell's output may reach another person's terminal.
//!
//! Owns the cutting of the stream into text and sequences; `csi` and `osc` judge the sequences. What is not on the
//! list is dropped whole: nothing that makes the viewer's terminal answer, touch the clipboard or its window, or start
//! a mode that the host's screen does not keep. Only whole sequences and whole characters come out, so that any
//! position in the output is one where a snapshot can stand. Invalid UTF-8 becomes U+FFFD. Filtering twice changes
//! nothing (`sim::filter::what_passed_once_passes_unchanged`).

use super::{csi, osc};

/// The longest CSI or ESC sequence, in bytes after its introducer; a longer one is dropped.
const SEQUENCE_BYTES: usize = 256;
/// The longest OSC string; a longer one is dropped.
const OSC_BYTES: usize = 4_096;

/// What a real terminal would answer to the program; never passed on to viewers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Query {
    /// `CSI 6 n`, or `CSI ? 6 n`.
    Cursor { private: bool },
    /// `CSI 5 n`.
    Status,
    /// `CSI c`: which kind of terminal.
    Primary,
    /// `CSI > c`: which version.
    Secondary,
}

/// What the host has to know of the stream beyond the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    Query(Query),
    /// DECSET or DECRST of an allowed mode.
    Mode {
        mode: u16,
        on: bool,
    },
    Keypad {
        application: bool,
    },
    CursorStyle(u8),
    Title(String),
    /// OSC 4, 10, 11, 12 or their resets: what is coloured, and how (`None`: as it was).
    Colour {
        target: String,
        value: Option<String>,
    },
    ClearScrollback,
    SoftReset,
    FullReset,
}

/// What came through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filtered {
    /// Valid UTF-8; never ends within a sequence.
    pub bytes: Vec<u8>,
    /// Each with its place in `bytes`, in order.
    pub events: Vec<(usize, Event)>,
}

impl Filtered {
    pub(super) fn event(&mut self, event: Event) {
        self.events.push((self.bytes.len(), event));
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    Escape,
    Csi,
    Osc,
    /// DCS, SOS, PM and APC: swallowed up to their end.
    Swallow,
    /// After an ESC within a string: `\` ends it, all else begins a new sequence.
    StringEscape {
        osc: bool,
    },
}

/// A streaming filter; pieces may be cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct EscapeFilter {
    state: State,
    /// The sequence so far, without its introducer.
    sequence: Vec<u8>,
    too_long: bool,
    /// The beginning of a character that the next piece ends.
    partial: Vec<u8>,
}

impl EscapeFilter {
    /// A filter at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece.
    pub fn push(&mut self, mut input: &[u8]) -> Filtered {
        let mut out = Filtered {
            bytes: Vec::with_capacity(input.len() + 4),
            events: Vec::new(),
        };
        while !input.is_empty() {
            if self.state == State::Text {
                let len = input
                    .iter()
                    .position(|byte| !PLAIN[usize::from(*byte)])
                    .unwrap_or(input.len());
                let (text, rest) = input.split_at(len);
                self.text(text, rest.is_empty(), &mut out);
                input = rest;
                if let Some((byte, rest)) = input.split_first() {
                    if *byte == ESC {
                        self.begin(State::Escape);
                    }
                    input = rest;
                }
            } else if let Some((byte, rest)) = input.split_first()
                && self.step(*byte, &mut out)
            {
                input = rest;
            }
        }
        out
    }

    fn begin(&mut self, state: State) {
        self.state = state;
        self.sequence.clear();
        self.too_long = false;
    }

    fn keep(&mut self, byte: u8, limit: usize) {
        if self.sequence.len() < limit {
            self.sequence.push(byte)
        } else {
            self.too_long = true
        }
    }

    /// Takes one byte of a sequence; `false` when the byte is to be looked at again as text.
    fn step(&mut self, byte: u8, out: &mut Filtered) -> bool {
        match (self.state, byte) {
            (_, CAN | SUB) => self.begin(State::Text),
            (State::Text, _) => return false,
            (State::Escape | State::Csi, ESC) => self.begin(State::Escape),
            (State::Escape | State::Csi, 0x80..) => {
                self.begin(State::Text);
                return false;
            }
            // A terminal obeys controls that stand within a sequence before the sequence itself.
            (State::Escape | State::Csi, ..0x20 | 0x7f) => {
                if PLAIN[usize::from(byte)] {
                    out.bytes.push(byte);
                }
            }
            (State::Escape, b'[') if self.sequence.is_empty() => self.begin(State::Csi),
            (State::Escape, b']') if self.sequence.is_empty() => self.begin(State::Osc),
            (State::Escape, b'P' | b'X' | b'^' | b'_') if self.sequence.is_empty() => {
                self.begin(State::Swallow)
            }
            (State::Escape, 0x20..=0x2f) => self.keep(byte, SEQUENCE_BYTES),
            (State::Escape, _) => {
                if !self.too_long {
                    csi::escape(&self.sequence, byte, out);
                }
                self.begin(State::Text);
            }
            (State::Csi, 0x40..=0x7e) => {
                if !self.too_long {
                    csi::control(&self.sequence, byte, out);
                }
                self.begin(State::Text);
            }
            (State::Csi, _) => self.keep(byte, SEQUENCE_BYTES),
            (State::Osc, ESC) => self.state = State::StringEscape { osc: true },
            (State::Swallow, ESC) => self.state = State::StringEscape { osc: false },
            (State::Osc, BEL) => self.end_osc(out),
            (State::Osc, C1_ST) if self.sequence.last() == Some(&C1_LEAD) => {
                self.sequence.pop();
                self.end_osc(out);
            }
            (State::Osc, ..0x20) => {}
            (State::Osc, _) => self.keep(byte, OSC_BYTES),
            (State::Swallow, C1_ST) if self.sequence.last() == Some(&C1_LEAD) => self.begin(State::Text),
            (State::Swallow, _) => {
                self.sequence.clear();
                self.sequence.push(byte);
            }
            (State::StringEscape { osc }, b'\\') if osc => self.end_osc(out),
            (State::StringEscape { .. }, b'\\') => self.begin(State::Text),
            (State::StringEscape { .. }, _) => {
                self.begin(State::Escape);
                return false;
            }
        }
        true
    }

    fn end_osc(&mut self, out: &mut Filtered) {
        if !self.too_long
            && let Ok(text) = std::str::from_utf8(&self.sequence)
        {
            osc::string(text, out);
        }
        self.begin(State::Text);
    }

    /// Passes text; `open` when the piece ends with it, so that a character may go on in the next.
    fn text(&mut self, text: &[u8], open: bool, out: &mut Filtered) {
        if self.partial.is_empty() && text.is_ascii() {
            out.bytes.extend_from_slice(text);
            return;
        }
        let joined;
        let mut text = text;
        if !self.partial.is_empty() {
            joined = [&std::mem::take(&mut self.partial)[..], text].concat();
            text = &joined;
        }
        for chunk in text.utf8_chunks() {
            without_c1(chunk.valid(), &mut out.bytes);
            let invalid = chunk.invalid();
            if invalid.is_empty() {
                continue;
            }
            let last = invalid.as_ptr_range().end == text.as_ptr_range().end;
            if last && open && may_go_on(invalid) {
                self.partial = invalid.to_vec();
            } else {
                out.bytes.extend_from_slice("\u{fffd}".as_bytes());
            }
        }
    }
}

/// Whether these bytes are the beginning of a character.
fn may_go_on(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// U+0080 to U+009F are controls to some terminals, CSI and OSC among them.
fn without_c1(text: &str, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| matches!(c, '\u{80}'..='\u{9f}')) {
        out.extend_from_slice(&rest.as_bytes()[..at]);
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest.as_bytes());
}

const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
/// The two bytes of U+009C, which ends strings.
const C1_LEAD: u8 = 0xc2;
const C1_ST: u8 = 0x9c;

/// Bytes that pass as they are: text, BEL BS HT LF VT FF CR SO SI.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = byte >= 0x07 && byte <= 0x0f;
        byte += 1;
    }
    plain[0x7f] = false;
    plain
};
