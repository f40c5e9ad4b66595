//! A page before it is written down: sections of paragraphs, lists, tables and code, in no language yet.
//!
//! Texts are plain, with `code` between backticks; addresses become links where the language has links.

/// A page.
pub(super) struct Document {
    pub(super) title: String,
    pub(super) lead: Vec<Block>,
    pub(super) sections: Vec<Section>,
}

/// A section with a heading and an anchor.
pub(super) struct Section {
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) blocks: Vec<Block>,
}

/// A part of a section.
pub(super) enum Block {
    Text(String),
    List(Vec<String>),
    Table(Table),
    Code {
        language: &'static str,
        text: String,
    },
    Heading(String),
    /// A heading with an anchor, under which blocks may be folded away.
    Fold {
        id: String,
        title: String,
        blocks: Vec<Self>,
    },
}

/// A table; the first cell of a row heads it.
pub(super) struct Table {
    pub(super) head: Vec<&'static str>,
    pub(super) rows: Vec<Row>,
}

/// A row, perhaps with an anchor.
pub(super) struct Row {
    pub(super) id: Option<String>,
    pub(super) cells: Vec<String>,
}

impl Section {
    pub(super) fn new(id: &'static str, title: &'static str, blocks: Vec<Block>) -> Self {
        Self { id, title, blocks }
    }
}

impl Block {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn code(language: &'static str, text: impl Into<String>) -> Self {
        Self::Code { language, text: text.into().trim_end().to_owned() }
    }

    pub(super) fn table<const N: usize>(
        head: [&'static str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let rows = rows.into_iter().map(|cells| Row { id: None, cells: cells.into() }).collect();
        Self::Table(Table { head: head.into(), rows })
    }
}

/// Text as code; backticks would end it.
pub(super) fn code(text: impl std::fmt::Display) -> String {
    format!("`{}`", text.to_string().replace('`', "'"))
}

/// Several texts as code, with commas.
pub(super) fn codes<T: std::fmt::Display>(texts: impl IntoIterator<Item = T>) -> String {
    texts.into_iter().map(code).collect::<Vec<_>>().join(", ")
}
