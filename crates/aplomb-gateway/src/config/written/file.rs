//! The whole file.

use toml::de::DeTable;

use crate::config::written::tier::{read_shared, read_store, read_tiers};
use crate::config::written::{At, Page, Section, Spot, WrittenRoute, WrittenServer, WrittenUpstream};
use crate::config::{SharedPlace, StorePlace, Tier};

/// A configuration file as written.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    /// `[server]` and `[log]`.
    pub(crate) server: WrittenServer,
    /// `[[upstream]]`.
    pub(crate) upstreams: Vec<WrittenUpstream>,
    /// `[[route]]`.
    pub(crate) routes: Vec<WrittenRoute>,
    /// `[tier.NAME]`.
    pub(crate) tiers: Vec<At<Tier>>,
    /// `[store]`.
    pub(crate) store: Option<At<StorePlace>>,
    /// `[shared]`.
    pub(crate) shared: Option<SharedPlace>,
}

impl WrittenFile {
    /// Reads the text; what is wrong is noted on the page.
    ///
    /// Text that is no TOML gives nothing but that: the rest can't be judged.
    pub(crate) fn read(text: &str, page: &Page<'_>) -> Option<Self> {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let byte = error.span().map_or(0, |span| span.start);
            page.note(&Spot { byte, key: "not TOML".to_owned() }, error.message());
        }
        if !errors.is_empty() {
            return None;
        }
        let mut file = Section::file(page, table.get_ref());
        let server = WrittenServer::read(file.table("server"), file.table("log"));
        let upstreams = file.rows("upstream").into_iter().map(WrittenUpstream::read).collect();
        let routes: Vec<_> = file.rows("route").into_iter().map(WrittenRoute::read).collect();
        let tiers = file.table("tier").map(read_tiers).unwrap_or_default();
        let store = file.table("store").and_then(read_store);
        let shared = file.table("shared").and_then(read_shared);
        if !file.has("route") {
            let spot = Spot { byte: 0, key: "[[route]]".to_owned() };
            page.note(&spot, "missing; without a route nothing is served");
        }
        file.finish();
        Some(Self { server, upstreams, routes, tiers, store, shared })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::given::told;

    #[test]
    fn text_that_is_no_toml_is_told_where_and_nothing_else() {
        insta::assert_snapshot!(told("[server\nlisten = \nx = 1\nx = 2\n[[route]]\npath = '/'\n"), @r#"
        etc/aplomb.toml:1:8: not TOML: unclosed table, expected `]`
        "#);
        insta::assert_snapshot!(told("\u{0}\u{1}"), @r#"
        etc/aplomb.toml:1:1: not TOML: invalid unquoted key, expected letters, numbers, `-`, `_`
        etc/aplomb.toml:1:3: not TOML: key with no value, expected `=`
        "#);
        insta::assert_snapshot!(told("a = 1\n\na = 2\n[server\n"), @r#"
        etc/aplomb.toml:3:1: not TOML: duplicate key
        etc/aplomb.toml:4:8: not TOML: unclosed table, expected `]`
        "#);
    }

    #[test]
    fn a_file_without_a_route_would_serve_nothing() {
        insta::assert_snapshot!(told("[server]\ndrain = '1s'\n"), @r#"
        etc/aplomb.toml:1:1: [[route]]: missing; without a route nothing is served
        "#);
    }
}
