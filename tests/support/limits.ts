/** Tests send and ask more often than people do. Tests of these limits set their own. */
export const unlimited = {
  MAX_BULK_SENDS_PER_MINUTE: "0",
  MAX_OBJECTS_PER_SECOND: "0",
  MAX_QUERIES_PER_SECOND: "0",
};
