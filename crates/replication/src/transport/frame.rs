//! Frames: how a byte stream is cut into messages.
//!
//! ```text
//! | length of the body: u32 | kind: u8 | request id: u64 | crc32c of these: u32 | body |
//! ```
//!
//! All little endian. The checksum covers the header, so that a damaged length is never believed;
//! the body is a record, which carries its own.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Bytes in a body: entries of one message to a follower, and room for the largest single entry.
pub(crate) const BODY_BYTES_MAX: usize = 8 << 20;

const CHECKED: usize = 13;
const HEADER: usize = CHECKED + 4;

/// What a frame's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum FrameKind {
    /// The first message each way.
    Greeting = 1,
    /// Asks for something.
    Request = 2,
    /// Answers the request with the same id.
    Response = 3,
    /// The first message each way, where an agent connects.
    AgentGreeting = 4,
    /// The first message each way, where a newcomer connects.
    JoinGreeting = 5,
}

impl FrameKind {
    const fn new(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Greeting),
            2 => Some(Self::Request),
            3 => Some(Self::Response),
            4 => Some(Self::AgentGreeting),
            5 => Some(Self::JoinGreeting),
            _ => None,
        }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: FrameKind,
    /// Joins a response to its request.
    pub(crate) id: u64,
    pub(crate) body: Vec<u8>,
}

/// The bytes received are not a frame.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The connection failed, or ended within a frame.
    #[error("the connection failed")]
    Io(#[source] io::Error),
    /// The header is damaged, or the sender does not speak this protocol.
    #[error("the frame's header is damaged, or no Berth node sent it")]
    Checksum,
    /// An unknown kind.
    #[error("frame kind {0} is unknown")]
    Kind(u8),
    /// A body beyond the limit; nothing of it was read.
    #[error("a frame of {length} bytes exceeds the limit of {limit} bytes")]
    TooLong {
        /// Bytes announced.
        length: u64,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Reads a frame whose body has at most `limit` bytes; `None` at the end of the stream.
pub(crate) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    limit: usize,
) -> Result<Option<Frame>, FrameError> {
    let mut header = [0; HEADER];
    if stream.read(&mut header[..1]).await.map_err(FrameError::Io)? == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut header[1..]).await.map_err(FrameError::Io)?;
    let (kind, id, length) = parse(&header, limit)?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.map_err(FrameError::Io)?;
    Ok(Some(Frame { kind, id, body }))
}

/// Writes a frame. Its body was checked by whoever encoded it.
pub(crate) async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    frame: &Frame,
) -> Result<(), FrameError> {
    let header = header(frame)?;
    stream.write_all(&header).await.map_err(FrameError::Io)?;
    stream.write_all(&frame.body).await.map_err(FrameError::Io)
}

fn header(frame: &Frame) -> Result<[u8; HEADER], FrameError> {
    let length = frame.body.len();
    let too_long = || FrameError::TooLong { length: length as u64, limit: BODY_BYTES_MAX };
    if length > BODY_BYTES_MAX {
        return Err(too_long());
    }
    let length = u32::try_from(length).map_err(|_| too_long())?;
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&length.to_le_bytes());
    header[4] = frame.kind as u8;
    header[5..CHECKED].copy_from_slice(&frame.id.to_le_bytes());
    let checksum = crc32c::crc32c(&header[..CHECKED]);
    header[CHECKED..].copy_from_slice(&checksum.to_le_bytes());
    Ok(header)
}

fn parse(header: &[u8; HEADER], limit: usize) -> Result<(FrameKind, u64, usize), FrameError> {
    let (checked, checksum) = header.split_last_chunk::<4>().expect("a header ends with 4 bytes");
    if crc32c::crc32c(checked) != u32::from_le_bytes(*checksum) {
        return Err(FrameError::Checksum);
    }
    let (length, rest) = checked.split_first_chunk::<4>().expect("a header begins with 4 bytes");
    let (id, _) = rest[1..].split_first_chunk::<8>().expect("a header holds 8 bytes of id");
    let kind = FrameKind::new(rest[0]).ok_or(FrameError::Kind(rest[0]))?;
    let length = u32::from_le_bytes(*length);
    let too_long = FrameError::TooLong { length: u64::from(length), limit };
    let length = usize::try_from(length).ok().filter(|length| *length <= limit).ok_or(too_long)?;
    Ok((kind, u64::from_le_bytes(*id), length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Frame {
        Frame { kind: FrameKind::Request, id: 0x0102_0304_0506_0708, body: body.to_owned() }
    }

    async fn written(frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, frame).await.unwrap();
        bytes
    }

    #[tokio::test]
    async fn a_frame_survives_the_wire() {
        for body in [vec![], vec![1], vec![7; 100_000]] {
            let bytes = written(&frame(&body)).await;
            let read = read(&mut bytes.as_slice(), BODY_BYTES_MAX).await.unwrap();
            assert_eq!(read, Some(frame(&body)));
        }
        assert_eq!(read(&mut &b""[..], BODY_BYTES_MAX).await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_layout_is_fixed() {
        let bytes = written(&frame(b"hi")).await;
        let (header, body) = bytes.split_at(HEADER);
        assert_eq!(header[..CHECKED], [2, 0, 0, 0, 2, 8, 7, 6, 5, 4, 3, 2, 1]);
        assert_eq!(body, b"hi");
    }

    #[tokio::test]
    async fn truncated_frames_are_refused_at_every_length() {
        let bytes = written(&frame(b"hello")).await;
        for length in 1..bytes.len() {
            let result = read(&mut &bytes[..length], BODY_BYTES_MAX).await;
            assert!(matches!(result, Err(FrameError::Io(_))), "{length} bytes");
        }
    }

    #[tokio::test]
    async fn every_flipped_bit_of_a_header_is_noticed() {
        let bytes = written(&frame(b"hello")).await;
        for bit in 0..HEADER * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let result = read(&mut damaged.as_slice(), BODY_BYTES_MAX).await;
            assert!(matches!(result, Err(FrameError::Checksum)), "bit {bit}");
        }
    }

    #[tokio::test]
    async fn garbage_and_oversized_frames_are_refused_before_they_are_read() {
        let mut garbage = [0_u8; 64];
        for seed in 0..=255_u8 {
            for (place, byte) in garbage.iter_mut().enumerate() {
                *byte = seed.wrapping_mul(31).wrapping_add(u8::try_from(place).unwrap() ^ seed);
            }
            assert!(read(&mut garbage.as_slice(), BODY_BYTES_MAX).await.is_err());
        }
        let bytes = written(&frame(&[0; 100])).await;
        let result = read(&mut bytes.as_slice(), 99).await;
        assert!(matches!(result, Err(FrameError::TooLong { length: 100, limit: 99 })));
        let huge = Frame { body: vec![0; BODY_BYTES_MAX + 1], ..frame(b"") };
        assert!(matches!(write(&mut Vec::new(), &huge).await, Err(FrameError::TooLong { .. })));
    }

    #[tokio::test]
    async fn unknown_kinds_are_refused() {
        let mut bytes = written(&frame(b"")).await;
        bytes[4] = 9;
        let checksum = crc32c::crc32c(&bytes[..CHECKED]);
        bytes[CHECKED..HEADER].copy_from_slice(&checksum.to_le_bytes());
        let result = read(&mut bytes.as_slice(), BODY_BYTES_MAX).await;
        assert!(matches!(result, Err(FrameError::Kind(9))));
    }
}
