use super::Spread;

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Bound {
    /// The median of the ratios, at least.
    AtLeastTimes(f64),
    /// The median of the ratios, at most.
    AtMostTimes(f64),
    /// The median of our own figures, below.
    Below(f64),
}

/// One comparison.
#[derive(Debug, Clone)]
pub struct Line {
    pub what: String,
    pub unit: &'static str,
    pub ours: Spread,
    /// The other side's figures.
    pub other: Option<Spread>,
    pub ratio: Option<Spread>,
    pub bound: Option<Bound>,
}

impl Line {
    /// A figure without another side.
    pub fn alone(what: &str, unit: &'static str, figures: &[f64], below: Option<f64>) -> Self {
        let ours = Spread::of(figures);
        Self { what: what.to_owned(), unit, ours, other: None, ratio: None, bound: below.map(Bound::Below) }
    }

    pub fn verdict(&self) -> &'static str {
        let ratio = self.ratio.map_or(f64::NAN, |ratio| ratio.median);
        let reached = match self.bound {
            None => return "",
            Some(Bound::AtLeastTimes(least)) => ratio >= least,
            Some(Bound::AtMostTimes(most)) => ratio <= most,
            Some(Bound::Below(limit)) => self.ours.median < limit,
        };
        if reached { "reached" } else { "MISSED" }
    }

    fn mark(&self) -> String {
        match self.bound {
            None => String::new(),
            Some(Bound::AtLeastTimes(least)) => format!("at least {least} times"),
            Some(Bound::AtMostTimes(most)) => format!("at most {most} times"),
            Some(Bound::Below(limit)) => format!("under {limit}{}", self.unit),
        }
    }

    /// What is compared, our figure, the other's, their ratio with its spread, the mark, and whether it is reached.
    pub fn cells(&self) -> [String; 6] {
        let ours = format!("{}{}", figure(self.ours.median), self.unit);
        let other = self.other.map(|other| format!("{}{}", figure(other.median), self.unit));
        let spread = match self.ratio {
            Some(ratio) => format!("{:.2} ({:.2} to {:.2})", ratio.median, ratio.least, ratio.greatest),
            None => format!("({} to {})", figure(self.ours.least), figure(self.ours.greatest)),
        };
        [self.what.clone(), ours, other.unwrap_or_default(), spread, self.mark(), self.verdict().to_owned()]
    }
}

pub const HEAD: [&str; 6] = ["", "service", "other side", "ratio, or spread", "mark", ""];

fn figure(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => format!("{value:.0}"),
        middle if middle >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}

pub fn print(lines: &[Line]) {
    for line in lines {
        let [what, ours, other, ratio, mark, verdict] = line.cells();
        println!("{what:<58}{ours:>14}{other:>14}  {ratio:<24}{mark:<20}{verdict}");
    }
}
