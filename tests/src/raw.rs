//! HTTP by hand: requests that no client would send, and answers that nobody waits for.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

/// Longer than a plugin may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);
const HEAD_END: &[u8] = b"\r\n\r\n";

/// A request with this body, as engines write it.
pub fn request(method: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /{method} HTTP/1.1\r\nHost: plugin.moby.localhost\r\n\
         User-Agent: Go-http-client/1.1\r\nContent-Length: {}\r\n\
         Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A connection to a socket.
pub struct RawConnection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl RawConnection {
    /// Connects.
    pub async fn open(socket: &Path) -> io::Result<Self> {
        Ok(Self { stream: UnixStream::connect(socket).await?, received: Vec::new() })
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Status and body of the next answer.
    pub async fn answer(&mut self) -> io::Result<(u16, Value)> {
        timeout(ANSWER_DEADLINE, self.read_answer()).await?
    }

    /// A request, and its answer.
    pub async fn call(&mut self, method: &str, body: &[u8]) -> io::Result<(u16, Value)> {
        self.send(&request(method, body)).await?;
        self.answer().await
    }

    async fn read_answer(&mut self) -> io::Result<(u16, Value)> {
        loop {
            if let Some((status, body, length)) = parse(&self.received) {
                let body = serde_json::from_slice(body)?;
                self.received.drain(..length);
                return Ok((status, body));
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Status, body and length of an answer, once it is whole.
fn parse(received: &[u8]) -> Option<(u16, &[u8], usize)> {
    let head_end = received.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END)?;
    let head = std::str::from_utf8(received.get(..head_end)?).ok()?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    let (_, length) = headers.find(|(name, _)| name.eq_ignore_ascii_case("content-length"))?;
    let begin = head_end + HEAD_END.len();
    let end = begin + length.trim().parse::<usize>().ok()?;
    Some((status, received.get(begin..end)?, end))
}
