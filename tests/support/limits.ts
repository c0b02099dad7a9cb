/**
 * Tests send and ask more often than people do, and cannot wait for a real heartbeat. Tests of these limits set their
 * own.
 */
export const testVars = {
  MAX_BULK_SENDS_PER_MINUTE: "0",
  MAX_OBJECTS_PER_SECOND: "0",
  MAX_QUERIES_PER_SECOND: "0",
  UNREAD_TOTAL_MS: "0",
  HEARTBEAT_BOUNDS: "off",
};
