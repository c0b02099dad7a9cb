// Formats numbers of receivers.

export const plural = (count: number) => (count === 1 ? "1 receiver" : `${count} receivers`);
