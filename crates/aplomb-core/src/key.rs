//! The text of a key of ours: made from random bytes, and read so that what is wrong with it is told without a store.
//!
//! ```text
//! apl_ 0aB3dE6gH9k _ secret of 27 letters + checksum of 6
//!      id, public
//! ```
//!
//! The checksum is a CRC-32, as in GitHub's tokens: it tells a typo from a key that isn't known, and keeps a typo away
//! from the store. It protects nothing; the 160 bits of the secret do.

use std::fmt;

/// What every key begins with: found by secret scanners, and told from every other product's.
const PREFIX: &str = "apl_";

/// Letters of the public id: 64 bits, so that two keys of one store never share one by chance.
const ID: usize = 11;

/// Letters of the secret: 160 bits, so that none can be guessed however long somebody tries.
const SECRET: usize = 27;

/// Letters of the checksum: 32 bits.
const CHECKSUM: usize = 6;

/// Letters of a whole key.
const LENGTH: usize = PREFIX.len() + ID + 1 + SECRET + CHECKSUM;

/// How many random bytes a key is made of.
pub const KEY_BYTES: usize = 8 + 20;

/// A value longer than this is no key of anybody's, and isn't looked at any further.
const LONGEST: usize = 4096;

const LETTERS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A key that was just made. It is shown once; what is kept of it is its id and a hash of its text.
#[derive(Clone, PartialEq, Eq)]
pub struct NewKey {
    text: String,
}

impl NewKey {
    /// Makes a key of bytes that nobody can guess.
    pub fn make(random: &[u8; KEY_BYTES]) -> Self {
        let (id, secret) = random.split_at(8);
        let mut text = String::with_capacity(LENGTH);
        text.push_str(PREFIX);
        push(&mut text, id, ID);
        text.push('_');
        push(&mut text, secret, SECRET);
        let sum = crc32fast::hash(text.as_bytes()).to_be_bytes();
        push(&mut text, &sum, CHECKSUM);
        Self { text }
    }

    /// The key itself: a secret.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part of it that may be shown, logged and counted.
    pub fn id(&self) -> &str {
        &self.text[PREFIX.len()..PREFIX.len() + ID]
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewKey({})", self.id())
    }
}

/// A text that is a key of ours by its form; whether there is such a key, only the store knows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    text: &'a str,
}

impl<'a> Key<'a> {
    /// Reads a key.
    ///
    /// # Errors
    /// What is wrong with it, as far as its text tells.
    pub fn read(text: &'a [u8]) -> Result<Self, NoKey> {
        if text.len() > LONGEST {
            return Err(NoKey::Foreign);
        }
        let Ok(text) = str::from_utf8(text) else { return Err(NoKey::Letters) };
        if let Some(wrapped) = wrapping(text) {
            return Err(wrapped);
        }
        if text.starts_with(PREFIX) {
            return whole(text);
        }
        let in_lower = text.to_ascii_lowercase();
        Err(match () {
            () if in_lower.starts_with(PREFIX) => NoKey::Case,
            () if is_placeholder(&in_lower) => NoKey::Placeholder,
            () if is_token(text) => NoKey::Token,
            () => NoKey::Foreign,
        })
    }

    /// Whether a text can only be meant as a key of ours.
    pub fn is_meant(text: &[u8]) -> bool {
        text.starts_with(PREFIX.as_bytes())
    }

    /// The part of it that may be shown.
    pub fn id(&self) -> &'a str {
        &self.text[PREFIX.len()..PREFIX.len() + ID]
    }

    /// The key itself: a secret.
    pub fn text(&self) -> &'a str {
        self.text
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

/// Why a text is no key of ours. Nothing of the text is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoKey {
    /// Nothing, or nothing but spaces.
    #[error("the key is empty; the variable that should hold it is probably not set")]
    Empty,
    /// Quotes of a shell or a file came along.
    #[error("the key has quotes around it; send it without them")]
    Quoted,
    /// A scheme stands before it once more.
    #[error(
        "the key has a word such as `Bearer` before it that belongs to the header; give the client the key alone"
    )]
    Scheme,
    /// Spaces or line ends came along.
    #[error("the key has a space or a line break in it; copy it again, whole and alone")]
    Spaces,
    /// It stands for a key that was never put in.
    #[error("the key is a placeholder; put a key of this API in its place, it begins with `apl_`")]
    Placeholder,
    /// Letters were made large or small.
    #[error("the key was changed to other upper or lower case; copy it again as it was shown")]
    Case,
    /// Its end is missing.
    #[error("the key is cut: it has {0} characters of {LENGTH}; copy it again, whole")]
    Cut(usize),
    /// Something stands behind it.
    #[error("the key is too long: it has {0} characters instead of {LENGTH}; copy it again, alone")]
    Long(usize),
    /// It holds what no key holds.
    #[error("the key has characters that no key has; copy it again as it was shown")]
    Letters,
    /// A letter is another one.
    #[error("the key is mistyped: its checksum doesn't fit; copy it again as it was shown")]
    Checksum,
    /// A signed token.
    #[error("a signed token was sent where a key is expected; keys of this API begin with `apl_`")]
    Token,
    /// A key of another product.
    #[error("the key is of another service; keys of this API begin with `apl_`")]
    Foreign,
}

