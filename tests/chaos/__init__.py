"""The house under kill -9: real processes, real servers, a sink that tells the truth, and an oracle that compares."""
