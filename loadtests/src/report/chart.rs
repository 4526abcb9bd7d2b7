//! Line charts as SVG, drawn by hand: a page with a report opens anywhere, without a network.

use std::fmt::Write;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 280.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 36.0;
const COLOURS: &[&str] =
    &["#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4b5563"];

/// A named line of points, in order of x.
pub struct Line<'a> {
    pub name: &'a str,
    pub points: Vec<(f64, f64)>,
}

pub struct Axes {
    /// Places along x, and what is written there.
    pub x_marks: Vec<(f64, String)>,
    pub y_unit: &'static str,
    /// Whether y grows by factors of ten.
    pub y_is_logarithmic: bool,
}

/// The next of 1, 2, 5, 10, … that is not below.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|mark| *mark >= value * 0.999)
        .unwrap_or(value)
}

pub fn svg(lines: &[Line<'_>], axes: &Axes) -> String {
    let xs = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.0));
    let ys = || lines.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let (x_low, x_high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let y_high = round_up(ys().fold(0.0, f64::max));
    let lowest = ys().filter(|y| *y > 0.0).fold(y_high, f64::min);
    let y_low = if axes.y_is_logarithmic { 10_f64.powf(lowest.log10().floor()) } else { 0.0 };
    let scale = |y: f64| if axes.y_is_logarithmic { y.max(y_low).log10() } else { y };
    let place_x = |x: f64| LEFT + (x - x_low) / (x_high - x_low).max(1e-9) * (WIDTH - LEFT - RIGHT);
    let place_y = |y: f64| {
        let share = (scale(y) - scale(y_low)) / (scale(y_high) - scale(y_low)).max(1e-9);
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    };
    let y_marks: Vec<f64> = if axes.y_is_logarithmic {
        let (from, to) = (y_low.log10().round() as i32, y_high.log10().ceil() as i32);
        (from..=to).map(|power| 10_f64.powi(power)).filter(|mark| *mark <= y_high * 1.001).collect()
    } else {
        (0..=4).map(|step| y_high * f64::from(step) / 4.0).collect()
    };

    let mut svg = format!(r#"<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">"#);
    // Writing to memory does not fail.
    for mark in y_marks {
        let y = place_y(mark);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{y:.1}" y2="{y:.1}"/><text class="y" x="{:.1}" y="{:.1}">{} {}</text>"#,
            WIDTH - RIGHT,
            LEFT - 6.0,
            y + 4.0,
            short(mark),
            axes.y_unit
        );
    }
    for (at, text) in axes.x_marks.iter().filter(|(at, _)| (x_low..=x_high).contains(at)) {
        let x = place_x(*at);
        let _ = write!(svg, r#"<text class="x" x="{x:.1}" y="{:.1}">{text}</text>"#, HEIGHT - BOTTOM + 18.0);
    }
    for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
        let points: Vec<String> =
            line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", place_x(*x), place_y(*y))).collect();
        let _ = write!(
            svg,
            r#"<polyline points="{}" stroke="{colour}"><title>{}</title></polyline>"#,
            points.join(" "),
            line.name
        );
    }
    svg.push_str("</svg>");
    if lines.len() > 1 {
        svg.push_str("<p class=\"legend\">");
        for (line, colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let _ = write!(svg, r#"<span><i style="background:{colour}"></i>{}</span>"#, line.name);
        }
        svg.push_str("</p>");
    }
    svg
}

fn short(value: f64) -> String {
    if value >= 1000.0 {
        format!("{:.0}k", value / 1000.0).replace(".0k", "k")
    } else if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_end_at_round_figures() {
        for (value, mark) in
            [(0.8, 1.0), (1.0, 1.0), (3.0, 5.0), (47.0, 50.0), (51.0, 100.0), (12_000.0, 20_000.0)]
        {
            assert!((round_up(value) - mark).abs() < 1e-6, "{value}: {}", round_up(value));
        }
    }

    #[test]
    fn a_chart_holds_each_line_and_no_figure_that_is_none() {
        let lines = [
            Line { name: "one", points: vec![(0.0, 1.0), (1.0, 10.0)] },
            Line { name: "flat", points: vec![(0.0, 0.0), (1.0, 0.0)] },
        ];
        for y_is_logarithmic in [true, false] {
            let axes = Axes { x_marks: vec![(0.0, "0".to_owned())], y_unit: "ms", y_is_logarithmic };
            let chart = svg(&lines, &axes);
            assert_eq!(chart.matches("<polyline").count(), 2);
            assert!(!chart.contains("NaN") && !chart.contains("inf"), "{chart}");
        }
    }
}
