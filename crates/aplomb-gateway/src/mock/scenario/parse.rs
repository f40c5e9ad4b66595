//! The grammar of one act: `name[:argument]…[;fact=value]…`.

use std::str::FromStr;
use std::time::Duration;

use aplomb_core::Kind;

use super::act::{Act, Behaviour, Break, Coding, Said, What};
use super::error::ScenarioError;
use super::names;
use crate::config::units;

/// After how many events a stream breaks when nothing is said.
const EVENTS: usize = 3;

/// The longest time that anything is told to take.
const LONGEST: Duration = Duration::from_secs(600);

impl FromStr for Act {
    type Err = ScenarioError;

    fn from_str(text: &str) -> Result<Self, ScenarioError> {
        let text = text.trim();
        let mut parts = text.split(';').map(str::trim);
        let head = parts.next().unwrap_or_default();
        let (name, argument) = head.split_once(':').map_or((head, None), |(name, rest)| (name, Some(rest)));
        let mut act = Self {
            behaviour: Behaviour::Answer(200),
            said: Said::default(),
            delay: Duration::ZERO,
            text: text.to_owned(),
        };
        if name == "slow" {
            act.delay = time(name, argument.unwrap_or_default())?;
        } else {
            act.behaviour = behaviour(name, argument)?;
        }
        for part in parts.filter(|part| !part.is_empty()) {
            say(&mut act, part)?;
        }
        Ok(act)
    }
}

fn behaviour(name: &str, argument: Option<&str>) -> Result<Behaviour, ScenarioError> {
    let or = |kind| argument.map_or(Ok(What::Kind(kind)), |given| what(name, given));
    let maybe = || argument.map(|given| what(name, given)).transpose();
    let page = |status| argument.map_or(Ok(status), |given| error_status(name, given));
    Ok(match name {
        "ok" => Behaviour::Answer(200),
        "cut" => Behaviour::Broken(Break::Cut, events(name, argument)?),
        "stall" => Behaviour::Broken(Break::Stall, events(name, argument)?),
        "malformed" => Behaviour::Broken(Break::Malformed, events(name, argument)?),
        "no-terminal" => {
            Behaviour::Broken(Break::NoTerminal, argument.map_or(Ok(0), |_| events(name, argument))?)
        }
        "reset-mid" => Behaviour::Broken(Break::Reset, events(name, argument)?),
        "error-event" => told(name, argument, Break::ErrorEvent)?,
        "bare-error" => told(name, argument, Break::BareError)?,
        "reset" => Behaviour::Reset,
        "close" => Behaviour::Close,
        "silence" => Behaviour::Silence,
        "slow-body" => Behaviour::SlowBody(time(name, argument.unwrap_or_default())?),
        "outage" => outage(argument.unwrap_or_default())?,
        "error-in-200" => Behaviour::ErrorIn200(or(Kind::Internal)?),
        "error-as-stream" => Behaviour::ErrorAsStream(or(Kind::Internal)?),
        "html" => Behaviour::Html(page(502)?),
        "text" => Behaviour::Text(page(500)?),
        "empty" => Behaviour::Empty(page(500)?),
        "truncated" => Behaviour::Truncated(maybe()?),
        "short" => Behaviour::Short(maybe()?),
        "gzip" => Behaviour::Compressed(Coding::Gzip, or(Kind::RateLimit)?),
        "br" => Behaviour::Compressed(Coding::Brotli, or(Kind::RateLimit)?),
        other => plain(other, argument)?,
    })
}

/// A kind or a status by itself.
fn plain(name: &str, argument: Option<&str>) -> Result<Behaviour, ScenarioError> {
    if let Some(value) = argument {
        let known = Kind::parse(name).is_some() || name.parse::<u16>().is_ok();
        return Err(if known {
            let takes = "nothing but facts, such as `;wait=2s`";
            ScenarioError::Value { name: name.to_owned(), value: value.to_owned(), takes }
        } else {
            ScenarioError::Name { name: name.to_owned(), near: names::nearest(name) }
        });
    }
    match name.parse::<u16>() {
        Ok(status) if (200..300).contains(&status) => Ok(Behaviour::Answer(status)),
        _ => what(name, name)
            .map(Behaviour::Refuse)
            .map_err(|_| ScenarioError::Name { name: name.to_owned(), near: names::nearest(name) }),
    }
}

