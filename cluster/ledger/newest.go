package ledger

// Newest is the highest number of a command that this program knows.
const Newest = len(decoders) - 1
