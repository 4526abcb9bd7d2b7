use super::licence_key;
use crate::installation::Shop;

/// Licences by number, spread evenly over shops: what scenarios draw from, whoever wrote the rows.
#[derive(Debug, Clone)]
pub struct Population {
    hosts: Vec<String>,
    licences: u64,
}

impl Population {
    pub fn of_shop(shop: &Shop, licences: u64) -> Self {
        Self { hosts: vec![shop.host.clone()], licences }
    }

    /// As `loadtests seed` writes it.
    pub fn seeded(tenants: u64, licences: u64) -> Self {
        Self { hosts: (0..tenants).map(seeded_host).collect(), licences }
    }

    pub fn licences(&self) -> u64 {
        self.licences
    }

    pub fn hosts(&self) -> &[String] {
        &self.hosts
    }

    /// In which of the shops a licence is.
    pub fn shop_of(&self, number: u64) -> usize {
        usize::try_from(number % self.hosts.len() as u64).unwrap_or(0)
    }

    pub fn key_of(number: u64) -> String {
        licence_key(number)
    }

    /// Of each shop's licences every second one is active, on `device-<number>`.
    pub fn is_activated(number: u64, shops: u64) -> bool {
        (number / shops).is_multiple_of(2)
    }

    /// How many licences are on no device.
    pub fn free_licences(&self) -> u64 {
        let shops = self.hosts.len() as u64;
        self.licences / shops / 2 * shops
    }

    /// The `place`-th licence without a device.
    pub fn free_licence(&self, place: u64) -> u64 {
        let shops = self.hosts.len() as u64;
        (place / shops * 2 + 1) * shops + place % shops
    }

    pub fn has_device(&self, number: u64) -> bool {
        Self::is_activated(number, self.hosts.len() as u64)
    }
}

/// The host of the `number`-th seeded tenant.
pub fn seeded_host(number: u64) -> String {
    format!("seed-{number:06}.test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_licences_are_those_without_a_device() {
        let population = Population::seeded(7, 100);
        let free: Vec<u64> =
            (0..population.free_licences()).map(|place| population.free_licence(place)).collect();
        assert!(free.iter().all(|number| *number < 100 && !population.has_device(*number)));
        let mut distinct = free.clone();
        distinct.dedup();
        assert_eq!((free.len(), distinct.len()), (49, 49));
    }
}
