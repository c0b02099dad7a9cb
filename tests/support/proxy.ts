// A TCP proxy that simulates a network between a client and the server: it can delay data, lose data in
// transit, and fall silent. Data either arrives in order after the delay, or not at all.

import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Socket } from "node:net";

import type { Host } from "./clients.ts";

/** Which data in transit is lost when a connection is cut. */
export type Loss = "everything" | "to the client" | "to the server" | "nothing";

/** How a connection ends: with a FIN or an RST. */
export type Ending = "end" | "reset";

type Piece = Buffer | Ending;

/** One direction of a connection. */
class Lane {
  readonly #to: Socket;
  readonly #delayMs: () => number;
  #underWay: { dueAt: number; piece: Piece }[] = [];
  #timer: NodeJS.Timeout | null = null;
  #isStalled = false;
  #isSealed = false;

  constructor(to: Socket, delayMs: () => number) {
    this.#to = to;
    this.#delayMs = delayMs;
  }

  take(piece: Piece) {
    if (this.#isSealed) return;
    this.#isSealed = typeof piece === "string";
    // The delay may have been reduced; keep the order.
    const before = this.#underWay.at(-1)?.dueAt ?? 0;
    this.#underWay.push({ dueAt: Math.max(before, Date.now() + this.#delayMs()), piece });
    this.#wait();
  }

  /** Drops data in transit and any later data, and ends the connection. */
  lose(ending: Ending) {
    this.#underWay = [];
    this.#isSealed = true;
    this.#deliver(ending);
  }

  stall() {
    this.#isStalled = true;
  }

  /** Returns the data in transit; for a stalled lane, everything since the stall. */
  held(): Buffer {
    const pieces = this.#underWay.map(({ piece }) => piece);
    return Buffer.concat(pieces.filter((piece) => typeof piece !== "string"));
  }

  #wait() {
    const [first] = this.#underWay;
    if (!first || this.#timer) return;
    this.#timer = setTimeout(() => this.#move(), Math.max(0, first.dueAt - Date.now()));
  }

  #move() {
    this.#timer = null;
    if (this.#isStalled) return;
    const now = Date.now();
    while (this.#underWay.length > 0 && this.#underWay[0].dueAt <= now) {
      this.#deliver(this.#underWay[0].piece);
      this.#underWay.shift();
    }
    this.#wait();
  }

  #deliver(piece: Piece) {
    if (piece === "reset") this.#to.resetAndDestroy();
    else if (piece === "end") this.#to.end();
    else if (this.#to.writable) this.#to.write(piece);
  }
}

/** A connection through the proxy. */
class Link {
  readonly #client: Socket;
  readonly toServer: Lane;
  readonly toClient: Lane;
  /** The response so far if the client's last request was a GET of a polling session, otherwise null. */
  answer: string | null = null;
  #isCut = false;

  constructor(client: Socket, server: Socket, network: Network) {
    this.#client = client;
    const delayMs = () => network.delayMs;
    this.toServer = new Lane(server, delayMs);
    this.toClient = new Lane(client, delayMs);
    client.on("data", (piece) => {
      const request = piece.toString("latin1", 0, 200);
      if (/^(GET|POST) /.test(request)) this.answer = isPoll(request) ? "" : null;
      this.toServer.take(piece);
    });
    server.on("data", (piece) => {
      if (this.#isCut) return;
      if (this.answer !== null) this.answer += piece.toString("latin1");
      network.onData(this, piece);
    });
    this.#passEndOn(client, this.toServer);
    this.#passEndOn(server, this.toClient);
  }

  #passEndOn(from: Socket, lane: Lane) {
    from.on("end", () => lane.take("end"));
    // Without a listener, Node would throw the error; "close" follows.
    from.on("error", () => {});
    from.on("close", (hadError) => lane.take(hadError ? "reset" : "end"));
  }

  cut(loss: Loss, ending: Ending) {
    this.#isCut = true;
    const isLost = (direction: Loss) => loss === "everything" || loss === direction;
    if (isLost("to the server")) this.toServer.lose(ending);
    else this.toServer.take(ending);
    if (isLost("to the client")) this.toClient.lose(ending);
    else this.toClient.take(ending);
    // A client that has not noticed the cut yet must not get any more data through.
    if (isLost("to the client")) this.#client.destroySoon();
  }

