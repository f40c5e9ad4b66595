//! `aplomb reference`: the page about its errors that an API's owner publishes and its callers read.

mod catalogue;
mod code;
mod contract;
mod document;
mod envelope;
mod example;
mod html;
mod limit;
mod markdown;
mod request;
mod retry;
mod sample;
mod status;
mod stream;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use aplomb_core::{Catalog, Dialect};
use clap::{Args, ValueEnum};

use crate::{dialects, explain, say};

/// Print the error reference of an API, or the catalogue of kinds
///
/// Statuses with meaning and remedy, the error object, codes, an example of every failure, rate limits, request ids,
/// errors in streams, what to retry and how, and samples. Made from the dialect's file alone, also from one of your own.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  aplomb reference groq
  aplomb reference stripe --format html --out stripe-errors.html
  aplomb reference mine --dialects ./dialects --format json
  aplomb reference

Exit status: 0 written, 2 not written.")]
pub(crate) struct ReferenceArgs {
    /// The API; none for the catalogue of kinds
    dialect: Option<String>,
    /// In which form
    #[arg(long, value_enum, default_value_t = Format::Md)]
    format: Format,
    /// A file to write instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// A folder of dialects of your own, over the bundled ones
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
    /// Write the pages of all dialects, and the catalogue, into a folder
    #[arg(long, hide = true, requires = "out", conflicts_with = "dialect")]
    all: bool,
}

/// The forms of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// One self-contained page
    Html,
    /// One object, for programs
    Json,
}

/// Writes the reference.
pub(crate) fn run(args: ReferenceArgs) -> ExitCode {
    match reference(&args) {
        Ok(text) => {
            say::out(&text);
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            say::err(&format!("aplomb reference: {sentence}\n"));
            ExitCode::from(2)
        }
    }
}

/// What is left to print: the page, unless it went to a file.
fn reference(args: &ReferenceArgs) -> Result<String, String> {
    let catalog = dialects::catalog(args.dialects.as_deref()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.to_string()).collect::<Vec<_>>().join("\n")
    })?;
    match (&args.out, args.all) {
        (Some(folder), true) => write_all(&catalog, folder).map(|()| String::new()),
        (out, _) => {
            let dialect = args.dialect.as_deref().map(|name| explain::dialect(&catalog, name)).transpose()?;
            let page = page(&catalog, dialect, args.format);
            match out {
                Some(file) => write_file(file, &page).map(|()| String::new()),
                None => Ok(page),
            }
        }
    }
}

fn page(catalog: &Catalog, dialect: Option<&Dialect>, format: Format) -> String {
    let document = || dialect.map_or_else(|| catalogue::document(catalog), contract::document);
    match format {
        Format::Md => markdown::write(&document()),
        Format::Html => html::write(&document()),
        Format::Json => format!("{:#}\n", dialect.map_or_else(|| catalogue::json(catalog), contract::json)),
    }
}

/// A page per dialect as Markdown and as HTML, the catalogue as the index of both, and the admin port's document.
fn write_all(catalog: &Catalog, folder: &Path) -> Result<(), String> {
    std::fs::create_dir_all(folder).map_err(|err| format!("{} can't be made: {err}", folder.display()))?;
    let pages = std::iter::once(("README", "index", None)).chain(
        catalog.dialects().map(|dialect| (dialect.name.as_str(), dialect.name.as_str(), Some(dialect))),
    );
    for (md, html, dialect) in pages {
        write_file(&folder.join(format!("{md}.md")), &page(catalog, dialect, Format::Md))?;
        write_file(&folder.join(format!("{html}.html")), &page(catalog, dialect, Format::Html))?;
    }
    write_file(&folder.join("admin.openapi.json"), &aplomb_gateway::openapi())
}

fn write_file(file: &Path, text: &str) -> Result<(), String> {
    std::fs::write(file, text).map_err(|err| format!("{} can't be written: {err}", file.display()))
}
