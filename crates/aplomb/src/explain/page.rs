//! The page for people: what happened, whose fault, is it worth retrying and when, what to change, what to tell a user.

use std::fmt::Write;
use std::time::Duration;

use aplomb_core::{Advice, Certainty, Explanation, Failure, Fault, Limit};

use super::layout::{HEADLINE, paragraph, row, tame};

/// Lays out an explanation.
pub(super) fn page(explanation: &Explanation<'_>, width: usize) -> String {
    let mut out = format!("{HEADLINE}{}{HEADLINE:#}\n", headline(explanation));
    if let Some(failure) = &explanation.decoded.failure {
        if let Some(message) = &failure.message {
            out.push('\n');
            out.push_str(&paragraph(&tame(message), width));
        }
        out.push('\n');
        out.push_str(&meaning(explanation, failure, width));
        let facts = facts(failure, width);
        if !facts.is_empty() {
            out.push('\n');
            out.push_str(&facts);
        }
    } else if let Some(meaning) = explanation.meaning() {
        out.push('\n');
        out.push_str(&paragraph(meaning, width));
    }
    out.push('\n');
    out.push_str(&places(explanation, width));
    out
}

fn headline(explanation: &Explanation<'_>) -> String {
    let status = explanation.status.map(|status| format!("{status} ")).unwrap_or_default();
    match &explanation.decoded.failure {
        Some(failure) => format!("{status}{} ({})", failure.kind.facts().title, failure.kind),
        None => format!("{status}Success: there is nothing to mend"),
    }
}

fn meaning(explanation: &Explanation<'_>, failure: &Failure, width: usize) -> String {
    let mut out = String::new();
    let mut put = |label: &str, text: &str| out.push_str(&row(label, text, width));
    put("What happened", explanation.meaning().unwrap_or_default());
    put("Whose fault", fault(failure.fault));
    put("Worth retrying", &again(failure));
    put("What to do", explanation.remedy().unwrap_or_default());
    put("Tell the user", &format!("“{}”", explanation.user_message().unwrap_or_default()));
    out
}

fn fault(fault: Fault) -> &'static str {
    match fault {
        Fault::Caller => "The caller's: the request, its credential, its account or its pace.",
        Fault::Policy => "Nobody's: a limit, key or balance that the gateway's owner has set.",
        Fault::Gateway => "The gateway's: its configuration or its credential.",
        Fault::Upstream => "The API's.",
        Fault::Network => "The network's, between the caller and the API.",
        _ => "Unknown.",
    }
}

fn again(failure: &Failure) -> String {
    let wait = failure.wait.map(duration);
    if !failure.retryable {
        let until = wait.map(|wait| format!(" The answer speaks of {wait}.")).unwrap_or_default();
        return format!("{}{until}", never(failure.advice));
    }
    let facts = failure.kind.facts();
    let mut text = match wait {
        Some(wait) => format!("Yes, after {wait} and not sooner."),
        None if facts.throttle => "Yes, with growing, random waits that begin at a second.".to_owned(),
        None => "Yes, with growing, random waits.".to_owned(),
    };
    if !facts.refused {
        text.push_str(" It may have been acted on: repeat it only if doing it twice does no harm.");
    }
    text
}

fn never(advice: Advice) -> &'static str {
    match advice {
        Advice::FixRequest => "No: the same request will fail the same way.",
        Advice::Authenticate => "No: not with this credential.",
        Advice::Pay => "No: not before the account has credit.",
        Advice::WaitForQuota => "No: not before the quota is raised or its next period begins.",
        Advice::RetryElsewhere => "Not here; another API may do it.",
        _ => "No.",
    }
}

/// What the answer says of itself.
fn facts(failure: &Failure, width: usize) -> String {
    let mut out = String::new();
    let named = [
        ("Code", &failure.code),
        ("Type", &failure.type_),
        ("Parameter", &failure.param),
        ("Request id", &failure.request_id),
    ];
    for (label, fact) in named {
        if let Some(fact) = fact {
            out.push_str(&row(label, &tame(fact), width));
        }
    }
    for (i, told) in failure.limits.iter().enumerate() {
        out.push_str(&row(if i == 0 { "Limits" } else { "" }, &limit(told), width));
    }
    for (i, error) in failure.errors.iter().take(20).enumerate() {
        let param = error.param.as_deref().map(|param| format!("{param}: ")).unwrap_or_default();
        let text = tame(&format!("{param}{}", error.message));
        out.push_str(&row(if i == 0 { "Errors" } else { "" }, &text, width));
    }
    out
}

fn limit(limit: &Limit) -> String {
    let mut text = tame(&limit.unit);
    // Writing to a text can't fail.
    if let Some(window) = limit.window {
        _ = write!(text, " per {}", period(window));
    }
    let count = limit.limit.map(|count| format!(" of {count}")).unwrap_or_default();
    match limit.remaining {
        Some(left) => _ = write!(text, ": {left}{count} left"),
        None if limit.limit.is_some() => _ = write!(text, ": {}", count.trim_start_matches(" of ")),
        None => {}
    }
    if let Some(reset) = limit.reset {
        _ = write!(text, ", whole again in {}", duration(reset));
    }
    text
}

fn places(explanation: &Explanation<'_>, width: usize) -> String {
    let dialect = explanation.decoded.dialect;
    let read_as = match explanation.certainty {
        Certainty::Named => format!("{}, as you said", dialect.title),
        Certainty::Certain => format!("{}, which it certainly is", dialect.title),
        Certainty::Guessed => format!("{}, a guess; `--dialect NAME` says what it is", dialect.title),
    };
    let named = [
        ("Documented at", &dialect.docs),
        ("Status page", &dialect.status_page),
        ("Support", &dialect.support),
    ];
    let mut out = row("Read as", &read_as, width);
    for (label, place) in named {
        if let Some(place) = place {
            out.push_str(&row(label, place, width));
        }
    }
    out
}

/// A window as people say it.
fn period(window: Duration) -> String {
    match window.as_secs() {
        1 => "second".to_owned(),
        60 => "minute".to_owned(),
        3_600 => "hour".to_owned(),
        86_400 => "day".to_owned(),
        _ => duration(window),
    }
}

/// `7.66 s`, `5 min`, `1 h 30 min`, `2 days`.
fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    let parts = |big: u64, big_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{big} {big_name}"),
        small => format!("{big} {big_name} {small} {small_name}"),
    };
    match seconds {
        0..120 => {
            let text = format!("{:.2}", time.as_secs_f64());
            format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
        }
        120..3_600 => parts(seconds / 60, "min", seconds % 60, "s"),
        3_600..172_800 => parts(seconds / 3_600, "h", seconds % 3_600 / 60, "min"),
        _ => parts(seconds / 86_400, "days", seconds % 86_400 / 3_600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_people_say_them() {
        let said = [7_660, 20_000, 60_000, 125_000, 5_400_000, 172_800_000]
            .map(|ms| duration(Duration::from_millis(ms)));
        assert_eq!(said, ["7.66 s", "20 s", "60 s", "2 min 5 s", "1 h 30 min", "2 days"]);
    }
}