  stall() {
    this.toServer.stall();
    this.toClient.stall();
  }
}

const isPoll = (request: string) => /^GET \S*transport=polling\S*[?&]sid=/.test(request);

/** Intercepts data from the server. Returns whether it handled the data, which is then not passed on. */
type Trap = (link: Link, piece: Buffer) => boolean;

export class Network implements Host {
  url = "";
  readonly token: Host["token"];
  /** The delay in each direction, in milliseconds. */
  delayMs: number;
  /** Whether new connections fail. */
  isDown = false;
  /** How many connections have failed because of `isDown`. */
  refusals = 0;
  #isSilent = false;
  readonly #links = new Set<Link>();
  readonly #listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
  readonly #server: { host: string; port: number };
  #trap: Trap | null = null;

  private constructor(server: Host, delayMs: number) {
    const { hostname, port } = new URL(server.url);
    this.#server = { host: hostname, port: Number(port) };
    this.token = server.token;
    this.delayMs = delayMs;
  }

  /** Opens a separate network in front of the server. */
  static async open(server: Host, delayMs = 0) {
    const network = new Network(server, delayMs);
    network.#listener.listen(0, "127.0.0.1");
    await once(network.#listener, "listening");
    const { port } = network.#listener.address() as AddressInfo;
    network.url = `http://127.0.0.1:${port}`;
    opened.add(network);
    return network;
  }

  #accept(client: Socket) {
    if (this.isDown) {
      this.refusals += 1;
      client.on("error", () => {});
      client.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#server, allowHalfOpen: true, noDelay: true });
    client.setNoDelay();
    const link = new Link(client, server, this);
    this.#links.add(link);
    if (this.#isSilent) link.stall();
    let open = 2;
    for (const socket of [client, server]) {
      socket.on("close", () => {
        open -= 1;
        if (open === 0) this.#links.delete(link);
      });
    }
  }

  get isIdle() {
    return this.#links.size === 0;
  }

  /** The number of pending polling GETs. */
  get waitingGets() {
    return [...this.#links].filter((link) => link.answer === "").length;
  }

  onData(link: Link, piece: Buffer) {
    if (!this.#trap?.(link, piece)) link.toClient.take(piece);
  }

  /** Whether `cutAfter` or `loseAnswer` is still waiting for its data. */
  get isArmed() {
    return this.#trap !== null;
  }

  /** Cuts all connections. New ones can be opened at once, unless the network `isDown`. */
  cut(loss: Loss = "everything", ending: Ending = "reset") {
    this.#trap = null;
    for (const link of this.#links) link.cut(loss, ending);
  }

  /** Stops all traffic on existing connections without notifying either side. */
  stall() {
    for (const link of this.#links) link.stall();
  }

  /** Like `stall`, but for future connections, too. */
  fallSilent() {
    this.#isSilent = true;
    this.stall();
  }

  /** Returns the data that the server has sent on stalled connections. */
  held(): Buffer {
    return Buffer.concat([...this.#links].map((link) => link.toClient.held()));
  }

  /** Passes this many more bytes to the clients and then cuts all connections. Resolves after the cut. */
  cutAfter(bytes: number) {
    let left = bytes;
    return this.#setTrap((link, piece) => {
      left -= piece.length;
      if (left > 0) return null;
      link.toClient.take(piece.subarray(0, piece.length + left));
      return () => this.cut("nothing", "end");
    });
  }

  /**
   * Drops the next response to a polling GET that contains `saying`, and cuts its connection. Resolves after
   * the cut. Other connections are not affected.
   */
  loseAnswer(saying = "") {
    return this.#setTrap((link) => {
      if (link.answer === null || !link.answer.includes(saying)) return null;
      return () => link.cut("to the client", "reset");
    });
  }

  /** Sets a trap. Once `look` returns an action, the trap is removed and the action is run. */
  #setTrap(look: (link: Link, piece: Buffer) => (() => void) | null) {
    return new Promise<void>((resolve) => {
      this.#trap = (link, piece) => {
        const act = look(link, piece);
        if (!act) return false;
        this.#trap = null;
        act();
        resolve();
        return true;
      };
    });
  }

  /** Accepts no more connections and cuts the existing ones. */
  close() {
    opened.delete(this);
    this.isDown = true;
    this.#listener.close();
    this.cut();
  }
}

const opened = new Set<Network>();

/** Closes all networks that a test has left open. */
export function closeNetworks() {
  for (const network of opened) network.close();
}
