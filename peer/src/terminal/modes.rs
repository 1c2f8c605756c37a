//! What a terminal is set to beyond what the screen itself keeps, so that a late viewer is set the same.

use std::collections::BTreeMap;

use super::filter::Event;

/// Colours that are remembered: 256 and three.
const COLOURS: usize = 259;

/// The settings that outlive the text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Modes {
    /// 9, 1000, 1002 or 1003: at most one at a time.
    mouse: Option<u16>,
    /// 1005, 1006, 1015 or 1016: at most one at a time.
    mouse_encoding: Option<u16>,
    alternate_scroll: Option<bool>,
    focus: bool,
    bracketed_paste: bool,
    keypad: bool,
    cursor_style: u8,
    title: String,
    colours: BTreeMap<String, String>,
}

impl Modes {
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    pub(super) fn apply(&mut self, event: Event) {
        match event {
            Event::Mode { mode, on } => match mode {
                9 | 1000 | 1002 | 1003 => self.mouse = on.then_some(mode),
                1005 | 1006 | 1015 | 1016 => self.mouse_encoding = on.then_some(mode),
                1004 => self.focus = on,
                1007 => self.alternate_scroll = Some(on),
                2004 => self.bracketed_paste = on,
                66 => self.keypad = on,
                _ => {}
            },
            Event::Keypad { application } => self.keypad = application,
            Event::CursorStyle(style) => self.cursor_style = style,
            Event::Title(title) => self.title = title,
            Event::Colour {
                target,
                value: Some(value),
            } => {
                if self.colours.len() < COLOURS || self.colours.contains_key(&target) {
                    self.colours.insert(target, value);
                }
            }
            Event::Colour { target, value: None } if target == "4" => {
                self.colours.retain(|key, _| !key.starts_with("4;"))
            }
            Event::Colour { target, value: None } => _ = self.colours.remove(&target),
            Event::SoftReset => {
                self.keypad = false;
                self.bracketed_paste = false;
                self.focus = false;
            }
            Event::FullReset => {
                *self = Self {
                    title: std::mem::take(&mut self.title),
                    ..Self::default()
                }
            }
            Event::Query(_) | Event::ClearScrollback => {}
        }
    }

    /// The sequences that set a fresh terminal so.
    pub(super) fn dump(&self) -> String {
        let mut out = String::new();
        let mut set =
            |mode: u16, on: bool| out.push_str(&format!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }));
        for mode in [self.mouse, self.mouse_encoding].into_iter().flatten() {
            set(mode, true);
        }
        if let Some(on) = self.alternate_scroll {
            set(1007, on);
        }
        for (mode, on) in [(1004, self.focus), (2004, self.bracketed_paste)] {
            if on {
                set(mode, true);
            }
        }
        if self.keypad {
            out.push_str("\x1b=");
        }
        if self.cursor_style > 0 {
            out.push_str(&format!("\x1b[{} q", self.cursor_style));
        }
        for (target, value) in &self.colours {
            out.push_str(&format!("\x1b]{target};{value}\x1b\\"));
        }
        if !self.title.is_empty() {
            out.push_str(&format!("\x1b]2;{}\x1b\\", self.title));
        }
        out
    }
}
