//! Tracebacks: which part of them is the exception, and the names before its text.

use super::classes;

/// The exceptions in a text, the likeliest first: in a Python traceback the last one, since it was raised last.
pub(super) fn exceptions(text: &str) -> Vec<&str> {
    const MARK: &str = "Traceback (most recent call last):";
    if !text.contains(MARK) {
        return vec![text];
    }
    text.split(MARK)
        .skip(1)
        .map(after_frames)
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect()
}

/// What follows the indented lines of the frames, up to the sentence that leads over to the next traceback.
fn after_frames(segment: &str) -> &str {
    let mut at = 0;
    for line in segment.split_inclusive('\n') {
        if !line.trim().is_empty() && !line.starts_with([' ', '\t']) {
            break;
        }
        at += line.len();
    }
    let own = &segment[at..];
    let ends = ["\nDuring handling of the above exception", "\nThe above exception was the direct cause"];
    let end = ends.iter().filter_map(|end| own.find(end)).min().unwrap_or(own.len());
    own[..end].trim()
}

/// The classes that stand before a text, and the text without them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Named<'t> {
    /// The class, without what it belongs to.
    pub(super) class: Option<&'t str>,
    /// The package or provider that the names tell of.
    pub(super) package: Option<&'t str>,
    /// The rest.
    pub(super) text: &'t str,
}

/// Takes off `openai.RateLimitError: `, `litellm.RateLimitError: RateLimitError: OpenAIException - `, and their like.
pub(super) fn named(text: &str) -> Named<'_> {
    let mut found = Named { text: text.trim_start(), ..Named::default() };
    while let Some((name, rest)) = next_name(found.text) {
        let (path, class) = name.rsplit_once(['.', ':', '\\']).unwrap_or(("", name));
        found.class = found.class.or_else(|| Some(class).filter(|class| classes::status(class).is_some()));
        let provider = class.strip_suffix("Exception").filter(|_| classes::status(class).is_none());
        let package =
            path.split(['.', ':', '\\']).find(|part| !matches!(*part, "" | "com" | "exceptions" | "errors"));
        found.package = provider.or(found.package).or(package);
        found.text = rest;
    }
    found
}

/// A name at the beginning that is one of an exception, and what follows its separator.
fn next_name(text: &str) -> Option<(&str, &str)> {
    const OPENINGS: [&str; 6] = ["Uncaught ", "Unhandled ", "Error: ", "error: ", "[", "Exception: "];
    for opening in OPENINGS {
        if let Some(rest) = text.strip_prefix(opening)
            && (opening != "[" || next_name(rest).is_some())
        {
            return Some((opening.trim_end_matches([' ', ':']), rest.trim_start()));
        }
    }
    let end = text
        .find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | '.' | '$' | '\\'))
        .unwrap_or(text.len());
    let end = if text[end..].starts_with("::") {
        end + 2 + text[end + 2..].find(|c: char| !c.is_alphanumeric() && !matches!(c, '_' | ':')).unwrap_or(0)
    } else {
        end
    };
    let name = text[..end].trim_end_matches(':');
    let class = name.rsplit(['.', ':', '\\']).next()?;
    if !classes::is_exception(class) {
        return None;
    }
    let rest = &text[name.len()..];
    let rest = rest.strip_prefix(']').unwrap_or(rest);
    let rest =
        rest.strip_prefix(": ").or_else(|| rest.strip_prefix(" - ")).or_else(|| rest.strip_prefix(":\n"));
    Some((name, rest?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_off() {
        for (text, class, package, rest) in [
            (
                "openai.RateLimitError: Error code: 429",
                Some("RateLimitError"),
                Some("openai"),
                "Error code: 429",
            ),
            ("RateLimitError: 429 Slow down", Some("RateLimitError"), None, "429 Slow down"),
            (
                "litellm.RateLimitError: RateLimitError: GroqException - x",
                Some("RateLimitError"),
                Some("Groq"),
                "x",
            ),
            (
                "com.openai.errors.RateLimitException: 429: x",
                Some("RateLimitException"),
                Some("openai"),
                "429: x",
            ),
            ("OpenAI::Errors::RateLimitError: {}", Some("RateLimitError"), Some("OpenAI"), "{}"),
            ("Error: something", None, None, "something"),
            ("The model is busy: wait", None, None, "The model is busy: wait"),
        ] {
            assert_eq!(named(text), Named { class, package, text: rest }, "{text}");
        }
    }

    #[test]
    fn the_exception_raised_last_comes_first() {
        let text = "Traceback (most recent call last):\n  File \"a.py\", line 1\n    x()\nhttpx.HTTPStatusError: one\n\n\
            The above exception was the direct cause of the following exception:\n\n\
            Traceback (most recent call last):\n  File \"b.py\", line 2\n    y()\nopenai.RateLimitError: two\n";
        assert_eq!(exceptions(text), ["openai.RateLimitError: two", "httpx.HTTPStatusError: one"]);
    }
}
