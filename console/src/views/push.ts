// The switch for pushes to this browser.

import { html } from "lit-html";
import { live } from "lit-html/directives/live.js";

import { turnOff, turnOn } from "../push.ts";
import { isConnected, state } from "../store.ts";

const flip = () => (state.pushes.endpoint ? turnOff() : void turnOn());

export function pushView() {
  const { publicKey, endpoint, obstacle, isBusy } = state.pushes;
  const isPossible = publicKey !== null && isConnected() && !isBusy;
  return html`
    <label>
      <input
        type="checkbox"
        role="switch"
        .checked=${live(endpoint !== null || isBusy)}
        ?disabled=${!isPossible}
        aria-describedby="push-obstacle"
        @change=${flip}
      />
      Notify me when this page is closed
    </label>
    <p id="push-obstacle" class="muted" role="status">${obstacle ?? ""}</p>
  `;
}
