//! Whose turn it is: sorts of messages take turns, and within a sort its tenants do.
//!
//! A queue is the messages of one sort and tenant. Of each sort the queues are looked at in a circle, some at a time
//! ([`STEPS`]), from where the last look ended: however many messages one queue has, the next one's come after as many
//! of them as of any other. Every process has a circle of its own.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

/// Queues of a sort that are looked at in one go.
pub(super) const STEPS: usize = 32;

/// A queue, by its first message.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Queue {
    pub sort: String,
    pub tenant_id: Uuid,
    pub urgent: bool,
    /// Its first message is.
    pub is_due: bool,
}

/// How many messages are to be taken from a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Share {
    pub sort: String,
    pub tenant_id: Uuid,
    pub messages: usize,
}

/// Deliveries that may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// In all.
    pub any: usize,
    /// Of these, for messages that nobody waits for.
    pub unhurried: usize,
}

impl Room {
    fn take(&mut self, urgent: bool) -> bool {
        let fits = self.any > 0 && (urgent || self.unhurried > 0);
        if fits {
            self.any -= 1;
            self.unhurried = self.unhurried.saturating_sub(usize::from(!urgent)).min(self.any);
        }
        fits
    }
}

/// Where each circle stands.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// The last tenant that was looked at or served, of sorts that were not looked at to their end.
    cursors: BTreeMap<String, Uuid>,
    /// The sort that was served last.
    last_sort: String,
    /// Of the round that is under way: how often each circle has still to come to its end before all of it was seen.
    ends_ahead: BTreeMap<String, u8>,
}

impl Turns {
    /// Begins to look at all queues.
    pub fn begin_round(&mut self) {
        // A circle that begins in its middle is seen as a whole when it has ended twice.
        self.ends_ahead = self.cursors.keys().map(|sort| (sort.clone(), 2)).collect();
    }

    /// Whether all queues that can be served were looked at since the round began.
    pub fn round_is_over(&self) -> bool {
        self.ends_ahead.values().all(|ends| *ends == 0)
    }

    pub fn cursors(&self) -> (Vec<String>, Vec<Uuid>) {
        self.cursors.iter().map(|(sort, tenant_id)| (sort.clone(), *tenant_id)).unzip()
    }

    /// Chooses from `seen`: of each sort up to [`STEPS`] queues after its cursor, in the order of their tenants.
    pub fn choose(&mut self, seen: Vec<Queue>, mut room: Room) -> Vec<Share> {
        let mut sorts: BTreeMap<String, Vec<Queue>> = BTreeMap::new();
        for queue in seen {
            sorts.entry(queue.sort.clone()).or_default().push(queue);
        }
        let past_all: Vec<String> =
            self.cursors.keys().filter(|sort| !sorts.contains_key(*sort)).cloned().collect();
        for sort in past_all {
            self.end_of(&sort);
        }
        let picks = self.pick(&sorts, &mut room);
        for (sort, queues) in &sorts {
            let due = queues.iter().filter(|queue| queue.is_due).count();
            let picked = picks.get(sort).map_or(0, |picked| picked.len());
            let is_end = queues.len() < STEPS;
            if picked < due {
                // There is no room for the rest: the next one's turn comes when there is.
                self.ends_ahead.insert(sort.clone(), 0);
                if let Some(last) = picks.get(sort).and_then(|picked| picked.last()) {
                    self.cursors.insert(sort.clone(), last.tenant_id);
                }
            } else if is_end {
                self.end_of(sort);
            } else if let Some(last) = queues.last() {
                self.ends_ahead.entry(sort.clone()).or_insert(1);
                self.cursors.insert(sort.clone(), last.tenant_id);
            }
        }
        picks.into_values().flatten().collect()
    }

    fn end_of(&mut self, sort: &str) {
        self.cursors.remove(sort);
        let ends = self.ends_ahead.entry(sort.to_owned()).or_insert(1);
        *ends = ends.saturating_sub(1);
    }

