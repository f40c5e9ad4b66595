//! Percent-encoding, read as an upstream reads it.

/// Text without percent-encoding: `k%65y` is `key`. What is no encoding stays as it is.
pub(crate) fn decoded(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        let digits = (*byte == b'%').then(|| tail.get(..2)).flatten();
        let coded = digits.and_then(|two| u8::from_str_radix(str::from_utf8(two).ok()?, 16).ok());
        out.push(coded.unwrap_or(*byte));
        rest = if coded.is_some() { &tail[2..] } else { tail };
    }
    out
}

/// Names and values of a form or a query, decoded: `a=1&b=x+y`.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let decoded = |text: &str| {
        let text = text.replace('+', " ");
        String::from_utf8(decoded(&text)).unwrap_or(text)
    };
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs.map(move |pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    })
}

/// Text as it stands in a form (`application/x-www-form-urlencoded`).
pub(crate) fn form_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_as_an_upstream_reads_it() {
        for (coded, name) in [
            ("key", "key"),
            ("k%65y", "key"),
            ("%6B%65%79", "key"),
            ("k%", "k%"),
            ("k%6", "k%6"),
            ("k%zz", "k%zz"),
        ] {
            assert_eq!(decoded(coded), name.as_bytes(), "{coded}");
        }
    }

    #[test]
    fn a_form_keeps_every_letter() {
        assert_eq!(form_encoded("a b+c&d=e/ö~*-._"), "a+b%2Bc%26d%3De%2F%C3%B6%7E*-._");
    }
}
