//! Latency at half of the peak rate, in an open loop: from the time that a request was due.

use super::table::Line;
use super::{Rounds, Spread, service_round};
use crate::Failure;
use crate::installation::Installation;
use crate::scenarios::Scenario;

/// Scenarios, and the marks of their p99 in milliseconds.
const MARKS: &[(Scenario, f64)] = &[
    (Scenario::ActivateOne, 10.0),
    (Scenario::ActivateMany, 10.0),
    (Scenario::Validate, 10.0),
    (Scenario::CheckoutOneTenant, 25.0),
];

pub async fn at_half_of_peak(installation: &Installation, rounds: Rounds) -> Result<Vec<Line>, Failure> {
    let mut lines = Vec::new();
    for (scenario, mark) in MARKS {
        let (mut peaks, mut slow) = (Vec::new(), Vec::new());
        for _ in 0..rounds.count {
            let closed = rounds.load(None);
            let workload = scenario.prepare(installation, &closed).await?;
            peaks.push(service_round(installation, workload, closed).await?.goodput());
            // Half of the peak as far as it is known: the rounds take turns here too.
            let rate = Spread::of(&peaks).median / 2.0;
            let open = rounds.load(Some(rate));
            let workload = scenario.prepare(installation, &open).await?;
            let measured = service_round(installation, workload, open).await?;
            if measured.unsent > 0 {
                return Err(format!("{} requests were due and never sent", measured.unsent).into());
            }
            let p99 = measured.total().map_or(f64::NAN, |total| total.quantile_ms(0.99));
            eprintln!("  {} at {rate:.0}/s: p99 {p99:.2} ms", scenario.name());
            slow.push(p99);
        }
        let what = format!("p99 of {} at half of {:.0}/s", scenario.name(), Spread::of(&peaks).median);
        lines.push(Line::alone(&what, " ms", &slow, Some(*mark)));
    }
    Ok(lines)
}
