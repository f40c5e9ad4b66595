//! The forms that a value may have, each with the sentence for a wrong one.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeValue;

use crate::config::units;
use crate::config::written::section::nearest;

/// Any text but the empty one.
pub(super) fn text<'p>(value: &'p DeValue<'p>) -> Result<&'p str, String> {
    match value.as_str() {
        Some("") => Err("must not be empty".to_owned()),
        Some(text) => Ok(text),
        None => Err(format!("expected text in quotes, found {}", found(value))),
    }
}

/// A value with the kind of thing that it is, for a sentence.
fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::Integer(number) => format!("the number {number}"),
        DeValue::Boolean(_) => "true or false".to_owned(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
        DeValue::String(_) => "text".to_owned(),
        DeValue::Float(_) | DeValue::Datetime(_) => format!("a {}", value.type_str()),
    }
}

/// `true` or `false`.
pub(super) fn switch(value: &DeValue<'_>) -> Result<bool, String> {
    value.as_bool().ok_or_else(|| format!("expected `true` or `false`, found {}", found(value)))
}

/// A whole number within bounds.
pub(super) fn whole<'p>(bounds: RangeInclusive<u64>) -> impl FnOnce(&'p DeValue<'p>) -> Result<u64, String> {
    move |value| {
        integer(value)
            .filter(|number| bounds.contains(number))
            .ok_or_else(|| format!("expected a whole number from {} to {}", bounds.start(), bounds.end()))
    }
}

fn integer(value: &DeValue<'_>) -> Option<u64> {
    let number = value.as_integer()?;
    u64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// A time; whether it may be nothing depends on the key.
fn time(value: &DeValue<'_>) -> Result<Duration, String> {
    match value {
        DeValue::String(text) => units::duration(text),
        DeValue::Integer(number) => Err(format!("expected a time with its unit, such as `\"{number}s\"`")),
        other => Err(format!("expected a time such as `\"5s\"`, found {}", found(other))),
    }
}

/// A time that may be `0s`.
pub(super) fn wait(value: &DeValue<'_>) -> Result<Duration, String> {
    time(value)
}

/// A time longer than nothing.
pub(super) fn patience(value: &DeValue<'_>) -> Result<Duration, String> {
    match time(value)? {
        Duration::ZERO => Err("must be longer than nothing; use a long time to wait longer".to_owned()),
        time => Ok(time),
    }
}

/// A number of bytes within bounds: a number or text with a unit.
pub(super) fn bytes<'p>(bounds: RangeInclusive<u64>) -> impl FnOnce(&'p DeValue<'p>) -> Result<u64, String> {
    move |value| {
        let bytes = match value {
            DeValue::String(text) => units::size(text)?,
            DeValue::Integer(_) => integer(value).ok_or("a size can't be negative")?,
            other => return Err(format!("expected a size such as `\"1MiB\"`, found {}", found(other))),
        };
        if bounds.contains(&bytes) {
            return Ok(bytes);
        }
        let (least, most) = (units::show_size(*bounds.start()), units::show_size(*bounds.end()));
        Err(format!("expected a size from {least} to {most}"))
    }
}

/// One word of a few.
pub(super) fn choice<'p, T: Copy>(words: &[(&str, T)]) -> impl FnOnce(&'p DeValue<'p>) -> Result<T, String> {
    move |value| {
        let names = || words.iter().map(|(name, _)| *name);
        // A number is taken for its digits: `429` and `"429"` are one word.
        let word = match value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) => number.as_str(),
            _ => "",
        };
        if let Some((_, chosen)) = words.iter().find(|(name, _)| *name == word) {
            return Ok(*chosen);
        }
        let all: Vec<_> = names().map(|name| format!("`\"{name}\"`")).collect();
        let hint =
            nearest(word, names()).map(|near| format!("; did you mean `\"{near}\"`?")).unwrap_or_default();
        Err(format!("expected {}{hint}", all.join(" or ")))
    }
}

/// An address and a port.
///
/// # Errors
/// A sentence with an example, or with what is likely meant.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    if let Some(port) = text.strip_prefix("localhost:").and_then(|port| port.parse().ok()) {
        return Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    }
    if let Some(port) = text.strip_prefix(':').and_then(|port| port.parse::<u16>().ok()) {
        return Err(format!(
            "say which address: `127.0.0.1:{port}` for this machine only, `0.0.0.0:{port}` for all"
        ));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Err(format!("a port is missing; write `{}`", SocketAddr::new(address, 4100)));
    }
    Err(format!("`{text}` is no address with a port; write `127.0.0.1:4100` or `[::1]:4100`"))
}

/// A word for logs, metrics and headers.
pub(super) fn name<'p>(value: &'p DeValue<'p>) -> Result<String, String> {
    let name = text(value)?;
    let sane = name.len() <= 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
    if sane { Ok(name.to_owned()) } else { Err("a name has up to 64 of `A-Z a-z 0-9 . _ -`".to_owned()) }
}

/// Text on one line, short enough for a header or a log.
pub(super) fn line<'p>(value: &'p DeValue<'p>) -> Result<String, String> {
    let line = text(value)?;
    if line.len() <= 256 && !line.chars().any(char::is_control) {
        return Ok(line.to_owned());
    }
    Err("expected up to 256 bytes on one line".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_lacks_something_is_told_what() {
        assert_eq!(address("localhost:80").unwrap().to_string(), "127.0.0.1:80");
        assert!(address(":8080").unwrap_err().contains("`0.0.0.0:8080` for all"));
        assert_eq!(address("::1").unwrap_err(), "a port is missing; write `[::1]:4100`");
        assert!(address("example.com:80").unwrap_err().contains("is no address"));
    }
}
