use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::CpuTimes;
use super::measured::{KindMeasured, Measured};
use crate::Failure;
use crate::http::Answer;

/// Latencies are told apart from a microsecond to a minute, to three digits.
const LONGEST_MICROSECONDS: u64 = 60_000_000;

/// Notes every answer of a run.
pub struct Recorder {
    kinds: Vec<KindMeasured>,
    begun: Instant,
    /// Answers in each second.
    seconds: Vec<u64>,
    shown: u64,
}

impl Recorder {
    pub fn new(kinds: &[&'static str], begun: Instant) -> Result<Self, Failure> {
        let kinds = kinds
            .iter()
            .map(|name| {
                let latencies = Histogram::new_with_bounds(1, LONGEST_MICROSECONDS, 3)?;
                Ok::<_, Failure>(KindMeasured { name: (*name).to_owned(), latencies, codes: BTreeMap::new() })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self { kinds, begun, seconds: Vec::new(), shown: 0 })
    }

    /// Forgets the warm-up.
    pub fn begin_anew(&mut self, now: Instant) {
        for kind in &mut self.kinds {
            kind.latencies.reset();
            kind.codes.clear();
        }
        self.seconds.clear();
        self.begun = now;
        self.shown = 0;
    }

    pub fn note(&mut self, kind: usize, answer: &Answer<'_>, latency: Duration) {
        let code = if answer.status >= 400 { answer.text_field("code") } else { None };
        self.count(kind, latency, |codes| {
            let same = |known: &&mut (String, u64)| known.0 == code.unwrap_or_default();
            let of_status = codes.entry(answer.status).or_default();
            match of_status.iter_mut().find(same) {
                Some((_, count)) => *count += 1,
                None => of_status.push((code.unwrap_or_default().to_owned(), 1)),
            }
        });
    }

    /// A request whose answer never came.
    pub fn note_failure(&mut self, kind: usize, error: &io::Error, latency: Duration) {
        let what = format!("no answer: {}", error.kind());
        self.count(kind, latency, |codes| {
            let none = codes.entry(0).or_default();
            match none.iter_mut().find(|known| known.0 == what) {
                Some((_, count)) => *count += 1,
                None => none.push((what, 1)),
            }
        });
    }

    fn count(
        &mut self,
        kind: usize,
        latency: Duration,
        add: impl FnOnce(&mut BTreeMap<u16, Vec<(String, u64)>>),
    ) {
        let second = self.begun.elapsed().as_secs() as usize;
        if self.seconds.len() <= second {
            self.seconds.resize(second + 1, 0);
        }
        self.seconds[second] += 1;
        let kind = &mut self.kinds[kind];
        kind.latencies.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
        add(&mut kind.codes);
    }

    fn answers(&self) -> u64 {
        self.kinds.iter().map(|kind| kind.latencies.len()).sum()
    }

    /// How it goes, since the last time of asking.
    pub fn progress(&mut self, now: Instant) -> String {
        let answers = self.answers();
        let recent = answers.saturating_sub(self.shown);
        self.shown = answers;
        let mut all = self.kinds.iter().map(|kind| kind.latencies.value_at_quantile(0.99));
        let slowest = all.by_ref().max().unwrap_or(0) as f64 / 1000.0;
        let seconds = now.saturating_duration_since(self.begun).as_secs();
        format!("{seconds:>4} s  {recent:>7}/s  p99 {slowest:.1} ms")
    }

    pub fn finish(
        &mut self,
        now: Instant,
        rate: Option<f64>,
        unsent: u64,
        cpu: CpuTimes,
        exhausted: bool,
    ) -> Measured {
        Measured {
            kinds: std::mem::take(&mut self.kinds),
            elapsed: now.saturating_duration_since(self.begun),
            seconds: std::mem::take(&mut self.seconds),
            rate,
            unsent,
            cpu,
            exhausted,
        }
    }
}
