//! What a user's object counts as unread is what the record says, whatever happens in whatever order.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::core::events::get_conversations::{MAX_UNREAD_COUNT, own_marks};
use crate::core::events::get_unread_total::UnreadTotal;
use crate::core::ids::conversation_id;
use crate::core::store::Store;
use crate::core::store::testing::Draw;

const PEERS: [&str; 5] = ["c1", "c2", "c3", "c4", "c5"];

/// A conversation of `me` with one of the peers, as a model.
#[derive(Default)]
struct Model {
    /// Messages of the peer that are in the record and on their way.
    on_their_way: VecDeque<String>,
    received: Vec<String>,
    /// All messages of both.
    all: Vec<String>,
    /// The marker, as far as the object has been answered.
    mark: String,
}

impl Model {
    fn unread(&self) -> u64 {
        let newer = self.received.iter().filter(|id| **id > self.mark);
        newer.count() as u64
    }
}

/// The object of `me` and the record.
struct World<'a> {
    db: &'a Connection,
    database: &'a Connection,
    store: Store<&'a Connection>,
    talks: BTreeMap<usize, Model>,
    now: Millis,
}

fn target(peer: usize, message_id: &str) -> Target {
    Target {
        receiver_id: PEERS[peer].into(),
        conversation_id: conversation_id("me", PEERS[peer]),
        message_id: message_id.into(),
    }
}

impl World<'_> {
    /// Stores a message in the record and returns its id.
    fn record(&mut self, from: &str, to: &str, peer: usize) -> String {
        self.now += 1;
        let settled = send(self.db, id(self.now), from, &message(&[to], None));
        let message_id = settled.0[0].message_id.clone();
        let talk = self.talks.entry(peer).or_default();
        talk.all.push(message_id.clone());
        message_id
    }

    fn peer_sends(&mut self, peer: usize) {
        let message_id = self.record(PEERS[peer], "me", peer);
        let talk = self.talks.entry(peer).or_default();
        talk.on_their_way.push_back(message_id);
    }

    fn answer(&mut self, peer: usize) {
        let message_id = self.record("me", PEERS[peer], peer);
        let sent = [target(peer, &message_id)];
        self.store.conversations_add(&sent).unwrap();
    }

    fn deliver(&mut self, peer: usize) {
        let talk = self.talks.entry(peer).or_default();
        let Some(message_id) = talk.on_their_way.pop_front() else {
            return;
        };
        let message = target(peer, &message_id);
        self.store.message_received(&message, None).unwrap();
        talk.received.push(message_id);
    }

    /// A message that the log has forgotten.
    fn deliver_again(&mut self, peer: usize, draw: &mut Draw) {
        let received = &self.talks.entry(peer).or_default().received;
        if !received.is_empty() {
            let again = target(peer, &received[draw.below(received.len())]);
            self.store.message_received(&again, None).unwrap();
        }
    }

    /// The user reads up to some message, which need not have arrived. The answer of the record may be lost.
    fn read(&mut self, peer: usize, draw: &mut Draw) {
        let talk = self.talks.entry(peer).or_default();
        if talk.received.is_empty() {
            return;
        }
        let up_to = talk.all[draw.below(talk.all.len())].clone();
        let conversation_id = conversation_id("me", PEERS[peer]);
        let marking = Marking {
            conversation_id: conversation_id.clone(),
            what: What::UpTo(up_to.clone()),
        };
        for statement in mark_read("me", &marking) {
            run(self.db, &statement);
        }
        if draw.below(8) > 0 {
            let before = talk.unread();
            talk.mark = talk.mark.clone().max(up_to.clone());
            let is_less = talk.unread() < before;
            let mark = (conversation_id.as_str(), up_to.as_str());
            assert_eq!(self.store.mark_read(&[mark]).unwrap(), is_less);
        }
    }

    /// A page of the list has all markers.
    fn list(&mut self) -> UnreadTotal {
        let ids: Vec<String> = PEERS.map(|peer| conversation_id("me", peer)).into();
        let rows = rows::<ConversationRow>(self.db, &conversations("me", &ids));
        let items = in_order(&ids, rows);
        let marks = own_marks(&items, "me");
        self.store.mark_read(&marks).unwrap();
        for (peer, talk) in &mut self.talks {
            let own = conversation_id("me", PEERS[*peer]);
            if let Some((_, mark)) = marks.iter().find(|(id, _)| *id == own) {
                talk.mark = (*mark).to_owned();
            }
        }
        sum(items.iter().map(|item| item.unread_count))
    }

    /// The peer is erased, and comes back as somebody else.
    fn forget(&mut self, peer: usize) {
        let ids = [conversation_id("me", PEERS[peer])];
        for statement in erase_conversations(PEERS[peer], &ids) {
            run(self.db, &statement);
        }
        self.store.conversation_remove(&ids[0]).unwrap();
        self.talks.remove(&peer);
    }

    fn recount(&self) -> UnreadTotal {
        sum(self.talks.values().map(Model::unread))
    }
}

fn sum(counts: impl Iterator<Item = u64>) -> UnreadTotal {
    let counts: Vec<u64> = counts.filter(|count| *count > 0).collect();
    UnreadTotal {
        messages: counts.iter().sum(),
        conversations: counts.len() as u64,
    }
}

#[test]
fn ten_thousand_operations() {
    let db = database();
    for peer in PEERS.iter().chain(&["me"]) {
        add(&db, peer, Role::Contractor, None);
    }
    db.execute("UPDATE users SET role = 'contractor'", [])
        .unwrap();
    let database = Connection::open_in_memory().unwrap();
    let mut world = World {
        db: &db,
        database: &database,
        store: Store::new(&database),
        talks: BTreeMap::new(),
        now: NOW,
    };
    let mut draw = Draw(0x9e37_79b9_7f4a_7c15);
    for operation in 0..10_000 {
        let peer = draw.below(PEERS.len());
        match draw.below(100) {
            0..34 => world.peer_sends(peer),
            34..68 => world.deliver(peer),
            68..74 => world.deliver_again(peer, &mut draw),
            74..78 => world.answer(peer),
            78..84 => world.read(peer, &mut draw),
            84..85 => world.forget(peer),
            85..90 => world.store = Store::new(world.database),
            90..98 => assert_eq!(world.store.unread_total().unwrap(), world.recount()),
            _ => _ = world.list(),
        }
        if operation % 100 == 99 {
            for peer in 0..PEERS.len() {
                (0..100).for_each(|_| world.deliver(peer));
            }
            let listed = world.list();
            assert_eq!(world.store.unread_total().unwrap(), listed, "{operation}");
            assert_eq!(world.recount(), listed, "{operation}");
        }
    }
}

#[test]
fn counting_stops_where_the_list_stops() {
    let database = Connection::open_in_memory().unwrap();
    let store = Store::new(&database);
    let ids: Vec<String> = (0..MAX_UNREAD_COUNT + 5)
        .map(|time| id(NOW + time).to_string())
        .collect();
    let messages = || store.unread_total().unwrap().messages;
    for message_id in &ids {
        store
            .message_received(&target(0, message_id), None)
            .unwrap();
    }
    assert_eq!(messages(), MAX_UNREAD_COUNT);
    let mark = |index: usize| (target(0, "").conversation_id, ids[index].clone());
    for (index, unread) in [(2, MAX_UNREAD_COUNT), (7, MAX_UNREAD_COUNT - 3)] {
        let (conversation_id, up_to) = mark(index);
        store.mark_read(&[(&conversation_id, &up_to)]).unwrap();
        assert_eq!(messages(), unread);
    }
}