/// `overloaded:4`, `overloaded`, `4`, or nothing.
fn told(name: &str, argument: Option<&str>, how: fn(What) -> Break) -> Result<Behaviour, ScenarioError> {
    let mut after = EVENTS;
    let mut kind = What::Kind(Kind::Overloaded);
    for given in argument.into_iter().flat_map(|argument| argument.split(':')) {
        match given.parse::<u16>() {
            Ok(count) if count < 400 => after = usize::from(count),
            _ => kind = what(name, given)?,
        }
    }
    Ok(Behaviour::Broken(how(kind), after))
}

/// `10s`, or `10s:reset` to say how.
fn outage(argument: &str) -> Result<Behaviour, ScenarioError> {
    let (length, how) = argument.split_once(':').unwrap_or((argument, "unavailable"));
    let (name, rest) = how.split_once(':').map_or((how, None), |(name, rest)| (name, Some(rest)));
    let how = match name {
        "outage" => return Err(ScenarioError::Name { name: how.to_owned(), near: None }),
        _ => behaviour(name, rest)?,
    };
    Ok(Behaviour::Outage(time("outage", length)?, Box::new(how)))
}

fn say(act: &mut Act, part: &str) -> Result<(), ScenarioError> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    let (name, text) = (name.trim(), unescape(value.trim()));
    match name {
        "wait" if text == "none" => act.said.wait = Some(None),
        "wait" => act.said.wait = Some(Some(units::duration(&text).map_err(|_| no_time(name, &text))?)),
        "delay" => act.delay = time(name, &text)?,
        "status" => act.said.status = Some(status(name, &text)?),
        "message" => act.said.message = Some(text),
        "code" => act.said.code = Some(text),
        "type" => act.said.type_ = Some(text),
        "param" => act.said.param = Some(text),
        _ => {
            let near = names::like(name, names::FACTS.into_iter());
            return Err(ScenarioError::Fact { name: name.to_owned(), near });
        }
    }
    Ok(())
}

fn what(name: &str, text: &str) -> Result<What, ScenarioError> {
    if let Some(kind) = Kind::parse(text) {
        return Ok(What::Kind(kind));
    }
    error_status(name, text).map(What::Status).map_err(|_| ScenarioError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        takes: "a kind such as `rate_limit` or a status such as `503`",
    })
}

fn error_status(name: &str, text: &str) -> Result<u16, ScenarioError> {
    status(name, text).and_then(|status| if status < 400 { Err(no_status(name, text)) } else { Ok(status) })
}

fn status(name: &str, text: &str) -> Result<u16, ScenarioError> {
    text.parse().ok().filter(|status| (200..1000).contains(status)).ok_or_else(|| no_status(name, text))
}

fn events(name: &str, argument: Option<&str>) -> Result<usize, ScenarioError> {
    let Some(text) = argument else { return Ok(EVENTS) };
    text.parse().ok().filter(|count| *count <= 10_000).ok_or_else(|| ScenarioError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        takes: "a number of events",
    })
}

fn time(name: &str, text: &str) -> Result<Duration, ScenarioError> {
    units::duration(text).ok().filter(|time| *time <= LONGEST).ok_or_else(|| no_time(name, text))
}

fn no_time(name: &str, text: &str) -> ScenarioError {
    ScenarioError::Value {
        name: name.to_owned(),
        value: text.to_owned(),
        takes: "a time such as `2s`, of at most ten minutes",
    }
}

