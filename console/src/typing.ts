// Typing indications: shows the peer's and sends the user's own.

import { ask } from "./requests.ts";
import { change, isConnected, state } from "./store.ts";

/** Ends the peer's indication in case `typing_stop` is lost. */
const typingLastsMs = 6_000;
/** While the user keeps typing, `typing_start` is repeated at this interval. */
const typingAgainMs = 3_000;

export function showTyping(conversationId: string, isTyping: boolean) {
  clearTimeout(state.typing.get(conversationId));
  state.typing.delete(conversationId);
  if (isTyping) {
    const forget = () => showTyping(conversationId, false);
    state.typing.set(conversationId, setTimeout(forget, typingLastsMs));
  }
  change();
}

/** The last `typing_start` that was sent. */
let told: { conversationId: string; at: number } | null = null;

/** Sends `typing_start`, rate-limited. */
export function typing(conversationId: string) {
  if (!isConnected()) return;
  if (told?.conversationId === conversationId && Date.now() - told.at < typingAgainMs) return;
  told = { conversationId, at: Date.now() };
  void ask("typing_start", { conversationId });
}

/** A sent message ends the indication at the receiver, so no `typing_stop` is needed. */
export function sentWhatWasTyped() {
  told = null;
}

export function stoppedTyping(conversationId: string) {
  if (told?.conversationId !== conversationId) return;
  told = null;
  if (isConnected()) void ask("typing_stop", { conversationId });
}
