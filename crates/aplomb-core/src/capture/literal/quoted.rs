//! Texts in quotes, with the escapes of every language at once.

use super::Reader;

impl Reader<'_> {
    /// A text, and those that continue it: `'…' 'and more'`, `'…' + 'and more'`.
    pub(super) fn strings(&mut self) -> Option<String> {
        let mut whole = self.string(false)?;
        loop {
            let mark = self.at;
            self.skip_space();
            if self.take("+") {
                self.skip_space();
            }
            if !matches!(self.peek(), Some('"' | '\'' | '`')) {
                self.at = mark;
                return Some(whole);
            }
            whole.push_str(&self.string(false)?);
        }
    }

    /// One quoted text; in Python's bytes an `\xe4` is a byte, elsewhere a character.
    pub(super) fn string(&mut self, bytes: bool) -> Option<String> {
        let quote = self.peek()?;
        self.at += 1;
        let mut out = Vec::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                c if c == quote => break,
                '\\' => self.escape(bytes, &mut out),
                c => push(&mut out, c),
            }
        }
        Some(String::from_utf8_lossy(&out).into_owned())
    }

    fn escape(&mut self, bytes: bool, out: &mut Vec<u8>) {
        let Some(c) = self.peek() else { return };
        self.at += c.len_utf8();
        match c {
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'r' => out.push(b'\r'),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            'a' => out.push(7),
            '0' => out.push(0),
            '\n' => {}
            '\\' | '\'' | '"' | '`' | '/' => push(out, c),
            'x' => match self.hex(2) {
                Some(code) if bytes => out.push(code.to_le_bytes()[0]),
                code => push_code(out, code),
            },
            'u' => {
                let code = self.unicode();
                push_code(out, code);
            }
            'U' => {
                let code = self.hex(8);
                push_code(out, code);
            }
            other => {
                out.push(b'\\');
                push(out, other);
            }
        }
    }

    /// `\u00e4`, a surrogate pair, or `\u{1f600}`.
    fn unicode(&mut self) -> Option<u32> {
        if self.take("{") {
            let end = self.rest().find('}').filter(|end| *end <= 8)?;
            let code = u32::from_str_radix(&self.rest()[..end], 16).ok();
            self.at += end + 1;
            return code;
        }
        let high = self.hex(4)?;
        if !(0xd800..0xdc00).contains(&high) || !self.take("\\u") {
            return Some(high);
        }
        let low = self.hex(4).filter(|low| (0xdc00..0xe000).contains(low))?;
        Some(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let code = u32::from_str_radix(self.rest().get(..digits)?, 16).ok()?;
        self.at += digits;
        Some(code)
    }
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn push_code(out: &mut Vec<u8>, code: Option<u32>) {
    push(out, code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
}
