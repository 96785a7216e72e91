"""Real servers for tests: private, on this machine alone, started when the first test asks, ended with the test process."""