    /// One message of each sort in turn, each time of its next tenant, until there is no room.
    fn pick(
        &mut self,
        sorts: &BTreeMap<String, Vec<Queue>>,
        room: &mut Room,
    ) -> BTreeMap<String, Vec<Share>> {
        let due: BTreeMap<&String, Vec<&Queue>> = sorts
            .iter()
            .map(|(sort, queues)| (sort, queues.iter().filter(|queue| queue.is_due).collect::<Vec<_>>()))
            .filter(|(_, due)| !due.is_empty())
            .collect();
        let mut order: Vec<&String> = due.keys().copied().collect();
        let first = order.partition_point(|sort| **sort <= self.last_sort);
        order.rotate_left(first);
        let mut picks: BTreeMap<String, Vec<Share>> = BTreeMap::new();
        let mut full: BTreeSet<&String> = BTreeSet::new();
        for turn in 0.. {
            for sort in order.iter().filter(|sort| !full.contains(*sort)).copied().collect::<Vec<_>>() {
                let queue = due[sort][turn % due[sort].len()];
                if !room.take(queue.urgent) {
                    full.insert(sort);
                    continue;
                }
                self.last_sort.clone_from(sort);
                let shares = picks.entry(sort.clone()).or_default();
                match shares.iter_mut().find(|share| share.tenant_id == queue.tenant_id) {
                    Some(share) => share.messages += 1,
                    None => {
                        shares.push(Share { sort: sort.clone(), tenant_id: queue.tenant_id, messages: 1 })
                    }
                }
            }
            if full.len() == order.len() {
                break;
            }
        }
        picks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(sort: &str, tenant: u128, is_due: bool) -> Queue {
        let urgent = sort == "reset";
        Queue { sort: sort.to_owned(), tenant_id: Uuid::from_u128(tenant), urgent, is_due }
    }

    /// What [`super::super::store::walk`] shows of `queues`.
    fn seen(turns: &Turns, queues: &[Queue]) -> Vec<Queue> {
        let mut seen: Vec<Queue> = Vec::new();
        for queue in queues {
            let of_sort = seen.iter().filter(|other| other.sort == queue.sort).count();
            let is_ahead = turns.cursors.get(&queue.sort).is_none_or(|cursor| queue.tenant_id > *cursor);
            if is_ahead && of_sort < STEPS {
                seen.push(queue.clone());
            }
        }
        seen
    }

    fn served(turns: &mut Turns, queues: &[Queue], room: usize) -> Vec<(String, u128, usize)> {
        let seen = seen(turns, queues);
        let room = Room { any: room, unhurried: room };
        let shares = turns.choose(seen, room);
        shares.into_iter().map(|share| (share.sort, share.tenant_id.as_u128(), share.messages)).collect()
    }

    #[test]
    fn sorts_and_tenants_take_turns() {
        let queues = [queue("a", 1, true), queue("a", 2, true), queue("a", 3, true), queue("b", 9, true)];
        let mut turns = Turns::default();
        let mut order = Vec::new();
        for _ in 0..6 {
            turns.begin_round();
            order.extend(served(&mut turns, &queues, 1));
        }
        let tenants: Vec<u128> = order.iter().map(|(_, tenant, _)| *tenant).collect();
        assert_eq!(tenants, [1, 9, 2, 9, 3, 9]);
    }

    #[test]
    fn what_nobody_waits_for_leaves_room() {
        let queues = [queue("bulk", 1, true), queue("reset", 2, true)];
        let mut turns = Turns::default();
        turns.begin_round();
        let shares = turns.choose(seen(&turns, &queues), Room { any: 2, unhurried: 0 });
        let shares: Vec<(&str, usize)> =
            shares.iter().map(|share| (share.sort.as_str(), share.messages)).collect();
        assert_eq!(shares, [("reset", 2)]);
        assert!(turns.round_is_over(), "the other one waits for room, not for a look");
    }

    #[test]
    fn one_tenant_alone_gets_all_the_room() {
        let mut turns = Turns::default();
        turns.begin_round();
        assert_eq!(served(&mut turns, &[queue("a", 1, true)], 5), [("a".to_owned(), 1, 5)]);
    }

    #[test]
    fn a_round_sees_every_queue_wherever_it_begins() {
        let many: Vec<Queue> = (1..=100).map(|tenant| queue("a", tenant, false)).collect();
        for late in [1, 50, 100] {
            for begun_at in [None, Some(1), Some(60), Some(100)] {
                let mut turns = Turns::default();
                turns.cursors.extend(begun_at.map(|tenant| ("a".to_owned(), Uuid::from_u128(tenant))));
                let mut queues = many.clone();
                queues[late - 1].is_due = true;
                turns.begin_round();
                let mut looks = 0;
                let found = loop {
                    looks += 1;
                    let served = served(&mut turns, &queues, 1);
                    if !served.is_empty() || turns.round_is_over() {
                        break served;
                    }
                };
                assert_eq!(found, [("a".to_owned(), late as u128, 1)], "begun at {begun_at:?}");
                assert!(looks <= 8, "{looks}");
            }
        }
    }

    #[test]
    fn a_round_over_nothing_due_ends() {
        let queues: Vec<Queue> = (1..=100).map(|tenant| queue("a", tenant, false)).collect();
        let mut turns = Turns::default();
        turns.begin_round();
        for _ in 0..4 {
            assert_eq!(served(&mut turns, &queues, 1), []);
        }
        assert!(turns.round_is_over());
    }
}
