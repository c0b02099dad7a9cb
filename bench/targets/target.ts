// What a scenario needs of a server under test.

import { signToken } from "../../scripts/lib/token.mjs";
import type { Host } from "../load/client.ts";

/** Environment variables of the server. */
export type Vars = Record<string, string>;

/** Pings, limits and routine log lines must not fall into what is measured. */
export const calm: Vars = {
  LOG_CONNECTIONS: "off",
  PING_INTERVAL_MS: "600000",
  PING_TIMEOUT_MS: "600000",
  HEARTBEAT_BOUNDS: "off",
  CONNECT_TIMEOUT_MS: "600000",
  MAX_BULK_RECIPIENTS: "4096",
  MAX_BULK_SENDS_PER_MINUTE: "0",
  MAX_EVENTS_PER_SECOND: "0",
  MAX_OBJECTS_PER_SECOND: "0",
  MAX_QUERIES_PER_SECOND: "0",
  MAX_WAITING_SENDS: "0",
  MAX_WAITING_SEND_BYTES: "0",
  // Not off, because counting is a part of each send.
  MAX_MESSAGES_PER_DAY: "1000000000",
  MAX_MESSAGE_BYTES_PER_DAY: "1000000000000",
  MAX_NEW_CONVERSATIONS_PER_DAY: "1000000000",
  MAX_CONNECTIONS_PER_USER: "0",
};

/** Returns what signs tokens for users. */
export const signedToken =
  (secret: string) =>
  (sub: string, role = "customer") => {
    const exp = Math.floor(Date.now() / 1_000) + 3_600;
    return signToken({ sub, role, name: sub, exp }, secret);
  };

/** A running server with empty storage. */
export interface Target extends Host {
  /** Milliseconds from the start of the process until it has answered its first request. */
  startMs: number;
  /** The server's process, whose CPU time and memory are measured. */
  pid: number;
  /** Adds users who have never connected. */
  addUsers(userIds: string[]): Promise<void>;
  /** What is stored, if this can be measured. */
  storage(): Promise<Storage>;
  /** Makes the user's object hibernate; null if there are no objects. */
  hibernate: ((userId: string) => Promise<void>) | null;
  /** Whether it sends campaigns. */
  hasCampaigns: boolean;
  /** The errors that the server has logged. */
  errors(): string[];
  close(): Promise<void>;
}

export interface Storage {
  /** The size of the shared database. */
  databaseBytes: number;
  /** The rows written to the shared database by sends, as D1 bills them; null if this is unknown. */
  rowsWritten: number | null;
  /** The size of all objects' databases; null if there are no objects. */
  objectBytes: number | null;
}

export interface TargetKind {
  /** The name for `--against`, and in the table. */
  name: string;
  start(vars: Vars): Promise<Target>;
}
