//! The IETF's `RateLimit` fields, in the four generations that are on the wire.
//!
//! | generation | example |
//! |---|---|
//! | three fields | `RateLimit-Limit: 100, 100;w=60`, `RateLimit-Remaining: 50`, `RateLimit-Reset: 30` |
//! | one dictionary | `RateLimit: limit=100, remaining=50, reset=30`, `RateLimit-Policy: 100;w=60` |
//! | a list of policies | `RateLimit: "api";r=50;t=30`, `RateLimit-Policy: "api";q=100;w=60;qu="requests"` |
//! | the same, renamed | `RateLimit: api;a=50;w=30`, `RateLimit-Policy: api;q=100;w=60` |
//!
//! What a field does not say is left out; a field that can't be read counts as absent.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use sfv::{BareItem, Dictionary, Item, List, ListEntry, Parameters, Parser};

use super::number::MAX_WAIT;
use super::reset::{self, ResetForm};
use crate::Limit;

/// The longest field that is looked at.
const LONGEST: usize = 4096;

/// How many limits are taken from one answer at most.
const MOST: usize = 16;

/// What is counted where the field doesn't say it.
const UNIT: &str = "requests";

/// A limit and the name by which the two fields of a policy find each other; empty if it has none.
struct Policy {
    name: String,
    limit: Limit,
}

/// Reads whatever generation is there.
///
/// `values` gives the values of a header by its lower-case name, whatever the header map is.
///
/// ```
/// use aplomb_core::header::rate_limit;
/// use std::time::{Duration, SystemTime};
///
/// let headers = [("ratelimit", r#""api";r=0;t=55"#), ("ratelimit-policy", r#""api";q=500;w=300"#)];
/// let values = |name| headers.iter().filter(move |header| header.0 == name).map(|header| header.1);
/// let limits = rate_limit::parse(values, SystemTime::UNIX_EPOCH);
/// assert_eq!(limits[0].limit, Some(500));
/// assert_eq!(limits[0].reset, Some(Duration::from_secs(55)));
/// ```
pub fn parse<'a, I>(values: impl Fn(&'static str) -> I, now: SystemTime) -> Vec<Limit>
where
    I: IntoIterator<Item = &'a str>,
{
    let field = |name| joined(values(name));
    let mut policies: Vec<Policy> =
        field("ratelimit-policy").map(|text| read_policies(&text)).unwrap_or_default();
    match field("ratelimit") {
        Some(state) => read_state(&state, &mut policies),
        None => {
            if let Some(limit) = field("ratelimit-limit") {
                add_policies(read_policies(&limit), &mut policies);
            }
            let remaining = field("ratelimit-remaining").and_then(|text| text.trim().parse().ok());
            let reset = field("ratelimit-reset").and_then(|text| reset::parse(&text, ResetForm::Auto, now));
            if remaining.is_some() || reset.is_some() {
                apply(&mut policies, "", None, (remaining, reset));
            }
        }
    }
    policies.truncate(MOST);
    policies.into_iter().map(|policy| policy.limit).collect()
}

