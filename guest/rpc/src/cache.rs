//! The last reply to each client, so that what is asked for again is not executed again.

use alloc::vec::Vec;

/// Clients whose last replies are kept; of one more, the one that was heard of longest ago is
/// forgotten, and what it asks for again from before would be executed again.
const MOST_CLIENTS: usize = 64;

struct Entry {
    client: u64,
    number: u64,
    reply: Vec<u8>,
}

/// What is known of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Seen<'a> {
    /// Nothing: it is new.
    New,
    /// It is the client's last, and this was the reply.
    Last(&'a [u8]),
    /// The client has asked for something else since, so it does not wait for the reply.
    Old,
}

/// Last replies, that of the client heard of longest ago first.
#[derive(Default)]
pub(crate) struct Cache(Vec<Entry>);

impl Cache {
    /// What is known of request `number` of a client.
    pub(crate) fn look(&mut self, client: u64, number: u64) -> Seen<'_> {
        let Some(index) = self.0.iter().position(|entry| entry.client == client) else {
            return Seen::New;
        };
        // It is the one heard of last now.
        self.0[index..].rotate_left(1);
        match self.0.last() {
            Some(entry) if entry.number == number => Seen::Last(&entry.reply),
            Some(entry) if entry.number > number => Seen::Old,
            _ => Seen::New,
        }
    }

    /// Keeps the reply to a client's new request.
    pub(crate) fn keep(&mut self, client: u64, number: u64, reply: Vec<u8>) {
        self.0.retain(|entry| entry.client != client);
        if self.0.len() >= MOST_CLIENTS {
            self.0.remove(0);
        }
        self.0.push(Entry {
            client,
            number,
            reply,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_last_reply_of_each_client_is_kept() {
        let mut cache = Cache::default();
        assert_eq!(cache.look(1, 1), Seen::New);
        cache.keep(1, 1, vec![11]);
        cache.keep(2, 1, vec![21]);
        assert_eq!(cache.look(1, 1), Seen::Last(&[11]));
        assert_eq!(cache.look(2, 1), Seen::Last(&[21]));
        assert_eq!(cache.look(1, 2), Seen::New);
        cache.keep(1, 2, vec![12]);
        assert_eq!(cache.look(1, 2), Seen::Last(&[12]));
        assert_eq!(cache.look(1, 1), Seen::Old);
    }

    #[test]
    fn of_too_many_clients_the_one_heard_of_longest_ago_is_forgotten() {
        let mut cache = Cache::default();
        for client in 0..MOST_CLIENTS as u64 {
            cache.keep(client, 1, vec![]);
        }
        assert_eq!(cache.look(0, 1), Seen::Last(&[]));
        cache.keep(1000, 1, vec![]);
        assert_eq!(cache.look(1, 1), Seen::New);
        assert_eq!(cache.look(0, 1), Seen::Last(&[]));
        assert_eq!(cache.0.len(), MOST_CLIENTS);
    }
}
