// Preferences: who may reach a user, and who sees that they are here.

import assert from "node:assert/strict";
import test, { after, afterEach, before } from "node:test";

import { API_KEY, callApi } from "./support/api.ts";
import { resultsOf, run } from "./support/campaigns.ts";
import {
  ackOf,
  closeAll,
  connect,
  contractor,
  next,
  record,
  refusal,
  request,
  sendText,
  sendTo,
  statusOf,
  until,
} from "./support/clients.ts";
import type { Client } from "./support/clients.ts";
import { startServer } from "./support/server.ts";
import type { Server } from "./support/server.ts";

let server: Server;
before(async () => {
  server = await startServer({ vars: { API_KEY } });
});
afterEach(closeAll);
after(() => server.close({ erasures: 1 }));

type Change = Parameters<typeof request<"set_preferences">>[2];

const prefer = (socket: Client, change: Change) => request(socket, "set_preferences", change);

const DEFAULT = {
  notices: "all",
  quietHours: null,
  presence: "everyone",
  bulkMessages: "everyone",
} as const;

const neverSeen = (userId: string) => ({
  userId,
  isOnline: false,
  lastSeen: null,
  connectionCount: 0,
});

const api = (method: string, path: string, body?: object) => callApi(server, method, path, body);

/** Returns a growing list of the packets that arrive from now on, as they are. */
function packets(socket: Client) {
  const all: string[] = [];
  socket.io.engine.on("packet", ({ type, data }: { type: string; data?: unknown }) => {
    if (type === "message") all.push(String(data));
  });
  return all;
}

/** Has the server answer and push everything that is on its way to this client. */
const settle = (socket: Client) => ackOf(socket, "get_preferences", {});

test("what is not given stays, and every device and the backend see the same", async () => {
  const one = await connect(server, "ann");
  const other = await connect(server, "ann");
  assert.deepEqual(await request(one, "get_preferences", {}), DEFAULT);
  const quietHours = { from: "22:00", to: "07:00", timeZone: "Europe/Berlin" };
  const pushed = next(other, "preferences");
  const quiet = { ...DEFAULT, notices: "direct", quietHours } as const;
  assert.deepEqual(await prefer(one, { notices: "direct", quietHours }), quiet);
  assert.deepEqual(await pushed, [quiet]);
  // The device that has asked gets the reply, and nothing else.
  const replies = one.events.filter(([name]) => name === "preferences");
  assert.equal(replies.length, 2);

  const heard = record(other, "preferences");
  const strict = { presence: "nobody", bulkMessages: "contacts" } as const;
  const [status, body] = await api("PUT", "/v1/users/ann/preferences", strict);
  assert.deepEqual([status, body], [200, { ...quiet, ...strict }]);
  assert.deepEqual(await api("GET", "/v1/users/ann/preferences"), [200, body]);
  await until(() => heard.length === 1, "the push of what the backend has changed");
  assert.deepEqual(heard[0], ["preferences", body]);
  // A repeat changes nothing, so nobody is told.
  assert.deepEqual(await prefer(one, strict), body);
  await settle(other);
  assert.equal(heard.length, 2, "the reply to this device's own request");

  await server.evict("ann", "hibernate");
  const loud = { ...body, quietHours: null };
  assert.deepEqual(await prefer(one, { quietHours: null }), loud);
  for (const row of await server.everywhere("SELECT * FROM users WHERE user_id = 'ann'")) {
    assert.deepEqual([row.presence, row.bulk_messages], ["nobody", "contacts"]);
  }
  // An erased user's preferences are gone.
  assert.deepEqual(await api("DELETE", "/v1/users/ann"), [204, ""]);
  const iat = Math.floor(Date.now() / 1000) + 1;
  const reborn = await connect(server, "ann", { claims: { iat } });
  assert.deepEqual(await request(reborn, "get_preferences", {}), DEFAULT);
});