/// Several lines of one field are one list.
/// Writes `RateLimit-Policy` and `RateLimit` as a list of policies: names and values of both fields.
///
/// Each limit is a policy by its unit and window, such as `"requests-60s"`; what isn't known of it is left out, and a
/// limit without a number is left out as a whole.
///
/// ```
/// use aplomb_core::{Limit, header::rate_limit};
/// use std::time::Duration;
///
/// let mut limit = Limit::new("requests");
/// (limit.limit, limit.remaining) = (Some(60), Some(12));
/// (limit.window, limit.reset) = (Some(Duration::from_secs(60)), Some(Duration::from_secs(48)));
/// let [policy, state] = rate_limit::write(&[limit]).try_into().unwrap();
/// assert_eq!(policy.1, r#""requests-60s";q=60;w=60;qu="requests""#);
/// assert_eq!(state.1, r#""requests-60s";r=12;t=48"#);
/// ```
pub fn write(limits: &[Limit]) -> Vec<(String, String)> {
    let (mut policies, mut states) = (Vec::new(), Vec::new());
    for limit in limits.iter().take(MOST) {
        let (Some(most), Some(left)) = (limit.limit, limit.remaining) else { continue };
        let unit = match limit.unit.as_str() {
            "concurrency" => "concurrent-requests",
            unit if unit.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) => unit,
            _ => continue,
        };
        let window = limit.window.map(|window| window.as_secs().max(1));
        let name = window.map_or_else(|| unit.to_owned(), |window| format!("{unit}-{window}s"));
        let window = window.map(|window| format!(";w={window}")).unwrap_or_default();
        // Rounded up: who comes after so long finds it whole.
        let reset = limit.reset.map(|reset| reset.as_secs() + u64::from(reset.subsec_nanos() > 0));
        let reset = reset.map(|reset| format!(";t={reset}")).unwrap_or_default();
        policies.push(format!("\"{name}\";q={most}{window};qu=\"{unit}\""));
        states.push(format!("\"{name}\";r={left}{reset}"));
    }
    if policies.is_empty() {
        return Vec::new();
    }
    vec![("ratelimit-policy".to_owned(), policies.join(", ")), ("ratelimit".to_owned(), states.join(", "))]
}

fn joined<'a>(lines: impl IntoIterator<Item = &'a str>) -> Option<Cow<'a, str>> {
    let mut lines = lines.into_iter();
    let first = Cow::Borrowed(lines.next()?);
    let whole = lines.take(MOST).fold(first, |whole, line| Cow::Owned(format!("{whole}, {line}")));
    (whole.len() <= LONGEST).then_some(whole)
}

/// The policies of a `RateLimit-Policy` or `RateLimit-Limit` field.
fn read_policies(text: &str) -> Vec<Policy> {
    let Some(list) = list(text) else { return Vec::new() };
    let mut policies = Vec::new();
    add_policies(items(&list).map(read_policy).collect(), &mut policies);
    policies
}

/// Adds the policies that aren't there yet: `100, 100;w=60` tells of one, and then of its window.
fn add_policies(from: Vec<Policy>, to: &mut Vec<Policy>) {
    for policy in from {
        let same = |one: &&mut Policy| {
            one.name == policy.name && policy.name.is_empty() && one.limit.limit == policy.limit.limit
        };
        match to.iter_mut().find(same) {
            Some(known) if known.limit.window.is_none() => known.limit.window = policy.limit.window,
            Some(known) if policy.limit.window.is_none() || known.limit.window == policy.limit.window => {}
            _ => to.push(policy),
        }
    }
}

/// One policy: named with parameters, or a bare quota with its window.
fn read_policy(item: &Item) -> Policy {
    let params = &item.params;
    let unit = params.get("qu").and_then(BareItem::as_string).map_or(UNIT, |unit| match unit.as_str() {
        "concurrent-requests" => "concurrency",
        "content-bytes" => "bytes",
        other => other,
    });
    let mut limit = Limit::new(unit);
    limit.window = seconds(params, &["w"]);
    limit.limit = count(params, &["q"]).or_else(|| whole(&item.bare_item));
    Policy { name: name(&item.bare_item), limit }
}

/// Adds what a `RateLimit` field says to the policies.
fn read_state(text: &str, policies: &mut Vec<Policy>) {
    if let Some(list) = list(text) {
        for item in items(&list) {
            let state = (count(&item.params, &["r", "a"]), seconds(&item.params, &["t", "w"]));
            apply(policies, &name(&item.bare_item), None, state);
        }
        return;
    }
    let Ok(dictionary) = Parser::new(text).parse::<Dictionary>() else { return };
    let member = |key: &str| match dictionary.get(key) {
        Some(ListEntry::Item(item)) => whole(&item.bare_item),
        _ => None,
    };
    let reset = member("reset").map(|seconds| Duration::from_secs(seconds).min(MAX_WAIT));
    apply(policies, "", member("limit"), (member("remaining"), reset));
}