fn no_status(name: &str, text: &str) -> ScenarioError {
    ScenarioError::Value { name: name.to_owned(), value: text.to_owned(), takes: "a status from 400 on" }
}

/// Reads `%2C` as a comma; what is no such pair stays as it is.
pub(in crate::mock) fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let pair = after.get(..2).filter(|pair| byte == b'%' && pair.iter().all(u8::is_ascii_hexdigit));
        let pair = pair.and_then(|pair| std::str::from_utf8(pair).ok());
        let code = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn act(text: &str) -> Act {
        text.parse().unwrap_or_else(|err| panic!("{text}: {err}"))
    }

    fn error(text: &str) -> String {
        text.parse::<Act>().unwrap_err().to_string()
    }

    #[test]
    fn every_kind_and_every_named_act_is_a_scenario() {
        for kind in Kind::ALL {
            assert_eq!(act(kind.as_str()).behaviour, Behaviour::Refuse(What::Kind(*kind)));
        }
        for name in names::ACTS {
            let text = if ["slow", "slow-body", "outage"].contains(&name) {
                format!("{name}:2s")
            } else {
                name.into()
            };
            act(&text);
        }
        for name in names::FACTS {
            let value = if ["wait", "delay"].contains(&name) { "1s" } else { "500" };
            act(&format!("internal;{name}={value}"));
        }
    }

    #[test]
    fn arguments_say_where_and_how() {
        assert_eq!(act("503").behaviour, Behaviour::Refuse(What::Status(503)));
        assert_eq!(act("201").behaviour, Behaviour::Answer(201));
        assert_eq!(act("cut:5").behaviour, Behaviour::Broken(Break::Cut, 5));
        let error = |what, after| Behaviour::Broken(Break::ErrorEvent(what), after);
        assert_eq!(act("error-event:rate_limit:4").behaviour, error(What::Kind(Kind::RateLimit), 4));
        assert_eq!(act("error-event:529").behaviour, error(What::Status(529), EVENTS));
        assert_eq!(act("error-event:0").behaviour, error(What::Kind(Kind::Overloaded), 0));
        assert_eq!(act("no-terminal:1").behaviour, Behaviour::Broken(Break::NoTerminal, 1));
        assert_eq!(act("slow:2s").delay, Duration::from_secs(2));
        let outage = Behaviour::Outage(Duration::from_secs(10), Box::new(Behaviour::Html(504)));
        assert_eq!(act("outage:10s:html:504").behaviour, outage);
    }

    #[test]
    fn facts_are_told_with_it() {
        let said = act("rate_limit; wait=1500ms; message=slow%20down; code=c; type=t; param=a.b").said;
        assert_eq!(said.wait, Some(Some(Duration::from_millis(1_500))));
        assert_eq!(said.message.as_deref(), Some("slow down"));
        assert_eq!((said.code.as_deref(), said.type_.as_deref()), (Some("c"), Some("t")));
        assert_eq!(act("rate_limit;wait=none").said.wait, Some(None));
    }

    #[test]
    fn a_mistake_is_told_with_what_would_be_right() {
        assert_eq!(error("rate_limt"), "`rate_limt` is no scenario; did you mean `rate_limit`?");
        assert_eq!(error("zzz:5"), "`zzz` is no scenario");
        assert_eq!(
            error("internal;mesage=x"),
            "`mesage` is nothing that a scenario says; did you mean `message`?"
        );
        assert!(error("slow").contains("a time such as"));
        assert!(error("slow:1h").contains("at most ten minutes"));
        assert!(error("cut:x").contains("a number of events"));
        assert!(error("html:200").contains("from 400 on"));
        assert!(error("503:2").contains("nothing but facts"));
        assert!(error("outage:1s:outage:1s").contains("is no scenario"));
        assert!(error("100").contains("is no scenario"));
    }

    #[test]
    fn a_broken_pair_of_percent_stays_as_it_is() {
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%zz%41%"), "%zzA%");
        assert_eq!(unescape("%é"), "%é");
    }
}
