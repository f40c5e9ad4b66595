//! Follows a chunked body to its end without touching it.

use memchr::memchr;

/// Where in a chunked body the next byte belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunks {
    /// In a size line, before anything but its digits.
    Size { size: u64, digits: u8 },
    /// In a size line, after its digits: blanks and extensions.
    Extension { size: u64 },
    /// In a chunk.
    Data { left: u64 },
    /// Before the line end that closes a chunk; `cr` once its first half was seen.
    DataEnd { cr: bool },
    /// At the beginning of a trailer line; `cr` once the closing empty line has begun.
    Trailer { cr: bool },
    /// Within a trailer line.
    TrailerLine,
}

/// What some bytes of a chunked body amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Followed {
    /// All of them belong to the body, and more does.
    Within,
    /// The body ends with this many of them.
    Ended(usize),
    /// They are no chunked body; whoever reads it will say so.
    Broken,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self::Size { size: 0, digits: 0 }
    }

    /// Takes the next bytes of the body.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Followed {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            let (next, taken) = match *self {
                Self::Data { left } => {
                    let here = left.min((bytes.len() - at) as u64);
                    let left = left - here;
                    (if left == 0 { Self::DataEnd { cr: false } } else { Self::Data { left } }, here as usize)
                }
                Self::Extension { size } => match memchr(b'\n', &bytes[at..]) {
                    Some(end) => (Self::after_size(size), end + 1),
                    None => (*self, bytes.len() - at),
                },
                Self::TrailerLine => match memchr(b'\n', &bytes[at..]) {
                    Some(end) => (Self::Trailer { cr: false }, end + 1),
                    None => (*self, bytes.len() - at),
                },
                Self::Trailer { cr: true } if byte == b'\n' => return Followed::Ended(at + 1),
                one => match one.step(byte) {
                    Some(next) => (next, 1),
                    None => return Followed::Broken,
                },
            };
            *self = next;
            at += taken;
        }
        Followed::Within
    }

    fn step(self, byte: u8) -> Option<Self> {
        match self {
            Self::Size { size, digits } => match (byte as char).to_digit(16) {
                Some(_) if digits == 15 => None,
                Some(digit) => Some(Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }),
                None if digits > 0 && b"\r \t;".contains(&byte) => Some(Self::Extension { size }),
                None => None,
            },
            Self::DataEnd { cr: false } => (byte == b'\r').then_some(Self::DataEnd { cr: true }),
            Self::DataEnd { cr: true } => (byte == b'\n').then(Self::new),
            Self::Trailer { cr: false } if byte == b'\r' => Some(Self::Trailer { cr: true }),
            Self::Trailer { cr: false } => Some(Self::TrailerLine),
            Self::Trailer { cr: true } | Self::Extension { .. } | Self::Data { .. } | Self::TrailerLine => {
                None
            }
        }
    }

    fn after_size(size: u64) -> Self {
        if size == 0 { Self::Trailer { cr: false } } else { Self::Data { left: size } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"5;name=\"v\"\r\nhello\r\nA \r\n0123456789\r\n0\r\nx: y\r\n\r\n";

    #[test]
    fn a_body_is_followed_to_its_end_wherever_it_is_split() {
        let mut bytes = WHOLE.to_vec();
        bytes.extend_from_slice(b"GET / HTTP/1.1\r\n");
        assert_eq!(Chunks::new().follow(&bytes), Followed::Ended(WHOLE.len()));
        for split in 1..WHOLE.len() {
            let mut chunks = Chunks::new();
            assert_eq!(chunks.follow(&WHOLE[..split]), Followed::Within, "{split}");
            assert_eq!(chunks.follow(&bytes[split..]), Followed::Ended(WHOLE.len() - split), "{split}");
        }
    }

    #[test]
    fn what_is_no_chunk_is_not_followed() {
        for bytes in [
            "g\r\n",
            "\r\n",
            "-5\r\n",
            "0x5\r\n",
            "5\nhello",
            "2\r\nabc",
            "2\r\nab\n",
            "0000000000000001\r\n",
        ] {
            assert_eq!(Chunks::new().follow(bytes.as_bytes()), Followed::Broken, "{bytes:?}");
        }
    }
}
