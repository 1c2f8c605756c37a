//! Frames of calls and shared screens. The media itself goes beside the channel, over the same connection.

use serde::{Deserialize, Serialize};

use crate::ids::PeerId;

/// `40`, after HELLO and at each change: what the sender does. Who watches a screen says with it only whether it is recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct MediaState {
    /// Whether its microphone is on.
    pub audio: bool,
    /// Whether its camera is on.
    pub video: bool,
    /// Whether it keeps a recording on its own device.
    pub recording: bool,
}

/// What a picture of a screen is good for where there is not room for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
#[serde(rename_all = "lowercase")]
pub enum ScreenMode {
    /// Sharp letters.
    Detail,
    /// A smooth film.
    Motion,
}

/// `41`, from who shows the screen: how it is sent, and who watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ScreenState {
    pub mode: ScreenMode,
    pub viewers: Vec<ScreenViewer>,
}

/// One viewer of a screen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export))]
pub struct ScreenViewer {
    pub peer_id: PeerId,
    pub name: String,
    /// Whether they keep a recording.
    pub recording: bool,
}

/// `42`: where a viewer points, in ten-thousandths of the picture's width and height from its upper left corner; without a
/// place it points no more. Who shows the screen passes it on to the others, with whose it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS), ts(export, optional_fields))]
pub struct ScreenPointer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_id: Option<PeerId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<u16>,
}
