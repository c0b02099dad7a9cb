// Who is typing: the other side, and oneself.

import { ask } from "./requests.ts";
import { change, isConnected, state } from "./store.ts";

/** A `typing_stop` may get lost. */
const typingLastsMs = 6_000;
/** Who goes on typing says so again. */
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

/** When the other side was told last. */
let told: { conversationId: string; at: number } | null = null;

/** Tells the other side, seldom enough. */
export function typing(conversationId: string) {
  if (!isConnected()) return;
  if (told?.conversationId === conversationId && Date.now() - told.at < typingAgainMs) return;
  told = { conversationId, at: Date.now() };
  void ask("typing_start", { conversationId });
}

/** A message says by itself that the typing is over. */
export function sentWhatWasTyped() {
  told = null;
}

export function stoppedTyping(conversationId: string) {
  if (told?.conversationId !== conversationId) return;
  told = null;
  if (isConnected()) void ask("typing_stop", { conversationId });
}
