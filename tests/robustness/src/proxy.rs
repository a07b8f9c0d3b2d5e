//! A proxy between two processes, which breaks their connections in the ways that networks do.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::rule::{Effect, PIECE_BYTES, Rule};

/// The header of a frame that is larger than any may be; its checksum is right.
fn oversized() -> [u8; 17] {
    let mut header = [0; 17];
    header[..4].copy_from_slice(&u32::MAX.to_le_bytes());
    // A request.
    header[4] = 2;
    let checksum = crc32c::crc32c(&header[..13]);
    header[13..].copy_from_slice(&checksum.to_le_bytes());
    header
}

/// A proxy from one port to one address, until it is dropped.
pub struct Proxy {
    address: SocketAddr,
    rule: watch::Sender<Rule>,
    struck: Arc<AtomicU64>,
    _tasks: JoinSet<()>,
}

/// How a direction ended.
enum End {
    /// Both ends are closed.
    Closed,
    /// Both are gone without a word.
    Reset,
    /// The receiver's is closed, the sender's stays.
    HalfOpen,
}

impl Proxy {
    /// Listens on a port of loopback, for a process that listens at `to`, or will.
    pub async fn start(to: String) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (rule, rules) = watch::channel(Rule::default());
        let struck = Arc::new(AtomicU64::new(0));
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, to, rules, Arc::clone(&struck)));
        Ok(Self { address, rule, struck, _tasks: tasks })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Does this from now on, to open connections as well.
    pub fn set(&self, rule: Rule) {
        self.rule.send_replace(rule);
    }

    /// How many pieces of data and connections were not simply passed.
    pub fn struck(&self) -> u64 {
        self.struck.load(Ordering::Relaxed)
    }
}

async fn accept(
    listener: TcpListener,
    to: String,
    rules: watch::Receiver<Rule>,
    struck: Arc<AtomicU64>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((from, _)) = listener.accept().await else { continue };
        if rules.borrow().refuse {
            struck.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let (to, rules, struck) = (to.clone(), rules.clone(), Arc::clone(&struck));
        connections.spawn(async move {
            // Where nobody listens, nobody is connected to.
            if let Ok(to) = TcpStream::connect(to).await {
                carry(from, to, rules, &struck).await;
            }
        });
    }
}

/// Carries what two ends say to each other, until one of them ends or the rule says so.
async fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    mut rules: watch::Receiver<Rule>,
    struck: &AtomicU64,
) {
    // Pieces are as they were sent.
    let _ = (from.set_nodelay(true), to.set_nodelay(true));
    let (end, sender_connected) = {
        let (mut from_read, mut from_write) = from.split();
        let (mut to_read, mut to_write) = to.split();
        let (forward, backward) = (rules.clone(), rules.clone());
        tokio::select! {
            end = pump(&mut from_read, &mut to_write, forward, |rule| rule.forward, struck) => (end, true),
            end = pump(&mut to_read, &mut from_write, backward, |rule| rule.backward, struck) => (end, false),
        }
    };
    match end {
        End::Closed => {}
        End::Reset => {
            let _ = (from.set_zero_linger(), to.set_zero_linger());
        }
        End::HalfOpen => {
            let stays = if sender_connected {
                drop(to);
                from
            } else {
                drop(from);
                to
            };
            // Until the rule is another one.
            rules.mark_unchanged();
            let _ = rules.changed().await;
            drop(stays);
        }
    }
}

