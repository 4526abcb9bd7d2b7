use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::CpuTimes;

/// One kind of request.
#[derive(Clone)]
pub struct KindMeasured {
    pub name: String,
    /// In microseconds.
    pub latencies: Histogram<u64>,
    /// Answers by status, and within it by the canonical error's code. Status 0: none came.
    pub codes: BTreeMap<u16, Vec<(String, u64)>>,
}

/// What a run measured.
pub struct Measured {
    pub kinds: Vec<KindMeasured>,
    pub elapsed: Duration,
    /// Answers in each second.
    pub seconds: Vec<u64>,
    /// Requests a second that were due, in an open loop.
    pub rate: Option<f64>,
    /// Due, and never sent.
    pub unsent: u64,
    pub cpu: CpuTimes,
    /// The run ended early, because nothing was left to ask for.
    pub exhausted: bool,
}

impl KindMeasured {
    pub fn quantile_ms(&self, quantile: f64) -> f64 {
        self.latencies.value_at_quantile(quantile) as f64 / 1000.0
    }

    /// Answers with a status of `range`.
    pub fn answered(&self, range: std::ops::Range<u16>) -> u64 {
        self.codes.range(range).flat_map(|(_, codes)| codes).map(|(_, count)| count).sum()
    }
}

impl Measured {
    pub fn answers(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.latencies.len()).sum()
    }

    pub fn per_second(&self) -> f64 {
        self.answers() as f64 / self.elapsed.as_secs_f64()
    }

    /// Answers that were not the service's failure: 503 and whatever else it could not do are left out.
    pub fn goodput(&self) -> f64 {
        let good: u64 = self.kinds.iter().map(|kind| kind.answered(200..500)).sum();
        good as f64 / self.elapsed.as_secs_f64()
    }

    /// Answers of 500 and above but the honest refusal of what is too much, and requests without an answer.
    pub fn faults(&self) -> u64 {
        let of_kind = |kind: &KindMeasured| -> u64 {
            let codes =
                kind.codes.iter().flat_map(|(status, codes)| codes.iter().map(move |it| (*status, it)));
            codes
                .filter(|(status, (code, _))| *status == 0 || (*status >= 500 && code != "OVERLOADED"))
                .map(|(_, (_, count))| *count)
                .sum()
        };
        self.kinds.iter().map(of_kind).sum()
    }

    /// All kinds as one.
    pub fn total(&self) -> Option<KindMeasured> {
        let (first, rest) = self.kinds.split_first()?;
        let mut total = KindMeasured { name: "all".to_owned(), ..first.clone() };
        for kind in rest {
            // Of equal bounds, so it cannot fail.
            let _added = total.latencies.add(&kind.latencies);
            for (status, codes) in &kind.codes {
                for (code, count) in codes {
                    let of_status = total.codes.entry(*status).or_default();
                    match of_status.iter_mut().find(|known| known.0 == *code) {
                        Some(known) => known.1 += count,
                        None => of_status.push((code.clone(), *count)),
                    }
                }
            }
        }
        Some(total)
    }
}
