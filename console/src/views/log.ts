// The log of all packets, with a filter and a button that copies a packet as code.

import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { shown, snippet } from "../packets.ts";
import { change, state } from "../store.ts";
import type { Packet } from "../store.ts";
import { clockTime } from "./time.ts";

const isManual = ({ id }: Packet) => state.copy?.packetId === id && !state.copy.isDone;

async function copy(packet: Packet) {
  // A page served over http has no clipboard, and the browser may deny access to it.
  const isDone = await navigator.clipboard?.writeText(snippet(packet)).then(
    () => true,
    () => false,
  );
  change({ copy: { packetId: packet.id, isDone: isDone ?? false } });
}

function copyStatus() {
  const packet = state.packets.find(({ id }) => id === state.copy?.packetId);
  if (!packet) return "";
  if (isManual(packet)) return "The browser does not let the page copy: the packet shows its code";
  return html`Copied: ${packet.kind} <bdi>${packet.name}</bdi>`;
}

const packetView = (packet: Packet) => html`
  <li>
    <details>
      <summary>
        <span class="direction">${packet.direction === "in" ? "← in" : "→ out"}</span>
        <time>${clockTime(packet.at)}</time>
        <span>${packet.kind}</span>
        <code>${packet.name}</code>
      </summary>
      <pre tabindex="0"><code>${isManual(packet) ? snippet(packet) : packet.body}</code></pre>
      <button type="button" class="secondary outline small" @click=${() => copy(packet)}>
        Copy as code
      </button>
    </details>
  </li>
`;

const filtered = (event: Event) => change({ filter: (event.target as HTMLInputElement).value });
const heartbeat = (event: Event) =>
  change({ showsHeartbeat: (event.target as HTMLInputElement).checked });

export const logView = () => html`
  <article id="log" aria-labelledby="log-title">
    <h2 id="log-title">Packets</h2>
    <div class="filters">
      <input
        type="search"
        aria-label="Filter packets"
        placeholder="Filter"
        .value=${state.filter}
        @input=${filtered}
      />
      <label>
        <input type="checkbox" .checked=${state.showsHeartbeat} @change=${heartbeat} /> Heartbeat
      </label>
    </div>
    <p class="muted" role="status" data-testid="copied">${copyStatus()}</p>
    <ol class="packets" aria-label="Packets, newest first" tabindex="0">
      ${repeat(shown(), ({ id }) => id, packetView)}
    </ol>
  </article>
`;
