//! A page as Markdown.

use super::document::{Block, Document, Table};

/// Writes the page.
pub(super) fn write(document: &Document) -> String {
    let mut out = format!("# {}\n\n", document.title);
    blocks(&document.lead, &mut out);
    for section in &document.sections {
        out.push_str(&format!("- [{}](#{})\n", section.title, anchor(section.title)));
    }
    for section in &document.sections {
        out.truncate(out.trim_end().len());
        out.push_str(&format!("\n\n## {}\n\n", section.title));
        blocks(&section.blocks, &mut out);
    }
    format!("{}\n", out.trim_end())
}

fn blocks(blocks: &[Block], out: &mut String) {
    for block in blocks {
        match block {
            Block::Text(text) => out.push_str(&format!("{text}\n")),
            Block::List(items) => items.iter().for_each(|item| out.push_str(&format!("- {item}\n"))),
            Block::Table(table) => self::table(table, out),
            Block::Code { language, text } => {
                let fence = if text.contains("```") { "````" } else { "```" };
                out.push_str(&format!("{fence}{language}\n{text}\n{fence}\n"));
            }
            Block::Heading(title) => out.push_str(&format!("### {title}\n")),
            Block::Fold { title, blocks, .. } => {
                out.push_str(&format!("### {title}\n\n"));
                self::blocks(blocks, out);
                continue;
            }
        }
        out.push('\n');
    }
}

fn table(table: &Table, out: &mut String) {
    let line =
        |cells: &mut dyn Iterator<Item = String>| format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "));
    out.push_str(&line(&mut table.head.iter().map(|head| (*head).to_owned())));
    out.push_str(&line(&mut table.head.iter().map(|_| "---".to_owned())));
    for row in &table.rows {
        out.push_str(&line(&mut row.cells.iter().map(|cell| cell.replace('|', "\\|").replace('\n', " "))));
    }
}

/// The anchor that GitHub and its like give to a heading.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}
