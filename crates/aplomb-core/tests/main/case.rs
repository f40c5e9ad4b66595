//! A verbatim case of `conformance/`: one raw answer, and what it truly means.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use aplomb_core::{Catalog, Decoded, Dialect, Evidence, Failure, Headers, decode};
use serde_json::Value;

/// The facts that are compared with a label.
const FACTS: [&str; 8] =
    ["kind", "retryable", "retry_after_s", "message", "code", "type", "param", "request_id"];

/// One folder of `conformance/<dialect>/`.
pub(crate) struct Case {
    /// The folder's dialect.
    pub(crate) dialect: String,
    /// The folder's own name.
    pub(crate) name: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The label.
    pub(crate) truth: Value,
}

/// `conformance/` of this repository.
pub(crate) fn conformance() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../conformance")
}

/// Every case, sorted by dialect and name.
pub(crate) fn all() -> Vec<Case> {
    let mut found: Vec<Case> = folders(&conformance())
        .into_iter()
        .flat_map(|dialect| folders(&dialect))
        .filter(|folder| folder.join("answer.http").exists())
        .map(|folder| Case::read(&folder))
        .collect();
    found.sort_by(|a, b| (&a.dialect, &a.name).cmp(&(&b.dialect, &b.name)));
    assert!(found.len() > 100, "the cases are vendored");
    found
}

fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("conformance/ is vendored");
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect()
}

impl Case {
    fn read(folder: &Path) -> Self {
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let raw = std::fs::read(folder.join("answer.http")).unwrap();
        let meaning = std::fs::read_to_string(folder.join("meaning.json")).unwrap();
        let meaning: Value = serde_json::from_str(&meaning)
            .unwrap_or_else(|err| panic!("{}: meaning.json: {err}", folder.display()));
        let (head, body) = split(&raw).unwrap_or_else(|| panic!("{}: no empty line", folder.display()));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
            .collect();
        Self {
            dialect: name(folder.parent().unwrap()),
            name: name(folder),
            status,
            headers,
            body,
            truth: meaning["truth"].clone(),
        }
    }

    /// `dialect/name`, for what a failing test says.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.dialect, self.name)
    }

    /// Where it stands.
    pub(crate) fn folder(&self) -> PathBuf {
        conformance().join(self.path())
    }

    /// What the answer means, with its own bytes.
    pub(crate) fn decode<'a>(&self, catalog: &'a Catalog, named: Option<&'a Dialect>) -> Decoded<'a> {
        self.decode_as(catalog, named, &[], &self.body)
    }

    /// The same with another body, and headers that come before the case's own.
    pub(crate) fn decode_as<'a>(
        &self,
        catalog: &'a Catalog,
        named: Option<&'a Dialect>,
        more: &[(&str, &str)],
        body: &[u8],
    ) -> Decoded<'a> {
        let own = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let headers: Vec<_> = more.iter().copied().chain(own).collect();
        let evidence = Evidence {
            status: Some(self.status),
            headers: Headers(&headers),
            body,
            host: None,
            now: SystemTime::UNIX_EPOCH,
        };
        decode(catalog, named, &evidence)
    }
}

fn split(raw: &[u8]) -> Option<(String, Vec<u8>)> {
    let at = |end: &[u8]| raw.windows(end.len()).position(|window| window == end);
    let (head, body) = match (at(b"\r\n\r\n"), at(b"\n\n")) {
        (Some(crlf), lf) if lf.is_none_or(|lf| crlf < lf) => (&raw[..crlf], &raw[crlf + 4..]),
        (_, Some(lf)) => (&raw[..lf], &raw[lf + 2..]),
        (_, None) => return None,
    };
    Some((String::from_utf8_lossy(head).into_owned(), body.to_vec()))
}

/// What differs from the label, as `fact: seen instead of true`.
pub(crate) fn differences(failure: Option<&Failure>, truth: &Value) -> Vec<String> {
    let Some(failure) = failure else { return vec!["read as a success".to_owned()] };
    let text = |fact: &Option<String>| Value::from(fact.clone());
    FACTS
        .iter()
        .filter_map(|fact| {
            let seen = match *fact {
                "kind" => Value::from(failure.kind.as_str()),
                "retryable" => Value::from(failure.retryable),
                "retry_after_s" => Value::from(failure.wait.map(|wait| wait.as_secs_f64())),
                "message" => text(&failure.message),
                "code" => text(&failure.code),
                "type" => text(&failure.type_),
                "param" => text(&failure.param),
                _ => text(&failure.request_id),
            };
            let same = match (seen.as_f64(), truth[*fact].as_f64()) {
                (Some(seen), Some(want)) => (seen - want).abs() <= want.abs() * 0.01,
                _ => seen == truth[*fact],
            };
            (!same).then(|| format!("{fact}: {seen} instead of {}", truth[*fact]))
        })
        .collect()
}
