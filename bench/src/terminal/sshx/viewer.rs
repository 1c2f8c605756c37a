//! A viewer of sshx, whose own one is a web page: CBOR over a WebSocket, the output under a key that the server never has.

use std::time::Instant;

use aes::cipher::{KeyIvInit as _, StreamCipher as _, StreamCipherSeek as _};
use anyhow::{Context, bail, ensure};
use argon2::{Algorithm, Argon2, Params, Version};
use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use super::super::{Output, Seat};

type Cipher = ctr::Ctr64BE<aes::Aes128>;

const SALT: &str =
    "This is a non-random salt for sshx.io, since we want to stretch the security of 83-bit keys!";
/// What is typed is one stream for all, what a shell writes is one for each: the numbers that the counters begin with.
const INPUT: u64 = 0x2_0000_0000;
const OUTPUT: u64 = 0x1_0000_0000;

/// What the server says.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[allow(
    dead_code,
    reason = "what a message has is named, though not all of it is looked at"
)]
enum Said {
    Hello(IgnoredAny, IgnoredAny),
    InvalidAuth(),
    Users(IgnoredAny),
    UserDiff(IgnoredAny, IgnoredAny),
    /// Their numbers and sizes.
    Shells(Vec<(u32, IgnoredAny)>),
    /// Of a shell, from this byte on.
    Chunks(u32, u64, Vec<Bytes>),
    Hear(IgnoredAny, IgnoredAny, IgnoredAny),
    ShellLatency(IgnoredAny),
    Pong(IgnoredAny),
    Error(String),
}

/// What a viewer says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
enum Say {
    /// Sixteen zeros under the key; and the password for writing, where there is one.
    Authenticate(Bytes, Option<Bytes>),
    /// At this place of the page.
    Create(i32, i32),
    Subscribe(u32, u64),
    Data(u32, Bytes, u64),
}

struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    key: [u8; 16],
}

impl Connection {
    /// Connects and proves to have the key.
    async fn open(link: &str) -> anyhow::Result<Self> {
        let (page, password) = link.split_once('#').context("a link without a key")?;
        let address = page.replacen("http://", "ws://", 1).replacen("/s/", "/api/s/", 1);
        let mut key = [0; 16];
        let parameters = Params::new(19 * 1024, 2, 1, Some(key.len())).map_err(anyhow::Error::msg)?;
        Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
            .hash_password_into(password.as_bytes(), SALT.as_bytes(), &mut key)
            .map_err(anyhow::Error::msg)?;
        let (socket, _) = connect_async_with_config(address, None, true).await?;
        let mut connection = Self { socket, key };
        let proof = connection.crypt(0, 0, &[0; 16]);
        connection.say(&Say::Authenticate(proof.into(), None)).await?;
        Ok(connection)
    }

    /// Encrypts or decrypts a piece of a stream; the mode is its own inverse.
    fn crypt(&self, stream: u64, offset: u64, data: &[u8]) -> Vec<u8> {
        let mut start = [0; 16];
        start[..8].copy_from_slice(&stream.to_be_bytes());
        let mut cipher = Cipher::new(&self.key.into(), &start.into());
        let mut data = data.to_vec();
        cipher.seek(offset);
        cipher.apply_keystream(&mut data);
        data
    }

    async fn say(&mut self, what: &Say) -> anyhow::Result<()> {
        let mut message = Vec::new();
        ciborium::into_writer(what, &mut message)?;
        Ok(self.socket.send(Message::Binary(message.into())).await?)
    }

    async fn said(&mut self) -> anyhow::Result<Said> {
        loop {
            let message = self.socket.next().await.context("the server left")??;
            match message {
                Message::Binary(message) => match ciborium::from_reader(&message[..])? {
                    Said::InvalidAuth() => bail!("the server does not know this key"),
                    Said::Error(why) => bail!("the server: {why}"),
                    said => return Ok(said),
                },
                Message::Close(why) => bail!("the server left: {why:?}"),
                _ => {}
            }
        }
    }

    /// Waits for a shell.
    async fn shell(&mut self) -> anyhow::Result<u32> {
        loop {
            if let Said::Shells(shells) = self.said().await?
                && let Some((shell, _)) = shells.first()
            {
                return Ok(*shell);
            }
        }
    }
}

/// Asks for the session's shell, stays until that has written something, and leaves.
pub(super) async fn create_shell(link: &str) -> anyhow::Result<()> {
    let mut connection = Connection::open(link).await?;
    connection.say(&Say::Create(0, 0)).await?;
    let shell = connection.shell().await?;
    connection.say(&Say::Subscribe(shell, 0)).await?;
    while !matches!(connection.said().await?, Said::Chunks(..)) {}
    Ok(connection.socket.close(None).await?)
}

pub(in crate::terminal) struct Viewer {
    connection: Connection,
    shell: u32,
    /// Bytes typed so far.
    typed: u64,
    output: Output,
    /// Seconds from the link to the first output.
    pub(super) first_screen: f64,
}

impl Viewer {
    pub(super) async fn open(link: &str) -> anyhow::Result<Self> {
        let begun = Instant::now();
        let mut connection = Connection::open(link).await?;
        let shell = connection.shell().await?;
        connection.say(&Say::Subscribe(shell, 0)).await?;
        let mut viewer = Self {
            connection,
            shell,
            typed: 0,
            output: Output::default(),
            first_screen: 0.0,
        };
        viewer.more().await?;
        viewer.first_screen = begun.elapsed().as_secs_f64();
        Ok(viewer)
    }
}

impl Seat for Viewer {
    async fn type_in(&mut self, bytes: &str) -> anyhow::Result<()> {
        let data = self.connection.crypt(INPUT, self.typed, bytes.as_bytes());
        let say = Say::Data(self.shell, data.into(), self.typed);
        self.typed += bytes.len() as u64;
        self.connection.say(&say).await
    }

    async fn more(&mut self) -> anyhow::Result<()> {
        loop {
            let Said::Chunks(shell, mut offset, chunks) = self.connection.said().await? else {
                continue;
            };
            ensure!(shell == self.shell, "output of another shell");
            for chunk in chunks {
                let stream = OUTPUT | u64::from(shell);
                self.output.add(&self.connection.crypt(stream, offset, &chunk));
                offset += chunk.len() as u64;
            }
            return Ok(());
        }
    }

    fn output(&mut self) -> &mut Output {
        &mut self.output
    }
}