/// Writes a state to the policy that it is about, or to a new one.
///
/// Without a name that is the policy with the same limit, else the first one.
fn apply(
    policies: &mut Vec<Policy>,
    name: &str,
    limit: Option<u64>,
    (remaining, reset): (Option<u64>, Option<Duration>),
) {
    let place = if name.is_empty() {
        let same = policies.iter().position(|policy| limit.is_some() && policy.limit.limit == limit);
        same.or_else(|| (limit.is_none() && !policies.is_empty()).then_some(0))
    } else {
        policies.iter().position(|policy| policy.name == name)
    };
    let place = place.unwrap_or_else(|| {
        policies.push(Policy { name: name.to_owned(), limit: Limit { limit, ..Limit::new(UNIT) } });
        policies.len() - 1
    });
    let known = &mut policies[place].limit;
    known.remaining = remaining.or(known.remaining);
    known.reset = reset.or(known.reset);
}

/// The structured list in this text.
///
/// Some send a second string where a parameter should be (`"fixed window";"api";q=500`): the last one is the name.
fn list(text: &str) -> Option<List> {
    if let Ok(list) = Parser::new(text).parse::<List>() {
        return Some(list);
    }
    let (_, named) = text.split_once(";\"").filter(|(first, _)| first.starts_with('"'))?;
    Parser::new(&format!("\"{named}")).parse::<List>().ok()
}

fn items(list: &List) -> impl Iterator<Item = &Item> {
    list.iter().take(MOST).filter_map(|entry| match entry {
        ListEntry::Item(item) => Some(item),
        ListEntry::InnerList(_) => None,
    })
}

/// The policy's name: a string, or a token in the renamed generation.
fn name(item: &BareItem) -> String {
    let string = item.as_string().map(|string| string.as_str());
    string.or_else(|| item.as_token().map(|token| token.as_str())).unwrap_or_default().to_owned()
}

fn whole(item: &BareItem) -> Option<u64> {
    u64::try_from(i64::from(item.as_integer()?)).ok()
}

/// The first of these parameters that is a count.
fn count(params: &Parameters, keys: &[&str]) -> Option<u64> {
    keys.iter().find_map(|key| whole(params.get(*key)?))
}

