use std::fmt::Write;

use super::Report;
use super::chart::{Axes, Line, svg};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem;color:#111}\
h1{font-size:1.4rem;margin-bottom:0}h2{font-size:1.05rem;margin:2rem 0 .5rem}p.sub{color:#555;margin:.2rem 0 0}\
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:.25rem .6rem;border-bottom:1px solid #e5e7eb}\
th:first-child,td:first-child{text-align:left}td.text{text-align:left}.broken{color:#b91c1c;font-weight:600}\
svg{width:100%;height:auto}polyline{fill:none;stroke-width:2}.grid{stroke:#e5e7eb}text{font-size:11px;fill:#555}\
text.y{text-anchor:end}text.x{text-anchor:middle}.legend span{margin-right:1rem;white-space:nowrap}\
.legend i{display:inline-block;width:.8rem;height:.8rem;margin-right:.3rem;border-radius:2px}";

/// The whole report as one page.
pub fn page(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{name}</title><style>{STYLE}</style><h1>{name}</h1>\
         <p class=\"sub\">{} · commit {} · {}</p>",
        escape(&report.at),
        escape(&report.machine.commit),
        escape(&report.machine.line()),
        name = escape(&report.scenario),
    );
    // Writing to memory does not fail.
    let loop_kind = match report.due_per_second {
        Some(due) => format!("open loop, {due:.0} requests/s due, {} never sent", report.unsent),
        None => "closed loop".to_owned(),
    };
    let _ = write!(
        page,
        "<p><b>{:.0} answers/s</b>, {} clients, {:.1} s, {loop_kind}</p>",
        report.answers_per_second, report.clients, report.seconds
    );
    figures(&mut page, report);
    page.push_str("<h2>Latency by percentile</h2>");
    page.push_str(&latency_chart(report));
    page.push_str("<h2>Answers in each second</h2>");
    page.push_str(&rate_chart(report));
    codes(&mut page, report);
    promises(&mut page, report);
    page.push_str("</html>\n");
    page
}

fn figures(page: &mut String, report: &Report) {
    page.push_str("<table><tr><th><th>answers/s<th>p50 ms<th>p90 ms<th>p99 ms<th>p99.9 ms<th>max ms");
    for kind in &report.kinds {
        let _ = write!(page, "<tr><td>{}<td>{:.0}", escape(&kind.name), kind.answers_per_second);
        for (_, milliseconds) in &kind.quantiles_ms {
            let _ = write!(page, "<td>{milliseconds:.2}");
        }
        let _ = write!(page, "<td>{:.1}", kind.max_ms);
    }
    page.push_str("</table>");
    if !report.cores.is_empty() {
        let cores: Vec<String> =
            report.cores.iter().map(|(part, cores)| format!("{part} {cores:.2}")).collect();
        let _ = write!(page, "<p class=\"sub\">Cores used: {}</p>", escape(&cores.join(", ")));
    }
}

/// How many nines a quantile has: 0.9 is one.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).log10()
}

fn latency_chart(report: &Report) -> String {
    let line = |kind: &'_ super::KindReport| -> Vec<(f64, f64)> {
        kind.curve.iter().map(|(quantile, milliseconds)| (nines(*quantile), *milliseconds)).collect()
    };
    let lines: Vec<Line<'_>> =
        report.kinds.iter().map(|kind| Line { name: &kind.name, points: line(kind) }).collect();
    let marks = [(0.0, "0"), (0.5, "p50"), (0.9, "p90"), (0.99, "p99"), (0.999, "p99.9"), (0.9999, "p99.99")];
    let x_marks = marks.iter().map(|(quantile, text)| (nines(*quantile), (*text).to_owned())).collect();
    svg(&lines, &Axes { x_marks, y_unit: "ms", y_is_logarithmic: true })
}

fn rate_chart(report: &Report) -> String {
    // The last second is seldom a whole one.
    let whole = report.by_second.len().saturating_sub(1).max(1);
    let points: Vec<(f64, f64)> = report
        .by_second
        .iter()
        .take(whole)
        .enumerate()
        .map(|(second, count)| (second as f64, *count as f64))
        .collect();
    let step = whole.div_ceil(10);
    let x_marks = (0..whole).step_by(step).map(|second| (second as f64, format!("{second} s"))).collect();
    svg(&[Line { name: "answers", points }], &Axes { x_marks, y_unit: "/s", y_is_logarithmic: false })
}

fn codes(page: &mut String, report: &Report) {
    page.push_str("<h2>Answers by code</h2><table><tr><th>request<th>status<th>code<th>answers");
    for kind in report.kinds.iter().filter(|kind| report.kinds.len() == 1 || kind.name != "all") {
        for code in &kind.codes {
            let (name, text) = (escape(&kind.name), escape(&code.code));
            let _ =
                write!(page, "<tr><td>{name}<td>{}<td class=\"text\">{text}<td>{}", code.status, code.count);
        }
    }
    page.push_str("</table>");
}

fn promises(page: &mut String, report: &Report) {
    page.push_str("<h2>Promises, read back from the database</h2><table><tr><th>promise<th><th>found");
    for promise in &report.promises {
        let (class, verdict) = if promise.holds { ("", "holds") } else { ("broken", "BROKEN") };
        let (what, found) = (escape(&promise.what), escape(&promise.found));
        let _ = write!(page, "<tr><td>{what}<td class=\"{class}\">{verdict}<td>{found}");
    }
    page.push_str("</table>");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
