//! The `via` header: this gateway's mark on a request, by which it knows one that came back.

use http::Version;
use http::header::{HeaderMap, HeaderValue, VIA};

/// More stations than any honest way has; what says more is going in circles between others.
const MOST_STATIONS: usize = 32;

/// The mark of one process; another gateway of the same kind in the chain has another.
#[derive(Debug, Clone)]
pub struct Via {
    name: String,
    http1: HeaderValue,
    http2: HeaderValue,
}

/// A request that was here before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the request came back to the gateway that sent it")]
pub struct ViaLoop;

impl Via {
    /// A mark that tells this process from others by a number drawn at its start.
    pub fn new(instance: u32) -> Self {
        let name = format!("aplomb-{instance:08x}");
        let value = |version| {
            HeaderValue::try_from(format!("{version} {name}")).expect("digits and letters are a header value")
        };
        Self { http1: value("1.1"), http2: value("2"), name }
    }

    /// Marks a request that came by `version`, after all marks that it bears already.
    ///
    /// # Errors
    ///
    /// Fails if it bears our own mark, or more marks than any honest way has.
    pub fn mark(&self, headers: &mut HeaderMap, version: Version) -> Result<(), ViaLoop> {
        let stations =
            headers.get_all(VIA).iter().flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        for (index, station) in stations.enumerate() {
            if index >= MOST_STATIONS || self.is_ours(station) {
                return Err(ViaLoop);
            }
        }
        let value = if version == Version::HTTP_2 { &self.http2 } else { &self.http1 };
        headers.append(VIA, value.clone());
        Ok(())
    }

    fn is_ours(&self, station: &[u8]) -> bool {
        let mut words = station.trim_ascii().split(u8::is_ascii_whitespace);
        words.nth(1).is_some_and(|name| name.eq_ignore_ascii_case(self.name.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_added_after_those_of_others() {
        let mut headers = HeaderMap::new();
        headers.insert(VIA, HeaderValue::from_static("1.0 fred, 1.1 aplomb-00000002 (comment)"));
        Via::new(1).mark(&mut headers, Version::HTTP_2).unwrap();
        let lines: Vec<_> = headers.get_all(VIA).iter().collect();
        assert_eq!(lines, ["1.0 fred, 1.1 aplomb-00000002 (comment)", "2 aplomb-00000001"]);
    }

    #[test]
    fn a_request_that_comes_back_is_known() {
        let via = Via::new(7);
        let mut headers = HeaderMap::new();
        via.mark(&mut headers, Version::HTTP_11).unwrap();
        headers.append(VIA, HeaderValue::from_static("1.1 other"));
        assert_eq!(via.mark(&mut headers, Version::HTTP_11), Err(ViaLoop));
        let long = HeaderValue::try_from(vec!["1.1 x"; 40].join(",")).unwrap();
        assert_eq!(via.mark(&mut HeaderMap::from_iter([(VIA, long)]), Version::HTTP_11), Err(ViaLoop));
    }
}