test("what a database has not taken is not confirmed, and a repeat completes it", async () => {
  const user = await connect(server, "careful");
  const shard = server.dbs.at(-1);
  await shard?.exec("ALTER TABLE users RENAME TO away");
  const { code } = await refusal(user, "set_preferences", { bulkMessages: "nobody" });
  assert.equal(code, "unavailable");
  assert.deepEqual(await request(user, "get_preferences", {}), DEFAULT);
  // What only the user's object has to know needs no database.
  assert.equal((await prefer(user, { notices: "none" })).notices, "none");
  await shard?.exec("ALTER TABLE away RENAME TO users");
  assert.equal((await prefer(user, { bulkMessages: "nobody" })).bulkMessages, "nobody");
  const rows = await server.everywhere("SELECT * FROM users WHERE user_id = 'careful'");
  assert.deepEqual(
    rows.map((row) => row.bulk_messages),
    server.dbs.map(() => "nobody"),
  );
});

test("invalid requests", async () => {
  const socket = await connect(server, "odd");
  const hours = (timeZone: string) => ({ from: "22:00", to: "07:00", timeZone });
  const zone = `quietHours.timeZone must be the name of a time zone, such as "Europe/Berlin"`;
  for (const [payload, message] of [
    [{ presence: "friends" }, `presence must be "everyone", "contacts" or "nobody"`],
    [{ quietHours: hours("Europe/Atlantis") }, zone],
    [{ quietHours: hours("+01:00") }, zone],
    [{ quietHours: { ...hours("UTC"), to: "22:00" } }, /must be different times$/],
  ] as const) {
    const error = await refusal(socket, "set_preferences", payload);
    assert.equal(error.code, "invalid_payload");
    if (typeof message === "string") assert.equal(error.message, message);
    else assert.match(error.message, message);
  }
  for (const timeZone of ["UTC", "America/Argentina/Buenos_Aires", "Asia/Kolkata"]) {
    const { quietHours } = await prefer(socket, { quietHours: hours(timeZone) });
    assert.deepEqual(quietHours, hours(timeZone));
  }
  assert.equal((await api("PUT", "/v1/users/nobody/preferences", {}))[0], 404);
  assert.equal((await api("PUT", "/v1/users/odd/preferences", { notices: 7 }))[0], 400);
});

test("who hides looks like somebody who was never here, to the byte", async () => {
  await server.addUser("absent");
  const hidden = await connect(server, "hidden");
  await prefer(hidden, { presence: "nobody" });
  const viewer = await connect(server, "viewer");
  for (const ask of [
    (userId: string) => request(viewer, "get_online_status", { userId }),
    (userId: string) => request(viewer, "get_bulk_online_status", { userIds: [userId] }),
    (userId: string) => request(viewer, "subscribe_online_status", { userIds: [userId] }),
  ]) {
    const answers = [];
    for (const userId of ["hidden", "absent"]) {
      const seen = packets(viewer);
      await ask(userId);
      // The event and the ack, whose number is the request's.
      answers.push(seen.map((packet) => packet.replace(/^3\d+/, "3").replaceAll(userId, "?")));
    }
    assert.equal(answers[0].length, 2);
    assert.deepEqual(answers[0], answers[1]);
  }
  // Coming and going is no news, either: what the viewer is told next is that the user no longer hides.
  hidden.close();
  const back = await connect(server, "hidden");
  const pushed = next(viewer, "user_online_status");
  await prefer(back, { presence: "everyone" });
  assert.equal((await pushed)[0].isOnline, true);
  // The user and the backend always see it.
  await prefer(back, { presence: "nobody" });
  assert.equal((await statusOf(back, "hidden")).isOnline, true);
  assert.equal((await api("GET", "/v1/users/hidden/status"))[1].isOnline, true);
});

