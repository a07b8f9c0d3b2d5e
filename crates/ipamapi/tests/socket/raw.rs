//! HTTP by hand.

use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::gate::LONG;

/// A connection to a plugin.
pub(crate) struct Raw {
    stream: UnixStream,
    received: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The text of an error, which must be there in both forms.
    pub(crate) fn error(&self) -> String {
        let json = self.json();
        assert_eq!(json["Err"], json["Error"], "{self:?}");
        json["Err"].as_str().expect("an error").to_owned()
    }
}

impl Raw {
    pub(crate) async fn connect(path: &Path) -> Self {
        Self { stream: UnixStream::connect(path).await.unwrap(), received: Vec::new() }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// Sends a request as Debian's engine does: an empty `Host` and no content type.
    pub(crate) async fn post(&mut self, method: &str, body: &str) {
        self.send(request(method, body).as_bytes()).await;
    }

    pub(crate) async fn call(&mut self, method: &str, body: &str) -> Answer {
        self.post(method, body).await;
        self.answer().await
    }

    pub(crate) async fn answer(&mut self) -> Answer {
        self.try_answer().await.expect("an answer, not the end of the connection")
    }

    /// `None` if the server closed the connection.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let head_end = self.read_until(|bytes| find(bytes, b"\r\n\r\n")).await?;
        let head = String::from_utf8(self.received[..head_end].to_vec()).unwrap();
        let length = header(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let total = head_end + 4 + length;
        self.read_until(|bytes| (bytes.len() >= total).then_some(total)).await?;
        let body = self.received[head_end + 4..total].to_vec();
        self.received.drain(..total);
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Answer { status, head, body })
    }

    async fn read_until(&mut self, done: impl Fn(&[u8]) -> Option<usize>) -> Option<usize> {
        loop {
            if let Some(at) = done(&self.received) {
                return Some(at);
            }
            let read = timeout(LONG, self.stream.read_buf(&mut self.received)).await;
            if read.expect("the server answers").ok()? == 0 {
                return None;
            }
        }
    }
}

pub(crate) fn request(method: &str, body: &str) -> String {
    format!(
        "POST /{method} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n\
         Content-Length: {}\r\nAccept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}",
        body.len()
    )
}

pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
