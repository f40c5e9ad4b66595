//! `aplomb explain`: what a failure means, from whatever a person was shown of it.

mod input;
mod layout;
mod page;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use aplomb_core::capture::Capture;
use aplomb_core::{Catalog, Dialect, Explanation};
use clap::Args;

use crate::{dialects, say};

/// Say what a failure means
///
/// Reads a raw answer (`curl -i`, `curl -v`), a bare body, a captured stream, or the text of an SDK's exception.
/// Says what happened, whose fault it is, whether and when to try again, what to change, and what to tell a user.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  curl -is https://api.groq.com/openai/v1/models | aplomb explain
  aplomb explain --dialect mistral --status 429 body.json
  aplomb explain --status 503 --header 'Retry-After: 20' page.html
  aplomb explain traceback.txt
  aplomb explain --json answer.http | jq .retry_after_s

Exit status: 0 something was explained, also a success; 2 nothing could be read.")]
pub(crate) struct ExplainArgs {
    /// What to explain; `-` or nothing for standard input
    file: Option<PathBuf>,
    /// The API that answered, instead of detecting it
    #[arg(long, value_name = "NAME")]
    dialect: Option<String>,
    /// The HTTP status, where the input doesn't tell it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(100..=599))]
    status: Option<u16>,
    /// A header of the answer, where the input doesn't hold it; may be given several times
    #[arg(long, value_name = "NAME: VALUE", value_parser = header)]
    header: Vec<(String, String)>,
    /// Print one object, for programs
    #[arg(long)]
    json: bool,
    /// A folder of dialects of your own, over the bundled ones
    #[arg(long, value_name = "DIR")]
    dialects: Option<PathBuf>,
}

/// Explains what it is given.
pub(crate) fn run(args: ExplainArgs) -> ExitCode {
    match explain(&args, SystemTime::now()) {
        Ok(text) => {
            say::out(&text);
            ExitCode::SUCCESS
        }
        Err(sentence) => {
            say::err(&format!("aplomb explain: {sentence}\n"));
            ExitCode::from(2)
        }
    }
}

fn explain(args: &ExplainArgs, now: SystemTime) -> Result<String, String> {
    let catalog = dialects::catalog(args.dialects.as_deref()).map_err(|mistakes| {
        mistakes.iter().map(|mistake| mistake.to_string()).collect::<Vec<_>>().join("\n")
    })?;
    let named = args.dialect.as_deref().map(|name| dialect(&catalog, name)).transpose()?;
    let mut capture = Capture::read(&input::read(args.file.as_deref())?);
    capture.status = args.status.or(capture.status);
    capture.headers.splice(0..0, args.header.iter().cloned());
    let explanation = Explanation::of(&catalog, named, &capture, now);
    Ok(if args.json {
        format!("{:#}\n", explanation.to_json())
    } else {
        page::page(&explanation, layout::terminal_width())
    })
}

/// The dialect of that name.
///
/// # Errors
/// There is none; the sentence names the nearest.
pub(crate) fn dialect<'a>(catalog: &'a Catalog, name: &str) -> Result<&'a Dialect, String> {
    catalog.get(name).ok_or_else(|| match catalog.nearest(name) {
        Some(nearest) => format!("no dialect is called `{name}`; did you mean `{nearest}`?"),
        None => {
            let known = catalog.names().collect::<Vec<_>>().join(", ");
            format!("no dialect is called `{name}`; known are {known}")
        }
    })
}

/// Reads `Name: value`.
fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("a header is written `Name: value`")?;
    let (name, value) = (name.trim(), value.trim());
    let is_token = !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>@,;\\\"/[]?={}".contains(&byte));
    if !is_token {
        return Err(format!("`{name}` is no name of a header"));
    }
    if value.chars().any(char::is_control) {
        return Err("the value of a header is one line of text".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}
