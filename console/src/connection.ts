// The connection: connects, shows connects and disconnects, and loads data after each connect.

import { io } from "socket.io-client";
import type { SwitchboardSocket } from "switchboard-events";

import * as bulk from "./bulk.ts";
import * as campaigns from "./campaigns.ts";
import { load } from "./conversations.ts";
import * as messages from "./messages.ts";
import { transports } from "./packets.ts";
import * as people from "./people.ts";
import * as push from "./push.ts";
import { useSocket } from "./requests.ts";
import { measure } from "./round-trip.ts";
import { change, maySendToMany, state } from "./store.ts";
import type { Me } from "./store.ts";
import { refresh } from "./thread.ts";
import * as unread from "./unread.ts";

const refusedTokens = ["unauthorized", "token_expired", "token_revoked"];

/** Loads the campaigns, which customers do not have. Returns whether that succeeded. */
const loadCampaigns = async () => (state.me && maySendToMany(state.me) ? campaigns.load() : true);

/** Loads everything that the page shows. Returns whether all requests succeeded. */
async function loadAll(): Promise<boolean> {
  const all = await Promise.all([
    people.watchAgain(),
    load(),
    unread.load(),
    refresh(),
    loadCampaigns(),
    push.load(),
  ]);
  return all.every((isAnswered) => isAnswered);
}

export function connect({ token }: Me) {
  const socket: SwitchboardSocket = io({ auth: { token }, transports });
  useSocket(socket);
  showState(socket);
  loadOnConnect(socket);
  people.listen(socket);
  messages.listen(socket);
  bulk.listen(socket);
  unread.listen(socket);
  campaigns.listen(socket);
}

function loadOnConnect(socket: SwitchboardSocket) {
  let isLoaded = false;
  socket.on("connect", async () => {
    // A recovered connection receives the missed events, but data that was never loaded must be requested.
    if (socket.recovered && isLoaded) {
      if (state.thread?.isLoaded === false) void refresh();
      campaigns.loadRunning();
      // What was pushed in the meantime is not repeated.
      void unread.load();
    } else {
      isLoaded = false;
      isLoaded = await loadAll();
    }
    void measure();
  });
}

function showState(socket: SwitchboardSocket) {
  let lastCode: string | undefined;
  const lost = (problem: string | null) => {
    const isRefused = refusedTokens.includes(lastCode ?? "");
    // The library does not reconnect after the server has ended the connection.
    const givenUp = isRefused ? "needs token" : "manual";
    const reconnection = socket.active ? "automatic" : givenUp;
    change({ status: "disconnected", reconnection, problem });
    change({ transport: null, sid: null, recovered: null });
  };
  socket.on("connect", () => {
    lastCode = undefined;
    const { id, recovered } = socket;
    const transport = socket.io.engine.transport.name;
    socket.io.engine.on("upgrade", ({ name }) => change({ transport: name }));
    change({ status: "connected", problem: null, sid: id ?? null, recovered, transport });
  });
  socket.on("connect_error", (error) => {
    lastCode = (error as { data?: { code?: string } }).data?.code;
    lost(lastCode ? `${error.message} (${lastCode})` : error.message);
  });
  socket.on("disconnect", (reason) => {
    const isExplained = refusedTokens.includes(lastCode ?? "");
    lost(isExplained ? state.problem : `Disconnected: ${reason}`);
  });
  socket.on("error", ({ code, message, event }) => {
    if (bulk.isTooManyForOne(event, code)) return;
    lastCode = code;
    change({ problem: `${event ? `${event}: ` : ""}${message} (${code})` });
  });
}
