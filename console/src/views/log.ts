import { html } from "lit-html";
import { repeat } from "lit-html/directives/repeat.js";

import { shown, snippet } from "../packets.ts";
import { change, state } from "../store.ts";
import type { Packet } from "../store.ts";
import { clockTime } from "./time.ts";

async function copy(event: Event, packet: Packet) {
  const button = event.currentTarget as HTMLButtonElement;
  await navigator.clipboard.writeText(snippet(packet));
  button.textContent = "Copied";
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
      <pre tabindex="0"><code>${packet.body}</code></pre>
      <button
        type="button"
        class="secondary outline small"
        @click=${(event: Event) => copy(event, packet)}
      >
        Copy as code
      </button>
    </details>
  </li>
`;

const filtered = (event: Event) => change({ filter: (event.target as HTMLInputElement).value });
const heartbeat = (event: Event) =>
  change({ showsHeartbeat: (event.target as HTMLInputElement).checked });

export const logView = () => html`
  <article id="log" class="wide" aria-labelledby="log-title">
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
    <ol class="packets" aria-label="Packets, newest first" tabindex="0">
      ${repeat(shown(), ({ id }) => id, packetView)}
    </ol>
  </article>
`;
