// An AsyncAPI document of Socket.IO events as types for TypeScript: the shapes by a generator, the
// interfaces of the events from the messages.

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

/** Fields and a choice side by side are both at once; the generator wants that said. */
function spelledOut({ title, description, oneOf, ...schema }) {
  if (!oneOf || !schema.properties)
    return { title, description, ...(oneOf && { oneOf }), ...schema };
  return { title, description, allOf: [schema, { oneOf }] };
}

/** The schemas, with the names that the generator gives types by. */
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

// What the generator says of itself, at the end of each type's comment.
const reference = /( \*\s*\n)* \* This interface was referenced by .*\n \* via the .*\n/g;
const emptyComment = /\/\*\*\n \*\/\n/g;
const oneLineComment = /\/\*\*\n\s*\* (.*)\n\s*\*\//g;

/** The generator's text, without what it says of itself. */
function tidied(text) {
  return text
    .replace(reference, "")
    .replace(emptyComment, "")
    .replace(oneLineComment, "/** $1 */")
    .replaceAll("\nexport ", "\n\nexport ")
    .replaceAll("*/\n\nexport ", "*/\nexport ")
    .replaceAll("\n/**", "\n\n/**");
}

/** The types of an AsyncAPI document, for TypeScript. */
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
