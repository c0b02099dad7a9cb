// Sends one message to many receivers: by a bulk send, or by a campaign if they are too many for one.

import type { SwitchboardSocket } from "switchboard-events";

import { sendCampaign } from "./campaign.ts";
import { load } from "./conversations.ts";
import { attempt, isRefusal } from "./requests.ts";
import { change, state } from "./store.ts";
import type { Draft } from "./store.ts";
import { refresh } from "./thread.ts";

/** The server's default for a bulk send. A server that allows fewer refuses the send, which then becomes a campaign. */
const maxBulkReceivers = 1_000;

/** Returns the distinct ids in a text. Line breaks, commas and semicolons separate ids; spaces do not. */
export function idsIn(text: string): string[] {
  const ids = text.split(/[\n,;]/).map((id) => id.trim());
  return [...new Set(ids.filter((id) => id !== ""))];
}

/** Every render asks for the receivers, and there may be 100,000 of them. */
const receiversByDraft = new WeakMap<Draft, string[]>();

/** Returns the typed ids, the picked ones and the file's. The latter are never split, whatever they contain. */
export function receiversOf(draft: Draft): string[] {
  const { receivers, picked, file } = draft;
  const all = receiversByDraft.get(draft) ?? [
    ...new Set([...idsIn(receivers), ...picked, ...(file?.receiverIds ?? [])]),
  ];
  receiversByDraft.set(draft, all);
  return all;
}

/** Whether the server refuses a bulk send because it has too many receivers. A campaign follows, so it is no problem. */
export const isTooManyForOne = (event: string | null | undefined, code: string) =>
  event === "send_bulk_message" && code === "too_many";

/** Sends a message to many. Returns whether the server accepted it. */
export async function sendToMany(draft: Draft): Promise<boolean> {
  const receiverIds = receiversOf(draft);
  change({ bulk: { total: receiverIds.length, result: null, added: null } });
  // A campaign that an earlier attempt has begun may be under way.
  const needsCampaign = Boolean(draft.campaignId) || receiverIds.length > maxBulkReceivers;
  return needsCampaign ? sendCampaign(draft, receiverIds) : sendBulk(draft, receiverIds);
}

async function sendBulk(draft: Draft, receiverIds: string[]): Promise<boolean> {
  const result = await attempt("send_bulk_message", {
    receiverIds,
    messageType: "text",
    content: { text: draft.text.trim() },
    jobId: draft.jobId.trim() || null,
    idempotencyKey: draft.idempotencyKey,
  });
  if (!result) return false;
  if (isRefusal(result)) {
    const isTooMany = isTooManyForOne("send_bulk_message", result.error.code);
    return isTooMany ? sendCampaign(draft, receiverIds) : false;
  }
  change({ bulk: { ...state.bulk, result } });
  return true;
}

/** Shows the messages of bulk sends, from this page or another device. */
export function listen(socket: SwitchboardSocket) {
  socket.on("bulk_message_sent", ({ results }) => {
    for (const { messageId, delivered } of results) {
      if (delivered) state.delivered.add(messageId);
    }
    void load();
    void refresh();
  });
}