async fn pump(
    from: &mut ReadHalf<'_>,
    to: &mut WriteHalf<'_>,
    mut rules: watch::Receiver<Rule>,
    effect: impl Fn(&Rule) -> Effect,
    struck: &AtomicU64,
) -> End {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let rule = *rules.borrow_and_update();
        if rule.refuse {
            struck.fetch_add(1, Ordering::Relaxed);
            return End::Closed;
        }
        let effect = effect(&rule);
        let (piece, pause) = effect.pace();
        if effect == Effect::Stall {
            struck.fetch_add(1, Ordering::Relaxed);
            if rules.changed().await.is_err() {
                return End::Closed;
            }
            continue;
        }
        let length = tokio::select! {
            biased;
            changed = rules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return End::Closed,
            },
            read = from.read(&mut buffer[..piece]) => match read {
                Ok(0) | Err(_) => return End::Closed,
                Ok(length) => length,
            },
        };
        let piece = &buffer[..length];
        if effect != Effect::Pass {
            struck.fetch_add(1, Ordering::Relaxed);
        }
        if !pause.is_zero() {
            sleep(pause).await;
        }
        let written = match effect {
            Effect::Swallow | Effect::Stall => Ok(()),
            Effect::Cut => {
                let _ = to.write_all(&piece[..length / 2]).await;
                return End::Closed;
            }
            Effect::Reset => return End::Reset,
            Effect::HalfOpen => return End::HalfOpen,
            Effect::Garbage => {
                let garbage: Vec<u8> = (0..64).map(|_| fastrand::u8(..)).collect();
                to.write_all(&[&garbage, piece].concat()).await
            }
            Effect::Oversized => to.write_all(&[&oversized(), piece].concat()).await,
            Effect::Pass | Effect::Delay { .. } | Effect::Throttle { .. } => {
                to.write_all(piece).await
            }
        };
        if written.is_err() {
            return End::Closed;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, timeout};

    use super::*;

    /// Somebody who says everything back, behind a proxy.
    async fn echo() -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let proxy = Proxy::start(listener.local_addr().expect("bound").to_string()).await;
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        proxy.expect("a port")
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        let mut stream = TcpStream::connect(proxy.address()).await.expect("it listens");
        assert_eq!(say(&mut stream).await, Some(5));
        stream
    }

    /// How many bytes come back; nothing within half a second is nothing.
    async fn say(stream: &mut TcpStream) -> Option<usize> {
        stream.write_all(b"hello").await.ok()?;
        hear(stream).await
    }

    async fn hear(stream: &mut TcpStream) -> Option<usize> {
        let mut buffer = [0; 256];
        timeout(Duration::from_millis(500), stream.read(&mut buffer)).await.ok()?.ok()
    }

    #[tokio::test]
    async fn what_is_lost_is_lost_one_way_or_both() {
        for rule in [
            Rule::both(Effect::Swallow),
            Rule { forward: Effect::Swallow, ..Rule::default() },
            Rule { backward: Effect::Swallow, ..Rule::default() },
            Rule::both(Effect::Stall),
        ] {
            let proxy = echo().await;
            let mut stream = connect(&proxy).await;
            proxy.set(rule);
            assert_eq!(say(&mut stream).await, None, "{rule:?}");
            assert!(proxy.struck() > 0, "{rule:?}");
        }
    }

    #[tokio::test]
    async fn what_was_stalled_arrives_later() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.set(Rule::both(Effect::Stall));
        assert_eq!(say(&mut stream).await, None);
        proxy.set(Rule::default());
        assert_eq!(hear(&mut stream).await, Some(5));
    }

    #[tokio::test]
    async fn connections_end_as_they_are_told_to() {
        for effect in [Effect::Cut, Effect::Reset] {
            let proxy = echo().await;
            let mut stream = connect(&proxy).await;
            proxy.set(Rule { backward: effect, ..Rule::default() });
            let mut heard = say(&mut stream).await;
            if effect == Effect::Cut {
                assert_eq!(heard, Some(2));
                heard = hear(&mut stream).await;
            }
            // The end of the stream, or an error.
            assert!(matches!(heard, Some(0) | None), "{effect:?}: {heard:?}");
            assert!(proxy.struck() > 0);
        }
        let proxy = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.set(Rule::REFUSE);
        assert_eq!(hear(&mut stream).await, Some(0));
        let mut late = TcpStream::connect(proxy.address()).await.expect("the port is open");
        assert!(matches!(hear(&mut late).await, Some(0) | None));
        assert!(proxy.struck() > 1);
    }

    #[tokio::test]
    async fn a_half_open_connection_looks_open() {
        let proxy = echo().await;
        let mut stream = connect(&proxy).await;
        proxy.set(Rule { forward: Effect::HalfOpen, ..Rule::default() });
        assert_eq!(say(&mut stream).await, None);
        assert!(stream.write_all(b"still there?").await.is_ok());
        assert!(proxy.struck() > 0);
    }

    #[tokio::test]
    async fn strange_bytes_come_before_the_others() {
        for (effect, more) in [(Effect::Garbage, 64), (Effect::Oversized, oversized().len())] {
            let proxy = echo().await;
            let mut stream = connect(&proxy).await;
            proxy.set(Rule { backward: effect, ..Rule::default() });
            assert_eq!(say(&mut stream).await, Some(5 + more), "{effect:?}");
        }
    }

    #[tokio::test]
    async fn slow_is_slow_and_whole() {
        for effect in
            [Effect::Delay { least_ms: 100, most_ms: 120 }, Effect::Throttle { per_second: 20 }]
        {
            let proxy = echo().await;
            let mut stream = connect(&proxy).await;
            proxy.set(Rule { forward: effect, ..Rule::default() });
            let begin = Instant::now();
            stream.write_all(b"hello").await.expect("it is open");
            let mut back = [0; 5];
            stream.read_exact(&mut back).await.expect("all of it");
            assert_eq!(&back, b"hello");
            assert!(begin.elapsed() >= Duration::from_millis(100), "{effect:?}");
        }
    }
}
