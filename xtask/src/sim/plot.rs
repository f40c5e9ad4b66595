//! A plot as SVG, written by hand: calls done a second over time, a line for each client, and the optimum.

use std::fmt::Write;

/// One line of a plot.
pub(super) struct Line {
    pub(super) name: String,
    /// Values at equal distances.
    pub(super) values: Vec<f64>,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 48.0;
const TOP: f64 = 28.0;
const ROW: f64 = 16.0;

/// Told apart also by who sees no red and green (Okabe and Ito).
const COLOURS: [&str; 7] = ["#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#0072B2", "#D55E00", "#000000"];

/// Draws them; `seconds` is how long the time axis is.
pub(super) fn draw(title: &str, lines: &[Line], seconds: f64) -> String {
    let highest = lines.iter().flat_map(|line| &line.values).copied().fold(1.0, f64::max) * 1.05;
    let full = TOP + HEIGHT + 40.0 + ROW * lines.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {:.0} {full:.0}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"18\">{}</text>\n",
        LEFT + WIDTH + 20.0,
        escaped(title),
    );
    for part in 0..=4 {
        let share = f64::from(part) / 4.0;
        let (x, y) = (LEFT + share * WIDTH, TOP + HEIGHT - share * HEIGHT);
        put(&mut svg, format_args!("<path d=\"M{LEFT} {y:.1}H{:.1}\" stroke=\"#ddd\"/>", LEFT + WIDTH));
        put(
            &mut svg,
            format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0}</text>",
                LEFT - 6.0,
                y + 4.0,
                share * highest
            ),
        );
        put(
            &mut svg,
            format_args!(
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.0} s</text>",
                TOP + HEIGHT + 18.0,
                share * seconds
            ),
        );
    }
    for (number, line) in lines.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let points: Vec<String> = line
            .values
            .iter()
            .enumerate()
            .map(|(at, value)| {
                let x = LEFT + (at as f64 + 0.5) / line.values.len() as f64 * WIDTH;
                format!("{x:.1},{:.1}", TOP + HEIGHT - value / highest * HEIGHT)
            })
            .collect();
        put(
            &mut svg,
            format_args!(
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" points=\"{}\"/>",
                points.join(" ")
            ),
        );
        let y = TOP + HEIGHT + 40.0 + ROW * number as f64;
        put(
            &mut svg,
            format_args!("<path d=\"M{LEFT} {:.1}h24\" stroke=\"{colour}\" stroke-width=\"2\"/>", y - 4.0),
        );
        put(
            &mut svg,
            format_args!("<text x=\"{:.1}\" y=\"{y:.1}\">{}</text>", LEFT + 32.0, escaped(&line.name)),
        );
    }
    svg + "</svg>\n"
}

fn put(svg: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(svg, "{line}").expect("a string takes everything");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plot_has_a_line_and_a_name_for_each() {
        let line = |name: &str| Line { name: name.to_owned(), values: vec![1.0, 2.0] };
        let svg = draw("a < b", &[line("one"), line("two")], 10.0);
        assert_eq!(svg.matches("<polyline").count(), 2);
        assert!(svg.contains("a &lt; b") && svg.contains(">two<") && svg.ends_with("</svg>\n"));
    }
}
