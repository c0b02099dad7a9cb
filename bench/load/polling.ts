// A polling session until its upgrade, as socket.io-client begins one.

import { Agent, request } from "node:http";

const SEPARATOR = "\x1e";
const agent = new Agent({ keepAlive: true });

async function exchange(url: string, body?: string): Promise<string> {
  const method = body === undefined ? "GET" : "POST";
  const headers = body === undefined ? {} : { "Content-Type": "text/plain;charset=UTF-8" };
  return new Promise((resolve, reject) => {
    const sent = request(url, { agent, method, headers }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part) => (text += part));
      response.on("end", () => {
        if (response.statusCode === 200) resolve(text.trim());
        else reject(new Error(`${method} ${url}: status ${response.statusCode}: ${text}`));
      });
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

export class PollingSession {
  readonly sid: string;
  readonly #url: string;

  private constructor(url: string, sid: string) {
    this.#url = `${url}&sid=${sid}`;
    this.sid = sid;
  }

  /** The handshake. */
  static async open(host: string) {
    const url = `${host}/socket.io/?EIO=4&transport=polling`;
    const { sid } = JSON.parse((await exchange(url)).slice(1));
    return new PollingSession(url, sid);
  }

  /** Posts the CONNECT. Returns the packets that follow the server's answer in the same poll. */
  async connect(token: string) {
    const polled = this.poll();
    await exchange(this.#url, `40${JSON.stringify({ token })}`);
    const [answer, ...more] = await polled;
    if (!answer?.startsWith("40")) throw new Error(`the CONNECT was answered by ${answer}`);
    return more;
  }

  async poll() {
    return (await exchange(this.#url)).split(SEPARATOR);
  }
}

/** Closes the connections that were kept for the next request. */
export const closeConnections = () => agent.destroy();
