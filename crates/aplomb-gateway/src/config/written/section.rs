//! Reading a table key by key; what is left at the end is unknown.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::written::{At, Page, Spot};

/// A table that is being read.
pub(super) struct Section<'p> {
    page: &'p Page<'p>,
    table: &'p DeTable<'p>,
    /// The table and the keys that lead here, as they are told: `[[route]] retry.`; empty for the file itself.
    prefix: String,
    /// Where the table begins.
    spot: Spot,
    known: Vec<&'static str>,
    /// Its keys are names that somebody gave.
    named: bool,
}

impl<'p> Section<'p> {
    /// The whole file.
    pub(super) fn file(page: &'p Page<'p>, table: &'p DeTable<'p>) -> Self {
        let spot = Spot { byte: 0, key: String::new() };
        Self { page, table, prefix: String::new(), spot, known: Vec::new(), named: false }
    }

    /// Where the table begins, for what it lacks as a whole.
    pub(super) fn spot(&self) -> &Spot {
        &self.spot
    }

    /// Where a key's value stands, if it is written.
    pub(super) fn spot_of(&self, key: &str) -> Option<Spot> {
        let value = self.table.get(key)?;
        Some(Spot { byte: value.span().start, key: format!("{}{key}", self.prefix) })
    }

    /// Every table in this one, by the names that somebody gave them: `[tier.free]`, `[tier.pro]`.
    pub(super) fn tables(&mut self) -> Vec<(String, Self)> {
        let path = self.prefix.trim_matches(|c| matches!(c, '[' | ']' | ' ')).to_owned();
        let mut tables = Vec::new();
        self.named = true;
        for (key, value) in self.table {
            let name = key.get_ref().to_string();
            let spot = Spot { byte: key.span().start, key: format!("[{path}.{name}]") };
            let wrong = format!("write `[{path}.{name}]` and its keys below");
            if let Some(table) = self.open(At { value: value.get_ref(), spot: spot.clone() }, &wrong) {
                tables.push((name, Self { prefix: format!("{} ", spot.key), ..table }));
            }
        }
        tables
    }

    /// Whether the key is written at all.
    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Notes a mistake.
    pub(super) fn note(&self, spot: &Spot, message: impl Into<String>) {
        self.page.note(spot, message);
    }

    /// The value of a key, if it is there and of the right form.
    pub(super) fn take<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&'p DeValue<'p>) -> Result<T, String>,
    ) -> Option<At<T>> {
        let found = self.raw(key)?;
        match read(found.value) {
            Ok(value) => Some(At { value, spot: found.spot }),
            Err(told) => {
                self.note(&found.spot, told);
                None
            }
        }
    }

    /// The value of a key that must be there.
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        lacking: &str,
        read: impl FnOnce(&'p DeValue<'p>) -> Result<T, String>,
    ) -> Option<At<T>> {
        if !self.has(key) {
            self.known.push(key);
            let spot = Spot { key: format!("{}{key}", self.prefix), ..self.spot.clone() };
            self.note(&spot, format!("missing; {lacking}"));
            return None;
        }
        self.take(key, read)
    }

    /// A value as it stands.
    pub(super) fn raw(&mut self, key: &'static str) -> Option<At<&'p DeValue<'p>>> {
        self.known.push(key);
        let value = self.table.get(key)?;
        let spot = Spot { byte: value.span().start, key: format!("{}{key}", self.prefix) };
        Some(At { value: value.get_ref(), spot })
    }

    /// A table within this one: `tls = { … }` or `[server.tls]`.
    pub(super) fn section(&mut self, key: &'static str) -> Option<Self> {
        let found = self.raw(key)?;
        self.open(found, &format!("expected a table such as `{key} = {{ … }}`"))
    }

    /// The elements of a list, which may be absent.
    pub(super) fn list(&mut self, key: &'static str, example: &str) -> Vec<At<&'p DeValue<'p>>> {
        let Some(found) = self.raw(key) else { return Vec::new() };
        match found.value.as_array() {
            Some(list) => {
                list.iter().enumerate().map(|(index, value)| element(&found.spot, index, value)).collect()
            }
            None => {
                self.note(&found.spot, format!("expected a list such as `{example}`"));
                Vec::new()
            }
        }
    }

    /// A value as a table, or a note that it should be one.
    pub(super) fn open(&self, found: At<&'p DeValue<'p>>, wrong: &str) -> Option<Self> {
        match found.value.as_table() {
            Some(table) => {
                let prefix = format!("{}.", found.spot.key);
                Some(Self {
                    page: self.page,
                    table,
                    prefix,
                    spot: found.spot,
                    known: Vec::new(),
                    named: false,
                })
            }
            None => {
                self.note(&found.spot, wrong);
                None
            }
        }
    }

    /// The table `[key]` of the file.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Self> {
        let found = self.raw(key)?;
        let spot = Spot { key: format!("[{key}]"), ..found.spot };
        let wrong = format!("write `[{key}]`: there is only one");
        let table = self.open(At { value: found.value, spot }, &wrong)?;
        Some(Self { prefix: format!("[{key}] "), ..table })
    }

    /// The tables `[[key]]` of the file.
    pub(super) fn rows(&mut self, key: &'static str) -> Vec<Self> {
        let Some(found) = self.raw(key) else { return Vec::new() };
        let spot = Spot { key: format!("[[{key}]]"), ..found.spot };
        let wrong = format!("write `[[{key}]]`: there may be several");
        let Some(rows) = found.value.as_array() else {
            self.note(&spot, wrong);
            return Vec::new();
        };
        let open = |row: &'p Spanned<DeValue<'p>>| {
            let spot = Spot { byte: row.span().start, key: spot.key.clone() };
            let section = self.open(At { value: row.get_ref(), spot }, &wrong)?;
            Some(Self { prefix: format!("[[{key}]] "), ..section })
        };
        rows.iter().filter_map(open).collect()
    }

    /// Notes every key that nobody has asked for.
    pub(super) fn finish(self) {
        for key in self.table.keys().filter(|_| !self.named) {
            let name = key.get_ref().as_ref();
            if self.known.contains(&name) {
                continue;
            }
            let spot = Spot { byte: key.span().start, key: format!("{}{name}", self.prefix) };
            self.note(&spot, unknown(name, &self.known));
        }
    }
}

/// An element of a list, with its place.
fn element<'p>(list: &Spot, index: usize, value: &'p Spanned<DeValue<'p>>) -> At<&'p DeValue<'p>> {
    let spot = Spot { byte: value.span().start, key: format!("{}[{index}]", list.key) };
    At { value: value.get_ref(), spot }
}

fn unknown(name: &str, known: &[&str]) -> String {
    match nearest(name, known.iter().copied()) {
        Some(near) => format!("unknown key; did you mean `{near}`?"),
        None => format!("unknown key; known here are `{}`", known.join("`, `")),
    }
}

/// The known word nearest to a mistyped one, if any is near.
pub(crate) fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(known, &word.to_ascii_lowercase()), known))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}
