//! Uses of one token, as they go in and come out of its slot.

use super::address::{Address, network_text};

/// A verification of a token that exists.
pub struct Use {
    /// The moment, in microseconds since 2000.
    pub at: i64,
    /// Whether the token was accepted.
    pub valid: bool,
    /// The client, if known.
    pub client: Option<Address>,
}

/// Some uses of one token. Moments are microseconds since 2000; 0 is none.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Record {
    /// When it was first valid, as far as this memory knows.
    pub first_use: i64,
    /// When it was last valid.
    pub last_use: i64,
    /// When it was last denied.
    pub last_denial: i64,
    /// How often it was valid.
    pub requests: u64,
    /// How often it was denied.
    pub denials: u64,
    pub(super) client: [u64; 3],
    pub(super) networks: [u64; NETWORKS],
}

impl Record {
    /// The client that last presented it.
    pub fn client(&self) -> Option<Address> {
        Address::of_words(self.client)
    }

    /// The networks it was used from.
    pub fn networks(&self) -> impl Iterator<Item = String> {
        self.networks.iter().filter_map(|&network| network_text(network))
    }

    /// The record with this client and these networks.
    pub fn from(mut self, client: Option<Address>, networks: impl IntoIterator<Item = Address>) -> Self {
        self.client = client.map_or([0; 3], Address::words);
        self.networks.iter_mut().zip(networks).for_each(|(word, network)| *word = network.network());
        self
    }

    /// Adds the uses of another record of the same token.
    pub fn merge(&mut self, other: &Record) {
        let last = |record: &Record| record.last_use.max(record.last_denial);
        if last(other) > last(self) && other.client[0] != 0 {
            self.client = other.client;
        }
        if other.first_use != 0 && (self.first_use == 0 || other.first_use < self.first_use) {
            self.first_use = other.first_use;
        }
        self.last_use = self.last_use.max(other.last_use);
        self.last_denial = self.last_denial.max(other.last_denial);
        self.requests += other.requests;
        self.denials += other.denials;
        for network in other.networks.into_iter().filter(|&network| network != 0) {
            if !self.networks.contains(&network)
                && let Some(free) = self.networks.iter_mut().find(|at| **at == 0)
            {
                *free = network;
            }
        }
    }
}

/// What adding a use has shown.
#[derive(Clone, Copy, Default)]
pub struct Counted {
    /// Whether it is a denial that is to become an event.
    pub is_sample: bool,
    /// Whether it is the only use of its token that waits for a batch.
    pub is_first: bool,
}

/// Uses that a batch has taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flight {
    pub batch: u64,
    /// How often it was valid.
    pub requests: u64,
    /// How often it was denied.
    pub denials: u64,
}

/// What a batch that found no row of some token knows of those who could yet commit it.
#[derive(Clone, Copy, Default)]
pub struct Missed {
    /// The transaction of the batch, which began after the one that issued the token.
    pub by: u64,
    /// All transactions before this one had ended when the row was looked for.
    pub all_ended_before: u64,
}

/// How many networks of a token are kept between two batches.
pub(super) const NETWORKS: usize = 4;
