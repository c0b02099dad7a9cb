// What a scenario needs of a server under test.

import type { Host } from "../load/client.ts";

/** Environment variables of the Worker. */
export type Vars = Record<string, string>;

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