/// What was copied along with a key.
fn wrapping(text: &str) -> Option<NoKey> {
    const QUOTES: [char; 7] = ['"', '\'', '`', '\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'];
    if text.trim().is_empty() {
        return Some(NoKey::Empty);
    }
    let trimmed = text.trim();
    let bare = trimmed.trim_matches(QUOTES);
    if bare.trim().is_empty() {
        return Some(NoKey::Empty);
    }
    if bare.len() != trimmed.len() {
        return Some(NoKey::Quoted);
    }
    let first = trimmed.split([' ', ':']).next().filter(|first| first.len() < trimmed.len());
    let schemes = ["bearer", "token", "basic", "apikey", "api-key", "x-api-key", "authorization"];
    if first.is_some_and(|first| schemes.iter().any(|scheme| first.eq_ignore_ascii_case(scheme))) {
        return Some(NoKey::Scheme);
    }
    text.contains(|letter: char| letter.is_whitespace() || letter.is_control()).then_some(NoKey::Spaces)
}

/// What stands where a key should have been put.
fn is_placeholder(in_lower: &str) -> bool {
    const WORDS: [&str; 12] = [
        "your",
        "api_key",
        "api-key",
        "apikey",
        "changeme",
        "change-me",
        "change_me",
        "replace",
        "placeholder",
        "insert",
        "xxxx",
        "...",
    ];
    const ALONE: [&str; 11] =
        ["null", "none", "nil", "undefined", "todo", "test", "dummy", "key", "secret", "[object", "bearer"];
    in_lower.starts_with(['<', '{', '$', '%'])
        || WORDS.iter().any(|word| in_lower.contains(word))
        || ALONE.contains(&in_lower)
}

/// Three parts in base64, the first of which is an object.
fn is_token(text: &str) -> bool {
    text.starts_with("eyJ") && text.split('.').count() == 3
}

/// A text that begins as keys do.
fn whole(text: &str) -> Result<Key<'_>, NoKey> {
    let bytes = text.as_bytes();
    let is_fit = |at: usize, byte: &u8| match at {
        _ if at < PREFIX.len() => true,
        _ if at == PREFIX.len() + ID => *byte == b'_',
        _ => byte.is_ascii_alphanumeric(),
    };
    if !bytes.iter().enumerate().take(LENGTH).all(|(at, byte)| is_fit(at, byte)) {
        let placeholder = is_placeholder(&text.to_ascii_lowercase());
        return Err(if placeholder { NoKey::Placeholder } else { NoKey::Letters });
    }
    match bytes.len() {
        length if length < LENGTH => return Err(NoKey::Cut(length)),
        length if length > LENGTH => return Err(NoKey::Long(length)),
        _ => {}
    }
    let (body, sum) = text.split_at(LENGTH - CHECKSUM);
    let mut right = String::with_capacity(CHECKSUM);
    push(&mut right, &crc32fast::hash(body.as_bytes()).to_be_bytes(), CHECKSUM);
    if sum == right { Ok(Key { text }) } else { Err(NoKey::Checksum) }
}