/// The first of these parameters that is a number of seconds.
fn seconds(params: &Parameters, keys: &[&str]) -> Option<Duration> {
    Some(Duration::from_secs(count(params, keys)?).min(MAX_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    fn read(headers: &[(&str, &str)]) -> Vec<Limit> {
        let values = |name| headers.iter().filter(move |header| header.0 == name).map(|header| header.1);
        parse(values, UNIX_EPOCH + Duration::from_secs(1_767_225_600))
    }

    /// limit, window, remaining, reset
    type Row = (Option<u64>, Option<u64>, Option<u64>, Option<u64>);

    fn rows(headers: &[(&str, &str)]) -> Vec<Row> {
        let secs = |length: Option<Duration>| length.map(|length| length.as_secs());
        let row = |one: &Limit| (one.limit, secs(one.window), one.remaining, secs(one.reset));
        read(headers).iter().map(row).collect()
    }

    #[test]
    fn three_fields() {
        let headers = [("ratelimit-limit", "100"), ("ratelimit-remaining", "50"), ("ratelimit-reset", "30")];
        assert_eq!(rows(&headers), [(Some(100), None, Some(50), Some(30))]);
    }

    #[test]
    fn three_fields_with_windows() {
        let headers = [("ratelimit-limit", "100, 100;w=60, 1000;w=3600"), ("ratelimit-remaining", "50")];
        assert_eq!(
            rows(&headers),
            [(Some(100), Some(60), Some(50), None), (Some(1000), Some(3600), None, None)]
        );
    }

    #[test]
    fn three_fields_with_a_policy() {
        let headers = [
            ("ratelimit-policy", "100;w=900"),
            ("ratelimit-limit", "100"),
            ("ratelimit-remaining", "99"),
            ("ratelimit-reset", "880"),
        ];
        assert_eq!(rows(&headers), [(Some(100), Some(900), Some(99), Some(880))]);
    }

    #[test]
    fn a_reset_that_is_a_date_all_the_same_is_understood() {
        assert_eq!(rows(&[("ratelimit-reset", "1767225630")]), [(None, None, None, Some(30))]);
    }

    #[test]
    fn one_dictionary() {
        let headers = [("ratelimit", "limit=100, remaining=50, reset=30"), ("ratelimit-policy", "100;w=60")];
        assert_eq!(rows(&headers), [(Some(100), Some(60), Some(50), Some(30))]);
        assert_eq!(rows(&headers[..1]), [(Some(100), None, Some(50), Some(30))]);
    }

    #[test]
    fn a_list_of_policies() {
        let headers = [
            ("ratelimit", r#""burst";r=50;t=30, "day"; r=7; t=9000"#),
            (
                "ratelimit-policy",
                r#""burst";q=100;w=60;qu="requests";pk=:cHM=:, "day"; q=10; w=86400;qu="tokens""#,
            ),
        ];
        assert_eq!(
            rows(&headers),
            [(Some(100), Some(60), Some(50), Some(30)), (Some(10), Some(86400), Some(7), Some(9000))]
        );
        let units: Vec<_> = read(&headers).into_iter().map(|limit| limit.unit).collect();
        assert_eq!(units, ["requests", "tokens"]);
    }

    #[test]
    fn a_state_without_its_policy() {
        assert_eq!(rows(&[("ratelimit", r#""api";r=0;t=55"#)]), [(None, None, Some(0), Some(55))]);
    }

    #[test]
    fn a_policy_whose_algorithm_stands_before_its_name() {
        let headers =
            [("ratelimit", r#""api";r=0;t=55"#), ("ratelimit-policy", r#""fixed window";"api";q=500;w=300"#)];
        assert_eq!(rows(&headers), [(Some(500), Some(300), Some(0), Some(55))]);
    }

    #[test]
    fn the_renamed_parameters() {
        let headers = [("ratelimit", "api;a=50;w=30"), ("ratelimit-policy", "api;q=100;w=60")];
        assert_eq!(rows(&headers), [(Some(100), Some(60), Some(50), Some(30))]);
    }

    #[test]
    fn several_lines_are_one_list() {
        let headers = [("ratelimit", r#""a";r=1;t=2"#), ("ratelimit", r#""b";r=3;t=4"#)];
        assert_eq!(rows(&headers), [(None, None, Some(1), Some(2)), (None, None, Some(3), Some(4))]);
    }

    #[test]
    fn nothing_there_is_nothing() {
        assert_eq!(read(&[]), []);
        assert_eq!(read(&[("x-ratelimit-limit", "100")]), []);
    }

    #[test]
    fn hostile_values_are_nothing_or_bounded() {
        for value in
            ["", "-5", "abc def", "\"", "limit", "9".repeat(30).as_str(), "(1 2);q=1", "\"a\";r=-1;t=-1"]
        {
            for row in rows(&[("ratelimit", value), ("ratelimit-policy", value)]) {
                assert_eq!((row.0, row.2, row.3), (None, None, None), "{value}");
            }
        }
        assert_eq!(
            read(&[("ratelimit", "limit=1, remaining=1, reset=999999999999999")])[0].reset,
            Some(MAX_WAIT)
        );
        let many: String = (0..200).map(|n| format!("\"{n}\";r=1,")).collect();
        assert!(read(&[("ratelimit", many.trim_end_matches(','))]).len() <= MOST);
    }

    proptest! {
        #[test]
        fn any_text_is_harmless(a in "\\PC*", b in "[a-z0-9\";=:, ()-]{0,60}", c in "[0-9;w=, -]{0,40}") {
            for (state, policy) in [(&a, &b), (&b, &a), (&b, &c), (&c, &b)] {
                let state_and_policy = [("ratelimit", state.as_str()), ("ratelimit-policy", policy)];
                let three = [("ratelimit-limit", state.as_str()), ("ratelimit-reset", policy), ("ratelimit-remaining", policy)];
                for limit in read(&state_and_policy).into_iter().chain(read(&three)) {
                    prop_assert!(limit.reset.is_none_or(|reset| reset <= MAX_WAIT));
                    prop_assert!(limit.window.is_none_or(|window| window <= MAX_WAIT));
                }
            }
        }
    }
}
