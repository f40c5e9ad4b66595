//! Media types: what a body is, and what a caller takes.

/// A media type without its parameters, in lower case; nothing for what has no slash.
pub(super) fn essence(value: &str) -> Option<String> {
    let essence = value.split(';').next()?.trim();
    let (main, sub) = essence.split_once('/')?;
    (!main.is_empty() && !sub.is_empty()).then(|| essence.to_ascii_lowercase())
}

/// A parameter of a header's value: of `form-data; name="a;b"` the name is `a;b`.
pub(super) fn parameter(value: &str, wanted: &str) -> Option<String> {
    let (_, mut rest) = value.split_once(';')?;
    loop {
        let (names, tail) = rest.split_once('=')?;
        let name = names.rsplit(';').next().unwrap_or_default().trim();
        let tail = tail.trim_start();
        let (text, after) = match tail.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let (text, after) = tail.split_at(tail.find(';').unwrap_or(tail.len()));
                (text.trim().to_owned(), after)
            }
        };
        if name.eq_ignore_ascii_case(wanted) {
            return Some(text);
        }
        rest = after;
    }
}

/// A quoted text without its quotes, and what stands behind it.
fn unquoted(text: &str) -> (String, &str) {
    let (mut out, mut rest) = (String::new(), text.chars());
    while let Some(letter) = rest.next() {
        match letter {
            '"' => break,
            '\\' => out.extend(rest.next()),
            letter => out.push(letter),
        }
    }
    (out, rest.as_str())
}

/// Whether bodies of a type are JSON.
pub(super) fn is_json(essence: &str) -> bool {
    essence == "application/json" || essence == "text/json" || essence.ends_with("+json")
}

/// Whether the value says that its text is in an encoding that JSON may not have (RFC 8259, 8.1).
pub(super) fn is_foreign_text(value: &str) -> bool {
    value.split(';').skip(1).any(|parameter| {
        let Some((name, charset)) = parameter.split_once('=') else { return false };
        let charset = charset.trim().trim_matches('"').to_ascii_lowercase();
        name.trim().eq_ignore_ascii_case("charset")
            && !matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")
    })
}

/// How well a range such as `text/*` names a type: 0 for not at all.
pub(super) fn fit(range: &str, essence: &str) -> u8 {
    match range.split_once('/') {
        _ if range == essence => 3,
        Some(("*", "*")) => 1,
        Some((main, "*")) if essence.split('/').next() == Some(main) => 2,
        _ => 0,
    }
}

/// Whether an `Accept` takes a type (RFC 9110, 12.5.1): the range that names it best says so.
pub(super) fn accepts(accept: &str, essence: &str) -> bool {
    let ranges = accept.split(',').filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let range = parts.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
        let refused = parts.any(|parameter| {
            let Some((name, weight)) = parameter.split_once('=') else { return false };
            name.trim().eq_ignore_ascii_case("q") && weight.trim().parse::<f32>().is_ok_and(|q| q == 0.0)
        });
        Some((range, refused))
    });
    let mut best = (0, true);
    let mut some = false;
    for (range, refused) in ranges {
        some = true;
        let fit = fit(&range, essence);
        if fit > best.0 {
            best = (fit, refused);
        }
    }
    !some || !best.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_told_by_its_type_and_by_its_suffix() {
        let is = |value: &str| essence(value).is_some_and(|essence| is_json(&essence));
        assert!(is("Application/JSON; charset=utf-8") && is("application/vnd.api+json"));
        assert!(!is("application/x-www-form-urlencoded") && !is("json") && !is("text/plain"));
        assert!(is_foreign_text("application/json; Charset=\"latin-1\""));
        assert!(!is_foreign_text("application/json; charset=UTF-8"));
    }

    #[test]
    fn the_range_that_names_a_type_best_says_whether_it_is_taken() {
        for (accept, takes) in [
            ("*/*", true),
            ("", true),
            ("application/*", true),
            ("text/html", false),
            ("application/json;q=0, */*", false),
            ("application/*;q=0, application/json", true),
            ("text/event-stream, application/json;q=0.5", true),
            ("*/*;q=0.0", false),
        ] {
            assert_eq!(accepts(accept, "application/json"), takes, "{accept}");
        }
    }
}
