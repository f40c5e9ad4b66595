//! Whether a path means the same to everybody who reads it.
//!
//! A path with `.` or `..` segments is normalised by some readers and not by others, so that a prefix could be left
//! (`/groq/../admin`). It is refused, however it is spelt, rather than repaired: no SDK sends one.
//! An encoded slash inside a segment is ordinary (`models/meta-llama%2FLlama-3`) and passes as it is, but counts as
//! a slash when `..` is looked for.

/// Whether no reader can find a `.` or `..` segment, a backslash or a control character in it.
pub(super) fn is_sound(path: &str) -> bool {
    let bytes = path.as_bytes();
    let mut at = 0;
    let mut segment = Segment::default();
    while at < bytes.len() {
        let (byte, length) = decoded(&bytes[at..]);
        match byte {
            b'/' => {
                if segment.is_dots() {
                    return false;
                }
                segment = Segment::default();
            }
            b'\\' | 0..=0x1f | 0x7f => return false,
            _ => segment.push(byte),
        }
        at += length;
    }
    !segment.is_dots()
}

/// The byte that stands first, percent-decoded once, and how many bytes it takes.
fn decoded(bytes: &[u8]) -> (u8, usize) {
    if let [b'%', high, low, ..] = bytes
        && let (Some(high), Some(low)) = ((*high as char).to_digit(16), (*low as char).to_digit(16))
    {
        return ((high * 16 + low) as u8, 3);
    }
    (bytes[0], 1)
}

/// What has been seen of a segment, as far as `.`, `..`, `.;x` and `..;x` are concerned.
#[derive(Default)]
struct Segment {
    dots: u8,
    other: bool,
    parameters: bool,
}

impl Segment {
    fn push(&mut self, byte: u8) {
        match byte {
            _ if self.parameters => {}
            // Some servers cut a segment at its parameters and then resolve what is left.
            b';' => self.parameters = true,
            b'.' => self.dots = self.dots.saturating_add(1),
            _ => self.other = true,
        }
    }

    fn is_dots(&self) -> bool {
        !self.other && matches!(self.dots, 1 | 2)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the most eager reader makes of a path: decoded, backslashes turned, parameters cut off.
    fn as_read_by_others(path: &str) -> String {
        let hex = |digits: &str| u8::from_str_radix(digits, 16).ok().map(char::from);
        let mut decoded = String::new();
        let mut rest = path;
        while let Some(first) = rest.chars().next() {
            match (first, rest.get(1..3).and_then(hex)) {
                ('%', Some(char)) => {
                    decoded.push(char);
                    rest = &rest[3..];
                }
                _ => {
                    decoded.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        decoded.replace('\\', "/")
    }

    proptest! {
        #[test]
        fn no_sound_path_has_a_dot_segment_for_anybody(path in "(/|\\.|%2e|%2E|%2f|%5c|;|a|%|2|e){0,12}") {
            let read = as_read_by_others(&path);
            let climbs = read.split('/').any(|segment| {
                let name = segment.split(';').next().unwrap_or_default();
                name == "." || name == ".."
            });
            prop_assert_eq!(is_sound(&path), !climbs && !path.contains("%5c"), "{}", path);
        }

        #[test]
        fn any_text_can_be_judged(path in ".*") {
            is_sound(&path);
        }
    }

    #[test]
    fn ordinary_paths_are_sound() {
        for path in [
            "",
            "/",
            "/v1/chat/completions",
            "/v1/models/meta-llama%2FLlama-3.1-8B",
            "/v1beta/models/gemini-2.5-flash:generateContent",
            "/v1//double",
            "/.well-known/x",
            "/files/...",
            "/a%20b/c;v=1",
            "/100%",
            "/%zz",
            "/x..y",
        ] {
            assert!(is_sound(path), "{path}");
        }
    }

    #[test]
    fn dot_segments_are_unsound_however_they_are_spelt() {
        for path in [
            "/groq/../admin",
            "/groq/./x",
            "/..",
            "/groq/..",
            "/groq/%2e%2e/admin",
            "/groq/%2E./admin",
            "/groq/.%2e",
            "/groq/..%2fadmin",
            "/groq%2f..%2fadmin",
            "/groq/..;/admin",
            "/groq/..;x=1/admin",
            "/groq\\..\\admin",
            "/groq/..%5cadmin",
            "/groq/%00",
            "/groq/%0d%0aset-cookie",
            "..",
        ] {
            assert!(!is_sound(path), "{path}");
        }
    }
}
