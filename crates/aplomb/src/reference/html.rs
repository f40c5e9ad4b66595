//! A page as one self-contained HTML file: nothing is fetched, it reads well on a phone, in light and dark.

use super::document::{Block, Document, Table};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("copy.js");

/// Writes the page.
pub(super) fn write(document: &Document) -> String {
    let title = escape(&document.title);
    let contents: String = document
        .sections
        .iter()
        .map(|section| format!("<li><a href=\"#{}\">{}</a></li>\n", section.id, escape(section.title)))
        .collect();
    let mut main = format!("<h1>{title}</h1>\n");
    blocks(&document.lead, &mut main);
    for section in &document.sections {
        let (id, title) = (section.id, escape(section.title));
        main.push_str(&format!("<section id=\"{id}\">\n<h2><a href=\"#{id}\">{title}</a></h2>\n"));
        blocks(&section.blocks, &mut main);
        main.push_str("</section>\n");
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <nav aria-label=\"Contents\">\n<ol>\n{contents}</ol>\n</nav>\n<main>\n{main}</main>\n\
         <script>\n{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

fn blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Text(text) => out.push_str(&format!("<p>{}</p>\n", inline(text))),
            Block::List(items) => {
                let items: String = items.iter().map(|item| format!("<li>{}</li>\n", inline(item))).collect();
                out.push_str(&format!("<ul>\n{items}</ul>\n"));
            }
            Block::Table(table) => self::table(table, out),
            Block::Code { language, text } => out.push_str(&format!(
                "<div class=\"code\"><button type=\"button\" hidden>Copy</button><pre tabindex=\"0\"><code class=\"language-{language}\">{}</code></pre></div>\n",
                escape(text)
            )),
            Block::Heading(title) => out.push_str(&format!("<h3>{}</h3>\n", inline(title))),
            Block::Fold { id, title, blocks } => {
                out.push_str(&format!("<details id=\"{id}\">\n<summary>{}</summary>\n", inline(title)));
                self::blocks(blocks, out);
                out.push_str("</details>\n");
            }
        }
    }
}

/// A table whose cells say their column's name, since on a phone each row is a card.
fn table(table: &Table, out: &mut String) {
    let has_head = table.head.iter().any(|head| !head.is_empty());
    out.push_str(if has_head { "<table>\n<thead><tr>" } else { "<table class=\"facts\">\n" });
    if has_head {
        for head in &table.head {
            out.push_str(&format!("<th scope=\"col\">{}</th>", escape(head)));
        }
        out.push_str("</tr></thead>\n");
    }
    out.push_str("<tbody>\n");
    for row in &table.rows {
        let id = row.id.as_ref().map(|id| format!(" id=\"{id}\"")).unwrap_or_default();
        out.push_str(&format!("<tr{id}>"));
        for (i, (cell, head)) in row.cells.iter().zip(&table.head).enumerate() {
            let cell = inline(cell);
            out.push_str(&match (i, &row.id) {
                (0, Some(id)) => format!("<th scope=\"row\"><a href=\"#{id}\">{cell}</a></th>"),
                (0, None) => format!("<th scope=\"row\">{cell}</th>"),
                _ if head.is_empty() => format!("<td>{cell}</td>"),
                _ => format!("<td data-label=\"{}\">{cell}</td>", escape(head)),
            });
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

/// Text with code between backticks, and addresses as links.
fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(i, part)| if i % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { linked(part) })
        .collect()
}

fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find("https://") {
        let (before, from) = rest.split_at(start);
        let end = from.find(char::is_whitespace).unwrap_or(from.len());
        let address = from[..end].trim_end_matches(['.', ',', ';', ')']);
        out.push_str(&escape(before));
        out.push_str(&format!("<a href=\"{0}\">{0}</a>", escape(address)));
        rest = &from[address.len()..];
    }
    out.push_str(&escape(rest));
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_its_code_and_addresses_are_marked() {
        assert_eq!(
            inline("a < `b & c`, see https://x.example/a?b=1&c."),
            "a &lt; <code>b &amp; c</code>, see <a href=\"https://x.example/a?b=1&amp;c\">https://x.example/a?b=1&amp;c</a>."
        );
    }
}
