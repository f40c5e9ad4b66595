//! The gate: lets bytes through to hyper as long as every request in them has exactly one reading.
//!
//! It never changes a byte. If it ever lost its place in the stream, the worst it could do is refuse
//! what is right or leave a judgement to hyper, which reads every message for itself in any case.

use super::Refusal;
use super::chunks::{Chunks, Followed};
use super::head::{self, Framing, Head, HeadLimits};

/// Where in the stream of requests the next byte belongs.
#[derive(Debug)]
pub(super) enum Gate {
    /// Before or within a head.
    Head,
    /// In a body of which so many bytes are to come.
    Body(u64),
    /// In a chunked body.
    Chunked(Chunks),
    /// In a body that is broken: hyper refuses it, and nothing after it will be read.
    Broken,
}

/// What the gate makes of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// All of them may pass.
    Pass,
    /// So many of them may pass; a head begins after them and is not whole yet.
    Wait(usize),
    /// So many of them may pass, and what comes then never.
    Refuse(usize, Refusal),
}

impl Gate {
    /// Judges the next bytes; those after a [`Judged::Wait`] are to be shown again, with more.
    pub(super) fn judge(&mut self, bytes: &[u8], limits: HeadLimits) -> Judged {
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            match self {
                // Some clients end a body with an empty line too many, which begins no head.
                Self::Head if rest.starts_with(b"\n") => at += 1,
                Self::Head if rest.starts_with(b"\r\n") => at += 2,
                Self::Head => match head::read(rest, limits) {
                    Ok(Head::Partial) => return Judged::Wait(at),
                    Ok(Head::Whole { bytes, body }) => {
                        at += bytes;
                        *self = Self::after(body);
                    }
                    Err(refusal) => return Judged::Refuse(at, refusal),
                },
                Self::Body(left) => {
                    let here = (*left).min(rest.len() as u64);
                    at += here as usize;
                    *self = Self::after(Framing::Length(*left - here));
                }
                Self::Chunked(chunks) => match chunks.follow(rest) {
                    Followed::Within => return Judged::Pass,
                    Followed::Ended(taken) => {
                        at += taken;
                        *self = Self::Head;
                    }
                    Followed::Broken => *self = Self::Broken,
                },
                Self::Broken => return Judged::Pass,
            }
        }
        Judged::Pass
    }

    /// Whether a message was begun and its last byte has not been seen.
    pub(super) fn is_mid_body(&self) -> bool {
        !matches!(self, Self::Head)
    }

    fn after(body: Framing) -> Self {
        match body {
            Framing::Length(0) => Self::Head,
            Framing::Length(length) => Self::Body(length),
            Framing::Chunked => Self::Chunked(Chunks::new()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    const BAD: &str = "GET / HTTP/1.1\r\nhost: a\r\nx : y\r\n\r\n";

    #[test]
    fn pipelined_requests_pass_up_to_the_first_bad_one() {
        let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
        let chunked = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
        let good = format!("{GET}{post}{chunked}{GET}");
        assert_eq!(Gate::Head.judge(good.as_bytes(), HeadLimits::default()), Judged::Pass);
        let bad = format!("{good}{BAD}{GET}");
        assert_eq!(
            Gate::Head.judge(bad.as_bytes(), HeadLimits::default()),
            Judged::Refuse(good.len(), Refusal::Malformed)
        );
    }

    #[test]
    fn a_head_in_a_body_is_a_body() {
        let body = BAD.len();
        let post = format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {body}\r\n\r\n{BAD}");
        assert_eq!(Gate::Head.judge(post.as_bytes(), HeadLimits::default()), Judged::Pass);
        let split = post.len() - 20;
        let mut gate = Gate::Head;
        assert_eq!(gate.judge(&post.as_bytes()[..split], HeadLimits::default()), Judged::Pass);
        assert!(gate.is_mid_body());
        assert_eq!(gate.judge(&post.as_bytes()[split..], HeadLimits::default()), Judged::Pass);
        assert!(!gate.is_mid_body());
    }

    #[test]
    fn an_empty_line_between_requests_is_not_waited_on() {
        assert_eq!(Gate::Head.judge(format!("{GET}\r\n").as_bytes(), HeadLimits::default()), Judged::Pass);
        assert_eq!(Gate::Head.judge(format!("\n\r\n{GET}").as_bytes(), HeadLimits::default()), Judged::Pass);
    }

    #[test]
    fn half_a_head_waits_for_its_rest() {
        let both = format!("{GET}{GET}");
        for split in 1..GET.len() {
            let mut gate = Gate::Head;
            assert_eq!(
                gate.judge(&both.as_bytes()[..GET.len() + split], HeadLimits::default()),
                Judged::Wait(GET.len()),
                "{split}"
            );
            assert_eq!(gate.judge(GET.as_bytes(), HeadLimits::default()), Judged::Pass);
        }
    }
}
