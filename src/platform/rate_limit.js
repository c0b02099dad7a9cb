// Counts against a rate limiting binding.

/** Counts one under `key`. Returns whether that is within the limit. */
export const take = async (limiter, key) => (await limiter.limit({ key })).success;
