//! HTTP by hand, for cases about bytes.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::verdict::{Stop, Verdict};

/// Longer than any answer takes.
const ANSWER_DEADLINE: Duration = Duration::from_secs(20);

/// A connection to a plugin.
pub(crate) struct RawConnection {
    stream: UnixStream,
    received: Vec<u8>,
}

impl RawConnection {
    pub(crate) async fn open(path: &Path) -> Verdict<Self> {
        let stream = UnixStream::connect(path).await?;
        Ok(Self { stream, received: Vec::new() })
    }

    /// Sends a request as older engines do: an empty `Host`, no content type.
    pub(crate) async fn send(&mut self, method: &str, body: &str) -> Verdict {
        let length = body.len();
        let request = format!(
            "POST /{method} HTTP/1.1\r\nHost: \r\nUser-Agent: Go-http-client/1.1\r\n\
             Content-Length: {length}\r\n\
             Accept: application/vnd.docker.plugins.v1.2+json\r\n\r\n{body}"
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    /// Status and body of the next answer.
    pub(crate) async fn answer(&mut self) -> Verdict<(u16, Value)> {
        let parsed = timeout(ANSWER_DEADLINE, self.read_answer());
        parsed.await.map_err(|_| Stop::failed("no answer in time"))?
    }

    pub(crate) async fn call(&mut self, method: &str, body: &str) -> Verdict<(u16, Value)> {
        self.send(method, body).await?;
        self.answer().await
    }

    async fn read_answer(&mut self) -> Verdict<(u16, Value)> {
        loop {
            if let Some((answer, length)) = parse(&self.received)? {
                self.received.drain(..length);
                return Ok(answer);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(Stop::failed("the connection was closed instead of an answer"));
            }
        }
    }
}

/// An answer and its length in bytes, once it is whole.
fn parse(received: &[u8]) -> Verdict<Option<((u16, Value), usize)>> {
    const HEAD_END: &[u8] = b"\r\n\r\n";
    let head_end = received.windows(HEAD_END.len()).position(|window| window == HEAD_END);
    let Some((head, rest)) = head_end.and_then(|at| received.split_at_checked(at)) else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(head);
    let odd = || Stop::failed(format!("not an answer with a length: {head}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(odd)?;
    let length: usize = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or_else(odd)?;
    let body = rest.get(HEAD_END.len()..).unwrap_or_default();
    let Some(body) = body.get(..length) else {
        return Ok(None);
    };
    let json = serde_json::from_slice(body)
        .map_err(|error| Stop::failed(format!("the answer is no JSON: {error}")))?;
    Ok(Some(((status, json), head.len() + HEAD_END.len() + length)))
}
