//! A client as small as it can be: REST over one kept connection, and a WebSocket. Blocking; the load takes the socket
//! over afterwards.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::Value;

/// How long anything may take while a measurement is set up.
const WAIT: Duration = Duration::from_secs(20);
const MASK: [u8; 4] = [0x5a, 0xa5, 0x3c, 0xc3];
/// RFC 6455 asks for 16 random bytes, so that no cache answers; there is none here.
const KEY: &str = "bWVzaC1iZW5jaC0wMDAwMQ==";

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;

fn connect(address: SocketAddr) -> anyhow::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(WAIT))?;
    Ok(stream)
}

/// Closes with a reset, so that thousands of connections leave no port in TIME_WAIT.
fn reset_on_close(stream: &TcpStream) -> anyhow::Result<()> {
    Ok(socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO))?)
}

/// Reads on until `pending` has something whole.
fn read_more(stream: &mut TcpStream, pending: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut buffer = [0; 16 * 1024];
    match stream.read(&mut buffer)? {
        0 => bail!("the server closed the connection"),
        n => pending.extend_from_slice(buffer.get(..n).unwrap_or_default()),
    }
    Ok(())
}

/// The head of an answer: its status and the length of its body. Leaves the body in `pending`.
fn read_head(stream: &mut TcpStream, pending: &mut Vec<u8>) -> anyhow::Result<(u16, usize)> {
    loop {
        if let Some(end) = pending.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(pending.get(..end).unwrap_or_default()).into_owned();
            pending.drain(..end + 4);
            let status = head
                .split(' ')
                .nth(1)
                .and_then(|s| s.parse().ok())
                .context("no status")?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length")
                    .then(|| value.trim().parse().ok())?
            });
            return Ok((status, length.unwrap_or(0)));
        }
        read_more(stream, pending)?;
    }
}

/// REST over one connection that is kept.
pub(super) struct Http {
    address: SocketAddr,
    stream: TcpStream,
    pending: Vec<u8>,
}

impl Http {
    pub(super) fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        Ok(Self {
            address,
            stream: connect(address)?,
            pending: Vec::new(),
        })
    }

    /// `POST`; anything but 2xx is an error. An empty `token` is none.
    pub(super) fn post(&mut self, path: &str, token: &str, body: &Value) -> anyhow::Result<Value> {
        let body = body.to_string();
        let bearer = match token {
            "" => String::new(),
            token => format!("Authorization: Bearer {token}\r\n"),
        };
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\n{bearer}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.stream.write_all(request.as_bytes())?;
        let (status, length) = read_head(&mut self.stream, &mut self.pending)?;
        while self.pending.len() < length {
            read_more(&mut self.stream, &mut self.pending)?;
        }
        let answer: Vec<u8> = self.pending.drain(..length).collect();
        if !(200..300).contains(&status) {
            bail!("POST {path}: {status} {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }
}

/// One WebSocket.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    /// Read and not yet taken.
    pub(super) pending: Vec<u8>,
}

impl Client {
    /// `headers`: further lines, each with its line end.
    pub(super) fn open(address: SocketAddr, path: &str, headers: &str) -> anyhow::Result<Self> {
        let mut stream = connect(address)?;
        reset_on_close(&stream)?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n{headers}\r\n"
        );
        stream.write_all(request.as_bytes())?;
        let mut pending = Vec::new();
        let (status, _) = read_head(&mut stream, &mut pending)?;
        if status != 101 {
            bail!("the upgrade was answered with {status}");
        }
        Ok(Self { stream, pending })
    }

    pub(super) fn send(&mut self, opcode: u8, payload: &[u8]) -> anyhow::Result<()> {
        Ok(self.stream.write_all(&frame(opcode, payload))?)
    }

    pub(super) fn send_json(&mut self, message: &Value) -> anyhow::Result<()> {
        self.send(TEXT, message.to_string().as_bytes())
    }

    /// The payload of the next frame.
    pub(super) fn receive(&mut self) -> anyhow::Result<Vec<u8>> {
        loop {
            if let Some((start, end)) = whole_frame(&self.pending) {
                let frame: Vec<u8> = self.pending.drain(..end).collect();
                return Ok(frame.get(start..).unwrap_or_default().to_vec());
            }
            read_more(&mut self.stream, &mut self.pending)?;
        }
    }

    /// The next message of that type; others are passed over.
    pub(super) fn receive_type(&mut self, kind: &str) -> anyhow::Result<Value> {
        loop {
            let message: Value = serde_json::from_slice(&self.receive()?)?;
            if message["type"] == kind {
                return Ok(message);
            }
            if message["type"] == "error" {
                bail!("waiting for {kind}: {message}");
            }
        }
    }
}

/// A client's frame.
pub(super) fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | opcode];
    match payload.len() {
        n @ 0..126 => out.push(0x80 | n as u8),
        n @ 126..0x1_0000 => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
        n => {
            out.push(0x80 | 127);
            out.extend_from_slice(&(n as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&MASK);
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    out
}

/// Start of the payload and end of the first frame, where all of it is there.
fn whole_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let (start, length) = header(bytes)?;
    (bytes.len() >= start + length).then_some((start, start + length))
}

/// Length of the header of a server's frame, and of its payload.
pub(super) fn header(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? & 0x7f {
        126 => Some((
            4,
            usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)),
        )),
        127 => {
            let length = u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?);
            Some((10, usize::try_from(length).ok()?))
        }
        short => Some((2, usize::from(short))),
    }
}