test("those who watch see the user leave when they hide, and come back", async () => {
  const watched = await connect(server, "watched");
  const watcher = await connect(server, "watcher");
  const friend = await connect(server, "friend");
  await sendTo(watched, { receiverId: "friend" }, "hello");
  for (const socket of [watcher, friend]) {
    const statuses = await request(socket, "subscribe_online_status", { userIds: ["watched"] });
    assert.equal(statuses.watched.isOnline, true);
  }
  const friendSees = record(friend, "user_online_status");
  const hides = next(watcher, "user_online_status");
  await prefer(watched, { presence: "contacts" });
  assert.deepEqual(await hides, [neverSeen("watched")]);

  // Neither side may rely on memory.
  await server.evict("watched", "hibernate");
  await server.evict("watcher", "hibernate");
  const meets = next(watcher, "user_online_status");
  await sendText(await contractor(server, "stranger"), ["watched"], "an offer");
  await sendTo(watched, { receiverId: "watcher" }, "hello");
  assert.equal((await meets)[0].isOnline, true);
  assert.equal((await statusOf(watcher, "watched")).isOnline, true);
  assert.deepEqual(friendSees, [], "nothing has changed for a contact");

  const goes = [watcher, friend].map((socket) => next(socket, "user_online_status"));
  await prefer(watched, { presence: "nobody" });
  for (const [status] of await Promise.all(goes)) {
    assert.deepEqual(status, neverSeen("watched"));
  }
  const comes = [watcher, friend].map((socket) => next(socket, "user_online_status"));
  await prefer(watched, { presence: "everyone" });
  for (const [status] of await Promise.all(comes)) assert.equal(status.isOnline, true);
});

test("a bulk message makes its receivers contacts", async () => {
  const sender = await contractor(server, "sender");
  const customers = ["customer1", "customer2"];
  for (const id of customers) {
    await sendTo(await connect(server, id), { receiverId: "sender" }, "a question");
  }
  await prefer(sender, { presence: "contacts" });
  const one = await connect(server, "customer1");
  assert.deepEqual(await statusOf(one, "sender"), neverSeen("sender"));
  await sendText(sender, customers, "an answer");
  await server.evict("sender", "hibernate");
  assert.equal((await statusOf(one, "sender")).isOnline, true);
});

