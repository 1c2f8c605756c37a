//! The socket between commands and the daemon.

use bytes::Bytes;
use mesh_agent::daemon::ipc::{self, Blob, FromDaemon, MAX_MESSAGE, Opening, Request, ToShell, VERSION};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

#[tokio::test]
async fn messages_arrive_however_they_are_cut() {
    let (mut raw, other) = UnixStream::pair().unwrap();
    let (mut reader, _writer) = ipc::halves(other);
    let body = serde_json::to_vec(&ToShell::Input {
        data: Blob(Bytes::from_static(b"\x00\xffls\r")),
    })
    .unwrap();
    let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
    frame.extend_from_slice(&body);
    let twice = [frame.clone(), frame].concat();
    tokio::spawn(async move {
        for byte in twice {
            raw.write_all(&[byte]).await.unwrap();
        }
    });
    for _ in 0..2 {
        let Some(ToShell::Input { data }) = reader.next().await.unwrap() else {
            panic!("something else")
        };
        assert_eq!(&data.0[..], b"\x00\xffls\r");
    }
    assert!(reader.next::<ToShell>().await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_no_message_or_too_large_ends_the_connection() {
    let too_large = u32::try_from(MAX_MESSAGE + 1).unwrap().to_be_bytes().to_vec();
    let no_json = [&4u32.to_be_bytes()[..], b"\xff\xff{}"].concat();
    let unknown = [&15u32.to_be_bytes()[..], br#"{"type":"root"}"#].concat();
    let cut = vec![0, 0, 0];
    for bytes in [too_large, no_json, unknown, cut] {
        let (mut raw, other) = UnixStream::pair().unwrap();
        let (mut reader, _writer) = ipc::halves(other);
        raw.write_all(&bytes).await.unwrap();
        drop(raw);
        assert!(reader.next::<ToShell>().await.is_err(), "{bytes:?}");
    }
    let (one, _other) = UnixStream::pair().unwrap();
    let (_, mut writer) = ipc::halves(one);
    let data = Blob(Bytes::from(vec![0; MAX_MESSAGE]));
    assert!(writer.send(&FromDaemon::Output { data }).await.is_err());
}

#[tokio::test]
async fn both_ends_are_this_user_and_typed_bytes_stay_out_of_logs() {
    let (one, _other) = UnixStream::pair().unwrap();
    assert!(ipc::same_user(&one));
    let typed = ToShell::Input {
        data: Blob(Bytes::from_static(b"hunter2")),
    };
    assert!(!format!("{typed:?}").contains("hunter2"));
    let opening = Opening {
        version: VERSION,
        request: Request::Status,
    };
    assert_eq!(
        serde_json::to_string(&opening).unwrap(),
        r#"{"version":4,"request":{"type":"status"}}"#
    );
}
