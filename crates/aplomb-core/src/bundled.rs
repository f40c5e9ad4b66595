//! The dialects that come with Aplomb.

use std::sync::LazyLock;

use crate::spec::Catalog;

const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/dialects.rs"));
const KINDS: &str = include_str!("../spec/kinds.toml");

static CATALOG: LazyLock<Catalog> = LazyLock::new(|| {
    Catalog::read(KINDS, FILES.iter().copied(), false)
        .expect("the build script has checked every bundled file")
});

/// The bundled catalogue, read when it is first asked for.
pub fn catalog() -> &'static Catalog {
    &CATALOG
}
