//! Which of the networks in a slot were seen, and which of them gives its place to another next, in one word.

use super::record::NETWORKS;

/// Bits 0 to 3 are the networks seen since the last flight, bits 4 to 7 those seen in it; above is the number of the
/// next one to replace.
#[derive(Clone, Copy)]
pub(super) struct SeenNetworks(pub u64);

impl SeenNetworks {
    const EACH: u64 = (1 << NETWORKS) - 1;
    const BOTH: u64 = Self::EACH | Self::EACH << NETWORKS;

    /// Those seen since the last flight, a bit each.
    pub fn waiting(self) -> u64 {
        self.0 & Self::EACH
    }

    /// Those seen in the last flight, a bit each.
    pub fn in_flight(self) -> u64 {
        self.0 >> NETWORKS & Self::EACH
    }

    /// Which one is to be replaced.
    pub fn oldest(self) -> usize {
        (self.0 >> (2 * NETWORKS)) as usize % NETWORKS
    }

    /// With this one seen.
    pub fn with(self, index: usize) -> Self {
        SeenNetworks(self.0 | 1 << index)
    }

    /// With the oldest replaced by one that is seen.
    pub fn with_another(self) -> Self {
        let index = self.oldest();
        let others = self.0 & Self::BOTH & !(1 << (NETWORKS + index));
        let next = (index + 1) % NETWORKS;
        SeenNetworks(others | (next as u64) << (2 * NETWORKS)).with(index)
    }

    /// With those that wait in a flight.
    pub fn departed(self) -> Self {
        SeenNetworks(self.0 & !Self::BOTH | self.waiting() << NETWORKS)
    }

    /// With those of the flight waiting again.
    pub fn given_back(self) -> Self {
        SeenNetworks(self.0 | self.in_flight())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_that_takes_the_place_of_one_in_flight_is_not_in_flight() {
        let all = (0..NETWORKS).fold(SeenNetworks(0), |seen, _| seen.with_another());
        assert_eq!((all.waiting(), all.in_flight(), all.oldest()), (0b1111, 0, 0));
        let departed = all.departed();
        assert_eq!((departed.waiting(), departed.in_flight(), departed.oldest()), (0, 0b1111, 0));
        let replaced = departed.with_another().with(2);
        assert_eq!((replaced.waiting(), replaced.in_flight(), replaced.oldest()), (0b0101, 0b1110, 1));
        let back = replaced.given_back();
        assert_eq!((back.waiting(), back.oldest()), (0b1111, 1));
    }
}
