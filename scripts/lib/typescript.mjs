// Generates TypeScript types from an AsyncAPI document of Socket.IO events. json-schema-to-typescript
// generates the payload types; this module generates the event interfaces from the messages.

const typesHeader = `// Made from the Rust payload types by \`npm run contract\`: change those.

import type { Socket } from "socket.io-client";
`;

const typesFooter = (optional) => `
/** What an ack gets: the payload of the reply event, or what went wrong. */
export type Ack<Reply> = (reply: Reply | Refusal) => void;

/** The name of a request event. */
export type RequestName = keyof ClientToServerEvents;

/** The payload of a request event. */
export type PayloadOf<Name extends RequestName> = Parameters<ClientToServerEvents[Name]>[0];

/** The payload of a request's reply event, and of its ack. */
export type ReplyOf<Name extends RequestName> =
  Exclude<Parameters<Parameters<ClientToServerEvents[Name]>[1]>[0], Refusal>;

/**
 * A socket of Switchboard. As \`Socket<ServerToClientEvents, ClientToServerEvents>\`, and a request may
 * be emitted without an ack, too.
 */
export type SwitchboardSocket = Socket<ServerToClientEvents, ClientToServerEvents> & {
  emit<Name extends RequestName>(event: Name, payload: PayloadOf<Name>): SwitchboardSocket;
  emit(event: ${optional.map((name) => JSON.stringify(name)).join(" | ")}): SwitchboardSocket;
};
`;

const nameIn = ({ $ref }) => $ref.slice($ref.lastIndexOf("/") + 1);

/** Rewrites `properties` next to `oneOf` as an explicit `allOf`, which the generator needs. */
function spelledOut({ title, description, oneOf, ...schema }) {
  if (!oneOf || !schema.properties)
    return { title, description, ...(oneOf && { oneOf }), ...schema };
  return { title, description, allOf: [schema, { oneOf }] };
}

/** Returns the schemas with titles, after which the generator names the types. */
function definitions({ components }) {
  const text = JSON.stringify(components.schemas).replaceAll(
    "#/components/schemas/",
    "#/definitions/",
  );
  const named = Object.entries(JSON.parse(text));
  return Object.fromEntries(
    named.map(([name, schema]) => [name, spelledOut({ title: name, ...schema })]),
  );
}

const comment = (text) => `/** ${text} */`;

function requestType({ payload, "x-ack": ack }) {
  return `(payload: ${nameIn(payload)}, ack: Ack<${nameIn(ack.oneOf[0])}>) => void`;
}

function pushType({ payload, "x-more-arguments": more = [] }) {
  const others = more.map(
    ({ name, required, schema }) => `, ${name}${required ? "" : "?"}: ${schema.type}`,
  );
  return `(payload: ${nameIn(payload)}${others.join("")}) => void`;
}

function eventsInterface(name, description, messages, typeOf) {
  const members = messages.map(
    (message) => `${comment(message.summary)}\n${message.name}: ${typeOf(message)};`,
  );
  return `${comment(description)}\nexport interface ${name} {\n${members.join("\n")}\n}\n`;
}

// The note that the generator appends to each type's comment.
const reference = /( \*\s*\n)* \* This interface was referenced by .*\n \* via the .*\n/g;
const emptyComment = /\/\*\*\n \*\/\n/g;
const oneLineComment = /\/\*\*\n\s*\* (.*)\n\s*\*\//g;

/** Removes the generator's notes and normalizes comments and blank lines. */
function tidied(text) {
  return text
    .replace(reference, "")
    .replace(emptyComment, "")
    .replace(oneLineComment, "/** $1 */")
    .replaceAll("\nexport ", "\n\nexport ")
    .replaceAll("*/\n\nexport ", "*/\nexport ")
    .replaceAll("\n/**", "\n\n/**");
}

/** Returns the source text of the TypeScript types for an AsyncAPI document. */
export async function types(contract) {
  const { compile } = await import("json-schema-to-typescript");
  const schemas = { title: "Unused", type: "object", definitions: definitions(contract) };
  const options = {
    additionalProperties: false,
    bannerComment: "",
    format: false,
    ignoreMinAndMaxItems: true,
    unreachableDefinitions: true,
  };
  const shapes = await compile(schemas, "Unused", options);
  const messages = Object.values(contract.components.messages);
  const isRequest = (message) => "x-ack" in message;
  const isBare = (message) => message["x-payload-optional"];
  return [
    typesHeader,
    eventsInterface(
      "ServerToClientEvents",
      "What a client listens to.",
      messages.filter((message) => !isRequest(message)),
      pushType,
    ),
    eventsInterface(
      "ClientToServerEvents",
      "What a client emits. Each request may be followed by an ack.",
      messages.filter(isRequest),
      requestType,
    ),
    tidied(shapes).replace(/export interface Unused \{[^}]*\}/, ""),
    typesFooter(messages.filter(isBare).map(({ name }) => name)),
  ].join("\n");
}