/// Writes a number, its greatest byte first, as letters of a fixed count.
fn push(text: &mut String, bytes: &[u8], letters: usize) {
    let mut number = bytes.to_vec();
    let mut written = vec![b'0'; letters];
    for place in written.iter_mut().rev() {
        let mut rest = 0u32;
        for digit in &mut number {
            let value = rest << 8 | u32::from(*digit);
            *digit = u8::try_from(value / 62).expect("a rest below 62 leaves a quotient below 256");
            rest = value % 62;
        }
        *place = LETTERS[rest as usize];
    }
    text.extend(written.into_iter().map(char::from));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BYTES: [u8; KEY_BYTES] = [7; KEY_BYTES];

    fn made() -> String {
        NewKey::make(&BYTES).text().to_owned()
    }

    #[test]
    fn a_key_is_what_its_page_says() {
        let key = NewKey::make(&BYTES);
        insta::assert_snapshot!(key.text(), @"apl_0bPELAU4eqF_10AOhycyamkKyENaw2sLSsN3q0V4f7x1q");
        assert_eq!((key.text().len(), key.id()), (LENGTH, &key.text()[4..15]));
        assert_eq!(Key::read(key.text().as_bytes()).unwrap().id(), key.id());
        let least = NewKey::make(&[0; KEY_BYTES]);
        let most = NewKey::make(&[255; KEY_BYTES]);
        for key in [least, most] {
            assert_eq!(key.text().len(), LENGTH);
            assert!(Key::read(key.text().as_bytes()).is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        let key = made();
        let quoted = |quote: &str| format!("{quote}{key}{quote}");
        for (text, why) in [
            (String::new(), NoKey::Empty),
            ("  ".to_owned(), NoKey::Empty),
            ("\"\"".to_owned(), NoKey::Empty),
            (quoted("\""), NoKey::Quoted),
            (quoted("'"), NoKey::Quoted),
            (quoted("\u{201c}"), NoKey::Quoted),
            (format!("Bearer {key}"), NoKey::Scheme),
            (format!("bearer: {key}"), NoKey::Scheme),
            (format!("x-api-key: {key}"), NoKey::Scheme),
            (format!("{key} "), NoKey::Spaces),
            (format!("{} {}", &key[..20], &key[20..]), NoKey::Spaces),
            (format!("{key}\n"), NoKey::Spaces),
            (key.to_ascii_uppercase(), NoKey::Case),
            (key[..30].to_owned(), NoKey::Cut(30)),
            (key[..5].to_owned(), NoKey::Cut(5)),
            ("apl_".to_owned(), NoKey::Cut(4)),
            (format!("{key}{key}"), NoKey::Long(2 * LENGTH)),
            (format!("{}-{}", &key[..15], &key[16..]), NoKey::Letters),
            (format!("{}!{}", &key[..30], &key[31..]), NoKey::Letters),
            ("apl_YOUR_API_KEY".to_owned(), NoKey::Placeholder),
            ("YOUR_API_KEY".to_owned(), NoKey::Placeholder),
            ("<your key>".to_owned(), NoKey::Spaces),
            ("${APLOMB_KEY}".to_owned(), NoKey::Placeholder),
            ("undefined".to_owned(), NoKey::Placeholder),
            ("xxxxxxxx".to_owned(), NoKey::Placeholder),
            ("sk-proj-0123456789abcdef".to_owned(), NoKey::Foreign),
            ("gsk_0123456789abcdef".to_owned(), NoKey::Foreign),
            ("hunter2".to_owned(), NoKey::Foreign),
            ("eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.".to_owned(), NoKey::Token),
            ("a".repeat(5000), NoKey::Foreign),
        ] {
            assert_eq!(Key::read(text.as_bytes()), Err(why), "{text:?}");
        }
        assert_eq!(Key::read(b"apl_\xff"), Err(NoKey::Letters));
    }

    #[test]
    fn nothing_shows_the_secret() {
        let key = NewKey::make(&BYTES);
        let secret = &key.text()[16..];
        let read = Key::read(key.text().as_bytes()).unwrap();
        assert!(!format!("{key:?}{read:?}").contains(&secret[..8]));
        let wrong = format!("{}!", key.text());
        assert!(!Key::read(wrong.as_bytes()).unwrap_err().to_string().contains(&secret[..8]));
    }

    proptest! {
        #[test]
        fn every_key_reads_back(bytes in any::<[u8; KEY_BYTES]>()) {
            let key = NewKey::make(&bytes);
            prop_assert_eq!(Key::read(key.text().as_bytes()).unwrap().id(), key.id());
        }

        #[test]
        fn one_wrong_letter_is_a_typo(bytes in any::<[u8; KEY_BYTES]>(), at in 0usize..LENGTH - 5, letter in 0usize..62) {
            let key = NewKey::make(&bytes);
            let at = at + 4;
            let mut text = key.text().as_bytes().to_vec();
            prop_assume!(at != 15 && at < LENGTH && text[at] != LETTERS[letter]);
            text[at] = LETTERS[letter];
            prop_assert_eq!(Key::read(&text), Err(NoKey::Checksum));
        }

        #[test]
        fn two_letters_swapped_are_a_typo(bytes in any::<[u8; KEY_BYTES]>(), at in 16usize..LENGTH - 1) {
            let mut text = NewKey::make(&bytes).text().as_bytes().to_vec();
            prop_assume!(text[at] != text[at + 1]);
            text.swap(at, at + 1);
            prop_assert_eq!(Key::read(&text), Err(NoKey::Checksum));
        }

        #[test]
        fn whatever_is_sent_is_read_without_harm(text in any::<Vec<u8>>()) {
            prop_assert!(Key::read(&text).is_err());
        }
    }
}
