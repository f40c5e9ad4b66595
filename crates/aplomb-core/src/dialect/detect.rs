//! Detection: which dialect an answer speaks when none is named.

use serde_json::Value;

use crate::dialect::read::{self, Score};
use crate::dialect::{Evidence, Facts};
use crate::spec::{Catalog, Dialect};

/// An envelope that fitted.
pub(super) struct Match<'a> {
    pub(super) dialect: &'a Dialect,
    pub(super) facts: Facts,
    /// Nothing else fitted nearly as well.
    pub(super) certain: bool,
}

/// The best envelope of one dialect.
pub(super) fn own(dialect: &Dialect, value: &Value) -> Option<(Facts, Score)> {
    dialect
        .envelopes
        .iter()
        .filter_map(|envelope| read::read(&envelope.node, value))
        .max_by(|(_, a), (_, b)| a.cmp(b).then(std::cmp::Ordering::Greater))
}

/// The dialect whose envelope, headers, host and codes fit best.
pub(super) fn best<'a>(catalog: &'a Catalog, evidence: &Evidence<'_>, value: &Value) -> Option<Match<'a>> {
    let mut ranked: Vec<_> = catalog
        .dialects()
        .filter_map(|dialect| {
            let (facts, score) = own(dialect, value)?;
            Some((
                2 * score + signals(dialect, evidence) + vocabulary(dialect, evidence, &facts),
                dialect,
                facts,
            ))
        })
        .collect();
    // In a tie the origin of a widespread envelope comes before its imitators, then the order of the names decides.
    ranked.sort_by_key(|(score, dialect, _)| std::cmp::Reverse((*score, dialect.detect.rank)));
    let second = ranked.get(1).map_or(Score::MIN, |(score, ..)| *score);
    let (score, dialect, facts) = ranked.into_iter().next()?;
    Some(Match { dialect, facts, certain: score > second.saturating_add(3) })
}

/// The dialect that the place of an answer names, whatever its body says.
pub(super) fn by_place<'a>(catalog: &'a Catalog, evidence: &Evidence<'_>) -> Option<&'a Dialect> {
    catalog
        .dialects()
        .map(|dialect| (signals(dialect, evidence), dialect))
        .filter(|(score, _)| *score > 0)
        .max_by_key(|(score, _)| *score)
        .map(|(_, dialect)| dialect)
}

fn signals(dialect: &Dialect, evidence: &Evidence<'_>) -> Score {
    let host = evidence.host.is_some_and(|host| dialect.detect.hosts.iter().any(|own| host_fits(own, host)));
    let header = dialect.detect.headers.iter().filter(|name| evidence.headers.has(name)).count();
    Score::from(host) * 12 + Score::try_from(header.min(3)).unwrap_or(0) * 6
}

fn host_fits(own: &str, host: &str) -> bool {
    match own.strip_prefix('.') {
        Some(domain) => host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.')),
        None => own.eq_ignore_ascii_case(host),
    }
}

/// Codes and types that the dialect itself writes or reads, at a status that it lists.
fn vocabulary(dialect: &Dialect, evidence: &Evidence<'_>, facts: &Facts) -> Score {
    let known = |fact: &Option<String>, pick: fn(&crate::spec::WriteRow) -> Option<&str>| {
        fact.as_deref().is_some_and(|fact| dialect.kinds.values().any(|row| pick(row) == Some(fact)))
    };
    let rows = dialect.reads.iter().any(|row| {
        let in_list = |list: &[String], fact: &Option<String>| {
            fact.as_ref().is_some_and(|fact| list.iter().any(|own| own.eq_ignore_ascii_case(fact)))
        };
        in_list(&row.code, &facts.code) || in_list(&row.type_, &facts.type_)
    });
    let listed = evidence.status.is_some_and(|status| dialect.statuses.contains_key(&status));
    Score::from(known(&facts.code, |row| row.code.as_deref())) * 3
        + Score::from(known(&facts.type_, |row| row.type_.as_deref())) * 2
        + Score::from(rows) * 3
        + Score::from(listed)
}