test("nothing that devices do by themselves gives away who hides", async () => {
  await server.addUser("away");
  const user = await connect(server, "discreet");
  const stranger = await contractor(server, "inquirer");
  const contact = await connect(server, "contact");
  await sendTo(user, { receiverId: "contact" }, "hello");
  await prefer(user, { presence: "contacts" });

  const seen = packets(stranger);
  const sent = await sendText(stranger, ["discreet", "away"], "an offer");
  assert.deepEqual(
    sent.results.map(({ delivered }) => delivered),
    [false, false],
  );
  const [{ conversationId, messageId }] = sent.results;
  await until(() => user.texts.includes("an offer"), "the offer");
  // What the stranger is told of a message that a device has, and of one that nobody has.
  const strange = await sendTo(stranger, { receiverId: "discreet" }, "are you there?");
  const receipt = next(contact, "message_delivered");
  const known = await sendTo(contact, { receiverId: "discreet" }, "are you there?");
  const [{ messageId: delivered }] = await receipt;
  assert.equal(delivered, known.messageId);
  await request(user, "typing_start", { conversationId });
  await request(user, "mark_as_read", { conversationId, upTo: strange.messageId });
  const { items } = await request(stranger, "get_conversations", {});
  const markers = items.map(({ participants }) => {
    const other = participants.find(({ id }) => id !== "inquirer");
    return [other?.id, other?.readUpTo];
  });
  assert.deepEqual(
    new Map(markers as [string, null][]),
    new Map([
      ["discreet", null],
      ["away", null],
    ]),
  );
  await settle(stranger);
  for (const packet of seen) {
    assert.doesNotMatch(packet, /user_typing|message_read|message_delivered|"readUpTo":"/);
  }

  // To a contact, all of this is shown.
  const inquirer = record(stranger, "user_typing", "message_read");
  await sendTo(user, { conversationId }, "yes");
  await request(user, "typing_start", { conversationId });
  const again = await sendTo(stranger, { conversationId }, "good");
  await request(user, "mark_as_read", { conversationId, upTo: again.messageId });
  await until(() => inquirer.length === 2, "typing and the receipt");
  const page = await request(stranger, "get_conversations", {});
  const talk = page.items.find((item) => item.conversationId === conversationId);
  const other = talk?.participants.find(({ id }) => id === "discreet");
  assert.equal(other?.readUpTo, again.messageId);
  assert.ok(messageId < again.messageId);
});

test("a receiver decides whose bulk messages and campaigns to take", async () => {
  const seller = await contractor(server, "seller");
  const picky = await connect(server, "picky");
  const closed = await connect(server, "closed");
  const open = await connect(server, "open");
  await prefer(picky, { bulkMessages: "contacts" });
  await prefer(closed, { bulkMessages: "nobody" });
  const everybody = ["picky", "closed", "open"];
  const refused = (receiverId: string) => ({
    receiverId,
    error: "Receiver does not accept bulk messages",
  });
  const sent = await sendText(seller, everybody, "an offer");
  assert.deepEqual(sent.errors, ["picky", "closed"].map(refused));
  assert.deepEqual(
    sent.results.map(({ receiverId }) => receiverId),
    ["open"],
  );

  // A message to one is another matter, and does not make its sender a contact.
  await sendTo(seller, { receiverId: "picky" }, "a word");
  assert.equal((await sendText(seller, ["picky"], "no")).totalFailed, 1);
  await sendTo(picky, { receiverId: "seller" }, "what do you offer?");
  const { campaignId, sent: count, failed } = await run(seller, everybody, "a campaign");
  assert.deepEqual([count, failed], [2, 1]);
  assert.deepEqual((await resultsOf(seller, campaignId)).errors, [refused("closed")]);

  await prefer(closed, { bulkMessages: "everyone" });
  assert.equal((await sendText(seller, everybody, "at last")).totalSent, 3);
  for (const [socket, texts] of [
    [picky, ["a word", "a campaign", "at last"]],
    [closed, ["at last"]],
    [open, ["an offer", "a campaign", "at last"]],
  ] as const) {
    await until(() => socket.texts.length === texts.length, "all messages");
    assert.deepEqual(socket.texts, texts);
  }
});

test("a user who was here before contacts were known keeps those who are in the record", async () => {
  const user = await connect(server, "veteran");
  const [old, stranger] = [await connect(server, "old"), await connect(server, "unanswered")];
  await sendTo(user, { receiverId: "old" }, "years ago");
  await sendTo(stranger, { receiverId: "veteran" }, "hello");
  // The list as it is after the tables of an earlier version were brought up to date.
  const storage = await server.worker.getDurableObjectStorage("USER", { name: "veteran" });
  await storage.exec("UPDATE conversations SET has_written = 0");
  await prefer(user, { presence: "contacts" });
  assert.equal((await statusOf(old, "veteran")).isOnline, true);
  assert.deepEqual(await statusOf(stranger, "veteran"), neverSeen("veteran"));
});

/** The default of MAX_NEW_SENDERS_PER_DAY. */
const NEW_SENDERS = 20;

/** Adds so many contractors, who have no devices. Returns their ids. */
async function contractors(name: string, count: number) {
  const ids = Array.from({ length: count }, (_, index) => `${name}${index}`);
  await Promise.all(ids.map((id) => server.addUser(id, "contractor")));
  return ids;
}

/** Sends a bulk message of a contractor who has no device. Returns what became of it. */
async function offer(senderId: string, receiverId: string, text: string) {
  const body = { senderId, receiverIds: [receiverId], messageType: "text", content: { text } };
  const [status, sent] = await api("POST", "/v1/messages/bulk", body);
  assert.equal(status, 200, JSON.stringify(sent));
  const [{ delivered, held }] = sent.results;
  return { delivered, held };
}

const LIVE = { delivered: true, held: undefined };
const HELD = { delivered: false, held: true };

test("of 100 contractors at once, 20 reach the devices, and the next connect shows the others", async () => {
  const ids = await contractors("crowd", 100);
  const first = await connect(server, "popular");
  const results = await Promise.all(ids.map((id) => offer(id, "popular", id)));
  const kinds = (wanted: object) =>
    results.filter((result) => JSON.stringify(result) === JSON.stringify(wanted)).length;
  assert.deepEqual([kinds(LIVE), kinds(HELD)], [NEW_SENDERS, 100 - NEW_SENDERS]);
  const texts = (held?: true) => ids.filter((_, index) => results[index].held === held).sort();
  await settle(first);
  assert.deepEqual([...first.texts].sort(), texts());

  // Held messages are in the history like all others.
  const { items } = await request(first, "get_conversations", { limit: 100 });
  assert.equal(items.length, 100);

  await server.evict("popular", "hibernate");
  const second = await connect(server, "popular");
  const shown = texts(true);
  for (const socket of [first, second]) {
    await until(() => shown.every((id) => socket.texts.includes(id)), "what was held");
  }
  assert.equal(new Set(first.texts).size, first.texts.length, "nothing twice on one connection");
  // A later connect has nothing left to release.
  const third = await connect(server, "popular");
  await settle(third);
  await settle(first);
  assert.equal(first.texts.length, 100);
});

test("a sender is held for the day, until the user writes to them", async () => {
  const user = await connect(server, "sought");
  const known = await contractor(server, "known");
  assert.equal((await sendText(known, ["sought"], "first")).results[0].delivered, true);
  for (const id of await contractors("early", NEW_SENDERS - 1)) {
    assert.deepEqual(await offer(id, "sought", "early"), LIVE);
  }
  const late = await contractor(server, "late");
  const delivered = next(late, "message_delivered");
  const sent = await sendTo(late, { receiverId: "sought" }, "held");
  assert.equal(sent.held, true);
  assert.equal((await sendText(late, ["sought"], "held, too")).results[0].held, true);
  // Customers are not counted, nor is whoever has written before. A message to one is delivered when a device has it.
  await server.addUser("neighbour");
  const receipt = next(known, "message_delivered");
  const later = await sendTo(known, { receiverId: "sought" }, "later");
  assert.equal(later.held, undefined);
  await receipt;
  const friend = await connect(server, "neighbour");
  assert.equal((await sendTo(friend, { receiverId: "sought" }, "hi")).held, undefined);
  await until(() => user.texts.includes("hi"), "the customer's message");
  assert.ok(user.texts.every((text) => !text.startsWith("held")));
  assert.ok(late.events.every(([name]) => name !== "message_delivered"));

  // The device recovers, and gets what was held behind what it has.
  user.io.engine.close();
  await server.evict("sought", "close");
  user.connect();
  await next(user, "connect");
  assert.equal(user.recovered, true);
  await until(() => user.texts.includes("held, too"), "what was held");
  assert.deepEqual(user.texts.slice(-2), ["held", "held, too"]);
  assert.equal((await delivered)[0].messageId, sent.messageId);
  // They are still held: whether the user was here makes no difference to the sender.
  assert.equal((await sendText(late, ["sought"], "held again")).results[0].held, true);
  await sendTo(user, { receiverId: "late" }, "tell me more");
  assert.equal((await sendText(late, ["sought"], "gladly")).results[0].delivered, true);
  await until(() => user.texts.includes("gladly"), "the message to a contact");
  // Away or here, a held message is the same to its sender.
  const [other] = await contractors("other", 1);
  await server.addUser("away2");
  user.close();
  assert.deepEqual(await offer(other, "sought", "held"), HELD);
});
